"""Answers of PANNs' Cnn6 and Cnn10 in float64, and of the spectrogram that they read, which gblend's are tested against.

    python xtask/peers/panns.py > gblend-modalities/tests/fixtures/panns.json

Needs `torch`, `librosa`, `torchvision` and `numpy`. The networks are written down here from the paper (Kong et al., TASLP 2020, table
I) and the names of the public state dicts; the spectrogram is librosa's, whose filters and decibels those networks were trained on.
Parameters, spectrograms and sounds come from one formula of their name and position, which the test has too.
"""

import itertools
import json
import sys

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from resnets import MARGIN, digest, draw, number, value_of

torch.set_default_dtype(torch.float64)
BATCH, MELS, TIME, CLASSES = 2, 64, 33, 527
CHANNELS = [1, 64, 128, 256, 512]
SAMPLES = 10300  # of a sound, which makes 33 frames
FRAME, HOP, RATE = 1024, 320, 32000


class Block(nn.Module):
    def __init__(self, sizes, inputs, outputs):
        super().__init__()
        for index, size in enumerate(sizes, 1):
            conv = nn.Conv2d(inputs if index == 1 else outputs, outputs, size, padding=size // 2, bias=False)
            setattr(self, f"conv{index}", conv)
            setattr(self, f"bn{index}", nn.BatchNorm2d(outputs))
        self.layers = len(sizes)

    def forward(self, maps, margin):
        for index in range(1, self.layers + 1):
            maps = margin.relu(getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(maps)))
        return F.avg_pool2d(maps, 2)


class Panns(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(MELS)
        for index in range(1, 5):
            setattr(self, f"conv_block{index}", Block(sizes, CHANNELS[index - 1], CHANNELS[index]))
        self.fc1 = nn.Linear(512, 512)
        self.fc_audioset = nn.Linear(512, CLASSES)

    def forward(self, spectrogram, margin):
        """Of `[batch, 1, time, mels]` the embedding."""
        # Without the axis of one value: with it, PyTorch 2.15 has other gradients on the CPU than the derivatives are.
        norm = self.bn0
        arguments = (norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, norm.momentum, norm.eps)
        normalized = F.batch_norm(spectrogram[:, 0].transpose(1, 2).contiguous(), *arguments)
        maps = normalized.transpose(1, 2)[:, None]
        for index in range(1, 5):
            maps = getattr(self, f"conv_block{index}")(maps, margin)
        over_time = maps.mean(3)
        return margin.relu(self.fc1(margin.largest(over_time) + over_time.mean(2)))


class Margin:
    """The smallest distance, by the deviation, of a ReLU's input from 0 and of a maximum from the next value."""

    def __init__(self):
        self.least = float("inf")

    def relu(self, values):
        self.least = min(self.least, (values.abs().min() / values.std()).item())
        return F.relu(values)

    def largest(self, values):
        first, second = values.topk(2, dim=2).values.unbind(2)
        # Where all are 0, no gradient passes.
        self.least = min(self.least, ((first - second)[first > 0].min() / values.std()).item())
        return first


def sound(name):
    """A chord that fades in noise, with silence in its middle."""
    time = np.arange(SAMPLES) / RATE
    noise = draw(name, SAMPLES).astype(np.float64)
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 1750, 6300))
    made = (0.2 * chord * np.exp(-8 * time) + 0.05 * noise).astype(np.float32)
    made[4000:6500] = 0
    return made


def log_mel(samples):
    """Decibels `[time, mels]`."""
    spectrum = librosa.stft(
        samples.astype(np.float64), n_fft=FRAME, hop_length=HOP, window="hann", center=True, pad_mode="reflect"
    )
    filters = librosa.filters.mel(sr=RATE, n_fft=FRAME, n_mels=MELS, fmin=50, fmax=14000, dtype=np.float64)
    return librosa.power_to_db(filters @ np.abs(spectrum) ** 2, ref=1.0, amin=1e-10, top_db=None).T


def answers(name, sizes):
    net = Panns(sizes)
    names = [key for key in net.state_dict() if not key.endswith("num_batches_tracked")]
    state = {key: value_of(key, tuple(net.state_dict()[key].shape)) for key in names}
    projection = torch.tensor(draw("projection", BATCH, 512).astype(np.float64))
    stored = {"architecture": name, "shapes": {key: list(state[key].shape) for key in names}}
    for mode in ("train", "eval"):
        for trial in itertools.count():
            margin, sounds = Margin(), f"sounds-{trial}"
            drawn = draw(sounds, BATCH, 1, MELS, TIME).astype(np.float64)
            net.load_state_dict(state, strict=False)
            net.train(mode == "train")
            net.zero_grad()
            features = net(torch.tensor(drawn).transpose(2, 3), margin)
            if margin.least >= MARGIN:
                break
        (features * projection).sum().backward()
        own = {key: value for key, value in net.named_parameters() if not key.startswith("fc_audioset.")}
        stored[mode] = {
            "sounds": sounds,
            "features": digest(features),
            "gradients": {key: digest(value.grad) for key, value in own.items()},
            "buffers": {key: digest(net.state_dict()[key]) for key in names if "running" in key},
        }
    heard = [log_mel(sound(f"sound-{index}")) for index in range(BATCH)]
    net.load_state_dict(state, strict=False)
    net.eval()
    features = net(torch.tensor(np.stack(heard))[:, None], Margin())
    stored["heard"] = [number(value) for value in features.detach().reshape(-1).tolist()]
    return stored


def main():
    spectrograms = [[number(value) for value in log_mel(sound(f"sound-{index}")).T.reshape(-1)] for index in range(BATCH)]
    networks = [answers("cnn6", [5]), answers("cnn10", [3, 3])]
    json.dump({"spectrograms": spectrograms, "networks": networks}, sys.stdout)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()
