//! NVIDIA GPUs: which there are, the engine's device on one of them, and what is done there in another way than on the
//! processor.
//!
//! A binary that was built for CUDA starts on any machine and finds out at run time what is there, so that it can say
//! what is missing: [`libraries`] opens NVIDIA's libraries when they are first needed.

#[cfg(target_os = "linux")]
mod libraries;

use cudarc::driver::DriverError;
use cudarc::driver::result::{device, init};
use cudarc::driver::sys::CUresult;
use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, TensorFromVec};
use dfdx::tensor_ops::TryMul;

use super::composed::products::InnerProduct;
use super::composed::{self, flat_gradient, put_gradient};
use super::{DeviceKind, OpenError, Store};
use crate::array::Array;
use crate::engine::{Engine, ParamOn, SequenceEngine};
use crate::error::{Error, Result};
use crate::rule::Rule;
use crate::shape::{Dims1, Shape};

pub(crate) use composed::products::OnDevice as HeadGradient;

pub(crate) const KIND: DeviceKind = DeviceKind::Cuda;

/// Opens GPU `ordinal`, counted from 0.
pub(crate) fn open(ordinal: usize) -> Result<Cuda, OpenError> {
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
    Cuda::try_build(ordinal, 0).map_err(|error| OpenError::Failed(error.to_string()))
}

/// Every operation is the chain of the engine's own.
impl Engine for Cuda {}

impl SequenceEngine for Cuda {}

/// What `work`, which may compute with networks of its own, makes of each item, in order: one after another, as dfdx's
/// handle of a GPU belongs to one thread.
pub fn map_networks<T, R>(items: &[T], work: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(work).collect()
}

/// Shows a copy of a parameter's gradient to `read`.
pub(crate) fn read_gradient<S: Shape>(
    tensor: &ParamOn<S, Cuda>,
    store: &mut Store,
    read: impl FnOnce(&[f32]),
) -> Result<()> {
    store.try_alloc_for(tensor).map_err(Error::device)?;
    read(&store.get(tensor).as_vec());
    Ok(())
}

/// Lets `edit` change a copy of a parameter's gradient on the host, which then takes its place.
pub(crate) fn edit_gradient<S: Shape>(
    tensor: &ParamOn<S, Cuda>,
    store: &mut Store,
    edit: impl FnOnce(&mut [f32]),
) -> Result<()> {
    store.try_alloc_for(tensor).map_err(Error::device)?;
    let mut values = store.get(tensor).as_vec();
    edit(&mut values);
    set_gradient(tensor, store, &values)
}

/// Overwrites the gradient of a parameter, which has as many values.
pub(crate) fn set_gradient<S: Shape>(
    tensor: &ParamOn<S, Cuda>,
    store: &mut Store,
    values: &[f32],
) -> Result<()> {
    let values = tensor
        .device()
        .try_tensor_from_vec(values.to_vec(), *tensor.shape());
    put_gradient(tensor, store, values.map_err(Error::device)?)
}

/// Multiplies the gradient of a parameter, on the device.
pub(crate) fn scale_gradient<S: Shape>(
    tensor: &ParamOn<S, Cuda>,
    store: &mut Store,
    factor: f32,
) -> Result<()> {
    store.try_alloc_for(tensor).map_err(Error::device)?;
    let scaled = store.get(tensor).try_mul(factor).map_err(Error::device)?;
    put_gradient(tensor, store, scaled)
}

/// A sum of squares of gradients, which alone leaves the device.
#[derive(Debug, Default)]
pub(crate) struct Squares(InnerProduct<Cuda>);

impl Squares {
    /// Adds those of one parameter's.
    pub(crate) fn add<S: Shape>(&mut self, tensor: &ParamOn<S, Cuda>, store: &mut Store) -> Result<()> {
        let gradient = flat_gradient(tensor, store)?;
        self.0.add(&gradient, &gradient)
    }

    /// The sum, for which the host waits for the device.
    pub(crate) fn value(&self) -> f64 {
        self.0.value()
    }
}

/// A moment of a parameter, its values in one row.
pub(crate) type Moment = ParamOn<Dims1, Cuda>;

/// A moment of `tensor`.
pub(crate) fn moment_of<S: Shape>(tensor: &ParamOn<S, Cuda>, values: Vec<f32>) -> Result<Moment> {
    let length = values.len();
    let moment = tensor.device().try_tensor_from_vec(values, (length,));
    moment.map_err(Error::device)
}

/// A copy of a moment, of the shape of its parameter.
pub(crate) fn read_moment(moment: &Moment, shape: Vec<usize>) -> Result<Array> {
    Array::new(shape, moment.as_vec())
}

/// Moves a parameter and its moments as `rule` says.
pub(crate) fn update<S: Shape, const N: usize>(
    tensor: &mut ParamOn<S, Cuda>,
    store: &mut Store,
    moments: &mut [Moment; N],
    rule: &impl Rule<N>,
) -> Result<()> {
    let gradient = flat_gradient(tensor, store)?;
    composed::update::update(rule, tensor, gradient, moments)
}
