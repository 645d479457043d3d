"""The methods by what they serve, and a choice in short."""

from jaxconv.conv.auto.plan import Plan, plan_for
from jaxconv.conv.auto.target import PORTABLE, Target
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS

# Those that serve every convolution, in every type of number.
UNIVERSAL = {n: a for n, a in ALGORITHMS.items() if not hasattr(a, "_refusal")}
# Those whose error is of the operands' norms.
TRANSFORMS = {n: ALGORITHMS[n] for n in ("fft", "winograd", "winograd4")}
# A CPU where oneDNN computes, whether or not this is one.
WITH_ONEDNN = Target(onednn=("float32", "bfloat16"))


def auto(
    name: str, geometry: Geometry, dtype: str = "float32", target: Target = PORTABLE
) -> Plan:
    """Return what "auto" takes for a map; without oneDNN if no target is given."""
    return plan_for(name, geometry, dtype, "auto", target)
