//! A file whose array has a row for each sample: `.npy`, `.npz`, `.safetensors`.
//!
//! `.npy` and `.safetensors` are read row by row where they lie, so that a file may be larger than memory. What is packed, or
//! has the first axis run fastest, is read as a whole.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use gblend_core::Array;
use gblend_modalities::frontend::frame_sampling::spread;
use serde::Deserialize;

use super::super::blob::{Blob, FileFault};
use super::super::compressed::stand_in;
use super::super::decode::number::{NumberType, TYPES_EXPECTED, not_finite};
use super::super::decode::{Fault, npy};
use super::super::spread::{Spread, first_lost, problem};
use crate::files::StillFile;

/// Bytes of a header; those of real files are far shorter.
const MOST_HEADER: u64 = 64 << 20;

/// An array with a row for each sample.
#[derive(Debug)]
pub(in super::super) struct RowFile {
    blob: Blob,
    rows: usize,
    /// The shape of a row; of a file with one axis `[1]`.
    shape: Vec<usize>,
    values: Values,
    /// What is wrong with numbers that 32 bits hold.
    lost: Option<String>,
}

#[derive(Debug)]
enum Values {
    /// In the file, from this byte on.
    InFile {
        file: StillFile,
        start: u64,
        kind: NumberType,
        big_endian: bool,
    },
    InMemory(Vec<f32>),
}

impl Values {
    /// From the byte `start` of a file or member on.
    fn in_file(blob: &Blob, start: u64, kind: NumberType, big_endian: bool) -> Result<Self, Fault> {
        let (file, first) = blob.still()?;
        Ok(Self::InFile {
            file,
            start: first.saturating_add(start),
            kind,
            big_endian,
        })
    }
}

impl RowFile {
    /// Opens a file, of which what is read as a whole may take `limit` bytes; of several arrays in it, the one called `key`.
    pub(in super::super) fn open(blob: Blob, key: Option<&str>, limit: usize) -> Result<Self, Fault> {
        let name = blob.name().to_owned();
        if let Some(problem) = stand_in(&blob.head(64)?) {
            return Err(Fault::File(FileFault::new(name, problem)));
        }
        let opened = match blob.extension().as_str() {
            "npy" => match key {
                None => open_npy(&blob, limit),
                Some(_) => Err("has one array without a name, expected no `key`".into()),
            },
            "npz" => open_npz(&blob, key, limit),
            "safetensors" => open_safetensors(&blob, key),
            _ => Err("found another extension, expected one of: npy, npz, safetensors".into()),
        };
        let (shape, values, lost) = opened.map_err(|fault| match fault {
            Fault::Media(problem) => Fault::File(FileFault::new(name.as_str(), problem)),
            other => other,
        })?;
        let (rows, shape) = match shape.split_first() {
            None => {
                let problem = "found a single number, expected a row for each sample";
                return Err(Fault::File(FileFault::new(name, problem)));
            }
            Some((&rows, [])) => (rows, vec![1]),
            Some((&rows, rest)) => (rows, rest.to_vec()),
        };
        if shape.contains(&0) {
            let problem = format!("found rows of shape {shape:?}, expected at least one value");
            return Err(Fault::File(FileFault::new(name, problem)));
        }
        let mut file = Self {
            blob,
            rows,
            shape,
            values,
            lost,
        };
        file.find_lost()?;
        Ok(file)
    }

    /// What is wrong with columns whose numbers would be one in 32 bits.
    pub(in super::super) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Looks for such columns in a file that is read row by row. A few rows tell numbers apart, if they can be at all; only if they
    /// do not, all of them are read.
    fn find_lost(&mut self) -> Result<(), Fault> {
        const FEW: usize = 1024;
        let Values::InFile { kind, .. } = self.values else {
            return Ok(());
        };
        if !kind.is_rounded() || self.rows == 0 {
            return Ok(());
        }
        let rows = match self.rows {
            rows if rows > FEW => spread(rows, FEW),
            rows => (0..rows).collect(),
        };
        let spreads = self.spreads(rows.into_iter())?;
        if first_lost(&spreads, Spread::lost).is_some() {
            let spreads = self.spreads(0..self.rows)?;
            self.lost = first_lost(&spreads, Spread::lost).map(problem);
        }
        Ok(())
    }

    /// What the numbers of each column span in some rows.
    fn spreads(&self, rows: impl Iterator<Item = usize>) -> Result<Vec<Spread>, Fault> {
        let width = self.shape.last().copied().unwrap_or(1).max(1);
        let mut spreads = vec![Spread::default(); width];
        let Values::InFile { kind, big_endian, .. } = &self.values else {
            return Ok(spreads);
        };
        for row in rows {
            let numbers = kind.wide(&self.bytes(row)?, *big_endian);
            for (at, number) in numbers.into_iter().enumerate() {
                spreads[at % width].add(row, number);
            }
        }
        Ok(spreads)
    }

    /// The bytes of a row in a file that is read row by row.
    fn bytes(&self, row: usize) -> Result<Vec<u8>, Fault> {
        let Values::InFile {
            file, start, kind, ..
        } = &self.values
        else {
            return Ok(Vec::new());
        };
        let mut bytes = vec![0; self.shape.iter().product::<usize>() * kind.size()];
        let offset = start.saturating_add(row as u64 * bytes.len() as u64);
        file.read_at(&mut bytes, offset).map_err(|error| {
            Fault::File(FileFault::new(
                self.blob.name(),
                format!("cannot be read: {error}"),
            ))
        })?;
        Ok(bytes)
    }

    /// The names of the arrays in a file; none of one that has a single array without a name.
    pub(in super::super) fn keys(blob: &Blob, limit: usize) -> Result<Vec<Option<String>>, Fault> {
        let names = match blob.extension().as_str() {
            "npz" => npz_names(&npz(blob, limit)?),
            "safetensors" => safetensors_header(blob)?.1.into_keys().collect(),
            _ => return Ok(vec![None]),
        };
        Ok(names.into_iter().map(Some).collect())
    }

    /// The number of rows.
    pub(in super::super) fn rows(&self) -> usize {
        self.rows
    }

    /// The name under which the user knows the file.
    pub(in super::super) fn name(&self) -> &str {
        self.blob.name()
    }

    /// A row, from 0.
    pub(in super::super) fn row(&self, row: usize) -> Result<Array, Fault> {
        let fault = |problem: String| Fault::File(FileFault::new(self.blob.name(), problem));
        if row >= self.rows {
            return Err(fault(format!(
                "has no row {row}: it has {}, counted from 0",
                self.rows
            )));
        }
        let count: usize = self.shape.iter().product();
        let values = match &self.values {
            Values::InMemory(values) => values[row * count..][..count].to_vec(),
            Values::InFile { kind, big_endian, .. } => kind.values(&self.bytes(row)?, *big_endian),
        };
        if let Some((position, value)) = not_finite(&values) {
            return Err(fault(format!(
                "row {row}, column {position}: found {value}, expected a finite number that 32 bits can hold"
            )));
        }
        Array::new(self.shape.clone(), values).map_err(|error| fault(error.to_string()))
    }
}

/// Shape, values, and what is wrong with numbers that 32 bits hold, where all are looked at.
type Opened = (Vec<usize>, Values, Option<String>);

/// Bytes that an array takes, if so many can be counted.
fn bytes_of(shape: &[usize], kind: NumberType) -> Option<u64> {
    let mut extents = shape.iter();
    extents.try_fold(kind.size() as u64, |bytes, &extent| {
        bytes.checked_mul(extent as u64)
    })
}

fn open_npy(blob: &Blob, limit: usize) -> Result<Opened, Fault> {
    // Headers are padded to 64 bytes, and longer only for records.
    let head = blob.head(MOST_HEADER.min(64 << 10))?;
    let (header, start) = npy::layout(&head)?;
    let expected = bytes_of(&header.shape, header.kind);
    let found = blob.length() - start;
    if expected != Some(found) {
        return Err(Fault::Media(format!(
            "found {found} bytes of values, expected those of shape {:?} with {} bytes each",
            header.shape,
            header.kind.size()
        )));
    }
    if header.fortran_order && header.shape.len() > 1 {
        return whole(&blob.read(limit)?);
    }
    let values = Values::in_file(blob, start, header.kind, header.big_endian)?;
    Ok((header.shape, values, None))
}

fn whole(bytes: &[u8]) -> Result<Opened, Fault> {
    let array = npy::decode(bytes)?;
    let spreads = npy::spreads(bytes);
    let lost = first_lost(&spreads, Spread::lost).map(problem);
    Ok((
        array.shape().to_vec(),
        Values::InMemory(array.into_values()),
        lost,
    ))
}

type Npz = zip::ZipArchive<Cursor<Vec<u8>>>;

fn broken_npz(error: &zip::result::ZipError) -> Fault {
    Fault::Media(format!("not a whole .npz file: {error}"))
}

fn npz(blob: &Blob, limit: usize) -> Result<Npz, Fault> {
    zip::ZipArchive::new(Cursor::new(blob.read(limit)?)).map_err(|error| broken_npz(&error))
}

fn npz_names(archive: &Npz) -> Vec<String> {
    let names = archive.file_names();
    names
        .filter_map(|name| name.strip_suffix(".npy").map(str::to_owned))
        .collect()
}

fn open_npz(blob: &Blob, key: Option<&str>, limit: usize) -> Result<Opened, Fault> {
    let mut archive = npz(blob, limit)?;
    let name = chosen(key, npz_names(&archive))?;
    let mut bytes = Vec::new();
    let member = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|error| broken_npz(&error))?;
    let unpacked = member.take(limit as u64 + 1).read_to_end(&mut bytes);
    unpacked.map_err(|error| Fault::Media(format!("not a whole .npz file: {error}")))?;
    if bytes.len() > limit {
        let most = limit >> 20;
        return Err(Fault::Media(format!(
            "array `{name}` takes more than {most} MiB; if that is meant, raise the stream's `max_mib`"
        )));
    }
    whole(&bytes)
}

/// What safetensors say of a tensor.
#[derive(Debug, Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

fn broken_safetensors(problem: &str) -> Fault {
    Fault::Media(format!("not a whole .safetensors file: {problem}"))
}

/// The header's length, and what it says of each tensor.
fn safetensors_header(blob: &Blob) -> Result<(u64, BTreeMap<String, serde_json::Value>), Fault> {
    let broken = |problem: String| broken_safetensors(&problem);
    let cut = || broken("it is cut short inside its header".to_owned());
    let head = blob.head(8)?;
    let length = u64::from_le_bytes(*head.first_chunk::<8>().ok_or_else(cut)?);
    let after = blob.length() - 8;
    if length > after.min(MOST_HEADER) {
        return Err(broken(format!("a header of {length} bytes in {after}")));
    }
    let head = blob.head(8 + length)?;
    let mut header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(head.get(8..).ok_or_else(cut)?).map_err(|error| broken(error.to_string()))?;
    header.remove("__metadata__");
    Ok((length, header))
}

fn open_safetensors(blob: &Blob, key: Option<&str>) -> Result<Opened, Fault> {
    let broken = |problem: String| broken_safetensors(&problem);
    let (length, mut header) = safetensors_header(blob)?;
    let after = blob.length() - 8;
    let name = chosen(key, header.keys().cloned().collect())?;
    let tensor = header.remove(&name).unwrap_or_default();
    let tensor: Tensor =
        serde_json::from_value(tensor).map_err(|error| broken(format!("tensor `{name}`: {error}")))?;
    let kind = NumberType::of_safetensors(&tensor.dtype).ok_or_else(|| {
        Fault::Media(format!(
            "found values of type {} in `{name}`, expected {TYPES_EXPECTED}",
            tensor.dtype
        ))
    })?;
    let [from, to] = tensor.data_offsets;
    let fits = to <= after - length && to.checked_sub(from) == bytes_of(&tensor.shape, kind);
    if !fits {
        return Err(broken(format!(
            "tensor `{name}` of shape {:?} is said to be in bytes {from} to {to} of {}",
            tensor.shape,
            after - length
        )));
    }
    let values = Values::in_file(blob, 8 + length + from, kind, false)?;
    Ok((tensor.shape, values, None))
}

/// The array that is meant.
fn chosen(key: Option<&str>, mut names: Vec<String>) -> Result<String, Fault> {
    names.sort();
    let listed = names.join(", ");
    match key {
        Some(key) if names.iter().any(|name| name == key) => Ok(key.to_owned()),
        Some(key) => Err(Fault::Media(format!(
            "has no array `{key}`, expected one of: {listed}"
        ))),
        None => match &mut names[..] {
            [only] => Ok(std::mem::take(only)),
            [] => Err("has no array".into()),
            _ => Err(Fault::Media(format!(
                "has several arrays; name one with the stream's `key`: {listed}"
            ))),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use proptest::prelude::*;

    use super::super::super::decode::npy::tests::{file, header};
    use super::*;

    fn open(name: &str, bytes: &[u8], key: Option<&str>) -> Result<RowFile, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = RowFile::open(Blob::file(name.to_owned(), path)?, key, 1 << 20);
        // The file has to be there as long as rows are read.
        std::mem::forget(folder);
        file
    }

    fn npy(descr: &str, fortran: bool, shape: &str, body: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        file(&header(descr, order, shape), body)
    }

    fn npz(arrays: &[(&str, Vec<u8>)], packed: bool) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let method = if packed {
            zip::CompressionMethod::Deflated
        } else {
            zip::CompressionMethod::Stored
        };
        let options = zip::write::FileOptions::default().compression_method(method);
        for (name, bytes) in arrays {
            writer.start_file(format!("{name}.npy"), options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn safetensors(header: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(body);
        bytes
    }

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn every_format_gives_the_same_rows() {
        let by_row = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let by_column = floats(&[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        let plain = npy("<f4", false, "(3, 2)", &by_row);
        let header = r#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[3,2],"data_offsets":[4,28]},"y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
        let body = [&[9, 9, 9, 9][..], &by_row].concat();
        for (name, bytes, key) in [
            ("a.npy", plain.clone(), None),
            ("b.npy", npy("<f4", true, "(3, 2)", &by_column), None),
            ("c.npz", npz(&[("x", plain.clone())], false), None),
            (
                "d.npz",
                npz(&[("x", plain.clone()), ("y", plain)], true),
                Some("x"),
            ),
            ("e.safetensors", safetensors(header, &body), Some("x")),
        ] {
            let file = open(name, &bytes, key).unwrap();
            assert_eq!(file.rows(), 3, "{name}");
            for row in 0..3 {
                let array = file.row(row).unwrap();
                assert_eq!(array.shape(), [2], "{name}");
                assert_eq!(
                    array.values(),
                    [2.0 * row as f32, 2.0 * row as f32 + 1.0],
                    "{name}"
                );
            }
            let error = format!("{:?}", file.row(3).unwrap_err());
            assert!(error.contains("no row 3") && error.contains(name), "{error}");
        }
    }

    #[test]
    fn one_axis_is_a_number_for_each_sample_and_three_are_a_sequence() {
        let file = open("a.npy", &npy("<i2", false, "(2,)", &[7, 0, 8, 0]), None).unwrap();
        assert_eq!(file.row(1).unwrap(), Array::new([1], vec![8.0]).unwrap());
        let file = open(
            "a.npy",
            &npy("|u1", false, "(1, 2, 3)", &[1, 2, 3, 4, 5, 6]),
            None,
        )
        .unwrap();
        assert_eq!(file.row(0).unwrap().shape(), [2, 3]);
    }

    #[test]
    fn what_no_32_bit_float_can_hold_is_named_with_its_row_and_column() {
        for value in [f64::NAN, f64::INFINITY, 1e300] {
            let body: Vec<u8> = [0.0, 1.0, 2.0, value]
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect();
            let file = open("a.npy", &npy("<f8", false, "(2, 2)", &body), None).unwrap();
            assert!(file.row(0).is_ok());
            let error = format!("{:?}", file.row(1).unwrap_err());
            assert!(error.contains("row 1, column 1"), "{error}");
        }
    }

    #[test]
    fn columns_that_32_bits_hold_as_one_are_found_in_every_format_among_any_number_of_rows() {
        let far = 1_700_000_000_000_i64;
        for rows in [3, 5000] {
            let shape = format!("({rows}, 2)");
            // The last row of those that are a day apart is, the others are not.
            for (last, expected) in [(far + 5, true), (far + 86_400_000, false)] {
                let at = |row: i64| if row + 1 == rows { last } else { far + row % 5 };
                let by_row: Vec<u8> = (0..rows)
                    .flat_map(|row| [row * 1000, at(row)])
                    .flat_map(i64::to_le_bytes)
                    .collect();
                let by_column: Vec<u8> = (0..rows)
                    .map(|row| row * 1000)
                    .chain((0..rows).map(at))
                    .flat_map(i64::to_le_bytes)
                    .collect();
                let plain = npy("<i8", false, &shape, &by_row);
                let header = format!(
                    r#"{{"x":{{"dtype":"I64","shape":[{rows},2],"data_offsets":[0,{}]}}}}"#,
                    by_row.len()
                );
                for (name, bytes) in [
                    ("a.npy", plain.clone()),
                    ("b.npy", npy("<i8", true, &shape, &by_column)),
                    ("c.npz", npz(&[("x", plain)], true)),
                    ("d.safetensors", safetensors(&header, &by_row)),
                ] {
                    let file = open(name, &bytes, None).unwrap();
                    assert_eq!(
                        file.lost().is_some(),
                        expected,
                        "{name} {rows}: {:?}",
                        file.lost()
                    );
                    if let Some(problem) = file.lost() {
                        assert!(
                            problem.starts_with("column 1: numbers from 1700000000000"),
                            "{problem}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_array_that_is_not_there_is_told_with_those_that_are() {
        let array = npy("<f4", false, "(1, 1)", &floats(&[1.0]));
        let file = npz(&[("b", array.clone()), ("a", array)], true);
        for (key, part) in [(None, "a, b"), (Some("c"), "a, b")] {
            let error = format!("{:?}", open("x.npz", &file, key).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        let error = format!("{:?}", open("x.csv", b"1", None).unwrap_err());
        assert!(error.contains("npy, npz, safetensors"), "{error}");
    }

    #[test]
    fn what_does_not_fit_the_file_is_refused() {
        let tensor = |shape: &str, offsets: &str| {
            let header = format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
            safetensors(&header, &[0; 8])
        };
        for (name, bytes) in [
            ("a.safetensors", tensor("[3]", "[0,12]")),
            ("b.safetensors", tensor("[2]", "[4,0]")),
            (
                "c.safetensors",
                tensor("[18446744073709551615, 18446744073709551615]", "[0,8]"),
            ),
            ("d.safetensors", tensor("[]", "[0,4]")),
            ("e.safetensors", tensor("[0]", "[0,0]")),
            ("f.npy", npy("<f4", false, "(4,)", &[0; 8])),
            ("g.npy", npy("<f4", false, "(2, 0)", &[])),
            ("h.npz", npz(&[], false)),
        ] {
            let opened = open(name, &bytes, None);
            assert!(opened.is_err() || opened.unwrap().row(0).is_err(), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, header in "[{}\\[\\]\":,a-z0-9]{0,60}", name in "a\\.(npy|npz|safetensors)") {
            for bytes in [bytes.clone(), safetensors(&header, &bytes)] {
                if let Ok(file) = open(&name, &bytes, None) {
                    let _ = file.row(0);
                }
            }
        }
    }
}
