"""What a run has reached."""

import dataclasses

from jaxconv.nn import Params
from jaxconv.train.scaling import Scaling
from jaxconv.train.step import TrainState


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run has reached."""

    state: TrainState  # the last one, from which training could go on
    params: Params  # those to use: averaged, or of the best validation, or the last
    accuracy: float  # of `params` on the images validated on, from 0 to 1
    batches: int
    seconds: float  # of training and validation, compilation included
    interrupted: bool
    scaling: Scaling  # of bytes to what the model takes
