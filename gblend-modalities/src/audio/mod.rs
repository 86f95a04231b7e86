//! Sound.

mod panns;

use std::borrow::Cow;
use std::sync::Arc;

use gblend_core::media::Waveform;
use gblend_core::{
    Array, BuildContext, Encoder, Error, FitContext, Fitted, Media, MediaKind, Modality, Result, SampleRng,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderSettings;
use crate::frontend::log_mel::{FrontEnd, LogMel, LogMelSettings};
use crate::frontend::moments::{self, Moments, Scale};
use crate::frontend::resample::resampled;
use crate::frontend::spec_augment::SpecAugment;
use crate::frontend::spectrogram_noise::add_noise;
use crate::frontend::waveform_noise::add_white_noise;
use crate::rgb::wrong_media;

/// Sound: a log-mel spectrogram, encoded as a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audio {
    /// Samples per second of the sound that the spectrogram is made of; sounds of another rate are resampled, 1000 to
    /// 768000 Hz.
    pub sample_rate: u32,
    /// Length that sounds are brought to, in seconds: longer ones are cut, silence follows shorter ones.
    /// Default: as they are, and every sample must be as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Decibels by which white noise that is added to every sound, in training and in evaluation, is below it: what a bad
    /// microphone would hear. Noise in training alone is `augment.noise_snr`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_snr: Option<f64>,
    /// The spectrogram.
    pub spectrogram: LogMelSettings,
    /// Subtracted from the logarithms. The defaults of `mean` and `deviation` are for natural ones.
    pub mean: f32,
    /// Divides them afterwards.
    pub deviation: f32,
    /// Which mean and deviation are used.
    pub normalization: Normalization,
    /// Range below the loudest value that is kept, in decibels; what is quieter is raised to its lower end,
    /// so that the noise of a room or a microphone is not learned. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_range: Option<f64>,
    /// Random changes in training. Default: none.
    pub augment: SpecAugment,
    /// The network.
    pub encoder: EncoderSettings,
    /// Windows, filters and Fourier transform of the spectrogram.
    #[serde(skip)]
    front_end: FrontEnd,
}

/// Where the mean and deviation of a spectrogram's values come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// The settings `mean` and `deviation`.
    #[default]
    Fixed,
    /// The sound itself: loudness is lost.
    Sample,
    /// Each mel filter of the sound: loudness and the color of voice and microphone are lost.
    Band,
    /// Each mel filter of all training samples. They are kept with the model.
    Fitted,
}

/// The frames of each mel filter of a prepared sample.
fn bands_of(sample: &Array) -> Result<Vec<&[f32]>> {
    let &[1, _, frames, 1] = sample.shape() else {
        let expected = "[1, mels, frames, 1]";
        return Err(Error::shape("a spectrogram", expected, sample.shape()));
    };
    Ok(sample.values().chunks_exact(frames.max(1)).collect())
}

/// Brings values to mean 0 and deviation 1; values that are all the same to 0.
fn standardize(values: &mut [f32]) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let squares = values
        .iter()
        .map(|&value| (f64::from(value) - mean).powi(2))
        .sum::<f64>();
    let deviation = (squares / count).sqrt().max(1e-3);
    for value in values {
        *value = ((f64::from(*value) - mean) / deviation) as f32;
    }
}

impl Default for Audio {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            seconds: None,
            noise_snr: None,
            spectrogram: LogMelSettings::default(),
            mean: -6.0,
            deviation: 4.0,
            normalization: Normalization::Fixed,
            dynamic_range: None,
            augment: SpecAugment::default(),
            encoder: EncoderSettings::default(),
            front_end: FrontEnd::default(),
        }
    }
}

impl Audio {
    /// The spectrogram's front end.
    fn log_mel(&self) -> Result<Arc<LogMel>> {
        let front_end = self.front_end.of(&self.spectrogram, self.sample_rate);
        front_end.map_err(|error| error.in_table("spectrogram"))
    }

    /// The sound at the configured length.
    fn fitted<'a>(&self, sound: Cow<'a, Waveform>) -> Result<Cow<'a, Waveform>> {
        let Some(seconds) = self.seconds else {
            return Ok(sound);
        };
        /// A day; a slip of the finger should not fill the memory.
        const LONGEST: f64 = 86_400.0;
        if !(seconds > 0.0 && seconds <= LONGEST) {
            return Err(Error::setting(
                "seconds",
                seconds,
                format!("above 0, at most {LONGEST}"),
            ));
        }
        /// Samples of one sound: a gigabyte.
        const MOST: f64 = (1 << 28) as f64;
        let length = (seconds * f64::from(sound.sample_rate)).round();
        if length > MOST {
            let expected = format!(
                "at most {} at {} Hz",
                MOST / f64::from(sound.sample_rate),
                sound.sample_rate
            );
            return Err(Error::setting("seconds", seconds, expected));
        }
        let length = length as usize;
        let mut sound = sound.into_owned();
        sound.samples.resize(length, 0.0);
        Ok(Cow::Owned(sound))
    }

    /// The sound with the configured noise.
    fn with_hiss<'a>(&self, sound: Cow<'a, Waveform>) -> Result<Cow<'a, Waveform>> {
        let Some(snr) = self.noise_snr else {
            return Ok(sound);
        };
        if !(-100.0..=100.0).contains(&snr) {
            return Err(Error::setting("noise_snr", snr, "-100 to 100 decibels"));
        }
        let mut sound = sound.into_owned();
        add_white_noise(&mut sound, snr);
        Ok(Cow::Owned(sound))
    }

    /// White noise added to a prepared sample.
    fn with_noise(&self, mut sample: Array, ratios: [f64; 2], rng: &mut SampleRng) -> Result<Array> {
        if self.normalization != Normalization::Fixed {
            return Err(Error::setting(
                "augment.noise_snr",
                format!("[{}, {}]", ratios[0], ratios[1]),
                "normalization = \"fixed\": the others lose the power that noise is measured by",
            ));
        }
        let log_mel = self.log_mel()?;
        let noise = log_mel.white_noise()?;
        for value in sample.values_mut() {
            *value = *value * self.deviation + self.mean;
        }
        add_noise(
            sample.values_mut(),
            self.spectrogram.logarithm,
            noise,
            ratios,
            rng,
        )?;
        for value in sample.values_mut() {
            *value = (*value - self.mean) / self.deviation;
        }
        Ok(sample)
    }
}

#[typetag::serde(name = "audio")]
impl Modality for Audio {
    fn media(&self) -> MediaKind {
        MediaKind::Waveform
    }

    fn prepares_quantities(&self) -> bool {
        true
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Waveform(sound) = media else {
            return Err(wrong_media("audio", MediaKind::Waveform, media));
        };
        if !(self.deviation.is_finite() && self.deviation > 0.0) {
            return Err(Error::setting("deviation", self.deviation, "a number above 0"));
        }
        panns::check(self)?;
        let sound = self.fitted(self.with_hiss(resampled(sound, self.sample_rate)?)?)?;
        let log_mel = self.log_mel()?;
        let mut spectrogram = log_mel.spectrogram(&sound)?;
        if let Some(decibels) = self.dynamic_range {
            if !(decibels.is_finite() && decibels > 0.0) {
                return Err(Error::setting(
                    "dynamic_range",
                    decibels,
                    "a number of decibels above 0",
                ));
            }
            let loudest = spectrogram
                .values()
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, f32::max);
            let least = loudest - (decibels * self.spectrogram.logarithm.decibel()) as f32;
            spectrogram
                .values_mut()
                .iter_mut()
                .for_each(|value| *value = value.max(least));
        }
        match self.normalization {
            Normalization::Fixed => {
                for value in spectrogram.values_mut() {
                    *value = (*value - self.mean) / self.deviation;
                }
            }
            // What is fitted is no part of a prepared sample.
            Normalization::Fitted => {}
            Normalization::Sample => standardize(spectrogram.values_mut()),
            Normalization::Band => {
                let frames = spectrogram.shape()[1].max(1);
                spectrogram
                    .values_mut()
                    .chunks_exact_mut(frames)
                    .for_each(standardize);
            }
        }
        let shape = [1, spectrogram.shape()[0], spectrogram.shape()[1], 1];
        Array::new(shape, spectrogram.into_values())
    }

    fn fit(&self, cx: &FitContext<'_>) -> Result<Fitted> {
        if self.normalization != Normalization::Fitted {
            return Ok(Fitted::default());
        }
        let mut bands: Vec<Moments> = Vec::new();
        for sample in cx.samples() {
            let sample = sample?;
            let series = bands_of(&sample)?;
            bands.resize(series.len(), Moments::default());
            for (moments, series) in bands.iter_mut().zip(series) {
                series.iter().for_each(|&value| moments.push(value));
            }
        }
        let scales: Vec<Scale> = bands.iter().map(Moments::scale).collect();
        Ok(Fitted::new(&scales)?.with_summary(moments::summary(&scales, "mel filters")))
    }

    fn apply(&self, mut sample: Array, fitted: &Fitted) -> Result<Array> {
        if self.normalization != Normalization::Fitted {
            return Ok(sample);
        }
        let scales = fitted.get::<Vec<Scale>>()?;
        let bands = bands_of(&sample)?.len();
        if bands != scales.len() {
            let expected = format!("[1, {}, frames, 1], as the training samples", scales.len());
            return Err(Error::shape("a spectrogram", expected, sample.shape()));
        }
        let frames = (sample.len() / bands.max(1)).max(1);
        for (scale, series) in scales.iter().zip(sample.values_mut().chunks_exact_mut(frames)) {
            for value in series {
                *value = scale.of(*value, f64::MAX);
            }
        }
        Ok(sample)
    }

    fn augment(&self, sample: Array, rng: &mut SampleRng) -> Result<Array> {
        let sample = match self.augment.noise_snr {
            None => sample,
            Some(ratios) => self.with_noise(sample, ratios, rng)?,
        };
        self.augment.apply(sample, rng)
    }

    fn augments(&self) -> bool {
        self.augment.changes()
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        panns::check(self)?;
        self.encoder.build_for_sound(cx)
    }
}

gblend_core::register!(Modality, "audio" => Audio);
