//! Tensors on the device, and how values come there and back.

use std::sync::atomic::{AtomicU64, Ordering};

use dfdx::shapes::HasShape;
use dfdx::tensor::{Merge, PutTape, SplitTape, TensorFromVec};
use dfdx::tensor_ops::{ReshapeTo, TryMul};

use crate::array::Array;
use crate::device::{AutoDevice, Chosen};
use crate::engine::{ParamOn, RecorderOn, TapedOn};
use crate::error::{Error, Result};
use crate::graph::{self, Operand, Operation, Origin};
use crate::recorder::Recorder;
use crate::shape::{Dims0, Dims2, Dims4, Shape};

/// A tensor on the device that is part of no pass: a parameter or data.
#[derive(Clone, Debug)]
pub struct Plain<S: Shape>(pub(crate) ParamOn<S, Chosen>, Identity);

/// A tensor on its way through a network, with the pass's [`Recorder`].
#[derive(Debug)]
pub struct Taped<S: Shape> {
    values: ParamOn<S, Chosen>,
    recorder: RecorderOn<Chosen>,
    identity: Identity,
    origin: Origin,
}

/// Which tensor it is. Gradients are kept by tensor: its copies, and the same elements under another shape, have one
/// gradient, and the engine cannot take two of them into one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64);

impl Identity {
    /// Of a tensor that is no copy.
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Feature vectors, `[batch, features]`.
pub type Features = Taped<Dims2>;

/// Unnormalized class scores, `[batch, classes]`.
pub type Logits = Taped<Dims2>;

/// Feature maps, `[channels, height, width, frames × batch]`, the batch innermost.
pub type Maps = Taped<Dims4>;

/// A loss: the mean over the batch.
pub type Loss = Taped<Dims0>;

impl<S: Shape> Plain<S> {
    /// A tensor of these values, in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many values as the shape says, [`Error::Device`] if the device has no memory
    /// for them.
    pub fn new(device: &AutoDevice, shape: S, values: Vec<f32>) -> Result<Self> {
        if values.len() != shape.elements() {
            let expected = format!("{} values for the shape {:?}", shape.elements(), shape.extents());
            return Err(Error::shape("a tensor", expected, [values.len()]));
        }
        let tensor = device.0.try_tensor_from_vec(values, shape);
        Ok(Self(tensor.map_err(Error::device)?, Identity::new()))
    }

    /// The same value everywhere.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn filled(device: &AutoDevice, shape: S, value: f32) -> Result<Self> {
        Self::new(device, shape, vec![value; shape.elements()])
    }

    /// The values of an array.
    ///
    /// # Errors
    /// [`Error::Shape`] if it has another number of axes, [`Error::Device`] if the device has no memory for it.
    pub fn from_array(device: &AutoDevice, array: &Array) -> Result<Self> {
        let Some(shape) = S::of(array.shape()) else {
            let expected = format!("an array of {} axes", S::NUM_DIMS);
            return Err(Error::shape("a tensor", expected, array.shape()));
        };
        Self::new(device, shape, array.values().to_vec())
    }

    /// Its shape.
    pub fn shape(&self) -> &S {
        self.0.shape()
    }

    /// A copy of the values on the host, in row-major order. The host waits for the device.
    pub fn to_vec(&self) -> Vec<f32> {
        on_host(&self.0)
    }

    /// A copy on the host. The host waits for the device.
    ///
    /// # Errors
    /// None that a tensor could cause.
    pub fn to_array(&self) -> Result<Array> {
        Array::new(self.shape().extents(), self.to_vec())
    }

    /// The tensor as data of a pass, with [`Pass::recorder`](crate::Pass::recorder). Nothing is copied.
    pub fn enter(&self, recorder: Recorder) -> Taped<S> {
        Taped {
            values: self.0.clone(),
            recorder: recorder.0,
            identity: self.1,
            origin: Origin::Given,
        }
    }

    /// Which tensor it is.
    pub(crate) fn identity(&self) -> u64 {
        self.1.0
    }

    /// What an operation that is traced takes it as.
    pub(crate) fn operand(&self) -> Operand {
        graph::operand_of(
            Origin::Given,
            self.1.0,
            || self.shape().extents(),
            || self.to_array(),
        )
    }

    /// The tensor as a parameter of a pass, whose gradient is wanted if anything is recorded. Nothing is copied.
    pub fn parameter(&self) -> Taped<S> {
        self.enter(Recorder(RecorderOn::for_parameter()))
    }
}

impl<S: Shape> Taped<S> {
    /// Its shape.
    pub fn shape(&self) -> &S {
        self.values.shape()
    }

    /// The device that it is on.
    pub fn device(&self) -> AutoDevice {
        AutoDevice(self.values.device().clone())
    }

    /// A copy of the values on the host, in row-major order. The host waits for the device.
    pub fn to_vec(&self) -> Vec<f32> {
        self.read();
        on_host(&self.values)
    }

    /// A copy on the host. The host waits for the device.
    ///
    /// # Errors
    /// None that a tensor could cause.
    pub fn to_array(&self) -> Result<Array> {
        Array::new(self.shape().extents(), self.to_vec())
    }

    /// What an operation that is traced takes it as.
    pub(crate) fn operand(&self) -> Operand {
        let values = || Array::new(self.shape().extents(), on_host(&self.values));
        graph::operand_of(self.origin, self.identity.0, || self.shape().extents(), values)
    }

    /// The same tensor, which a traced operation has made of these operands.
    #[inline]
    pub(crate) fn traced(mut self, operands: &[Operand], operation: impl FnOnce() -> Operation) -> Self {
        if graph::is_tracing() {
            self.origin = graph::note(operation(), operands, self.shape().extents());
        }
        self
    }

    /// Its values are read on the host, where no trace follows them.
    fn read(&self) {
        if graph::is_tracing() && self.origin != Origin::Given {
            graph::not_traceable("reads values of a tensor on the host");
        }
    }

    /// Its values, to be read when the pass has gone on. Nothing is copied, and no one waits.
    pub fn snapshot(&self) -> Snapshot<S> {
        self.read();
        Snapshot(self.values.clone())
    }

    /// Whether operations with it are recorded.
    pub fn is_recording(&self) -> bool {
        self.recorder.is_recording()
    }

    /// Whether it needs a gradient: operations are recorded, and one with a parameter has led to it.
    pub fn requires_grad(&self) -> bool {
        self.recorder.requires_grad()
    }

    /// Its values as data that enters a pass with this recorder: no gradient goes back through it. Nothing is copied.
    #[must_use]
    pub fn into_data(self, recorder: Recorder) -> Self {
        Self {
            recorder: recorder.0,
            ..self
        }
    }

    /// The two ways that it goes from here, with one history, which is on the first.
    pub(crate) fn fork(self) -> (Self, Self) {
        let branch = Self {
            values: self.values.clone(),
            recorder: self.recorder.branch(),
            identity: self.identity,
            origin: self.origin,
        };
        (self, branch)
    }

    /// With the record of another.
    pub(crate) fn merged<T: Shape>(self, other: Taped<T>) -> Self {
        Self {
            recorder: self.recorder.merge(other.recorder),
            ..self
        }
    }

    /// As the engine has it.
    pub(crate) fn into_engine(self) -> TapedOn<S, Chosen> {
        self.values.put_tape(self.recorder)
    }

    /// What an operation of the engine's own makes of it.
    pub(crate) fn run<T: Shape, E: std::fmt::Debug>(
        self,
        operation: impl FnOnce(TapedOn<S, Chosen>) -> std::result::Result<TapedOn<T, Chosen>, E>,
    ) -> Result<Taped<T>> {
        operation(self.into_engine())
            .map(Taped::from)
            .map_err(Error::device)
    }

    /// Its values as data of the same pass, which no gradient goes through.
    pub(crate) fn detached(&self) -> Result<Self> {
        let operand = self.operand();
        // A tensor of its own: gradients are kept by tensor, and this one's must not be taken for the other's.
        let values = self.values.clone().try_mul(1.0).map_err(Error::device)?;
        let recorder = if self.is_recording() {
            RecorderOn::for_data()
        } else {
            RecorderOn::off()
        };
        let detached = Self {
            values,
            recorder,
            identity: Identity::new(),
            origin: Origin::Given,
        };
        Ok(detached.same_as(operand))
    }

    /// The values, as a tensor of its own if they are those of `other`: one operation cannot take a tensor twice.
    pub(crate) fn apart_from<T: Shape>(self, other: &Taped<T>) -> Result<Self> {
        if self.identity == other.identity {
            let operand = self.operand();
            Ok(self.run(|tensor| tensor.try_mul(1.0))?.same_as(operand))
        } else {
            Ok(self)
        }
    }

    /// The same tensor, whose values are those of an operand.
    fn same_as(self, operand: Operand) -> Self {
        let origin = graph::origin_of(operand).unwrap_or(self.origin);
        Self { origin, ..self }
    }

    /// What an operation makes of it that may leave the tensor as it is.
    pub(crate) fn kept<T: Shape>(
        self,
        operation: impl FnOnce(TapedOn<S, Chosen>) -> Result<TapedOn<T, Chosen>>,
    ) -> Result<Taped<T>> {
        let identity = self.identity;
        let kept = Taped::from(operation(self.into_engine())?);
        Ok(Taped { identity, ..kept })
    }

    /// The same elements under another shape of as many.
    pub(crate) fn reshaped<T: Shape>(self, shape: T) -> Result<Taped<T>> {
        self.kept(|tensor| tensor.try_reshape_like(&shape).map_err(Error::device))
    }
}

#[doc(hidden)]
impl<S: Shape> From<TapedOn<S, Chosen>> for Taped<S> {
    fn from(tensor: TapedOn<S, Chosen>) -> Self {
        let (values, recorder) = tensor.split_tape();
        Self {
            values,
            recorder,
            identity: Identity::new(),
            origin: Origin::Unknown,
        }
    }
}

impl Loss {
    /// The value. The host waits for the device.
    pub fn value(&self) -> f32 {
        self.to_vec().first().copied().unwrap_or(f32::NAN)
    }
}

/// The values of a tensor of a pass, which may be on their way still.
#[derive(Clone, Debug)]
pub struct Snapshot<S: Shape>(ParamOn<S, Chosen>);

impl<S: Shape> Snapshot<S> {
    /// The shape.
    pub fn shape(&self) -> &S {
        self.0.shape()
    }

    /// A copy on the host, which waits for the device.
    ///
    /// # Errors
    /// None that a tensor could cause.
    pub fn to_array(&self) -> Result<Array> {
        Array::new(self.shape().extents(), on_host(&self.0))
    }
}

/// A copy of the values. Those of an empty tensor, dfdx would look for.
fn on_host<S: Shape>(tensor: &ParamOn<S, Chosen>) -> Vec<f32> {
    match tensor.shape().elements() {
        0 => Vec::new(),
        _ => tensor.as_vec(),
    }
}
