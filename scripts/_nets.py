"""The models that `bench.py train` times, as lists of blocks.

They stand apart from `_training`, which needs Flax, so that names are known without it.
"""

CLASSES = 10

# What each block is: "conv", "residual" (two of them, and a shortcut) or "separable"
# (depthwise, then 1x1), always with batch normalisation and ReLU; its output channels
# and its stride.
NETS: dict[str, list[tuple[str, int, int]]] = {
    "small ResNet": [
        ("conv", 16, 1),
        ("residual", 16, 1),
        ("residual", 32, 2),
        ("residual", 64, 2),
    ],
    "small MobileNet": [
        ("conv", 32, 1),
        ("separable", 64, 1),
        ("separable", 128, 2),
        ("separable", 128, 1),
        ("separable", 256, 2),
    ],
}
CHAPTER = "chapter"
INPUTS = {CHAPTER: (1, 28, 28)} | dict.fromkeys(NETS, (3, 32, 32))
