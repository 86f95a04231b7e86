"""What training over two ranks takes on networks of a given delay and bandwidth, and what the model of docs/cluster.md says of it.

    python xtask/results/networks.py measure GBLEND RATES FOLDER [--job NAME] [--network DELAY,MBIT] ...
    python xtask/results/networks.py table FOLDER
    python xtask/results/networks.py predict FOLDER

For root on Linux with two cores at least, Open MPI and iproute2. GBLEND and RATES are `gblend` and the example `network_rates`, built with the
feature `mpi`; GBLEND_DATA names the folder of the data. Two network namespaces are two machines, each with one rank of one thread; between
them is a relay in this process, which holds packets back for the delay and sends them out by the bandwidth. FOLDER takes
`networks.jsonl`, a line for each measurement; what is there already is not measured again.
"""

import argparse
import collections
import contextlib
import ctypes
import fcntl
import json
import math
import os
import pathlib
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
JOBS = {
    "reference": (HERE / "reference.toml", []),
    "avmnist": (HERE.parents[1] / "examples/avmnist.toml", ["data.train_samples=2048"]),
}
# Delay in milliseconds one way, and megabits a second, 0 without a bound. `None` is one machine, without any network.
NETWORKS = [None] + [(delay, rate) for delay in (0, 1, 10) for rate in (0, 1000, 100)]
EPOCHS = 4
SPACES = ("gblend-a", "gblend-b")
# Jumbo frames: larger packets are few, so that the relay takes little of the two cores.
MTU = 9000


class Relay(threading.Thread):
    """Packets between two network devices."""

    def __init__(self, delay, megabits):
        super().__init__(daemon=True)
        self.delay, self.bytes = delay / 1e3, megabits * 1e6 / 8
        self.ends = [self.device(space) for space in SPACES]
        self.waiting = [collections.deque(), collections.deque()]
        self.free = [0.0, 0.0]
        self.over, self.seconds, self.passed = threading.Event(), 0.0, 0

    @staticmethod
    def device(space):
        """A device of a namespace whose packets come here."""
        TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        name = f"{space}0"
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        ip("link", "set", name, "netns", space)
        return end

    def run(self):
        # A network is not waited for by what computes, and its clock is not coarse.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        PR_SET_TIMERSLACK = 29
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        while not self.over.is_set():
            self.pass_due()
            due = [waiting[0][0] for waiting in self.waiting if waiting]
            rest = max(0.0, min(due) - time.monotonic()) if due else 0.2
            ready, _, _ = select.select(self.ends, [], [], rest)
            for end in ready:
                self.take(self.ends.index(end))
        self.seconds = time.thread_time()
        for end in self.ends:
            os.close(end)

    def pass_due(self):
        now = time.monotonic()
        for way, waiting in enumerate(self.waiting):
            while waiting and waiting[0][0] <= now:
                os.write(self.ends[1 - way], waiting.popleft()[1])

    def take(self, way):
        while True:
            try:
                packet = os.read(self.ends[way], 65535)
            except BlockingIOError:
                return
            now = time.monotonic()
            self.passed += len(packet)
            sending = len(packet) / self.bytes if self.bytes else 0.0
            self.free[way] = max(self.free[way], now) + sending
            self.waiting[way].append((self.free[way] + self.delay, packet))
            self.pass_due()


def others():
    """Seconds of processor time that processes which are not measured have had so far, by process."""
    taken = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, fields = (folder / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            if name not in ("gblend", "network_rates", "mpirun", "orted") and int(folder.name) != os.getpid():
                user, system = fields.split()[11:13]
                taken[folder.name] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return taken


@contextlib.contextmanager
def watched(found):
    """Tells which share of a core the rest of the machine took: a measurement beside something else is none."""
    before, began = others(), time.monotonic()
    yield
    after, wall = others(), time.monotonic() - began
    found["others"] = sum(seconds - before.get(process, 0.0) for process, seconds in after.items()) / wall


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


@contextlib.contextmanager
def network(delay, megabits):
    """Two machines with a network between them, which are gone afterwards."""
    relay, made = None, []
    try:
        for space in SPACES:
            ip("netns", "add", space)
            made.append(space)
            ip("-n", space, "link", "set", "lo", "up")
            # What the machine has chosen, such as BBR, is not what clusters have; this one every namespace may choose.
            ip("netns", "exec", space, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")
        relay = Relay(delay, megabits)
        for number, space in enumerate(SPACES, 1):
            ip("-n", space, "address", "add", f"10.77.0.{number}/24", "dev", f"{space}0")
            ip("-n", space, "link", "set", f"{space}0", "mtu", str(MTU), "up")
        relay.start()
        yield relay
    finally:
        if relay is not None and relay.is_alive():
            relay.over.set()
            relay.join()
        for space in made:
            # A job that was interrupted has processes there.
            left = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True).stdout
            for process in left.split():
                with contextlib.suppress(OSError):
                    os.kill(int(process), signal.SIGKILL)
            ip("netns", "delete", space)


def mpirun(folder, networked, command):
    """Two ranks of one thread, on one machine or on two."""
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if not networked:
        arguments = ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", "2"]
        subprocess.run(arguments + command, check=True, env=environment, stdout=subprocess.DEVNULL)
        return
    agent, hosts = folder / "agent", folder / "hosts"
    agent.write_text(
        '#!/bin/sh\nhost=$1; shift\n'
        f'exec ip netns exec {SPACES[1]} unshare --uts sh -c "hostname {SPACES[1]}; $*"\n'
    )
    agent.chmod(0o755)
    hosts.write_text("10.77.0.1 slots=1\n10.77.0.2 slots=1\n")
    settings = {
        "plm_rsh_agent": agent,
        "btl": "tcp,self",
        "pml": "ob1",
        "btl_tcp_if_include": "10.77.0.0/24",
        "oob_tcp_if_include": "10.77.0.0/24",
    }
    mca = [part for name, value in settings.items() for part in ("--mca", name, str(value))]
    arguments = ["mpirun", "--bind-to", "none", "--hostfile", str(hosts), "-n", "2", "--map-by", "ppr:1:node", *mca, *command]
    inside = ["ip", "netns", "exec", SPACES[0], "unshare", "--uts", "sh", "-c", f'hostname {SPACES[0]}; exec "$@"', "sh"]
    subprocess.run(inside + arguments, check=True, env=environment, stdout=subprocess.DEVNULL)


def train(gblend, folder, job, out, settings):
    """The command that trains a job."""
    config, own = JOBS[job]
    fixed = [
        "run.threads=1",
        "run.validation=0",
        "run.test=false",
        f"run.epochs={EPOCHS}",
        f"run.cache={folder / 'cache'}",
    ]
    set_all = [part for setting in fixed + own + settings for part in ("--set", setting)]
    return [str(gblend), "train", str(config), "--quiet", "--out", str(out), *set_all]


def seconds_of_step(out):
    """The mean over all epochs but the first, and the steps of an epoch."""
    lines = [json.loads(line) for line in open(out / "metrics.jsonl")]
    steps = lines[-1]["step"] - lines[0]["step"]
    return sum(line["seconds"] for line in lines[1:]) / steps, lines[0]["step"]


def batch_of(gblend, job):
    text = JOBS[job][0].read_text()
    return int(next(line for line in text.splitlines() if line.startswith("batch_size")).split("=")[1])


def measure(arguments):
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "networks.jsonl"
    known = [json.loads(line) for line in open(kept)] if kept.exists() else []
    has = {(line["job"], line["what"]) for line in known}

    def keep(job, what, **found):
        with open(kept, "a") as file:
            file.write(json.dumps({"job": job, "what": what, **found}) + "\n")
        print(job, what, found, flush=True)

    networks = arguments.network or NETWORKS
    for job in arguments.job or JOBS:
        batch = batch_of(arguments.gblend, job)
        if (job, "alone") not in has:
            alone(arguments.gblend, folder, job, batch, keep)
        for number, net in enumerate(networks):
            what = "machine" if net is None else f"{net[0]:g} ms, {net[1]:g} Mbit/s"
            if (job, what) in has:
                continue
            with tempfile.TemporaryDirectory() as temporary:
                temporary = pathlib.Path(temporary)
                command = train(arguments.gblend, folder, job, temporary / "run", []) + ["--distributed"]
                found = {}
                with watched(found):
                    if net is None:
                        mpirun(temporary, False, command)
                    else:
                        began = time.monotonic()
                        with network(*net) as relay:
                            mpirun(temporary, True, command)
                        found |= {"relay": relay.seconds / (time.monotonic() - began), "bytes": relay.passed}
                seconds, steps = seconds_of_step(temporary / "run")
                keep(job, what, seconds=seconds, steps=steps, **found)
    for net in networks:
        what = "machine" if net is None else f"{net[0]:g} ms, {net[1]:g} Mbit/s"
        if ("rates", what) in has:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            temporary = pathlib.Path(temporary)
            out = temporary / "rates.json"
            command = [str(arguments.rates), str(out)]
            found = {}
            with watched(found):
                if net is None:
                    mpirun(temporary, False, command)
                else:
                    with network(*net):
                        mpirun(temporary, True, command)
            keep("rates", what, **json.loads(out.read_text()), **found)


def alone(gblend, folder, job, batch, keep):
    """A step of one process: of the batch of two ranks, and of that of one while another process has the other core."""
    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)

        def start(out, size):
            return subprocess.Popen(
                train(gblend, folder, job, temporary / out, [f"run.batch_size={size}"]), stdout=subprocess.DEVNULL
            )

        # Whatever else is to be done the first time, such as preparing samples.
        assert start("first", 2 * batch).wait() == 0
        found = {}
        with watched(found):
            assert start("whole", 2 * batch).wait() == 0
            beside = [start(out, batch) for out in ("left", "right")]
            assert [process.wait() for process in beside] == [0, 0]
        whole, _ = seconds_of_step(temporary / "whole")
        parts = [seconds_of_step(temporary / out)[0] for out in ("left", "right")]
        found |= sizes(temporary / "whole/model.safetensors")
        keep(job, "alone", whole=whole, part=max(parts), batch=batch, **found)


def sizes(model):
    """Parameters and batch normalizations of a network."""
    with open(model, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        tensors = json.loads(file.read(length))
    tensors.pop("__metadata__", None)
    running = [name for name in tensors if ".running_" in name]
    values = sum(math.prod(tensor["shape"]) for name, tensor in tensors.items() if name not in running)
    return {"parameters": values, "normalizations": len(running) // 2}


# Values of a bucket of gradients, as in gblend-cli/src/ranks/sum.rs.
BUCKET = 1 << 18


class Model:
    """Seconds of a step, by what was measured of one process and of two ranks on a network without delay and bound."""

    def __init__(self, job, rates):
        self.job = job
        self.wait, self.message = rates["wait"], rates["message"]
        # Adding up takes two waits and otherwise time for each byte.
        self.byte = max(0.0, rates["sum"] - 2 * self.wait) / rates["sum_bytes"]

    def waits(self):
        """Messages of a step that are waited for one after the other: of each normalization, of the outputs, of the gradient."""
        return 2 * self.job["normalizations"] + 3

    def seconds(self, ranks, delay, bandwidth):
        """With the delay in seconds, and bytes a second, 0 without a bound."""
        others, parameters = ranks - 1, self.job["parameters"]
        buckets = math.ceil(parameters / BUCKET)
        # What a rank sends to a second and further ones it sends after what it sends to the first.
        further = 2 * (others - 1) * self.message
        waiting = self.waits() * (self.wait + delay + further) + (buckets - 1) * 4 * others * self.message
        sent = 8 * parameters * others / ranks
        adding = 4 * parameters * self.byte
        return self.job["part"] + waiting + adding + (sent / bandwidth if bandwidth else 0.0)

    def efficiency(self, seconds):
        """Of the time of all ranks, what one process would take for their samples, which has twice the batch of a rank."""
        return self.job["whole"] / 2 / seconds


def read(folder):
    """What was measured, by job and network."""
    found = {}
    for line in open(folder / "networks.jsonl"):
        line = json.loads(line)
        found.setdefault(line["job"], {})[line["what"]] = line
    return found


def table(arguments):
    """Measured beside modeled."""
    found = read(arguments.folder)
    rates = found["rates"]
    print("| delay | bandwidth | a wait, ms | adding up 4 MiB, ms |\n|---|---|---|---|")
    for name, line in rates.items():
        print(f"| {words(name)} | {1e3 * line['wait']:.2f} | {1e3 * line['sum']:.1f} |")
    for job in JOBS:
        lines = found.get(job, {})
        if "alone" not in lines:
            continue
        known = lines["alone"]
        print(f"\n{job}: {known}\n")
        print("| delay | bandwidth | step, ms | efficiency | by the model, ms | off |\n|---|---|---|---|---|---|")
        for name, line in lines.items():
            if name == "alone":
                continue
            delay, megabits, free = 0.0, 0.0, "machine"
            if name != "machine":
                delay, megabits = (float(part.split()[0]) for part in name.split(", "))
                free = "0 ms, 0 Mbit/s"
            model = Model(known, rates[free])
            seconds = model.seconds(2, delay / 1e3, megabits * 1e6 / 8)
            step = line["seconds"]
            print(
                f"| {words(name)} | {1e3 * step:.1f} | {model.efficiency(step):.0%} | {1e3 * seconds:.1f} | "
                f"{seconds / step - 1:+.0%} |"
            )


def words(name):
    if name == "machine":
        return "one machine | "
    delay, megabits = name.split(", ")
    return f"{delay} | " + ("" if megabits.startswith("0 ") else megabits)


# Seconds that a message is on its way from program to program, and bytes a second.
COMMON = {
    "1 Gbit/s Ethernet": (50e-6, 1e9 / 8),
    "10 Gbit/s Ethernet": (25e-6, 10e9 / 8),
    "100 Gbit/s InfiniBand": (2e-6, 100e9 / 8),
}


def predict(arguments):
    """What the model says of more ranks on common networks."""
    found = read(arguments.folder)
    print("| job | network | " + " | ".join(f"{ranks} ranks" for ranks in (8, 64, 512)) + " |\n|---|---|---|---|---|")
    for job in JOBS:
        # A wait as over TCP without any delay; messages without what the relay takes for each.
        rates = found["rates"]["0 ms, 0 Mbit/s"] | {"message": found["rates"]["machine"]["message"]}
        model = Model(found[job]["alone"], rates)
        for network, (delay, bandwidth) in COMMON.items():
            cells = []
            for ranks in (8, 64, 512):
                seconds = model.seconds(ranks, delay, bandwidth)
                cells.append(f"{1e3 * seconds:.0f} ms, {model.efficiency(seconds):.0%}")
            print(f"| {job} | {network} | " + " | ".join(cells) + " |")


def network_of(text):
    delay, megabits = text.split(",")
    return float(delay), float(megabits)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("gblend", type=pathlib.Path)
    measuring.add_argument("rates", type=pathlib.Path)
    measuring.add_argument("folder", type=pathlib.Path)
    measuring.add_argument("--job", action="append", choices=JOBS)
    measuring.add_argument("--network", action="append", type=network_of)
    for name in ("table", "predict"):
        commands.add_parser(name).add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    # So that networks are gone afterwards, whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    {"measure": measure, "table": table, "predict": predict}[arguments.command](arguments)


if __name__ == "__main__":
    main()
