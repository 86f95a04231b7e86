//! NVIDIA GPUs: which there are, and dfdx's device on one of them.
//!
//! A binary that was built for CUDA starts on any machine and finds out at run time what is there, so that it can say
//! what is missing: [`libraries`] opens NVIDIA's libraries when they are first needed.

#[cfg(target_os = "linux")]
mod libraries;

use cudarc::driver::DriverError;
use cudarc::driver::result::{device, init};
use cudarc::driver::sys::CUresult;

use crate::tensor::AutoDevice;

/// Why there is no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A library cannot be opened.
    #[error("{library} cannot be opened ({problem})")]
    Library {
        /// What it is called, and the names that were tried.
        library: String,
        /// What the system says.
        problem: String,
    },
    /// The driver sees no GPU.
    #[error("there is an NVIDIA driver, but it sees no GPU")]
    NoGpu,
    /// The driver sees fewer GPUs.
    #[error("there is no GPU {asked}: the driver sees {found}, counted from 0")]
    NoSuchGpu {
        /// The number that was asked for.
        asked: usize,
        /// How many there are.
        found: usize,
    },
    /// The driver, cuBLAS or the memory of the GPU failed.
    #[error("the GPU cannot be used: {0}")]
    Failed(String),
}

/// Opens GPU `ordinal`, counted from 0.
///
/// # Errors
/// [`OpenError`]; nothing has been computed then.
pub fn open(ordinal: usize) -> Result<AutoDevice, OpenError> {
    #[cfg(target_os = "linux")]
    libraries::DRIVER.check()?;
    let driver = |error: DriverError| match error.0 {
        CUresult::CUDA_ERROR_NO_DEVICE => OpenError::NoGpu,
        _ => OpenError::Failed(error.to_string()),
    };
    // dfdx and cudarc take all this for granted, and panic where it is not so.
    init().map_err(driver)?;
    match usize::try_from(device::get_count().map_err(driver)?).unwrap_or(0) {
        0 => return Err(OpenError::NoGpu),
        found if ordinal >= found => {
            return Err(OpenError::NoSuchGpu {
                asked: ordinal,
                found,
            });
        }
        _ => {}
    }
    #[cfg(target_os = "linux")]
    {
        libraries::CUBLAS.check()?;
        libraries::NVRTC.check()?;
    }
    AutoDevice::try_build(ordinal, 0).map_err(|error| OpenError::Failed(error.to_string()))
}
