"""What a GPU build does on a GPU, beside the CPU's results: called by run.sh.

    python measure.py BUNDLE [SECONDS]

Compares every operation with the stored results of the CPU, trains the quickstart and AV-MNIST and compares losses with
the CPU's runs, times the reference step beside PyTorch's on the same GPU, and writes BUNDLE/results.json, after each part
anew. A part that fails is told there and does not keep the others from running. What is not begun or ended after SECONDS, 480
unless told otherwise, is told to be so. The exit code is 0 only if all parts ran and agree.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

# How far the loss of a head may be from the CPU's after the first epoch, relative to its size. Training amplifies
# rounding, so later epochs are told and not judged; the quickstart's weights come from probes, which train for some
# epochs before the first.
LOSS_TOLERANCE = {"quickstart": 0.1, "equal": 0.02, "avmnist": 0.02}
# How far the losses of the first reference steps may be from PyTorch's.
STEP_TOLERANCE = 2e-3
COMPARED, WARMUP, ROUNDS, STEPS = 5, 20, 7, 30
DEADLINE = time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else 480)


def left():
    """Seconds that are left; what is begun is ended with them."""
    seconds = DEADLINE - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the time was up before it began")
    return seconds


def run(command, **options):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=left(), **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def machine(bundle):
    query = "--query-gpu=name,driver_version,memory.total,compute_cap"
    try:
        gpu = run(["nvidia-smi", query, "--format=csv,noheader"]).strip().splitlines()
    except (OSError, RuntimeError) as error:
        gpu = [f"nvidia-smi: {error}"]
    return {"gpus": gpu, "processors": os.cpu_count(), "build": json.loads((bundle / "build.json").read_text())}


def parity(bundle):
    command = [bundle / "gpu/parity", "compare", bundle / "cpu/parity.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=left())
    cases = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    wrong = [case for case in cases if not case["alike"]]
    distances = [case["distance"] for case in cases if case["distance"] is not None]
    return {
        "agrees": done.returncode == 0 and bool(cases),
        "cases": len(cases),
        "largest_distance": max(distances, default=None),
        "wrong": wrong,
        "stderr": done.stderr.strip()[-2000:],
    }


def epochs(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if "heads" in entry]


def train(bundle, name):
    """A run on the GPU with the arguments of the CPU's run, and how far its losses are from it."""
    stored = bundle / "cpu" / name
    if not stored.is_dir():
        return {"skipped": "the bundle was made without this dataset"}
    arguments = json.loads((bundle / "cpu" / f"{name}.json").read_text())
    folder = bundle / "gpu" / name
    shutil.rmtree(folder, ignore_errors=True)
    data = {"GBLEND_DATA": str(bundle / "data")}
    command = [bundle / "gpu/gblend", "train", *arguments, "--quiet", "--device", "cuda", "--out", folder]
    started = time.perf_counter()
    run(command, cwd=bundle, env={**os.environ, **data})
    seconds = time.perf_counter() - started
    differences = []
    for cpu, gpu in zip(epochs(stored), epochs(folder)):
        heads = zip(cpu["heads"], gpu["heads"])
        pairs = [(a["name"], a.get("train"), b.get("train")) for a, b in heads]
        differences.append(
            {
                head: {"cpu": a["loss"], "gpu": b["loss"], "relative": abs(b["loss"] - a["loss"]) / abs(a["loss"])}
                for head, a, b in pairs
                if a and b
            }
        )
    first = [head["relative"] for head in differences[0].values()] if differences else []
    summaries = [json.loads((run_folder / "summary.json").read_text()) for run_folder in (stored, folder)]
    accuracies = [{head["name"]: head["test_accuracy"] for head in summary["heads"]} for summary in summaries]
    return {
        "agrees": bool(first) and max(first) <= LOSS_TOLERANCE[name],
        "arguments": arguments,
        "seconds": seconds,
        "gpu_seconds": summaries[1]["seconds"],
        "cpu_seconds": summaries[0]["seconds"],
        "test_accuracy": {"cpu": accuracies[0], "gpu": accuracies[1]},
        "largest_difference_of_first_epoch": max(first, default=None),
        "losses": differences,
    }


class Side:
    """One of the processes that take reference steps."""

    def __init__(self, command):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([str(part) for part in command], text=True, **pipes)
        # Whoever waits for an answer then finds that there is none.
        self.clock = threading.Timer(left(), self.process.kill)
        self.clock.daemon = True
        self.clock.start()
        self.expect("ready")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(self.process.stderr.read().strip()[-2000:] or "ended early")
        return line.strip()

    def expect(self, word):
        answer = self.answer()
        if answer != word:
            raise RuntimeError(f"expected {word}, found {answer}")

    def steps(self, count):
        print(f"steps {count}", file=self.process.stdin, flush=True)
        return json.loads(self.answer())

    def close(self):
        self.clock.cancel()
        self.process.kill()
        self.process.wait()


def reference_step(bundle):
    """Rounds of steps that alternate between gblend and PyTorch; both read the losses of every step."""
    folder = bundle / "gpu/reference"
    folder.mkdir(exist_ok=True)
    program = [bundle / "gpu/training_step", "--net", "reference", "--threads", 1]
    # Writes what PyTorch's side reads, and ends.
    subprocess.run([str(part) for part in [*program, "--folder", folder]], check=True, stdout=subprocess.DEVNULL, timeout=left())
    own = Side(program)
    sides = {"gblend": own}
    result = {"agrees": False, "problems": {}}
    try:
        losses = own.steps(COMPARED)["losses"]
        for name, device in (("pytorch_f32", "cuda"), ("pytorch_tf32", "cuda-tf32")):
            try:
                script = bundle / "training_step.py"
                sides[name] = Side([sys.executable, script, folder, 1, device])
                theirs = sides[name].steps(COMPARED)["losses"]
            except RuntimeError as error:
                result["problems"][name] = str(error)
                if name in sides:
                    sides.pop(name).close()
                continue
            pairs = [pair for step in zip(losses, theirs) for pair in zip(*step)]
            difference = max(abs(a - b) / abs(b) for a, b in pairs)
            result[f"difference_to_{name}"] = difference
            if name == "pytorch_f32":
                result["agrees"] = difference <= STEP_TOLERANCE
        for side in sides.values():
            side.steps(WARMUP)
        seconds = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, side in sides.items():
                seconds[name].append(statistics.median(side.steps(STEPS)["seconds"]))
        result["milliseconds"] = {name: 1e3 * statistics.median(rounds) for name, rounds in seconds.items()}
        for name, rounds in seconds.items():
            if name != "gblend":
                ratios = [a / b for a, b in zip(seconds["gblend"], rounds)]
                result[f"ratio_to_{name}"] = statistics.median(ratios)
    finally:
        for side in sides.values():
            side.close()
    return result


def main():
    bundle = pathlib.Path(sys.argv[1]).resolve()
    parts = {
        "parity": parity,
        "reference_step": reference_step,
        "quickstart": lambda bundle: train(bundle, "quickstart"),
        "equal": lambda bundle: train(bundle, "equal"),
        "avmnist": lambda bundle: train(bundle, "avmnist"),
    }
    # What tells the most comes first.
    results = {"machine": machine(bundle)}
    sound = True
    for name, part in parts.items():
        started = time.monotonic()
        try:
            results[name] = part(bundle)
        except Exception as error:  # Whatever it is, the other parts still have something to tell.
            results[name] = {"agrees": False, "problem": f"{type(error).__name__}: {error}"}
        results[name]["took"] = time.monotonic() - started
        sound &= results[name].get("agrees", "skipped" in results[name])
        (bundle / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        print(f"{name}: {'ok' if results[name].get('agrees') else json.dumps(results[name])[:300]}", flush=True)
    print(f"wrote {bundle / 'results.json'}")
    sys.exit(0 if sound else 1)


main()
