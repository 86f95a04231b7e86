"""Where weights pay: `ogr` beside equal weights while one thing of a task is turned at a time, on the built-in scene and on HTAD.

    python xtask/results/knobs.py GBLEND FOLDER [--seeds N] [--only PART]

GBLEND is the binary, GBLEND_DATA names the folder of the data, FOLDER takes what is made: tables, comparisons, and `knobs.md`,
the table of docs/blending.md. What is there already is not made again.
"""

import argparse
import csv
import json
import math
import os
import pathlib
import random
import subprocess

# Student's t, two-sided 95 %, by degrees of freedom.
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def htad(folder, name, mixed=None, share=0.0, noise=0):
    """HTAD's table with a modality (`v1` or `v2`) that belongs to another sample in a share of the rows, and with streams of
    noise."""
    path = folder / f"{name}.csv"
    if path.exists():
        return path
    source = pathlib.Path(os.environ["GBLEND_DATA"]) / "features/htad/htad.csv"
    with open(source, newline="") as file:
        rows = list(csv.DictReader(file))
    draw = random.Random(7)
    if mixed:
        chosen = [row for row in rows if draw.random() < share]
        # Rows of a class follow each other: the next one would not do.
        others = draw.sample(chosen, len(chosen))
        columns = [column for column in rows[0] if column.startswith(f"{mixed}_")]
        taken = [[other[column] for column in columns] for other in others]
        for row, values in zip(chosen, taken):
            row.update(zip(columns, values))
    for stream in range(noise):
        for row in rows:
            row.update({f"n{stream}_{column}": f"{draw.gauss(0, 1):.5f}" for column in range(32)})
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def knobs(folder):
    """Name, configuration and settings of each point."""
    yield "scene", "as it is", None, []
    for distractor in (0.6, 0.9):
        yield "scene", f"camera misleads in {distractor:.0%}", None, [f"data.rgb_distractor={distractor}"]
    for noise in (0.2, 2.5):
        yield "scene", f"camera's noise {noise}", None, [f"data.rgb_noise={noise}"]
    yield "scene", "300 samples", None, ["data.train_samples=300"]
    yield "scene", "3000 samples", None, ["data.train_samples=3000"]
    yield "scene", "fusion `gated`", None, ["fusion.kind=gated"]
    yield "scene", "fusion `film`", None, ["fusion.kind=film"]
    yield "scene", "weights add up to 1", None, ["blend.scale=sum"]
    own = ["data.table=" + str(pathlib.Path(os.environ["GBLEND_DATA"]) / "features/htad/htad.csv")]
    base = "examples/htad.toml"
    yield "HTAD", "as it is", base, own
    yield "HTAD", "a third of the samples", base, own + ["data.split.test=0.76"]
    for share in (0.3, 0.6, 1.0):
        table = htad(folder, f"mixed-{share}", "v1", share)
        yield "HTAD", f"sound of another sample in {share:.0%}", base, [f"data.table={table}"]
    for noise in (2, 6):
        table = htad(folder, f"noise-{noise}", noise=noise)
        streams = []
        for stream in range(noise):
            streams += [
                f'data.streams.noise{stream}={{media="array",columns="n{stream}_*"}}',
                f'modality.noise{stream}={{kind="vector"}}',
            ]
        yield "HTAD", f"{noise} modalities of noise beside", base, [f"data.table={table}", *streams]
    wide = [f"modality.{name}.encoder.widths=[512,512]" for name in ("sound", "wrist")]
    bare = [f"modality.{name}.encoder.dropout=0" for name in ("sound", "wrist")]
    yield "HTAD", "encoders of 512-512, no dropout", base, own + wide + bare
    yield "HTAD", "the same, a third of the samples", base, own + wide + bare + ["data.split.test=0.76"]
    yield "HTAD", "fusion `gated`", base, own + ["fusion.kind=gated"]
    yield "HTAD", "weights add up to 1", base, own + ["blend.scale=sum"]


def accuracies(folder, row):
    """Of each run of a method: by the joint head and by what predicts, in percent."""
    found = {"joint": [], "pool": []}
    for run in row["runs"]:
        summary = json.loads((folder / run / "summary.json").read_text())
        rules = {prediction["rule"]: prediction["test_accuracy"] for prediction in summary["predictions"]}
        for rule, values in found.items():
            values.append(100 * rules[rule])
    return found


def interval(differences):
    count = len(differences)
    mean = sum(differences) / count
    spread = math.sqrt(sum((value - mean) ** 2 for value in differences) / (count - 1) / count)
    return mean, T95[count - 1] * spread


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gblend")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    lines = ["| task | what is turned | equal, pool | ogr − equal, joint head | ogr − equal, pool |", "|---|---|---|---|---|"]
    for place, (task, name, config, settings) in enumerate(knobs(folder)):
        if options.only not in f"{task}: {name}":
            continue
        out = folder / f"{place:02}"
        # Where it was stopped it goes on; a table is there from its first run on.
        command = [options.gblend, "compare", *([config] if config else [])]
        command += ["--methods", "equal,ogr", "--seeds", str(options.seeds), "--out", str(out)]
        for setting in settings:
            command += ["--set", setting]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows = {row["method"]: accuracies(out, row) for row in json.loads((out / "compare.json").read_text())["rows"]}
        equal, ogr = rows["equal"], rows["ogr"]
        cells = [task, name, f"{sum(equal['pool']) / len(equal['pool']):.1f}"]
        for rule in ("joint", "pool"):
            mean, half = interval([b - a for a, b in zip(equal[rule], ogr[rule])])
            star = " *" if abs(mean) > half else ""
            cells.append(f"{'+' if mean >= 0 else '−'}{abs(mean):.1f} ± {half:.1f}{star}")
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    (folder / "knobs.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
