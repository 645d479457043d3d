"""JAX's private names: all in one file, and all in the JAX that is installed.

The sources are read, not imported: where JAX has moved a name, this says which.
"""

import ast
import importlib
from pathlib import Path

import jax
import pytest
from jax.extend.core import Primitive
from jax.interpreters import mlir

ROOT = Path(__file__).resolve().parents[3]
FILE = "jaxconv/conv/primitives/jax_internals.py"
INTERNALS = ast.parse((ROOT / FILE).read_text())
NOT_OF_JAX = {"_asdict", "_exit", "_fields", "_getframe", "_make", "_replace"}


def sources():
    files = [*ROOT.glob("jaxconv/**/*.py"), *ROOT.glob("scripts/*.py")]
    files.append(ROOT / "tests/conftest.py")
    names = [file.relative_to(ROOT).as_posix() for file in files]
    return {name: ast.parse((ROOT / name).read_text()) for name in names}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def own_names(trees):
    """Names with an underscore that the project itself defines."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    found |= {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    stored = [
        node for node in nodes if isinstance(getattr(node, "ctx", None), ast.Store)
    ]
    found |= {node.id for node in stored if isinstance(node, ast.Name)}
    return found | {node.attr for node in stored if isinstance(node, ast.Attribute)}


def private_names(tree, own):
    """Yield where private names of JAX are used: the line, and the name."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [one.name for one in names if in_jax(one.name)]
            case ast.ImportFrom(module=module, names=names):
                found = [f"{module}.{one.name}" for one in names]
                found = list(filter(in_jax, found))
            case ast.Attribute(attr=name):
                found = [name] if is_private(name) else []
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr"),
                args=[_, ast.Constant(value=str(name)), *_],
            ):
                found = [name] if is_private(name) else []
            case ast.Constant(value=str(text)):
                found = [text] if "jax._" in text or "jaxlib._" in text else []
            case _:
                continue
        yield from ((node.lineno, name) for name in found if name not in own)


def in_jax(name):
    package, *rest = name.split(".")
    return package in ("jax", "jaxlib") and any(map(is_private, rest))


def test_private_names_of_jax_are_used_in_one_file_only():
    trees = sources()
    own = own_names(trees.values()) | NOT_OF_JAX
    used = [
        f"{file}:{line}: {name}"
        for file, tree in trees.items()
        if file != FILE
        for line, name in private_names(tree, own)
    ]
    assert used == [], f"private names of JAX belong into {FILE}: {used}"


@pytest.mark.parametrize(
    "source",
    [
        "from jax._src.core import Trace",
        "from jax.experimental.jet import _rule",
        "import jax._src.core",
        "jax._src.core.Trace",
        "sharding._to_hlo()",
        "module == 'jax._src.lax'",
        "getattr(sharding, '_to_hlo')",
    ],
)
def test_every_way_to_a_private_name_is_found(source):
    assert list(private_names(ast.parse(source), own={"_own"}))


@pytest.mark.parametrize(
    "source",
    [
        "from jax.extend.core import Primitive",
        "from jaxconv.conv.geometry import _own",
        "self._own",
        "row._replace(a=1)",
        "getattr(algorithm, '_own')",
    ],
)
def test_other_names_are_left_alone(source):
    assert not list(private_names(ast.parse(source), NOT_OF_JAX | {"_own"}))


IMPORTED = [
    (node.module, one.name)
    for node in ast.walk(INTERNALS)
    if isinstance(node, ast.ImportFrom)
    for one in node.names
]


@pytest.mark.parametrize(("module", "name"), IMPORTED, ids=lambda word: word)
def test_jax_has_the_name(module, name):
    try:
        found = hasattr(importlib.import_module(module), name)
    except ImportError:
        found = False
    assert found, f"jax {jax.__version__} has no {module}.{name}. See {FILE}."


# What is looked up on objects of JAX, of these classes.
ATTRIBUTES = {
    Primitive: ["bind_with_trace"],
    jax.core.ShapedArray: ["manual_axis_type"],
    jax.sharding.NamedSharding: ["_to_xla_hlo_sharding"],
    mlir.LoweringParameters: ["for_export"],
    mlir.LoweringRuleContext: ["module_context", "platforms"],
    mlir.ModuleContext: ["axis_context", "lowering_parameters", "platforms"],
    mlir.ShardingContext: ["abstract_mesh", "device_assignment"],
}


@pytest.mark.parametrize(
    ("owner", "name"),
    [(owner, name) for owner, names in ATTRIBUTES.items() for name in names],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_jax_has_the_attribute(owner, name):
    shown = f"{owner.__module__}.{owner.__qualname__}.{name}"
    assert hasattr(owner, name), f"jax {jax.__version__} has no {shown}. See {FILE}."


def test_every_private_attribute_is_in_the_list():
    nodes = [node for node in ast.walk(INTERNALS) if isinstance(node, ast.Attribute)]
    looked_up = {node.attr for node in nodes if is_private(node.attr)}
    assert looked_up <= {name for names in ATTRIBUTES.values() for name in names}


def test_every_private_name_has_its_reason_beside_it():
    lines = (ROOT / FILE).read_text().splitlines()
    names = [
        one
        for node in INTERNALS.body
        if isinstance(node, ast.ImportFrom) and "._" in str(node.module)
        for one in node.names
    ]
    assert names
    bare = [one.name for one in names if "  # " not in lines[one.lineno - 1]]
    assert bare == []
