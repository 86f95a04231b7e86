"""Answers of torchvision's residual networks in float64, which gblend's are tested against.

    python xtask/peers/resnets.py > gblend-modalities/tests/fixtures/resnets.json

Needs `torch`, `torchvision` and `numpy`. Parameters and pictures come from one formula of their name and position, which the
test has too, so that nothing large is stored: of each gradient and running statistic, its norm and a few of its values.
"""

import itertools
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

torch.set_default_dtype(torch.float64)
CLASSES = 10
SIZES = {"resnet18": (5, 32, 3), "resnet34": (5, 32, 3), "r2plus1d_18": (2, 18, 5)}  # clips, sides and frames
STORED = 8  # values of an array
MARGIN = 4e-6  # ReLU inputs and maxima nearer to their neighbors, by the deviation, could be others in float32


def draw(name, *shape):
    """Numbers from -1 to below 1, which float32 holds exactly."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    x = (np.arange(np.prod(shape), dtype=np.uint64) + seed) * 0x9E3779B1 % 2**32
    x ^= x >> np.uint64(15)
    x = x * 0x85EBCA77 % 2**32
    x ^= x >> np.uint64(13)
    return ((x >> np.uint64(8)).astype(np.float32) / np.float32(2**23) - np.float32(1)).reshape(shape)


def value_of(name, shape):
    """What an array of the state dict is filled with."""
    drawn, last = draw(name, *shape), name.rsplit(".", 1)[-1]
    if len(shape) >= 4:
        drawn = drawn * np.float32(np.sqrt(6 / np.prod(shape[1:])))
    elif last in ("weight", "running_var") and len(shape) == 1:
        drawn = np.float32(1) + drawn * np.float32(0.5)
    else:
        drawn = drawn * np.float32(0.125)
    return torch.tensor(drawn.astype(np.float64))


def number(value):
    return float(f"{value:.9g}")


def digest(tensor):
    """The norm of an array, and values that are spread over it."""
    flat = tensor.detach().reshape(-1)
    at = [position * (len(flat) - 1) // (STORED - 1) for position in range(STORED)]
    return {"norm": number(flat.norm().item()), "values": [number(flat[i].item()) for i in at]}


class Margin:
    """The smallest distance, by the deviation, of a ReLU's input from 0 and of a maximum from the next value."""

    def __init__(self, net):
        for relu in [module for module in net.modules() if isinstance(module, torch.nn.ReLU)]:
            relu.register_forward_pre_hook(lambda _, inputs: self.take(inputs[0].abs().min(), inputs[0]))
            relu.inplace = False
        if hasattr(net, "maxpool"):
            net.maxpool.register_forward_pre_hook(self.of_pool)

    def take(self, distance, values):
        self.least = min(self.least, (distance / values.std()).item())

    def of_pool(self, _, inputs):
        windows = F.unfold(inputs[0], 3, padding=1, stride=2).reshape(len(inputs[0]), inputs[0].shape[1], 9, -1)
        first, second = windows.topk(2, dim=2).values.unbind(2)
        # Where all are 0, no gradient passes.
        self.take((first - second)[first > 0].min(), inputs[0])


def answers(name):
    is_video = name.startswith("r2plus1d")
    models = torchvision.models.video if is_video else torchvision.models
    net = getattr(models, name)(num_classes=CLASSES)
    batch, side, count = SIZES[name]
    margin = Margin(net)
    names = [key for key in net.state_dict() if not key.endswith("num_batches_tracked")]
    state = {key: value_of(key, tuple(net.state_dict()[key].shape)) for key in names}
    projection = torch.tensor(draw("projection", batch, 512).astype(np.float64))
    stored = {"architecture": name, "size": SIZES[name], "shapes": {key: list(state[key].shape) for key in names}}
    for mode in ("train", "eval"):
        for trial in itertools.count():
            margin.least, clips = float("inf"), f"clips-{trial}"
            frames = torch.tensor(draw(clips, batch, 3, side, side, count).astype(np.float64))
            if is_video:
                frames = frames.permute(0, 1, 4, 2, 3)
            else:
                frames = frames.permute(0, 4, 1, 2, 3).reshape(-1, 3, side, side)
            net.load_state_dict(state, strict=False)
            net.train(mode == "train")
            net.zero_grad()
            seen = []
            hook = net.avgpool.register_forward_hook(lambda _, __, output: seen.append(output.flatten(1)))
            logits = net(frames).reshape(batch, -1, CLASSES).mean(1)
            hook.remove()
            # So few values as a channel of the last stage has make gradients through their statistics worse than any margin helps.
            if margin.least >= MARGIN or (is_video and mode == "train"):
                break
        features = seen[0].reshape(batch, -1, 512).mean(1)
        (features * projection).sum().backward()
        own = {key: value for key, value in net.named_parameters() if not key.startswith("fc.")}
        stored[mode] = {
            "clips": clips,
            "logits": [number(value) for value in logits.reshape(-1).tolist()],
            "features": digest(features),
            "gradients": {} if is_video and mode == "train" else {key: digest(value.grad) for key, value in own.items()},
            "buffers": {key: digest(net.state_dict()[key]) for key in names if "running" in key},
        }
    return stored


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    json.dump([answers(name) for name in SIZES], sys.stdout)
    print()
