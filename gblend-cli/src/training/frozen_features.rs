//! The features of frozen encoders, computed once for a run.
//!
//! An encoder that is frozen makes the same of a sample in every epoch, unless the sample is another one each time: augmented, or
//! a clip that is drawn. So its features are kept, by a hash of its parameters: whoever has an encoder with other ones, such as a
//! network that has thawed, finds nothing here. They are computed in the order of the dataset, so a run that goes on has the bits
//! that it had.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gblend_core::tensor::StackedSamples;
use gblend_core::{Array, AutoDevice, Batch, Fitted};

use crate::config::{Config, ModalityConfig};
use crate::data::{EncodedSamples, Encoding, Prepared, SampleIndex};
use crate::error::Result;
use crate::network::{Multimodal, device};
use crate::progress::Reporter;

/// The part of `run.memory` that features may take.
const SHARE: u64 = 4;

/// The samples of a run, and what their features are made with.
#[derive(Clone, Copy)]
pub(super) struct RunSamples<'a> {
    pub(super) config: &'a Config,
    pub(super) prepared: &'a Prepared<'a>,
    /// What each modality has fitted to the training samples.
    pub(super) fitted: &'a [Fitted],
    pub(super) device: &'a AutoDevice,
}

/// What is kept of each modality.
#[derive(Debug, Default)]
pub(super) struct FrozenFeatures {
    modalities: Vec<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The encoder's parameters, by their hash, and what it makes of each sample.
    features: Option<(blake3::Hash, Arc<EncodedSamples>)>,
    /// Whether the user knows why there are none.
    told: bool,
}

impl FrozenFeatures {
    /// Nothing yet.
    pub(super) fn of(config: &Config) -> Self {
        let modalities = config.modalities.iter().map(|_| Mutex::default());
        Self {
            modalities: modalities.collect(),
        }
    }

    /// Bytes of memory that are set aside for them.
    pub(super) fn bytes(config: &Config) -> u64 {
        let freezes = |modality: &ModalityConfig| {
            let part = modality.pipeline.freeze.part();
            part.is_some_and(|part| part.stages.is_none()) && obstacle(modality).is_none()
        };
        match config.modalities.iter().any(freezes) {
            true => config.run.memory.saturating_mul(1 << 20) / SHARE,
            false => 0,
        }
    }

    /// Computes those of the encoders that are frozen in the epoch that a network is in, unless they are known. Says so, and why not
    /// where features cannot be kept.
    ///
    /// # Errors
    /// The first sample that cannot be read, a failure of the device.
    pub(super) fn keep(
        &self,
        of: &RunSamples<'_>,
        model: &mut Multimodal,
        reporter: &Reporter,
    ) -> Result<()> {
        for (position, modality) in of.config.modalities.iter().enumerate() {
            let Some(fingerprint) = model.frozen_encoder(position)? else {
                continue;
            };
            let mut kept = self.lock(position);
            if matches!(&kept.features, Some((known, _)) if *known == fingerprint) {
                continue;
            }
            kept.features = None;
            let width = model.feature_dim(position);
            let obstacle = obstacle(modality).or_else(|| too_large(of, position, width));
            if let Some(obstacle) = obstacle {
                if !std::mem::replace(&mut kept.told, true) {
                    reporter.line(&format!(
                        "{} is frozen, but its encoder runs in every epoch: {obstacle}",
                        modality.name
                    ));
                }
                continue;
            }
            let began = Instant::now();
            let features = encode(of, model, position, fingerprint, reporter)?;
            reporter.line(&format!(
                "{} is frozen: its {width} features of each sample were computed once, in {:.1} s, and are kept",
                modality.name,
                began.elapsed().as_secs_f64()
            ));
            kept.features = Some((fingerprint, Arc::new(features)));
        }
        Ok(())
    }

    /// As [`keep`](Self::keep), of these samples alone: how long those of all would take. A session that has tried it trains nothing.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    pub(super) fn try_out(
        &self,
        of: &RunSamples<'_>,
        model: &mut Multimodal,
        samples: &[SampleIndex],
    ) -> Result<Duration> {
        let mut once = Duration::ZERO;
        for (position, modality) in of.config.modalities.iter().enumerate() {
            let Some(fingerprint) = model.frozen_encoder(position)? else {
                continue;
            };
            let width = model.feature_dim(position);
            if obstacle(modality).is_some() || too_large(of, position, width).is_some() {
                continue;
            }
            let samples = samples.iter().map(|&sample| sample as usize);
            let having: Vec<usize> = samples
                .filter(|&sample| of.prepared.has(position, sample))
                .collect();
            let arrays = having.iter().map(|&sample| of.prepared.sample(position, sample));
            let arrays = arrays.collect::<gblend_core::Result<Vec<Array>>>()?;
            let began = Instant::now();
            let output = encode_samples(of, model, position, arrays)?;
            let all = of.prepared.encoded_bytes(position, 1) as f64 / size_of::<f32>() as f64;
            once += began.elapsed().mul_f64(all / having.len().max(1) as f64);
            let features =
                EncodedSamples::of(of.prepared.labels().len(), width, &having, output.into_values())?;
            self.lock(position).features = Some((fingerprint, Arc::new(features)));
        }
        Ok(once)
    }

    /// Those of a network's encoders that are frozen in the epoch that it is in.
    pub(super) fn known(
        &self,
        model: &mut Multimodal,
        wanted: &[bool],
    ) -> Result<Vec<Option<Arc<EncodedSamples>>>> {
        let known = wanted.iter().enumerate().map(|(position, &wanted)| {
            // Hashing parameters takes a moment.
            let kept = self.lock(position).features.clone().filter(|_| wanted);
            let Some((fingerprint, features)) = kept else {
                return Ok(None);
            };
            let same = model.frozen_encoder(position)? == Some(fingerprint);
            Ok(same.then_some(features))
        });
        known.collect()
    }

    fn lock(&self, modality: usize) -> std::sync::MutexGuard<'_, Kept> {
        // What is in it is whole, whoever panicked.
        self.modalities[modality]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an encoder sees other samples of a modality in each epoch.
fn obstacle(modality: &ModalityConfig) -> Option<String> {
    let plugin = &modality.plugin;
    if plugin.views() > NonZeroUsize::MIN {
        let views = plugin.views();
        return Some(format!("one of {views} views of a sample is drawn in each"));
    }
    plugin.augments().then(|| {
        format!(
            "its samples are augmented (without `augment` in [{}] they are not)",
            modality.table()
        )
    })
}

/// Why features do not fit, if they do not.
fn too_large(of: &RunSamples<'_>, position: usize, width: usize) -> Option<String> {
    let bytes = of.prepared.encoded_bytes(position, width);
    let most = FrozenFeatures::bytes(of.config);
    (bytes > most).then(|| {
        format!(
            "{width} features of all samples take {} MiB, and features may take {} MiB, a quarter of run.memory",
            bytes.div_ceil(1 << 20),
            most >> 20
        )
    })
}

/// What an encoder makes of every sample.
fn encode(
    of: &RunSamples<'_>,
    model: &mut Multimodal,
    position: usize,
    fingerprint: blake3::Hash,
    reporter: &Reporter,
) -> Result<EncodedSamples> {
    let config = of.config;
    let fitted = serde_json::to_string(&of.fitted[position]).map_err(gblend_core::Error::plugin)?;
    // Sums in batches of other sizes, and on other devices, may differ in their last digits.
    let identity = format!(
        "features {} {fingerprint} {} {:?} {} {fitted}",
        env!("CARGO_PKG_VERSION"),
        config.run.batch_size,
        of.prepared.sample_shape(position),
        device::name(config.run.device),
    );
    let width = model.feature_dim(position);
    let mut run = |samples| encode_samples(of, model, position, samples);
    let features = of.prepared.encoded(
        position,
        &mut Encoding {
            identity: &identity,
            width,
            cache: &config.run.cache,
            encode: &mut run,
            progress: &|done, total| reporter.encoded(done, total),
            warn: &|message| reporter.warn(&message),
        },
    )?;
    reporter.preparation_done();
    Ok(features)
}

/// The features `[samples, width]` of some prepared samples.
fn encode_samples(
    of: &RunSamples<'_>,
    model: &mut Multimodal,
    position: usize,
    samples: Vec<Array>,
) -> gblend_core::Result<Array> {
    let (modality, fitted) = (&of.config.modalities[position], &of.fitted[position]);
    let (count, width) = (samples.len(), model.feature_dim(position));
    let batch_size = of.config.run.batch_size.max(1);
    let mut values = Vec::with_capacity(count.saturating_mul(width));
    let mut samples = samples.into_iter();
    for _ in 0..count.div_ceil(batch_size) {
        let batch = samples.by_ref().take(batch_size).map(|sample| {
            let applied = modality.apply(sample, fitted)?;
            modality.view(applied, 0)
        });
        let batch: Vec<Array> = batch.collect::<gblend_core::Result<_>>()?;
        let stacked = StackedSamples::new(&batch.iter().collect::<Vec<_>>())?;
        let batch = Batch::from_stacked(of.device, stacked)?;
        values.extend(model.encode(position, &batch)?.into_values());
    }
    Array::new([count, width], values)
}
