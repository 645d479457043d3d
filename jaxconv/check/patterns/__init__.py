"""Recognise the mistake that a wrong result looks like."""

from jaxconv.check.patterns.recognise import locate, recognise
from jaxconv.check.patterns.shapes import recognise_shape
from jaxconv.check.patterns.source import Source

__all__ = ["Source", "locate", "recognise", "recognise_shape"]
