"""A mark for tests that need the method `onednn` here."""

import pytest

from jaxconv.conv.methods import onednn_region


def needs(dtype: str) -> pytest.MarkDecorator:
    why = onednn_region.unavailable(dtype)
    return pytest.mark.skipif(why is not None, reason=f"onednn: {why}")
