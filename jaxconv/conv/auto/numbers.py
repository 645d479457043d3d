"""The numbers of the rules: each with its unit and where it comes from.

`scripts/bench.py rules` measures what each rule gains, on the layers of the suite and
on whole training steps, with oneDNN and without. Measured with jaxlib 0.10.2 on an AMD
EPYC (Zen 5) of 2 cores, which has AVX-512; those for processors without it on an AMD
EPYC (Zen 3).
"""

MOST_PATCH_NUMBERS = 2**26
"""The most numbers in the patches of one image: 256 MiB of float32."""

MOST_CONVOLUTIONS = 64
"""The most that one map is split into: each takes time to compile."""

MOSTLY_ZEROS = 16
"""The product of the input dilations from which on phases always pay."""

FEW_INPUTS, FEW_OUTPUTS, FEW_TAPS = 3, 16, 32
"""Channels and taps of a layer, up to which XLA's convolution engages too few units."""

FEWEST_IMAGES, FEWEST_INPUTS = 8, 8
"""Images, and input channels of a group, for which oneDNN computes filter gradients
with AVX-512."""

AVX2_IMAGES, AVX2_INPUTS = 2, 3
"""The same without AVX-512."""

AVX2_OPERATIONS = {True: 60_000_000, False: 150_000_000}
"""Multiplications and additions of a filter gradient that oneDNN computes without
AVX-512 although there are fewer input channels than with it, by whether the channels
are last in memory; else it takes time to move them there."""

AVX2_PATCH_INPUTS, AVX2_PATCH_OUTPUTS = 3, 9
"""The fewest input and output channels for which filter gradients without AVX-512 are
products over patches; with fewer, XLA's convolution is as fast."""

AVX2_GROUP_OUTPUTS = 8
"""The fewest output channels of one of several groups for which oneDNN computes filter
gradients without AVX-512 where there are images enough for XLA's convolution."""

AVX2_XLA_IMAGES = 8
"""The fewest images with which XLA's filter gradients are fast without AVX-512: they
are the channels of that convolution."""

FEWEST_OPERATIONS = 8_000_000
"""Multiplications and additions of an output that are worth a call of oneDNN. Measured
without AVX-512."""

WHOLE_GRADIENT_BYTES = 3 * 2**19
"""The largest `g` that a filter gradient reads from a core's second-level cache."""

SMALL_GRADIENT_BYTES = 2**16
"""The largest `g` for which XLA's convolution without AVX-512 keeps up with products
over patches."""

LINE_GRADIENT_BYTES = 2**24
"""The largest `g` along one axis that XLA's convolution reads fast without AVX-512."""

PART_GRADIENT_BYTES = 7 * 2**17
"""The largest `g` of a part of the batch, where the whole does not fit the cache."""

FEWEST_GRADIENT_NUMBERS = 125_000
"""The smallest `g` of a part: fewer numbers do not engage all cores."""

MOST_UNROLLED_PARTS = 12
"""The most parts of a batch to unroll; a loop of more compiles sooner."""
