//! The processor: tensors are vectors in the host's memory, read and changed in place.

mod products;
mod update;

use dfdx::tensor::Cpu;
use rayon::prelude::*;

use super::{DeviceKind, OpenError, Store};
use crate::engine::ParamOn;
use crate::error::{Error, Result};
use crate::shape::Shape;

pub(crate) use products::OnHost as HeadGradient;
pub(crate) use update::{Moment, moment_of, read_moment, update};

pub(crate) const KIND: DeviceKind = DeviceKind::Cpu;

pub(crate) fn open(_: usize) -> Result<Cpu, OpenError> {
    Ok(Cpu::default())
}

/// What `work`, which may compute with networks of its own, makes of each item, in order: side by side, whatever order the
/// threads take them in.
pub fn map_networks<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    items.par_iter().map(&work).collect()
}

/// Shows the gradient of a parameter to `read`.
pub(crate) fn read_gradient<S: Shape>(
    tensor: &ParamOn<S, Cpu>,
    store: &mut Store,
    read: impl FnOnce(&[f32]),
) -> Result<()> {
    edit_gradient(tensor, store, |gradient| read(gradient))
}

/// Lets `edit` change the gradient of a parameter.
pub(crate) fn edit_gradient<S: Shape>(
    tensor: &ParamOn<S, Cpu>,
    store: &mut Store,
    edit: impl FnOnce(&mut [f32]),
) -> Result<()> {
    edit(store.get_or_alloc_mut(tensor).map_err(Error::device)?);
    Ok(())
}

/// Overwrites the gradient of a parameter, which has as many values.
pub(crate) fn set_gradient<S: Shape>(
    tensor: &ParamOn<S, Cpu>,
    store: &mut Store,
    values: &[f32],
) -> Result<()> {
    edit_gradient(tensor, store, |gradient| gradient.copy_from_slice(values))
}

/// Multiplies the gradient of a parameter.
pub(crate) fn scale_gradient<S: Shape>(
    tensor: &ParamOn<S, Cpu>,
    store: &mut Store,
    factor: f32,
) -> Result<()> {
    edit_gradient(tensor, store, |gradient| {
        gradient.iter_mut().for_each(|value| *value *= factor);
    })
}

/// A sum of squares of gradients, in float64.
#[derive(Debug, Default)]
pub(crate) struct Squares(f64);

impl Squares {
    /// Adds those of one parameter's.
    pub(crate) fn add<S: Shape>(&mut self, tensor: &ParamOn<S, Cpu>, store: &mut Store) -> Result<()> {
        let gradient = store.get_or_alloc_mut(tensor).map_err(Error::device)?;
        let squares = gradient.iter().map(|&g| f64::from(g) * f64::from(g));
        self.0 += squares.sum::<f64>();
        Ok(())
    }

    /// The sum.
    pub(crate) fn value(&self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dfdx::tensor::TensorFromVec;

    use super::*;
    use crate::device::composed::{flat_gradient, put_gradient};
    use crate::shape::Dims2;

    #[test]
    fn a_gradient_is_written_to_the_same_bits_in_place_and_through_a_backward_pass() {
        let values = [0.1, -7.0, 1e-30, f32::MIN_POSITIVE, 0.0, f32::MAX];
        let tensor: ParamOn<Dims2, Cpu> =
            Cpu::default().tensor_from_vec(vec![0.0, f32::MAX, -2.0, 1.0, 5.0, -1.0], (2, 3));
        let (mut in_place, mut composed) = (Store::leaky(), Store::leaky());
        set_gradient(&tensor, &mut in_place, &values).unwrap();
        let whole = Cpu::default().tensor_from_vec(values.to_vec(), (2, 3));
        put_gradient(&tensor, &mut composed, whole).unwrap();
        for mut store in [in_place, composed] {
            let found = flat_gradient(&tensor, &mut store).unwrap();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found.as_vec()), bits(&values));
        }
    }
}
