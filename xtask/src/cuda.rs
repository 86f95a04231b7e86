//! `cargo xtask cuda`: builds and links the CUDA build on a machine with neither a GPU nor a CUDA toolkit.
//!
//! The compiler comes from PyPI. The library files that the linker is shown are empty: `gblend-core/src/device/cuda/libraries.rs`
//! defines every function that gblend reaches, and the linker would name any that it does not.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use clap::Args;

use crate::Result;
use crate::metadata::target_directory;
use crate::process::{at_level, cargo, output_of, succeed, workspace};
use crate::python::wheels;

#[derive(Debug, Args)]
pub(crate) struct Cuda {
    /// The compute capability of the GPUs that it is built for.
    #[arg(long, default_value = "9.0")]
    capability: String,
    /// Build what `cargo test` has built most of, to see whether it links.
    #[arg(long)]
    dev: bool,
}

/// nvcc with what it calls and includes. They make code that drivers of CUDA 13.0 and later take.
pub(crate) const WHEELS: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];

/// What cudarc's build script tells the linker to look for.
const LIBRARIES: [&str; 4] = ["cuda", "nvrtc", "cublas", "cublasLt"];

/// An archive without a member.
const EMPTY_ARCHIVE: &str = "!<arch>\n";

impl Cuda {
    pub(crate) fn run(&self) -> Result {
        if !self.check()? {
            println!("skipped: the CUDA compiler cannot be installed here");
        }
        Ok(())
    }

    /// What continuous integration has time for; false if the compiler cannot be installed here.
    pub(crate) fn links() -> Result<bool> {
        let dev = Self {
            capability: "9.0".to_owned(),
            dev: true,
        };
        dev.check()
    }

    fn check(&self) -> Result<bool> {
        let folder = workspace().join("target/cuda");
        let Some(toolkit) = Toolkit::install(&folder.join("toolkit"), &self.capability)? else {
            return Ok(false);
        };
        let began = Instant::now();
        let binary = if self.dev {
            self.build_dev(&toolkit, &folder)?
        } else {
            self.build_release(&toolkit, &folder)?
        };
        println!("built in {:.0} s", began.elapsed().as_secs_f64());
        check_needed(&binary)?;
        check_messages(&binary, &folder)?;
        Ok(true)
    }

    fn build_release(&self, toolkit: &Toolkit, folder: &Path) -> Result<PathBuf> {
        let mut build = toolkit.cargo();
        build.args(["build", "--release", "--package", "gblend-cli"]);
        build.args(["--features", "cuda", "--target-dir"]).arg(folder);
        succeed(&mut build)?;
        Ok(folder.join("release/gblend"))
    }

    /// The workspace's features and its folder, for the sake of the dependencies that are there.
    fn build_dev(&self, toolkit: &Toolkit, folder: &Path) -> Result<PathBuf> {
        let mut build = toolkit.cargo();
        build.args(["build", "--workspace", "--bin", "gblend"]);
        build.args(at_level(
            0,
            &["gblend-core", "gblend-optim", "gblend-modalities", "gblend-cli"],
        ));
        succeed(build.args(["--features", "gblend-cli/cuda"]))?;
        let binary = folder.join("gblend");
        // The next build puts another one in its place.
        std::fs::copy(target_directory()?.join("debug/gblend"), &binary)?;
        Ok(binary)
    }
}

/// A folder that looks to build scripts like a CUDA toolkit on a machine with a GPU.
pub(crate) struct Toolkit {
    root: PathBuf,
    compiler: PathBuf,
    capability: String,
}

impl Toolkit {
    /// Makes it at `root`. `None` if the compiler cannot be installed here.
    pub(crate) fn install(root: &Path, capability: &str) -> Result<Option<Self>> {
        let Some(packages) = wheels("cuda", &WHEELS)? else {
            return Ok(None);
        };
        let installed = packages.join("nvidia/cu13");
        let toolkit = Self {
            root: root.to_owned(),
            compiler: installed.join("bin"),
            capability: capability.to_owned(),
        };
        let libraries = root.join("lib64");
        std::fs::create_dir_all(&libraries)?;
        std::fs::create_dir_all(root.join("bin"))?;
        for library in LIBRARIES {
            write_new(&libraries.join(format!("lib{library}.a")), EMPTY_ARCHIVE)?;
        }
        // The engine's build script asks it for the GPU's compute capability.
        let smi = root.join("bin/nvidia-smi");
        write_new(
            &smi,
            &format!("#!/bin/sh\nprintf 'compute_cap\\n{capability}\\n'\n"),
        )?;
        succeed(Command::new("chmod").arg("+x").arg(&smi))?;
        let include = root.join("include");
        if !include.join("cuda.h").is_file() {
            succeed(
                Command::new("cp")
                    .arg("-r")
                    .arg(installed.join("include"))
                    .arg(&include),
            )?;
        }
        Ok(Some(toolkit))
    }

    /// `cargo` that builds with it.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = cargo();
        let path = std::env::var("PATH").unwrap_or_default();
        let own = [self.root.join("bin"), self.compiler.clone()].map(|folder| folder.display().to_string());
        cargo
            .env("PATH", format!("{}:{path}", own.join(":")))
            .env("CUDA_PATH", &self.root)
            // As if from `nvidia-smi`; a change of it builds anew.
            .env("CUDA_COMPUTE_CAP", self.capability.replace('.', ""));
        cargo
    }
}

/// Writes a file unless it is there with this content: what is newer than a build is built again.
fn write_new(path: &Path, content: &str) -> Result {
    if std::fs::read_to_string(path).is_ok_and(|current| current == content) {
        return Ok(());
    }
    Ok(std::fs::write(path, content)?)
}

/// Fails if the binary does not start without NVIDIA's libraries.
pub(crate) fn check_needed(binary: &Path) -> Result {
    let dynamic = output_of(Command::new("readelf").args(["--dynamic", "--wide"]).arg(binary))?;
    let needed = needed(&dynamic);
    println!("{} needs {}", binary.display(), needed.join(", "));
    match needed.iter().find(|library| is_nvidias(library)) {
        None => Ok(()),
        Some(library) => Err(format!(
            "{} needs {library}: a function of it is not defined in gblend-core/src/device/cuda/libraries.rs",
            binary.display()
        )
        .into()),
    }
}

/// The libraries that a binary is linked with, from what `readelf` says of it.
fn needed(dynamic: &str) -> Vec<&str> {
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let names = lines.filter_map(|line| line.split_once('[')?.1.split_once(']'));
    names.map(|(name, _)| name).collect()
}

fn is_nvidias(library: &str) -> bool {
    LIBRARIES
        .iter()
        .any(|name| library.starts_with(&format!("lib{name}.so")))
}

/// A driver that finds so many GPUs.
fn driver_source(gpus: usize) -> String {
    let status = if gpus == 0 { "100" } else { "0" };
    format!(
        "int cuInit(unsigned flags) {{ (void)flags; return {status}; }}\n\
         int cuDeviceGetCount(int *count) {{ *count = {gpus}; return 0; }}\n"
    )
}

/// Runs the binary with no driver, with one that finds no GPU, and with one that finds two: it must say so.
fn check_messages(binary: &Path, folder: &Path) -> Result {
    let train = |libraries: &Path, device: &str| -> Result<Output> {
        let mut gblend = Command::new(binary);
        gblend.args(["train", "--quiet", "--device", device, "--out"]);
        gblend
            .arg(folder.join("no-run"))
            .env("LD_LIBRARY_PATH", libraries);
        gblend.env_remove("CUDA_VISIBLE_DEVICES");
        Ok(gblend.output()?)
    };
    let expect = |output: &Output, code: i32, message: &str| -> Result {
        let stderr = String::from_utf8_lossy(&output.stderr);
        println!("{}", stderr.trim_end());
        if output.status.code() == Some(code) && stderr.contains(message) {
            return Ok(());
        }
        Err(format!(
            "expected exit code {code} and `{message}`, found {}",
            output.status
        )
        .into())
    };
    // An empty file hides a driver that the machine may have.
    let missing = folder.join("drivers/missing");
    std::fs::create_dir_all(&missing)?;
    std::fs::write(missing.join("libcuda.so.1"), "")?;
    expect(&train(&missing, "auto")?, 1, "libcuda.so.1")?;
    expect(&train(&missing, "cpu")?, 2, "without `--features cuda`")?;
    expect(&train(&fake_driver(folder, 0)?, "cuda")?, 1, "sees no GPU")?;
    let two = fake_driver(folder, 2)?;
    expect(
        &train(&two, "cuda:2")?,
        1,
        "ask for one of --device cuda:0 to cuda:1",
    )
}

/// Builds a driver in a folder of its own.
fn fake_driver(folder: &Path, gpus: usize) -> Result<PathBuf> {
    let folder = folder.join("drivers").join(format!("{gpus}-gpus"));
    std::fs::create_dir_all(&folder)?;
    let source = folder.join("driver.c");
    std::fs::write(&source, driver_source(gpus))?;
    let library = folder.join("libcuda.so.1");
    let shared = ["-shared", "-fPIC", "-o"];
    succeed(Command::new("cc").args(shared).arg(library).arg(source))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_binary_needs_is_read_from_readelf() {
        let dynamic = " 0x1 (NEEDED)  Shared library: [libgcc_s.so.1]\n\
                       \x200x1 (NEEDED)  Shared library: [libcublasLt.so.13]\n\
                       \x200x1d (RUNPATH)  Library runpath: [/nowhere]\n";
        assert_eq!(needed(dynamic), ["libgcc_s.so.1", "libcublasLt.so.13"]);
        assert!(is_nvidias("libcublasLt.so.13") && is_nvidias("libcuda.so.1"));
        assert!(!is_nvidias("libgcc_s.so.1"));
    }
}
