"""The other side of `cargo xtask bench --peer torch`: the same training steps in PyTorch.

    python training_step.py FOLDER THREADS [cpu|cuda|cuda-tf32]

Builds the network from the description and the parameters that gblend's side wrote into FOLDER, and reads the batch.
Then takes commands, a line each: `steps N` takes N steps and answers with their losses and times, `memory` answers with
the largest resident size in kB, `floor` with what a step comes to at least: the floating-point operations of its
convolutions and linear layers, and the bytes that they read and write.
"""

import json
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

import training_step_rows as rows


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


def conv_norm(weights, path, stride, relu=True, dimensions=2, over_time=False):
    """Convolution, batch normalization and ReLU; in three dimensions, of frames or over time."""
    weight = weights[f"{path}.weight"]
    sides = weight.shape[2:]
    if dimensions == 2:
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], tuple(sides), stride, sides[0] // 2, bias=False)
    else:
        # Kernels over time come as 1 x 3.
        weight = weight.transpose(2, 3).unsqueeze(-1) if over_time else weight.unsqueeze(2)
        strides = (stride, 1, 1) if over_time else (1, stride, stride)
        padding = tuple(side // 2 for side in weight.shape[2:])
        conv = nn.Conv3d(weight.shape[1], weight.shape[0], tuple(weight.shape[2:]), strides, padding, bias=False)
    norm = (nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm3d)(weight.shape[0])
    with torch.no_grad():
        conv.weight.copy_(weight)
        norm.weight.copy_(weights[f"{path}.gamma"])
        norm.bias.copy_(weights[f"{path}.beta"])
    return nn.Sequential(conv, norm, nn.ReLU(inplace=True)) if relu else nn.Sequential(conv, norm)


class Residual(nn.Module):
    def __init__(self, weights, path, stride):
        super().__init__()
        self.inner = nn.Sequential(
            conv_norm(weights, f"{path}.first", stride), conv_norm(weights, f"{path}.second", 1, relu=False)
        )
        around = f"{path}.shortcut"
        self.around = conv_norm(weights, around, stride, relu=False) if f"{around}.weight" in weights else nn.Identity()

    def forward(self, x):
        return F.relu(self.inner(x) + self.around(x), inplace=True)


def factorized(weights, path, stride, stride_over_time, relu=True):
    """A convolution within frames, then one over time."""
    return nn.Sequential(
        conv_norm(weights, f"{path}.spatial", stride, dimensions=3),
        conv_norm(weights, f"{path}.temporal", stride_over_time, relu, dimensions=3, over_time=True),
    )


class FactorizedResidual(nn.Module):
    def __init__(self, weights, path, stride, stride_over_time):
        super().__init__()
        self.inner = nn.Sequential(
            factorized(weights, f"{path}.first", stride, stride_over_time),
            factorized(weights, f"{path}.second", 1, 1, relu=False),
        )
        self.around = nn.Identity()
        if f"{path}.shortcut.weight" in weights:
            self.around = conv_norm(weights, f"{path}.shortcut", stride, relu=False, dimensions=3)
            self.around[0].stride = (stride_over_time, stride, stride)

    def forward(self, x):
        return F.relu(self.inner(x) + self.around(x), inplace=True)


class Encoder(nn.Module):
    """`[batch, channels, frames, height, width]` to `[batch, features]`."""

    def __init__(self, weights, prefix, blocks, frames):
        super().__init__()
        layers = []
        self.factorized = any(name.startswith(f"{prefix}.") and ".spatial." in name for name in weights)
        index = 0
        while any(name.startswith(f"{prefix}.block{index}.") for name in weights):
            path = f"{prefix}.block{index}"
            stride = 2 if index % blocks == 0 else 1
            if self.factorized:
                halved = 2 if index >= blocks and stride == 2 and frames > 1 else 1
                frames = -(-frames // halved)
                block = FactorizedResidual if f"{path}.first.spatial.weight" in weights else factorized
                layers.append(block(weights, path, stride, halved))
            elif f"{path}.first.weight" in weights:
                layers.append(Residual(weights, path, stride))
            else:
                layers.append(conv_norm(weights, path, stride))
            index += 1
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        if self.factorized:
            return self.layers(x).mean((2, 3, 4))
        batch, frames = x.shape[:2]
        maps = self.layers(x.flatten(0, 1))
        return maps.mean((2, 3)).reshape(batch, frames, maps.shape[1]).mean(1)

    def arranged(self, x):
        """`[batch, channels, height, width, frames]` to the layout that the layers work on."""
        return x.permute(0, 1, 4, 2, 3).contiguous() if self.factorized else x.permute(0, 4, 1, 2, 3).contiguous()


class ResNet18(nn.Module):
    """torchvision's `resnet18` without its last layer, of pictures `[batch, channels, 1, height, width]`."""

    def __init__(self, weights, prefix):
        super().__init__()

        def conv(path, norm, stride):
            weight = weights[f"{prefix}.{path}.weight"]
            side = weight.shape[2]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], side, stride, side // 2, bias=False)
            normalize = nn.BatchNorm2d(weight.shape[0])
            with torch.no_grad():
                layer.weight.copy_(weight)
                normalize.weight.copy_(weights[f"{prefix}.{norm}.weight"])
                normalize.bias.copy_(weights[f"{prefix}.{norm}.bias"])
            return nn.Sequential(layer, normalize)

        self.stem = conv("conv1", "bn1", 2)
        self.blocks = nn.ModuleList()
        for stage in range(1, 5):
            for index in range(2):
                path, stride = f"layer{stage}.{index}", 2 if stage > 1 and index == 0 else 1
                block = nn.ModuleList(
                    [conv(f"{path}.conv1", f"{path}.bn1", stride), conv(f"{path}.conv2", f"{path}.bn2", 1)]
                )
                if f"{prefix}.{path}.downsample.0.weight" in weights:
                    block.append(conv(f"{path}.downsample.0", f"{path}.downsample.1", stride))
                self.blocks.append(block)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x), inplace=True), 3, 2, 1)
        for first, second, *around in self.blocks:
            inner = second(F.relu(first(x), inplace=True))
            x = F.relu(inner + (around[0](x) if around else x), inplace=True)
        return x.mean((2, 3))

    def arranged(self, x):
        return x[..., 0].contiguous()


def encoder(weights, name, description, sample_shape):
    prefix, kind = f"{name}.encoder", description["kind"]
    if kind == "convolutions":
        return Encoder(weights, prefix, description["blocks"], sample_shape[3])
    if kind == "resnet18":
        return ResNet18(weights, prefix)
    return rows.encoder(weights, prefix, description, sample_shape)


class Net(nn.Module):
    def __init__(self, weights, net, batch):
        super().__init__()
        self.encoders = nn.ModuleList(
            encoder(weights, modality["name"], modality["encoder"], batch[modality["name"]].shape[1:])
            for modality in net["modalities"]
        )
        self.heads = nn.ModuleList(rows.linear(weights, f"{modality['name']}.head") for modality in net["modalities"])
        self.joint = nn.Sequential(
            rows.linear(weights, "joint.0"), nn.ReLU(inplace=True), rows.linear(weights, "joint.1")
        )

    def forward(self, inputs):
        features = [encoder(x) for encoder, x in zip(self.encoders, inputs)]
        own = [head(feature) for head, feature in zip(self.heads, features)]
        return own + [self.joint(torch.cat(features, 1))]


class Training:
    def __init__(self, folder, device):
        weights = read_safetensors(f"{folder}/weights.safetensors")
        batch = read_safetensors(f"{folder}/batch.safetensors")
        net = json.load(open(f"{folder}/net.json"))
        names = [modality["name"] for modality in net["modalities"]]
        self.net = Net(weights, net, batch).to(device)
        arranged = [encoder.arranged(batch[name]) for encoder, name in zip(self.net.encoders, names)]
        self.inputs = [x.to(device) for x in arranged]
        self.labels = (torch.arange(batch[names[0]].shape[0]) % net["classes"]).to(device)
        self.optimizer = torch.optim.SGD(self.net.parameters(), 0.01, 0.9)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        losses = [F.cross_entropy(logits, self.labels) for logits in self.net(self.inputs)]
        (sum(losses) / len(losses)).backward()
        self.optimizer.step()
        return [loss.item() for loss in losses]

    def floor(self):
        """Each operand and each result of a convolution or linear layer once in every pass."""
        counted = []

        def count(layer, inputs, output):
            x, w, y = inputs[0].numel(), layer.weight.numel(), output.numel()
            # Forward, then the weights' gradient, then the input's where one is wanted.
            counted.append((x + w + y) + (x + y + w) + ((y + w + x) if inputs[0].requires_grad else 0))

        layers = [layer for layer in self.net.modules() if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear))]
        hooks = [layer.register_forward_hook(count) for layer in layers]
        with FlopCounterMode(display=False) as flops:
            self.step()
        for hook in hooks:
            hook.remove()
        return {"flops": flops.get_total_flops(), "bytes": 4 * sum(counted)}


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    device, _, precision = (sys.argv[3] if len(sys.argv) > 3 else "cpu").partition("-")
    torch.set_num_threads(threads)
    # PyTorch lets convolutions use TF32 unless it is told not to.
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    training = Training(folder, device)
    print("ready", flush=True)
    for line in sys.stdin:
        line = line.strip()
        if line == "memory":
            status = open("/proc/self/status").read()
            print(status.split("VmHWM:")[1].split()[0], flush=True)
        elif line == "floor":
            print(json.dumps(training.floor()), flush=True)
        else:
            losses, seconds = [], []
            for _ in range(int(line.removeprefix("steps "))):
                started = time.perf_counter()
                losses.append(training.step())
                seconds.append(time.perf_counter() - started)
            print(json.dumps({"losses": losses, "seconds": seconds}), flush=True)


main()
