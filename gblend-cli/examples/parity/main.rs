//! Every operation, layer, loss and optimizer on fixed inputs, for comparing two devices.
//!
//! `parity write FILE` runs them on the device of this binary and keeps outputs, gradients and running statistics;
//! `parity compare FILE` runs them again and compares with what a binary for another device kept. It prints a line of JSON
//! for each case and fails if one differs.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod comparison;
mod layers;
mod losses;
mod operations;
mod outcome;
mod sequences;
mod stored;
mod training;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use gblend_core::params::State;
use gblend_core::{AutoDevice, Result};

use comparison::compare;

/// Computes a case on a device.
type Run = dyn Fn(&AutoDevice) -> Result<State>;

/// Something to compute, by name.
struct Case {
    name: String,
    run: Box<Run>,
}

impl Case {
    fn new(name: impl Into<String>, run: impl Fn(&AutoDevice) -> Result<State> + 'static) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = operations::cases();
    cases.extend(layers::cases());
    cases.extend(sequences::cases());
    cases.extend(losses::cases());
    cases.extend(training::cases());
    cases
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", file] => write(Path::new(file)),
        ["compare", file] => compare_with(Path::new(file)),
        _ => Err("usage: parity write FILE | parity compare FILE".into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn write(file: &Path) -> Result<bool, Box<dyn Error>> {
    let device = AutoDevice::open(0)?;
    let mut all = State::new();
    for case in cases() {
        let outcome = (case.run)(&device).map_err(|error| format!("{}: {error}", case.name))?;
        all.extend(
            outcome
                .into_iter()
                .map(|(tensor, array)| (format!("{}/{tensor}", case.name), array)),
        );
    }
    stored::write(file, &all)?;
    Ok(true)
}

fn compare_with(file: &Path) -> Result<bool, Box<dyn Error>> {
    let device = AutoDevice::open(0)?;
    let stored = stored::read(file)?;
    let mut known = 0;
    let mut alike = true;
    for case in cases() {
        let prefix = format!("{}/", case.name);
        let expected: State = stored
            .iter()
            .filter_map(|(name, array)| Some((name.strip_prefix(&prefix)?.to_owned(), array.clone())))
            .collect();
        known += expected.len();
        // One operation that fails should not hide the others.
        let verdict = match (case.run)(&device) {
            Ok(found) => compare(&expected, &found),
            Err(error) => comparison::Verdict::failed(error.to_string()),
        };
        alike &= verdict.alike;
        println!("{}", verdict.line(&case.name));
    }
    if known != stored.len() {
        return Err(format!(
            "{}: tensors of cases that this binary does not have",
            file.display()
        )
        .into());
    }
    Ok(alike)
}
