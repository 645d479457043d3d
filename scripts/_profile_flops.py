"""The multiplications and additions of an operation's products and convolutions."""

import math
import re

from _profile_program import Instruction, Program


def flops_of(program: Program, one: Instruction) -> int:
    """Return twice the products that are added up; 0 for any other work."""
    return sum(_flops(program, part) for part in program.inside(one))


def _flops(program: Program, part: Instruction) -> int:
    if part.opcode not in ("dot", "convolution") and "__onednn" not in part.target:
        return 0
    given = [program.instructions.get(name) for name in part.operands]
    if len(given) < 2 or given[0] is None or given[1] is None:
        return 0
    sizes = part.sizes
    if part.opcode == "dot":
        axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", part.rest)
        terms = [given[0].sizes[int(at)] for at in axes[1].split(",")] if axes else []
        return 2 * math.prod(sizes) * math.prod(terms)
    labels = re.search(r"dim_labels=\w+->(\w+)", part.rest)
    channels = sizes[labels[1].index("f")] if labels else sizes[-1]
    return 2 * math.prod(sizes) * math.prod(given[1].sizes) // max(channels, 1)
