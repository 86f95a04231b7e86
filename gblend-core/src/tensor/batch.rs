//! Batches of samples.

use std::ops::Range;
use std::sync::Arc;

use dfdx::tensor::PutTape;

use super::reshape::reshape;
use super::values::{Features, Maps, Plain, Taped};
use crate::array::Array;
use crate::device::{AutoDevice, Chosen};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::graph::{self, Operation};
use crate::memory;
use crate::recorder::Recorder;
use crate::shape::Dims2;

/// A batch of prepared samples of one modality on the device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[elements of a sample, batch]`.
    values: Plain<Dims2>,
    sample_shape: Vec<usize>,
    /// The values of sequences once more, where reading them back would wait for the device.
    on_host: Option<Arc<[f32]>>,
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
        let kept = AutoDevice::READING_WAITS && stacked.sample_shape.len() <= 2;
        Ok(Self {
            on_host: kept.then(|| stacked.values.as_slice().into()),
            values: Plain::new(device, (elements, stacked.batch), stacked.values)?,
            sample_shape: stacked.sample_shape,
        })
    }

    /// The device that the samples are on.
    pub fn device(&self) -> AutoDevice {
        AutoDevice(self.values.0.device().clone())
    }

    /// The samples in host memory, `[elements of a sample, batch]`. Those of more than two axes, the host waits for.
    pub fn to_host(&self) -> Vec<f32> {
        graph::not_traceable("reads its batch on the host");
        self.host_values()
    }

    /// As [`to_host`](Self::to_host), for operations that tell a trace what they make of it.
    pub(crate) fn host_values(&self) -> Vec<f32> {
        self.on_host
            .as_ref()
            .map_or_else(|| self.values.to_vec(), |values| values.to_vec())
    }

    /// Which batch it is, for traces.
    pub(crate) fn identity(&self) -> u64 {
        self.values.identity()
    }

    /// A batch of those of its samples that are at these places.
    ///
    /// # Errors
    /// [`Error::Shape`] if a place is beyond the last or there is none, [`Error::Device`] if the device has no memory for it.
    pub fn select(&self, places: &[usize]) -> Result<Self> {
        let count = self.len();
        if places.is_empty() || places.iter().any(|&place| place >= count) {
            let expected = format!("places of a batch of {count} samples");
            return Err(Error::shape("a part of a batch", expected, places));
        }
        let values = self.host_values();
        let rows = values.chunks_exact(count);
        let stacked = StackedSamples {
            values: rows
                .flat_map(|row| places.iter().map(|&place| row[place]))
                .collect(),
            sample_shape: self.sample_shape.clone(),
            batch: places.len(),
        };
        Self::from_stacked(&self.device(), stacked)
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
    pub fn maps(&self, recorder: Recorder) -> Result<Maps> {
        let &[channels, height, width, frames] = self.sample_shape.as_slice() else {
            return Err(Error::shape(
                "feature maps of a batch",
                "samples of shape [channels, height, width, frames]",
                self.sample_shape.clone(),
            ));
        };
        let shape = (channels, height, width, frames * self.len());
        let maps = reshape(self.values.enter(recorder), shape)?;
        Ok(maps.traced(&[], || Operation::Maps(graph::input_name(self.identity()))))
    }

    /// The samples as rows, `[batch, elements of a sample]`, for encoders of plain feature vectors.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for the transposed copy.
    pub fn rows(&self, recorder: Recorder) -> Result<Features> {
        let rows = Taped::from(Chosen::transposed(&self.values.0)?.put_tape(recorder.0));
        Ok(rows.traced(&[], || Operation::Columns {
            input: graph::input_name(self.identity()),
            columns: 0..self.values.shape().0,
        }))
    }

    /// Some of the values of each sample as rows, `[batch, values]`: those that are in `columns` of its values in row-major
    /// order.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no such values, [`Error::Device`] if the device has no memory for them.
    pub fn columns(&self, columns: Range<usize>, recorder: Recorder) -> Result<Features> {
        let (values, count) = (self.host_values(), self.len());
        let picked = columns.start.saturating_mul(count)..columns.end.saturating_mul(count);
        let Some(picked) = values.get(picked) else {
            let expected = format!("samples of at least {} values", columns.end);
            return Err(Error::shape(
                "columns of a batch",
                expected,
                self.sample_shape.clone(),
            ));
        };
        let rows = (0..count).flat_map(|row| picked.iter().skip(row).step_by(count).copied());
        let rows = Plain::new(&self.device(), (count, columns.len()), rows.collect())?;
        Ok(rows.enter(recorder).traced(&[], || Operation::Columns {
            input: graph::input_name(self.identity()),
            columns,
        }))
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
        let what = || format!("{batch} samples of {:?}", first.shape());
        memory::check_room((count as u64).saturating_mul(size_of::<f32>() as u64), what)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
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
        let rows = batch.rows(Recorder::off()).unwrap();
        assert_eq!(rows.to_vec(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn a_part_of_a_batch_is_the_batch_of_those_samples() {
        let device = AutoDevice::default();
        let samples = [1.0, 2.0, 3.0].map(|value| Array::new([2], vec![value, -value]).unwrap());
        let batch = Batch::stack(&device, &samples.iter().collect::<Vec<_>>()).unwrap();
        let part = batch.select(&[2, 0]).unwrap();
        assert_eq!(
            part.to_host(),
            Batch::stack(&device, &[&samples[2], &samples[0]])
                .unwrap()
                .to_host()
        );
        assert!(batch.select(&[3]).is_err() && batch.select(&[]).is_err());
    }

    #[test]
    fn what_comes_back_to_the_host_is_what_was_stacked() {
        let samples = [
            Array::new([2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap(),
            Array::new([2, 2], vec![5.0, 6.0, 7.0, 8.0]).unwrap(),
        ];
        let batch = Batch::stack(&AutoDevice::default(), &samples.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(batch.to_host(), [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    }

    #[test]
    fn maps_need_samples_of_rank_four() {
        let device = AutoDevice::default();
        let batch = Batch::stack(&device, &[&Array::zeros([3, 4])]).unwrap();
        assert!(batch.maps(Recorder::off()).is_err());
    }
}
