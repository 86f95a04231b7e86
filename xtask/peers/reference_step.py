"""The other side of `cargo xtask bench --peer torch`: the same training steps in PyTorch.

    python reference_step.py FOLDER THREADS [cpu|cuda|cuda-tf32]

Reads the parameters and the batch that gblend's side wrote into FOLDER. Then takes commands, a line each:
`steps N` takes N steps and answers with their losses and times, `memory` answers with the largest resident
size in kB.
"""

import json
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

NAMES = ["camera", "motion", "microphone"]


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            array = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
            tensors[name] = torch.from_numpy(array.copy())
    return tensors


class Encoder(nn.Module):
    def __init__(self, weights, prefix):
        super().__init__()
        layers = []
        index = 0
        while f"{prefix}.block{index}.weight" in weights:
            path = f"{prefix}.block{index}"
            weight = weights[f"{path}.weight"]
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, 2, 1, bias=False)
            norm = nn.BatchNorm2d(weight.shape[0])
            with torch.no_grad():
                conv.weight.copy_(weight)
                norm.weight.copy_(weights[f"{path}.gamma"])
                norm.bias.copy_(weights[f"{path}.beta"])
            layers += [conv, norm, nn.ReLU(inplace=True)]
            index += 1
        self.layers = nn.Sequential(*layers)

    def forward(self, x, batch):
        maps = self.layers(x)
        return maps.mean((2, 3)).reshape(batch, -1, maps.shape[1]).mean(1)


def linear(weights, path):
    weight = weights[f"{path}.weight"]
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(weights[f"{path}.bias"])
    return layer


class Net(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(weights, f"{name}.encoder") for name in NAMES)
        self.heads = nn.ModuleList(linear(weights, f"{name}.head") for name in NAMES)
        self.joint = nn.Sequential(linear(weights, "joint.0"), nn.ReLU(inplace=True), linear(weights, "joint.1"))

    def forward(self, inputs, batch):
        features = [encoder(x, batch) for encoder, x in zip(self.encoders, inputs)]
        own = [head(feature) for head, feature in zip(self.heads, features)]
        return own + [self.joint(torch.cat(features, 1))]


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    device, _, precision = (sys.argv[3] if len(sys.argv) > 3 else "cpu").partition("-")
    torch.set_num_threads(threads)
    # PyTorch lets convolutions use TF32 unless it is told not to.
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    weights = read_safetensors(f"{folder}/weights.safetensors")
    batch = read_safetensors(f"{folder}/batch.safetensors")
    # [batch, channels, height, width, frames] to the layout that PyTorch works on.
    inputs = [batch[name].permute(0, 4, 1, 2, 3).flatten(0, 1).contiguous().to(device) for name in NAMES]
    size = batch[NAMES[0]].shape[0]
    labels = (torch.arange(size) % 10).to(device)
    net = Net(weights).to(device)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9)
    print("ready", flush=True)
    for line in sys.stdin:
        line = line.strip()
        if line == "memory":
            status = open("/proc/self/status").read()
            print(status.split("VmHWM:")[1].split()[0], flush=True)
            continue
        losses, seconds = [], []
        for _ in range(int(line.removeprefix("steps "))):
            started = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            step = [F.cross_entropy(logits, labels) for logits in net(inputs, size)]
            (sum(step) * 0.25).backward()
            optimizer.step()
            values = [loss.item() for loss in step]
            seconds.append(time.perf_counter() - started)
            losses.append(values)
        print(json.dumps({"losses": losses, "seconds": seconds}), flush=True)


main()
