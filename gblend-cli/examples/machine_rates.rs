//! What the machine can do at most, for `cargo xtask bench` to hold a training step against.
//!
//! Takes commands, a line each: `measure` answers with the rate of matrix products in floating-point operations per
//! second, and that of copies in bytes per second, read and written ones together.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::io::BufRead;
use std::time::{Duration, Instant};

use gblend_core::nn::Linear;
use gblend_core::tensor::Plain;
use gblend_core::{AutoDevice, Pass, Seed};

/// Rows and columns of the matrices: large enough that nothing but the product counts.
const SIDE: usize = 512;

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
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = 0.0;
        for thread in running {
            sum += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(sum)
    })
}

/// Floating-point operations per second: a fully connected layer is one product on the calling thread.
fn products() -> Result<f64, gblend_core::Error> {
    let device = AutoDevice::default();
    let layer = Linear::without_bias(&device, SIDE, SIDE, Seed::new(1))?;
    let input = Plain::filled(&device, (SIDE, SIDE), 0.5)?;
    per_second(2.0 * (SIDE * SIDE * SIDE) as f64, || {
        black_box(layer.forward(input.enter(Pass::evaluate().recorder()))?);
        Ok(())
    })
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
