//! Series of one feature brought to a length.

use super::Resize;
use crate::frontend::moments::MISSING;

/// Appends a series at this length. What is padded is 0.
pub(super) fn append(values: &mut Vec<f32>, series: &[f32], length: usize, resize: Resize) {
    match resize {
        _ if series.len() == length => values.extend(series),
        Resize::Pad => {
            let cut = series.len().saturating_sub(length) / 2;
            values.extend(series.iter().skip(cut).take(length));
            let padding = length.saturating_sub(series.len());
            values.extend(std::iter::repeat_n(0.0, padding));
        }
        Resize::Resample if series.is_empty() => values.extend(std::iter::repeat_n(0.0, length)),
        Resize::Resample => values.extend((0..length).map(|step| resampled(series, length, step))),
    }
}

/// Step `step` of a series that is stretched or compressed to `length` steps: each step stands for an equal share of the
/// time. A longer series gives the mean over the share, a shorter one the value between the two steps around its middle.
/// Missing cells have no part in it.
fn resampled(series: &[f32], length: usize, step: usize) -> f32 {
    let share = series.len() as f64 / length as f64;
    let (begin, end) = (step as f64 * share, (step + 1) as f64 * share);
    let (mut sum, mut weights) = (0.0, 0.0);
    let mut take = |index: usize, weight: f64| {
        let value = series[index.min(series.len() - 1)];
        if value != MISSING && weight > 0.0 {
            sum += weight * f64::from(value);
            weights += weight;
        }
    };
    if share > 1.0 {
        let last = (end.ceil() as usize).min(series.len());
        for index in begin as usize..last {
            let overlap = end.min((index + 1) as f64) - begin.max(index as f64);
            take(index, overlap);
        }
    } else {
        let middle = ((begin + end) / 2.0 - 0.5).clamp(0.0, (series.len() - 1) as f64);
        take(middle as usize, 1.0 - middle.fract());
        take(middle as usize + 1, middle.fract());
    }
    if weights > 0.0 {
        (sum / weights) as f32
    } else {
        MISSING
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_length(series: &[f32], length: usize, resize: Resize) -> Vec<f32> {
        let mut values = Vec::new();
        append(&mut values, series, length, resize);
        values
    }

    #[test]
    fn longer_series_lose_their_ends_and_shorter_ones_are_padded() {
        let series = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(at_length(&series, 3, Resize::Pad), [2.0, 3.0, 4.0]);
        assert_eq!(
            at_length(&series, 7, Resize::Pad),
            [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0]
        );
        assert_eq!(at_length(&[], 2, Resize::Pad), [0.0; 2]);
    }

    #[test]
    fn compressed_series_are_means_and_stretched_ones_lie_between() {
        let series = [0.0, 2.0, 4.0, 6.0];
        assert_eq!(at_length(&series, 2, Resize::Resample), [1.0, 5.0]);
        assert_eq!(at_length(&[0.0, 4.0], 4, Resize::Resample), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(
            at_length(&[0.0, MISSING, 3.0, 5.0], 2, Resize::Resample),
            [0.0, 4.0]
        );
        assert_eq!(at_length(&[MISSING; 4], 2, Resize::Resample), [MISSING; 2]);
    }

    proptest! {
        #[test]
        fn a_resampled_series_stays_within_its_range_and_a_constant_stays(
            series in proptest::collection::vec(-10.0_f32..10.0, 1..30), length in 1_usize..40, constant in -9.0_f32..9.0,
        ) {
            let found = at_length(&series, length, Resize::Resample);
            prop_assert_eq!(found.len(), length);
            let (low, high) = series.iter().fold((f32::MAX, f32::MIN), |(low, high), &value| (low.min(value), high.max(value)));
            prop_assert!(found.iter().all(|&value| (low - 1e-5..=high + 1e-5).contains(&value)));
            let flat = at_length(&vec![constant; series.len()], length, Resize::Resample);
            prop_assert!(flat.iter().all(|value| (value - constant).abs() < 1e-5));
        }
    }
}
