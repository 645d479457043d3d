"""The profile: what an operation is for, and that no time is counted twice."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import jaxconv

SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")

HLO = """\
HloModule jit_train, is_scheduled=true

FileNames
1 "/home/me/train.py"
2 "/lib/site-packages/jax/_src/numpy.py"
3 "/lib/jaxconv/conv/pooling/maximum.py"

FunctionNames
1 "train"

FileLocations
1 {file_name_id=1 function_name_id=1 line=10 end_line=10 column=1 end_column=2}
2 {file_name_id=2 function_name_id=1 line=20 end_line=20 column=1 end_column=2}
3 {file_name_id=3 function_name_id=1 line=30 end_line=30 column=1 end_column=2}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=2}
3 {file_location_id=3 parent_frame_id=2}


%moves (param_0: f32[4,6]) -> f32[6,4] {
  %param_0 = f32[4,6]{1,0} parameter(0)
  ROOT %transpose.1 = f32[6,4]{1,0} transpose(%param_0), dimensions={1,0}, \
metadata={op_name="jit(train)/transpose(jvp(last))/conv_input_grad/taps/transpose"}
}

%taps (param_1: f32[4,6]) -> f32[4,6] {
  %param_1 = f32[4,6]{1,0} parameter(0)
  %multiply.1 = f32[4,6]{1,0} multiply(%param_1, %param_1), \
metadata={op_name="jit(train)/transpose(jvp(first))/conv_param_grad/taps/mul"}
  ROOT %add.1 = f32[4,6]{1,0} add(%multiply.1, %param_1), \
metadata={op_name="jit(train)/transpose(jvp(first))/conv_param_grad/taps/add"}
}

%product (param_2: f32[4,6], param_3: f32[6,5]) -> f32[4,5] {
  %param_2 = f32[4,6]{1,0} parameter(0)
  %param_3 = f32[6,5]{1,0} parameter(1)
  ROOT %dot.1 = f32[4,5]{1,0} dot(%param_2, %param_3), lhs_contracting_dims={1}, \
rhs_contracting_dims={0}, metadata={op_name="jit(train)/jvp(dense)/dot_general"}
}

%norm (param_4: f32[4,6]) -> f32[4,6] {
  %param_4 = f32[4,6]{1,0} parameter(0)
  %copy.2 = f32[4,6]{0,1} copy(%param_4)
  ROOT %rsqrt.1 = f32[4,6]{0,1} rsqrt(%copy.2)
}

%body (tuple.1: (f32[4,6])) -> (f32[4,6]) {
  %tuple.1 = (f32[4,6]{1,0}) parameter(0)
  %get-tuple-element.1 = f32[4,6]{1,0} get-tuple-element(%tuple.1), index=0
  %inner = f32[4,6]{1,0} fusion(%get-tuple-element.1), kind=kLoop, calls=%taps
  ROOT %tuple.2 = (f32[4,6]{1,0}) tuple(%inner)
}

ENTRY %main (state_0_: f32[4,6], x: f32[2,8,8,3], w: f32[3,3,3,16]) -> f32[4,6] {
  %state_0_ = f32[4,6]{1,0} parameter(0), metadata={op_name="state[0]"}
  %x = f32[2,8,8,3]{3,2,1,0} parameter(1), metadata={op_name="x"}
  %w = f32[3,3,3,16]{3,2,1,0} parameter(2), metadata={op_name="w"}
  %keep = f32[4,6]{1,0} copy(%state_0_)
  %moved = f32[6,4]{1,0} fusion(%keep), kind=kLoop, calls=%moves, \
metadata={op_name="jit(train)/transpose(jvp(last))/conv_input_grad/taps/transpose"}
  %call.1 = f32[2,8,8,16]{3,2,1,0} custom-call(%x, %w), \
custom_call_target="__onednn$convolution", \
metadata={op_name="jit(train)/jvp(net)/first/conv_output/onednn/ffi_call"}
  %fused = f32[4,5]{1,0} fusion(%keep, %moved), kind=kCustom, calls=%product
  %normed = f32[4,6]{0,1} fusion(%keep), kind=kLoop, calls=%norm, \
metadata={op_name="jit(train)/jvp()/rsqrt" stack_frame_id=2}
  %sum = f32[4]{0} reduce(%keep, %keep), dimensions={1}, to_apply=%body, \
metadata={op_name="jit(train)/jvp(norm)/reduce_sum"}
  %pooled = f32[4,6]{1,0} maximum(%keep, %keep), \
metadata={op_name="jit(train)/jvp(pool)/max_pool" stack_frame_id=3}
  %filled = s32[4,6]{1,0} iota(), iota_dimension=0
  %window = f32[2]{0} reduce-window(%keep, %filled), window={size=3x3}, to_apply=%body
  %sorted = f32[4,6]{1,0} sort(%keep), to_apply=%body
  %tuple.3 = (f32[4,6]{1,0}) tuple(%keep)
  %loop = (f32[4,6]{1,0}) while(%tuple.3), condition=%body, body=%body
  ROOT %result = f32[4,6]{1,0} get-tuple-element(%loop), index=0
}
"""
KINDS = {
    "keep": ("layout copies", "as they are, outside of convolutions"),
    "moved": ("layout copies", "axes moved, input gradient"),
    "call.1": ("convolution: output", "oneDNN"),
    "fused": ("products of matrices", "product"),
    "normed": ("element-wise", "with axes moved"),
    "sum": ("reductions", "alone"),
    "pooled": ("pooling", "jaxconv"),
    "window": ("pooling", "lax"),
    "filled": ("pooling", "lax"),  # nothing else takes it
    "sorted": ("everything else", "sort"),
    "inner": ("convolution: filter gradient", "taps: element-wise"),
}


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)


@pytest.fixture
def program(scripts):
    import _profile_program

    return _profile_program.parse(HLO)


def test_every_kind_of_work_is_told_apart(program):
    import _profile_kinds

    found = {
        name: tuple(_profile_kinds.kind_of(program, program.instructions[name]))
        for name in KINDS
    }
    assert found == KINDS


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("call.1", "net/first"),
        ("moved", "last"),
        ("fused", "dense"),  # the name of what is inside
        ("keep", "after state[0]"),
        ("filled", "after state[0]"),  # what takes it is
        ("normed", "me/train.py:10"),  # past JAX's own line
    ],
)
def test_an_operation_knows_its_layer(program, name, layer):
    import _profile_kinds

    assert _profile_kinds.layer_of(program, program.instructions[name]) == layer


def test_shapes_and_arithmetic_are_read(program):
    import _profile_flops

    call, fused = program.find("call.1__onednn$convolution"), program.find("fused")
    assert program.arrays(call) == "f32[3,3,3,16], f32[2,8,8,3] -> f32[2,8,8,16]"
    assert call.bytes == 4 * 2 * 8 * 8 * 16
    assert _profile_flops.flops_of(program, call) == 2 * 2 * 8 * 8 * 16 * 27
    assert _profile_flops.flops_of(program, fused) == 2 * 4 * 5 * 6


def recorded():
    """A step of 100 ns on two threads; `loop` holds its body, `call.1` hands out."""
    from _profile_times import STEP, Event

    return [
        Event("python", 1000, 100, STEP),
        Event("python", 1000, 10, "PjitFunction(jit(train))"),
        Event("one", 1010, 80, "ThunkExecutor::Execute"),
        Event("one", 1010, 40, "call.1__onednn", "call.1__onednn", "jit_train"),
        Event("one", 1015, 0, "ThreadpoolListener::Record", handed=7),
        Event("two", 1020, 0, "ThreadpoolListener::StartRegion", taken=7),
        Event("two", 1050, 0, "ThreadpoolListener::StopRegion"),
        Event("one", 1050, 30, "loop", "loop", "jit_train"),
        Event("one", 1055, 10, "inner", "inner", "jit_train"),
        Event("one", 1065, 10, "inner", "inner", "jit_train"),
        Event("client", 1005, 0, "ThreadpoolListener::StartRegion", taken=3),
        Event("client", 1010, 85, "ThunkExecutor::Execute (wait for completion)"),
        Event("client", 1110, 0, "ThreadpoolListener::StopRegion"),
    ]


@pytest.fixture
def step(scripts):
    from _profile_times import steps_of

    (step,) = steps_of(recorded())
    return step


def test_no_time_is_counted_twice(step):
    found = {name: (t.share, t.threads, t.count) for name, t in step.ops.items()}
    assert found == {
        "a call before its operations": (10, 15, 0),
        "a call after its operations": (5, 5, 0),
        "call.1__onednn": (40, 70, 1),  # 30 of it on both threads
        "loop": (10, 10, 1),  # without its body
        "inner": (20, 20, 2),
        "XLA's runtime": (10, 10, 0),
    }
    assert step.idle == 5
    assert step.wall == 100
    assert dict(step.busy) == {"python": 10, "client": 10, "one": 80, "two": 30}


def test_the_table_adds_up_to_the_step(program, step):
    import _profile_table

    rows = _profile_table.rows_of(program, step)
    assert [row["op"] for row in rows[:2]] == ["call.1__onednn", "inner"]
    kinds = _profile_table.kinds_of(rows, step, cores=2)
    whole = [row for row in kinds if not row["how"]]
    assert sum(row["ms"] for row in whole) == pytest.approx(step.wall / 1e6)
    assert sum(row["thread ms"] for row in whole) == pytest.approx(2 * step.wall / 1e6)
    text = _profile_table.shown(kinds, step, cores=2)
    assert "convolution: filter gradient" in text
    assert "waiting" in text
    dearest = _profile_table.shown_dearest(rows, 2)
    assert "net/first forward: f32[3,3,3,16], f32[2,8,8,3] ->" in dearest


def test_the_mean_is_of_the_faster_half(scripts):
    from _profile_times import Step, Time, mean, quietest

    steps = [Step(wall, {"a": Time(wall, wall, 3)}, {}) for wall in (9, 1, 5, 3)]
    whole = mean(quietest(steps))
    assert whole.wall == whole.ops["a"].share == 2
    assert whole.ops["a"].count == 3


def test_the_maps_leave_their_names_in_a_program():
    def loss(w):
        hidden = jaxconv.conv(jnp.ones((2, 3, 6, 5)), w[0])
        return jaxconv.conv(hidden, w[1], padding="SAME").sum()

    w = jnp.ones((3, 4, 2, 3)), jnp.ones((4, 5, 3, 3))
    text = jax.jit(jax.grad(loss)).lower(w).as_text(debug_info=True)
    for name in ("output", "input_grad", "param_grad"):
        assert f"/conv_{name}/" in text


def test_a_network_without_a_name_is_refused(scripts, capsys):
    import _profile

    assert _profile.profile(_profile.Profile("AlexNet")) == 2
    assert "NETWORK: 'AlexNet' is none of MobileNetV2" in capsys.readouterr().err
    assert _profile.profile(_profile.Profile("ResNet50", steps=0)) == 2
    assert "--steps: it must be at least 1" in capsys.readouterr().err


def test_bench_has_the_profile(scripts, monkeypatch, capsys):
    import bench

    monkeypatch.setattr(sys, "argv", ["bench.py", "profile", "AlexNet"])
    assert bench.main() == 2
    assert "is none of" in capsys.readouterr().err


def test_models_of_nn_are_compiled_with_the_layers_own_convolution(scripts):
    import _networks_nn
    import _profile

    network, within = _profile._network(_profile.Profile("nn ResNet-20", batch_size=1))
    assert within is _networks_nn.WITHIN
    assert network.inputs[0][0].shape == (8, 3, 32, 32)
