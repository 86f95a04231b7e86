//! Log-mel spectrograms.
//!
//! As librosa's `melspectrogram` with `center=True, power=2` and a logarithm of it: a periodic Hann window in the middle of each
//! frame, zeros or the sound's reflection around it, `1 + samples / hop` frames. Computed in `f64`.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use gblend_core::media::Waveform;
use gblend_core::{Array, Error, Result};
use realfft::{RealFftPlanner, RealToComplex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logarithm::Logarithm;
use super::mel::{MelConvention, filters};
use crate::range::within;

/// What frames find beyond the ends of a sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Zeros: librosa's `pad_mode="constant"`.
    #[default]
    Zeros,
    /// The sound backwards, without its last sample again: `pad_mode="reflect"`. Sounds must be longer than half a frame.
    Reflect,
}

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
    /// What frames find beyond the ends of a sound.
    pub padding: Padding,
    /// Which logarithm of the filters' power is taken.
    pub logarithm: Logarithm,
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
            padding: Padding::Zeros,
            logarithm: Logarithm::Natural,
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

/// Frames whose powers are summed side by side: additions to one sum wait for each other, those to several do not.
const LANES: usize = 8;

/// A log-mel front end for one sample rate.
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
    noise: OnceLock<Vec<FilteredNoise>>,
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
        /// Longer frames than any sound needs; a slip of the finger should not fill the memory.
        const LONGEST: usize = 1 << 20;
        within("n_fft", n_fft, 1..=LONGEST)?;
        within("hop_length", hop_length, 1..=usize::MAX)?;
        /// Weights of all filters together: half a gigabyte.
        const WEIGHTS: usize = 1 << 26;
        let bins = n_fft / 2 + 1;
        within("n_mels", n_mels, 1..=WEIGHTS / bins)?;
        if win_length == 0 || win_length > n_fft {
            return Err(Error::setting(
                "win_length",
                win_length,
                format!("1 to n_fft, {n_fft}"),
            ));
        }
        let nyquist = f64::from(sample_rate) / 2.0;
        let fmax = settings.fmax.unwrap_or(nyquist);
        if !(fmin >= 0.0 && fmin < nyquist) {
            let expected = format!("at least 0 and below half the sample rate, {nyquist}");
            return Err(Error::setting("fmin", fmin, expected));
        }
        if !(fmax > fmin && fmax <= nyquist) {
            let expected = format!("above fmin, {fmin}, and at most half the sample rate, {nyquist}");
            return Err(Error::setting("fmax", fmax, expected));
        }
        let mut window = vec![0.0; n_fft];
        let start = (n_fft - win_length) / 2;
        for (index, value) in window[start..start + win_length].iter_mut().enumerate() {
            let phase = std::f64::consts::TAU * index as f64 / win_length as f64;
            *value = 0.5 - 0.5 * phase.cos();
        }
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
            noise: OnceLock::new(),
        })
    }

    /// Whether this is what [`new`](Self::new) makes of these settings.
    fn is_of(&self, settings: &LogMelSettings, sample_rate: u32) -> bool {
        self.sample_rate == sample_rate && self.settings == *settings
    }

    /// The number of frames of a sound.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.settings.hop_length
    }

    /// What white noise of variance 1 becomes in each filter.
    ///
    /// # Errors
    /// [`Error::Plugin`] if the Fourier transform fails, which it does not.
    pub fn white_noise(&self) -> Result<&[FilteredNoise]> {
        if let Some(known) = self.noise.get() {
            return Ok(known);
        }
        let noise = self.filter_noise()?;
        Ok(self.noise.get_or_init(|| noise))
    }

    fn filter_noise(&self) -> Result<Vec<FilteredNoise>> {
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
    /// [`Error::Data`] if the sound has another sample rate, or is too short to be reflected.
    pub fn spectrogram(&self, sound: &Waveform) -> Result<Array> {
        if sound.sample_rate != self.sample_rate {
            let problem = format!(
                "sample rate {} Hz, expected {} Hz as sample_rate says",
                sound.sample_rate, self.sample_rate
            );
            return Err(Error::data("sound", problem));
        }
        let half = self.settings.n_fft / 2;
        if self.settings.padding == Padding::Reflect && sound.samples.len() <= half {
            let problem = format!(
                "{} samples at {} Hz, expected more than {half}, half of spectrogram.n_fft, as spectrogram.padding = \"reflect\" \
                 continues a sound with itself; `seconds` puts silence behind shorter ones",
                sound.samples.len(),
                sound.sample_rate
            );
            return Err(Error::data("sound", problem));
        }
        let (mels, frames) = (self.settings.n_mels, self.frames(sound.samples.len()));
        let mut input = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        // Of a last group that is smaller, some lanes are not looked at.
        let mut powers = vec![[0.0; LANES]; spectrum.len()];
        let mut output = Array::zeros([mels, frames]);
        for first in (0..frames).step_by(LANES) {
            let group = first..(first + LANES).min(frames);
            for (lane, frame) in group.clone().enumerate() {
                self.cut(&sound.samples, frame, &mut input);
                self.fft
                    .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                    .map_err(Error::plugin)?;
                for (power, bin) in powers.iter_mut().zip(&spectrum) {
                    power[lane] = bin.norm_sqr();
                }
            }
            let filters = self.filters.chunks_exact(spectrum.len()).zip(&self.reaches);
            let rows = output.values_mut().chunks_exact_mut(frames);
            for (row, (filter, reach)) in rows.zip(filters) {
                let mut sums = [0.0; LANES];
                for (height, powers) in filter[reach.clone()].iter().zip(&powers[reach.clone()]) {
                    for (sum, power) in sums.iter_mut().zip(powers) {
                        *sum += height * power;
                    }
                }
                for (value, sum) in row[group.clone()].iter_mut().zip(sums) {
                    *value = self.settings.logarithm.of(sum) as f32;
                }
            }
        }
        Ok(output)
    }

    /// A frame under the window; its middle stands on sample `frame · hop`.
    fn cut(&self, samples: &[f32], frame: usize, input: &mut [f64]) {
        let (middle, half) = (frame * self.settings.hop_length, self.settings.n_fft / 2);
        // The frame's part before the sound, and what of it the sound reaches.
        let before = half.saturating_sub(middle).min(input.len());
        let sound = samples
            .get((middle + before).saturating_sub(half)..)
            .unwrap_or(&[]);
        let reached = (before + sound.len()).min(input.len());
        input[..before].fill(0.0);
        let windowed = input[before..reached]
            .iter_mut()
            .zip(&self.window[before..reached]);
        for ((input, window), &sample) in windowed.zip(sound) {
            *input = f64::from(sample) * window;
        }
        input[reached..].fill(0.0);
        if self.settings.padding == Padding::Reflect {
            self.reflect(samples, middle, before, reached, input);
        }
    }

    /// Continues the sound beyond its ends, before position `before` of a frame and from `reached` on.
    fn reflect(&self, samples: &[f32], middle: usize, before: usize, reached: usize, input: &mut [f64]) {
        let half = self.settings.n_fft / 2;
        for offset in (0..before).chain(reached..input.len()) {
            // Counted from half a frame before the sound.
            let position = middle + offset;
            let mirrored = match position.checked_sub(half) {
                None => Some(half - position),
                Some(at) => (2 * samples.len()).checked_sub(2 + at),
            };
            let sample = mirrored.and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
            input[offset] = f64::from(sample) * self.window[offset];
        }
    }
}

/// The front end of some settings, made when it is first asked for.
///
/// It is no part of what it is kept in: all are equal, and a copy begins empty.
#[derive(Default)]
pub(crate) struct FrontEnd(OnceLock<Arc<LogMel>>);

impl FrontEnd {
    /// The front end of these settings.
    ///
    /// # Errors
    /// As [`LogMel::new`].
    pub(crate) fn of(&self, settings: &LogMelSettings, sample_rate: u32) -> Result<Arc<LogMel>> {
        if let Some(kept) = self.0.get()
            && kept.is_of(settings, sample_rate)
        {
            return Ok(Arc::clone(kept));
        }
        let made = Arc::new(LogMel::new(settings, sample_rate)?);
        // Settings that were changed since the first time are not kept.
        Ok(match self.0.get() {
            Some(_) => made,
            None => Arc::clone(self.0.get_or_init(|| made)),
        })
    }
}

impl fmt::Debug for FrontEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrontEnd")
    }
}

impl Clone for FrontEnd {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for FrontEnd {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::logarithm::OFFSET;
    use super::*;
    use proptest::prelude::*;

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

    /// As the module's documentation says, one value after another.
    fn directly(log_mel: &LogMel, samples: &[f32]) -> Vec<f32> {
        let LogMelSettings {
            n_fft,
            hop_length,
            padding,
            logarithm,
            ..
        } = log_mel.settings;
        let mut frames = Vec::new();
        for frame in 0..log_mel.frames(samples.len()) {
            let at = |offset: usize| (frame * hop_length + offset) as isize - (n_fft / 2) as isize;
            let last = samples.len() as isize - 1;
            let at = |offset: usize| match padding {
                Padding::Zeros => at(offset),
                Padding::Reflect => last - (last - at(offset).abs()).abs(),
            };
            let sample = |offset: usize| samples.get(usize::try_from(at(offset)).ok()?).copied();
            let windowed = log_mel.window.iter().enumerate();
            let mut input: Vec<f64> = windowed
                .map(|(offset, window)| sample(offset).map_or(0.0, |sample| f64::from(sample) * window))
                .collect();
            let mut spectrum = log_mel.fft.make_output_vec();
            log_mel.fft.process(&mut input, &mut spectrum).unwrap();
            let power = |filter: &[f64]| -> f64 {
                filter
                    .iter()
                    .zip(&spectrum)
                    .map(|(height, bin)| height * bin.norm_sqr())
                    .sum()
            };
            let filters = log_mel.filters.chunks_exact(spectrum.len());
            frames.push(
                filters
                    .map(|filter| logarithm.of(power(filter)) as f32)
                    .collect::<Vec<_>>(),
            );
        }
        let mels = 0..log_mel.settings.n_mels;
        mels.flat_map(|mel| frames.iter().map(move |frame| frame[mel]))
            .collect()
    }

    proptest! {
        #[test]
        fn frames_side_by_side_have_the_bits_of_frames_one_by_one(
            samples in 0_usize..900, n_fft in 1_usize..70, hop_length in 1_usize..90, seed: u64, reflect: bool, decibels: bool,
        ) {
            use rand::RngExt;
            let samples = if reflect { samples + n_fft } else { samples };
            let settings = LogMelSettings {
                n_fft, hop_length, win_length: n_fft.div_ceil(2), n_mels: 7,
                padding: if reflect { Padding::Reflect } else { Padding::Zeros },
                logarithm: if decibels { Logarithm::Decibels } else { Logarithm::Natural },
                ..LogMelSettings::default()
            };
            let log_mel = LogMel::new(&settings, 8000).unwrap();
            let mut rng = gblend_core::Seed::new(seed).rng();
            let samples: Vec<f32> = (0..samples).map(|_| rng.random_range(-1.0..1.0)).collect();
            let expected = directly(&log_mel, &samples);
            let found = log_mel.spectrogram(&Waveform { sample_rate: 8000, samples }).unwrap();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(found.values()), bits(&expected));
        }
    }

    #[test]
    fn a_sound_that_is_too_short_to_be_reflected_is_refused_with_its_length() {
        let settings = LogMelSettings {
            padding: Padding::Reflect,
            ..LogMelSettings::default()
        };
        let log_mel = LogMel::new(&settings, 8000).unwrap();
        let spectrogram = |samples: usize| {
            log_mel.spectrogram(&Waveform {
                sample_rate: 8000,
                samples: vec![0.5; samples],
            })
        };
        assert!(spectrogram(257).is_ok());
        let error = spectrogram(256).unwrap_err().to_string();
        assert!(
            error.contains("256 samples at 8000 Hz, expected more than 256"),
            "{error}"
        );
    }

    #[test]
    fn a_front_end_is_made_once_and_anew_for_other_settings() {
        let (kept, settings) = (FrontEnd::default(), LogMelSettings::default());
        let first = kept.of(&settings, 16_000).unwrap();
        assert!(Arc::ptr_eq(&first, &kept.of(&settings, 16_000).unwrap()));
        let fewer = LogMelSettings {
            n_mels: 10,
            ..settings
        };
        assert_eq!(kept.of(&fewer, 16_000).unwrap().settings, fewer);
        assert_eq!(kept.of(&fewer, 8000).unwrap().sample_rate, 8000);
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
