"""Well-known networks, each in a file that names its paper."""

from jaxconv.nn.models.alexnet import alexnet, alexnet_small
from jaxconv.nn.models.board_tower import board_tower
from jaxconv.nn.models.chapter5 import chapter5
from jaxconv.nn.models.densenet import densenet
from jaxconv.nn.models.lenet5 import lenet5
from jaxconv.nn.models.mobilenet import mobilenet
from jaxconv.nn.models.octave import octave_resnet, octave_resnet50
from jaxconv.nn.models.resnet import resnet, resnet50
from jaxconv.nn.models.vgg_small import vgg_small

__all__ = [
    "alexnet",
    "alexnet_small",
    "board_tower",
    "chapter5",
    "densenet",
    "lenet5",
    "mobilenet",
    "octave_resnet",
    "octave_resnet50",
    "resnet",
    "resnet50",
    "vgg_small",
]
