//! Every sample of a run, transformed by its modality's front end, in memory or in the cache.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use gblend_core::dataset::Source;
use gblend_core::{Array, Error, Modality, Result, Role};
use rayon::prelude::*;

use super::cache::{Cache, SegmentKey};
use crate::config::ModalityConfig;

/// Samples of one segment: enough that files are few, few enough that an interruption loses little.
const SEGMENT: usize = 256;

/// Where samples are kept, and who is told how far the preparation is.
pub struct Storage<'a> {
    /// Folder of the cache.
    pub cache: &'a Path,
    /// Bytes of prepared samples that may stay in memory.
    pub memory: u64,
    /// Called with the number of samples done and the number in all.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Told what went wrong without doing harm.
    pub warn: &'a (dyn Fn(String) + Sync),
}

/// The prepared samples of every modality.
pub struct Prepared {
    modalities: Vec<PreparedModality>,
    labels: Vec<usize>,
}

struct PreparedModality {
    name: String,
    sample_shape: Vec<usize>,
    segments: Vec<Segment>,
}

enum Segment {
    Resident(Vec<Array>),
    Cached { cache: Arc<Cache>, key: SegmentKey },
}

impl Prepared {
    /// Prepares every sample of `source` for every modality, side by side on the threads of the current
    /// pool; what the cache has is not prepared again.
    ///
    /// # Errors
    /// [`Error::Data`] naming the first sample, in the order of the dataset, that cannot be read or
    /// prepared, has another shape than the first, or a value that is not finite.
    pub fn new(
        source: &dyn Source,
        modalities: &[ModalityConfig],
        streams: &[usize],
        storage: &Storage<'_>,
    ) -> Result<Self> {
        let cache = Arc::new(Cache::new(storage.cache));
        let total = source.len() * modalities.len();
        let done = AtomicUsize::new(0);
        let resident = AtomicU64::new(0);
        let mut prepared = Vec::with_capacity(modalities.len());
        for (modality, &stream) in modalities.iter().zip(streams) {
            let preparation = preparation(modality)?;
            let starts: Vec<usize> = (0..source.len()).step_by(SEGMENT).collect();
            let segments: Vec<Result<(Segment, Vec<usize>)>> = starts
                .par_iter()
                .map(|&start| {
                    let range = start..(start + SEGMENT).min(source.len());
                    let work = SegmentWork {
                        source,
                        modality,
                        stream,
                        preparation: &preparation,
                    };
                    let count = range.len();
                    let (key, samples) = work.run(range, &cache, storage)?;
                    let shape = samples.first().map(|s| s.shape().to_vec()).unwrap_or_default();
                    let bytes: u64 = samples.iter().map(|s| 4 * s.len() as u64).sum();
                    let so_far = done.fetch_add(count, Ordering::Relaxed) + count;
                    (storage.progress)(so_far, total);
                    let fits = resident.fetch_add(bytes, Ordering::Relaxed) + bytes <= storage.memory;
                    // What could not be stored has to stay, whatever the limit says.
                    let segment = if fits || !cache.path(&key).exists() {
                        Segment::Resident(samples)
                    } else {
                        let cache = Arc::clone(&cache);
                        Segment::Cached { cache, key }
                    };
                    Ok((segment, shape))
                })
                .collect();
            let mut kept = Vec::with_capacity(segments.len());
            let mut sample_shape: Option<Vec<usize>> = None;
            for (segment, start) in segments.into_iter().zip(starts) {
                let (segment, shape) = segment?;
                let first = sample_shape.get_or_insert_with(|| shape.clone());
                if *first != shape {
                    return Err(odd_shape(&source.sample(start).id, &modality.name, first, &shape));
                }
                kept.push(segment);
            }
            prepared.push(PreparedModality {
                name: modality.name.clone(),
                sample_shape: sample_shape.unwrap_or_default(),
                segments: kept,
            });
        }
        let labels = (0..source.len())
            .map(|index| source.sample(index).label)
            .collect();
        Ok(Self {
            modalities: prepared,
            labels,
        })
    }

    /// The class of a sample.
    pub fn label(&self, sample: usize) -> usize {
        self.labels[sample]
    }

    /// The number of modalities.
    pub fn modalities(&self) -> usize {
        self.modalities.len()
    }

    /// The shape of one prepared sample of a modality.
    pub fn sample_shape(&self, modality: usize) -> &[usize] {
        &self.modalities[modality].sample_shape
    }

    /// One prepared sample.
    ///
    /// # Errors
    /// [`Error::Data`] if its segment has vanished from the cache, or was damaged there, since the run began.
    pub fn sample(&self, modality: usize, sample: usize) -> Result<Array> {
        let modality = &self.modalities[modality];
        let position = sample % SEGMENT;
        match &modality.segments[sample / SEGMENT] {
            Segment::Resident(samples) => Ok(samples[position].clone()),
            Segment::Cached { cache, key } => cache.load_one(key, position).ok_or_else(|| {
                Error::data(
                    cache.path(key).display(),
                    format!(
                        "the prepared samples of `{}` have vanished or were damaged during the run; start \
                             it again and they are prepared anew",
                        modality.name
                    ),
                )
            }),
        }
    }
}

/// One segment's worth of preparation.
struct SegmentWork<'a> {
    source: &'a dyn Source,
    modality: &'a ModalityConfig,
    stream: usize,
    preparation: &'a str,
}

impl SegmentWork<'_> {
    fn run(
        &self,
        range: std::ops::Range<usize>,
        cache: &Cache,
        storage: &Storage<'_>,
    ) -> Result<(SegmentKey, Vec<Array>)> {
        let fingerprints: Vec<String> = range
            .clone()
            .map(|index| self.source.fingerprint(index, self.stream))
            .collect::<Result<_>>()?;
        let key = SegmentKey::new(self.preparation, fingerprints.iter().map(String::as_str));
        if let Some(samples) = cache.load(&key)
            && samples.len() == range.len()
        {
            return Ok((key, samples));
        }
        let mut samples: Vec<Array> = Vec::with_capacity(range.len());
        for index in range {
            let sample = self.prepare(index)?;
            if let Some(first) = samples.first()
                && first.shape() != sample.shape()
            {
                let id = self.source.sample(index).id;
                return Err(odd_shape(&id, &self.modality.name, first.shape(), sample.shape()));
            }
            samples.push(sample);
        }
        if let Err((path, error)) = cache.store(&key, &samples) {
            (storage.warn)(format!(
                "cannot keep prepared samples in {}: {error}; they are prepared anew in the next run",
                path.display()
            ));
        }
        Ok((key, samples))
    }

    fn prepare(&self, index: usize) -> Result<Array> {
        let located = |error: Error| {
            let id = self.source.sample(index).id;
            Error::data(format!("sample {id}, modality {}", self.modality.name), error)
        };
        let media = self.source.read(index, self.stream)?;
        let sample = self.modality.plugin.prepare(&media).map_err(located)?;
        match sample.values().iter().find(|value| !value.is_finite()) {
            None => Ok(sample),
            Some(&value) => Err(located(Error::NonFinite {
                location: "the prepared sample".into(),
                value: f64::from(value),
            })),
        }
    }
}

fn odd_shape(id: &str, modality: &str, expected: &[usize], found: &[usize]) -> Error {
    Error::data(
        format!("sample {id}, modality {modality}"),
        format!("prepared to shape {found:?}, expected {expected:?} as the first sample"),
    )
}

/// Everything but the media that a prepared sample depends on.
fn preparation(modality: &ModalityConfig) -> Result<String> {
    let plugin: &dyn Modality = modality.plugin.as_ref();
    let registered = gblend_core::catalogue()?.find(Role::Modality, plugin.typetag_name())?;
    let settings = serde_json::to_string(plugin).map_err(Error::plugin)?;
    Ok(format!(
        "{} {} {settings}",
        env!("CARGO_PKG_VERSION"),
        registered.origin()
    ))
}
