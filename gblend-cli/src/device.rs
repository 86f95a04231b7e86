//! The device that a run computes on.

use gblend_core::AutoDevice;

use crate::config::DeviceChoice;
use crate::error::{Error, Result};

/// Opens the device that the configuration asks for.
///
/// # Errors
/// [`Error::Usage`] if this binary was not built for it, [`Error::Core`] if it does not work.
pub(crate) fn open(choice: DeviceChoice) -> Result<AutoDevice> {
    let built_for_cuda = cfg!(feature = "cuda");
    match choice {
        DeviceChoice::Cuda if !built_for_cuda => Err(Error::Usage(
            "run.device = \"cuda\": this binary was built without CUDA; build it with \
             `cargo build --release --features cuda`, or ask for run.device = \"cpu\""
                .into(),
        )),
        DeviceChoice::Cpu if built_for_cuda => Err(Error::Usage(
            "run.device = \"cpu\": this binary was built for CUDA alone; build it without \
             `--features cuda`"
                .into(),
        )),
        _ => build(),
    }
}

#[cfg(not(feature = "cuda"))]
fn build() -> Result<AutoDevice> {
    Ok(AutoDevice::default())
}

#[cfg(feature = "cuda")]
fn build() -> Result<AutoDevice> {
    AutoDevice::try_build(0, 0).map_err(|error| gblend_core::Error::device(error).into())
}

/// `cpu` or `cuda`, as reports name it.
pub(crate) fn name() -> &'static str {
    if cfg!(feature = "cuda") { "cuda" } else { "cpu" }
}
