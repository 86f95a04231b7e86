//! Log-mel spectrograms.
//!
//! As librosa's `log(melspectrogram + offset)` with `center=True, pad_mode="constant", power=2`: a periodic
//! Hann window in the middle of each frame, zeros around the sound, `1 + samples / hop` frames. Computed in
//! `f64`.

use std::ops::Range;
use std::sync::Arc;

use gblend_core::media::Waveform;
use gblend_core::{Array, Error, Result};
use realfft::{RealFftPlanner, RealToComplex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mel::{MelConvention, filters};

/// Added to the power before the logarithm.
pub const OFFSET: f64 = 1e-6;

/// How a spectrogram is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogMelSettings {
    /// Samples of a frame; a power of two is fastest.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop_length: usize,
    /// Samples of the window, at most `n_fft`.
    pub win_length: usize,
    /// Mel filters: the height of the spectrogram.
    pub n_mels: usize,
    /// Lowest frequency in Hz.
    pub fmin: f64,
    /// Highest frequency in Hz. Default: half the sample rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fmax: Option<f64>,
    /// Mel scale and height of the filters.
    pub convention: MelConvention,
}

impl Default for LogMelSettings {
    fn default() -> Self {
        Self {
            n_fft: 512,
            hop_length: 160,
            win_length: 400,
            n_mels: 64,
            fmin: 20.0,
            fmax: None,
            convention: MelConvention::Slaney,
        }
    }
}

/// White noise of variance 1 as one mel filter sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilteredNoise {
    /// Its mean power; 0 if no bin is within the filter.
    pub power: f64,
    /// Independent bins that the power is the sum of, as far as its variance is concerned: that is the square of the
    /// mean over this number.
    pub bins: f64,
}

/// A log-mel front end for one sample rate.
#[derive(Clone)]
pub struct LogMel {
    settings: LogMelSettings,
    sample_rate: u32,
    fft: Arc<dyn RealToComplex<f64>>,
    /// `n_fft` values: the window, centered, zeros around it.
    window: Vec<f64>,
    /// `[n_mels, n_fft / 2 + 1]`.
    filters: Vec<f64>,
    /// The bins of each filter between its first and last that are not 0: few of them.
    reaches: Vec<Range<usize>>,
}

impl LogMel {
    /// Prepares window and filters.
    ///
    /// # Errors
    /// [`Error::Setting`] if a length is 0, the window is longer than the frame, or the frequencies are
    /// not in order within half the sample rate.
    pub fn new(settings: &LogMelSettings, sample_rate: u32) -> Result<Self> {
        let LogMelSettings {
            n_fft,
            hop_length,
            win_length,
            n_mels,
            fmin,
            ..
        } = *settings;
        for (key, value) in [("n_fft", n_fft), ("hop_length", hop_length), ("n_mels", n_mels)] {
            if value == 0 {
                return Err(Error::setting(key, value, "at least 1"));
            }
        }
        /// Longer frames than any sound needs; a slip of the finger should not fill the memory.
        const LONGEST: usize = 1 << 20;
        if n_fft > LONGEST || n_mels > LONGEST {
            return Err(Error::setting(
                "n_fft",
                n_fft,
                format!("at most {LONGEST}, and n_mels too"),
            ));
        }
        if win_length == 0 || win_length > n_fft {
            return Err(Error::setting(
                "win_length",
                win_length,
                format!("1 to n_fft, {n_fft}"),
            ));
        }
        let nyquist = f64::from(sample_rate) / 2.0;
        let fmax = settings.fmax.unwrap_or(nyquist);
        if !(fmin >= 0.0 && fmin < fmax && fmax <= nyquist) {
            let found = format!("{fmin} with fmax = {fmax}");
            return Err(Error::setting(
                "fmin",
                found,
                format!("0 <= fmin < fmax <= {nyquist}"),
            ));
        }
        let mut window = vec![0.0; n_fft];
        let start = (n_fft - win_length) / 2;
        for (index, value) in window[start..start + win_length].iter_mut().enumerate() {
            let phase = std::f64::consts::TAU * index as f64 / win_length as f64;
            *value = 0.5 - 0.5 * phase.cos();
        }
        let bins = n_fft / 2 + 1;
        let filters = filters(
            settings.convention,
            n_mels,
            bins,
            f64::from(sample_rate),
            (fmin, fmax),
        );
        let reach = |filter: &[f64]| {
            let end = filter
                .iter()
                .rposition(|&height| height != 0.0)
                .map_or(0, |last| last + 1);
            filter.iter().position(|&height| height != 0.0).unwrap_or(0)..end
        };
        Ok(Self {
            settings: settings.clone(),
            sample_rate,
            fft: RealFftPlanner::new().plan_fft_forward(n_fft),
            window,
            reaches: filters.chunks_exact(bins).map(reach).collect(),
            filters,
        })
    }

    /// The number of frames of a sound.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.settings.hop_length
    }

    /// What white noise of variance 1 becomes in each filter.
    ///
    /// # Errors
    /// [`Error::Plugin`] if the Fourier transform fails, which it does not.
    pub fn white_noise(&self) -> Result<Vec<FilteredNoise>> {
        let mut squares: Vec<f64> = self.window.iter().map(|weight| weight * weight).collect();
        let energy: f64 = squares.iter().sum();
        let mut spectrum = self.fft.make_output_vec();
        self.fft
            .process(&mut squares, &mut spectrum)
            .map_err(Error::plugin)?;
        // Bins d apart are correlated by the transform of the squared window at d.
        let together: Vec<f64> = spectrum
            .iter()
            .map(|value| value.norm_sqr() / (energy * energy))
            .collect();
        let of_filter = |filter: &[f64]| {
            let height: f64 = filter.iter().sum();
            let bins: Vec<(usize, f64)> = filter
                .iter()
                .copied()
                .enumerate()
                .filter(|bin| bin.1 > 0.0)
                .collect();
            let variance: f64 = bins
                .iter()
                .flat_map(|&(at, weight)| {
                    let together = &together;
                    bins.iter()
                        .map(move |&(other, second)| weight * second * together[at.abs_diff(other)])
                })
                .sum();
            FilteredNoise {
                power: energy * height,
                bins: if variance > 0.0 {
                    height * height / variance
                } else {
                    1.0
                },
            }
        };
        Ok(self.filters.chunks_exact(spectrum.len()).map(of_filter).collect())
    }

    /// The spectrogram of a sound, `[n_mels, frames]`.
    ///
    /// # Errors
    /// [`Error::Data`] if the sound has another sample rate.
    pub fn spectrogram(&self, sound: &Waveform) -> Result<Array> {
        if sound.sample_rate != self.sample_rate {
            let problem = format!(
                "sample rate {} Hz, expected {} Hz as sample_rate says",
                sound.sample_rate, self.sample_rate
            );
            return Err(Error::data("sound", problem));
        }
        let n_fft = self.settings.n_fft;
        let (mels, frames) = (self.settings.n_mels, self.frames(sound.samples.len()));
        let mut input = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut powers = vec![0.0; spectrum.len()];
        let mut output = Array::zeros([mels, frames]);
        for frame in 0..frames {
            // The middle of frame f stands on sample f · hop.
            let first = (frame * self.settings.hop_length) as isize - (n_fft / 2) as isize;
            for (offset, (input, window)) in input.iter_mut().zip(&self.window).enumerate() {
                let sample = usize::try_from(first + offset as isize).ok();
                let sample = sample.and_then(|at| sound.samples.get(at));
                *input = sample.map_or(0.0, |&sample| f64::from(sample) * window);
            }
            self.fft
                .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                .map_err(Error::plugin)?;
            for (power, bin) in powers.iter_mut().zip(&spectrum) {
                *power = bin.norm_sqr();
            }
            let filters = self.filters.chunks_exact(spectrum.len()).zip(&self.reaches);
            for (mel, (filter, reach)) in filters.enumerate() {
                let heights = filter[reach.clone()].iter();
                let power: f64 = heights
                    .zip(&powers[reach.clone()])
                    .map(|(f, power)| f * power)
                    .sum();
                output.values_mut()[mel * frames + frame] = (power + OFFSET).ln() as f32;
            }
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tone_is_loudest_in_the_filter_around_its_frequency() {
        let settings = LogMelSettings {
            n_mels: 40,
            ..LogMelSettings::default()
        };
        let log_mel = LogMel::new(&settings, 16_000).unwrap();
        for hertz in [440.0, 1500.0, 5000.0] {
            let samples = (0..16_000).map(|i| (std::f32::consts::TAU * hertz * i as f32 / 16_000.0).sin());
            let sound = Waveform {
                sample_rate: 16_000,
                samples: samples.collect(),
            };
            let spectrogram = log_mel.spectrogram(&sound).unwrap();
            let frames = spectrogram.shape()[1];
            let middle = (0..40).map(|mel| spectrogram.values()[mel * frames + frames / 2]);
            let loudest = middle.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
            let step = settings.convention.mel(8000.0) / 41.0;
            let expected = (settings.convention.mel(f64::from(hertz)) / step - 1.0).round();
            assert!(
                (loudest as f64 - expected).abs() <= 1.0,
                "{hertz}: {loudest} against {expected}"
            );
        }
    }

    #[test]
    fn silence_and_an_empty_sound_have_the_offset_everywhere() {
        let log_mel = LogMel::new(&LogMelSettings::default(), 8000).unwrap();
        for samples in [vec![], vec![0.0; 100]] {
            let sound = Waveform {
                sample_rate: 8000,
                samples,
            };
            let spectrogram = log_mel.spectrogram(&sound).unwrap();
            assert!(
                spectrogram
                    .values()
                    .iter()
                    .all(|&v| (f64::from(v) - OFFSET.ln()).abs() < 1e-5)
            );
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_refused_by_name() {
        let base = LogMelSettings::default();
        for (settings, key) in [
            (
                LogMelSettings {
                    n_fft: 0,
                    ..base.clone()
                },
                "n_fft",
            ),
            (
                LogMelSettings {
                    hop_length: 0,
                    ..base.clone()
                },
                "hop_length",
            ),
            (
                LogMelSettings {
                    win_length: 513,
                    ..base.clone()
                },
                "win_length",
            ),
            (
                LogMelSettings {
                    fmax: Some(9000.0),
                    ..base.clone()
                },
                "fmin",
            ),
            (
                LogMelSettings {
                    fmin: f64::NAN,
                    ..base.clone()
                },
                "fmin",
            ),
            (
                LogMelSettings {
                    n_fft: usize::MAX,
                    ..base
                },
                "n_fft",
            ),
        ] {
            let error = LogMel::new(&settings, 16_000).err().unwrap().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
