"""Imports go one way: a room takes from the floors below it, never from above.

The modules are read, not run, so that imports inside functions count too.
"""

import ast
import collections
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONV = "jaxconv.conv"

parse = functools.cache(ast.parse)

# From the ground up; rooms on one floor do not import each other.
FLOORS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"ground": ("jaxconv._", "jaxconv.hugepages")},  # modules whose names begin so
    {"arguments": (f"{CONV}.arguments",), "chapter": ("jaxconv.chapter",)},
    {"vocabulary": (f"{CONV}.geometry", f"{CONV}.operands", f"{CONV}.padding")},
    {"methods": (f"{CONV}.methods",)},
    {"auto": (f"{CONV}.auto",)},
    {"primitives": (f"{CONV}.primitives",)},
    {
        "conv's face": (
            f"{CONV}.api",
            f"{CONV}.transpose",
            f"{CONV}.per_example",
            f"{CONV}.explain",
            f"{CONV}.pooling",
        )
    },
    {
        "dropin": ("jaxconv.dropin", "jaxconv.compat"),
        "check": ("jaxconv.check",),
        "nn": ("jaxconv.nn",),
        "data": ("jaxconv.data",),
    },
    {"train": ("jaxconv.train",)},
    {"explore": ("jaxconv.explore",)},
)
# These packages hold nothing but what they re-export: no module may ask them for it.
RE_EXPORTS = ("jaxconv", CONV)
# Imports inside functions that may go against the order.
ALLOWED = {("jaxconv._program", "jaxconv")}  # `--version` prints the package's
# Modules that what they import may import in turn, inside a function.
LATE = {
    "jaxconv.nn.summary",  # the text of a description is its table
    "jaxconv.train.bar",  # it needs rich, which is an extra
}


class Import(NamedTuple):
    """One module that another imports, and where."""

    source: str
    target: str
    where: str  # file and line
    when: Literal["imported", "called", "never"]  # "never": for types alone


def room_of(module: str) -> tuple[int, str]:
    """Return the floor and the name of the room that a module stands in."""
    if module in RE_EXPORTS:
        return len(FLOORS), "re-exports"
    for floor, rooms in enumerate(FLOORS):
        for room, prefixes in rooms.items():
            end = "." if floor else ""
            if any(f"{module}.".startswith(prefix + end) for prefix in prefixes):
                return floor, room
    raise LookupError(f"{module} has no room: give it one in {__file__}.")


def imports_of(source: str, code: str, file: str) -> Iterator[Import]:
    """Yield the modules of jaxconv that the code of the module `source` imports."""
    for node, when in _import_statements(parse(code), "imported"):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            assert node.level == 0, f"{file}:{node.lineno}: write the whole name."
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            targets = [
                name if name in modules() else f"{node.module}" for name in names
            ]
        for target in dict.fromkeys(targets):
            if target in modules() and target != source:
                yield Import(source, target, f"{file}:{node.lineno}", when)


def _import_statements(node: ast.AST, when: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each import statement below a node, and when it runs."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, when
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        when = "called"
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        when = "never"
    for child in ast.iter_child_nodes(node):
        yield from _import_statements(child, when)


@functools.cache
def modules() -> dict[str, Path]:
    files = sorted(ROOT.glob("jaxconv/**/*.py"))
    return {_module_of(file): file for file in files}


def _module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def all_imports() -> tuple[Import, ...]:
    return tuple(
        one
        for source, file in modules().items()
        for one in imports_of(source, file.read_text(), str(file.relative_to(ROOT)))
        if one[:2] not in ALLOWED
    )


def against_the_order(imports: tuple[Import, ...]) -> list[str]:
    """Return a line for each import that comes from above, or from next door."""
    wrong = []
    for source, target, where, _ in imports:
        (own, room), (floor, other) = room_of(source), room_of(target)
        if floor > own or (floor == own and room != other):
            wrong.append(f"{where}: {source} ({room}) imports {target} ({other})")
    return wrong


def cycle(imports: tuple[Import, ...]) -> list[str]:
    """Return modules of which each imports the next, and the last the first."""
    follow = collections.defaultdict(list)
    for source, target, _, when in imports:
        if when == "imported" or (when == "called" and target not in LATE):
            follow[source].append(target)
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module not in done:
            for target in follow[module]:
                if found := visit(target, [*path, module]):
                    return found
            done.add(module)
        return []

    return next((found for module in list(follow) if (found := visit(module, []))), [])


def test_no_room_imports_from_one_above_it():
    assert against_the_order(all_imports()) == []


def test_no_modules_import_each_other():
    assert cycle(all_imports()) == []


def test_every_module_has_a_room():
    for module in modules():
        room_of(module)


def test_a_module_without_a_room_is_named():
    with pytest.raises(LookupError, match="attic has no room: give it one in"):
        room_of("jaxconv.attic")


def test_the_library_imports_no_script_and_no_test():
    outside = {"scripts", "tests", *(file.stem for file in ROOT.glob("scripts/*.py"))}
    wrong = [
        f"{file}:{node.lineno}"
        for file in modules().values()
        for node, _ in _import_statements(parse(file.read_text()), "imported")
        for name in [getattr(node, "module", None) or node.names[0].name]
        if name.split(".")[0] in outside
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (
            "jaxconv.conv.geometry",
            "def late():\n    from jaxconv.conv.methods import registry\n",
            "a.py:2: jaxconv.conv.geometry (vocabulary) imports "
            "jaxconv.conv.methods.registry (methods)",
        ),
        (
            "jaxconv.data.idx",
            "import jaxconv.nn",
            "a.py:1: jaxconv.data.idx (data) imports jaxconv.nn (nn)",
        ),
        (
            "jaxconv._table",
            "from jaxconv.conv.api import conv",
            "a.py:1: jaxconv._table (ground) imports jaxconv.conv.api (conv's face)",
        ),
        (
            "jaxconv.conv.auto.rules",
            "from jaxconv import conv",
            "a.py:1: jaxconv.conv.auto.rules (auto) imports jaxconv.conv (re-exports)",
        ),
    ],
)
def test_an_import_from_above_is_named_with_its_line(source, code, said):
    assert against_the_order(tuple(imports_of(source, code, "a.py"))) == [said]


def test_a_cycle_is_found():
    ring = tuple(Import(a, b, "", "called") for a, b in ["xa", "ab", "bc", "ca"])
    assert cycle(ring) == ["a", "b", "c"]
