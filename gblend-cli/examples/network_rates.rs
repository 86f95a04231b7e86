//! What the network between two ranks is like, as the model of docs/cluster.md counts it.
//!
//! `mpirun -n 2 network_rates [FILE]`, with whatever places the ranks as those of a training are to be; built with `--features mpi`. The
//! figures are JSON, in a file or on the screen.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use gblend_cli::ranks::{Job, Ranks};

/// Values of a gradient of moderate size: some buckets.
const VALUES: usize = 1 << 20;

/// What a rank computes between two waits.
const COMPUTING: Duration = Duration::from_millis(1);

/// The seconds of each time, the median of several.
fn median(ranks: &Ranks, times: usize, mut work: impl FnMut(&Ranks)) -> f64 {
    let mut seconds: Vec<f64> = (0..times)
        .map(|_| {
            ranks.meet().unwrap();
            let began = Instant::now();
            work(ranks);
            began.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[times / 2]
}

fn rates(ranks: &Ranks) -> serde_json::Value {
    const WAITS: usize = 20;
    const LETTERS: usize = 2000;
    // The first messages of a connection open it.
    let mut large = vec![1.0; VALUES];
    ranks.sum(&mut large).unwrap();
    // Between two waits of a step a rank computes, and threads that have nothing to do go to sleep.
    let wait = median(ranks, 9, |ranks| {
        for _ in 0..WAITS {
            let began = Instant::now();
            while began.elapsed() < COMPUTING {
                std::hint::spin_loop();
            }
            ranks.meet().unwrap();
        }
    }) / WAITS as f64
        - COMPUTING.as_secs_f64();
    // Rank 0 sends all of it at once; what the other one says in the end is one wait more.
    let letters = median(ranks, 5, |ranks| {
        for _ in 0..LETTERS {
            ranks.broadcast(|| Ok(vec![0; 64])).unwrap();
        }
        ranks.meet().unwrap();
    });
    let message = (letters - wait).max(0.0) / LETTERS as f64;
    let sum = median(ranks, 5, |ranks| ranks.sum(&mut large).unwrap());
    serde_json::json!({ "wait": wait, "message": message, "sum_bytes": 4 * VALUES, "sum": sum })
}

fn main() {
    let job = Job::start(Duration::from_secs(30)).unwrap();
    let ranks = job.ranks();
    assert_eq!(ranks.size(), 2, "start it with `mpirun -n 2`");
    let found = rates(&ranks);
    if ranks.is_first() {
        match std::env::args().nth(1) {
            Some(path) => std::fs::write(path, found.to_string()).unwrap(),
            None => println!("{found}"),
        }
    }
    job.end(Ok(())).unwrap();
}
