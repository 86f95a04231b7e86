"""What is installed by the wheel: the program, on the path of its environment, and the module that calls it."""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import gblend

CURVES = {
    "camera": {"train": [1.38, 0.74, 0.31], "val": [1.38, 1.02, 1.11]},
    "microphone": {"train": [1.38, 1.21, 1.09], "val": [1.38, 1.26, 1.17]},
    "joint": {"train": [1.38, 0.61, 0.22], "val": [1.38, 0.98, 1.05]},
}


def paper(curves):
    """The weights of Wang et al., CVPR 2020, equation 6, for independent heads: ΔG over ΔO², with a sum of 1."""
    shares = {}
    for head, losses in curves.items():
        gain = losses["val"][0] - losses["val"][-1]
        overfitting = losses["train"][0] - losses["train"][-1] - gain
        shares[head] = gain / overfitting**2
    return {head: share / sum(shares.values()) for head, share in shares.items()}


def main():
    program = Path(sys.executable).with_name("gblend")
    assert gblend.program() == program, gblend.program()
    assert Path(gblend.__file__).is_relative_to(sys.prefix), gblend.__file__

    found = gblend.weights(CURVES, policy="paper")
    for head, weight in paper(CURVES).items():
        assert abs(found[head] - weight) < 1e-9, (head, found, weight)

    # The same losses in every form that is read.
    history = {}
    for head, losses in CURVES.items():
        history[f"{head}_loss"] = losses["train"]
        history[f"val_{head}_loss"] = losses["val"]
    history["loss"], history["camera_accuracy"] = [9.0, 9.0, 9.0], [0.1, 0.2, 0.3]
    assert gblend.weights(history, policy="paper") == found

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        keras = folder / "keras.csv"
        with keras.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *history])
            writer.writerows([epoch, *(values[epoch] for values in history.values())] for epoch in range(3))
        assert gblend.weights(keras, policy="paper") == found

        # As Lightning does it: steps between epochs, and a row for training and one for validation.
        lightning = folder / "metrics.csv"
        names = [f"{part}/{head}_loss" for head in CURVES for part in ("train", "val")]
        with lightning.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["epoch", "step", "train/camera_loss_step", *names])
            writer.writeheader()
            for epoch in range(3):
                writer.writerow({"epoch": epoch, "step": 10 * epoch, "train/camera_loss_step": 7.0})
                for part in ("val", "train"):
                    row = {f"{part}/{head}_loss": losses[part][epoch] for head, losses in CURVES.items()}
                    writer.writerow({"epoch": epoch, "step": 10 * epoch + 9, **row})
        assert gblend.weights(lightning, policy="paper") == found

        own = folder / "own.csv"
        with own.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["head", "epoch", "train_loss", "val_loss"])
            for head, losses in CURVES.items():
                writer.writerows([head, epoch, *pair] for epoch, pair in enumerate(zip(losses["train"], losses["val"])))
        assert gblend.weights(own, policy="paper") == found

        for curves, part in [
            ({"camera": {"train": [1.0], "val": [1.0, 2.0]}}, "1 training losses and 2 of validation"),
            ({"camera": {"train": [1.0, 0.5]}}, "expected one of val"),
            ({"camera_loss": [1.0, 0.5]}, "has no loss of validation"),
            ({"accuracy": [1.0, 0.5]}, "found no losses of heads"),
            ({"camera_loss": [1.0, 0.5], "train/camera_loss": [1.0, 0.5], "val_camera_loss": [1.0, 0.9]}, "both the loss"),
            ({"camera_loss": [1.0, float("nan")], "val_camera_loss": [1.0, 0.9]}, "camera: the losses of epoch 1"),
            ({"camera": {"train": [1.0, 0.5], "val": [1.0, float("nan")]}}, "camera: the losses of epoch 1"),
            (3, "expected a dict or the path"),
        ]:
            try:
                gblend.weights(curves)
            except gblend.Error as error:
                assert part in str(error), (part, str(error))
            else:
                raise AssertionError(curves)

        small = ["run.epochs=1", "data.train_samples=48", "data.test_samples=16", "data.frames=2", "data.size=12"]
        sets = [word for value in small for word in ("--set", value)]
        subprocess.run([program, "train", "--quiet", "--out", "run", *sets], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        summary = json.loads((folder / "run/summary.json").read_text())
        assert summary["epochs"] == 1, summary

    print("the wheel installs, trains and weighs")


main()
