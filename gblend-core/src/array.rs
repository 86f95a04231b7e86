//! Host arrays: what a front end makes, a loader thread carries and a checkpoint stores.

use std::fmt;

use crate::error::{Error, Result};

/// A dense row-major array of `f32` in host memory.
#[derive(Clone, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl fmt::Debug for Array {
    /// The shape and the first values: a sample of media has millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        write!(f, "Array {:?} of ", self.shape)?;
        let mut list = f.debug_list();
        list.entries(self.values.iter().take(SHOWN));
        match self.values.len() {
            0..=SHOWN => list.finish(),
            _ => list.finish_non_exhaustive(),
        }
    }
}

impl Array {
    /// An array of `shape` from its elements in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`] if `values` does not have as many elements as `shape` says.
    pub fn new(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Result<Self> {
        let shape = shape.into();
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &extent| product.checked_mul(extent));
        if elements == Some(values.len()) {
            Ok(Self { shape, values })
        } else {
            Err(Error::shape(
                "array",
                format!("as many elements as the {} that were given", values.len()),
                shape,
            ))
        }
    }

    /// An array of zeros.
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let values = vec![0.0; shape.iter().product()];
        Self { shape, values }
    }

    /// The extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The elements, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The elements, without their shape.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_array_needs_as_many_elements_as_its_shape_says() {
        assert!(Array::new([2, 3], vec![0.0; 6]).is_ok());
        let error = Array::new([2, 3], vec![0.0; 5]).unwrap_err();
        assert!(error.to_string().contains("[2, 3]"), "{error}");
    }

    #[test]
    fn an_array_is_shown_by_its_shape_and_first_values() {
        let array = Array::new([2, 1], vec![0.5, -1.0]).unwrap();
        assert_eq!(format!("{array:?}"), "Array [2, 1] of [0.5, -1.0]");
        let text = format!("{:?}", Array::zeros([300, 400]));
        assert!(
            text.starts_with("Array [300, 400] of [0.0, ") && text.len() < 150,
            "{text}"
        );
    }

    #[test]
    fn a_shape_whose_size_overflows_is_an_error() {
        assert!(Array::new([usize::MAX, 2], vec![]).is_err());
    }
}
