//! Segments that single samples are read from: the last ones that were asked for stay open.
//!
//! To find a file, open it and parse its header takes longer than to read a small sample. Loader threads read from one open
//! file side by side, each at its own place, and hold no lock while they read.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gblend_core::Array;

use super::key::SegmentKey;
use super::segment::{Header, read_header};
use crate::files::read_at;

/// Files that stay open: systems let a process have 256 at least, of which the rest of it needs some.
const MOST_OPEN: usize = 128;

/// The segments that are open.
#[derive(Debug, Default)]
pub(super) struct OpenSegments(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    segments: HashMap<SegmentKey, Used>,
    /// How often a segment was asked for.
    asked: u64,
}

#[derive(Debug)]
struct Used {
    segment: Arc<Segment>,
    /// The value of `asked` when it was asked for last.
    last: u64,
}

impl OpenSegments {
    /// One sample of the segment at `path`; `None` if it is not there, or is damaged.
    pub(super) fn sample(
        &self,
        key: &SegmentKey,
        path: impl FnOnce() -> PathBuf,
        position: usize,
    ) -> Option<Array> {
        if let Some(segment) = self.find(key)
            && segment.is_there()
        {
            return segment.sample(position);
        }
        // Not open, or not the file any more that has the name.
        let segment = Arc::new(Segment::open(&path())?);
        self.keep(key, &segment);
        segment.sample(position)
    }

    fn find(&self, key: &SegmentKey) -> Option<Arc<Segment>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.asked += 1;
        let asked = open.asked;
        let used = open.segments.get_mut(key)?;
        used.last = asked;
        Some(Arc::clone(&used.segment))
    }

    fn keep(&self, key: &SegmentKey, segment: &Arc<Segment>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.segments.len() >= MOST_OPEN && !open.segments.contains_key(key) {
            let oldest = open.segments.iter().min_by_key(|(_, used)| used.last);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| open.segments.remove(&key));
        }
        let used = Used {
            segment: Arc::clone(segment),
            last: open.asked,
        };
        open.segments.insert(key.clone(), used);
    }
}

/// A file whose size agrees with its header.
#[derive(Debug)]
struct Segment {
    file: File,
    size: u64,
    header: Header,
    /// Bytes before the first sample.
    before: u64,
}

impl Segment {
    fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        /// Enough for nearly every header.
        const HEADER: usize = 512;
        let (header, before) = read_header(&mut BufReader::with_capacity(HEADER, &file))?;
        if before.checked_add(header.bytes()? as u64)? != size {
            return None;
        }
        Some(Self {
            size,
            before,
            header,
            file,
        })
    }

    /// Whether the file is as it was when it was opened, and still has a name: a cache that was deleted is gone, although
    /// what is open could be read on.
    fn is_there(&self) -> bool {
        let metadata = self.file.metadata();
        metadata.is_ok_and(|metadata| metadata.len() == self.size && has_name(&metadata))
    }

    fn sample(&self, position: usize) -> Option<Array> {
        let (shape, offset, length) = self.header.sample(position)?;
        let mut bytes = vec![0; length];
        read_at(&self.file, &mut bytes, self.before.checked_add(offset as u64)?).ok()?;
        Array::new(shape, self.header.values(&bytes)).ok()
    }
}

#[cfg(unix)]
fn has_name(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 0
}

/// Open files cannot be deleted.
#[cfg(not(unix))]
fn has_name(_: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Cache;
    use super::*;
    use gblend_core::Precision;

    /// The sample at `position` of segment `segment`.
    fn sample(segment: usize, position: usize) -> Array {
        let values = (0..6).map(|element| (segment * 100 + position * 6 + element) as f32 * 0.37);
        Array::new([2, 3], values.collect()).unwrap()
    }

    fn key(segment: usize) -> SegmentKey {
        SegmentKey::new("rgb", [segment.to_string().as_str()])
    }

    /// A cache of segments of four samples each.
    fn cache(segments: usize) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        for segment in 0..segments {
            let samples: Vec<Array> = (0..4).map(|position| sample(segment, position)).collect();
            cache.store(&key(segment), &samples, Precision::F32).unwrap();
        }
        (folder, cache)
    }

    fn open(cache: &Cache) -> usize {
        cache.open.0.lock().unwrap().segments.len()
    }

    #[test]
    fn however_many_segments_are_read_few_stay_open() {
        let segments = 2 * MOST_OPEN;
        let (_folder, cache) = cache(segments);
        for round in 0..3 {
            for segment in 0..segments {
                let position = (segment + round) % 4;
                assert_eq!(
                    cache.load_one(&key(segment), position),
                    Some(sample(segment, position))
                );
                assert!(open(&cache) <= MOST_OPEN);
            }
        }
        assert_eq!(open(&cache), MOST_OPEN);
    }

    #[test]
    fn what_was_asked_for_last_stays_open() {
        let (_folder, cache) = cache(2 * MOST_OPEN);
        for segment in 1..2 * MOST_OPEN {
            assert!(cache.load_one(&key(0), 0).is_some());
            assert!(cache.load_one(&key(segment), 0).is_some());
        }
        let open = cache.open.0.lock().unwrap();
        assert!(open.segments.contains_key(&key(0)) && !open.segments.contains_key(&key(1)));
    }

    #[test]
    fn threads_that_share_open_segments_read_what_each_asked_for() {
        let segments = MOST_OPEN + 30;
        let (_folder, cache) = cache(segments);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for step in 0..2000 {
                        let (segment, position) = ((step * 37 + thread * 11) % segments, (step + thread) % 4);
                        assert_eq!(
                            cache.load_one(&key(segment), position),
                            Some(sample(segment, position))
                        );
                    }
                });
            }
        });
        assert!(open(&cache) <= MOST_OPEN);
    }

    #[test]
    fn a_segment_that_is_harmed_while_it_is_open_is_refused_until_it_is_mended() {
        let (_folder, cache) = cache(1);
        let path = cache.path(&key(0));
        let whole = std::fs::read(&path).unwrap();
        let harms: [&dyn Fn(); 3] = [
            // Sample 0 is whole all the same.
            &|| std::fs::write(&path, &whole[..whole.len() - 1]).unwrap(),
            &|| std::fs::write(&path, [&whole[..], b"more"].concat()).unwrap(),
            &|| std::fs::remove_file(&path).unwrap(),
        ];
        for harm in harms {
            assert_eq!(cache.load_one(&key(0), 0), Some(sample(0, 0)));
            harm();
            assert_eq!(cache.load_one(&key(0), 0), None);
            let samples: Vec<Array> = (0..4).map(|position| sample(0, position)).collect();
            cache.store(&key(0), &samples, Precision::F32).unwrap();
        }
        assert_eq!(cache.load_one(&key(0), 3), Some(sample(0, 3)));
    }
}
