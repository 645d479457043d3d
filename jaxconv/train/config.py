"""Every setting of a training run, with its default: the chapter's experiment."""

import dataclasses
from pathlib import Path
from typing import Literal

from jaxconv.conv.methods.registry import Method
from jaxconv.train._settings import check_config

Model = Literal[
    "chapter5",
    "lenet5",
    "vgg_small",
    "alexnet_small",
    "resnet8",
    "resnet20",
    "densenet22",
    "octave_resnet20",
]
Optimizer = Literal["sgd", "adam"]
Schedule = Literal["constant", "cosine", "one-cycle"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a model on images; without arguments, the chapter's experiment on MNIST.

    Other defaults come with --preset chapter5, lenet5 or best. On Linux, memory is
    asked for in huge pages, which is faster, unless there is --no-huge-pages. Errors
    show where they come from with --debug. There is --version, too.

    Raises:
      ValueError: a number is out of range.
    """

    model: Model = "chapter5"
    """The model, of `jaxconv.nn.models`: chapter5 is one convolution (32 filters of
    5x5, tanh) and one dense layer; lenet5 has rectifiers, max pooling and batch
    normalisation; a number at the end is the depth."""

    method: Method = "auto"
    """The convolution's algorithm; chapter5 alone takes another one than auto."""

    epochs: int = 1
    """Passes over the training set."""

    batch_size: int = 60
    """Images in each step."""

    microbatches: int = 2
    """Parts of a batch whose gradients are computed in parallel and averaged, unless
    the model normalises over the batch or several devices share it."""

    accumulate: int = 1
    """Batches whose gradients are averaged for one update: for a larger batch than fits
    the memory."""

    optimizer: Optimizer = "sgd"
    """The optimiser, from optax; sgd has momentum."""

    learning_rate: float = 0.01
    """The optimiser's step size."""

    momentum: float = 0.9
    """How much of the last step sgd keeps, at least 0 and below 1. adam has none."""

    schedule: Schedule = "constant"
    """How the learning rate changes: not; down to 0 like a cosine; or up over the first
    30 percent of the steps, then down."""

    warm_up: int = 0
    """Updates in which the learning rate rises from 0, unless the schedule is
    one-cycle."""

    weight_decay: float = 0.0
    """How much of the weights each step takes away, times the learning rate."""

    clip_norm: float = 0.0
    """Gradients whose norm over all parameters is larger are scaled down to it. 0:
    none."""

    ema: float = 0.0
    """Validate and keep an exponential moving average of the weights, of which each
    step keeps this share, such as 0.999. 0: the weights themselves."""

    label_smoothing: float = 0.0
    """The share of each label that is spread over all classes."""

    max_shift: float = 0.0
    """Training images are shifted by up to so many pixels, another way each time."""

    max_rotation: float = 0.0
    """Training images are turned by up to so many degrees, another way each time."""

    seed: int = 20190402
    """Fixes the initial weights, the order of the images and the dropout."""

    data_dir: Path | None = None
    """Your images: a folder of class folders of PNG or JPEG files, or of the four IDX
    files of MNIST, Fashion-MNIST, KMNIST or EMNIST, or one .npz file with images and
    labels. None: the embedded MNIST."""

    num_classes: int | None = None
    """Classes of the data set; labels lie below this number. None: 10 for IDX files,
    else as many as there are."""

    transpose_images: bool = False
    """Exchange rows and columns of the images: for EMNIST, whose files hold them so."""

    held_out: int = 0
    """Take so many images out of the training set, of each class its share, and
    validate on them, not on the test set. The weights of the best validation are
    kept."""

    patience: int = 0
    """Stop after so many validations on held-out images without a better one. 0:
    never."""

    validate_every: int = 100
    """Batches between two validations. 0: one, at the end."""

    overfit_batches: int = 0
    """Train and validate on so many batches only, again and again: a model that cannot
    learn these by heart has a fault. 0: on all."""

    find_learning_rate: bool = False
    """Do not train: try learning rates from small to large, and propose one."""

    max_batches: int = 0
    """Stop after this many batches: a quick run. 0: all of them."""

    max_test_images: int = 0
    """Validate on the first so many test images: a quick run. 0: all of them."""

    run: Path | None = None
    """The folder to keep the run in: checkpoints, metrics.jsonl, the trained model and
    report.html. None: nothing is kept."""

    resume: bool = False
    """Go on with the run in that folder, where its last checkpoint is."""

    checkpoint_every: int = 500
    """Batches between two checkpoints; there is one at the end, and after Ctrl-C."""

    keep: int = 3
    """Checkpoints to keep: so many of the newest, and the best."""

    tensorboard: bool = False
    """Write the metrics for TensorBoard too, into the run's folder."""

    devices: int = 1
    """Devices of this machine that share each batch. 0: all."""

    coordinator: str | None = None
    """Train on several machines: the address, host:port, of the first process, the same
    for all; "auto" where Slurm, Kubernetes or the like tell it."""

    num_processes: int | None = None
    """Processes in all, with a coordinator."""

    process_id: int | None = None
    """Which of them this one is, from 0."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_config(self)
