#!/usr/bin/env python3
"""What PyTorch, in float64, makes of the layers for images: python images.py [FOLDER] writes FOLDER/images_*.gan.

Needs PyTorch. Every weight is a wave of its own shape, so that nothing is read from ganc. Of a layer there are the mean
over the batch of what it gives (y), of the slope by x of the score sum(y * wave) (slope), and the derivatives of the
slope's mean square by the layer's weights, in their order (second); by x where there are none. Derivatives that are 0
everywhere are left out.
"""
import math
import pathlib
import sys

import torch
from torch import nn
from torch.nn.functional import interpolate

torch.set_default_dtype(torch.float64)
IMAGE = (4, 3, 5)
TITLES = {"convolutions": "Convolutions", "transposed": "Transposed convolutions", "resampling": "Pools and larger images",
          "normalization": "Normalised images"}


def wave(shape, phase=1.0):
    return torch.tensor([math.sin(phase + 0.7 * k) for k in range(math.prod(shape))]).reshape(shape)


class Upsample(nn.Module):
    def __init__(self, scale, mode):
        super().__init__()
        self.scale, self.how = scale, {"mode": mode, **({"align_corners": False} if mode == "bilinear" else {})}

    def forward(self, x):
        return interpolate(x, scale_factor=self.scale, **self.how)


FILES = {
    "convolutions": [
        ("plain", "Conv(2, 3)", nn.Conv2d(4, 2, 3)),
        ("strided", "Conv(3, [2, 3], [2, 1], [1, 2])", nn.Conv2d(4, 3, (2, 3), (2, 1), (1, 2))),
        ("dilated", "Conv(2, [2, 3], 1, [0, 1], 2, bias = false)",
         nn.Conv2d(4, 2, (2, 3), 1, (0, 1), 2, bias=False)),
        ("grouped", "Conv(6, 2, [1, 2], 1, 1, 2)", nn.Conv2d(4, 6, 2, (1, 2), 1, 1, 2)),
        ("depthwise", "Conv(4, 3, pad = 1, groups = 4)", nn.Conv2d(4, 4, 3, padding=1, groups=4)),
    ],
    "transposed": [
        ("plain", "ConvTranspose(2, 3)", nn.ConvTranspose2d(4, 2, 3)),
        ("stretched", "ConvTranspose(2, [4, 3], 2, 1, [0, 1], bias = false)",
         nn.ConvTranspose2d(4, 2, (4, 3), 2, 1, (0, 1), bias=False)),
        ("grouped", "ConvTranspose(6, [2, 1], [2, 1], 0, [1, 0], 2)",
         nn.ConvTranspose2d(4, 6, (2, 1), (2, 1), 0, (1, 0), 2)),
        ("dilated", "ConvTranspose(1, 2, [1, 2], [1, 0], [0, 1], 1, true, [2, 1])",
         nn.ConvTranspose2d(4, 1, 2, (1, 2), (1, 0), (0, 1), 1, True, (2, 1))),
    ],
    "resampling": [
        ("averaged", "AvgPool(2, [1, 2], 1)", nn.AvgPool2d(2, (1, 2), 1)),
        ("averaged_plain", "AvgPool([3, 2])", nn.AvgPool2d((3, 2))),
        ("largest", "MaxPool([2, 3], [1, 2], 1)", nn.MaxPool2d((2, 3), (1, 2), 1)),
        ("largest_plain", "MaxPool(2)", nn.MaxPool2d(2)),
        ("nearest", "Upsample", Upsample(2, "nearest")),
        ("nearest_wide", "Upsample([1, 3])", Upsample((1, 3), "nearest")),
        ("bilinear", "Upsample(mode = \"bilinear\")", Upsample(2, "bilinear")),
        ("bilinear_high", "Upsample([3, 1], \"bilinear\")", Upsample((3, 1), "bilinear")),
        ("bilinear_wide", "Upsample([1, 4], \"bilinear\")", Upsample((1, 4), "bilinear")),
    ],
    "normalization": [
        ("instance", "InstanceNorm", nn.InstanceNorm2d(4)),
        ("instance_affine", "InstanceNorm(0.1, affine = true)", nn.InstanceNorm2d(4, 0.1, affine=True)),
        ("grouped", "GroupNorm(2)", nn.GroupNorm(2, 4)),
        ("grouped_plain", "GroupNorm(4, 0.01, affine = false)", nn.GroupNorm(4, 4, 0.01, affine=False)),
        ("batched", "BatchNorm", nn.BatchNorm2d(4)),
    ],
}


def what_is_right(layer, x):
    """Values by the ends of their names, as tensors."""
    layer.train()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(wave(parameter.shape))
    x = x.detach().requires_grad_(True)
    y = layer(x)
    slope, = torch.autograd.grad((y * wave(y.shape[1:], 0.1)).sum(), x, create_graph=True)
    right = {"y": y.mean(0), "slope": slope.mean(0)}
    weights = list(layer.parameters())
    if slope.requires_grad:
        second = torch.autograd.grad((slope**2).sum() / len(x), weights or [x], allow_unused=True)
        for number, derivative in enumerate(second):
            if derivative is not None and derivative.abs().max() > 1e-9:
                right[f"second_{number}"] = derivative if weights else derivative.sum(0)
    return right


def model(name, layers, x):
    def numbers(values):
        return " ".join(f"{value:.15g}" for value in values.reshape(-1).tolist())

    known, states, networks, weights, rounds = [], [], [], [], []
    for layer_name, call, layer in layers:
        right = what_is_right(layer, x)
        if list(layer.parameters()):
            weights.append(f"  for w in {layer_name} {{ w <- wave(shape(w), 1) }}")
        networks.append(f"network {layer_name}(x: {list(IMAGE)}) = x |> {call}")
        of = {"y": f"E[{layer_name}(x)]", "slope": f"E[slope_of({layer_name}, x)]"}
        for end, value in right.items():
            state = f"{layer_name}_{end}"
            known.append(f"# right {state} = {numbers(value)}")
            states.append(f"state {state}: {list(value.shape)} = 0")
            if end.startswith("second"):
                size = f"sumsq(slope_of({layer_name}, x))"
                weighted = f"grad(E[{size}], {layer_name})[{end[-1]}]"
                of[end] = weighted if list(layer.parameters()) else f"E[grad({size}, x)]"
            rounds.append(f"    {state} <- {of[end]}")
    parts = [
        f"# {TITLES[name]} as PyTorch computes them, slopes, and slopes of slopes; images.py has written this file.",
        f"# given x: {[len(x), *IMAGE]} = {numbers(x)}",
        *known,
        f"data x: {list(IMAGE)}",
        *states,
        "fn wave(s, start) = reshape([sin(start + 0.7*k) for k < product(s)], s)",
        "fn score(y) = sum(y * wave(shape(y), 0.1))",
        "fn slope_of(N, x) = grad(score(N(x)), x)",
        *networks,
        "train {",
        f"  batch = {len(x)}",
        *weights,
        "  draw {",
        *rounds,
        "  }",
        "}",
    ]
    return "\n".join(parts) + "\n"


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    x = 2 * wave((2, *IMAGE), 0.3)
    x[1] = x[1] * x[0] + 0.1
    for name, layers in FILES.items():
        (folder / f"images_{name}.gan").write_text(model(name, layers, x))


main()
