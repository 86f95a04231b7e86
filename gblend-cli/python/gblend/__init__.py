"""Weights of Gradient-Blending for the losses of any framework.

The wheel puts the ``gblend`` program on the path; this module hands loss curves to ``gblend estimate``::

    import gblend

    gblend.weights({
        "camera":     {"train": [1.38, 0.74, 0.31], "val": [1.38, 1.02, 1.11]},
        "microphone": {"train": [1.38, 1.21, 1.09], "val": [1.38, 1.26, 1.17]},
        "joint":      {"train": [1.38, 0.61, 0.22], "val": [1.38, 0.98, 1.05]},
    })

What else is taken is told at :func:`read_curves`.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Mapping, Sequence, Union

__all__ = ["Error", "estimate", "program", "read_curves", "weights"]

Losses = Mapping[str, Sequence[float]]
Curves = Union[str, "os.PathLike[str]", Mapping[str, Union[Losses, Sequence[float]]]]

_TRAIN = ("train", "train_loss", "training", "loss")
_VALIDATION = ("val", "val_loss", "valid", "validation", "held_out")
_OWN_COLUMNS = {"head", "epoch", "train_loss", "val_loss"}


class Error(Exception):
    """What was asked, what was found, and what to do."""


def program() -> Path:
    """The ``gblend`` program that was installed with this module."""
    name = "gblend.exe" if os.name == "nt" else "gblend"
    schemes = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    user = f"{os.name}_user"
    if user in sysconfig.get_scheme_names():
        schemes.append(sysconfig.get_path("scripts", user))
    for folder in schemes:
        if folder and (Path(folder) / name).is_file():
            return Path(folder) / name
    raise Error(f"the program {name} is in none of {', '.join(schemes)}; install the wheel of gblend again")


def weights(curves: Curves, **options: object) -> dict[str, float]:
    """The weight of each head's loss, which sum to 1; arguments are those of :func:`estimate`."""
    return {head["name"]: head["weight"] for head in estimate(curves, **options)["heads"]}


def estimate(curves: Curves, **options: object) -> dict:
    """What ``gblend estimate --json`` says of loss curves: of each head its weight and what was measured.

    Options are those of the command line, such as ``policy="paper"``, ``smoothing=0.2`` or ``to=10``; ``from_`` is
    ``--from``. ``gblend estimate --help`` lists them.
    """
    arguments = []
    for name, value in options.items():
        arguments += ["--" + name.rstrip("_").replace("_", "-"), str(value)]
    rows = read_curves(curves)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["head", "epoch", "train_loss", "val_loss"])
            writer.writerows(rows)
        command = [program(), "estimate", "--quiet", "--json", "--curves", path, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        raise Error(done.stderr.strip().replace(str(path), "the curves"))
    return json.loads(done.stdout)


def read_curves(curves: Curves) -> list[tuple[str, int, float, float]]:
    """Rows of head, epoch, training loss and validation loss.

    Taken are

    - a dict of heads, each with its losses by epoch: ``{"camera": {"train": […], "val": […]}, …}``;
    - a dict of columns, as Keras' ``History.history``: ``{"camera_loss": […], "val_camera_loss": […], …}``;
    - a CSV file of such columns with one named ``epoch``, as Keras' and Lightning's ``CSVLogger`` write it. Where a cell is empty
      another row of the epoch has it, and the last one counts;
    - a CSV file with the columns head, epoch, train_loss and val_loss.

    A column is the loss of the head that is left of its name without ``loss``, ``train`` or ``val``: ``val_camera_loss``,
    ``camera/val_loss`` and ``val/loss_camera`` are one. A loss of no head, such as Keras' ``loss`` of all outputs, is left out, and so
    are Lightning's losses of single steps, ``…_step``.
    """
    if isinstance(curves, (str, os.PathLike)):
        rows = _of_file(Path(curves))
    elif not isinstance(curves, Mapping):
        raise Error(f"found curves of type {type(curves).__name__}, expected a dict or the path of a CSV file")
    elif all(isinstance(losses, Mapping) for losses in curves.values()):
        rows = _of_heads(curves)
    else:
        rows = _of_columns({name: dict(enumerate(values)) for name, values in curves.items()}, "the dict")
    for head, epoch, train, validation in rows:
        if not math.isfinite(train + validation):
            raise Error(f"{head}: the losses of epoch {epoch} are {train} and {validation}, expected finite numbers")
    return rows


def _of_heads(heads: Mapping[str, Losses]) -> list[tuple[str, int, float, float]]:
    rows = []
    for head, losses in heads.items():
        train, validation = (_one_of(head, losses, names) for names in (_TRAIN, _VALIDATION))
        if len(train) != len(validation):
            raise Error(f"{head}: {len(train)} training losses and {len(validation)} of validation, expected as many")
        rows += [(head, epoch, float(a), float(b)) for epoch, (a, b) in enumerate(zip(train, validation))]
    return rows


def _one_of(head: str, losses: Losses, names: Sequence[str]) -> Sequence[float]:
    found = [name for name in names if name in losses]
    if len(found) != 1:
        raise Error(f"{head}: found {', '.join(map(repr, losses)) or 'nothing'}, expected one of {', '.join(names)}")
    return losses[found[0]]


def _of_file(path: Path) -> list[tuple[str, int, float, float]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        lines = list(reader)
    if "epoch" not in names:
        raise Error(f"{path}: found the columns {', '.join(names) or 'none'}, expected one of them to be epoch")
    if _OWN_COLUMNS <= set(names):
        return [
            (
                line["head"],
                _number(path, number, line, "epoch", int),
                _number(path, number, line, "train_loss", float),
                _number(path, number, line, "val_loss", float),
            )
            for number, line in enumerate(lines, 2)
        ]
    columns: dict[str, dict[int, float]] = {name: {} for name in names if _parts(name)}
    for number, line in enumerate(lines, 2):
        filled = [name for name in columns if (line.get(name) or "").strip()]
        for name in filled:
            epoch = _number(path, number, line, "epoch", int)
            columns[name][epoch] = _number(path, number, line, name, float)
    return _of_columns(columns, str(path))


def _number(path: Path, number: int, line: dict, name: str, kind: type):
    text = (line.get(name) or "").strip()
    try:
        return kind(text) if kind is float else kind(float(text))
    except (ValueError, OverflowError):
        raise Error(f"{path}:{number}: {name} is {text!r}, expected a number") from None


def _parts(name: str) -> tuple[str, bool] | None:
    """The head of a column of losses, and whether they are of validation; None for other columns."""
    words = [word for word in re.split(r"[\W_]+", name) if word]
    lower = [word.lower() for word in words]
    if "loss" not in lower or lower[-1] == "step":
        return None
    validation = any(word in ("val", "valid", "validation") for word in lower)
    known = {"loss", "train", "training", "val", "valid", "validation", "epoch"}
    head = "_".join(word for word, low in zip(words, lower) if low not in known)
    return (head, validation) if head else None


def _of_columns(columns: Mapping[str, Mapping[int, float]], where: str) -> list[tuple[str, int, float, float]]:
    heads: dict[str, list[tuple[str, Mapping[int, float]] | None]] = {}
    for name, values in columns.items():
        parts = _parts(name)
        if parts is None:
            continue
        head, validation = parts
        pair = heads.setdefault(head, [None, None])
        if pair[validation] is not None:
            raise Error(f"{where}: {pair[validation][0]} and {name} are both the loss of {head}; leave one out")
        pair[validation] = (name, values)
    if not heads:
        raise Error(
            f"{where}: found no losses of heads among {', '.join(columns) or 'no columns'}, expected two columns of each, such as "
            "camera_loss and val_camera_loss"
        )
    rows = []
    for head, (train, validation) in heads.items():
        if train is None or validation is None:
            known, missing = (train, "validation") if train else (validation, "training")
            raise Error(f"{where}: {known[0]} has no loss of {missing} beside it; leave it out, or add one")
        both = sorted(set(train[1]) & set(validation[1]))
        rows += [(head, epoch, float(train[1][epoch]), float(validation[1][epoch])) for epoch in both]
    return rows
