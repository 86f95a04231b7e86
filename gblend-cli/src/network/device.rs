//! The device that a run computes on. The kind of device is fixed when the binary is built, its number when it starts.

use gblend_core::AutoDevice;
use gblend_core::device::{DeviceKind, OpenError};

use crate::config::DeviceChoice;
use crate::error::{Error, Result};

/// Opens the device that the configuration asks for.
///
/// # Errors
/// [`Error::Usage`] if this binary was not built for it, [`Error::Device`] if it is not there or does not work.
pub(crate) fn open(choice: DeviceChoice) -> Result<AutoDevice> {
    let ordinal = match (choice, AutoDevice::KIND) {
        (DeviceChoice::Auto, _) | (DeviceChoice::Cpu, DeviceKind::Cpu) => 0,
        (DeviceChoice::Cuda(ordinal), DeviceKind::Cuda) => ordinal,
        (DeviceChoice::Cuda(_), _) => {
            return Err(Error::Usage(format!(
                "device `{choice}` was asked for, and this binary was built without CUDA: build one with \
                 `cargo build --release --features cuda`, or ask for --device cpu"
            )));
        }
        (DeviceChoice::Cpu, _) => {
            return Err(Error::Usage(
                "device `cpu` was asked for, and this binary computes on NVIDIA GPUs alone: build one without \
                 `--features cuda`, or ask for --device cuda"
                    .into(),
            ));
        }
    };
    AutoDevice::open(ordinal).map_err(|error| Error::Device {
        asked: choice,
        advice: advice(&error),
        problem: error.to_string(),
    })
}

/// What to do about it.
fn advice(error: &OpenError) -> String {
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
        DeviceChoice::Auto => match AutoDevice::KIND {
            DeviceKind::Cpu => DeviceChoice::Cpu.to_string(),
            _ => DeviceChoice::Cuda(0).to_string(),
        },
        choice => choice.to_string(),
    }
}
