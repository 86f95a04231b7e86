"""Tables for what docs/blending.md says of refitting and of folds: a fifth of Wikipedia's training samples, and WISDM-51 with
whole subjects in a column of its own, so that only the pool's folds know of groups or not.

    python xtask/results/parts.py FOLDER        (GBLEND_DATA names the folder of the data; needs pyarrow)
"""

import csv
import os
import pathlib
import random
import sys

import pyarrow
import pyarrow.parquet

source = pathlib.Path(os.environ["GBLEND_DATA"]) / "features"
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
draw = random.Random(3)

with open(source / "wikipedia/samples.csv", newline="") as file:
    rows = list(csv.DictReader(file))
train = [row for row in rows if row["split"] == "train"]
fifth = {row["id"] for row in draw.sample(train, len(train) // 5)}
with open(folder / "wikipedia-fifth.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(row for row in rows if row["split"] != "train" or row["id"] in fifth)

table = pyarrow.parquet.read_table(source / "wisdm51/windows.parquet")
subjects = table["subject"].to_pylist()
people = sorted(set(subjects))
draw.shuffle(people)
part = {person: "test" if at < 15 else "validation" if at < 22 else "train" for at, person in enumerate(people)}
table = table.append_column("part", pyarrow.array([part[subject] for subject in subjects]))
pyarrow.parquet.write_table(table, folder / "wisdm51.parquet")
