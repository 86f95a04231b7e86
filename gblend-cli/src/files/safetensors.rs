//! Parameters and running statistics as safetensors files.

use gblend_core::Array;
use gblend_core::params::State;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result};

/// Parameters and running statistics as the bytes of a safetensors file.
pub(crate) fn to_safetensors(state: &State) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| Error::Internal(error.to_string());
    let bytes: Vec<(&String, Vec<usize>, Vec<u8>)> = state
        .iter()
        .map(|(path, array)| {
            let values = array.values().iter().flat_map(|value| value.to_le_bytes());
            (path, array.shape().to_vec(), values.collect())
        })
        .collect();
    let views = bytes.iter().map(|(path, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (path.as_str(), view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(failed)?;
    safetensors::serialize(views, None).map_err(failed)
}

/// Reads what [`to_safetensors`] wrote.
pub(crate) fn from_safetensors(bytes: &[u8]) -> Result<State, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut state = State::new();
    for (path, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(format!("`{path}` is {:?}, expected F32", view.dtype()));
        }
        let values = view.data().chunks_exact(4);
        let values = values
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let array = Array::new(view.shape(), values).map_err(|error| format!("`{path}`: {error}"))?;
        state.insert(path, array);
    }
    Ok(state)
}

/// The values of a tensor of floating-point numbers, of whatever precision, in row-major order.
pub(crate) fn floats_of(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let bytes = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::F64 => bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        Dtype::F16 => bytes
            .chunks_exact(2)
            .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::BF16 => bytes
            .chunks_exact(2)
            .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        other => return Err(format!("is {other:?}, and floating-point numbers are expected")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_state_survives_the_file_bit_for_bit(values in proptest::collection::vec(any::<f32>(), 0..20)) {
            let mut state = State::new();
            state.insert("camera.weight".into(), Array::new([values.len()], values.clone()).unwrap());
            state.insert("joint.0.bias".into(), Array::zeros([2, 3]));
            let read = from_safetensors(&to_safetensors(&state).unwrap()).unwrap();
            let bits = |state: &State| -> Vec<u32> {
                state.values().flat_map(|array| array.values().iter().map(|v| v.to_bits())).collect()
            };
            prop_assert_eq!(bits(&read), bits(&state));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_safetensors(&bytes);
        }
    }
}
