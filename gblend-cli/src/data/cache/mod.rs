//! Prepared samples on disk, keyed by what they were made from.
//!
//! A segment holds a few hundred prepared samples of one modality. Its file name is a hash of everything
//! that could change them: gblend's version, the plugin's crate and version, its settings, and the
//! fingerprint of every sample. So a changed file or setting is simply another segment, and an interrupted
//! preparation keeps what it has finished.

mod key;
mod open;
mod segment;

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use gblend_core::{Array, Precision};

pub(super) use key::SegmentKey;
use open::OpenSegments;
pub(crate) use segment::read_segment;
use segment::write_segment;

/// The folder that holds the segments.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    open: OpenSegments,
}

impl Cache {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            open: OpenSegments::default(),
        }
    }

    /// Where a segment is, or would be.
    pub(super) fn path(&self, key: &SegmentKey) -> PathBuf {
        let (head, tail) = key.names();
        self.folder.join(head).join(format!("{tail}.segment"))
    }

    /// The samples of a segment; `None` if there is no such segment or it is damaged, which the caller
    /// mends by preparing the samples again.
    pub(super) fn load(&self, key: &SegmentKey) -> Option<Vec<Array>> {
        let path = self.path(key);
        let file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        read_segment(BufReader::new(file), size)
    }

    /// One sample of a segment that [`load`](Self::load) found whole earlier in the run.
    pub(super) fn load_one(&self, key: &SegmentKey, position: usize) -> Option<Array> {
        self.open.sample(key, || self.path(key), position)
    }

    /// What was wrong with the one sample that this key is of, as [`remember_fault`](Self::remember_fault) was told.
    pub(super) fn fault(&self, key: &SegmentKey) -> Option<String> {
        std::fs::read_to_string(self.fault_path(key)).ok()
    }

    /// Remembers that a sample cannot be used, so that the samples around it need not be prepared again to
    /// find out. Whether that works decides nothing but the time that the next run takes.
    pub(super) fn remember_fault(&self, key: &SegmentKey, problem: &str) {
        Self::remember(&self.fault_path(key), problem);
    }

    /// The bytes of the one sample that this key is of, as [`remember_size`](Self::remember_size) was told.
    pub(super) fn size(&self, key: &SegmentKey) -> Option<usize> {
        let text = std::fs::read_to_string(self.path(key).with_extension("size")).ok()?;
        text.trim().parse().ok()
    }

    /// Remembers how large a prepared sample is, so that it need not be prepared again to find out.
    pub(super) fn remember_size(&self, key: &SegmentKey, bytes: usize) {
        Self::remember(&self.path(key).with_extension("size"), &bytes.to_string());
    }

    /// Writes a small file, whole or not at all. Whether that works decides nothing but the time that the next run takes.
    fn remember(path: &Path, text: &str) {
        let written = path.parent().map(|folder| {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.persist(path).map_err(|error| error.error)
        });
        drop(written);
    }

    /// Forgets a fault that is none any more.
    pub(super) fn forget_fault(&self, key: &SegmentKey) {
        let _ = std::fs::remove_file(self.fault_path(key));
    }

    /// Whether the one sample that this key is of was found to lack the stream, as
    /// [`remember_absence`](Self::remember_absence) was told.
    pub(super) fn is_absent(&self, key: &SegmentKey) -> bool {
        self.path(key).with_extension("absent").exists()
    }

    /// Remembers that the file of a sample has nothing of the stream in it, as a fault is remembered.
    pub(super) fn remember_absence(&self, key: &SegmentKey) {
        let path = self.path(key).with_extension("absent");
        let written = path.parent().map(std::fs::create_dir_all);
        drop(written.map(|_| File::create(&path)));
    }

    fn fault_path(&self, key: &SegmentKey) -> PathBuf {
        self.path(key).with_extension("fault")
    }

    /// Stores a segment. Whole or not at all: it is written under another name and then renamed. What is loaded is the same to the
    /// bit: a segment with a value that `precision` cannot have is kept in 32 bits.
    ///
    /// # Errors
    /// The file that could not be written, and why.
    pub(super) fn store(
        &self,
        key: &SegmentKey,
        samples: &[Array],
        precision: Precision,
    ) -> Result<(), (PathBuf, std::io::Error)> {
        let path = self.path(key);
        write_segment(&path, samples, precision).map_err(|error| (path, error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn samples(count: usize) -> Vec<Array> {
        let sample = |i: usize| Array::new([2, 3], (0..6).map(|e| (i * 6 + e) as f32 * 0.37).collect());
        (0..count).map(|i| sample(i).unwrap()).collect()
    }

    #[test]
    fn a_stored_segment_is_loaded_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::new(folder.path()), SegmentKey::new("rgb", ["a", "b"]));
        assert_eq!(cache.load(&key), None);
        cache.store(&key, &samples(5), Precision::F32).unwrap();
        assert_eq!(cache.load(&key).unwrap(), samples(5));
        for (position, sample) in samples(5).into_iter().enumerate() {
            assert_eq!(cache.load_one(&key, position), Some(sample));
        }
        assert_eq!(cache.load_one(&key, 5), None);
    }

    #[test]
    fn samples_of_several_shapes_are_loaded_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::new(folder.path()), SegmentKey::new("rgb", ["a"]));
        let shapes: [&[usize]; 4] = [&[1, 2], &[3, 2], &[0], &[1, 2]];
        let sample = |shape: &[usize]| {
            let count: usize = shape.iter().product();
            Array::new(shape, (0..count).map(|value| value as f32 / 7.0).collect()).unwrap()
        };
        let samples = shapes.map(sample).to_vec();
        cache.store(&key, &samples, Precision::F32).unwrap();
        assert_eq!(cache.load(&key).as_ref(), Some(&samples));
        for (position, sample) in samples.into_iter().enumerate() {
            assert_eq!(cache.load_one(&key, position), Some(sample));
        }
        assert_eq!(cache.load_one(&key, 4), None);
        assert!(!cache.is_absent(&key));
        cache.remember_absence(&key);
        assert!(cache.is_absent(&key));
    }

    #[test]
    fn keys_differ_in_whatever_the_samples_depend_on() {
        let key = SegmentKey::new("rgb", ["a", "b"]);
        assert_ne!(key, SegmentKey::new("flow", ["a", "b"]));
        assert_ne!(key, SegmentKey::new("rgb", ["b", "a"]));
        assert_ne!(key, SegmentKey::new("rgb", ["ab"]));
        assert_ne!(key, SegmentKey::new("rgba", ["b"]));
    }

    #[test]
    fn a_header_that_says_more_than_the_file_has_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::new(folder.path()), SegmentKey::new("rgb", ["a"]));
        cache.store(&key, &samples(2), Precision::F32).unwrap();
        let path = cache.path(&key);
        let whole = std::fs::read(&path).unwrap();
        let header = "\"shape\":[2,3],\"samples\":2";
        let at = whole
            .windows(header.len())
            .position(|part| part == header.as_bytes())
            .unwrap();
        // The second one is 4 bytes short of 64 bits before the header is added.
        for (shape, samples) in [
            ("[2,3]", 3),
            ("[1]", (1_u64 << 62) - 1),
            ("[4294967296,4294967296]", 0),
            ("[99999999]", 2),
        ] {
            let damaged = format!("\"shape\":{shape},\"samples\":{samples}");
            let bytes = [&whole[..at], damaged.as_bytes(), &whole[at + header.len()..]].concat();
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(cache.load(&key), None, "{damaged}");
            assert_eq!(cache.load_one(&key, 0), None, "{damaged}");
        }
    }

    #[test]
    fn a_segment_in_32_bits_is_written_as_before_there_were_others() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::new(folder.path()), SegmentKey::new("rgb", ["a"]));
        cache.store(&key, &samples(3), Precision::F32).unwrap();
        let bytes = std::fs::read(cache.path(&key)).unwrap();
        let values: Vec<u8> = samples(3)
            .iter()
            .flat_map(|sample| {
                sample
                    .values()
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect::<Vec<u8>>()
            })
            .collect();
        let hash = blake3::hash(&values).to_hex();
        let before = format!("gblend-segment-1\n{{\"shape\":[2,3],\"samples\":3,\"blake3\":\"{hash}\"}}\n");
        assert_eq!(bytes, [before.as_bytes(), &values].concat());
    }

    #[test]
    fn a_segment_in_16_bits_is_half_as_long_and_loses_no_bit_of_what_it_is_given() {
        use crate::data::kept_sample::rounded;
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::new(folder.path()), SegmentKey::new("rgb", ["a"]));
        for precision in [Precision::Bf16, Precision::F16] {
            let round = |sample| rounded(sample, precision).unwrap();
            let given: Vec<Array> = samples(400).into_iter().map(round).collect();
            cache.store(&key, &given, precision).unwrap();
            assert_eq!(cache.load(&key).unwrap(), given);
            assert_eq!(cache.load_one(&key, 399).unwrap(), given[399]);
            let size = std::fs::metadata(cache.path(&key)).unwrap().len();
            assert!((4800..5100).contains(&size), "{size}");
            // What 16 bits cannot have is kept all the same.
            let mut odd = given.clone();
            odd[7].values_mut()[2] = 0.123_456_7;
            cache.store(&key, &odd, precision).unwrap();
            assert_eq!(cache.load(&key).unwrap(), odd);
            assert_eq!(cache.load_one(&key, 7).unwrap(), odd[7]);
        }
    }

    proptest! {
        #[test]
        fn a_damaged_segment_is_never_loaded(position in 0_usize..300, bit in 0_u8..8) {
            let folder = tempfile::tempdir().unwrap();
            let (cache, key) = (Cache::new(folder.path()), SegmentKey::new("rgb", ["a"]));
            cache.store(&key, &samples(4), Precision::F32).unwrap();
            let path = cache.path(&key);
            let mut bytes = std::fs::read(&path).unwrap();
            prop_assume!(position < bytes.len());
            bytes[position] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            // A flipped bit in the header's white space may leave the same header; the samples never change.
            prop_assert!(cache.load(&key).is_none_or(|loaded| loaded == samples(4)));
        }

        #[test]
        fn a_segment_cut_short_is_never_loaded(length in 0_usize..300) {
            let folder = tempfile::tempdir().unwrap();
            let (cache, key) = (Cache::new(folder.path()), SegmentKey::new("rgb", ["a"]));
            cache.store(&key, &samples(9), Precision::F32).unwrap();
            let path = cache.path(&key);
            let bytes = std::fs::read(&path).unwrap();
            prop_assume!(length < bytes.len());
            std::fs::write(&path, &bytes[..length]).unwrap();
            prop_assert_eq!(cache.load(&key), None);
        }
    }
}
