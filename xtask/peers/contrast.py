"""Stored answers of PyTorch in float64, which gblend's losses that compare samples are tested against.

    python xtask/peers/contrast.py > gblend-optim/tests/fixtures/contrast.json

Needs `torch` and `numpy`. Outputs are multiples of 1/256, so that float32 holds them exactly. Losses and gradients are those of
the definitions, by `torch.nn.functional.cross_entropy` and automatic differentiation.
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
EPSILON = 1e-8


def draw(rng, *shape):
    return torch.tensor(rng.integers(-256, 256, size=shape) / 256.0)


def unit(rows):
    return rows / (rows.square().sum(1, keepdim=True) + EPSILON).sqrt()


def temperature(settings, parameter):
    if not settings["learned"]:
        return torch.tensor(settings["start"])
    low, high = math.log(settings["least"]), math.log(settings["most"])
    return (low + (high - low) * torch.sigmoid(parameter)).exp()


def start_of(settings):
    low, high = math.log(settings["least"]), math.log(settings["most"])
    share = (math.log(settings["start"]) - low) / (high - low)
    return torch.tensor(float(np.float32(math.log(share / (1 - share)))), requires_grad=True)


def masked(similarities, identities, rights, itself):
    same = identities[:, None] == identities[None, :]
    if itself:
        same = same | torch.eye(len(identities), dtype=torch.bool)
    same[torch.arange(len(rights)), rights] = False
    return similarities.masked_fill(same, -math.inf)


def info_nce(output, modalities, width, tau, identities, absent):
    samples = len(output)
    has = torch.ones(samples, modalities, dtype=torch.bool)
    for sample, modality in absent:
        has[sample, modality] = False
    pairs = [(a, b) for a in range(modalities) for b in range(a + 1, modalities)]
    counts = sum((has[:, a] & has[:, b]).to(torch.float64) for a, b in pairs)
    losses = torch.zeros(samples)
    for a, b in pairs:
        both = (has[:, a] & has[:, b]).nonzero().squeeze(1)
        one, other = (unit(output[both, m * width : (m + 1) * width]) for m in (a, b))
        rights = torch.arange(len(both))
        for x, y in ((one, other), (other, one)):
            each = F.cross_entropy(masked(x @ y.T / tau, identities[both], rights, False), rights, reduction="none")
            losses = losses.index_add(0, both, each / (2 * counts[both]))
    return torch.where(counts > 0, losses, torch.tensor(math.log(samples)))


def nt_xent(output, width, tau, identities):
    samples = len(output)
    rows = unit(output.reshape(2 * samples, width))
    rights = torch.arange(2 * samples) ^ 1
    each = F.cross_entropy(masked(rows @ rows.T / tau, identities.repeat_interleave(2), rights, True), rights, reduction="none")
    return each.reshape(samples, 2).mean(1)


def anchor(output):
    half = output.shape[1] // 2
    return 1 - (unit(output[:, :half]) * unit(output[:, half:])).sum(1)


def main():
    rng = np.random.default_rng(7)
    learned = {"start": 0.07, "learned": True, "least": 0.01, "most": 1.0}
    fixed = {"start": 0.5, "learned": False, "least": 0.01, "most": 1.0}
    cases = []
    for kind, modalities, samples, width, settings, identities, absent in [
        ("match", 2, 6, 8, learned, None, []),
        ("match", 2, 8, 5, fixed, [0, 1, 1, 2, 3, 0, 4, 1], []),
        ("match", 3, 6, 4, {**learned, "start": 0.2}, [0, 1, 2, 2, 3, 4], []),
        ("match", 3, 7, 4, {**learned, "start": 0.4}, None, [(0, 0), (1, 0), (1, 2), (4, 1)]),
        ("match", 2, 2, 3, fixed, None, []),
        ("views", 2, 6, 8, fixed, None, []),
        ("views", 2, 5, 4, {**learned, "start": 0.1}, [0, 1, 1, 2, 3], []),
        ("views", 2, 2, 3, fixed, None, []),
        ("anchor", 2, 5, 6, fixed, None, []),
    ]:
        values = draw(rng, samples, modalities * width)
        for sample, modality in absent:
            values[sample, modality * width : (modality + 1) * width] = 0
        output = values.clone().requires_grad_()
        parameter = start_of(settings) if settings["learned"] else None
        tau = temperature(settings, parameter)
        numbers = torch.tensor(identities if identities else list(range(samples)))
        if kind == "match":
            losses = info_nce(output, modalities, width, tau, numbers, absent)
        elif kind == "views":
            losses = nt_xent(output, width, tau, numbers)
        else:
            losses = anchor(output)
        losses.mean().backward()
        gradient = output.grad.clone()
        for sample, modality in absent:
            gradient[sample, modality * width : (modality + 1) * width] = 0
        cases.append(
            {
                "kind": kind,
                "width": width,
                "temperature": settings,
                "identities": identities,
                "output": values.tolist(),
                "losses": losses.tolist(),
                "gradient": gradient.tolist(),
                "temperature_gradient": parameter.grad.item() if parameter is not None else None,
            }
        )
    json.dump(cases, sys.stdout)
    print()


main()
