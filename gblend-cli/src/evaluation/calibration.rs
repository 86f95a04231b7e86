//! Holds probabilities against what was so.

use gblend_core::{Answer, Criterion, LabelKind, Targets};

use crate::records::{Calibration, CalibrationBin};

impl Calibration {
    /// Of the scores of each sample, of those that have a label; `None` where scores are no probabilities of classes, or no
    /// sample has a label.
    pub fn of(
        name: &str,
        criterion: &dyn Criterion,
        scores: &[Vec<f64>],
        targets: &Targets,
        kind: LabelKind,
    ) -> Option<Self> {
        let mut said = Vec::new();
        for (scores, label) in scores.iter().zip(&targets.labels) {
            if label.is_missing() {
                continue;
            }
            let Answer::Classes(answer) = criterion.answer(scores) else {
                return None;
            };
            let right = label.classes();
            match kind {
                LabelKind::Class => {
                    let class = *answer.first()?;
                    said.push((*scores.get(class)?, right.contains(&class)));
                }
                LabelKind::Classes => {
                    let classes = scores.iter().enumerate();
                    said.extend(classes.map(|(class, &score)| (score, right.contains(&class))));
                }
                _ => return None,
            }
        }
        Self::binned(name, &said)
    }

    /// Of probabilities, each with whether what it is of was so; `None` without any, or where one is no number.
    fn binned(name: &str, said: &[(f64, bool)]) -> Option<Self> {
        if said.is_empty() || said.iter().any(|(probability, _)| probability.is_nan()) {
            return None;
        }
        let mut bins = [(0_u64, 0.0, 0_u64); Self::BINS];
        for &(probability, so) in said {
            let bin = (probability * Self::BINS as f64).ceil() as usize;
            let (count, sum, right) = &mut bins[bin.clamp(1, Self::BINS) - 1];
            *count += 1;
            *sum += probability;
            *right += u64::from(so);
        }
        let filled = bins.into_iter().filter(|(count, ..)| *count > 0);
        let bins = filled.map(|(count, sum, right)| CalibrationBin {
            count,
            probability: sum / count as f64,
            share: right as f64 / count as f64,
        });
        let bins: Vec<CalibrationBin> = bins.collect();
        let off = bins
            .iter()
            .map(|bin| bin.count as f64 * (bin.share - bin.probability).abs());
        Some(Self {
            name: name.to_owned(),
            error: off.sum::<f64>() / said.len() as f64,
            bins,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{criterion, labels};
    use super::*;
    use gblend_core::Label;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_between_0_and_1_and_no_less_than_what_all_are_off_by(
            said in proptest::collection::vec((0.0_f64..=1.0, any::<bool>()), 1..80),
        ) {
            let found = Calibration::binned("joint", &said).unwrap();
            let count = said.len() as f64;
            let probability = said.iter().map(|(probability, _)| probability).sum::<f64>() / count;
            let share = said.iter().filter(|(_, so)| *so).count() as f64 / count;
            prop_assert!(found.error >= (probability - share).abs() - 1e-12);
            prop_assert!(found.error <= 1.0);
            prop_assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<u64>(), said.len() as u64);
            prop_assert!(found.bins.is_sorted_by(|a, b| a.probability < b.probability));
        }
    }

    #[test]
    fn it_is_that_of_guo_et_al() {
        // Their code in numpy: bins `(i / 15, (i + 1) / 15]`, the mean over samples of |accuracy − confidence|.
        // c = [0.95, 0.91, 0.62, 0.55, 0.4, 1/3, 0.999, 1.0, 0.34, 0.7]; a = [1, 0, 1, 0, 0, 1, 1, 1, 0, 1]
        let said = [
            (0.95, true),
            (0.91, false),
            (0.62, true),
            (0.55, false),
            (0.4, false),
            (1.0 / 3.0, true),
            (0.999, true),
            (1.0, true),
            (0.34, false),
            (0.7, true),
        ];
        let found = Calibration::binned("joint", &said).unwrap();
        assert!(
            (found.error - 0.3597666666666667).abs() < 1e-12,
            "{}",
            found.error
        );
    }

    #[test]
    fn the_ends_of_the_range_have_bins() {
        let found = Calibration::binned("joint", &[(0.0, false), (1.0, true)]).unwrap();
        assert_eq!((found.error, found.bins.len()), (0.0, 2));
        assert_eq!(Calibration::binned("joint", &[]), None);
        assert_eq!(Calibration::binned("joint", &[(f64::NAN, true)]), None);
    }

    #[test]
    fn one_label_counts_the_largest_probability_and_several_count_each() {
        let scores = vec![vec![0.75, 0.25], vec![0.25, 0.75]];
        let one = criterion(LabelKind::Class, 2);
        let found =
            Calibration::of("joint", one.as_ref(), &scores, &labels(&[0, 0]), LabelKind::Class).unwrap();
        assert_eq!((found.bins.len(), found.bins[0].share), (1, 0.5));
        let several = criterion(LabelKind::Classes, 2);
        let targets = Targets::new(vec![Label::Classes(vec![0]), Label::Missing]);
        let found =
            Calibration::of("joint", several.as_ref(), &scores, &targets, LabelKind::Classes).unwrap();
        assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<u64>(), 2);
        let numbers = criterion(LabelKind::Number, 0);
        let targets = Targets::new(vec![Label::Number(1.0)]);
        let none = Calibration::of(
            "joint",
            numbers.as_ref(),
            &[vec![0.5]],
            &targets,
            LabelKind::Number,
        );
        assert_eq!(none, None);
    }
}
