//! The modality kind `inertial`.

use gblend_core::rand::RngExt;
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::{
    Array, BuildContext, Encoder, Error, Media, MediaKind, Modality, Result, SampleRng, typetag,
};
use rand_distr::{Distribution, StandardNormal};

use crate::encoder::{EncoderSettings, TimeEncoder};
use crate::signal;

/// Inertial sensors, such as accelerometers and gyroscopes: recordings `[time, channels]`, convolved over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
pub struct Inertial {
    /// Steps that every recording is brought to, however long it is.
    pub steps: usize,
    /// What becomes 0 in each channel. Default: each recording's own mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// What becomes 1 in each channel, counted from the mean. Default: each recording's own standard deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<Vec<f32>>,
    /// Random changes in training.
    pub augment: Augment,
    /// The network.
    pub encoder: EncoderSettings,
}

/// Random changes in training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
pub struct Augment {
    /// Standard deviation of the noise that is added to each normalized value.
    pub jitter: f32,
    /// Most steps that a recording is moved earlier or later.
    pub time_shift: usize,
    /// Most that each channel is scaled up or down, as a share.
    pub scale: f32,
}

impl Default for Inertial {
    fn default() -> Self {
        Self {
            steps: 128,
            mean: None,
            deviation: None,
            augment: Augment::default(),
            encoder: EncoderSettings::default(),
        }
    }
}

impl Inertial {
    fn normalize(&self, signal: &mut Array) -> Result<()> {
        let channels = signal.shape()[0];
        let (mean, deviation) = match (&self.mean, &self.deviation) {
            (None, None) => {
                signal::standardize(signal);
                return Ok(());
            }
            (Some(mean), Some(deviation)) => (mean, deviation),
            (None, Some(_)) => {
                return Err(Error::setting(
                    "mean",
                    "none",
                    "one for each channel, as `deviation` is given",
                ));
            }
            (Some(_), None) => {
                return Err(Error::setting(
                    "deviation",
                    "none",
                    "one for each channel, as `mean` is given",
                ));
            }
        };
        let numbers = format!("{channels} numbers, one for each channel");
        if mean.len() != channels || !mean.iter().all(|value| value.is_finite()) {
            return Err(Error::setting("mean", format!("{mean:?}"), numbers));
        }
        if deviation.len() != channels || !deviation.iter().all(|value| value.is_normal() && *value > 0.0) {
            return Err(Error::setting(
                "deviation",
                format!("{deviation:?}"),
                numbers + ", each above 0",
            ));
        }
        for (channel, (mean, deviation)) in signal::channels_mut(signal).zip(mean.iter().zip(deviation)) {
            channel
                .iter_mut()
                .for_each(|value| *value = (*value - mean) / deviation);
        }
        Ok(())
    }
}

#[typetag::serde(name = "inertial")]
impl Modality for Inertial {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Array(recording) = media else {
            let problem = format!("found {}, expected {}", media.kind(), MediaKind::Array);
            return Err(Error::data("modality kind inertial", problem));
        };
        if let Some(&value) = recording.values().iter().find(|value| !value.is_finite()) {
            return Err(Error::NonFinite {
                location: "an inertial recording".to_owned(),
                value: value.into(),
            });
        }
        let mut signal = signal::resample(recording, self.steps)?;
        self.normalize(&mut signal)?;
        // gblend's convolutions are over [channels, height, width, frames]: time is the height.
        let [channels, steps] = [signal.shape()[0], signal.shape()[1]];
        Array::new([channels, steps, 1, 1], signal.into_values())
    }

    fn augment(&self, mut sample: Array, rng: &mut SampleRng) -> Result<Array> {
        let Augment {
            jitter,
            time_shift,
            scale,
        } = self.augment;
        let steps = time_shift.min(self.steps);
        if steps > 0 {
            let at = rng.random_range(0..=2 * steps as u64) as isize;
            signal::shift(&mut sample, at - steps as isize);
        }
        for channel in signal::channels_mut(&mut sample) {
            if scale > 0.0 {
                let factor = rng.random_range(1.0 - scale..=1.0 + scale);
                channel.iter_mut().for_each(|value| *value *= factor);
            }
            if jitter > 0.0 {
                for value in channel {
                    let noise: f32 = StandardNormal.sample(rng);
                    *value += jitter * noise;
                }
            }
        }
        Ok(sample)
    }

    fn augments(&self) -> bool {
        let Augment {
            jitter,
            time_shift,
            scale,
        } = self.augment;
        time_shift > 0 || jitter > 0.0 || scale > 0.0
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let Augment { jitter, scale, .. } = self.augment;
        if !(jitter.is_finite() && jitter >= 0.0) {
            return Err(Error::setting("augment.jitter", jitter, "a number of at least 0"));
        }
        if !(0.0..1.0).contains(&scale) {
            return Err(Error::setting(
                "augment.scale",
                scale,
                "a share of at least 0 and below 1",
            ));
        }
        Ok(Box::new(TimeEncoder::new(&self.encoder, cx)?))
    }
}

gblend_core::register!(Modality, "inertial" => Inertial);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn recording() -> Media {
        Media::Array(Array::new([4, 2], vec![1.0, 10.0, 2.0, 10.0, 3.0, 10.0, 4.0, 10.0]).unwrap())
    }

    #[test]
    fn given_means_and_deviations_keep_what_differs_between_recordings() {
        let modality = Inertial {
            steps: 4,
            mean: Some(vec![1.0, 8.0]),
            deviation: Some(vec![0.5, 2.0]),
            ..Inertial::default()
        };
        let sample = modality.prepare(&recording()).unwrap();
        assert_eq!(sample.shape(), [2, 4, 1, 1]);
        assert_eq!(sample.values(), [0.0, 2.0, 4.0, 6.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn settings_that_do_not_fit_the_channels_are_named() {
        let mut modality = Inertial {
            mean: Some(vec![0.0; 3]),
            deviation: Some(vec![1.0; 3]),
            ..Inertial::default()
        };
        let error = modality.prepare(&recording()).unwrap_err().to_string();
        assert!(error.contains("mean") && error.contains("2 numbers"), "{error}");
        modality.mean = None;
        assert!(modality.prepare(&recording()).is_err());
    }

    #[test]
    fn a_value_that_is_no_number_is_refused() {
        let media = Media::Array(Array::new([2, 1], vec![0.0, f32::NAN]).unwrap());
        assert!(Inertial::default().prepare(&media).is_err());
    }
}
