//! What training over several ranks takes on networks that are slower than this machine's: measured, and by the model of
//! docs/cluster.md beside it.
//!
//! The ranks are threads of one computing thread each. Between them is a relay: a message is on its way for the latency and for its bytes by
//! the bandwidth, and what a rank sends goes out one message after the other.
//!
//! `cargo run --release --example slow_network -- CONFIG [RANKS] [KEY=VALUE …]`; the machine needs a core for every rank.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use gblend_cli::config::{BatchNormOver, Config, Override};
use gblend_cli::process::Interrupt;
use gblend_cli::progress::Reporter;
use gblend_cli::ranks::{Link, Ranks};
use gblend_cli::run_folder::Destination;
use gblend_cli::training::pipeline::{ProcessUse, Start, run};
use gblend_cli::training::session::{Session, with_threads};
use gblend_core::params::{parameter_count, state_of};

/// A network between ranks.
#[derive(Clone, Copy, Debug)]
struct Network {
    latency: Duration,
    /// Bytes a second; none without a bound.
    bandwidth: Option<f64>,
}

/// Messages of one rank to another, and when each arrives.
#[derive(Debug, Default)]
struct Wire {
    messages: Mutex<VecDeque<(Instant, Vec<u8>)>>,
    sent: Condvar,
}

/// The relay, as one rank sees it.
#[derive(Debug)]
struct Relay {
    rank: usize,
    network: Network,
    /// By sender and receiver.
    wires: Arc<Vec<Vec<Wire>>>,
    /// When what was sent so far has gone out.
    free: Mutex<Instant>,
    bytes: Arc<AtomicU64>,
}

impl Link for Relay {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.wires.len()
    }

    fn on_machine(&self) -> (usize, usize) {
        (self.size(), self.rank)
    }

    fn send(&self, to: usize, message: Vec<u8>) -> gblend_cli::Result<()> {
        self.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
        let seconds = self
            .network
            .bandwidth
            .map_or(0.0, |bandwidth| message.len() as f64 / bandwidth);
        let mut free = self.free.lock().unwrap();
        *free = (*free).max(Instant::now()) + Duration::from_secs_f64(seconds);
        let arrives = *free + self.network.latency;
        drop(free);
        let wire = &self.wires[self.rank][to];
        wire.messages.lock().unwrap().push_back((arrives, message));
        wire.sent.notify_one();
        Ok(())
    }

    fn receive(&self, from: usize) -> gblend_cli::Result<Vec<u8>> {
        let wire = &self.wires[from][self.rank];
        let mut messages = wire.messages.lock().unwrap();
        let (arrives, message) = loop {
            match messages.pop_front() {
                Some(first) => break first,
                None => messages = wire.sent.wait(messages).unwrap(),
            }
        };
        drop(messages);
        std::thread::sleep(arrives.saturating_duration_since(Instant::now()));
        Ok(message)
    }
}

/// The ranks of a job over a network, and the bytes that they send.
fn ranks_over(network: Network, size: usize) -> (Vec<Ranks>, Arc<AtomicU64>) {
    if size == 1 {
        return (vec![Ranks::alone()], Arc::default());
    }
    let wires: Vec<Vec<Wire>> = (0..size)
        .map(|_| (0..size).map(|_| Wire::default()).collect())
        .collect();
    let (wires, bytes) = (Arc::new(wires), Arc::<AtomicU64>::default());
    let rank = |rank| {
        Ranks::over(Arc::new(Relay {
            rank,
            network,
            wires: Arc::clone(&wires),
            free: Mutex::new(Instant::now()),
            bytes: Arc::clone(&bytes),
        }))
    };
    ((0..size).map(rank).collect(), bytes)
}

/// Seconds of a step: the median over epochs, the first left out.
fn measured(config: &Config, network: Network, size: usize, folder: &Path) -> f64 {
    let (ranks, _) = ranks_over(network, size);
    std::thread::scope(|scope| {
        for ranks in ranks {
            scope.spawn(move || {
                let start = Start::New(Destination::Folder(folder.to_owned()));
                let (interrupt, reporter) = (Interrupt::never(), Reporter::new(true).muted());
                let ran = with_threads(1, || {
                    run(config, &start, ProcessUse::Shared, &ranks, &interrupt, &reporter)
                });
                ran.unwrap();
            });
        }
    });
    let lines = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let mut steps_before = 0.0;
    let mut seconds: Vec<f64> = Vec::new();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let steps = line["step"].as_f64().unwrap();
        seconds.push(line["seconds"].as_f64().unwrap() / (steps - steps_before));
        steps_before = steps;
    }
    let mut seconds = seconds.split_off(1);
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// What the model reads of a network and its configuration.
struct Sizes {
    parameters: usize,
    normalizations: usize,
    /// Messages that are waited for one after the other.
    waits: usize,
}

fn sizes(config: &Config) -> Sizes {
    let (session, _) = Session::open(config, &Reporter::new(true).muted()).unwrap();
    let mut model = session.initial_model().unwrap();
    let state = state_of(&mut model).unwrap();
    let normalizations = state.keys().filter(|path| path.ends_with("running_mean")).count();
    Sizes {
        parameters: parameter_count(&mut model).unwrap(),
        normalizations,
        waits: match config.run.batch_norm {
            BatchNormOver::AllRanks => 3 + 2 * normalizations,
            // Two for the running statistics.
            BatchNormOver::EachRank => 5,
        },
    }
}

/// Seconds of a step by the model, of which one process takes `alone`.
fn predicted(sizes: &Sizes, alone: f64, network: Network, ranks: usize) -> f64 {
    let share = (ranks - 1) as f64 / ranks as f64;
    let bytes = 8.0 * sizes.parameters as f64 * share;
    let sending = network.bandwidth.map_or(0.0, |bandwidth| bytes / bandwidth);
    alone / ranks as f64 + sending + sizes.waits as f64 * network.latency.as_secs_f64()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().unwrap());
    let ranks: usize = arguments.next().map_or(2, |ranks| ranks.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let cache = format!("run.cache={}", folder.path().join("cache").display());
    let fixed = ["run.validation=0", "run.test=false", "run.epochs=4", &cache];
    let set = fixed.into_iter().map(str::to_owned).chain(arguments);
    let overrides: Vec<Override> = set.map(|set| set.parse().unwrap()).collect();
    let mut config = Config::load(Some(&path), &overrides).unwrap();
    config.run.batch_size *= ranks;
    let sizes = sizes(&config);
    let free = Network {
        latency: Duration::ZERO,
        bandwidth: None,
    };
    let alone = measured(&config, free, 1, &folder.path().join("alone"));
    println!(
        "{} parameters, {} normalizations; a step of one process takes {:.2} ms\n",
        sizes.parameters,
        sizes.normalizations,
        1e3 * alone
    );
    println!("| latency | bandwidth | step | efficiency | by the model |\n|---|---|---|---|---|");
    for milliseconds in [0.0, 1.0, 10.0] {
        for megabits in [None, Some(1000.0), Some(100.0)] {
            let network = Network {
                latency: Duration::from_secs_f64(milliseconds / 1e3),
                bandwidth: megabits.map(|megabits| megabits * 1e6 / 8.0),
            };
            let name = format!("{milliseconds}-{megabits:?}");
            let taken = measured(&config, network, ranks, &folder.path().join(name));
            let model = predicted(&sizes, alone, network, ranks);
            let bandwidth =
                megabits.map_or_else(|| "free".to_owned(), |megabits| format!("{megabits} Mbit/s"));
            let efficiency = |seconds: f64| 100.0 * alone / (ranks as f64 * seconds);
            println!(
                "| {milliseconds} ms | {bandwidth} | {:.2} ms | {:.0} % | {:.2} ms, {:.0} % |",
                1e3 * taken,
                efficiency(taken),
                1e3 * model,
                efficiency(model)
            );
        }
    }
}
