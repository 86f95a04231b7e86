//! The device that a run computes on. The kind of device is fixed when the binary is built, its number when it starts.

use gblend_core::AutoDevice;

use crate::config::DeviceChoice;
use crate::error::{Error, Result};

/// Opens the device that the configuration asks for.
///
/// # Errors
/// [`Error::Usage`] if this binary was not built for it.
#[cfg(not(feature = "cuda"))]
pub(crate) fn open(choice: DeviceChoice) -> Result<AutoDevice> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(AutoDevice::default()),
        DeviceChoice::Cuda(_) => Err(Error::Usage(format!(
            "device `{choice}` was asked for, and this binary was built without CUDA: build one with \
             `cargo build --release --features cuda`, or ask for --device cpu"
        ))),
    }
}

/// Opens the device that the configuration asks for.
///
/// # Errors
/// [`Error::Usage`] if this binary was not built for it, [`Error::Device`] if it is not there or does not work.
#[cfg(feature = "cuda")]
pub(crate) fn open(choice: DeviceChoice) -> Result<AutoDevice> {
    let ordinal = match choice {
        DeviceChoice::Auto => 0,
        DeviceChoice::Cuda(ordinal) => ordinal,
        DeviceChoice::Cpu => {
            return Err(Error::Usage(
                "device `cpu` was asked for, and this binary computes on NVIDIA GPUs alone: build one without \
                 `--features cuda`, or ask for --device cuda"
                    .into(),
            ));
        }
    };
    gblend_core::cuda::open(ordinal).map_err(|error| Error::Device {
        asked: choice,
        advice: advice(&error),
        problem: error.to_string(),
    })
}

/// What to do about it.
#[cfg(feature = "cuda")]
fn advice(error: &gblend_core::cuda::OpenError) -> String {
    use gblend_core::cuda::OpenError;
    let other = "compute on the processor with a binary that was built without `--features cuda`";
    match error {
        OpenError::Library { .. } => format!("install it, or add its folder to LD_LIBRARY_PATH; or {other}"),
        OpenError::NoSuchGpu { found, .. } => match found {
            1 => "ask for --device cuda".to_owned(),
            _ => format!("ask for one of --device cuda:0 to cuda:{}", found - 1),
        },
        _ => {
            let visible = match std::env::var("CUDA_VISIBLE_DEVICES") {
                Ok(visible) => format!(" (CUDA_VISIBLE_DEVICES is `{visible}`)"),
                Err(_) => String::new(),
            };
            format!("`nvidia-smi` tells what the driver sees{visible}; or {other}")
        }
    }
}

/// The device as reports name it, for a run whose device could be opened.
pub(crate) fn name(choice: DeviceChoice) -> String {
    match choice {
        DeviceChoice::Auto if cfg!(feature = "cuda") => DeviceChoice::Cuda(0).to_string(),
        DeviceChoice::Auto => DeviceChoice::Cpu.to_string(),
        choice => choice.to_string(),
    }
}
