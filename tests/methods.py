"""The methods by what they serve, and a choice in short."""

from jaxconv.conv.auto.plan import Plan, plan_for
from jaxconv.conv.auto.target import Target
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS

# Those that serve every convolution, in every type of number.
UNIVERSAL = {n: a for n, a in ALGORITHMS.items() if not hasattr(a, "_refusal")}
# Those whose error is of the operands' norms.
TRANSFORMS = {n: ALGORITHMS[n] for n in ("fft", "winograd", "winograd4")}
# CPUs without oneDNN and with it, whether or not this is one.
WITHOUT_ONEDNN = Target(avx512=True)
WITH_ONEDNN = WITHOUT_ONEDNN._replace(onednn=("float32", "bfloat16"))


def auto(
    name: str,
    geometry: Geometry,
    dtype: str = "float32",
    target: Target = WITHOUT_ONEDNN,
) -> Plan:
    """Return what "auto" takes for a map; without oneDNN if no target is given."""
    return plan_for(name, geometry, dtype, "auto", target)
