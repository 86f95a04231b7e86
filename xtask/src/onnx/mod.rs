//! `cargo xtask onnx`: ONNX Runtime, from PyPI, says the same of exported models as gblend.

mod tables;
mod trained;

use std::env::consts::EXE_SUFFIX;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use serde::Deserialize;

use crate::Result;
use crate::command_line::gblend;
use crate::metadata::target_directory;
use crate::process::{output_of, succeed, workspace};
use crate::python::environment;
use trained::{Trained, of_scene, of_scene_in_part, of_table};

/// The largest difference that is none, of probabilities, and of numbers as a share of them.
const TOLERANCE: f64 = 1e-4;

/// Part of the reason why gblend has no network of a fusion of maps with an encoder that has none.
const NO_STAGES: &str = "encoders with stages";

/// What the peers import.
const PACKAGES: [&str; 4] = ["onnx", "onnxruntime", "tokenizers", "blake3"];

#[derive(Debug, Args)]
pub(crate) struct Onnx {
    /// Write the differences into docs/onnx.md.
    #[arg(long)]
    write: bool,
}

/// A model, and how far ONNX Runtime is from what gblend says.
#[derive(Debug, Deserialize)]
struct Case {
    /// The table that it stands in, and where.
    table: String,
    row: String,
    column: String,
    /// None if there is no such network, or it cannot be exported.
    difference: Option<f64>,
    /// Why gblend builds no such network.
    refused: Option<String>,
    /// Why it cannot be exported.
    not_exported: Option<String>,
}

impl Onnx {
    /// As continuous integration has it.
    pub(crate) const CHECK: Self = Self { write: false };

    pub(crate) fn run(self) -> Result {
        let python = environment("onnx", &PACKAGES)?;
        let gblend = gblend()?;
        let folder = fresh("cases")?;
        let example = target_directory()?.join(format!("debug/examples/onnx_models{EXE_SUFFIX}"));
        succeed(Command::new(example).arg(&folder))?;
        let script = workspace().join("xtask/peers/onnx_models.py");
        let told = output_of(Command::new(&python).arg(script).arg(&folder))?;
        let cases: Vec<Case> = serde_json::from_str(&told)?;
        let trained = [
            of_scene(&gblend, &python)?,
            of_scene_in_part(&gblend, &python)?,
            of_table(&gblend, &python)?,
        ];
        check(&cases, &trained)?;
        println!("{} models, and {} that were trained", cases.len(), trained.len());
        if self.write {
            tables::write(&cases, &trained)?;
        }
        Ok(())
    }
}

/// An empty folder for what this task writes.
fn fresh(name: &str) -> Result<PathBuf> {
    let folder = workspace().join("target/onnx").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Every model says the same, and those that there are none of are none because gblend has no such network.
fn check(cases: &[Case], trained: &[Trained]) -> Result {
    let mut problems = String::new();
    for case in cases {
        let problem = match (&case.not_exported, case.difference, &case.refused) {
            (Some(reason), ..) => format!("cannot be exported: {reason}"),
            (None, Some(difference), _) if difference > TOLERANCE => format!("differs by {difference:.1e}"),
            (None, Some(_), _) => continue,
            (None, None, Some(reason)) if reason.contains(NO_STAGES) => continue,
            (None, None, reason) => format!("there is no such network: {reason:?}"),
        };
        writeln!(problems, "{}, {}: {problem}", case.row, case.column)?;
    }
    for one in trained.iter().filter(|one| one.difference > TOLERANCE) {
        writeln!(
            problems,
            "a model of {} differs by {:.1e}",
            one.of, one.difference
        )?;
    }
    if cases.iter().all(|case| case.difference.is_none()) {
        problems.push_str("no model was compared\n");
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(format!("ONNX Runtime says something else than gblend:\n{problems}").into()),
    }
}
