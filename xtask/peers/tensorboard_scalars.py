"""Reads a run folder's event files with the tensorboard package and compares every scalar with metrics.jsonl and
summary.json, in single precision, which is TensorBoard's."""

import json
import math
import pathlib
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = pathlib.Path(sys.argv[1])
expected = {}


def add(tag, step, value):
    if value is not None:
        expected[tag, step] = float(np.float32(value))


for line in (run / "metrics.jsonl").read_text().splitlines():
    line = json.loads(line)
    if "blend" in line:
        report = line["blend"]
        for head in report["heads"]:
            for key in ("delta_o", "delta_g", "ogr", "weight"):
                add(f"estimate/{key}/{head['name']}", report["epoch"], head[key])
        continue
    add("learning_rate", line["epoch"], line["learning_rate"])
    for head in line["heads"]:
        add(f"weight/{head['name']}", line["epoch"], head["weight"])
        for part in ("train", "validation"):
            for key in ("loss", "accuracy"):
                add(f"{part}/{key}/{head['name']}", line["epoch"], head.get(part, {}).get(key))
        for key, value in head.get("validation", {}).get("metrics", {}).items():
            add(f"validation/{key}/{head['name']}", line["epoch"], value)
summary = json.loads((run / "summary.json").read_text())
for head in summary["heads"]:
    add(f"test/accuracy/{head['name']}", summary["selected_epoch"], head["test_accuracy"])
    for key, value in head.get("test_metrics", {}).items():
        add(f"test/{key}/{head['name']}", summary["selected_epoch"], value)

# No limit on what is kept of a tag.
accumulator = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
accumulator.Reload()
tags = accumulator.Tags()["scalars"]
found = {(tag, event.step): event.value for tag in tags for event in accumulator.Scalars(tag)}

if accumulator.file_version != 2.0:
    sys.exit(f"file version {accumulator.file_version}")
if found.keys() != expected.keys():
    sys.exit(f"other scalars: {sorted(found.keys() ^ expected.keys())}")
for at, value in found.items():
    if value != expected[at] or math.isnan(value):
        sys.exit(f"{at}: {value}, expected {expected[at]}")
print(f"{len(found)} values under {len(tags)} tags, all as in metrics.jsonl and summary.json")
