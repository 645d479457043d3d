"""Where oneDNN may be called: what is exported or cached runs on JAX's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv.conv.auto.target import Target, target_of
from jaxconv.conv.methods import onednn_region

needs_onednn = pytest.mark.skipif(
    onednn_region.unavailable("float32") is not None,
    reason=f"onednn: {onednn_region.unavailable('float32')}",
)
X, W = (2, 64, 17, 16), (64, 65, 3, 2)  # worth a call of oneDNN


def lowered(run=jaxconv.conv):
    shapes = (jax.ShapeDtypeStruct(shape, "float32") for shape in (X, W))
    return jax.jit(run).lower(*shapes).as_text()


@needs_onednn
def test_a_program_calls_it_and_computes_the_same_bits():
    assert "__onednn$convolution" in lowered()
    rng = np.random.default_rng(0)
    x, w = (jnp.asarray(rng.integers(-2, 3, s), "float32") for s in (X, W))

    def maps(method):
        def loss(x, w):
            return (jaxconv.conv(x, w, method=method) ** 2).sum()

        return jax.jit(jax.grad(loss, (0, 1)))(x, w)

    for ours, loops in zip(maps("auto"), maps("loops"), strict=True):
        np.testing.assert_array_equal(ours, loops)


def test_portable_does_not_call_it():
    def portable(x, w):
        return jaxconv.conv(x, w, method="portable")

    assert "__onednn" not in lowered(portable)


def test_an_exported_program_does_not_call_it():
    shapes = (jax.ShapeDtypeStruct(shape, "float32") for shape in (X, W))
    exported = jax.export.export(jax.jit(lambda x, w: jaxconv.conv(x, w)))(*shapes)
    assert "__onednn" not in exported.mlir_module()
    assert "exported" in target_of(("cpu",), exported=True).without


def test_a_program_for_the_persistent_cache_does_not_call_it(tmp_path):
    with jax._src.config.compilation_cache_dir(str(tmp_path)):
        assert "__onednn" not in lowered(lambda x, w: jaxconv.conv(x, w))
        assert "cache" in target_of().without


def test_the_environment_turns_it_off(monkeypatch):
    monkeypatch.setenv("JAXCONV_ONEDNN", "0")
    assert target_of().onednn == ()
    assert target_of().why_not("float32") == "JAXCONV_ONEDNN is 0"
    assert "__onednn" not in lowered(lambda x, w: jaxconv.conv(x, w))


def test_the_reason_is_that_of_the_type():
    both = Target(onednn=("float32", "bfloat16"))
    assert both.why_not("bfloat16") is None
    assert both.why_not("int32") == onednn_region.unavailable("int32")
    assert "portable" in both._replace(without="portable").why_not("float32")
    assert target_of(("cuda",)).why_not("float32") == "the platform is cuda"


@pytest.mark.parametrize("there", [True, False])
def test_the_vectors_are_those_of_this_processor(there, monkeypatch):
    monkeypatch.setattr(onednn_region, "has_avx512", lambda: there)
    assert target_of().avx512 == there
    assert target_of(("cpu",), exported=True).avx512 == there


def test_other_platforms_have_their_own_libraries():
    assert target_of(("cuda",)) == Target("cuda")
    assert target_of(("cpu", "cuda")).platform == "several"


@needs_onednn
def test_by_name_it_is_not_exported():
    shapes = (jax.ShapeDtypeStruct(shape, "float32") for shape in (X, W))
    run = jax.jit(lambda x, w: jaxconv.conv(x, w, method="onednn"))
    with pytest.raises(ValueError, match=r"onednn.*not run here: an exported program"):
        jax.export.export(run)(*shapes)


def test_by_name_it_is_refused_where_it_cannot_run(monkeypatch):
    monkeypatch.setenv("JAXCONV_ONEDNN", "0")
    with pytest.raises(ValueError, match=r'"onednn" does not serve.*is 0'):
        jaxconv.conv(jnp.ones(X), jnp.ones(W), method="onednn")
