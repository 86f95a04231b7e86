"""Stored answers of PyTorch in float64, which gblend's layers of vectors, sequences and texts are tested against.

    python xtask/peers/sequences.py > gblend-core/tests/fixtures/sequences.json

Needs `torch` and `numpy`. Arguments are multiples of 1/256, so that float32 holds them exactly. Convolutions and
transformers are run on padded batches with a mask, recurrent networks on each sequence without its padding.
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
EPSILON = float(np.float32(1e-5))
MARGIN = 1e-3  # ReLU inputs nearer to 0 could change sign in float32

# [time × batch]: ends, a sequence without steps, and holes.
ENDS = np.array([[1, 1, 0, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]])
HOLES = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 0]])


def draw(rng, low, high, *shape):
    return torch.tensor(rng.integers(int(low * 256), int(high * 256), size=shape) / 256.0)


class Case:
    """Rows `[steps, width]` of a mask, sequence by sequence, parameters by path, and the smallest distance of a ReLU's
    input from 0."""

    def __init__(self, rng, mask, width):
        self.rng = rng
        self.mask = torch.tensor(mask).T.bool()
        self.rows = draw(rng, -1, 1, int(mask.sum()), width).requires_grad_()
        self.parameters = {}
        self.margin = float("inf")

    def parameter(self, path, *shape, low=-1, high=1):
        self.parameters[path] = draw(self.rng, low, high, *shape).requires_grad_()
        return self.parameters[path]

    def padded(self, rows, mask=None):
        """`[batch, time, width]` with zeros in the padding."""
        mask = self.mask if mask is None else mask
        return torch.zeros(*mask.shape, rows.shape[-1]).masked_scatter(mask[..., None], rows)

    def linear(self, path, x, outputs, bias=True):
        weight = self.parameter(f"{path}.weight", outputs, x.shape[-1])
        return F.linear(x, weight, self.parameter(f"{path}.bias", outputs) if bias else None)

    def norm(self, path, kind, x):
        if kind == "none":
            return x
        gamma = self.parameter(f"{path}gamma", x.shape[-1], low=0.5, high=1.5)
        beta = self.parameter(f"{path}beta", x.shape[-1], low=-0.5, high=0.5)
        if kind == "layer":
            return F.layer_norm(x, x.shape[-1:], gamma, beta, EPSILON)
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)

    def activation(self, kind, x):
        if kind == "gelu":
            return F.gelu(x, approximate="tanh")
        self.margin = min(self.margin, x.abs().min().item())
        return F.relu(x)


def pool(case, function):
    batch = case.padded(case.rows)
    there = case.mask[..., None]
    if function == "mean":
        return batch.sum(1) / there.sum(1).clamp(min=1)
    if function == "max":
        maxima = batch.masked_fill(~there, -torch.inf).amax(1)
        return torch.where(there.any(1), maxima, torch.zeros_like(maxima))
    last = [torch.nonzero(of_sample).max().item() if of_sample.any() else None for of_sample in case.mask]
    rows = [torch.zeros(batch.shape[-1]) if at is None else batch[sample, at] for sample, at in enumerate(last)]
    return torch.stack(rows)


def embedding_mean(case, count, width, padding, ids):
    table = case.parameter("table", count, width)
    with torch.no_grad():
        table[padding] = 0
    ids = torch.tensor(ids).T
    vectors = F.embedding(ids, table, padding_idx=padding)
    return vectors.sum(1) / (ids != padding).sum(1, keepdim=True).clamp(min=1)


def residual(case, outputs, kernel, dilation, stride, normalization, activation):
    def conv(path, rows, mask, kernel, dilation, stride):
        x = case.padded(rows, mask).transpose(1, 2)
        weight = case.parameter(f"{path}.weight", outputs, kernel, x.shape[1])
        bias = case.parameter(f"{path}.bias", outputs) if normalization == "none" else None
        y = F.conv1d(x, weight.transpose(1, 2), bias, stride, dilation * (kernel // 2), dilation)
        mask = mask[:, ::stride]
        return case.norm(f"{path}.", normalization, y.transpose(1, 2)[mask]), mask

    inner, kept = conv("first", case.rows, case.mask, kernel, dilation, stride)
    inner, _ = conv("second", case.activation(activation, inner), kept, kernel, dilation, 1)
    around = case.rows
    if stride != 1 or outputs != case.rows.shape[1]:
        around, _ = conv("shortcut", case.rows, case.mask, 1, 1, stride)
    return case.activation(activation, inner + around)


def gru(case, hidden, layers, bidirectional, last):
    module = torch.nn.GRU(case.rows.shape[1], hidden, layers, bidirectional=bidirectional, batch_first=True)
    for layer in range(layers):
        for suffix, path in [("", f"layer{layer}"), ("_reverse", f"layer{layer}.backward")]:
            for name, own in [("ih", "input"), ("hh", "state")]:
                for part in ["weight", "bias"]:
                    attribute = f"{part}_{name}_l{layer}{suffix}"
                    if hasattr(module, attribute):
                        shape = getattr(module, attribute).shape
                        setattr(module, attribute, torch.nn.Parameter(draw(case.rng, -1, 1, *shape)))
                        case.parameters[f"{path}.{own}.{part}"] = getattr(module, attribute)
    states, ends, start = [], [], 0
    for count in case.mask.sum(1).tolist():
        if count == 0:
            ends.append(torch.zeros((1 + bidirectional) * hidden))
            continue
        output, final = module(case.rows[None, start : start + count])
        states.append(output[0])
        ends.append(final[-1 - bidirectional :, 0].reshape(-1))
        start += count
    return torch.stack(ends) if last else torch.cat(states)


def transformer(case, depth, heads, hidden, positions):
    width = case.rows.shape[1]
    x = case.padded(case.rows)
    batch, time, _ = x.shape
    if positions == "sinusoidal":
        rates = 10000 ** (-torch.arange(0, width, 2) / width)
        angles = torch.arange(time)[:, None] * rates
        x = x + torch.stack([angles.sin(), angles.cos()], 2).reshape(time, -1)[:, :width]
    elif positions == "learned":
        x = x + case.parameter("position.table", time + 1, width)[:time]

    def split(rows):
        return rows.reshape(batch, time, heads, width // heads).transpose(1, 2)

    # Padding attends to everything, and nothing to padding; what it gets is not looked at.
    allowed = case.mask[:, None, None, :] | ~case.mask[:, None, :, None]
    for block in range(depth):
        path = f"block{block}.attention"
        inner = case.norm(f"{path}.norm.", "layer", x)
        query, key, value = (split(case.linear(f"{path}.{name}", inner, width, bias=False)) for name in ["query", "key", "value"])
        attended = F.scaled_dot_product_attention(query, key, value, allowed)
        attended = attended.transpose(1, 2).reshape(batch, time, width)
        x = x + case.linear(f"{path}.output", attended, width, bias=False)
        path = f"block{block}.mlp"
        inner = case.linear(f"{path}.first", case.norm(f"{path}.norm.", "layer", x), hidden)
        x = x + case.linear(f"{path}.second", F.gelu(inner, approximate="tanh"), width)
    return case.norm("norm.", "layer", x)[case.mask]


def residual_mlp(case, outputs, normalization, activation):
    inner = case.linear("linear", case.rows, outputs, bias=normalization != "batch")
    inner = case.activation(activation, case.norm("norm.", normalization, inner))
    around = case.rows
    if outputs != case.rows.shape[1]:
        around = case.linear("shortcut", case.rows, outputs, bias=False)
    return inner + around


MAKERS = {
    "pool": pool,
    "embedding_mean": embedding_mean,
    "residual": residual,
    "gru": gru,
    "transformer": transformer,
    "residual_mlp": residual_mlp,
}


def block(outputs, kernel, dilation, stride, normalization, activation):
    window = {"kernel": kernel, "dilation": dilation, "stride": stride}
    return {"kind": "residual", "outputs": outputs, **window, "normalization": normalization, "activation": activation}


def recurrent(hidden, layers, bidirectional, last):
    return {"kind": "gru", "hidden": hidden, "layers": layers, "bidirectional": bidirectional, "last": last}


def attention(depth, heads, hidden, positions):
    return {"kind": "transformer", "depth": depth, "heads": heads, "hidden": hidden, "positions": positions}


def perceptron(outputs, normalization, activation):
    return {"kind": "residual_mlp", "outputs": outputs, "normalization": normalization, "activation": activation}


IDS = [[3, 1, 0, 2], [0, 4, 0, 2], [3, 0, 0, 1]]
CASES = [
    ({"kind": "pool", "function": "mean"}, ENDS, 3),
    ({"kind": "pool", "function": "max"}, HOLES, 3),
    ({"kind": "pool", "function": "last"}, ENDS, 2),
    ({"kind": "embedding_mean", "count": 5, "width": 3, "padding": 0, "ids": IDS}, np.array([[0]]), 1),
    (block(4, 3, 1, 1, "batch", "relu"), ENDS, 3),
    (block(3, 3, 2, 1, "batch", "gelu"), ENDS, 3),
    (block(4, 5, 1, 2, "batch", "relu"), ENDS, 2),
    (block(4, 3, 1, 2, "layer", "gelu"), HOLES, 3),
    (block(3, 3, 2, 1, "none", "gelu"), HOLES, 3),
    (block(2, 3, 2, 2, "none", "relu"), ENDS, 3),
    (recurrent(4, 1, False, False), ENDS, 3),
    (recurrent(3, 2, True, False), ENDS, 2),
    (recurrent(3, 2, True, True), HOLES, 2),
    (recurrent(4, 2, False, True), ENDS, 3),
    (attention(2, 2, 5, "learned"), ENDS, 4),
    (attention(1, 3, 6, "sinusoidal"), HOLES, 6),
    (attention(1, 1, 4, "none"), ENDS, 3),
    (perceptron(4, "batch", "relu"), np.ones((1, 6), int), 4),
    (perceptron(5, "batch", "gelu"), np.ones((1, 6), int), 3),
    (perceptron(3, "layer", "relu"), np.ones((1, 4), int), 3),
    (perceptron(4, "none", "gelu"), np.ones((1, 4), int), 3),
]


def sequences():
    numbers = lambda t: [float(f"{v:.12g}") for v in t.detach().contiguous().reshape(-1).tolist()]
    stored = []
    for index, (layer, mask, width) in enumerate(CASES):
        margin, seed = 0.0, 1000 * index
        while margin < MARGIN:
            case = Case(np.random.default_rng(seed), mask, width)
            output = MAKERS[layer["kind"]](case, **{key: value for key, value in layer.items() if key != "kind"})
            margin, seed = case.margin, seed + 1
        projection = draw(case.rng, -1, 1, *output.shape)
        (output * projection).sum().backward()
        of_rows = torch.zeros_like(case.rows) if case.rows.grad is None else case.rows.grad
        stored.append(
            {
                "layer": layer,
                "mask": mask.reshape(-1).tolist(),
                "batch": mask.shape[1],
                "width": width,
                "rows": numbers(case.rows),
                "parameters": {path: {"shape": list(p.shape), "values": numbers(p)} for path, p in case.parameters.items()},
                "projection": numbers(projection),
                "output": numbers(output),
                "of_rows": numbers(of_rows),
                "gradients": {path: numbers(p.grad) for path, p in case.parameters.items()},
            }
        )
    return stored


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    json.dump(sequences(), sys.stdout)
    print()
