"""Stored answers of PyTorch in float64, which gblend's layers and optimizers are tested against.

    python xtask/peers/fixtures.py layers     > gblend-core/tests/fixtures/layers.json
    python xtask/peers/fixtures.py optimizers > gblend-optim/tests/fixtures/optimizers.json

Needs `torch` and `numpy`. Arguments are multiples of 1/256, so that float32 holds them exactly.
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
EPSILON = float(np.float32(1e-5))
MARGIN = 1e-3  # ReLU inputs nearer to 0 could change sign in float32


def draw(rng, low, high, *shape):
    return torch.tensor(rng.integers(int(low * 256), int(high * 256), size=shape) / 256.0)


def norm_then_relu(x, gamma, beta, relu):
    y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)
    return (F.relu(y), y) if relu else (y, None)


def layer_case(rng, operation, channels, height, width, columns, kernel, stride, padding):
    """One operation on maps [channels, height, width, columns]; PyTorch sees [columns, channels, ...]."""
    kind = operation["kind"]
    x = draw(rng, -1, 1, channels, height, width, columns)
    nchw = lambda t: t.permute(3, 0, 1, 2)
    back = lambda t: t.permute(1, 2, 3, 0)
    pre = None
    if kind in ("conv", "conv_norm"):
        out = operation["out_channels"]
        w = draw(rng, -1, 1, out, channels, *kernel)
    if kind == "conv":
        args = [x, w, draw(rng, -1, 1, out)]
        run = lambda a: back(F.conv2d(nchw(a[0]), a[1], a[2], stride, padding))
    elif kind == "conv_norm":
        args = [x, w, draw(rng, 0.5, 1.5, out), draw(rng, -0.5, 0.5, out)]

        def run(a):
            nonlocal pre
            y, pre = norm_then_relu(F.conv2d(nchw(a[0]), a[1], None, stride, padding), a[2], a[3], operation["relu"])
            return back(y)
    elif kind == "batch_norm":
        args = [x, draw(rng, 0.5, 1.5, channels), draw(rng, -0.5, 0.5, channels)]

        def run(a):
            nonlocal pre
            y, pre = norm_then_relu(nchw(a[0]), a[1], a[2], operation["relu"])
            return back(y)
    elif kind == "linear":
        x = draw(rng, -1, 1, columns, channels)
        args = [x, draw(rng, -1, 1, operation["outputs"], channels), draw(rng, -1, 1, operation["outputs"])]
        run = lambda a: F.linear(a[0], a[1], a[2])
    elif kind == "max_pool":
        # Distinct values: PyTorch and gblend both give a tie to the first, but that is not the point here.
        order = rng.permutation(x.numel()).reshape(x.shape) - x.numel() / 2
        args = [torch.tensor(order / 256.0)]
        run = lambda a: back(F.max_pool2d(nchw(a[0]), kernel, stride, padding))
    elif kind == "average_pool":
        args = [x]
        count = operation["count_padding"]
        run = lambda a: back(F.avg_pool2d(nchw(a[0]), kernel, stride, padding, count_include_pad=count))
    elif kind == "global_mean":
        frames = operation["frames"]
        args = [x]
        run = lambda a: a[0].reshape(channels, height * width * frames, columns // frames).mean(1).T
    args = [a.clone().requires_grad_() for a in args]
    output = run(args)
    if pre is not None and pre.abs().min() < MARGIN:
        return None
    projection = draw(rng, -1, 1, *output.shape)
    (output * projection).sum().backward()
    numbers = lambda t: [float(f"{v:.12g}") for v in t.detach().contiguous().reshape(-1).tolist()]
    return {
        "operation": operation,
        "input": [channels, height, width, columns],
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "arguments": [numbers(a) for a in args],
        "projection": numbers(projection),
        "output": numbers(output),
        "gradients": [numbers(a.grad) for a in args],
    }


def layers():
    shapes = [
        ({"kind": "conv", "out_channels": 4, "bias": True}, (3, 6, 5, 3), (3, 3), (1, 1), (1, 1)),
        ({"kind": "conv", "out_channels": 2, "bias": True}, (2, 7, 8, 2), (3, 2), (2, 1), (1, 0)),
        ({"kind": "conv_norm", "out_channels": 4, "relu": False, "fixed": False}, (3, 6, 6, 3), (3, 3), (2, 2), (1, 1)),
        ({"kind": "conv_norm", "out_channels": 3, "relu": True, "fixed": False}, (2, 5, 6, 4), (3, 3), (1, 1), (1, 1)),
        ({"kind": "conv_norm", "out_channels": 3, "relu": True, "fixed": False}, (2, 9, 5, 2), (1, 3), (1, 2), (0, 1)),
        ({"kind": "batch_norm", "relu": False, "fixed": False}, (3, 4, 5, 4), (1, 1), (1, 1), (0, 0)),
        ({"kind": "batch_norm", "relu": True, "fixed": False}, (3, 4, 5, 4), (1, 1), (1, 1), (0, 0)),
        ({"kind": "linear", "outputs": 5}, (7, 1, 1, 6), (1, 1), (1, 1), (0, 0)),
        ({"kind": "max_pool"}, (2, 7, 6, 3), (3, 3), (2, 2), (1, 1)),
        ({"kind": "average_pool", "count_padding": True}, (2, 7, 6, 3), (3, 3), (2, 2), (1, 1)),
        ({"kind": "average_pool", "count_padding": False}, (2, 7, 6, 3), (3, 3), (2, 2), (1, 1)),
        ({"kind": "global_mean", "frames": 3}, (4, 3, 2, 6), (1, 1), (1, 1), (0, 0)),
    ]
    cases = []
    for index, (operation, extents, kernel, stride, padding) in enumerate(shapes):
        seed = 1000 * index
        while True:
            case = layer_case(np.random.default_rng(seed), operation, *extents, kernel, stride, padding)
            if case is not None:
                cases.append(case)
                break
            seed += 1
    return cases


def optimizers():
    steps, size = 12, 6
    rng = np.random.default_rng(5)
    start = draw(rng, -1, 1, size)
    gradients = [draw(rng, -1, 1, size) for _ in range(steps)]
    settings = [
        ({"kind": "sgd", "learning_rate": 0.1, "momentum": 0.0}, lambda p: torch.optim.SGD(p, 0.1)),
        ({"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}, lambda p: torch.optim.SGD(p, 0.1, 0.9)),
        (
            {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01, nesterov=True),
        ),
        ({"kind": "adam", "learning_rate": 0.05}, lambda p: torch.optim.Adam(p, 0.05)),
        (
            {"kind": "adam", "learning_rate": 0.05, "betas": [0.8, 0.95], "weight_decay": 0.1},
            lambda p: torch.optim.Adam(p, 0.05, (0.8, 0.95), weight_decay=0.1),
        ),
        ({"kind": "adamw", "learning_rate": 0.05, "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1)),
        # With a vanishing epsilon its place, under the root or beside it, makes no difference.
        (
            {"kind": "rmsprop", "learning_rate": 0.05, "alpha": 0.9, "epsilon": 1e-16},
            lambda p: torch.optim.RMSprop(p, 0.05, 0.9, 1e-16),
        ),
        (
            {"kind": "rmsprop", "learning_rate": 0.02, "alpha": 0.8, "epsilon": 1e-16, "momentum": 0.5, "weight_decay": 0.01},
            lambda p: torch.optim.RMSprop(p, 0.02, 0.8, 1e-16, 0.01, 0.5),
        ),
        (
            {"kind": "rmsprop", "learning_rate": 0.02, "alpha": 0.8, "epsilon": 1e-16, "centered": True},
            lambda p: torch.optim.RMSprop(p, 0.02, 0.8, 1e-16, centered=True),
        ),
    ]
    cases = []
    for config, make in settings:
        param = start.clone().requires_grad_()
        optimizer = make([param])
        trajectory = []
        for gradient in gradients:
            param.grad = gradient.clone()
            optimizer.step()
            trajectory.append(param.detach().tolist())
        cases.append({"optimizer": config, "trajectory": trajectory})
    return {"start": start.tolist(), "gradients": [g.tolist() for g in gradients], "cases": cases}


if __name__ == "__main__":
    makers = {"layers": layers, "optimizers": optimizers}
    if len(sys.argv) != 2 or sys.argv[1] not in makers:
        sys.exit(__doc__)
    json.dump(makers[sys.argv[1]](), sys.stdout)
    print()
