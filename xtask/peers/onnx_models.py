"""Runs exported models with ONNX Runtime, and compares what they say with what gblend said.

With a folder of cases that `tests/examples/onnx_models.rs` wrote, prints the largest difference of each as JSON. With a model,
inputs and a file of predictions (`gblend export`, `gblend predict --out FILE.jsonl`), compares these."""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

BATCHES = (1, 3, 7)


def session(path):
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    opened = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for value in [*opened.get_inputs(), *opened.get_outputs()]:
        if value.shape[0] != "batch" or not all(isinstance(extent, int) for extent in value.shape[1:]):
            sys.exit(f"{path}: {value.name} has the shape {value.shape}")
    return opened


def outputs(opened, inputs, first, last):
    names = [value.name for value in opened.get_outputs()]
    batch = {name: values[first:last] for name, values in inputs.items()}
    return dict(zip(names, opened.run(None, batch)))


def table(rows):
    """Rows of one length; where there is none, nothing is said, which is no number."""
    width = max(len(row) for row in rows if row is not None)
    return np.array([[np.nan] * width if row is None else row for row in rows], dtype=np.float64)


def largest(found, expected):
    """The largest difference; of numbers of any size a share of what is expected."""
    if found.shape != expected.shape:
        sys.exit(f"shapes {found.shape} and {expected.shape}")
    said = ~np.isnan(expected)
    if np.isfinite(found).tolist() != said.tolist():
        return float("inf")
    scale = np.maximum(np.abs(expected), 1.0)
    return float((np.abs(found - expected) / scale)[said].max(initial=0.0))


def case(folder):
    told = json.loads((folder / "case.json").read_text())
    result = {key: told[key] for key in ("table", "row", "column")}
    for key in ("refused", "not_exported"):
        if key in told:
            return {**result, key: told[key]}
    inputs = dict(np.load(folder / "inputs.npz"))
    opened = session(folder / "model.onnx")
    if {value.name for value in opened.get_inputs()} != inputs.keys():
        sys.exit(f"{folder}: other inputs")
    expected = {name: table(rows) for name, rows in told["outputs"].items()}
    difference = 0.0
    for size in BATCHES:
        samples = len(next(iter(inputs.values())))
        for first in range(0, samples - size + 1, size):
            found = outputs(opened, inputs, first, first + size)
            if found.keys() != expected.keys():
                sys.exit(f"{folder}: outputs {sorted(found)}, expected {sorted(expected)}")
            for name, values in found.items():
                difference = max(difference, largest(values, expected[name][first : first + size]))
    return {**result, "difference": difference}


def predictions(model, inputs, file):
    inputs = dict(np.load(inputs))
    lines = [json.loads(line) for line in pathlib.Path(file).read_text().splitlines()]
    classes = json.loads(onnx_property(model, "gblend.classes"))
    samples = {len(values) for values in [lines, *inputs.values()]}
    if len(samples) != 1:
        sys.exit(f"{samples} samples")
    rows = {"probabilities": [line["probabilities"] for line in lines]}
    for head in {head for line in lines for head in line["heads"]}:
        rows[f"probabilities.{head}"] = [line["heads"].get(head) for line in lines]
    expected = {name: table([row and [row[c] for c in classes] for row in of]) for name, of in rows.items()}
    found = outputs(session(model), inputs, 0, None)
    if found.keys() != expected.keys():
        sys.exit(f"outputs {sorted(found)}, expected {sorted(expected)}")
    return max(largest(found[name], expected[name]) for name in expected)


def onnx_property(model, key):
    properties = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    return properties[key]


if len(sys.argv) == 2:
    folders = sorted(pathlib.Path(sys.argv[1]).iterdir())
    print(json.dumps([case(folder) for folder in folders if folder.is_dir()]))
else:
    print(json.dumps(predictions(*sys.argv[1:])))
