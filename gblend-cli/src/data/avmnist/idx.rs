//! The IDX format of MNIST: a magic number, big-endian extents, bytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use gblend_core::{Error, Result};

/// Larger files than any part of MNIST; a damaged header or a compressed bomb must not fill the memory.
const LARGEST: u64 = 1 << 30;

/// Gray pictures.
pub(super) struct Pictures {
    pub(super) count: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// `[count, height, width]`.
    pixels: Vec<u8>,
}

impl Pictures {
    /// One picture, row by row.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        let size = self.height * self.width;
        &self.pixels[index * size..][..size]
    }

    /// Forgets all but the first ones.
    pub(super) fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
        self.pixels.truncate(self.count * self.height * self.width);
        self.pixels.shrink_to_fit();
    }
}

/// Reads a file of pictures, `name` or `name.gz`.
pub(super) fn read_pictures(folder: &Path, name: &str) -> Result<Pictures> {
    let (path, mut bytes) = read(folder, name)?;
    let (extents, pixels) = parse(&bytes, 3).map_err(|problem| Error::data(path.display(), problem))?;
    let header = bytes.len() - pixels.len();
    match *extents.as_slice() {
        [count, height, width] if height > 0 && width > 0 => {
            bytes.drain(..header);
            Ok(Pictures {
                count,
                height,
                width,
                pixels: bytes,
            })
        }
        _ => Err(Error::data(
            path.display(),
            format!("pictures of size {extents:?}, expected at least 1x1"),
        )),
    }
}

/// Reads a file of labels, `name` or `name.gz`.
pub(super) fn read_labels(folder: &Path, name: &str, classes: usize) -> Result<Vec<usize>> {
    let (path, bytes) = read(folder, name)?;
    let (_, labels) = parse(&bytes, 1).map_err(|problem| Error::data(path.display(), problem))?;
    let labels: Vec<usize> = labels.iter().map(|&label| usize::from(label)).collect();
    match labels.iter().position(|&label| label >= classes) {
        None => Ok(labels),
        Some(at) => {
            let problem = format!("label {at} is {}, expected 0 to {}", labels[at], classes - 1);
            Err(Error::data(path.display(), problem))
        }
    }
}

fn read(folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>)> {
    let plain = folder.join(name);
    let zipped = folder.join(format!("{name}.gz"));
    let path = if zipped.exists() { zipped } else { plain };
    let failed = |error: std::io::Error| {
        let problem = match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("not found, nor {name}.gz; expected MNIST's files in this folder")
            }
            _ => format!("cannot be read: {error}"),
        };
        Error::data(path.display(), problem)
    };
    let file = BufReader::new(File::open(&path).map_err(failed)?);
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let bytes = unfold(file, zipped).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::data(
            path.display(),
            format!("larger than {LARGEST} bytes"),
        ));
    }
    Ok((path, bytes))
}

/// The content of a file, at most one byte more than [`LARGEST`].
pub(crate) fn unfold(file: impl BufRead, zipped: bool) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if zipped {
        GzDecoder::new(file).take(LARGEST + 1).read_to_end(&mut bytes)?;
    } else {
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The extents and elements of an IDX file of unsigned bytes with this many dimensions.
pub(crate) fn parse(bytes: &[u8], dimensions: usize) -> Result<(Vec<usize>, &[u8]), String> {
    let magic = [0, 0, 8, dimensions as u8];
    let word = |index: usize| bytes.get(4 * index..4 * index + 4);
    match word(0) {
        Some(found) if found == magic => {}
        Some(found) => {
            return Err(format!(
                "starts with {found:?}, expected {magic:?}: an IDX file of unsigned bytes with {dimensions} \
                 dimension(s)"
            ));
        }
        None => return Err(format!("{} bytes, expected an IDX header", bytes.len())),
    }
    let mut extents = Vec::new();
    for dimension in 0..dimensions {
        let found = word(dimension + 1).and_then(|bytes| bytes.try_into().ok());
        let Some(found) = found.map(u32::from_be_bytes) else {
            return Err(format!("ends inside the header, after {} bytes", bytes.len()));
        };
        extents.push(found as usize);
    }
    let elements = &bytes[4 * (dimensions + 1)..];
    let expected = extents
        .iter()
        .try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    if expected != Some(elements.len()) {
        return Err(format!(
            "{} bytes after the header, expected as many as {extents:?} says: the file is cut short or damaged",
            elements.len()
        ));
    }
    Ok((extents, elements))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64), good: bool) {
            let mut bytes = bytes;
            if good && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&[0, 0, 8, 3]);
            }
            if let Ok((extents, elements)) = parse(&bytes, 3) {
                prop_assert_eq!(extents.iter().product::<usize>(), elements.len());
            }
        }

        #[test]
        fn a_file_cut_anywhere_is_refused(length in 0_usize..28) {
            let mut whole = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3];
            whole.extend([7; 12]);
            prop_assert!(parse(&whole, 3).is_ok());
            prop_assert!(parse(&whole[..length], 3).is_err());
        }
    }
}
