"""Stored answers of PyTorch in float64, which gblend's mid-level concatenation is tested against.

    python xtask/peers/mid_concat.py > gblend-modalities/tests/fixtures/mid_concat.json

Needs `torch` and `numpy`. Maps and parameters are multiples of 1/256, so that float32 holds them exactly. Maps are
stored as gblend has them, `[channels, height, width, frames, batch]`.
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
BATCH = 3
EPSILON = float(np.float32(1e-5))
MARGIN = 1e-3  # ReLU inputs nearer to 0 could change sign in float32


class Case:
    """Maps, parameters by path, and the smallest distance of a ReLU's input from 0."""

    def __init__(self, rng, stages):
        self.rng = rng
        self.maps = [self.draw(-1, 1, *stage, BATCH).requires_grad_() for stage in stages]
        self.parameters = {}
        self.margin = math.inf

    def draw(self, low, high, *shape):
        return torch.tensor(self.rng.integers(int(low * 256), int(high * 256), size=shape) / 256.0)

    def parameter(self, path, low, high, *shape):
        self.parameters[path] = self.draw(low, high, *shape).requires_grad_()
        return self.parameters[path]

    def conv_norm(self, path, x, outputs, kernel, stride):
        weight = self.parameter(f"{path}.weight", -1, 1, outputs, x.shape[1], kernel, kernel)
        gamma = self.parameter(f"{path}.gamma", 0.5, 1.5, outputs)
        beta = self.parameter(f"{path}.beta", -0.5, 0.5, outputs)
        y = F.conv2d(x, weight, None, stride, kernel // 2)
        return F.batch_norm(y, None, None, gamma, beta, training=True, eps=EPSILON)

    def relu(self, x):
        self.margin = min(self.margin, x.abs().min().item())
        return F.relu(x)

    def block(self, path, x, outputs, stride, residual):
        if not residual:
            return self.relu(self.conv_norm(path, x, outputs, 3, stride))
        inner = self.relu(self.conv_norm(f"{path}.first", x, outputs, 3, stride))
        inner = self.conv_norm(f"{path}.second", inner, outputs, 3, 1)
        if stride != 1 or x.shape[1] != outputs:
            x = self.conv_norm(f"{path}.shortcut", x, outputs, 1, stride)
        return self.relu(inner + x)

    def fuse(self, channels, blocks, residual):
        grid = [min(extents) for extents in zip(*(maps.shape[1:4] for maps in self.maps))]
        pooled = [F.adaptive_avg_pool3d(maps.permute(4, 0, 1, 2, 3), grid) for maps in self.maps]
        x = torch.cat(pooled, 1).permute(0, 4, 1, 2, 3)  # [batch, frames, channels, height, width]
        x = x.reshape(-1, *x.shape[2:])
        index = 0
        for outputs in channels:
            for block in range(blocks):
                x = self.block(f"block{index}", x, outputs, 2 if block == 0 else 1, residual)
                index += 1
        return x.mean((2, 3)).reshape(BATCH, grid[2], -1).mean(1)


def cases():
    # Channels, height, width and frames of each modality.
    settings = [
        ([(2, 3, 3, 1), (3, 3, 3, 1)], [4], 1, False),
        ([(2, 5, 4, 2), (3, 7, 3, 1)], [4], 1, False),
        ([(2, 4, 6, 3), (1, 5, 5, 2), (3, 8, 4, 4)], [3, 5], 2, False),
        ([(2, 5, 4, 2), (3, 4, 7, 3)], [4], 2, True),
        ([(4, 4, 4, 2)], [4, 2], 1, True),
    ]
    numbers = lambda t: [float(f"{v:.12g}") for v in t.detach().contiguous().reshape(-1).tolist()]
    stored = []
    for index, (stages, channels, blocks, residual) in enumerate(settings):
        margin, seed = 0.0, 1000 * index
        while margin < MARGIN:
            case = Case(np.random.default_rng(seed), stages)
            output = case.fuse(channels, blocks, residual)
            margin, seed = case.margin, seed + 1
        projection = case.draw(-1, 1, *output.shape)
        (output * projection).sum().backward()
        stored.append(
            {
                "fusion": {"kind": "mid-concat", "channels": channels, "blocks": blocks, "residual": residual},
                "stages": stages,
                "maps": [numbers(maps) for maps in case.maps],
                "parameters": {path: {"shape": list(p.shape), "values": numbers(p)} for path, p in case.parameters.items()},
                "projection": numbers(projection),
                "output": numbers(output),
                "map_gradients": [numbers(maps.grad) for maps in case.maps],
                "parameter_gradients": {path: numbers(p.grad) for path, p in case.parameters.items()},
            }
        )
    return {"batch": BATCH, "cases": stored}


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    json.dump(cases(), sys.stdout)
    print()
