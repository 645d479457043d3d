"""Check that gradients are right: exactly, where the operation is bilinear."""

from jaxconv.check.adapters import of_layer, of_vjp
from jaxconv.check.bilinear import check_bilinear
from jaxconv.check.gradients import check_gradients
from jaxconv.check.report import CheckFailedError, Failure, Report, Row

__all__ = [
    "CheckFailedError",
    "Failure",
    "Report",
    "Row",
    "check_bilinear",
    "check_gradients",
    "of_layer",
    "of_vjp",
]
