"""UTD-MHAD's sensor and joints as arrays, from MATLAB's files: the script of docs/data.md. GBLEND_DATA names the folder of the
data, the argument the one to write to."""

import csv
import os
import pathlib
import sys

import numpy
import scipy.io

source = pathlib.Path(os.environ["GBLEND_DATA"]) / "utd_mhad"
target = pathlib.Path(sys.argv[1])
(target / "arrays").mkdir(parents=True, exist_ok=True)

with open(source / "index.csv", newline="") as index, open(target / "table.csv", "w", newline="") as table:
    writer = csv.writer(table)
    writer.writerow(["id", "action", "subject", "split"])
    for row in csv.DictReader(index):
        name = f"a{row['action']}_s{row['subject']}_t{row['trial']}"
        wrist = scipy.io.loadmat(source / "Inertial" / f"{name}_inertial.mat")["d_iner"]
        joints = scipy.io.loadmat(source / "Skeleton" / f"{name}_skeleton.mat")["d_skel"]
        joints = joints.transpose(2, 0, 1).reshape(joints.shape[2], -1)
        for stream, values in {"wrist": wrist, "joints": joints}.items():
            numpy.save(target / "arrays" / f"{name}-{stream}.npy", values.astype(numpy.float32))
        writer.writerow([name, row["action"], row["subject"], row["split_cross_subject"]])
