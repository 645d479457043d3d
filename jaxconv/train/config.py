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

    --preset chapter5, lenet5 or best sets other defaults. On Linux, memory is requested
    in huge pages, which is faster; --no-huge-pages turns that off. --debug shows the
    tracebacks of errors, --version the versions.

    Raises:
      ValueError: a number is out of range.
    """

    model: Model = "chapter5"
    """The model, of `jaxconv.nn.models`: chapter5 is one convolution (32 filters of
    5x5, tanh) and one dense layer; lenet5 has rectifiers, max pooling and batch
    normalisation; a number at the end is the depth."""

    method: Method = "auto"
    """The convolution's algorithm; only chapter5 takes another one than auto."""

    epochs: int = 1
    """Passes over the training set."""

    batch_size: int = 60
    """Images in each step."""

    microbatches: int = 2
    """Split each batch into this many microbatches, whose gradients are computed in
    parallel and averaged; not if the model normalises over the batch or several devices
    share it."""

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
    """How the learning rate changes. cosine: down to 0 along a cosine. one-cycle: up
    over the first 30 percent of the steps, then down."""

    warm_up: int = 0
    """Updates in which the learning rate rises from 0, unless the schedule is
    one-cycle."""

    weight_decay: float = 0.0
    """The share of the weights that each step subtracts, times the learning rate."""

    clip_norm: float = 0.0
    """Scale gradients whose norm over all parameters is larger down to it. 0: no
    clipping."""

    ema: float = 0.0
    """Validate and keep an exponential moving average of the weights. Each step keeps
    this share of the average, such as 0.999. 0: the weights themselves."""

    label_smoothing: float = 0.0
    """The share of each label that is spread over all classes."""

    max_shift: float = 0.0
    """Shift training images at random by up to this many pixels."""

    max_rotation: float = 0.0
    """Turn training images at random by up to this many degrees."""

    seed: int = 20190402
    """Fixes the initial weights, the order of the images and the dropout."""

    data_dir: Path | None = None
    """Your images: a folder of class folders of PNG or JPEG files, or of the four IDX
    files of MNIST, Fashion-MNIST, KMNIST or EMNIST, or one .npz file with images and
    labels. None: the embedded MNIST."""

    num_classes: int | None = None
    """Classes of the data set; labels lie below this number. None: 10 for IDX files,
    for other data as many as they have."""

    transpose_images: bool = False
    """Exchange rows and columns of the images: for EMNIST, stored transposed."""

    held_out: int = 0
    """Take this many images out of the training set, each class in proportion, and
    validate on them instead of the test set. The weights of the best validation are
    kept."""

    patience: int = 0
    """Stop after this many validations on held-out images without a better one. 0:
    never."""

    validate_every: int = 100
    """Batches between two validations. 0: one, at the end."""

    overfit_batches: int = 0
    """Train and validate on only this many batches, again and again: a model that
    cannot memorise them has a bug. 0: on all."""

    find_learning_rate: bool = False
    """Do not train: try learning rates from small to large, and propose one."""

    max_batches: int = 0
    """Stop after this many batches: a quick run. 0: all of them."""

    max_test_images: int = 0
    """Validate on only this many of the first test images: a quick run. 0: all."""

    run: Path | None = None
    """The folder to keep the run in: checkpoints, metrics.jsonl, the trained model and
    report.html. None: nothing is kept."""

    resume: bool = False
    """Resume the run in that folder from its last checkpoint."""

    checkpoint_every: int = 500
    """Batches between two checkpoints; there is one at the end, and after Ctrl-C."""

    keep: int = 3
    """Checkpoints to keep: this many of the newest, and the best."""

    tensorboard: bool = False
    """Write the metrics for TensorBoard too, into the run's folder."""

    devices: int = 1
    """Devices of this machine that share each batch. 0: all."""

    coordinator: str | None = None
    """Train on several machines: the address, host:port, of the first process, the same
    for all; "auto" where Slurm, Kubernetes or Open MPI provide it."""

    num_processes: int | None = None
    """Processes in all, with a coordinator."""

    process_id: int | None = None
    """The number of this process among them, from 0."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_config(self)
