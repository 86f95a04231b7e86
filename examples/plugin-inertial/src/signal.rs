//! Signals of several channels over time: resampling, normalization, shifts.

use gblend_core::{Array, Error, Result};

/// Brings a recording, `[time, channels]`, to `steps` steps by linear interpolation, channel by channel:
/// `[channels, steps]`. The first and the last step stay where they are.
///
/// # Errors
/// [`Error::Shape`] if the recording is not of two axes or is empty; [`Error::Setting`] if there is no step.
pub fn resample(recording: &Array, steps: usize) -> Result<Array> {
    let (time, channels) = match *recording.shape() {
        [time, channels] if time > 0 && channels > 0 => (time, channels),
        _ => {
            return Err(Error::shape(
                "an inertial recording",
                "[time, channels] with at least one of each",
                recording.shape(),
            ));
        }
    };
    if steps == 0 {
        return Err(Error::setting("steps", steps, "at least 1"));
    }
    let values = recording.values();
    let last = time - 1;
    let mut resampled = Vec::with_capacity(channels * steps);
    for channel in 0..channels {
        for step in 0..steps {
            let at = step as f64 * last as f64 / (steps - 1).max(1) as f64;
            let before = (at as usize).min(last);
            let after = (before + 1).min(last);
            let share = (at - before as f64) as f32;
            let [from, to] = [before, after].map(|time| values[time * channels + channel]);
            resampled.push(from + share * (to - from));
        }
    }
    Array::new([channels, steps], resampled)
}

/// Subtracts from each channel of `[channels, steps]` its own mean and divides by its own deviation. A channel that
/// does not change becomes zeros.
pub fn standardize(signal: &mut Array) {
    for channel in channels_mut(signal) {
        let count = channel.len() as f64;
        let mean = channel.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let squares: f64 = channel
            .iter()
            .map(|&value| (f64::from(value) - mean).powi(2))
            .sum();
        let deviation = (squares / count).sqrt();
        // Rounding alone must not be blown up to a signal.
        let factor = if deviation > 1e-6 * mean.abs().max(1e-6) {
            1.0 / deviation
        } else {
            0.0
        };
        for value in channel {
            *value = ((f64::from(*value) - mean) * factor) as f32;
        }
    }
}

/// Moves all channels of `[channels, steps, …]` by `shift` steps, later if it is positive. What moves in is the step
/// at the edge, again and again.
pub fn shift(signal: &mut Array, shift: isize) {
    for channel in channels_mut(signal) {
        let Some(last) = channel.len().checked_sub(1) else {
            continue;
        };
        let before = channel.to_vec();
        for (step, value) in channel.iter_mut().enumerate() {
            *value = before[step.saturating_add_signed(-shift).min(last)];
        }
    }
}

/// The channels of `[channels, …]`.
pub(crate) fn channels_mut(signal: &mut Array) -> impl Iterator<Item = &mut [f32]> {
    let channels = signal.shape().first().copied().unwrap_or(1).max(1);
    let length = (signal.len() / channels).max(1);
    signal.values_mut().chunks_exact_mut(length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_resampled_is_the_same_line(time in 2_usize..40, steps in 2_usize..40, slope in -3.0_f32..3.0) {
            let line = Array::new([time, 1], (0..time).map(|t| slope * t as f32).collect()).unwrap();
            let resampled = resample(&line, steps).unwrap();
            let end = slope * (time - 1) as f32;
            for (step, &value) in resampled.values().iter().enumerate() {
                let expected = end * step as f32 / (steps - 1) as f32;
                prop_assert!((value - expected).abs() < 1e-3, "{value} {expected}");
            }
        }

        #[test]
        fn as_many_steps_as_there_are_change_nothing(time in 1_usize..40, channels in 1_usize..5) {
            let values = (0..time * channels).map(|i| (i * i % 17) as f32).collect();
            let recording = Array::new([time, channels], values).unwrap();
            let resampled = resample(&recording, time).unwrap();
            for channel in 0..channels {
                for t in 0..time {
                    let expected = recording.values()[t * channels + channel];
                    prop_assert!((resampled.values()[channel * time + t] - expected).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    fn a_standardized_channel_has_mean_0_and_deviation_1_and_a_still_one_is_zeros() {
        let mut signal = Array::new([2, 4], vec![1.0, 2.0, 3.0, 4.0, 0.1, 0.1, 0.1, 0.1]).unwrap();
        standardize(&mut signal);
        let (moving, still) = signal.values().split_at(4);
        assert!(moving.iter().sum::<f32>().abs() < 1e-6);
        assert!((moving.iter().map(|v| v * v).sum::<f32>() / 4.0 - 1.0).abs() < 1e-6);
        assert_eq!(still, [0.0; 4]);
    }

    #[test]
    fn a_shift_repeats_the_edge() {
        let signal = Array::new([1, 4], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let shifted = |by| {
            let mut signal = signal.clone();
            shift(&mut signal, by);
            signal.into_values()
        };
        assert_eq!(shifted(1), [1.0, 1.0, 2.0, 3.0]);
        assert_eq!(shifted(-2), [3.0, 4.0, 4.0, 4.0]);
        assert_eq!(shifted(9), [1.0; 4]);
    }

    #[test]
    fn a_recording_without_channels_is_refused() {
        assert!(resample(&Array::zeros([5, 0]), 3).is_err());
        assert!(resample(&Array::zeros([5]), 3).is_err());
        assert!(resample(&Array::zeros([5, 2]), 0).is_err());
    }
}
