"""The models of `nn`, written in PyTorch from their papers, parts in our order.

The tests hold ours to them, and `bench.py nets` times them.
"""

import torch
from torch import nn
from torch.nn import functional


class Each(nn.Module):
    """Apply a module to each of a pair."""

    def __init__(self, *modules):
        super().__init__()
        self.each = nn.ModuleList(modules)

    def forward(self, xs):
        return tuple(one(x) for one, x in zip(self.each, xs, strict=True))


class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x):
        y, kept = self.body(x), self.shortcut(x)
        if isinstance(y, tuple):
            return tuple(a + b for a, b in zip(y, kept, strict=True))
        return y + kept


class Pad(nn.Module):
    """Option A: every second pixel, and zeros for the channels that are missing."""

    def __init__(self, channels, strides):
        super().__init__()
        self.channels, self.strides = channels, strides

    def forward(self, x):
        x = x[:, :, :: self.strides, :: self.strides]
        return functional.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[1]))


def conv(ci, co, k, s=1, groups=1):
    return nn.Conv2d(ci, co, k, s, k // 2, groups=groups, bias=False)


def conv_norm(ci, co, k, s=1, groups=1):
    return [conv(ci, co, k, s, groups), nn.BatchNorm2d(co)]


def conv_norm_relu(*args, **kwargs):
    return [*conv_norm(*args, **kwargs), nn.ReLU()]


def average_and_flatten():
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def lenet5():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh()),
        nn.Linear(84, 10),
    )


def lrn():
    """The paper's sum is not divided by its five terms, as PyTorch's is."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def _alexnet(sizes, groups, first, features, neurons, classes):
    a, b, c, d, e = sizes
    return nn.Sequential(
        *(first, nn.ReLU(), lrn(), nn.MaxPool2d(3, 2)),
        nn.Conv2d(a, b, 5, padding=2, groups=groups),
        *(nn.ReLU(), lrn(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(b, c, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(c, d, 3, padding=1, groups=groups), nn.ReLU()),
        *(nn.Conv2d(d, e, 3, padding=1, groups=groups), nn.ReLU()),
        *(nn.MaxPool2d(3, 2), nn.Flatten()),
        *(nn.Linear(features, neurons), nn.ReLU()),
        *(nn.Linear(neurons, neurons), nn.ReLU(), nn.Linear(neurons, classes)),
    )


def alexnet():
    first = nn.Conv2d(3, 96, 11, 4)
    return _alexnet((96, 256, 384, 384, 256), 2, first, 9216, 4096, 1000)


def alexnet_small():
    first = nn.Conv2d(1, 64, 5, padding=2)
    return _alexnet((64, 128, 192, 192, 128), 1, first, 512, 512, 10)


def vgg_small():
    return nn.Sequential(
        *(*conv_norm_relu(1, 16, 3), nn.MaxPool2d(2)),
        *(*conv_norm_relu(16, 32, 3), *conv_norm_relu(32, 32, 3), nn.MaxPool2d(2)),
        *(*conv_norm_relu(32, 64, 3), *conv_norm_relu(64, 64, 3), nn.Flatten()),
        *(nn.Dropout(0.0), nn.Linear(3136, 10)),
    )


def resnet(depth, ci):
    parts, before = conv_norm_relu(ci, 16, 3), 16
    for channels, s in ((16, 1), (32, 2), (64, 2)):
        for i in range((depth - 2) // 6):
            s = s if i == 0 else 1
            body = [
                *conv_norm_relu(before, channels, 3, s),
                *conv_norm(channels, channels, 3),
            ]
            parts += [Residual(body, Pad(channels, s)), nn.ReLU()]
            before = channels
    return nn.Sequential(*parts, *average_and_flatten(), nn.Linear(64, 10))


def resnet50(width):
    parts = [*conv_norm_relu(3, width, 7, 2), nn.MaxPool2d(3, 2, 1)]
    before = width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner = width * 2**stage
        for i in range(blocks):
            s = 2 if stage and i == 0 else 1
            body = [
                *conv_norm_relu(before, inner, 1),
                *conv_norm_relu(inner, inner, 3, s),
                *conv_norm(inner, 4 * inner, 1),
            ]
            projection = nn.Sequential(*conv_norm(before, 4 * inner, 1, s))
            parts += [Residual(body, None if i else projection), nn.ReLU()]
            before = 4 * inner
    return nn.Sequential(*parts, *average_and_flatten(), nn.Linear(before, 1000))


class Grown(nn.Module):
    """A layer of DenseNet: its input, and behind it what it makes of it."""

    def __init__(self, ci, growth):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.BatchNorm2d(ci), nn.ReLU(), conv(ci, 4 * growth, 1)),
            *(nn.BatchNorm2d(4 * growth), nn.ReLU(), conv(4 * growth, growth, 3)),
        )

    def forward(self, x):
        return torch.cat([x, self.body(x)], 1)


def densenet(depth, growth, ci):
    channels = 2 * growth
    parts = [conv(ci, channels, 3)]
    for stage in range(3):
        if stage:
            half = channels // 2
            parts += [nn.BatchNorm2d(channels), nn.ReLU(), conv(channels, half, 1)]
            parts += [nn.AvgPool2d(2)]
            channels = half
        for _ in range((depth - 4) // 6):
            parts += [Grown(channels, growth)]
            channels += growth
    head = [nn.BatchNorm2d(channels), nn.ReLU(), *average_and_flatten()]
    return nn.Sequential(*parts, *head, nn.Linear(channels, 10))


def mobilenet(width):
    before = int(32 * width)
    parts = conv_norm_relu(3, before, 3, 2)
    sizes = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    strides = [1, 2, 1, 2, 1, 2, *[1] * 5, 2, 1]
    for size, s in zip(sizes, strides, strict=True):
        channels = int(size * width)
        parts += conv_norm_relu(before, before, 3, s, groups=before)
        parts += conv_norm_relu(before, channels, 1)
        before = channels
    return nn.Sequential(*parts, *average_and_flatten(), nn.Linear(before, 1000))


class OctConv(nn.Module):
    """Octave convolution; a channel count of None: there is no such frequency."""

    def __init__(self, ins, outs, k, s=1):
        super().__init__()
        self.s = s
        self.convs = nn.ModuleList(
            [conv(ci, co, k) for co in outs if co for ci in ins if ci]
        )
        self.pair_in, self.pair_out = bool(ins[1]), bool(outs[1])

    def forward(self, x):
        high, low = x if self.pair_in else (x, None)
        convs = iter(self.convs)
        halve = functional.avg_pool2d
        small = halve(high, 2) if self.s == 2 else high
        y_high = next(convs)(small)
        if self.pair_in:
            from_low = next(convs)(low)
            if self.s == 1:
                from_low = functional.interpolate(from_low, scale_factor=2)
            y_high = y_high + from_low
        if not self.pair_out:
            return y_high
        y_low = next(convs)(halve(small, 2))
        if self.pair_in:
            y_low = y_low + next(convs)(halve(low, 2) if self.s == 2 else low)
        return y_high, y_low


class Merge(nn.Module):
    """Option A from two frequencies to one, where the image is halved."""

    def __init__(self, channels):
        super().__init__()
        self.pad = Pad(channels, 1)

    def forward(self, xs):
        return self.pad(torch.cat([xs[0][:, :, ::2, ::2], xs[1]], 1))


def shares(channels, alpha):
    return channels - int(alpha * channels), int(alpha * channels)


def oct_norm(ci, co, k, alphas, s=1, relu=True):
    """Octave convolution, normalisation and rectifier, between two alphas."""
    if not any(alphas):
        return [*conv_norm(ci, co, k, s), *([nn.ReLU()] if relu else [])]
    outs = shares(co, alphas[1])
    layer = OctConv(shares(ci, alphas[0]), outs, k, s)
    if not alphas[1]:
        return [layer, nn.BatchNorm2d(co), *([nn.ReLU()] if relu else [])]
    return [layer, Each(*map(nn.BatchNorm2d, outs)), *([relus(1)] if relu else [])]


def relus(alpha):
    return Each(nn.ReLU(), nn.ReLU()) if alpha else nn.ReLU()


def octave_resnet(depth, alpha, ci):
    parts, before = oct_norm(ci, 16, 3, (0, alpha)), 16
    for channels, s, after in ((16, 1, alpha), (32, 2, alpha), (64, 2, 0)):
        for i in range((depth - 2) // 6):
            alphas = (after if i or s == 1 else alpha, after)
            s = s if i == 0 else 1
            body = [
                *oct_norm(before, channels, 3, alphas, s),
                *oct_norm(channels, channels, 3, (after, after), relu=False),
            ]
            shortcut = None
            if s == 2 and after:
                shortcut = Each(*(Pad(c, 2) for c in shares(channels, alpha)))
            elif s == 2:
                shortcut = Merge(channels)
            parts += [Residual(body, shortcut), relus(after)]
            before = channels
    return nn.Sequential(*parts, *average_and_flatten(), nn.Linear(64, 10))


def octave_resnet50(width, alpha):
    parts = [*conv_norm_relu(3, width, 7, 2), nn.MaxPool2d(3, 2, 1)]
    before, alpha_in = width, 0
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner, after = width * 2**stage, alpha if stage < 3 else 0
        for i in range(blocks):
            s = 2 if stage and i == 0 else 1
            body = [
                *oct_norm(before, inner, 1, (alpha_in, after)),
                *oct_norm(inner, inner, 3, (after, after), s),
                *oct_norm(inner, 4 * inner, 1, (after, after), relu=False),
            ]
            projection = oct_norm(before, 4 * inner, 1, (alpha_in, after), s, False)
            projection = None if i else nn.Sequential(*projection)
            parts += [Residual(body, projection), relus(after)]
            before, alpha_in = 4 * inner, after
    return nn.Sequential(*parts, *average_and_flatten(), nn.Linear(before, 1000))


class Tower(nn.Module):
    def __init__(self, blocks, filters, planes, points, moves):
        super().__init__()
        parts = conv_norm_relu(planes, filters, 3)
        for _ in range(blocks):
            body = conv_norm_relu(filters, filters, 3) + conv_norm(filters, filters, 3)
            parts += [Residual(body), nn.ReLU()]
        self.tower = nn.Sequential(*parts)
        self.policy = nn.Sequential(
            *conv_norm_relu(filters, 2, 1), nn.Flatten(), nn.Linear(2 * points, moves)
        )
        self.value = nn.Sequential(
            *conv_norm_relu(filters, 1, 1),
            *(nn.Flatten(), nn.Linear(points, 256), nn.ReLU()),
            *(nn.Linear(256, 1), nn.Tanh()),
        )

    def forward(self, x):
        x = self.tower(x)
        return self.policy(x), self.value(x)
