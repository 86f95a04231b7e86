//! Runs a target on its corpus and on changed copies of it, the same ones every time.
//!
//! `smoke run TARGET ITERATIONS SEED`; `smoke list` has a line `TARGET ITERATIONS` for each. With `GBLEND_FUZZ_LAST` set to a file, every input is written there first: what a
//! run that ended without a word had last is in it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gblend_fuzz::mutation::Inputs;
use gblend_fuzz::run;
use gblend_fuzz::targets::{TARGETS, Target, find};

/// Inputs that failed before a run is given up.
const MOST_FAILURES: u64 = 10;

/// How long one input may take. Nothing that is right comes near it.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parsed = match arguments.as_slice() {
        ["list"] => {
            for target in &TARGETS {
                println!("{} {}", target.name, target.iterations);
            }
            return ExitCode::SUCCESS;
        }
        ["run", name, iterations, seed] => find(name).zip(iterations.parse().ok().zip(seed.parse().ok())),
        _ => None,
    };
    let Some((target, (iterations, seed))) = parsed else {
        eprintln!("usage: smoke list | run TARGET ITERATIONS SEED");
        return ExitCode::from(3);
    };
    match smoke(target, iterations, seed) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("{}: {failures} input(s) failed", target.name);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{}: {error}", target.name);
            ExitCode::FAILURE
        }
    }
}

fn smoke(target: &'static Target, iterations: u64, seed: u64) -> std::io::Result<u64> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = read_corpus(&fuzz.join("corpus").join(target.name))?;
    let artifacts = fuzz.join("artifacts").join(target.name);
    let last = std::env::var_os("GBLEND_FUZZ_LAST").map(PathBuf::from);
    let progress = watch();
    let start = Instant::now();
    let (mut failures, mut accepted, mut fullest) = (0, 0, 0.0_f64);
    // Once for what is made at first use and then kept, which is not the input's doing.
    for (path, input) in &corpus {
        let found = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"found-"));
        let outcome = run(target, input);
        if !found && !outcome.is_ok_and(|outcome| outcome.accepted) {
            eprintln!("{}: {} was refused", target.name, path.display());
            failures += 1;
        }
    }
    let corpus: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let length = corpus.len() as u64;
    let mut inputs = Inputs::new(corpus.clone(), seed);
    for number in 0..length + iterations {
        progress.store(number, Ordering::Relaxed);
        let original = corpus.get(number as usize);
        let input = original
            .cloned()
            .unwrap_or_else(|| inputs.get(number, target.repair));
        if let Some(last) = &last {
            std::fs::write(last, &input)?;
        }
        match run(target, &input) {
            Ok(outcome) => {
                let share = outcome.peak as f64 / target.memory.limit(input.len()).max(1) as f64;
                fullest = fullest.max(share);
                if outcome.accepted && original.is_none() {
                    accepted += 1;
                    inputs.keep(number, input);
                }
            }
            Err(problem) => {
                std::fs::create_dir_all(&artifacts)?;
                let path = artifacts.join(format!("smoke-{seed}-{number}"));
                std::fs::write(&path, &input)?;
                eprintln!("{}: {problem}: {}", target.name, path.display());
                failures += 1;
                if failures == MOST_FAILURES {
                    break;
                }
            }
        }
    }
    println!(
        "{}: {iterations} inputs in {:.1} s, {accepted} of them accepted, {:.0} % of the memory allowed",
        target.name,
        start.elapsed().as_secs_f64(),
        100.0 * fullest
    );
    Ok(failures)
}

/// The files of a folder in the order of their names.
fn read_corpus(folder: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let corpus = paths
        .into_iter()
        .map(|path| std::fs::read(&path).map(|bytes| (path, bytes)))
        .collect::<std::io::Result<Vec<_>>>()?;
    if corpus.is_empty() {
        return Err(std::io::Error::other(format!(
            "no corpus in {}",
            folder.display()
        )));
    }
    Ok(corpus)
}

/// Ends the process if the number that it returns stays the same for too long.
fn watch() -> Arc<AtomicU64> {
    let progress = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&progress);
    std::thread::spawn(move || {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = watched.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                eprintln!("input {now} takes longer than {} s", PATIENCE.as_secs());
                std::process::exit(2);
            }
        }
    });
    progress
}
