//! Figures on disk, with what they were measured on.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::Result;
use crate::process::{output_of, workspace};

/// Writes `target/bench/NAME.json`: the figures, the machine and the versions.
pub(super) fn write(name: &str, python: Option<&Path>, figures: &Value) -> Result {
    let folder = workspace().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{name}.json"));
    let command: Vec<String> = std::env::args().skip(1).collect();
    let record = json!({
        "command": format!("cargo xtask {}", command.join(" ")),
        "processor": processor(),
        "load": std::fs::read_to_string("/proc/loadavg").ok().map(|load| load.trim().to_owned()),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "gblend": revision(),
        "rustc": first_line(Command::new("rustc").arg("--version")),
        "torch": python.and_then(|python| {
            first_line(Command::new(python).args(["-c", "import torch; print(torch.__version__)"]))
        }),
        "figures": figures,
    });
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&record)?))?;
    println!("\nwrote {}", path.display());
    Ok(())
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    let widest = ["avx512f", "avx2"]
        .into_iter()
        .find(|flag| text.split_whitespace().any(|word| word == *flag));
    Some(format!(
        "{}, {}",
        name.trim(),
        widest.unwrap_or("neither AVX2 nor AVX-512")
    ))
}

fn revision() -> Option<String> {
    first_line(
        Command::new("git")
            .current_dir(workspace())
            .args(["describe", "--always", "--dirty"]),
    )
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = output_of(command).ok()?;
    output.lines().next().map(str::to_owned)
}
