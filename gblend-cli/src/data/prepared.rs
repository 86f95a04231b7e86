//! Every sample of a run, transformed by its modality's front end, in memory or in the cache.

mod shared_out;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use gblend_core::dataset::Source;
use gblend_core::{Array, Error, Labels, MediaKind, Modality, Precision, Result, Role, Sameness, Targets};
use rayon::prelude::*;

use super::cache::{Cache, SegmentKey};
use super::kept_sample::{KeptSample, precision_of, rounded};
use super::shapes::{SegmentShapes, Shapes};
use crate::config::ModalityConfig;

pub use shared_out::prepare_shared_out;

/// Samples of one segment: enough that files are few, few enough that an interruption loses little.
const SEGMENT: usize = 256;
const _: () = assert!(SEGMENT - 1 <= u8::MAX as usize, "places in a segment have 8 bits");

/// Bytes of the samples of one segment, if it has several: each thread has one in memory while it prepares it.
const SEGMENT_BYTES: usize = 16 << 20;

/// Where samples are kept, and who is told how far the preparation is.
pub struct Storage<'a> {
    /// Folder of the cache; without one, samples that are not kept in memory are prepared whenever they are asked for.
    pub cache: Option<&'a Path>,
    /// The shape that prepared samples of each modality have to have. Without, it is the one that most have.
    pub shapes: Option<&'a [Vec<usize>]>,
    /// Bytes of prepared samples that may be in memory, those of batches that wait among them.
    pub memory: u64,
    /// How samples are kept of modalities whose samples are [quantities](Modality::prepares_quantities); others are kept as they are.
    pub samples_as: Precision,
    /// Samples of the batches that wait at most, if there is memory for them.
    pub waiting: usize,
    /// Called with the number of samples done and the number in all.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Told what went wrong without doing harm.
    pub warn: &'a (dyn Fn(String) + Sync),
    /// What is done about a sample that cannot be prepared.
    pub faults: Faults,
    /// Whether hashes of contents are kept, eight bytes for each sample and modality.
    pub contents: bool,
}

impl Storage<'_> {
    /// The shape that prepared samples of a modality have to have.
    fn shape(&self, modality: usize) -> Option<&[usize]> {
        self.shapes?.get(modality).map(Vec::as_slice)
    }
}

/// What is done about a sample that cannot be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// The first one is an error.
    Stop,
    /// They are left out and gathered.
    Gather,
    /// They are left out and gathered, and those that the cache remembers are tried again.
    GatherAnew,
}

/// The prepared samples of every modality.
pub struct Prepared<'a> {
    source: Arc<dyn Source>,
    modalities: Vec<PreparedModality<'a>>,
    labels: Labels,
    faults: BTreeMap<usize, Vec<Error>>,
    odd_shapes: Vec<Error>,
    contents: Option<Vec<Vec<u64>>>,
    identities: BTreeMap<Sameness, Vec<u64>>,
    waiting_bytes: u64,
}

struct PreparedModality<'a> {
    config: &'a ModalityConfig,
    stream: usize,
    precision: Precision,
    media: MediaKind,
    sample_shape: Vec<usize>,
    /// Samples of each segment but the last.
    per_segment: usize,
    segments: Vec<Segment>,
}

struct Segment {
    /// The places in its range of the samples that it has, in order, if some are left out.
    kept: Option<Vec<u8>>,
    samples: Stored,
}

impl Segment {
    /// Where the sample at a place of its range is among those that it has, if it is.
    fn position(&self, place: usize) -> Option<usize> {
        match &self.kept {
            None => Some(place),
            Some(kept) => kept.binary_search(&u8::try_from(place).ok()?).ok(),
        }
    }
}

enum Stored {
    Resident {
        samples: Vec<KeptSample>,
        /// Where the cache has them, too.
        key: Option<SegmentKey>,
    },
    Cached {
        cache: Arc<Cache>,
        key: SegmentKey,
    },
    /// They are prepared whenever they are asked for.
    Direct,
}

impl<'a> Prepared<'a> {
    /// Prepares every sample of a dataset for every modality, side by side on the threads of the current
    /// pool; what the cache has is not prepared again. What is read and prepared as fast as from the cache is not in it.
    ///
    /// # Errors
    /// Under [`Faults::Stop`], [`Error::Data`] naming the first sample, in the order of the dataset, that cannot
    /// be read or prepared, has another shape than most, or a value that is not finite, and [`Error::Setting`] if a setting
    /// does not fit it. Otherwise only
    /// errors that are no sample's own, [`Error::Setting`] if a setting fits no sample, and [`Error::Data`] if a label is
    /// of another kind than the dataset's.
    pub fn new(
        shared: &Arc<dyn Source>,
        modalities: &'a [ModalityConfig],
        streams: &[usize],
        storage: &Storage<'_>,
    ) -> Result<Self> {
        let source = shared.as_ref();
        // Without a folder nothing asks for it.
        let cache = Arc::new(Cache::new(storage.cache.unwrap_or(Path::new(""))));
        let total = source.len() * modalities.len();
        let done = AtomicUsize::new(0);
        let resident = AtomicU64::new(0);
        let plans = plans(source, modalities, streams, storage, &cache)?;
        // Batches that wait have half of the memory at most; what they do not need is for samples that stay.
        let each: usize = plans.iter().filter_map(|plan| plan.size).sum();
        let waiting_bytes = storage.memory / 2;
        let waiting_bytes = waiting_bytes.min((each as u64).saturating_mul(storage.waiting as u64));
        let memory = storage.memory - waiting_bytes;
        let mut prepared = Vec::with_capacity(modalities.len());
        let mut faults: BTreeMap<usize, Vec<Error>> = BTreeMap::new();
        let mut odd_shapes = Vec::new();
        let mut contents = storage.contents.then(Vec::new);
        for (position, plan) in plans.into_iter().enumerate() {
            let (modality, stream) = (plan.modality, plan.stream);
            let per_segment = plan.per_segment();
            let starts: Vec<usize> = (0..source.len()).step_by(per_segment).collect();
            // Told as they are found: there may be millions.
            let hashed = if storage.contents { source.len() } else { 0 };
            let hashes: Vec<AtomicU64> = std::iter::repeat_with(AtomicU64::default).take(hashed).collect();
            let finished: Vec<Result<(Segment, Found)>> = starts
                .par_iter()
                .map(|&start| {
                    let range = start..(start + per_segment).min(source.len());
                    let work = plan.work(source, &cache, storage);
                    let count = range.len();
                    let Finished {
                        key,
                        kept,
                        samples,
                        mut found,
                    } = work.run(range)?;
                    for (index, hash) in std::mem::take(&mut found.contents) {
                        hashes[index].store(hash, Ordering::Relaxed);
                    }
                    let samples = samples.into_iter();
                    let samples: Vec<KeptSample> = samples
                        .map(|sample| KeptSample::of(sample, plan.precision))
                        .collect();
                    let bytes: u64 = samples.iter().map(KeptSample::bytes).sum();
                    let so_far = done.fetch_add(count, Ordering::Relaxed) + count;
                    (storage.progress)(so_far, total);
                    let fits = resident.fetch_add(bytes, Ordering::Relaxed) + bytes <= memory;
                    // What could not be stored has to stay, whatever the limit says.
                    let samples = match key {
                        None if !fits => Stored::Direct,
                        Some(key) if !fits && cache.path(&key).exists() => {
                            let cache = Arc::clone(&cache);
                            Stored::Cached { cache, key }
                        }
                        key => Stored::Resident { samples, key },
                    };
                    let places = kept.iter().filter_map(|index| u8::try_from(index - start).ok());
                    let kept = (kept.len() < count).then(|| places.collect());
                    Ok((Segment { kept, samples }, found))
                })
                .collect();
            let mut segments = Vec::with_capacity(finished.len());
            let mut shapes = Shapes::default();
            let mut refused = None;
            for finished in finished {
                let (segment, found) = finished?;
                for (index, error) in found.faults {
                    faults.entry(index).or_default().push(error);
                }
                refused = refused.or(found.refused);
                shapes.add(found.shapes);
                segments.push(segment);
            }
            let expected = storage.shape(position);
            // A setting that fits no sample is at fault itself, and told once; one that a model was trained with is none.
            if let (true, Some(setting), None) = (shapes.is_empty(), refused, expected) {
                return Err(setting);
            }
            let media = source.streams()[stream].media;
            let (sample_shape, odd) = match expected {
                Some(shape) => shapes.compare(modality.plugin.as_ref(), shape),
                None => shapes.settle(modality.plugin.as_ref()),
            };
            for (index, problem) in odd.problems(&modality.name, media) {
                let error = Error::data(location(source, modality, index), problem);
                match (storage.faults, odd.are_few() || expected.is_some()) {
                    (Faults::Stop, _) => return Err(error),
                    (_, true) => faults.entry(index).or_default().push(error),
                    (_, false) => odd_shapes.push(error),
                }
            }
            if let Some(contents) = &mut contents {
                contents.push(hashes.into_iter().map(AtomicU64::into_inner).collect());
            }
            prepared.push(PreparedModality {
                config: modality,
                stream,
                precision: plan.precision,
                media,
                sample_shape,
                per_segment,
                segments,
            });
        }
        let mut labels = Labels::with_capacity(source.label_kind(), source.len());
        for index in 0..source.len() {
            labels.push(&source.sample(index).label)?;
        }
        let mut prepared = Self {
            source: Arc::clone(shared),
            modalities: prepared,
            labels,
            faults,
            odd_shapes,
            contents,
            identities: BTreeMap::new(),
            waiting_bytes,
        };
        prepared.find_empty(storage.faults)?;
        Ok(prepared)
    }

    /// A sample without any modality can neither be trained on nor predicted.
    fn find_empty(&mut self, faults: Faults) -> Result<()> {
        let source = Arc::clone(&self.source);
        for modality in &self.modalities {
            if modality.sample_shape.is_empty() && self.faults.is_empty() && !source.is_empty() {
                let problem = format!(
                    "no sample has modality `{}`, expected at least one",
                    modality.config.name
                );
                return Err(Error::data("the dataset", problem));
            }
        }
        for index in 0..source.len() {
            if (0..self.modalities.len()).any(|modality| self.has(modality, index)) {
                continue;
            }
            let location = format!("sample {}", source.sample(index).id);
            let problem = "has none of the modalities, expected at least one";
            let error = Error::data(location, problem);
            if faults == Faults::Stop {
                return Err(error);
            }
            self.faults.entry(index).or_default().push(error);
        }
        Ok(())
    }

    /// The samples that were left out, as positions in the dataset, and what is wrong with each, one error for
    /// each modality that cannot be prepared.
    pub fn faults(&self) -> &BTreeMap<usize, Vec<Error>> {
        &self.faults
    }

    /// Samples whose media is sound but of another shape than others, if so many are that it is a matter of settings, which
    /// no training can do with.
    pub fn odd_shapes(&self) -> &[Error] {
        &self.odd_shapes
    }

    /// The label of every sample.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What the heads should say of some samples.
    ///
    /// # Errors
    /// Never: there is a number of every sample that may be the same as another.
    pub fn targets(&self, samples: &[usize]) -> Result<Targets> {
        let mut targets = self.labels.targets(samples);
        for (sameness, numbers) in &self.identities {
            let numbers = samples.iter().map(|&sample| numbers[sample]).collect();
            targets = targets.with_identities(sameness.clone(), numbers)?;
        }
        Ok(targets)
    }

    /// Tells from now on which samples are the same in this respect: a number of each that those share.
    pub(super) fn set_identities(&mut self, sameness: Sameness, numbers: Vec<u64>) {
        self.identities.insert(sameness, numbers);
    }

    /// A number of each sample that those share which are the same in this respect, if it has been found out and any may be.
    pub fn identities(&self, sameness: &Sameness) -> Option<&[u64]> {
        self.identities.get(sameness).map(Vec::as_slice)
    }

    /// Whether a sample has a modality. One that was left out for a fault counts as having it, so that asking for it is
    /// an error and not a silent gap.
    pub fn has(&self, modality: usize, sample: usize) -> bool {
        if self.faults.contains_key(&sample) {
            return true;
        }
        let (segment, place) = self.modalities[modality].segment(sample);
        segment.position(place).is_some()
    }

    /// Bytes of one prepared sample of a modality.
    pub(super) fn sample_bytes(&self, modality: usize) -> u64 {
        let values = self.modalities[modality]
            .sample_shape
            .iter()
            .map(|&extent| extent as u64);
        values.product::<u64>().saturating_mul(size_of::<f32>() as u64)
    }

    /// Bytes of the batches that may wait.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// The number of modalities.
    pub fn modalities(&self) -> usize {
        self.modalities.len()
    }

    /// Hashes of what samples are made of, by modality and sample, if they were kept; 0 where a sample lacks it.
    pub(super) fn contents(&self) -> Option<&[Vec<u64>]> {
        self.contents.as_deref()
    }

    /// The name of a modality.
    pub(super) fn name(&self, modality: usize) -> &str {
        &self.modalities[modality].config.name
    }

    /// Positions and names of the modalities of some media.
    pub(super) fn names_of(&self, wanted: fn(MediaKind) -> bool) -> impl Iterator<Item = (usize, &str)> {
        let modalities = self.modalities.iter().enumerate();
        modalities
            .filter(move |(_, modality)| wanted(modality.media))
            .map(|(position, modality)| (position, modality.config.name.as_str()))
    }

    /// The stream that feeds a modality, as a position in [`Source::streams`].
    pub fn stream(&self, modality: usize) -> usize {
        self.modalities[modality].stream
    }

    /// The shape of one prepared sample of a modality.
    pub fn sample_shape(&self, modality: usize) -> &[usize] {
        &self.modalities[modality].sample_shape
    }

    /// Brings the samples of a modality to the shape that its network was built for, if it can bring all of them: a model of color
    /// pictures takes gray ones alone, too.
    pub fn bring_to(&mut self, modality: usize, shape: &[usize]) {
        let modality = &mut self.modalities[modality];
        let sample = Array::zeros(modality.sample_shape.as_slice());
        let shaped = modality.config.plugin.in_shape(&sample, shape);
        if shaped.is_some_and(|shaped| shaped.shape() == shape) {
            modality.sample_shape = shape.to_vec();
        }
    }

    /// The samples of a modality that can be used, as positions in the dataset and by the segments that they are kept in, each
    /// with what the segment is made of, if the cache has it.
    pub(super) fn segments_of(
        &self,
        modality: usize,
    ) -> impl Iterator<Item = (Vec<usize>, Option<&SegmentKey>)> {
        let PreparedModality {
            segments,
            per_segment,
            ..
        } = &self.modalities[modality];
        segments.iter().enumerate().map(move |(number, segment)| {
            let start = number * per_segment;
            let range = start..(start + per_segment).min(self.source.len());
            let usable = |&index: &usize| {
                segment.position(index - start).is_some() && !self.faults.contains_key(&index)
            };
            let key = match &segment.samples {
                Stored::Resident { key, .. } => key.as_ref(),
                Stored::Cached { key, .. } => Some(key),
                Stored::Direct => None,
            };
            (range.filter(usable).collect(), key)
        })
    }

    /// One prepared sample.
    ///
    /// # Errors
    /// [`Error::Data`] if it was left out, or if its segment has vanished from the cache, or was damaged there, or its file
    /// has changed, since the run began.
    pub fn sample(&self, modality: usize, sample: usize) -> Result<Array> {
        let modality = &self.modalities[modality];
        let (segment, place) = modality.segment(sample);
        let position = segment.position(place).ok_or_else(|| {
            let faults = self.faults.get(&sample).into_iter().flatten();
            let problems: Vec<String> = faults.map(ToString::to_string).collect();
            Error::data("a sample that was skipped", problems.join("; "))
        })?;
        let prepared = match &segment.samples {
            Stored::Resident { samples, .. } => samples[position].array()?,
            Stored::Cached { cache, key } => cache.load_one(key, position).ok_or_else(|| {
                Error::data(
                    cache.path(key).display(),
                    format!(
                        "the prepared samples of `{}` have vanished or were damaged during the run; `gblend train \
                         --resume` prepares them anew and goes on",
                        modality.config.name
                    ),
                )
            })?,
            Stored::Direct => modality.prepared_anew(self.source.as_ref(), sample)?,
        };
        modality.in_shape(self.source.as_ref(), prepared, sample)
    }
}

impl PreparedModality<'_> {
    /// The segment that a sample is in, and its place in the segment's range.
    fn segment(&self, sample: usize) -> (&Segment, usize) {
        (
            &self.segments[sample / self.per_segment],
            sample % self.per_segment,
        )
    }

    /// A sample that was found sound when the run began.
    fn prepared_anew(&self, source: &dyn Source, index: usize) -> Result<Array> {
        let prepared = prepare(source, (self.config, self.stream), self.precision, index);
        let prepared = prepared.map_err(|fault| match fault {
            SampleFault::Own(error) | SampleFault::Setting(error) => error,
            SampleFault::Absent => {
                let problem = "its file has nothing of the stream any more";
                Error::data(location(source, self.config, index), problem)
            }
        })?;
        Ok(prepared)
    }

    /// A sample in the shape that all have.
    fn in_shape(&self, source: &dyn Source, prepared: Array, index: usize) -> Result<Array> {
        if prepared.shape() == self.sample_shape {
            return Ok(prepared);
        }
        let shaped = self.config.plugin.in_shape(&prepared, &self.sample_shape);
        shaped
            .filter(|shaped| shaped.shape() == self.sample_shape)
            .ok_or_else(|| {
                let problem = format!(
                    "prepared to shape {:?}, expected {:?} as the others",
                    prepared.shape(),
                    self.sample_shape
                );
                Error::data(location(source, self.config, index), problem)
            })
    }
}

/// What is prepared for a modality, and how.
struct ModalityPlan<'a> {
    modality: &'a ModalityConfig,
    stream: usize,
    /// How samples are kept.
    precision: Precision,
    preparation: String,
    /// Whether samples are prepared whenever they are asked for, and not cached.
    direct: bool,
    /// Bytes of a prepared sample, if it is known.
    size: Option<usize>,
}

/// What is prepared for each modality, and how.
fn plans<'a>(
    source: &dyn Source,
    modalities: &'a [ModalityConfig],
    streams: &[usize],
    storage: &Storage<'_>,
    cache: &Cache,
) -> Result<Vec<ModalityPlan<'a>>> {
    let plans = modalities.iter().zip(streams).enumerate();
    let plans = plans.map(|(position, (modality, &stream))| {
        let is_direct = || source.is_direct(stream) && modality.plugin.prepares_directly();
        let precision = precision_of(modality, storage.samples_as);
        let mut plan = ModalityPlan {
            modality,
            stream,
            precision,
            preparation: preparation(modality, precision)?,
            direct: storage.cache.is_none() || is_direct(),
            size: None,
        };
        plan.size = match storage.shape(position) {
            Some(shape) => Some(size_of::<f32>() * shape.iter().product::<usize>()),
            None => plan.size_of_first(source, cache),
        };
        Ok(plan)
    });
    plans.collect()
}

impl ModalityPlan<'_> {
    /// Samples of each segment but the last.
    fn per_segment(&self) -> usize {
        let fit = self.size.map_or(SEGMENT, |bytes| SEGMENT_BYTES / bytes.max(1));
        fit.clamp(1, SEGMENT)
    }

    fn work<'b>(
        &'b self,
        source: &'b dyn Source,
        cache: &'b Cache,
        storage: &'b Storage<'b>,
    ) -> SegmentWork<'b> {
        SegmentWork {
            source,
            modality: self.modality,
            stream: self.stream,
            precision: self.precision,
            preparation: &self.preparation,
            direct: self.direct,
            cache,
            storage,
        }
    }

    /// The bytes of a prepared sample: of the first that can be prepared, if it is among the first few.
    fn size_of_first(&self, source: &dyn Source, cache: &Cache) -> Option<usize> {
        const TRIED: usize = 8;
        let having = (0..source.len()).filter(|&index| source.has(index, self.stream));
        let mut sizes = having.take(TRIED).filter_map(|index| {
            let key = match self.direct {
                true => None,
                false => {
                    let fingerprint = source.fingerprint(index, self.stream).ok()?;
                    Some(SegmentKey::new(&self.preparation, [fingerprint.as_str()]))
                }
            };
            if let Some(known) = key.as_ref().and_then(|key| cache.size(key)) {
                return Some(known);
            }
            let sample = prepare(source, (self.modality, self.stream), self.precision, index).ok()?;
            let bytes = size_of::<f32>() * sample.len();
            if let Some(key) = &key {
                cache.remember_size(key, bytes);
            }
            Some(bytes)
        });
        sizes.next()
    }
}

/// One segment's worth of preparation.
struct SegmentWork<'a> {
    source: &'a dyn Source,
    modality: &'a ModalityConfig,
    stream: usize,
    precision: Precision,
    preparation: &'a str,
    /// Whether samples are prepared whenever they are asked for, and not cached.
    direct: bool,
    cache: &'a Cache,
    storage: &'a Storage<'a>,
}

/// Position in the dataset and fingerprint of a sample.
type Candidate = (usize, String);

/// Position in the dataset of a sample, and what is wrong with it.
type Fault = (usize, Error);

/// What came of a segment.
struct Finished {
    /// Where the cache has it; nowhere if it is not cached.
    key: Option<SegmentKey>,
    /// Positions in the dataset of the samples.
    kept: Vec<usize>,
    samples: Vec<Array>,
    found: Found,
}

/// What was found out about the samples of a segment.
struct Found {
    shapes: SegmentShapes,
    faults: Vec<Fault>,
    /// The setting that the modality refused first, if it refused any.
    refused: Option<Error>,
    /// Hashes of contents, if they are kept.
    contents: Vec<(usize, u64)>,
}

/// Why there is nothing of a sample.
enum SampleFault {
    /// Its file has nothing of the stream, and needs not.
    Absent,
    /// What is wrong with it, by its name, or with the machine.
    Own(Error),
    /// A setting does not fit it.
    Setting(Error),
}

impl From<Error> for SampleFault {
    fn from(error: Error) -> Self {
        match error {
            Error::Absent { .. } => Self::Absent,
            other => Self::Own(other),
        }
    }
}

impl SegmentWork<'_> {
    /// The samples of a range that have the stream and of which nothing wrong is known, and what is wrong with others.
    fn candidates(&self, range: Range<usize>) -> Result<(Vec<Candidate>, Vec<Fault>)> {
        let mut faults = Vec::new();
        let mut candidates = Vec::with_capacity(range.len());
        for index in range.filter(|&index| self.source.has(index, self.stream)) {
            if self.direct && !self.storage.contents {
                candidates.push((index, String::new()));
                continue;
            }
            match self.source.fingerprint(index, self.stream) {
                Ok(fingerprint) if self.is_absent(&fingerprint) => {}
                Ok(fingerprint) => match self.remembered_fault(index, &fingerprint) {
                    Some(error) => faults.push((index, error)),
                    None => candidates.push((index, fingerprint)),
                },
                Err(error) => faults.push((index, self.gathered(error)?)),
            }
        }
        Ok((candidates, faults))
    }

    /// Sees to it that the cache has what it can have of a range.
    fn fill(&self, range: Range<usize>) -> Result<()> {
        let (candidates, mut faults) = self.candidates(range)?;
        let missing = |key: SegmentKey| !self.cache.path(&key).exists();
        if !self.key(&candidates).is_some_and(missing) {
            return Ok(());
        }
        let (sound, samples) = self.prepare_all(candidates, &mut faults, &mut None)?;
        if let Some(key) = self.key(&sound) {
            self.store(&key, &samples);
        }
        Ok(())
    }

    fn run(&self, range: Range<usize>) -> Result<Finished> {
        let (mut candidates, mut faults) = self.candidates(range)?;
        let key = self.key(&candidates);
        let stored = key.as_ref().and_then(|key| self.cache.load(key));
        let stored = stored.filter(|samples| samples.len() == candidates.len());
        let mut refused = None;
        let (key, samples) = match stored {
            Some(samples) => (key, samples),
            None => {
                let (sound, samples) = self.prepare_all(candidates, &mut faults, &mut refused)?;
                candidates = sound;
                // Without the faulty samples, it is another segment.
                let key = self.key(&candidates);
                if let Some(key) = &key {
                    self.store(key, &samples);
                }
                (key, samples)
            }
        };
        let hashed = candidates.iter().filter(|_| self.storage.contents);
        let contents = hashed
            .map(|(index, fingerprint)| (*index, short_hash(&blake3::hash(fingerprint.as_bytes())).max(1)));
        let contents = contents.collect();
        let prepared = candidates.iter().map(|(index, _)| *index).zip(&samples);
        let shapes = SegmentShapes::of(prepared.map(|(index, sample)| (index, sample.shape())));
        Ok(Finished {
            key,
            kept: candidates.into_iter().map(|(index, _)| index).collect(),
            found: Found {
                shapes,
                faults,
                refused,
                contents,
            },
            samples,
        })
    }

    /// Prepares samples; those that cannot be used are left out, if that is asked for.
    fn prepare_all(
        &self,
        candidates: Vec<Candidate>,
        faults: &mut Vec<Fault>,
        refused: &mut Option<Error>,
    ) -> Result<(Vec<Candidate>, Vec<Array>)> {
        let mut sound = Vec::with_capacity(candidates.len());
        let mut samples: Vec<Array> = Vec::with_capacity(candidates.len());
        for (index, fingerprint) in candidates {
            let sample = match self.prepare(index) {
                Ok(sample) => sample,
                Err(SampleFault::Absent) => {
                    if !self.direct {
                        self.cache.remember_absence(&self.sample_key(&fingerprint));
                    }
                    continue;
                }
                Err(SampleFault::Own(error)) => {
                    let error = self.gathered(error)?;
                    if let (Error::Data { problem, .. }, false) = (&error, self.direct) {
                        self.cache.remember_fault(&self.sample_key(&fingerprint), problem);
                    }
                    faults.push((index, error));
                    continue;
                }
                Err(SampleFault::Setting(setting)) if self.storage.faults == Faults::Stop => {
                    return Err(for_sample(setting, &self.location(index)));
                }
                Err(SampleFault::Setting(setting)) => {
                    let location = self.location(index);
                    let error = self.gathered(Error::data(&location, &setting))?;
                    refused.get_or_insert_with(|| for_sample(setting, &location));
                    faults.push((index, error));
                    continue;
                }
            };
            samples.push(sample);
            sound.push((index, fingerprint));
        }
        Ok((sound, samples))
    }

    /// An error that is a sample's own, if such are gathered; other errors end the preparation.
    fn gathered(&self, error: Error) -> Result<Error> {
        match error {
            Error::Data { .. } if self.storage.faults != Faults::Stop => Ok(error),
            other => Err(other),
        }
    }

    /// Whether an earlier run found that a file of the same content has nothing of the stream.
    fn is_absent(&self, fingerprint: &str) -> bool {
        !self.direct
            && self.source.may_lack(self.stream)
            && self.cache.is_absent(&self.sample_key(fingerprint))
    }

    /// What an earlier run found wrong with a sample of the same content.
    fn remembered_fault(&self, index: usize, fingerprint: &str) -> Option<Error> {
        if self.direct {
            return None;
        }
        let key = self.sample_key(fingerprint);
        match self.storage.faults {
            Faults::Stop => None,
            Faults::Gather => {
                let problem = self.cache.fault(&key)?;
                Some(Error::data(self.location(index), problem))
            }
            Faults::GatherAnew => {
                self.cache.forget_fault(&key);
                None
            }
        }
    }

    fn key(&self, samples: &[Candidate]) -> Option<SegmentKey> {
        let fingerprints = samples.iter().map(|(_, fingerprint)| fingerprint.as_str());
        (!self.direct).then(|| SegmentKey::new(self.preparation, fingerprints))
    }

    fn sample_key(&self, fingerprint: &str) -> SegmentKey {
        SegmentKey::new(self.preparation, [fingerprint])
    }

    fn store(&self, key: &SegmentKey, samples: &[Array]) {
        if samples.is_empty() {
            return;
        }
        if let Err((path, error)) = self.cache.store(key, samples, self.precision) {
            (self.storage.warn)(format!(
                "cannot keep prepared samples in {}: {error}; they are prepared anew in the next run",
                path.display()
            ));
        }
    }

    fn location(&self, index: usize) -> String {
        location(self.source, self.modality, index)
    }

    fn prepare(&self, index: usize) -> Result<Array, SampleFault> {
        prepare(self.source, (self.modality, self.stream), self.precision, index)
    }
}

/// A setting that a modality refuses for the sample at `location`; it stays one, so that its place can be told.
fn for_sample(setting: Error, location: &str) -> Error {
    match setting {
        Error::Setting { key, value, expected } => Error::Setting {
            key,
            value,
            expected: format!("{expected}, for {location}"),
        },
        other => other,
    }
}

fn location(source: &dyn Source, modality: &ModalityConfig, index: usize) -> String {
    let id = source.sample(index).id;
    format!("sample {id}, modality {}", modality.name)
}

/// A sample as a modality prepares it from its stream, rounded to what it is kept as.
fn prepare(
    source: &dyn Source,
    (modality, stream): (&ModalityConfig, usize),
    precision: Precision,
    index: usize,
) -> Result<Array, SampleFault> {
    let media = source.read(index, stream)?;
    let location = || location(source, modality, index);
    let sample = modality.prepare(&media).map_err(|error| match error {
        // The machine's, and the same for every sample.
        Error::Device(_) | Error::NoRoom(_) => SampleFault::Own(error),
        Error::Setting { .. } => SampleFault::Setting(error),
        sample => SampleFault::Own(Error::data(location(), sample)),
    })?;
    match sample.values().iter().find(|value| !value.is_finite()) {
        None => rounded(sample, precision).map_err(SampleFault::Setting),
        Some(&value) => Err(SampleFault::Own(Error::data(
            location(),
            Error::NonFinite {
                location: "the prepared sample".into(),
                value: f64::from(value),
            },
        ))),
    }
}

/// Enough of a hash to tell samples apart.
pub(super) fn short_hash(hash: &blake3::Hash) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(head)
}

/// How often readers of files have come to read one otherwise than before; what was prepared from the older reading is made again.
const READING: u32 = 3;

/// Everything but the media that a prepared sample depends on.
fn preparation(modality: &ModalityConfig, precision: Precision) -> Result<String> {
    let plugin: &dyn Modality = modality.plugin.as_ref();
    let registered = gblend_core::catalogue()?.find(Role::Modality, plugin.typetag_name())?;
    let settings = serde_json::to_string(plugin).map_err(Error::plugin)?;
    // What is kept to the bit is what it was before there was anything else.
    let kept = match precision {
        Precision::F32 => String::new(),
        narrow => format!(" as {narrow}"),
    };
    Ok(format!(
        "{} {READING} {} {settings}{kept}",
        env!("CARGO_PKG_VERSION"),
        registered.origin()
    ))
}
