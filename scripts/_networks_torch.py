"""The same six networks in PyTorch: of the package transformers, or written out.

Those of transformers are built from their configurations, so nothing is downloaded.
All have as many parameters as those of Keras, and lie channels-last in memory.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from _networks import CLASSES, RATE
from torch import nn
from torch.nn import functional

_HEAD: Any = {"num_labels": CLASSES}  # which the configurations take without saying so


class TorchNetwork(NamedTuple):
    """A network in PyTorch. A training step changes it in place."""

    train: Callable[..., float]  # (x, y) -> loss, by plain SGD
    infer: Callable[..., Any]  # (x,) -> logits
    inputs: list[tuple[Any, Any]]
    parameters: int
    megabytes: float  # of parameters and statistics


def stepping(net: nn.Module, draws: list[Any], dtype: str, last: bool) -> TorchNetwork:
    """Return a module's training step and inference, on the same draws as JAX's.

    `last` is whether the images of `draws` are channels-last, as Keras's are.
    """
    kind = getattr(torch, dtype)
    net = net.to(kind)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(net.parameters(), RATE)

    def images(x: Any) -> Any:
        x = torch.from_numpy(np.array(x, "float32")).to(kind)
        x = x.permute(0, 3, 1, 2) if last else x
        return x.contiguous(memory_format=torch.channels_last)

    def call(x: Any, training: bool) -> Any:
        if net.training != training:
            net.train(training)
        found = net(x)
        return getattr(found, "logits", found)

    def train(x: Any, y: Any) -> float:
        logits = call(x, training=True)
        loss = functional.cross_entropy(logits.float(), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # last, so that a step leaves no gradients in memory
        return loss.item()

    def infer(x: Any) -> Any:
        with torch.inference_mode():
            return call(x, training=False)

    inputs = [(images(x), torch.from_numpy(np.array(y)).long()) for x, y in draws]
    arrays = [*net.parameters(), *net.buffers()]
    megabytes = sum(a.numel() * a.element_size() for a in arrays) / 2**20
    parameters = sum(array.numel() for array in net.parameters())
    return TorchNetwork(train, infer, inputs, parameters, megabytes)


def resnet50() -> nn.Module:
    """Build ResNet50 as Keras does: strides in the first 1x1, convolutions biased."""
    import transformers

    config = transformers.ResNetConfig(downsample_in_bottleneck=True, **_HEAD)
    net = transformers.ResNetForImageClassification(config)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.bias = nn.Parameter(torch.zeros(layer.out_channels))
    return net


def mobilenet_v2() -> nn.Module:
    """Build MobileNetV2; convolutions pad by themselves, which saves a copy."""
    import transformers

    config = transformers.MobileNetV2Config(
        tf_padding=False, classifier_dropout_prob=0.0, **_HEAD
    )
    return transformers.MobileNetV2ForImageClassification(config)


def efficientnet_b0() -> nn.Module:
    """Build EfficientNetB0: the configuration's own sizes are those of B7."""
    import transformers

    config = transformers.EfficientNetConfig(
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_dim=1280,
        dropout_rate=0.0,
        drop_connect_rate=0.0,
        **_HEAD,
    )
    return transformers.EfficientNetForImageClassification(config)


def convnext_tiny() -> nn.Module:
    """Build ConvNeXtTiny, which is the configuration's default."""
    import transformers

    config = transformers.ConvNextConfig(**_HEAD)
    return transformers.ConvNextForImageClassification(config)


class _Dense(nn.Module):
    """A layer of DenseNet: its input, and behind it what it makes of it."""

    def __init__(self, ins: int, growth: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_norm_relu(ins),
            nn.Conv2d(ins, 4 * growth, 1, bias=False),
            *_norm_relu(4 * growth),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Any) -> Any:
        return torch.cat([x, self.body(x)], 1)


def densenet121() -> nn.Module:
    """Build DenseNet121: blocks of 6, 12, 24 and 16 layers."""
    parts = [nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), *_norm_relu(64)]
    parts += [nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for block, layers in enumerate((6, 12, 24, 16)):
        if block:
            halved = nn.Conv2d(channels, channels // 2, 1, bias=False)
            parts += [*_norm_relu(channels), halved, nn.AvgPool2d(2)]
            channels //= 2
        for _ in range(layers):
            parts.append(_Dense(channels))
            channels += 32
    return nn.Sequential(*parts, *_norm_relu(channels), *_head(channels))


class _Residual(nn.Module):
    def __init__(self, body: list[nn.Module], shortcut: list[nn.Module]) -> None:
        super().__init__()
        self.body, self.shortcut = nn.Sequential(*body), nn.Sequential(*shortcut)

    def forward(self, x: Any) -> Any:
        return self.body(x) + self.shortcut(x)


def xception() -> nn.Module:
    """Build Xception: separable convolutions between an entry and an exit."""
    parts = [nn.Conv2d(3, 32, 3, 2, bias=False), *_norm_relu(32)]
    parts += [nn.Conv2d(32, 64, 3, bias=False), *_norm_relu(64)]
    for ins, out in ((64, 128), (128, 256), (256, 728)):
        body = [*_separable(ins, out), nn.ReLU(), *_separable(out, out)]
        parts.append(_halved(ins, out, body if ins == 64 else [nn.ReLU(), *body]))
    for _ in range(8):
        body = [part for _ in range(3) for part in (nn.ReLU(), *_separable(728, 728))]
        parts.append(_Residual(body, []))
    body = [nn.ReLU(), *_separable(728, 728), nn.ReLU(), *_separable(728, 1024)]
    parts.append(_halved(728, 1024, body))
    for ins, out in ((1024, 1536), (1536, 2048)):
        parts += [*_separable(ins, out), nn.ReLU()]
    return nn.Sequential(*parts, *_head(2048))


def _halved(ins: int, out: int, body: list[nn.Module]) -> nn.Module:
    shortcut = [nn.Conv2d(ins, out, 1, 2, bias=False), nn.BatchNorm2d(out)]
    return _Residual([*body, nn.MaxPool2d(3, 2, 1)], shortcut)


def _separable(ins: int, out: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(ins, ins, 3, padding=1, groups=ins, bias=False)
    return [depthwise, nn.Conv2d(ins, out, 1, bias=False), nn.BatchNorm2d(out)]


def _norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def _head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "MobileNetV2": mobilenet_v2,
    "ResNet50": resnet50,
    "EfficientNetB0": efficientnet_b0,
    "DenseNet121": densenet121,
    "ConvNeXtTiny": convnext_tiny,
    "Xception": xception,
}
