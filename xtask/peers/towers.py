"""The other side of `cargo xtask bench --job towers`: pictures matched with titles, beside what each tower knows alone, in plain PyTorch.

    python towers.py --shards FILE... --batch N [OPTIONS]

What `gblend train examples/towers-fashion.toml` does in its epochs, with the pictures in memory: the same networks, two augmentations of
every picture and title, symmetric InfoNCE between the two and NT-Xent within each, equal titles out of each other's negatives, the same
optimizer. Titles are divided at blanks, which is as many tokens or fewer. Augmentations are drawn for a batch at once. Prints the
seconds of a step of each epoch, the loss of each head in the last one, and the largest resident size, as JSON.
"""

import argparse
import collections
import io
import json
import resource
import tarfile
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image

SIZE, LENGTH, WIDTH, HIDDEN = 32, 16, 64, 128


def read(shards):
    """Pictures `[samples, 3, SIZE, SIZE]` of values from 0 to 1, and the titles of the training samples."""
    pictures, titles = [], []
    for shard in shards:
        members = collections.defaultdict(dict)
        with tarfile.open(shard) as archive:
            for member in archive:
                key, _, extension = member.name.rpartition(".")
                members[key][extension] = archive.extractfile(member).read()
        for parts in members.values():
            row = json.loads(parts["json"])
            if row["split"] != "train":
                continue
            picture = Image.open(io.BytesIO(parts["jpg"])).convert("RGB").resize((SIZE, SIZE), Image.BILINEAR)
            pictures.append(np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / 255)
            titles.append(row["title_plain"].lower())
    return torch.from_numpy(np.stack(pictures)), titles


def numbered(titles):
    """Tokens `[samples, LENGTH]`, 0 where there is none, their number, and a number of each title that equal ones share."""
    counts = collections.Counter(word for title in titles for word in set(title.split()))
    known = {word: place + 2 for place, word in enumerate(sorted(w for w, count in counts.items() if count > 1))}
    tokens = torch.zeros(len(titles), LENGTH, dtype=torch.long)
    for row, title in enumerate(titles):
        words = [known.get(word, 1) for word in title.split()][:LENGTH]
        tokens[row, : len(words)] = torch.tensor(words)
    same = {title: number for number, title in enumerate(dict.fromkeys(titles))}
    return tokens, len(known) + 2, torch.tensor([same[title] for title in titles])


def cropped_and_recolored(pictures):
    """A crop of half the area and more, a flip of every other, other brightness and contrast."""
    count = len(pictures)
    side = torch.empty(count).uniform_(0.5, 1).sqrt()
    place = torch.empty(2, count).uniform_(-1, 1) * (1 - side)
    mirrored = torch.where(torch.rand(count) < 0.5, -side, side)
    zero = torch.zeros(count)
    maps = torch.stack([torch.stack([mirrored, zero, place[0]], 1), torch.stack([zero, side, place[1]], 1)], 1)
    grid = F.affine_grid(maps, pictures.shape, align_corners=False)
    changed = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    brightness, contrast = torch.empty(2, count, 1, 1, 1).uniform_(0.7, 1.3)
    gray = (changed * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    changed = ((changed - gray) * contrast + gray) * brightness
    return (changed.clamp(0, 1) - 0.5) / 0.25


def thinned(tokens):
    """Without a fifth of the tokens, but for one."""
    kept = torch.rand(tokens.shape) >= 0.2
    kept[:, 0] |= ~(kept & (tokens > 0)).any(1)
    return tokens * kept


class Towers(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        layers, before = [], 3
        for channels in (16, 32, 64):
            layers += [nn.Conv2d(before, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
            before = channels
        self.picture = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, WIDTH), nn.ReLU())
        self.title = nn.EmbeddingBag(vocabulary, WIDTH, mode="mean", padding_idx=0)
        self.matched = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))
        self.own = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDTH)) for _ in range(2)
        )
        self.sharpness = nn.Parameter(torch.tensor(1 / 0.07).log())


def found(queries, keys, sharpness, same):
    """The loss of finding each row's own among the rows of `keys`; what is the same as it is no wrong answer."""
    scores = sharpness * queries @ keys.T
    wrong = same[:, None] == same[None, :]
    wrong.fill_diagonal_(False)
    return F.cross_entropy(scores.masked_fill(wrong, float("-inf")), torch.arange(len(queries)))


def views(first, second, same):
    """NT-Xent with temperature 0.2."""
    count = len(first)
    both = F.normalize(torch.cat([first, second]), dim=1)
    scores = both @ both.T / 0.2
    twice = same.repeat(2)
    target = (torch.arange(2 * count) + count) % (2 * count)
    out = twice[:, None] == twice[None, :]
    out[torch.arange(2 * count), target] = False
    return F.cross_entropy(scores.masked_fill(out, float("-inf")), target)


def losses_of(towers, pictures, tokens, same):
    count = len(pictures)
    features = [
        towers.picture(torch.cat([cropped_and_recolored(pictures), cropped_and_recolored(pictures)])),
        towers.title(torch.cat([thinned(tokens), thinned(tokens)])),
    ]
    first, second = (F.normalize(head(tower[:count]), dim=1) for head, tower in zip(towers.matched, features))
    sharpness = towers.sharpness.clamp(max=np.log(100)).exp()
    joint = (found(first, second, sharpness, same) + found(second, first, sharpness, same)) / 2
    apart = torch.arange(count)
    own = [
        views(*head(tower).split(count), numbers) for head, tower, numbers in zip(towers.own, features, (apart, same))
    ]
    return [*own, joint]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", nargs="+", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    pictures, titles = read(options.shards)
    tokens, vocabulary, same = numbered(titles)
    towers = Towers(vocabulary)
    optimizer = torch.optim.AdamW(towers.parameters(), lr=2e-3, weight_decay=0.01)
    batches = -(-len(titles) // options.batch)
    seconds, told = [], []
    for _ in range(options.epochs):
        began, told = time.perf_counter(), []
        for index in torch.randperm(len(titles)).tensor_split(batches):
            losses = losses_of(towers, pictures[index], tokens[index], same[index])
            optimizer.zero_grad(set_to_none=True)
            sum(losses).backward()
            optimizer.step()
            told.append([loss.item() for loss in losses])
        seconds.append((time.perf_counter() - began) / batches)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "losses": np.mean(told, 0).tolist(), "peak_rss_bytes": peak}))


if __name__ == "__main__":
    main()
