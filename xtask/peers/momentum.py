"""Stored answers of PyTorch in float64, which gblend's loss among keys of a queue is tested against.

    python xtask/peers/momentum.py > gblend-optim/tests/fixtures/momentum.json

Needs `torch` and `numpy`. Of each modality a query encoder and a key encoder that follows it, both linear, make the outputs of several
steps, as in algorithm 1 of He et al., CVPR 2020. Inputs, and parameters before the first step, are multiples of 1/64; outputs are rounded
to single precision before the loss, so that both see the same.
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
EPSILON = 1e-8
STEPS = 5
INPUTS = 6


def draw(rng, *shape):
    return torch.tensor(rng.integers(-64, 64, size=shape) / 64.0)


def unit(rows):
    return rows / (rows.square().sum(1, keepdim=True) + EPSILON).sqrt()


def single(values):
    return values.to(torch.float32).to(torch.float64)


def follow(keys, queries, momentum):
    for key, query in zip(keys, queries):
        key.copy_(momentum * key + (1 - momentum) * query)


def surprise(queries, of_batch, earlier, tau, numbers, of_earlier):
    """How surprising it is that each query finds the key of its own sample among those of the batch and the queue."""
    candidates = torch.cat([of_batch, earlier])
    same = numbers[:, None] == torch.cat([numbers, of_earlier])[None, :]
    rights = torch.arange(len(queries))
    same[rights, rights] = False
    similarities = (queries @ candidates.T / tau).masked_fill(same, -math.inf)
    return F.cross_entropy(similarities, rights, reduction="none")


def run(rng, modalities, samples, width, size, momentum, tau, kinds, lacking):
    queries = [draw(rng, INPUTS, width) for _ in range(modalities)]
    keys = [query.clone() for query in queries]
    ring, numbers_of_ring = torch.zeros(0, modalities * width), torch.zeros(0, dtype=torch.int64)
    pairs = [(a, b) for a in range(modalities) for b in range(a + 1, modalities)]
    steps = []
    for step in range(STEPS):
        inputs = draw(rng, samples, INPUTS)
        numbers = torch.tensor(rng.integers(0, kinds, size=samples)) if kinds else torch.arange(samples) + step * samples
        has = torch.ones(samples, modalities, dtype=torch.bool)
        for sample, modality in lacking.get(step, []):
            has[sample, modality] = False
        mask = has.repeat_interleave(width, dim=1)
        outputs = single(torch.cat([inputs @ query for query in queries], 1)) * mask
        of_keys = single(torch.cat([inputs @ key for key in keys], 1)) * mask
        leaf = outputs.clone().requires_grad_()
        parts = lambda rows, modality: rows[:, modality * width : (modality + 1) * width]
        counts = sum((has[:, a] & has[:, b]).to(torch.float64) for a, b in pairs)
        losses = torch.zeros(samples)
        for a, b in pairs:
            both = (has[:, a] & has[:, b]).nonzero().squeeze(1)
            for own, other in ((a, b), (b, a)):
                there = (parts(ring, other) != 0).any(1)
                each = surprise(
                    unit(parts(leaf, own)[both]),
                    unit(parts(of_keys, other)[both]),
                    unit(parts(ring, other)[there]),
                    tau,
                    numbers[both],
                    numbers_of_ring[there],
                )
                losses = losses.index_add(0, both, each / (2 * counts[both]))
        losses = torch.where(counts > 0, losses, torch.tensor(math.log(samples)))
        losses.mean().backward()
        gradient = leaf.grad * mask
        steps.append(
            {
                "output": outputs.tolist(),
                "keys": of_keys.tolist(),
                "numbers": numbers.tolist(),
                "losses": losses.tolist(),
                "gradient": gradient.tolist(),
            }
        )
        with torch.no_grad():
            for modality, query in enumerate(queries):
                query -= 0.5 * inputs.T @ parts(gradient, modality)
            follow(keys, queries, momentum)
        ring = torch.cat([ring, of_keys])[-size:]
        numbers_of_ring = torch.cat([numbers_of_ring, numbers])[-size:]
    return {"width": width, "size": size, "temperature": tau, "steps": steps}


def main():
    rng = np.random.default_rng(11)
    cases = [
        # A queue of several batches, which runs full in the third step.
        run(rng, 2, 5, 4, 12, 0.9, 0.2, 0, {}),
        # One that is smaller than a batch, with samples that are the same.
        run(rng, 2, 6, 5, 4, 0.99, 0.5, 4, {}),
        # Three modalities, of which some samples lack one, and one sample two.
        run(rng, 3, 5, 3, 9, 0.5, 0.1, 7, {0: [(0, 0), (1, 2)], 2: [(3, 1), (4, 0), (4, 1)]}),
        # Keys of the encoders as they are.
        run(rng, 2, 4, 3, 8, 0.0, 0.3, 0, {}),
    ]
    json.dump(cases, sys.stdout)
    print()


main()
