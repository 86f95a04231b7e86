"""Stored answers of PyTorch in float64, which gblend's video transformer is tested against.

    python xtask/peers/encoders.py > gblend-modalities/tests/fixtures/encoders.json

Needs `torch` and `numpy`. Samples and parameters are multiples of 1/256, so that float32 holds them exactly. Tubelets are
embedded by a convolution in three dimensions, and attention over one axis is run sequence by sequence.
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
BATCH = 3
EPSILON = float(np.float32(1e-5))
MARGIN = 1e-3  # ReLU inputs nearer to 0 could change sign in float32


def draw(rng, low, high, *shape):
    return torch.tensor(rng.integers(int(low * 256), int(high * 256), size=shape) / 256.0)


class Case:
    """Samples `[batch, channels, height, width, frames]`, parameters by path, and the smallest distance of a ReLU's
    input from 0."""

    def __init__(self, rng, shape):
        self.rng = rng
        self.samples = draw(rng, -1, 1, BATCH, *shape)
        self.parameters = {}
        self.margin = float("inf")

    def parameter(self, path, *shape, low=-1, high=1):
        self.parameters[path] = draw(self.rng, low, high, *shape).requires_grad_()
        return self.parameters[path]

    def linear(self, path, x, outputs, bias=True):
        weight = self.parameter(f"{path}.weight", outputs, x.shape[-1])
        return F.linear(x, weight, self.parameter(f"{path}.bias", outputs) if bias else None)

    def norm(self, path, x):
        gamma = self.parameter(f"{path}.gamma", x.shape[-1], low=0.5, high=1.5)
        return F.layer_norm(x, x.shape[-1:], gamma, self.parameter(f"{path}.beta", x.shape[-1]), EPSILON)


def attention(case, path, x, heads):
    """Tokens `[sequences, length, width]` to what attention adds to them."""
    sequences, length, width = x.shape
    x = case.norm(f"{path}.norm", x)

    def split(name):
        projected = case.linear(f"{path}.{name}", x, width, bias=False)
        return projected.reshape(sequences, length, heads, width // heads).transpose(1, 2)

    attended = F.scaled_dot_product_attention(split("query"), split("key"), split("value"))
    attended = attended.transpose(1, 2).reshape(sequences, length, width)
    return case.linear(f"{path}.output", attended, width, bias=False)


def tokens(case, patch, tubelet, width):
    """`[batch, frames, places, width]` of clips that are filled up to whole tubelets."""
    clips = case.samples.permute(0, 1, 4, 2, 3)
    _, channels, frames, *sides = clips.shape
    missing = -frames % tubelet
    clips = torch.cat([clips, clips[:, :, -1:].expand(-1, -1, missing, -1, -1)], 2)
    before = [(-side % patch + 1) // 2 for side in sides]
    after = [-side % patch - first for side, first in zip(sides, before)]
    clips = F.pad(clips, (before[1], after[1], before[0], after[0]))
    weight = case.parameter("patch.weight", width, tubelet * channels, patch, patch)
    weight = weight.reshape(width, tubelet, channels, patch, patch).transpose(1, 2)
    bias = case.parameter("patch.bias", width)
    extents = (tubelet, patch, patch)
    return F.conv3d(clips, weight, bias, stride=extents).flatten(3).permute(0, 2, 3, 1)


def transformer(case, patch, tubelet, width, depth, heads, hidden, attention_kind, features=None):
    x = tokens(case, patch, tubelet, width)
    _, frames, places, _ = x.shape
    if places > 1:
        x = x + case.parameter("position.space", places, width)
    if frames > 1:
        x = x + case.parameter("position.time", frames, width)[:, None]
    for index in range(depth):
        path = f"block{index}"
        if attention_kind == "divided" and frames > 1 and places > 1:
            columns = x.transpose(1, 2)
            added = attention(case, f"{path}.time", columns.reshape(-1, frames, width), heads)
            x = x + added.reshape(columns.shape).transpose(1, 2)
            x = x + attention(case, f"{path}.space", x.reshape(-1, places, width), heads).reshape(x.shape)
        else:
            x = x + attention(case, f"{path}.attention", x.reshape(BATCH, -1, width), heads).reshape(x.shape)
        inner = case.linear(f"{path}.mlp.first", case.norm(f"{path}.mlp.norm", x), hidden)
        x = x + case.linear(f"{path}.mlp.second", F.gelu(inner, approximate="tanh"), width)
    x = case.norm("norm", x).mean((1, 2))
    if features is not None:
        x = case.linear("projection", x, features)
        case.margin = x.abs().min().item()
        x = F.relu(x)
    return x


def encoders():
    def settings(patch, tubelet, width, depth, heads, hidden, attention, **more):
        sizes = {"patch": patch, "tubelet": tubelet, "width": width, "depth": depth, "heads": heads, "hidden": hidden}
        return {"architecture": "transformer", **sizes, "attention": attention, **more}

    cases = [
        (settings(2, 1, 6, 1, 1, 5, "joint"), (3, 4, 4, 3)),
        (settings(2, 1, 6, 2, 3, 8, "divided"), (3, 4, 6, 3)),
        (settings(2, 2, 4, 1, 2, 6, "divided"), (2, 4, 4, 6)),
        (settings(3, 2, 4, 2, 2, 6, "joint", features=5), (2, 7, 5, 5)),
        (settings(4, 3, 6, 1, 2, 6, "divided", features=4), (1, 5, 10, 4)),
        (settings(3, 1, 4, 1, 2, 4, "divided"), (1, 6, 8, 1)),
        (settings(3, 1, 4, 1, 2, 4, "divided"), (2, 3, 3, 4)),
    ]
    numbers = lambda t: [float(f"{v:.12g}") for v in t.detach().contiguous().reshape(-1).tolist()]
    stored = []
    for index, (table, shape) in enumerate(cases):
        margin, seed = 0.0, 1000 * index
        while margin < MARGIN:
            case = Case(np.random.default_rng(seed), shape)
            sizes = {key: value for key, value in table.items() if key != "architecture"}
            output = transformer(case, attention_kind=sizes.pop("attention"), **sizes)
            margin, seed = case.margin, seed + 1
        projection = draw(case.rng, -1, 1, *output.shape)
        (output * projection).sum().backward()
        stored.append(
            {
                "encoder": table,
                "shape": shape,
                "samples": [numbers(sample) for sample in case.samples],
                "parameters": {path: {"shape": list(p.shape), "values": numbers(p)} for path, p in case.parameters.items()},
                "projection": numbers(projection),
                "output": numbers(output),
                "gradients": {path: numbers(p.grad) for path, p in case.parameters.items()},
            }
        )
    return stored


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    json.dump(encoders(), sys.stdout)
    print()
