import json
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from safetensors.numpy import load_file, save_file

from jaxconv import nn
from jaxconv.nn import weights
from jaxconv.nn._safetensors import CODES, read
from jaxconv.nn.weights import WeightsError, load, load_metadata, save

pytestmark = pytest.mark.usefixtures("our_errors")


def params_of_two_layers():
    return {
        "stage2": {"conv1": {"filters": jnp.arange(6.0).reshape(1, 2, 3)}, "relu": {}},
        "scale": jnp.float32(3),
    }


def assert_same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert isinstance(a, jax.Array)
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_load_returns_what_a_model_was_saved_with(tmp_path):
    model, shape = nn.serial(nn.Conv2D(2, 3, flatten=True), nn.Dense(4)), (1, 5, 6)
    _, params = model.init(jax.random.key(0), shape)
    save(tmp_path / "w", params, {"model": "two layers", "é": ""})
    like = jax.eval_shape(lambda key: model.init(key, shape)[1], jax.random.key(1))
    assert_same(load(tmp_path / "w"), params)
    assert_same(load(tmp_path / "w", like), params)
    assert load_metadata(tmp_path / "w") == {"model": "two layers", "é": ""}


def test_names_are_paths_for_any_reader(tmp_path):
    save(tmp_path / "w", params_of_two_layers())
    read_plainly = load_file(tmp_path / "w")
    assert sorted(read_plainly) == ["scale", "stage2/conv1/filters"]
    assert read_plainly["stage2/conv1/filters"].shape == (1, 2, 3)


def test_like_restores_empty_dicts(tmp_path):
    params = params_of_two_layers()
    save(tmp_path / "w", params)
    assert "relu" not in load(tmp_path / "w")["stage2"]
    assert_same(load(tmp_path / "w", params), params)


def test_load_reads_files_of_other_writers(tmp_path):
    save_file({"a.weight": np.ones((2, 3), np.float16)}, tmp_path / "w")
    assert_same(load(tmp_path / "w"), {"a.weight": jnp.ones((2, 3), jnp.float16)})
    assert load_metadata(tmp_path / "w") == {}


@pytest.mark.parametrize("dtype", CODES.values())
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)], ids=str)
def test_each_dtype_is_kept_bit_for_bit(tmp_path, dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(jnp.dtype(dtype))
    save(tmp_path / "w", {"a": array})
    back = read("load", tmp_path / "w")[0]["a"]
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array", [np.arange(6.0, dtype=">f4"), np.arange(6, dtype="f4").reshape(2, 3).T]
)
def test_order_in_memory_does_not_matter(tmp_path, array):
    save(tmp_path / "w", {"a": array})
    assert_same(load(tmp_path / "w"), {"a": jnp.asarray(array.astype("f4"))})


def test_sharded_arrays_are_gathered(tmp_path):
    mesh = jax.make_mesh((2,), ("d",))
    whole = jnp.arange(8.0).reshape(4, 2)
    shared = jax.device_put(whole, NamedSharding(mesh, PartitionSpec("d")))
    save(tmp_path / "w", {"a": shared})
    assert_same(load(tmp_path / "w"), {"a": whole})


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint64"])
def test_64_bits_are_an_error_without_x64(tmp_path, dtype):
    save(tmp_path / "w", {"a": np.ones(2, dtype)})
    with pytest.raises(WeightsError, match=f"a in .* is {dtype}, which JAX would cut"):
        load(tmp_path / "w")
    with jax.enable_x64(True):
        assert load(tmp_path / "w")["a"].dtype == dtype


REFUSED = {
    "list": ({"a": {"b": [1.0]}}, "a/b is a list; params are nested dicts only"),
    "number": ({"a": {"b": 1.0}}, "a/b must be an array, got 1.0"),
    "none": ({"a": None}, "a must be an array, got None"),
    "random key": ({"a": jax.random.key(0)}, "a is a random key"),
    "objects": ({"a": np.array([None])}, "a is of dtype object"),
    "complex128": ({"a": np.ones(2, complex)}, "a is of dtype complex128"),
    "slash": ({"a": {"b/c": np.ones(2)}}, "without \"/\".*got 'b/c' in a/"),
    "int key": ({1: np.ones(2)}, "keys must be strings.*got 1 in params"),
    "reserved name": ({"__metadata__": np.ones(2)}, "not __metadata__"),
    "what init returns": (((2,), {}), "init returns two things"),
    "struct": ({"a": jax.ShapeDtypeStruct((2,), "float32")}, "a must be an array"),
}


@pytest.mark.parametrize(("params", "message"), REFUSED.values(), ids=REFUSED)
def test_save_refuses_by_name_and_writes_nothing(tmp_path, params, message):
    with pytest.raises(ValueError, match=f"^save: .*{message}"):
        save(tmp_path / "w", params)
    assert not list(tmp_path.iterdir())


def test_save_refuses_traced_and_deleted_arrays(tmp_path):
    with pytest.raises(ValueError, match="save: a is traced"):
        jax.jit(lambda a: save(tmp_path / "w", {"a": a}))(jnp.ones(2))
    gone = jnp.ones(2)
    gone.delete()
    with pytest.raises(ValueError, match="save: a was deleted"):
        save(tmp_path / "w", {"a": gone})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"epoch": 3}, "got 3 for 'epoch'. Use json.dumps"),
        ({"jaxconv.x": ""}, "reserved, got 'jaxconv.x'"),
        ("text", "must be a dict of strings, got 'text'"),
    ],
)
def test_save_refuses_metadata_other_than_strings(tmp_path, metadata, message):
    with pytest.raises(ValueError, match=f"^save: .*{message}"):
        save(tmp_path / "w", {}, metadata)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("step", ["safetensors.numpy.save_file", "flush"])
def test_a_failed_save_leaves_the_old_file_alone(tmp_path, monkeypatch, failure, step):
    save(tmp_path / "w", {"a": jnp.ones(2)})
    before = (tmp_path / "w").read_bytes()

    def fails(*_):
        raise failure("no space left")

    name = step if "." in step else f"{weights.__name__}.{step}"
    monkeypatch.setattr(name, fails)
    with pytest.raises(failure):
        save(tmp_path / "w", {"a": jnp.zeros(2)})
    assert (tmp_path / "w").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_save_names_a_folder_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder .*none does not exist"):
        save(tmp_path / "none" / "w", {})
    with pytest.raises(IsADirectoryError, match=r"is a folder. Name a file in it"):
        save(tmp_path, {})


def test_a_mismatch_names_the_leaf_and_both_shapes(tmp_path):
    save(tmp_path / "w", params_of_two_layers())
    like = params_of_two_layers()
    like["stage2"]["conv1"]["filters"] = jax.ShapeDtypeStruct((1, 2, 4), jnp.float32)
    with pytest.raises(
        WeightsError, match=r"stage2/conv1/filters is \(1, 2, 3\), not \(1, 2, 4\)"
    ):
        load(tmp_path / "w", like)
    like = params_of_two_layers() | {"scale": jnp.bfloat16(3)}
    with pytest.raises(WeightsError, match="scale is float32, not bfloat16"):
        load(tmp_path / "w", like)


def test_missing_and_unexpected_leaves_are_counted(tmp_path):
    save(tmp_path / "w", {"b": jnp.ones(1)})
    like = {f"a{i}": jnp.ones(1) for i in range(7)}
    with pytest.raises(WeightsError) as caught:
        load(tmp_path / "w", like)
    message = str(caught.value)
    assert "missing in the file: 7 (a0, a1, a2, a3, a4 and 2 more)" in message
    assert "not in `like`: 1 (b)" in message


def test_load_says_that_like_is_no_dict(tmp_path):
    save(tmp_path / "w", {})
    with pytest.raises(ValueError, match=r"like: params must be a dict.*two things"):
        load(tmp_path / "w", ((2,), {}))


def test_names_that_are_no_paths_are_an_error(tmp_path):
    one = np.ones(1, np.float32)
    for names in ("a", "a/b"), ("a/b", "a"), ("a", "a/b/c"):
        save_file(dict.fromkeys(names, one), tmp_path / "w")
        with pytest.raises(WeightsError, match="names are not paths"):
            load(tmp_path / "w")


FOREIGN = {
    "empty": (b"", "is empty"),
    "html": (b"<!DOCTYPE html><p>not found", "HTML or XML"),
    "zip": (b"PK\3\4" + bytes(40), "a zip archive, as torch.save"),
    "pickle": (pickle.dumps({"a": 1}), "a pickle"),
    "text": (b"hello", "is not a safetensors file"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1", "pointer of Git LFS"),
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.values(), ids=FOREIGN)
def test_load_says_what_a_foreign_file_is(tmp_path, content, message):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(WeightsError, match=f"^load: .*other .*{message}"):
        load(tmp_path / "other")


def test_load_names_a_folder_and_a_missing_file(tmp_path):
    with pytest.raises(WeightsError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="load_metadata: there is no file"):
        load_metadata(tmp_path / "none")


def test_an_array_above_another_is_an_error_in_any_order(tmp_path):
    entry = {"dtype": "U8", "shape": [1]}
    header = json.dumps(
        {
            "a/b": entry | {"data_offsets": [0, 1]},
            "a": entry | {"data_offsets": [1, 2]},
        }
    ).encode()
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + b"xy")
    with pytest.raises(WeightsError, match="names are not paths"):
        load(tmp_path / "w")


def test_load_names_a_dtype_that_jax_does_not_have(tmp_path):
    entry = {"a": {"dtype": "F8_E8M0", "shape": [1], "data_offsets": [0, 1]}}
    header = json.dumps(entry).encode()
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + b"x")
    with pytest.raises(WeightsError, match=r"a in .* is of dtype F8_E8M0"):
        load(tmp_path / "w")


def test_every_damage_is_noticed(tmp_path):
    save(tmp_path / "w", params_of_two_layers(), {"model": "small"})
    whole = (tmp_path / "w").read_bytes()
    rng = np.random.default_rng(0)
    flips = rng.choice(8 * len(whole), 150, replace=False)
    damaged = [whole[:cut] for cut in rng.choice(len(whole), 50, replace=False)]
    for bit in flips:
        content = bytearray(whole)
        content[bit // 8] ^= 1 << (bit % 8)
        damaged.append(bytes(content))
    for content in damaged:
        (tmp_path / "damaged").write_bytes(content)
        with pytest.raises(WeightsError, match="damaged"):
            load(tmp_path / "damaged")


@pytest.mark.parametrize(
    ("old", "new"), [(b'"F32"', b'"I32"'), (b"[1,2,3]", b"[1,3,2]")], ids=repr
)
def test_another_dtype_or_shape_in_the_header_is_noticed(tmp_path, old, new):
    save(tmp_path / "w", params_of_two_layers())
    content = (tmp_path / "w").read_bytes()
    assert old in content
    (tmp_path / "w").write_bytes(content.replace(old, new))
    with pytest.raises(WeightsError, match="damaged"):
        load(tmp_path / "w")


def test_a_file_of_a_later_format_is_named(tmp_path):
    save(tmp_path / "w", {"a": jnp.ones(1)})
    content = (tmp_path / "w").read_bytes()
    old, new = b'"jaxconv.format":"1"', b'"jaxconv.format":"2"'
    assert old in content
    (tmp_path / "w").write_bytes(content.replace(old, new))
    with pytest.raises(WeightsError, match=r"later version of jaxconv: .* is '2'"):
        load(tmp_path / "w")


def test_safetensors_is_imported_when_called_only():
    code = (
        "import sys; from jaxconv.nn import weights\n"
        "assert 'safetensors' not in sys.modules\n"
        "sys.modules['safetensors'] = None\n"
        "try: weights.load('w')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'pip install -e ".[train]"' in done.stdout


def test_a_file_may_be_read_by_whom_others_may(tmp_path):
    """The library's own are of mode 600, whatever the process's mask says."""
    plain = tmp_path / "plain"
    plain.touch()
    nn.save(tmp_path / "a.safetensors", {"a": jnp.ones(1)})
    assert (tmp_path / "a.safetensors").stat().st_mode == plain.stat().st_mode
