//! Why there is no device.

/// Why a device cannot be opened.
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
