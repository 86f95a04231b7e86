"""Stored answers of PyTorch in float64, which gblend's fusions are tested against.

    python xtask/peers/fusions.py > gblend-modalities/tests/fixtures/fusions.json

Needs `torch` and `numpy`. Features and parameters are multiples of 1/256, so that float32 holds them exactly. Where
the definition and a good implementation differ, the definition is what is computed here: low-rank fusion goes over
the tensor of all products.
"""

import json
import math
import string
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
BATCH = 3
MARGIN = 1e-3  # ReLU inputs nearer to 0 could change sign in float32


def draw(rng, *shape):
    return torch.tensor(rng.integers(-256, 256, size=shape) / 256.0)


class Case:
    """Features, parameters by path, and the smallest distance of a ReLU's input from 0."""

    def __init__(self, rng, lengths):
        self.rng = rng
        self.features = [draw(rng, BATCH, length).requires_grad_() for length in lengths]
        self.parameters = {}
        self.margin = math.inf

    def parameter(self, path, *shape):
        self.parameters[path] = draw(self.rng, *shape).requires_grad_()
        return self.parameters[path]

    def linear(self, path, x, outputs, bias=True):
        weight = self.parameter(f"{path}.weight", outputs, x.shape[1])
        return F.linear(x, weight, self.parameter(f"{path}.bias", outputs) if bias else None)

    def relu(self, x):
        self.margin = min(self.margin, x.abs().min().item())
        return F.relu(x)


def concat(case):
    return torch.cat(case.features, 1)


def sum_(case, width):
    return sum(case.linear(f"projection.{k}", f, width) for k, f in enumerate(case.features))


def gated(case, width, gates="independent"):
    hidden = [torch.tanh(case.linear(f"projection.{k}", f, width)) for k, f in enumerate(case.features)]
    scores = case.linear("gate", torch.cat(case.features, 1), width * len(hidden)).split(width, 1)
    if gates == "independent":
        z = [torch.sigmoid(score) for score in scores]
    else:
        total = sum(score.exp() for score in scores)
        z = [score.exp() / total for score in scores]
    return sum(gate * h for gate, h in zip(z, hidden))


def film(case, width):
    parts = []
    for k, f in enumerate(case.features):
        condition = torch.cat([other for j, other in enumerate(case.features) if j != k], 1)
        scale = case.linear(f"scale.{k}", condition, width)
        shift = case.linear(f"shift.{k}", condition, width)
        parts.append(case.relu((1 + scale) * case.linear(f"projection.{k}", f, width) + shift))
    return torch.cat(parts, 1)


def lmf(case, width, rank):
    axes = string.ascii_lowercase[: len(case.features)]
    ones = [torch.cat([f, torch.ones(BATCH, 1)], 1) for f in case.features]
    factors = []
    for k, f in enumerate(case.features):
        weight = case.parameter(f"factor.{k}.weight", rank * width, f.shape[1])
        bias = case.parameter(f"factor.{k}.bias", rank * width)
        factors.append(torch.cat([weight, bias[:, None]], 1).reshape(rank, width, -1))
    outer = torch.einsum(",".join("Z" + axis for axis in axes) + "->Z" + axes, *ones)
    tensor = torch.einsum(",".join("RH" + axis for axis in axes) + "->H" + axes, *factors)
    return torch.einsum(f"Z{axes},H{axes}->ZH", outer, tensor)


def se(case, reduction):
    c = torch.cat(case.features, 1)
    hidden = case.relu(case.linear("squeeze", c, -(-c.shape[1] // reduction)))
    return c * torch.sigmoid(case.linear("excite", hidden, c.shape[1]))


def attention(case, width, heads):
    tokens = [case.linear(f"token.{k}", f, width) for k, f in enumerate(case.features)]
    tokens = torch.stack(tokens, 1)
    rows = tokens.reshape(-1, width)

    def split(path):
        projected = case.linear(path, rows, width, bias=False)
        return projected.reshape(BATCH, len(case.features), heads, -1).transpose(1, 2)

    attended = F.scaled_dot_product_attention(split("query"), split("key"), split("value"))
    attended = attended.transpose(1, 2).reshape(-1, width)
    return (rows + case.linear("output", attended, width, bias=False)).reshape(BATCH, -1)


def fusions():
    cases = [
        ("concat", concat, {}, (3, 5, 2)),
        ("sum", sum_, {"width": 4}, (3, 5, 2)),
        ("gated", gated, {"width": 4}, (3, 5)),
        ("gated", gated, {"width": 3, "gates": "independent"}, (4, 2, 3, 5)),
        ("gated", gated, {"width": 4, "gates": "competing"}, (3, 5, 2)),
        ("film", film, {"width": 4}, (3, 5)),
        ("film", film, {"width": 3}, (4, 2, 3, 5)),
        ("lmf", lmf, {"width": 4, "rank": 1}, (3, 5)),
        ("lmf", lmf, {"width": 4, "rank": 3}, (3, 5, 2)),
        ("lmf", lmf, {"width": 2, "rank": 2}, (4, 2, 3, 5)),
        ("se", se, {"reduction": 4}, (3, 5, 2)),
        ("se", se, {"reduction": 1}, (6, 4)),
        ("attention", attention, {"width": 6, "heads": 1}, (3, 5)),
        ("attention", attention, {"width": 6, "heads": 3}, (4, 2, 3, 5)),
        ("attention", attention, {"width": 2, "heads": 2}, (3, 5, 2)),
    ]
    numbers = lambda t: [float(f"{v:.12g}") for v in t.detach().contiguous().reshape(-1).tolist()]
    stored = []
    for index, (kind, run, settings, lengths) in enumerate(cases):
        margin, seed = 0.0, 1000 * index
        while margin < MARGIN:
            case = Case(np.random.default_rng(seed), lengths)
            output = run(case, **settings)
            margin, seed = case.margin, seed + 1
        projection = draw(case.rng, *output.shape)
        (output * projection).sum().backward()
        stored.append(
            {
                "fusion": {"kind": kind, **settings},
                "lengths": lengths,
                "features": [numbers(f) for f in case.features],
                "parameters": {path: {"shape": list(p.shape), "values": numbers(p)} for path, p in case.parameters.items()},
                "projection": numbers(projection),
                "output": numbers(output),
                "feature_gradients": [numbers(f.grad) for f in case.features],
                "parameter_gradients": {path: numbers(p.grad) for path, p in case.parameters.items()},
            }
        )
    return {"batch": BATCH, "cases": stored}


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    json.dump(fusions(), sys.stdout)
    print()
