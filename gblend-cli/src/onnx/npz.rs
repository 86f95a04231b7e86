//! Tensors as a `.npz` file, which NumPy reads.

use std::io::{Cursor, Write};

use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::inputs::{InputTensor, InputValues};
use crate::error::{Error, Result};

/// The first bytes of an array, with the version of its format.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Headers end at a multiple of this.
const ALIGNMENT: usize = 64;

/// The bytes of a file with these tensors, the first axis of each the batch.
///
/// # Errors
/// [`Error::Internal`] if it cannot be packed.
pub fn bytes(tensors: &[(InputTensor, InputValues)], samples: usize) -> Result<Vec<u8>> {
    let packed =
        |error: &dyn std::fmt::Display| Error::Internal(format!("a .npz file cannot be packed: {error}"));
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    let options = FileOptions::default().compression_method(CompressionMethod::Deflated);
    for (tensor, values) in tensors {
        let options = options.large_file(true);
        let started = file.start_file(format!("{}.npy", tensor.name), options);
        started.map_err(|error| packed(&error))?;
        let shape: Vec<usize> = std::iter::once(samples)
            .chain(tensor.axes.iter().map(|(_, extent)| *extent))
            .collect();
        file.write_all(&array(&shape, values))
            .map_err(|error| packed(&error))?;
    }
    let file = file.finish().map_err(|error| packed(&error))?;
    Ok(file.into_inner())
}

/// One array, <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
fn array(shape: &[usize], values: &InputValues) -> Vec<u8> {
    let (kind, bytes): (&str, Vec<u8>) = match values {
        InputValues::Floats(values) => (
            "<f4",
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ),
        InputValues::Ints(values) => (
            "<i8",
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ),
        InputValues::Bools(values) => ("|b1", values.iter().map(|&value| u8::from(value)).collect()),
    };
    let mut extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if let [only] = extents.as_mut_slice() {
        // Of a tuple of one.
        only.push(',');
    }
    let extents = extents.join(", ");
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({extents}), }}");
    let unpadded = MAGIC.len() + 2 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    let mut array = MAGIC.to_vec();
    array.extend(length.to_le_bytes());
    array.extend(header.into_bytes());
    array.extend(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_the_bytes_that_numpy_saves() {
        // numpy.save of numpy.array([[1, -2]], dtype="int64").
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }";
        let expected = [
            b"\x93NUMPY\x01\x00v\x00".to_vec(),
            format!("{header:<117}\n").into_bytes(),
            1_i64.to_le_bytes().to_vec(),
            (-2_i64).to_le_bytes().to_vec(),
        ];
        assert_eq!(array(&[1, 2], &InputValues::Ints(vec![1, -2])), expected.concat());
        let one = array(&[3], &InputValues::Bools(vec![true, false, true]));
        assert!(one.ends_with(&[1, 0, 1]));
        assert!(String::from_utf8_lossy(&one).contains("'shape': (3,), }"));
    }
}
