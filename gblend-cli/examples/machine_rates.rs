//! What the machine can do at most, for `cargo xtask bench` to hold a training step against.
//!
//! Takes commands, a line each: `measure` answers with the rate of matrix products in floating-point operations per
//! second, and that of copies in bytes per second, read and written ones together.
//!
//! Each thread has a pool of its own, of one thread. A product by the threads that all share would be divided among them, and the rate
//! of one would be that of all the cores that have nothing else to do.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::io::BufRead;
use std::time::{Duration, Instant};

use gblend_core::nn::Linear;
use gblend_core::tensor::Plain;
use gblend_core::{AutoDevice, Pass, Seed};

/// Rows of the matrix on the left: so many that nothing but the product counts.
const ROWS: usize = 2048;

/// Rows and columns of the other one. The best rate is what a machine can do.
const SIDES: [usize; 3] = [128, 256, 512];

/// Elements of a copy: more than caches hold.
const COPIED: usize = 1 << 23;

/// How long each thread is at it.
const WINDOW: Duration = Duration::from_millis(60);

fn main() -> Result<(), Box<dyn Error>> {
    let Some(threads) = std::env::args().nth(1) else {
        return Err("usage: machine_rates THREADS".into());
    };
    let threads: usize = threads.parse()?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        if line?.trim() != "measure" {
            return Err("the only command is `measure`".into());
        }
        let gemm = rate(threads, products)?;
        let copy = rate(threads, copies)?;
        println!("{}", serde_json::json!({ "gemm": gemm, "copy": copy }));
    }
    Ok(())
}

/// The sum over threads of what each does in a second.
fn rate(threads: usize, work: fn() -> Result<f64, gblend_core::Error>) -> Result<f64, Box<dyn Error>> {
    std::thread::scope(|scope| {
        let alone = move || -> Result<f64, String> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            let pool = pool.map_err(|error| error.to_string())?;
            pool.install(work).map_err(|error| error.to_string())
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(alone)).collect();
        let mut sum = 0.0;
        for thread in running {
            sum += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(sum)
    })
}

/// Floating-point operations per second: a fully connected layer is one product.
fn products() -> Result<f64, gblend_core::Error> {
    let device = AutoDevice::default();
    let mut best: f64 = 0.0;
    for side in SIDES {
        let layer = Linear::without_bias(&device, side, side, Seed::new(1))?;
        let input = Plain::filled(&device, (ROWS, side), 0.5)?;
        let rate = per_second(2.0 * (ROWS * side * side) as f64, || {
            black_box(layer.forward(input.enter(Pass::evaluate().recorder()))?);
            Ok(())
        })?;
        best = best.max(rate);
    }
    Ok(best)
}

/// Bytes per second.
fn copies() -> Result<f64, gblend_core::Error> {
    let from = vec![1.0_f32; COPIED];
    let mut to = vec![0.0_f32; COPIED];
    per_second(8.0 * COPIED as f64, || {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        Ok(())
    })
}

/// Of the fastest of many times: what else the machine does is no part of what it can do.
fn per_second(
    amount: f64,
    mut work: impl FnMut() -> Result<(), gblend_core::Error>,
) -> Result<f64, gblend_core::Error> {
    work()?;
    let begun = Instant::now();
    let mut fastest = f64::INFINITY;
    while begun.elapsed() < WINDOW {
        let started = Instant::now();
        work()?;
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    Ok(amount / fastest)
}
