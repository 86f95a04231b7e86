//! `cargo xtask gpu-bundle`: a folder to carry to a machine with a GPU and neither Rust nor a network.
//!
//! The engine compiles some kernels at run time, with headers at absolute paths of the build: `CUDA_PATH/include` and the output
//! folder of its build script. So the GPU build is made under a folder, `--prefix`, that `run.sh` makes again at the same
//! place on the other machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::json;

use crate::Result;
use crate::cuda::{Toolkit, WHEELS, check_needed};
use crate::process::{cargo, output_of, succeed, workspace};

#[derive(Debug, Args)]
pub(crate) struct GpuBundle {
    /// Where to put it. Default: target/gpu-bundle.
    #[arg(long)]
    out: Option<PathBuf>,
    /// The folder that the GPU build is made under, and that is made again on the GPU machine. It should not be there yet
    /// on either.
    #[arg(long, default_value = "/tmp/gblend-cuda")]
    prefix: PathBuf,
    /// The compute capability of the GPU.
    #[arg(long, default_value = "9.0")]
    capability: String,
}

const EXAMPLES: [&str; 2] = ["parity", "training_step"];

/// What the runs of both sides are asked for. AV-MNIST's six epochs would take the GPU's time without telling more.
const RUNS: [(&str, &[&str]); 3] = [
    ("quickstart", &["--seed", "0"]),
    (
        "equal",
        &[
            "--seed",
            "0",
            "--set",
            "blend.kind=equal",
            "--set",
            "run.epochs=4",
        ],
    ),
    (
        "avmnist",
        &["avmnist.toml", "--seed", "0", "--set", "run.epochs=2"],
    ),
];

impl GpuBundle {
    pub(crate) fn run(&self) -> Result {
        let Some(toolkit) = Toolkit::install(&self.prefix.join("toolkit"), &self.capability)? else {
            println!("skipped: the CUDA compiler cannot be installed here");
            return Ok(());
        };
        let target = self.prefix.join("target");
        let mut build = toolkit.cargo();
        everything(&mut build);
        succeed(build.args(["--features", "cuda", "--target-dir"]).arg(&target))?;
        succeed(everything(&mut cargo()))?;

        let out = self
            .out
            .clone()
            .unwrap_or_else(|| workspace().join("target/gpu-bundle"));
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        for folder in ["cpu", "gpu", "kernels"] {
            std::fs::create_dir_all(out.join(folder))?;
        }
        let out = out.canonicalize()?;
        self.pack_build(&target.join("release"), &out)?;
        let here = workspace();
        for (from, to) in [
            ("xtask/gpu/run.sh", "run.sh"),
            ("xtask/gpu/measure.py", "measure.py"),
            ("xtask/peers/training_step.py", "training_step.py"),
            ("xtask/peers/training_step_rows.py", "training_step_rows.py"),
            ("examples/avmnist.toml", "avmnist.toml"),
        ] {
            std::fs::copy(here.join(from), out.join(to))?;
        }
        compute_on_cpu(&here.join("target/release"), &out)?;
        println!("\n{} is ready. On the GPU machine:\n    sh run.sh", out.display());
        Ok(())
    }

    /// The binaries for the GPU, and the headers that they look for.
    fn pack_build(&self, release: &Path, out: &Path) -> Result {
        std::fs::copy(release.join("gblend"), out.join("gpu/gblend"))?;
        for example in EXAMPLES {
            std::fs::copy(
                release.join("examples").join(example),
                out.join("gpu").join(example),
            )?;
        }
        for binary in ["gblend", "parity", "training_step"] {
            check_needed(&out.join("gpu").join(binary))?;
        }
        let headers = newest_headers(&release.join("build"))?;
        for entry in std::fs::read_dir(&headers)? {
            let path = entry?.path();
            if let (Some("cuh"), Some(name)) = (path.extension().and_then(|e| e.to_str()), path.file_name()) {
                std::fs::copy(&path, out.join("kernels").join(name))?;
            }
        }
        let include = self.prefix.join("toolkit/include");
        succeed(Command::new("cp").arg("-r").arg(include).arg(out.join("include")))?;
        let environment = format!(
            "PREFIX={}\nOUT_DIR={}\n",
            self.prefix.display(),
            headers.display()
        );
        std::fs::write(out.join("build.env"), environment)?;
        let revision = output_of(
            Command::new("git")
                .args(["rev-parse", "HEAD"])
                .current_dir(workspace()),
        );
        let build = json!({
            "revision": revision.ok().map(|revision| revision.trim().to_owned()),
            "compute_capability": self.capability,
            "compiler": WHEELS,
        });
        std::fs::write(out.join("build.json"), format!("{build:#}\n"))?;
        Ok(())
    }
}

/// Asks for everything that is packed.
fn everything(cargo: &mut Command) -> &mut Command {
    cargo.args(["build", "--release", "--package", "gblend-cli", "--bin", "gblend"]);
    for example in EXAMPLES {
        cargo.args(["--example", example]);
    }
    cargo
}

/// The output folder of the engine's build script.
fn newest_headers(build: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(build)? {
        let header = entry?.path().join("out/cuda_utils.cuh");
        if let Ok(metadata) = header.metadata() {
            found.push((metadata.modified()?, header));
        }
    }
    let newest = found.into_iter().max();
    let folder = newest.and_then(|(_, header)| header.parent().map(Path::to_owned));
    folder.ok_or_else(|| format!("no cuda_utils.cuh under {}", build.display()).into())
}

/// What the GPU's results are compared with.
fn compute_on_cpu(release: &Path, out: &Path) -> Result {
    let expected = out.join("cpu/parity.safetensors");
    succeed(
        Command::new(release.join("examples/parity"))
            .arg("write")
            .arg(expected),
    )?;
    let data = std::env::var_os("GBLEND_DATA").map(PathBuf::from);
    for (name, arguments) in RUNS {
        if name == "avmnist" {
            let Some(data) = data
                .as_ref()
                .map(|data| data.join("avmnist"))
                .filter(|data| data.is_dir())
            else {
                println!("no AV-MNIST in the bundle: GBLEND_DATA names no folder that has it");
                continue;
            };
            std::fs::create_dir_all(out.join("data"))?;
            succeed(
                Command::new("cp")
                    .arg("-r")
                    .arg(data)
                    .arg(out.join("data/avmnist")),
            )?;
        }
        let mut train = Command::new(release.join("gblend"));
        train.arg("train").args(arguments).arg("--quiet").arg("--out");
        train.arg(out.join("cpu").join(name));
        succeed(train.current_dir(out).env("GBLEND_DATA", out.join("data")))?;
        let arguments = serde_json::to_string(arguments)?;
        std::fs::write(out.join("cpu").join(format!("{name}.json")), arguments)?;
    }
    // Prepared samples are made anew on the other machine.
    let _ = std::fs::remove_dir_all(out.join("runs"));
    Ok(())
}
