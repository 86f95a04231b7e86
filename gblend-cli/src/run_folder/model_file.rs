//! `model.safetensors` and `model.json`.

use gblend_core::Array;
use gblend_core::params::State;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The format of the files; another format gets another number.
const FORMAT: &str = "gblend-model-1";

/// What `model.json` says about the parameters beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDescription {
    /// The format of both files.
    pub format: String,
    /// The version of gblend that wrote them.
    pub gblend: String,
    /// Class names in the order of the scores.
    pub classes: Vec<String>,
    /// The modalities in the order of the heads.
    pub modalities: Vec<ModelModality>,
    /// The epoch that the parameters are from.
    pub epoch: usize,
    /// Hash of `model.safetensors`.
    pub blake3: String,
}

/// One modality of a [`ModelDescription`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelModality {
    /// Its name.
    pub name: String,
    /// The shape of one prepared sample.
    pub sample_shape: Vec<usize>,
}

impl ModelDescription {
    /// Describes a model of this version.
    pub fn new(classes: Vec<String>, modalities: Vec<ModelModality>, epoch: usize) -> Self {
        Self {
            format: FORMAT.to_owned(),
            gblend: env!("CARGO_PKG_VERSION").to_owned(),
            classes,
            modalities,
            epoch,
            blake3: String::new(),
        }
    }

    /// Whether this version can read it.
    pub(crate) fn check_format(&self) -> Result<(), String> {
        if self.format == FORMAT {
            return Ok(());
        }
        Err(format!(
            "model.json has the format `{}`, this gblend reads `{FORMAT}`",
            self.format
        ))
    }
}

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
