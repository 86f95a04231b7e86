//! Sound.

use std::borrow::Cow;

use gblend_core::media::Waveform;
use gblend_core::{Array, BuildContext, Encoder, Error, Media, MediaKind, Modality, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::{EncoderSettings, PictureEncoder};
use crate::frontend::log_mel::{LogMel, LogMelSettings};
use crate::rgb::wrong_media;

/// Sound: a log-mel spectrogram, encoded as a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audio {
    /// Samples per second that sounds must have.
    pub sample_rate: u32,
    /// Length that sounds are brought to, in seconds: longer ones are cut, silence follows shorter ones.
    /// Default: as they are, and every sample must be as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The spectrogram.
    pub spectrogram: LogMelSettings,
    /// Subtracted from the logarithms.
    pub mean: f32,
    /// Divides them afterwards.
    pub deviation: f32,
    /// The network.
    pub encoder: EncoderSettings,
}

impl Default for Audio {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            seconds: None,
            spectrogram: LogMelSettings::default(),
            mean: -6.0,
            deviation: 4.0,
            encoder: EncoderSettings::default(),
        }
    }
}

impl Audio {
    /// The sound at the configured length.
    fn fitted<'a>(&self, sound: &'a Waveform) -> Result<Cow<'a, Waveform>> {
        let Some(seconds) = self.seconds else {
            return Ok(Cow::Borrowed(sound));
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
        let length = (seconds * f64::from(sound.sample_rate)).round() as usize;
        let mut samples = sound.samples.clone();
        samples.resize(length, 0.0);
        Ok(Cow::Owned(Waveform { samples, ..*sound }))
    }
}

#[typetag::serde(name = "audio")]
impl Modality for Audio {
    fn media(&self) -> MediaKind {
        MediaKind::Waveform
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Waveform(sound) = media else {
            return Err(wrong_media("audio", MediaKind::Waveform, media));
        };
        if !(self.deviation.is_finite() && self.deviation > 0.0) {
            return Err(Error::setting("deviation", self.deviation, "a number above 0"));
        }
        let log_mel = LogMel::new(&self.spectrogram, self.sample_rate)?;
        let mut spectrogram = log_mel.spectrogram(self.fitted(sound)?.as_ref())?;
        for value in spectrogram.values_mut() {
            *value = (*value - self.mean) / self.deviation;
        }
        let shape = [1, spectrogram.shape()[0], spectrogram.shape()[1], 1];
        Array::new(shape, spectrogram.into_values())
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(PictureEncoder::new(&self.encoder, cx)?))
    }
}

gblend_core::register!(Modality, "audio" => Audio);
