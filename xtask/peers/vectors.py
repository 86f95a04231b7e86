"""The other side of `cargo xtask bench --job vectors`: four vectors of WISDM-51 with equal weights in plain PyTorch.

    python vectors.py --table windows.parquet --out FILE --train N --validation N --test N [OPTIONS]

What `gblend train examples/wisdm51.toml` with `blend.kind = "equal"` does: the same networks, losses, optimizer, batches
and selection of an epoch, from tensors that are in memory to a saved model. Splits have gblend's sizes, and nearly whole
subjects. Prints the accuracy of the mean of the heads, seconds and the largest resident size as JSON; `in_memory` are the
seconds once everything is loaded.
"""

import argparse
import json
import resource
import time

STARTED = time.perf_counter()

import numpy as np
import pyarrow.parquet
import torch
import torch.nn as nn
import torch.nn.functional as F

STREAMS = ["phone_accel", "phone_gyro", "watch_accel", "watch_gyro"]
WIDTH, DROPOUT, CLIP, BATCH = 64, 0.25, 5.0, 64


def read(path, sizes):
    """Tensors `[samples, columns]` of each stream and the labels of training, validation and test."""
    table = pyarrow.parquet.read_table(path, columns=["subject", "activity", *STREAMS])
    subjects = np.unique(table["subject"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    names, labels = np.unique(table["activity"].to_numpy(zero_copy_only=False), return_inverse=True)
    values = [np.stack(table[name].to_numpy(zero_copy_only=False)).astype(np.float32) for name in STREAMS]
    order = np.argsort(subjects, kind="stable")
    test, validation = order[: sizes[2]], order[sizes[2] : sizes[2] + sizes[1]]
    train = order[sizes[2] + sizes[1] :][: sizes[0]]
    parts = [
        ([torch.from_numpy(stream[part]) for stream in values], torch.from_numpy(labels[part]).long())
        for part in (train, validation, test)
    ]
    return parts, len(names)


def standardized(parts):
    """By the figures of the training samples; a cell that is missing becomes the mean."""
    scaled = []
    for position in range(len(STREAMS)):
        train = parts[0][0][position].double()
        mean = train.nanmean(0)
        deviation = (train - mean).square().nanmean(0).sqrt()
        factor = torch.where(deviation > 0, 1 / deviation, torch.zeros_like(deviation))
        scaled.append(
            [
                ((x[position].double() - mean) * factor).nan_to_num(0).clamp(-CLIP, CLIP).float()
                for x, _ in parts
            ]
        )
    return [([stream[part] for stream in scaled], parts[part][1]) for part in range(3)]


class Network(nn.Module):
    def __init__(self, columns, classes):
        super().__init__()
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(count, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU(), nn.Dropout(DROPOUT))
            for count in columns
        )
        self.heads = nn.ModuleList(nn.Linear(WIDTH, classes) for _ in columns)
        self.joint = nn.Linear(WIDTH * len(columns), classes)

    def forward(self, streams):
        features = [encoder(stream) for encoder, stream in zip(self.encoders, streams)]
        own = [head(feature) for head, feature in zip(self.heads, features)]
        return [*own, self.joint(torch.cat(features, 1))]


@torch.no_grad()
def probabilities(network, streams):
    """The mean of the heads' probabilities."""
    network.eval()
    outputs = [network([stream[at : at + BATCH] for stream in streams]) for at in range(0, len(streams[0]), BATCH)]
    heads = [torch.cat(head).double().softmax(1) for head in zip(*outputs)]
    network.train()
    return torch.stack(heads).mean(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", required=True)
    parser.add_argument("--out", required=True)
    for name in ("train", "validation", "test"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    imported = time.perf_counter()
    parts, classes = read(options.table, (options.train, options.validation, options.test))
    loaded = time.perf_counter()

    (streams, labels), (validation, validation_labels), (test, test_labels) = standardized(parts)
    network = Network([stream.shape[1] for stream in streams], classes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    batches = -(-len(labels) // BATCH)
    best, state = float("inf"), None
    for _ in range(options.epochs):
        for index in torch.randperm(len(labels)).tensor_split(batches):
            outputs = network([stream[index] for stream in streams])
            loss = sum(F.cross_entropy(output, labels[index]) for output in outputs)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        said = probabilities(network, validation)
        figure = F.nll_loss(said.clamp(min=1e-30).log(), validation_labels).item()
        if figure < best:
            best, state = figure, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    accuracy = (probabilities(network, test).argmax(1) == test_labels).double().mean().item()
    torch.save(network.state_dict(), options.out)
    finished = time.perf_counter()
    seconds = {"import": imported - STARTED, "read": loaded - imported, "in_memory": finished - loaded}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"accuracy": accuracy, "seconds": seconds, "peak_rss_bytes": peak}))


if __name__ == "__main__":
    main()
