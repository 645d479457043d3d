"""Params are of two kinds: what training learns, and statistics that layers keep.

Statistics stand in `params` under a name of their own, `statistics`, in the layer that
keeps them. Only `Layer.update` changes them; no optimiser may.
"""

from typing import Any

import jax

from jaxconv.nn.layer import Params

STATISTICS = "statistics"
_KEY = jax.tree_util.DictKey(STATISTICS)


def split_statistics(params: Params) -> tuple[Params, Params]:
    """Return the params that are learned, and the statistics.

    Both have the structure of `params`, with None in place of what the other has. JAX
    and optax do not count None as a leaf.

    >>> params = {"scale": 1.0, "statistics": {"mean": 0.0}}
    >>> split_statistics(params)[1]
    {'scale': None, 'statistics': {'mean': 0.0}}
    """

    def kept(statistics: bool) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: leaf if (_KEY in path) is statistics else None, params
        )

    return kept(False), kept(True)


def merge_statistics(learned: Params, statistics: Params) -> Params:
    """Put together what `split_statistics` has split."""
    return jax.tree.map(
        lambda first, second: second if first is None else first,
        learned,
        statistics,
        is_leaf=lambda leaf: leaf is None,
    )
