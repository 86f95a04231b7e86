//! The file of a segment.
//!
//! Format: `gblend-segment-1\n`, a line of JSON (the shape of the samples, or the shapes where they differ, their number, a
//! checksum, how values are kept if not as `f32`), then the samples, little-endian.

use std::io::{BufRead, Read, Write};
use std::path::Path;

use gblend_core::{Array, Precision};
use serde::{Deserialize, Serialize};

use crate::data::kept_sample::{narrowed, widened};

const MAGIC: &str = "gblend-segment-1\n";

/// What stands before the samples.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    shape: Vec<usize>,
    /// One for each sample, if they have not all that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shapes: Vec<Vec<usize>>,
    pub(super) samples: usize,
    blake3: String,
    /// How values are kept.
    #[serde(default, skip_serializing_if = "Precision::is_exact")]
    values: Precision,
}

/// Writes a segment whole or not at all. Samples with a value that `precision` cannot have are kept in 32 bits.
pub(super) fn write_segment(path: &Path, samples: &[Array], precision: Precision) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let (bytes, values) = match sixteen_bits(samples, precision) {
        Some(bytes) => (bytes, precision),
        None => (thirty_two_bits(samples), Precision::F32),
    };
    let shapes = || samples.iter().map(|sample| sample.shape().to_vec());
    let first = shapes().next().unwrap_or_default();
    let alike = samples.iter().all(|sample| sample.shape() == first);
    let header = Header {
        shapes: if alike { Vec::new() } else { shapes().collect() },
        shape: first,
        samples: samples.len(),
        blake3: blake3::hash(&bytes).to_hex().to_string(),
        values,
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(MAGIC.as_bytes())?;
    serde_json::to_writer(&mut file, &header)?;
    file.write_all(b"\n")?;
    file.write_all(&bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn thirty_two_bits(samples: &[Array]) -> Vec<u8> {
    let values = samples.iter().flat_map(Array::values);
    values.flat_map(|value| value.to_le_bytes()).collect()
}

/// The samples in 16 bits; `None` if not every value can be kept so.
fn sixteen_bits(samples: &[Array], precision: Precision) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(samples.iter().map(|sample| 2 * sample.len()).sum());
    for sample in samples {
        let narrow = narrowed(sample.values(), precision)?;
        bytes.extend(narrow.iter().flat_map(|value| value.to_le_bytes()));
    }
    Some(bytes)
}

impl Header {
    /// The shape of a sample, how many bytes are before it, and how many it has.
    pub(super) fn sample(&self, position: usize) -> Option<(&[usize], usize, usize)> {
        if position >= self.samples {
            return None;
        }
        if self.shapes.is_empty() {
            let bytes = self.bytes_of(&self.shape)?;
            return Some((&self.shape, bytes.checked_mul(position)?, bytes));
        }
        let before = self.total(&self.shapes[..position])?;
        let shape = self.shapes.get(position)?;
        Some((shape, before, self.bytes_of(shape)?))
    }

    /// Bytes of all samples.
    pub(super) fn bytes(&self) -> Option<usize> {
        match &self.shapes[..] {
            // However many there are of nothing, they take no bytes.
            [] => self
                .bytes_of(&self.shape)
                .filter(|bytes| *bytes > 0 || self.samples == 0)?
                .checked_mul(self.samples),
            shapes => self.total(shapes).filter(|_| shapes.len() == self.samples),
        }
    }

    /// Bytes of a sample.
    fn bytes_of(&self, shape: &[usize]) -> Option<usize> {
        shape
            .iter()
            .try_fold(self.values.bytes(), |a, &b| a.checked_mul(b))
    }

    fn total(&self, shapes: &[Vec<usize>]) -> Option<usize> {
        let mut each = shapes.iter().map(|shape| self.bytes_of(shape));
        each.try_fold(0_usize, |sum, bytes| sum.checked_add(bytes?))
    }

    /// The values of these bytes.
    pub(super) fn values(&self, bytes: &[u8]) -> Vec<f32> {
        match self.values {
            Precision::F32 => {
                let values = bytes.chunks_exact(4);
                values
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect()
            }
            narrow => {
                let values = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
                widened(&values.collect::<Vec<u16>>(), narrow)
            }
        }
    }
}

/// The header, and the length of everything before the samples.
pub(super) fn read_header(reader: &mut impl BufRead) -> Option<(Header, u64)> {
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).ok()?;
    if magic != MAGIC.as_bytes() {
        return None;
    }
    /// Far more than a header needs; a damaged file must not be read into memory as one line.
    const LONGEST_HEADER: u64 = 1 << 16;
    let mut line = String::new();
    reader.by_ref().take(LONGEST_HEADER).read_line(&mut line).ok()?;
    let header = serde_json::from_str(&line).ok()?;
    Some((header, (MAGIC.len() + line.len()) as u64))
}

/// The samples of a segment of `size` bytes; `None` if it is damaged.
pub(crate) fn read_segment(mut reader: impl BufRead, size: u64) -> Option<Vec<Array>> {
    let (header, before) = read_header(&mut reader)?;
    let expected = header.bytes()?;
    if before.checked_add(expected as u64)? != size {
        return None;
    }
    let mut bytes = vec![0; expected];
    reader.read_exact(&mut bytes).ok()?;
    if blake3::hash(&bytes).to_hex().as_str() != header.blake3 {
        return None;
    }
    let samples = (0..header.samples).map(|position| {
        let (shape, before, length) = header.sample(position)?;
        Array::new(shape, header.values(&bytes[before..before + length])).ok()
    });
    samples.collect()
}
