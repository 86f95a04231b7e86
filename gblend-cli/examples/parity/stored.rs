//! What a device computed, in a file.

use std::error::Error;
use std::path::Path;

use gblend_core::Array;
use gblend_core::params::State;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

pub(crate) fn write(path: &Path, state: &State) -> Result<(), Box<dyn Error>> {
    let bytes = |array: &Array| -> Vec<u8> {
        let values = array.values().iter();
        values.flat_map(|value| value.to_le_bytes()).collect()
    };
    let bytes: Vec<Vec<u8>> = state.values().map(bytes).collect();
    let views = state.iter().zip(&bytes).map(|((name, array), bytes)| {
        TensorView::new(Dtype::F32, array.shape().to_vec(), bytes).map(|view| (name.as_str(), view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>()?;
    let problem = |error| format!("{}: {error}", path.display());
    std::fs::write(path, safetensors::serialize(views, None)?).map_err(problem)?;
    Ok(())
}

pub(crate) fn read(path: &Path) -> Result<State, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut state = State::new();
    for (name, view) in SafeTensors::deserialize(&bytes)?.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(format!("{}: {name} is not of type F32", path.display()).into());
        }
        let values = view.data().chunks_exact(4);
        let values = values.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let array = Array::new(view.shape().to_vec(), values.collect())?;
        state.insert(name.to_owned(), array);
    }
    Ok(state)
}
