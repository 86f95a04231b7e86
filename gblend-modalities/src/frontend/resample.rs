//! Sounds at another sample rate.

use std::borrow::Cow;

use gblend_core::media::Waveform;
use gblend_core::{Error, Result};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// Sample rates between which sounds are resampled, in Hz.
pub const RATES: std::ops::RangeInclusive<u32> = 1000..=768_000;

/// A sound at another sample rate, `ceil(samples · rate / sample_rate)` samples long; borrowed if it has the rate.
///
/// Low-passed at the lower of the two rates' Nyquist frequencies, by a sinc of 1024 or more samples of the lower rate
/// under a squared Blackman-Harris window, multiplied in the frequency domain. What is below 0.97 of that frequency
/// passes unchanged, what is above it is gone. Around the sound there is silence.
///
/// # Errors
/// [`Error::Setting`] if `rate` is out of [`RATES`], [`Error::Data`] if the sound's is.
pub fn resampled(sound: &Waveform, rate: u32) -> Result<Cow<'_, Waveform>> {
    if sound.sample_rate == rate {
        return Ok(Cow::Borrowed(sound));
    }
    let range = format!("{} to {} Hz for resampling", RATES.start(), RATES.end());
    if !RATES.contains(&rate) {
        return Err(Error::setting("sample_rate", rate, range));
    }
    if !RATES.contains(&sound.sample_rate) {
        let problem = format!("sample rate {} Hz, expected {range}", sound.sample_rate);
        return Err(Error::data("sound", problem));
    }
    if sound.samples.is_empty() {
        let samples = Vec::new();
        return Ok(Cow::Owned(Waveform {
            sample_rate: rate,
            samples,
        }));
    }
    /// Samples of the filter at the lower rate: the transition is 14 / 1024 of the Nyquist frequency.
    const LENGTH: usize = 1024;
    let (from, to) = (sound.sample_rate as usize, rate as usize);
    let common = common_divisor(from, to);
    // An even number of samples at both rates: the filter's middle is then a sample, and nothing is delayed by a part of
    // one.
    let blocks = LENGTH.div_ceil(from.min(to) / common).next_multiple_of(2);
    let chunk = blocks * (from / common);
    let window = WindowFunction::BlackmanHarris2;
    let mut resampler =
        Fft::<f64>::new_custom(from, to, chunk, 1, 1, window, FixedSync::Both).map_err(Error::plugin)?;
    let length = sound.samples.len();
    let samples = sound.samples.iter().map(|&sample| f64::from(sample)).collect();
    let input = InterleavedOwned::new_from(samples, 1, length).map_err(Error::plugin)?;
    let output = resampler
        .process_all(&input, length, None)
        .map_err(Error::plugin)?;
    let samples = output
        .take_data()
        .into_iter()
        .map(|sample| sample as f32)
        .collect();
    Ok(Cow::Owned(Waveform {
        sample_rate: rate,
        samples,
    }))
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn tone(hertz: f64, rate: u32, samples: usize) -> Waveform {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        Waveform {
            sample_rate: rate,
            samples: (0..samples).map(|at| (at as f64 * step).sin() as f32).collect(),
        }
    }

    const PAIRS: [(u32, u32); 7] = [
        (8000, 16_000),
        (44_100, 16_000),
        (48_000, 16_000),
        (16_000, 8000),
        (11_025, 16_000),
        (22_050, 44_100),
        (16_001, 16_000),
    ];

    /// Largest difference away from the ends, where silence begins.
    fn error(found: &Waveform, expected: &Waveform) -> f32 {
        let margin = found.samples.len() / 4;
        let middle = margin..found.samples.len() - margin;
        found.samples[middle.clone()]
            .iter()
            .zip(&expected.samples[middle])
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_below_both_nyquist_frequencies_is_the_tone_at_the_other_rate() {
        // Four seconds: half the longest filter, that of rates without a common divisor, is in the ends.
        for (from, to) in PAIRS {
            let nyquist = f64::from(from.min(to)) / 2.0;
            for share in [0.03, 0.4, 0.9, 0.96] {
                let sound = tone(share * nyquist, from, 4 * from as usize);
                let found = resampled(&sound, to).unwrap();
                assert_eq!(found.samples.len(), 4 * to as usize);
                let error = error(&found, &tone(share * nyquist, to, 4 * to as usize));
                assert!(error < 1e-4, "{from} to {to} at {share}: {error}");
            }
        }
    }

    #[test]
    fn a_tone_above_the_new_nyquist_frequency_is_gone() {
        for (from, to) in PAIRS.into_iter().filter(|(from, to)| *from > to + 1000) {
            let sound = tone(1.03 * f64::from(to) / 2.0, from, from as usize);
            let found = resampled(&sound, to).unwrap();
            let silence = tone(0.0, to, to as usize);
            let error = error(&found, &silence);
            assert!(error < 1e-4, "{from} to {to}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_length_has_its_length_at_the_other_rate(samples in 0_usize..3000, pair in 0_usize..7) {
            let (from, to) = PAIRS[pair];
            let found = resampled(&tone(100.0, from, samples), to).unwrap().samples.len() as f64;
            let exact = samples as f64 * f64::from(to) / f64::from(from);
            prop_assert!((found - exact.ceil()).abs() <= 1.0, "{} against {}", found, exact);
        }
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        let sound = tone(100.0, 8000, 10);
        assert!(
            resampled(&sound, 10)
                .unwrap_err()
                .to_string()
                .contains("sample_rate")
        );
        for sample_rate in [0, u32::MAX] {
            let odd = Waveform {
                sample_rate,
                ..sound.clone()
            };
            assert!(resampled(&odd, 8000).is_err());
        }
    }
}
