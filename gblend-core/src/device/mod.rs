//! The device that networks compute on, and all that differs between the processor and a GPU.
//!
//! A binary computes on one kind of device, which is chosen here and nowhere else: `cpu` and `cuda` have the same items,
//! and whatever needs them takes them from [`chosen`]. What a GPU does with whole tensors is in `composed`, made of
//! operations that run on any device, and is tested on the processor.

#[cfg(any(test, feature = "cuda"))]
mod composed;
#[cfg(not(feature = "cuda"))]
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod error;
pub(crate) mod products;

#[cfg(not(feature = "cuda"))]
pub(crate) use cpu as chosen;
#[cfg(feature = "cuda")]
pub(crate) use cuda as chosen;

pub use error::OpenError;

/// The engine's device.
pub(crate) type Chosen = dfdx::tensor::AutoDevice;
/// The engine's gradients, keyed by tensor.
pub(crate) type Store = dfdx::tensor::Gradients<f32, Chosen>;

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, which works on its own while the host goes on.
    Cuda,
}

/// The device that parameters and data live on.
#[derive(Clone, Debug, Default)]
pub struct AutoDevice(pub(crate) Chosen);

impl AutoDevice {
    /// The kind of device that this binary was built for.
    pub const KIND: DeviceKind = chosen::KIND;

    /// Whether reading a tensor makes the host wait until the device has done all that it was told before.
    pub const READING_WAITS: bool = matches!(Self::KIND, DeviceKind::Cuda);

    /// Opens the device of this number, counted from 0. The processor is there whatever the number.
    ///
    /// # Errors
    /// [`OpenError`]; nothing has been computed then.
    pub fn open(ordinal: usize) -> Result<Self, OpenError> {
        chosen::open(ordinal).map(Self)
    }
}

pub use chosen::map_networks;
