//! `.npy`: one NumPy array of numbers.
//!
//! The header is the text of a Python dictionary. Only the form that NumPy writes is read (NEP 1): three keys,
//! no nesting but the shape.

use gblend_core::Array;

use super::super::spread::Spread;
use super::Fault;
use super::number::{NumberType, TYPES_EXPECTED};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The most axes that NumPy itself has.
const AXES: usize = 64;

/// An array in row-major order, whatever the order and type in the file.
pub(in super::super) fn decode(bytes: &[u8]) -> Result<Array, Fault> {
    let (header, body) = split(bytes)?;
    let header = Header::parse(header)?;
    header.array(body)
}

/// What the numbers of each column span, where 32 bits may round them. Columns are the last axis; one axis alone is one column.
/// There are none in a file that cannot be read.
pub(in super::super) fn spreads(bytes: &[u8]) -> Vec<Spread> {
    let Some((header, body)) = layout(bytes)
        .ok()
        .map(|(header, start)| (header, &bytes[start as usize..]))
    else {
        return Vec::new();
    };
    let Header {
        kind,
        big_endian,
        fortran_order,
        shape,
    } = header;
    let (steps, width) = match &shape[..] {
        [] | [_] => (&shape[..], 1),
        [steps @ .., width] => (steps, *width),
    };
    if !kind.is_rounded() || width == 0 || body.len() / kind.size() < width {
        return Vec::new();
    }
    let mut spreads = vec![Spread::default(); width];
    // The values that follow each other in one column.
    let run = match fortran_order {
        true => steps
            .iter()
            .fold(1_usize, |run, extent| run.saturating_mul(*extent))
            .max(1),
        false => 1,
    };
    /// Numbers that are held in 64 bits at once.
    const PIECE: usize = 1 << 16;
    let pieces = body.chunks(PIECE * kind.size()).enumerate();
    for (piece, bytes) in pieces {
        for (at, number) in kind.wide(bytes, big_endian).into_iter().enumerate() {
            let column = (piece * PIECE + at) / run % width;
            spreads[column].add(0, number);
        }
    }
    spreads
}

/// Where the values of a file begin, and the header, from as much of the file as has it.
pub(in super::super) fn layout(head: &[u8]) -> Result<(Header, u64), Fault> {
    let (header, rest) = split(head)?;
    Ok((Header::parse(header)?, (head.len() - rest.len()) as u64))
}

/// Header text and values.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), Fault> {
    let cut = || Fault::Media("cut short inside the header of a .npy file".into());
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("not a .npy file: it does not begin with \\x93NUMPY")?;
    let (&version, rest) = rest.split_first().ok_or_else(cut)?;
    let (_, rest) = rest.split_first().ok_or_else(cut)?;
    let (length, rest) = match version {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => {
            return Err(Fault::Media(format!(
                "found version {other} of the .npy format, expected 1 to 3"
            )));
        }
    };
    let (header, body) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header of the .npy file is no text")?;
    Ok((header, body))
}

/// What the header says.
#[derive(Debug)]
pub(in super::super) struct Header {
    pub(in super::super) kind: NumberType,
    pub(in super::super) big_endian: bool,
    /// Whether the first axis runs fastest.
    pub(in super::super) fortran_order: bool,
    pub(in super::super) shape: Vec<usize>,
}

impl Header {
    /// The values as an array in row-major order.
    fn array(&self, body: &[u8]) -> Result<Array, Fault> {
        let count = self.shape.iter().try_fold(1_usize, |a, &b| a.checked_mul(b));
        let expected = count.and_then(|count| count.checked_mul(self.kind.size()));
        if expected != Some(body.len()) || body.is_empty() {
            return Err(Fault::Media(format!(
                "found {} bytes of values, expected those of shape {:?} with {} bytes each, and at least one value",
                body.len(),
                self.shape,
                self.kind.size()
            )));
        }
        let mut values = self.kind.values(body, self.big_endian);
        if self.fortran_order {
            values = row_major(&values, &self.shape);
        }
        Array::new(self.shape.clone(), values).map_err(|error| Fault::Media(error.to_string()))
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let after = |key: &str| {
            let missing = || Fault::Media(format!("the header of the .npy file has no {key}"));
            let quoted = format!("'{key}'");
            let (_, rest) = text.split_once(&quoted).ok_or_else(missing)?;
            let rest = rest.trim_start().strip_prefix(':').ok_or_else(missing)?;
            Ok::<_, Fault>(rest.trim_start())
        };
        let descr = after("descr")?;
        let code = descr
            .strip_prefix('\'')
            .and_then(|rest| rest.split_once('\''))
            .map(|(code, _)| code);
        let code = code.ok_or("found an array of records, expected one of numbers")?;
        let bare = code.trim_start_matches(['<', '>', '|', '=']);
        let kind = NumberType::of_numpy(bare).ok_or_else(|| {
            Fault::Media(format!(
                "found values of type `{code}`, expected {TYPES_EXPECTED}"
            ))
        })?;
        let order = after("fortran_order")?;
        let fortran_order = if order.starts_with("True") {
            true
        } else if order.starts_with("False") {
            false
        } else {
            return Err("the header's fortran_order is neither True nor False".into());
        };
        let shape = after("shape")?
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'));
        let (shape, _) = shape.ok_or("the header's shape is no tuple")?;
        let extents = shape
            .split(',')
            .map(str::trim)
            .filter(|extent| !extent.is_empty());
        let shape: Vec<usize> = extents
            .map(|extent| {
                extent.parse().map_err(|_| {
                    Fault::Media(format!(
                        "found the extent `{extent}` in the header, expected a number"
                    ))
                })
            })
            .collect::<Result<_, _>>()?;
        if shape.len() > AXES {
            return Err(Fault::Media(format!(
                "found {} axes, expected at most {AXES}",
                shape.len()
            )));
        }
        Ok(Self {
            kind,
            big_endian: code.starts_with('>'),
            fortran_order,
            shape,
        })
    }
}

/// Reorders values whose first axis runs fastest.
fn row_major(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &extent in shape {
        strides.push(stride);
        stride *= extent;
    }
    let mut index = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let at: usize = index.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
        ordered.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    ordered
}

#[cfg(test)]
pub(in super::super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// What `np.save` writes.
    pub(in crate::data::manifest) fn file(header: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(body);
        bytes
    }

    pub(in crate::data::manifest) fn header(descr: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
    }

    #[test]
    fn types_and_orders_give_the_same_array() {
        let rows = [1_i16, 2, 3, 4, 5, 6];
        let columns = [1_i16, 4, 2, 5, 3, 6];
        let little: Vec<u8> = rows.iter().flat_map(|v| v.to_le_bytes()).collect();
        let big: Vec<u8> = columns.iter().flat_map(|v| v.to_be_bytes()).collect();
        let double: Vec<u8> = rows.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
        for bytes in [
            file(&header("<i2", "False", "(2, 3)"), &little),
            file(&header(">i2", "True", "(2, 3)"), &big),
            file(&header("<f8", "False", "(2, 3)"), &double),
        ] {
            let array = decode(&bytes).unwrap();
            assert_eq!(array.shape(), [2, 3]);
            assert_eq!(array.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        }
    }

    #[test]
    fn columns_that_32_bits_leave_no_two_numbers_of_are_told_in_every_order() {
        // np.arange(4).reshape(2, 2), with 1.7e12 added to column 1.
        let far = 1_700_000_000_000_i64;
        for (order, values) in [
            ("False", [0, far + 1, 2, far + 3]),
            ("True", [0, 2, far + 1, far + 3]),
        ] {
            let body: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let lost = |shape: &str| {
                let spreads = spreads(&file(&header("<i8", order, shape), &body));
                spreads
                    .iter()
                    .map(|spread| spread.lost().is_some())
                    .collect::<Vec<_>>()
            };
            assert_eq!(lost("(2, 2)"), [false, true], "{order}");
            assert_eq!(lost("(1, 2, 2)"), [false, true], "{order}");
            assert_eq!(lost("(4,)"), [false], "{order}");
            assert_eq!(lost("(4, 0)"), [false; 0], "{order}");
        }
    }

    #[test]
    fn what_does_not_fit_the_file_is_refused() {
        for (descr, order, shape) in [
            ("<f4", "False", "(3,)"),
            ("<f4", "False", "(18446744073709551615, 18446744073709551615)"),
            ("<f4", "False", "(-1,)"),
            ("<c8", "False", "(1,)"),
            ("|O", "False", "(1,)"),
            ("<f4", "Maybe", "(2,)"),
        ] {
            assert!(
                decode(&file(&header(descr, order, shape), &[0; 8])).is_err(),
                "{descr} {shape}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "\\PC{0,80}", shape in "[(),0-9 ]{0,40}") {
            let _ = decode(&bytes);
            let _ = spreads(&file(&header("<f8", "True", &shape), &bytes));
            let _ = decode(&file(&text, &bytes));
            let _ = decode(&file(&header("<f4", "True", &shape), &bytes));
            let mut magic = MAGIC.to_vec();
            magic.extend(&bytes);
            let _ = decode(&magic);
        }
    }
}
