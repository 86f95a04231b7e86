"""Encoders of vectors, steps and tokens for `training_step.py`, from the parameters of gblend's side.

Every step is there, so nothing is padded or masked: the same arithmetic on both sides. Attention is PyTorch's own fused one.
"""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

EPSILON = float(np.float32(1e-5))


def filled(layer, **values):
    """A layer with these parameters."""
    with torch.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(value)
    return layer


def linear(weights, path):
    weight, bias = weights[f"{path}.weight"], weights.get(f"{path}.bias")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    return filled(layer, weight=weight) if bias is None else filled(layer, weight=weight, bias=bias)


def layer_norm(weights, path):
    gamma = weights[f"{path}.gamma"]
    return filled(nn.LayerNorm(len(gamma), EPSILON), weight=gamma, bias=weights[f"{path}.beta"])


def parameter(weights, path):
    return nn.Parameter(weights[path].clone()) if path in weights else None


class Mlp(nn.Module):
    """Fully connected layers, each normalized over its units."""

    def __init__(self, weights, prefix):
        super().__init__()
        layers = []
        while f"{prefix}.layer{len(layers) // 3}.linear.weight" in weights:
            path = f"{prefix}.layer{len(layers) // 3}"
            layers += [linear(weights, f"{path}.linear"), layer_norm(weights, f"{path}.norm"), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)

    def arranged(self, x):
        return x


class StepConvolutions(nn.Module):
    """Residual blocks of convolutions over time, `[batch, features, steps]` to the mean over steps."""

    def __init__(self, weights, prefix, stride):
        super().__init__()

        def conv(path, stride):
            weight = weights[f"{path}.weight"].transpose(1, 2)
            layer = nn.Conv1d(weight.shape[1], weight.shape[0], weight.shape[2], stride, weight.shape[2] // 2, bias=False)
            norm = nn.BatchNorm1d(weight.shape[0])
            norm = filled(norm, weight=weights[f"{path}.gamma"], bias=weights[f"{path}.beta"])
            return nn.Sequential(filled(layer, weight=weight), norm)

        self.blocks = nn.ModuleList()
        while f"{prefix}.block{len(self.blocks)}.first.weight" in weights:
            path, step = f"{prefix}.block{len(self.blocks)}", stride if len(self.blocks) > 0 else 1
            block = nn.ModuleList([conv(f"{path}.first", step), conv(f"{path}.second", 1)])
            if f"{path}.shortcut.weight" in weights:
                block.append(conv(f"{path}.shortcut", step))
            self.blocks.append(block)

    def forward(self, x):
        for first, second, *around in self.blocks:
            inner = second(F.relu(first(x), inplace=True))
            x = F.relu(inner + (around[0](x) if around else x), inplace=True)
        return x.mean(2)

    def arranged(self, x):
        return x[:, :-1].contiguous()


class Gru(nn.Module):
    """The last state of gated recurrent units."""

    def __init__(self, weights, prefix):
        super().__init__()
        names = {
            "weight_ih_l0": "input.weight",
            "weight_hh_l0": "state.weight",
            "bias_ih_l0": "input.bias",
            "bias_hh_l0": "state.bias",
        }
        values = {name: weights[f"{prefix}.gru.layer0.{own}"] for name, own in names.items()}
        gates, inputs = values["weight_ih_l0"].shape
        self.units = filled(nn.GRU(inputs, gates // 3, batch_first=True), **values)

    def forward(self, x):
        return self.units(x)[1][0]

    def arranged(self, x):
        return rows_of(x)


class Attention(nn.Module):
    """`x + attention(norm(x))` of tokens `[sequences, length, width]`."""

    def __init__(self, weights, path, heads):
        super().__init__()
        self.norm = layer_norm(weights, f"{path}.norm")
        self.query, self.key, self.value, self.output = (
            linear(weights, f"{path}.{name}") for name in ["query", "key", "value", "output"]
        )
        self.heads = heads

    def forward(self, x):
        inner = self.norm(x)
        split = lambda rows: rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        parts = [split(layer(inner)) for layer in (self.query, self.key, self.value)]
        return x + self.output(F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """`x + W gelu(V norm(x) + c) + b`."""

    def __init__(self, weights, path):
        super().__init__()
        self.norm = layer_norm(weights, f"{path}.norm")
        self.first, self.second = linear(weights, f"{path}.first"), linear(weights, f"{path}.second")

    def forward(self, x):
        return x + self.second(F.gelu(self.first(self.norm(x)), approximate="tanh"))


class StepTransformer(nn.Module):
    """Steps or tokens `[batch, time, ...]` to the mean over time of normalized rows."""

    def __init__(self, weights, prefix, heads):
        super().__init__()
        self.table = parameter(weights, f"{prefix}.embedding.table")
        self.projection = linear(weights, f"{prefix}.input") if f"{prefix}.input.weight" in weights else None
        blocks, prefix = [], f"{prefix}.transformer"
        while f"{prefix}.block{len(blocks) // 2}.mlp.first.weight" in weights:
            path = f"{prefix}.block{len(blocks) // 2}"
            blocks += [Attention(weights, f"{path}.attention", heads), Perceptron(weights, f"{path}.mlp")]
        self.blocks = nn.Sequential(*blocks)
        self.norm = layer_norm(weights, f"{prefix}.norm")
        self.sines = None

    def positions(self, time, width):
        if self.sines is None:
            rates = 10000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
            angles = torch.arange(time)[:, None] * rates
            self.sines = torch.stack([angles.sin(), angles.cos()], 2).reshape(time, -1).float()
        return self.sines

    def forward(self, x):
        if self.table is not None:
            x = F.embedding(x, self.table, padding_idx=0)
        if self.projection is not None:
            x = self.projection(x)
        x = self.blocks(x + self.positions(*x.shape[1:]).to(x.device))
        return self.norm(x).mean(1)

    def arranged(self, x):
        return x.long() if self.table is not None else rows_of(x)


class VideoTransformer(nn.Module):
    """Clips `[batch, channels, frames, height, width]` to the mean of their normalized tokens; attention over time, then over
    places."""

    def __init__(self, weights, prefix, heads):
        super().__init__()
        weight = weights[f"{prefix}.patch.weight"]
        patches = nn.Conv2d(weight.shape[1], weight.shape[0], tuple(weight.shape[2:]), tuple(weight.shape[2:]))
        self.patches = filled(patches, weight=weight, bias=weights[f"{prefix}.patch.bias"])
        self.space, self.time = (parameter(weights, f"{prefix}.position.{axis}") for axis in ["space", "time"])
        self.blocks = nn.ModuleList()
        while f"{prefix}.block{len(self.blocks)}.mlp.first.weight" in weights:
            path = f"{prefix}.block{len(self.blocks)}"
            over = [Attention(weights, f"{path}.{axis}", heads) for axis in ["time", "space"]]
            self.blocks.append(nn.ModuleList([*over, Perceptron(weights, f"{path}.mlp")]))
        self.norm = layer_norm(weights, f"{prefix}.norm")

    def forward(self, x):
        batch, frames = x.shape[:2]
        x = self.patches(x.flatten(0, 1)).flatten(2).transpose(1, 2).unflatten(0, (batch, frames))
        x = x + self.space + self.time[:, None]
        places = x.shape[2]
        for over_time, over_space, perceptron in self.blocks:
            x = over_time(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, places)).transpose(1, 2)
            x = over_space(x.flatten(0, 1)).unflatten(0, (batch, frames))
            x = perceptron(x)
        return self.norm(x).mean((1, 2))

    def arranged(self, x):
        return x.permute(0, 4, 1, 2, 3).contiguous()


def rows_of(x):
    """`[batch, features + 1, steps]` with a row that says which steps are there, as `[batch, steps, features]`."""
    return x[:, :-1].transpose(1, 2).contiguous()


def encoder(weights, prefix, description, sample_shape):
    kind = description["kind"]
    if kind == "mlp":
        return Mlp(weights, prefix)
    if kind == "step-convolutions":
        return StepConvolutions(weights, prefix, description["stride"])
    if kind == "gru":
        return Gru(weights, prefix)
    if kind == "video-transformer":
        return VideoTransformer(weights, prefix, description["heads"])
    return StepTransformer(weights, prefix, description["heads"])
