//! What an encoder that does not change makes of prepared samples: computed once, and kept in memory and in the cache.
//!
//! What the cache has is keyed by the samples and by whatever else decides the features, so that it can be wrong for no other
//! encoder.

use std::path::Path;

use gblend_core::{Array, Error, Precision, Result};

use super::cache::{Cache, SegmentKey};
use super::prepared::Prepared;

/// No row.
const NONE: u32 = u32::MAX;

/// The features of the samples of a modality.
#[derive(Debug)]
pub struct EncodedSamples {
    width: usize,
    /// The row of each sample, by its position in the dataset.
    rows: Vec<u32>,
    /// `[rows, width]`.
    values: Vec<f32>,
}

impl EncodedSamples {
    /// The features `[having, width]` of some samples of a dataset of so many.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if there are more samples than rows can be counted.
    pub fn of(samples: usize, width: usize, having: &[usize], values: Vec<f32>) -> Result<Self> {
        let mut rows = vec![NONE; samples];
        for (row, &sample) in having.iter().enumerate() {
            let row = u32::try_from(row).ok().filter(|&row| row != NONE);
            rows[sample] =
                row.ok_or_else(|| Error::NoRoom(format!("features of {} samples", having.len())))?;
        }
        Ok(Self { width, rows, values })
    }

    /// The features `[width]` of a sample.
    ///
    /// # Errors
    /// [`Error::Data`] if there are none: the sample lacks the modality, or cannot be used.
    pub(super) fn sample(&self, sample: usize) -> Result<Array> {
        let row = self.rows.get(sample).filter(|&&row| row != NONE);
        let features = row.and_then(|&row| {
            let start = row as usize * self.width;
            self.values.get(start..start + self.width)
        });
        let features =
            features.ok_or_else(|| Error::data("features of a frozen encoder", "the sample has none"))?;
        Array::new([self.width], features.to_vec())
    }
}

/// How samples are encoded.
pub struct Encoding<'a> {
    /// Everything that decides the features beside the prepared samples.
    pub identity: &'a str,
    /// Length of a feature vector.
    pub width: usize,
    /// Folder of the cache.
    pub cache: &'a Path,
    /// The features `[samples, width]` of some prepared samples.
    pub encode: &'a mut dyn FnMut(Vec<Array>) -> Result<Array>,
    /// Called with the number of samples done and the number in all.
    pub progress: &'a dyn Fn(usize, usize),
    /// Told what went wrong without doing harm.
    pub warn: &'a dyn Fn(String),
}

impl Prepared<'_> {
    /// Bytes of the features of the samples of a modality.
    pub fn encoded_bytes(&self, modality: usize, width: usize) -> u64 {
        let samples: usize = self.segments_of(modality).map(|(samples, _)| samples.len()).sum();
        (samples as u64)
            .saturating_mul(width as u64)
            .saturating_mul(size_of::<f32>() as u64)
    }

    /// The features of every sample of a modality that can be used, from the cache where it has them.
    ///
    /// # Errors
    /// The first sample that cannot be read, and what `encode` refuses; [`Error::NoRoom`].
    pub fn encoded(&self, modality: usize, encoding: &mut Encoding<'_>) -> Result<EncodedSamples> {
        let cache = Cache::new(encoding.cache);
        let width = encoding.width;
        let segments: Vec<(Vec<usize>, Option<&SegmentKey>)> = self.segments_of(modality).collect();
        let total: usize = segments.iter().map(|(samples, _)| samples.len()).sum();
        let mut values = Vec::new();
        let room = values.try_reserve_exact(total.saturating_mul(width));
        room.map_err(|_| Error::NoRoom(format!("{width} features of {total} samples")))?;
        let mut having = Vec::with_capacity(total);
        for (samples, key) in segments {
            let key = key.map(|key| {
                // Which samples of a segment can be used depends on others, too.
                let positions = format!("{samples:?}");
                SegmentKey::new(encoding.identity, [key.text(), positions.as_str()])
            });
            let stored = key.as_ref().and_then(|key| cache.load(key));
            let stored = stored.filter(|features| {
                features.len() == samples.len() && features.iter().all(|row| row.shape() == [width])
            });
            let features = match stored {
                Some(features) => features,
                None if samples.is_empty() => Vec::new(),
                None => {
                    let read = samples.iter().map(|&sample| self.sample(modality, sample));
                    let output = (encoding.encode)(read.collect::<Result<_>>()?)?;
                    if output.shape() != [samples.len(), width] {
                        let expected = format!("[{}, {width}]", samples.len());
                        return Err(Error::shape(
                            "features of a frozen encoder",
                            expected,
                            output.shape(),
                        ));
                    }
                    let rows = output.values().chunks_exact(width.max(1));
                    let features = rows.map(|row| Array::new([width], row.to_vec()));
                    let features = features.collect::<Result<Vec<Array>>>()?;
                    if let Some(Err((path, error))) = key
                        .as_ref()
                        .map(|key| cache.store(key, &features, Precision::F32))
                    {
                        (encoding.warn)(format!(
                            "cannot keep features in {}: {error}; the next run computes them anew",
                            path.display()
                        ));
                    }
                    features
                }
            };
            values.extend(features.into_iter().flat_map(Array::into_values));
            having.extend_from_slice(&samples);
            (encoding.progress)(having.len(), total);
        }
        EncodedSamples::of(self.labels().len(), width, &having, values)
    }
}
