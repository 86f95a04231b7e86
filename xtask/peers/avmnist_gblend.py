"""The other side of `cargo xtask bench --job avmnist`: offline Gradient-Blending on AV-MNIST in plain PyTorch.

    python avmnist_gblend.py --mnist FOLDER --fsdd FOLDER --out FOLDER [OPTIONS]

What `gblend train examples/avmnist.toml` with `blend.kind = "ogr"` and probes of a fixed length does, from the same
files to a saved model: the same degradation, spectrograms, augmentation, networks, optimizer and schedule, the same
estimate (each head alone on a copy, losses of every held-out sample and of a part of the training samples before and
after), the same rule from movements to weights. Everything that can be is done on whole tensors, and the prepared
samples stay in memory. Prints accuracies, weights, seconds and the largest resident size as JSON.
"""

import argparse
import copy
import gzip
import json
import math
import os
import resource
import time
import wave

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

RATE, LENGTH, N_FFT, HOP, WINDOW, MELS = 8000, 4800, 256, 80, 200, 24
TEST_SPEAKERS = {"theo", "yweweler"}
NAMES = ["image", "audio", "joint"]


def read_idx(folder, name):
    path = os.path.join(folder, name)
    with gzip.open(path + ".gz") if os.path.exists(path + ".gz") else open(path, "rb") as file:
        data = file.read()
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def pictures(folder, options):
    """Standardized pictures `[samples, 1, 28, 28]` with a share of their energy, and labels; training, then test."""
    parts = []
    for part, count in (("train", options.train_samples), ("t10k", options.test_samples)):
        images = torch.from_numpy(read_idx(folder, f"{part}-images-idx3-ubyte")[:count].copy())
        labels = torch.from_numpy(read_idx(folder, f"{part}-labels-idx1-ubyte")[:count].copy()).long()
        parts.append((images.flatten(1).float(), labels))
    if options.image_energy < 1:
        fitted = parts[0][0][:10_000].double()
        mean = fitted.mean(0)
        values, vectors = torch.linalg.eigh((fitted - mean).T @ (fitted - mean))
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        held = values.cumsum(0) / values.sum()
        kept = int((held < options.image_energy).sum()) + 1
        basis, mean = vectors[:, :kept].float(), mean.float()
        parts = [
            (((x - mean) @ basis @ basis.T + mean).round().clamp(0, 255), labels) for x, labels in parts
        ]
    return [(((x / 255 - 0.13) / 0.31).reshape(-1, 1, 28, 28), labels) for x, labels in parts]


def mel_filters():
    def mel(hertz):
        return hertz * 3 / 200 if hertz < 1000 else 15 + math.log(hertz / 1000) / (math.log(6.4) / 27)

    def hertz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * (math.log(6.4) / 27)))

    edges = hertz(np.linspace(mel(20), mel(RATE / 2), MELS + 2))[:, None]
    left, center, right = edges[:-2], edges[1:-1], edges[2:]
    bins = np.linspace(0, RATE / 2, N_FFT // 2 + 1)[None]
    rising, falling = (bins - left) / (center - left), (right - bins) / (right - center)
    return torch.from_numpy(2 / (right - left) * np.minimum(rising, falling).clip(0)).float()


class Recordings:
    """Every recording, cut or filled up to the same length."""

    def __init__(self, folder):
        names = sorted(name for name in os.listdir(folder) if name.endswith(".wav"))
        self.sounds = torch.zeros(len(names), LENGTH)
        lengths, powers, digits, speakers = [], [], [], []
        for index, name in enumerate(names):
            with wave.open(os.path.join(folder, name)) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
            cut = min(len(sound), LENGTH)
            self.sounds[index, :cut] = torch.from_numpy(sound[:cut])
            lengths.append(cut)
            powers.append(float(np.square(sound, dtype=np.float64).mean()))
            digit, speaker, _ = name.split("_")
            digits.append(int(digit))
            speakers.append(speaker)
        self.lengths, self.powers = torch.tensor(lengths), torch.tensor(powers)
        self.digits, self.speakers = np.array(digits), np.array(speakers)

    def paired(self, labels, test, rng):
        """A recording for each label, by the test speakers or by the others."""
        heard = np.isin(self.speakers, list(TEST_SPEAKERS)) == test
        chosen = np.empty(len(labels), np.int64)
        for digit in range(10):
            mine = labels == digit
            chosen[mine] = rng.choice(np.flatnonzero(heard & (self.digits == digit)), mine.sum())
        return torch.from_numpy(chosen)


def spectrograms(recordings, chosen, snr, generator):
    """Standardized log-mel spectrograms `[samples, 1, mels, frames]` of recordings in noise."""
    window, filters = torch.hann_window(WINDOW), mel_filters()
    results = []
    # In parts, or the noise of all sounds would fill the memory.
    for part in chosen.split(4096):
        sounds = recordings.sounds[part]
        if snr is not None:
            deviations = (recordings.powers[part] / 10 ** (snr / 10)).sqrt()[:, None]
            noise = torch.randn(sounds.shape, generator=generator) * deviations
            sounds = sounds + noise * (torch.arange(LENGTH) < recordings.lengths[part][:, None])
        spectrum = torch.stft(
            sounds, N_FFT, HOP, WINDOW, window, center=True, pad_mode="constant", return_complex=True
        )
        power = filters @ torch.view_as_real(spectrum).square().sum(-1)
        logs = (power + 1e-6).log().float()
        logs = torch.maximum(logs, logs.amax((1, 2), keepdim=True) - 40 * math.log(10) / 10)
        deviation, mean = torch.std_mean(logs, (1, 2), correction=0, keepdim=True)
        results.append(((logs - mean) / deviation.clamp(min=1e-3)).unsqueeze(1))
    return torch.cat(results)


def augmented(x, generator):
    """Shifts and masks of a batch of spectrograms; what is moved in or masked has the sample's mean."""
    batch, _, mels, frames = x.shape

    def even(least, most):
        return (torch.rand(batch, 1, generator=generator) * (most - least + 1)).floor().long() + least

    def span(most, length):
        width = even(0, most)
        start = (torch.rand(batch, 1, generator=generator) * (length - width + 1)).floor().long()
        at = torch.arange(length)
        return (at >= start) & (at < start + width)

    rows, columns = torch.arange(mels) - even(-4, 4), torch.arange(frames) - even(-6, 6)
    good_rows = (rows >= 0) & (rows < mels) & ~span(8, mels)
    good_columns = (columns >= 0) & (columns < frames) & ~span(12, frames)
    source = rows.clamp(0, mels - 1)[:, :, None] * frames + columns.clamp(0, frames - 1)[:, None, :]
    moved = x.flatten(1).gather(1, source.flatten(1)).view(batch, 1, mels, frames)
    good = (good_rows[:, :, None] & good_columns[:, None, :]).unsqueeze(1)
    return torch.where(good, moved, x.mean((1, 2, 3), keepdim=True))


class Encoder(nn.Module):
    def __init__(self, channels, dropout=0.0):
        super().__init__()
        layers, inputs = [], 1
        for outputs in channels:
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            inputs = outputs
        self.layers, self.dropout = nn.Sequential(*layers), nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.layers(x).mean((2, 3)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoders = nn.ModuleList([Encoder([32, 64, 128]), Encoder([16, 32, 64], 0.3)])
        self.heads = nn.ModuleList([nn.Linear(128, 10), nn.Linear(64, 10)])
        self.joint = nn.Sequential(nn.Linear(192, 64), nn.ReLU(inplace=True), nn.Linear(64, 10))

    def parts(self, heads):
        """What the losses of these heads reach."""
        if 2 in heads:
            return [self]
        return [part for head in heads for part in (self.encoders[head], self.heads[head])]

    def forward(self, inputs, heads):
        """Class scores of the wanted heads: 0 and 1 are the modalities', 2 is the joint one."""
        wanted = {0, 1} if 2 in heads else set(heads)
        features = {k: self.encoders[k](inputs[k]) for k in wanted}
        joint = [2] if 2 in heads else []
        scores = {k: self.heads[k](features[k]) for k in heads if k != 2}
        scores.update({k: self.joint(torch.cat([features[0], features[1]], 1)) for k in joint})
        return scores


class Job:
    def __init__(self, options):
        self.options = options
        self.generator = torch.Generator().manual_seed(options.seed)
        rng = np.random.default_rng(options.seed)
        train, test = pictures(options.mnist, options)
        recordings = Recordings(options.fsdd)
        self.inputs, self.labels, self.speakers = [], [], None
        images, sounds = [], []
        for (image, labels), is_test in ((train, False), (test, True)):
            chosen = recordings.paired(labels.numpy(), is_test, rng)
            images.append(image)
            sounds.append(spectrograms(recordings, chosen, options.audio_snr, self.generator))
            self.labels.append(labels)
            if not is_test:
                self.speakers = recordings.speakers[chosen.numpy()]
        self.inputs, self.labels = [torch.cat(images), torch.cat(sounds)], torch.cat(self.labels)
        count = len(train[1])
        self.test = torch.arange(count, len(self.labels))
        # Whole speakers are held out until a fifth of the samples is reached.
        held_out = np.zeros(count, bool)
        for speaker in rng.permutation(np.unique(self.speakers))[:-1]:
            mine = self.speakers == speaker
            if not held_out.any() or 2 * held_out.sum() + mine.sum() <= 2 * 0.2 * count:
                held_out |= mine
        self.held_out = torch.from_numpy(np.flatnonzero(held_out))
        self.train = torch.from_numpy(np.flatnonzero(~held_out))

    def batch(self, rows, heads, training):
        wanted = (0, 1) if 2 in heads else heads
        inputs = {k: self.inputs[k][rows] for k in wanted}
        if training and 1 in inputs:
            inputs[1] = augmented(inputs[1], self.generator)
        return inputs, self.labels[rows]

    def fit(self, net, samples, weights, epochs):
        """Trains the heads with a weight for the first `epochs` epochs of the schedule."""
        options = self.options
        heads = [k for k, weight in enumerate(weights) if weight > 0]
        parameters = [p for part in net.parts(heads) for p in part.parameters()]
        optimizer = torch.optim.SGD(parameters, 0.05, 0.9)
        batches = math.ceil(len(samples) / options.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, batches * options.epochs)
        net.train()
        for _ in range(epochs):
            order = samples[torch.randperm(len(samples), generator=self.generator)]
            for rows in order.tensor_split(batches):
                inputs, labels = self.batch(rows, heads, True)
                optimizer.zero_grad(set_to_none=True)
                scores = net(inputs, heads)
                loss = sum(weights[k] * F.cross_entropy(scores[k], labels) for k in heads)
                loss.backward()
                optimizer.step()
                schedule.step()

    @torch.inference_mode()
    def losses(self, net, samples, head):
        """The loss of each sample."""
        net.eval()
        parts = []
        for rows in samples.split(512):
            inputs, labels = self.batch(rows, [head], False)
            parts.append(F.cross_entropy(net(inputs, [head])[head], labels, reduction="none"))
        return torch.cat(parts).double()

    def estimate(self, net):
        """Weights by each head's overfitting and generalization in a probe (Wang et al., CVPR 2020, algorithm 1)."""
        count = min(max(2 * len(self.held_out), 500), len(self.train))
        subset = self.train[torch.randperm(len(self.train), generator=self.generator)[:count]]
        gains, overfitting, variances = [], [], []
        for head in range(3):
            probe = copy.deepcopy(net)
            before = [self.losses(probe, split, head) for split in (subset, self.held_out)]
            self.fit(probe, self.train, [float(k == head) for k in range(3)], self.options.probe_epochs)
            after = [self.losses(probe, split, head) for split in (subset, self.held_out)]
            on_train, on_held_out = after[0] - before[0], after[1] - before[1]
            gains.append(float(-on_held_out.mean()))
            overfitting.append(float(on_held_out.mean() - on_train.mean()))
            variances.append(float(on_train.var() / len(on_train) + on_held_out.var() / len(on_held_out)))
        return blend(np.array(gains), np.array(overfitting), np.array(variances))

    @torch.inference_mode()
    def accuracies(self, net):
        net.eval()
        right = [0, 0, 0]
        for rows in self.test.split(512):
            inputs, labels = self.batch(rows, [0, 1, 2], False)
            scores = net(inputs, [0, 1, 2])
            right = [right[k] + int((scores[k].argmax(1) == labels).sum()) for k in range(3)]
        return [count / len(self.test) for count in right]


def blend(gains, overfitting, variances, floor=0.25, smoothing=0.1, joint_floor=0.15):
    """Weights in proportion to ΔG / ΔO², steadied."""
    if (gains <= 0).all():
        return [1 / len(gains)] * len(gains)
    lifted = np.maximum(np.abs(overfitting), floor * np.abs(overfitting).max())
    weights = gains.clip(0) / (lifted**2 + variances)
    weights = (1 - smoothing) * weights / weights.sum() + smoothing / len(weights)
    if weights[-1] < joint_floor:
        weights *= (1 - joint_floor) / (1 - weights[-1])
        weights[-1] = joint_floor
    return [float(weight) for weight in weights / weights.sum()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mnist", required=True)
    parser.add_argument("--fsdd", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--train-samples", type=int, default=60_000)
    parser.add_argument("--test-samples", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--probe-epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-energy", type=float, default=1.0)
    parser.add_argument("--audio-snr", type=float)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    times = [time.perf_counter()]
    job = Job(options)
    times.append(time.perf_counter())
    net = Net()
    weights = job.estimate(net)
    times.append(time.perf_counter())
    job.fit(net, torch.cat([job.train, job.held_out]), weights, options.epochs)
    times.append(time.perf_counter())
    accuracies = job.accuracies(net)
    os.makedirs(options.out, exist_ok=True)
    torch.save(net.state_dict(), os.path.join(options.out, "model.pt"))
    times.append(time.perf_counter())
    result = {
        "accuracies": dict(zip(NAMES, accuracies)),
        "weights": dict(zip(NAMES, weights)),
        "seconds": dict(zip(["prepare", "estimate", "train", "evaluate"], np.diff(times).tolist())),
        "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(result), flush=True)


main()
