"""What an operation of a compiled program is for: which kind of work, and which layer.

A fusion is what it holds: a layout copy if all it does is move numbers, a product if it
holds one, a reduction if it adds up. What `jaxconv` computes carries the scope
`conv_output/METHOD`, `conv_input_grad/METHOD` or `conv_param_grad/METHOD`.
"""

import collections
import re
from typing import NamedTuple

from _profile_program import Instruction, Program

MAPS = {
    "output": "convolution: output",
    "input_grad": "convolution: input gradient",
    "param_grad": "convolution: filter gradient",
}
PRODUCTS = "products of matrices"
COPIES = "layout copies"
ELEMENTWISE = "element-wise"
REDUCTIONS = "reductions"
POOLING = "pooling"
OTHER = "everything else"
KINDS = *MAPS.values(), PRODUCTS, COPIES, ELEMENTWISE, REDUCTIONS, POOLING, OTHER

_SCOPE = re.compile(r"(?:^|/)conv_(output|input_grad|param_grad)/(\w+)")
_WRAPPED = re.compile(r"^(?:jit|jvp|transpose|vmap|remat|checkpoint)\((.*)\)$")
_WINDOW_NAMES = re.compile(
    r"/(reduce_window|select_and)\w*$"
)  # and what XLA makes of it
_NO_LAYER = re.compile(r"^(while|body|cond|closed_call|branch_\d+_fun|pjit|)$")
_POOLS = "/conv/pooling/"  # in the path of a file
_MACHINERY = ("/jaxconv/conv/", "/jaxconv/dropin/", "/site-packages/jax/")

_NOTHING = {"parameter", "constant", "bitcast", "tuple", "get-tuple-element"}
_JOINS = {"slice", "dynamic-slice", "dynamic-update-slice", "concatenate", "pad"}
_MOVES = {"transpose", "copy", "reverse", "reshape", *_JOINS}
_FILLS = {"broadcast", "iota", "convert"}
_WINDOWS = {"reduce-window", "select-and-scatter"}
_OF_OTHERS = {
    *("gather", "scatter", "sort", "while", "conditional", "call", "custom-call"),
    *("rng", "rng-bit-generator", "fft", "cholesky", "triangular-solve"),
}


class Kind(NamedTuple):
    """A kind of work, and how it is done."""

    kind: str
    how: str


def kind_of(program: Program, one: Instruction) -> Kind:
    """Return what an instruction does."""
    parts = [p for p in program.inside(one) if p.opcode not in _NOTHING]
    opcodes = {part.opcode for part in parts}
    if "__onednn" in one.target:
        return _of_map(one, "oneDNN", "oneDNN")
    for part in parts:
        if part.opcode == "convolution":
            return _of_map(part, "XLA's convolution", _map_of(part))
    if found_window := _of_windows(program, one, parts):
        return found_window
    if opcodes & _MOVES and opcodes <= _MOVES | _FILLS:
        return Kind(COPIES, _how_moved(program, parts))
    for part in parts:
        if part.opcode == "dot":
            return _of_map(part, "product", PRODUCTS)
    if found := _most(parts):
        return Kind(MAPS[found[0]], f"{found[1]}: {_what(opcodes)}")
    if odd := opcodes & _OF_OTHERS:
        return Kind(OTHER, one.target or " and ".join(sorted(odd)))
    if opcodes <= _FILLS:
        return _of_users(program, one) or Kind(ELEMENTWISE, "fill")
    return Kind(
        REDUCTIONS if "reduce" in opcodes else ELEMENTWISE, _with(program, parts)
    )


def _of_windows(
    program: Program, one: Instruction, parts: list[Instruction]
) -> Kind | None:
    """Return the kind of what goes over windows; None of anything else.

    XLA also makes windows of its own: to take the diagonal of a depthwise filter
    gradient, which it computes as one of dense filters, and to add up in two steps.
    """
    if _pools(program, one):
        return Kind(POOLING, "jaxconv")
    if _WINDOW_NAMES.search(one.op_name):
        return Kind(POOLING, "lax")
    names = [part.op_name for part in parts if part.opcode in _WINDOWS]
    if any(name.endswith("conv_general_dilated") for name in names):
        return Kind(MAPS["param_grad"], "diagonal of XLA's convolution")
    if any(not name or _WINDOW_NAMES.search(name) for name in names):
        return Kind(POOLING, "lax")
    return None


def _of_users(program: Program, one: Instruction) -> Kind | None:
    """Return the kind of pooling that a fill without a name is for."""
    users = [] if one.op_name else program.users.get(one.name, [])
    kinds = {_of_windows(program, user, program.inside(user)) for user in users}
    return kinds.pop() if len(kinds) == 1 else None


def layer_of(program: Program, one: Instruction) -> str:
    """Return the layer that an instruction belongs to, by its scopes or its source."""
    op_name = one.op_name or _name_inside(program, one)
    if not op_name:
        if near := _named_before(program, one):
            return f"after {layer_of(program, near)}"
        return _source(program, one)
    if "/" not in op_name:  # an argument's
        return op_name
    words = []
    for word in _SCOPE.split(op_name)[0].split("/"):
        while found := _WRAPPED.match(word):
            word = found[1]
        words.append(word)
    words = words[1:]  # the first is the program's name
    if not _SCOPE.search(op_name):
        words = words[:-1]  # the operation
    words = [w for w in words if not _NO_LAYER.match(w) and not w.startswith("_")]
    return "/".join(words) or _source(program, one)


def passes(op_name: str) -> str:
    """Return "backward" for what a gradient computes, "" if there is no saying."""
    if "/" not in op_name:
        return ""
    return "backward" if "transpose(" in op_name else "forward"


def map_of(op_name: str) -> str:
    """Return the map of jaxconv that an operation's scope names, or nothing."""
    found = _SCOPE.search(op_name)
    return found[1] if found else ""


def _of_map(part: Instruction, what: str, otherwise: str) -> Kind:
    """Return the kind of a convolution's part, or what it is outside of one."""
    found = _SCOPE.search(part.op_name)
    if not found:
        return Kind(MAPS.get(otherwise, otherwise), what)
    method = "" if what == "oneDNN" else f"{found[2]}: "
    return Kind(MAPS[found[1]], f"{method}{what}")


def _map_of(convolution: Instruction) -> str:
    """Return which map a convolution of lax computes.

    XLA leaves no name on the filter gradients that it rewrites. In the others, filters
    as large as the output stand for the output's gradient.
    """
    if not convolution.op_name:
        return "param_grad"
    if passes(convolution.op_name) == "forward":
        return "output"
    labels = re.search(r"dim_labels=(\w+)_\w+->(\w+)", convolution.rest)
    window = re.search(r"window=\{size=([\dx]+)", convolution.rest)
    if not labels or not window:
        return "input_grad"
    axes = re.search(r"\[([\d,]*)\]", convolution.shape)
    sizes = dict(zip(labels[2], axes[1].split(",") if axes else (), strict=False))
    result, taps = 1, 1
    for axis, size in sizes.items():
        result *= int(size) if axis.isdigit() else 1
    for size in window[1].split("x"):
        taps *= int(size)
    return "param_grad" if labels[1][0] == "f" or taps > result else "input_grad"


def _most(parts: list[Instruction]) -> tuple[str, str] | None:
    """Return map and method of most of a fusion's arithmetic; None outside of maps."""
    count: collections.Counter = collections.Counter()
    for part in parts:
        if part.opcode not in _MOVES | _FILLS:
            found = _SCOPE.search(part.op_name)
            count[(found[1], found[2]) if found else None] += 1
    return count.most_common(1)[0][0] if count else None


def _what(opcodes: set[str]) -> str:
    return "sums" if "reduce" in opcodes else "element-wise"


def _with(program: Program, parts: list[Instruction]) -> str:
    """Return what arithmetic is fused with."""
    moved = _moved(program, parts)
    return f"with {moved}" if moved else "alone"


def _moved(program: Program, parts: list[Instruction]) -> str:
    """Return how numbers are moved, the dearest way; nothing if none are."""
    opcodes = {part.opcode for part in parts}
    copies = [part for part in parts if part.opcode == "copy"]
    if "transpose" in opcodes or any(_reorders(program, copy) for copy in copies):
        return "axes moved"
    if "reverse" in opcodes:
        return "axes reversed"
    return "cuts, joins or padding" if opcodes & _JOINS else ""


def _how_moved(program: Program, parts: list[Instruction]) -> str:
    """Return how numbers are moved, and within which map."""
    how = _moved(program, parts) or "as they are"
    maps = {map_of(part.op_name) for part in parts if map_of(part.op_name)}
    where = " and ".join(sorted(maps)).replace("_grad", " gradient")
    return f"{how}, {where.replace('param', 'filter') or 'outside of convolutions'}"


def _reorders(program: Program, copy: Instruction) -> bool:
    """Return whether a copy's result lies otherwise in memory than its operand."""
    given = program.instructions.get(copy.operands[0]) if copy.operands else None
    return given is not None and given.layout != copy.layout


def _pools(program: Program, one: Instruction) -> bool:
    """Return whether jaxconv's pooling made an operation."""
    return any(_POOLS in place for place in program.stacks.get(one.frame, ()))


def _name_inside(program: Program, one: Instruction) -> str:
    """Return the name of a fusion's last part that has one."""
    names = [part.op_name for part in program.inside(one) if part.op_name]
    return names[-1] if names else ""


def _named_before(program: Program, one: Instruction) -> Instruction | None:
    """Return the nearest operation with a name whose result this one takes."""
    # What takes nothing, as a fill, stands before what takes it.
    near = [one] if one.operands else program.users.get(one.name, [])[:1]
    for _ in range(4):
        names = [name for before in near for name in before.operands]
        known = (program.instructions.get(name) for name in names)
        near = [before for before in known if before is not None]
        for before in near:
            if before.op_name:
                return before
    return None


def _source(program: Program, one: Instruction) -> str:
    """Return the innermost file:line that is the user's or the layer's."""
    stack = program.stacks.get(one.frame, ())
    for place in stack:
        if not any(path in place for path in _MACHINERY):
            return "/".join(place.split("/")[-2:])
    return ""
