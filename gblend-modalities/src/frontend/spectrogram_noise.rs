//! White noise added to a sound of which only the power spectrogram is left.
//!
//! Training samples are changed after the cache, where the waveform is gone. What noise in the waveform does to one
//! cell of the spectrogram is known all the same: a filter's power is a sum over Fourier bins, in each of which the
//! noise is complex Gaussian, so the power of both together follows a noncentral χ² law. Its mean is exact, its spread
//! is that of a sound spread evenly over the filter's bins. What is not kept is that the noise of overlapping frames
//! and filters is correlated: here every cell is drawn for itself.

use gblend_core::{Error, Result, SampleRng};
use rand::RngExt;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

use super::log_mel::FilteredNoise;
use super::logarithm::Logarithm;

/// Adds noise to the logarithms of a spectrogram, `[mels, frames]` with `noise` having one entry per mel filter. The mean power of all cells is the drawn ratio of decibels above the mean power of the noise.
///
/// # Errors
/// [`Error::Setting`] if the ratios are not two numbers in order within ±100, [`Error::Shape`] if the filters are
/// others than the spectrogram's.
pub fn add_noise(
    logarithms: &mut [f32],
    logarithm: Logarithm,
    noise: &[FilteredNoise],
    ratios: [f64; 2],
    rng: &mut SampleRng,
) -> Result<()> {
    let [least, greatest] = ratios;
    if !(-100.0 <= least && least <= greatest && greatest <= 100.0) {
        let found = format!("[{least}, {greatest}]");
        return Err(Error::setting(
            "augment.noise_snr",
            found,
            "two numbers of decibels from -100 to 100, the lesser first",
        ));
    }
    if noise.is_empty() || !logarithms.len().is_multiple_of(noise.len()) || logarithms.is_empty() {
        let expected = format!("{} mel filters of one length", noise.len());
        return Err(Error::shape(
            "noise in a spectrogram",
            expected,
            [logarithms.len()],
        ));
    }
    let ratio = 10_f64.powf(rng.random_range(least..=greatest) / 10.0);
    let power = |value: f32| logarithm.power(value);
    let sound = logarithms.iter().map(|&value| power(value)).sum::<f64>() / logarithms.len() as f64;
    let white = noise.iter().map(|filter| filter.power).sum::<f64>() / noise.len() as f64;
    let variance = sound / ratio / white;
    if !(variance.is_finite() && variance > 0.0) {
        // Silence stays silent.
        return Ok(());
    }
    let frames = logarithms.len() / noise.len();
    for (row, filter) in logarithms.chunks_exact_mut(frames).zip(noise) {
        if filter.power <= 0.0 {
            continue;
        }
        let degrees = 2.0 * filter.bins;
        let each = variance * filter.power / degrees;
        // One of the degrees of freedom is in step with the sound, the others are not.
        let others = ChiSquared::new((degrees - 1.0).max(f64::MIN_POSITIVE)).map_err(Error::plugin)?;
        for value in row {
            let in_step: f64 = StandardNormal.sample(rng);
            let both = (power(*value).sqrt() + each.sqrt() * in_step).powi(2) + each * others.sample(rng);
            *value = logarithm.of(both) as f32;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::logarithm::OFFSET;
    use super::*;
    use crate::frontend::log_mel::{LogMel, LogMelSettings};
    use gblend_core::Seed;
    use gblend_core::media::Waveform;

    /// Means and deviations over draws of every cell away from the ends.
    fn moments(draws: &[Vec<f32>], mels: usize) -> Vec<(f64, f64)> {
        let frames = draws[0].len() / mels;
        let inner = (0..draws[0].len()).filter(|cell| (4..frames - 4).contains(&(cell % frames)));
        inner
            .map(|cell| {
                let values: Vec<f64> = draws.iter().map(|draw| f64::from(draw[cell])).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
                (mean, (squares / values.len() as f64).sqrt())
            })
            .collect()
    }

    #[test]
    fn noise_in_the_spectrogram_looks_like_noise_in_the_waveform() {
        // A harmonic sound of 250 Hz whose upper parts are weaker: its bins are far from even within a filter.
        let harmonic = |at: usize| {
            let phase = std::f64::consts::TAU * 250.0 * at as f64 / 16_000.0;
            (1..20)
                .map(|part| 0.2 / f64::from(part) * (f64::from(part) * phase).sin())
                .sum::<f64>()
        };
        compare(&(0..4000).map(harmonic).collect::<Vec<_>>(), 0.25);
        let mut rng = Seed::new(2).rng();
        let hiss: Vec<f64> = (0..4000).map(|_| StandardNormal.sample(&mut rng)).collect();
        compare(&hiss, 0.1);
    }

    /// Holds the moments of noisy spectrograms against each other.
    fn compare(sound: &[f64], tolerance: f64) {
        let settings = LogMelSettings {
            n_mels: 24,
            ..LogMelSettings::default()
        };
        let log_mel = LogMel::new(&settings, 16_000).unwrap();
        let noise = log_mel.white_noise().unwrap();
        let spectrogram = |samples: &[f64]| {
            let samples = samples.iter().map(|&sample| sample as f32).collect();
            let sound = Waveform {
                sample_rate: 16_000,
                samples,
            };
            log_mel.spectrogram(&sound).unwrap().into_values()
        };
        let clean = spectrogram(sound);
        let ratio = 10.0_f64;
        let power = clean.iter().map(|&v| f64::from(v).exp() - OFFSET).sum::<f64>() / clean.len() as f64;
        let white = noise.iter().map(|filter| filter.power).sum::<f64>() / 24.0;
        let deviation = (power / white / 10_f64.powf(ratio / 10.0)).sqrt();
        let mut rng = Seed::new(1).rng();
        let waveform: Vec<Vec<f32>> = (0..300)
            .map(|_| {
                let noisy: Vec<f64> = sound
                    .iter()
                    .map(|sample| {
                        let noise: f64 = StandardNormal.sample(&mut rng);
                        sample + deviation * noise
                    })
                    .collect();
                spectrogram(&noisy)
            })
            .collect();
        let drawn: Vec<Vec<f32>> = (0..300)
            .map(|_| {
                let mut values = clean.clone();
                add_noise(&mut values, Logarithm::Natural, noise, [ratio; 2], &mut rng).unwrap();
                values
            })
            .collect();
        let (real, ours) = (moments(&waveform, 24), moments(&drawn, 24));
        let count = real.len() as f64;
        let pairs = || real.iter().zip(&ours);
        let worst = pairs().map(|(a, b)| (a.0 - b.0).abs()).fold(0.0, f64::max);
        let offset = pairs().map(|(a, b)| (a.0 - b.0).abs()).sum::<f64>() / count;
        let spread = pairs().map(|(a, b)| b.1 / a.1).sum::<f64>() / count;
        assert!(
            worst < 0.35 && offset < 0.06,
            "means differ by {offset}, at most {worst}"
        );
        assert!(
            (spread - 1.0).abs() < tolerance,
            "the spread is {spread} of what it should be"
        );
    }

    #[test]
    fn silence_stays_silent_and_odd_ratios_are_refused() {
        let log_mel = LogMel::new(&LogMelSettings::default(), 16_000).unwrap();
        let noise = log_mel.white_noise().unwrap();
        let mut rng = Seed::new(1).rng();
        for logarithm in [Logarithm::Natural, Logarithm::Decibels] {
            let silence = vec![logarithm.of(0.0) as f32; 64 * 3];
            let mut values = silence.clone();
            add_noise(&mut values, logarithm, noise, [0.0, 10.0], &mut rng).unwrap();
            assert!(values.iter().zip(&silence).all(|(a, b)| (a - b).abs() < 1e-3));
            for ratios in [[5.0, 1.0], [f64::NAN, 1.0], [0.0, f64::INFINITY]] {
                let error = add_noise(&mut values, logarithm, noise, ratios, &mut rng)
                    .unwrap_err()
                    .to_string();
                assert!(error.contains("noise_snr"), "{error}");
            }
            assert!(add_noise(&mut values[1..], logarithm, noise, [1.0, 1.0], &mut rng).is_err());
        }
    }

    #[test]
    fn noise_is_as_loud_whatever_logarithm_it_is_heard_in() {
        let log_mel = LogMel::new(&LogMelSettings::default(), 16_000).unwrap();
        let noise = log_mel.white_noise().unwrap();
        let powers = |logarithm: Logarithm| -> Vec<f64> {
            let power = |cell: usize| logarithm.of(0.5 + (cell % 7) as f64) as f32;
            let mut values: Vec<f32> = (0..64 * 9).map(power).collect();
            add_noise(&mut values, logarithm, noise, [3.0, 3.0], &mut Seed::new(5).rng()).unwrap();
            values.into_iter().map(|value| logarithm.power(value)).collect()
        };
        let pairs = powers(Logarithm::Natural)
            .into_iter()
            .zip(powers(Logarithm::Decibels));
        for (natural, decibels) in pairs {
            assert!(
                (natural - decibels).abs() < 1e-4 * (1.0 + natural),
                "{natural} {decibels}"
            );
        }
    }
}
