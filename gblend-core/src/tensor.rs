//! The engine's tensors under the names that gblend uses.
//!
//! Shapes are run-time values (`usize` extents) because a configuration file decides them; ranks are
//! compile-time. The device is one alias: a plugin never names `Cpu` or `Cuda`.
//!
//! Layout: the batch is the innermost axis of everything convolutional. Feature maps have shape
//! `[channels, height, width, frames × batch]` with the batch innermost, so that a convolution of the
//! whole batch is one matrix product over contiguous rows, and a convolution over time is one over the
//! same memory seen as `[channels, height × width, frames, batch]`. Feature vectors are
//! `[batch, features]`.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::recorder::Recorder;
use dfdx::shapes::HasShape;
pub use dfdx::tensor::AutoDevice;
use dfdx::tensor::{NoneTape, PutTape, Tensor, TensorFromVec};

/// Gradients keyed by parameter, as the backward pass leaves them.
pub type Gradients = dfdx::tensor::Gradients<f32, AutoDevice>;

/// A tensor on the device, without a tape: a parameter or data.
pub type Plain<S> = Tensor<S, f32, AutoDevice, NoneTape>;

/// A tensor on its way through a network, with the pass's [`Recorder`].
pub type Taped<S> = Tensor<S, f32, AutoDevice, Recorder<AutoDevice>>;

/// Shape of a vector.
pub type Dims1 = (usize,);
/// Shape of a matrix.
pub type Dims2 = (usize, usize);
/// Shape of a rank-3 tensor.
pub type Dims3 = (usize, usize, usize);
/// Shape of a rank-4 tensor.
pub type Dims4 = (usize, usize, usize, usize);

/// Feature vectors, `[batch, features]`.
pub type Features = Taped<Dims2>;

/// Unnormalized class scores, `[batch, classes]`.
pub type Logits = Taped<Dims2>;

/// Feature maps, `[channels, height, width, frames × batch]`, the batch innermost.
pub type Maps = Taped<Dims4>;

/// A loss: the mean over the batch.
pub type Loss = Taped<dfdx::shapes::Rank0>;

/// A batch of prepared samples of one modality on the device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[elements of a sample, batch]`.
    values: Plain<Dims2>,
    sample_shape: Vec<usize>,
}

impl Batch {
    /// Stacks samples of one shape along a new innermost axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no sample, or two differ in shape.
    pub fn stack(device: &AutoDevice, samples: &[&Array]) -> Result<Self> {
        Self::from_stacked(device, StackedSamples::new(samples)?)
    }

    /// Moves samples that a loader thread has stacked onto the device.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for them.
    pub fn from_stacked(device: &AutoDevice, stacked: StackedSamples) -> Result<Self> {
        let elements = stacked.sample_shape.iter().product();
        let values = device
            .try_tensor_from_vec(stacked.values, (elements, stacked.batch))
            .map_err(Error::device)?;
        Ok(Self {
            values,
            sample_shape: stacked.sample_shape,
        })
    }

    /// The shape of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        &self.sample_shape
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.values.shape().1
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples as feature maps, `[channels, height, width, frames × batch]`, from samples of shape
    /// `[channels, height, width, frames]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the samples have another rank.
    pub fn maps(&self, recorder: Recorder<AutoDevice>) -> Result<Maps> {
        let &[channels, height, width, frames] = self.sample_shape.as_slice() else {
            return Err(Error::shape(
                "feature maps of a batch",
                "samples of shape [channels, height, width, frames]",
                self.sample_shape.clone(),
            ));
        };
        reshape(
            self.values.clone().put_tape(recorder),
            (channels, height, width, frames * self.len()),
        )
    }

    /// The samples as rows, `[batch, elements of a sample]`, for encoders of plain feature vectors.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for the transposed copy.
    pub fn rows(&self, recorder: Recorder<AutoDevice>) -> Result<Features> {
        use dfdx::tensor_ops::{PermuteTo, ReshapeTo};
        let rows = self
            .values
            .clone()
            .put_tape(recorder)
            .try_permute::<Dims2, dfdx::shapes::Axes2<1, 0>>()
            .map_err(Error::device)?;
        rows.try_contiguous().map_err(Error::device)
    }
}

/// Samples of one modality stacked in host memory, ready to be moved to the device.
#[derive(Clone, Debug, PartialEq)]
pub struct StackedSamples {
    /// `[elements of a sample, batch]`.
    values: Vec<f32>,
    sample_shape: Vec<usize>,
    batch: usize,
}

impl StackedSamples {
    /// Stacks samples of one shape along a new innermost axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no sample, or two differ in shape; [`Error::NoRoom`].
    pub fn new(samples: &[&Array]) -> Result<Self> {
        let Some(first) = samples.first() else {
            return Err(Error::shape("a batch", "at least one sample", [0]));
        };
        if let Some(odd) = samples.iter().find(|sample| sample.shape() != first.shape()) {
            return Err(Error::shape(
                "a batch",
                format!("samples of one shape, {:?} as the first", first.shape()),
                odd.shape(),
            ));
        }
        let (elements, batch) = (first.len(), samples.len());
        let count = elements.saturating_mul(batch);
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| {
            let megabytes = count.saturating_mul(4) / 1_000_000;
            Error::NoRoom(format!("{batch} samples of {:?}, {megabytes} MB", first.shape()))
        })?;
        values.resize(count, 0.0);
        // Blocks of rows, so that each written line of `values` stays in cache while all samples fill it.
        const ROWS: usize = 16;
        for (block, rows) in values.chunks_mut(ROWS * batch.max(1)).enumerate() {
            let start = block * ROWS;
            for (column, sample) in samples.iter().enumerate() {
                let source = sample.values().iter().skip(start);
                for (row, &value) in rows.chunks_exact_mut(batch).zip(source) {
                    row[column] = value;
                }
            }
        }
        Ok(Self {
            values,
            sample_shape: first.shape().to_vec(),
            batch,
        })
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.batch
    }

    /// Whether there is no sample; never true.
    pub fn is_empty(&self) -> bool {
        self.batch == 0
    }

    /// The shape of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        &self.sample_shape
    }
}

/// The same elements under another shape; no element moves if the tensor is contiguous.
///
/// # Errors
/// [`Error::Shape`] if the number of elements differs; [`Error::Device`] if a copy is needed and fails.
pub fn reshape<From, To>(tensor: Taped<From>, shape: To) -> Result<Taped<To>>
where
    From: dfdx::shapes::Shape,
    To: dfdx::shapes::Shape,
{
    use dfdx::tensor_ops::ReshapeTo;
    if tensor.shape().num_elements() != shape.num_elements() {
        return Err(Error::shape(
            "reshape",
            format!("{} elements, as {:?} has", shape.num_elements(), shape.concrete()),
            [tensor.shape().num_elements()],
        ));
    }
    tensor.try_reshape_like(&shape).map_err(Error::device)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use dfdx::tensor::SplitTape;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stacking_puts_the_batch_innermost(elements in 1_usize..70, batch in 1_usize..9) {
            let samples: Vec<Array> = (0..batch)
                .map(|i| Array::new([elements], (0..elements).map(|e| (i * 1000 + e) as f32).collect()).unwrap())
                .collect();
            let stacked = StackedSamples::new(&samples.iter().collect::<Vec<_>>()).unwrap();
            for element in 0..elements {
                for sample in 0..batch {
                    prop_assert_eq!(stacked.values[element * batch + sample], (sample * 1000 + element) as f32);
                }
            }
        }
    }

    #[test]
    fn samples_of_two_shapes_do_not_stack() {
        let error = StackedSamples::new(&[&Array::zeros([2, 2]), &Array::zeros([4])]).unwrap_err();
        assert!(
            error.to_string().contains("[2, 2]") && error.to_string().contains("[4]"),
            "{error}"
        );
    }

    #[test]
    fn rows_are_the_samples_again() {
        let device = AutoDevice::default();
        let samples = [
            Array::new([3], vec![1.0, 2.0, 3.0]).unwrap(),
            Array::new([3], vec![4.0, 5.0, 6.0]).unwrap(),
        ];
        let batch = Batch::stack(&device, &samples.iter().collect::<Vec<_>>()).unwrap();
        let (rows, _) = batch.rows(Recorder::off()).unwrap().split_tape();
        assert_eq!(rows.as_vec(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn maps_need_samples_of_rank_four() {
        let device = AutoDevice::default();
        let batch = Batch::stack(&device, &[&Array::zeros([3, 4])]).unwrap();
        assert!(batch.maps(Recorder::off()).is_err());
    }
}
