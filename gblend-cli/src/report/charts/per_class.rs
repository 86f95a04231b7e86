//! What the blend gains and loses, class by class.

use super::ink::Ink;
use super::rows::{Axis, Mark, Row, reach, rows};
use super::sheet::{Scale, around};
use super::{Chart, Key, Table, percent, points};
use crate::error::Result;
use crate::records::{Confusion, Counts};

/// More classes than fit on a screen: beyond them those that gain and lose most are drawn.
const MOST: usize = 40;

/// One class.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct ClassGain {
    /// Its name.
    pub(in crate::report) class: String,
    /// How well the blend finds it, as a mean over seeds.
    pub(in crate::report) blend: f64,
    /// How well the single modality does.
    pub(in crate::report) single: f64,
    /// The differences, seed by seed.
    pub(in crate::report) each: Vec<f64>,
}

impl ClassGain {
    /// The mean difference.
    pub(in crate::report) fn gain(&self) -> f64 {
        self.blend - self.single
    }

    /// Compares what the blend says with what the single modality says, one pair for each seed. A class that the test
    /// samples of a pair do not have is not compared there, and left out if none has it.
    pub(in crate::report) fn of(classes: &[String], pairs: &[(&Confusion, &Confusion)]) -> Vec<Self> {
        let found: Vec<_> = pairs
            .iter()
            .map(|(blend, single)| (found(blend), found(single)))
            .collect();
        let of_class = |(class, name): (usize, &String)| {
            let both: Vec<(f64, f64)> = found
                .iter()
                .filter_map(|(blend, single)| (*blend.get(class)?).zip(*single.get(class)?))
                .collect();
            let count = both.len() as f64;
            (!both.is_empty()).then(|| Self {
                class: name.clone(),
                blend: both.iter().map(|(blend, _)| blend).sum::<f64>() / count,
                single: both.iter().map(|(_, single)| single).sum::<f64>() / count,
                each: both.iter().map(|(blend, single)| blend - single).collect(),
            })
        };
        classes.iter().enumerate().filter_map(of_class).collect()
    }
}

/// How well each class is found: its recall; with several labels its F1 score, as saying every class of every sample
/// would find all.
fn found(confusion: &Confusion) -> Vec<Option<f64>> {
    match &confusion.counts {
        Counts::Matrix(_) => confusion.recalls(),
        Counts::PerClass(each) => each
            .iter()
            .map(|class| {
                let wrong = (class.false_positives + class.false_negatives) as f64;
                let right = 2.0 * class.true_positives as f64;
                (right + wrong > 0.0).then(|| right / (right + wrong))
            })
            .collect(),
        Counts::Pairs(_) | Counts::Nothing => Vec::new(),
    }
}

/// The chart; `None` if there is nothing to compare. `blend` and `single` name what is compared.
pub(in crate::report) fn per_class(
    gains: &[ClassGain],
    blend: &str,
    single: &str,
    several_labels: bool,
    note: &str,
) -> Result<Option<Chart>> {
    let mut shown: Vec<&ClassGain> = gains.iter().collect();
    let mut caption = format!(
        "{} of each class, {blend} less {single}, in percentage points. {note}",
        if several_labels {
            "F1 score"
        } else {
            "Share of the test samples that is found (recall)"
        }
    );
    shown.sort_by(|a, b| b.gain().total_cmp(&a.gain()));
    if shown.len() > MOST {
        let count = shown.len();
        shown.drain(MOST / 2..count - MOST / 2);
        caption = format!(
            "{caption} Of {count} classes the {} that gain most and the {} that lose most are drawn; the table has all.",
            MOST / 2,
            MOST / 2
        );
    }
    let drawn: Vec<Row> = shown
        .iter()
        .map(|class| {
            let gain = 100.0 * class.gain();
            let ink = if gain < 0.0 { Ink::Loss } else { Ink::Gain };
            let specks = class.each.iter().filter(|_| class.each.len() > 1);
            let specks = specks.map(|difference| Mark::Speck(100.0 * difference));
            Row {
                name: class.class.clone(),
                figure: points(class.gain()),
                marks: [Mark::Bar(0.0, gain, ink)].into_iter().chain(specks).collect(),
            }
        })
        .collect();
    let Some(range) = around(reach(&drawn).chain([-1.0, 1.0])) else {
        return Ok(None);
    };
    if drawn.is_empty() {
        return Ok(None);
    }
    let axis = Axis {
        range,
        name: "gain in percentage points",
        scale: Scale::Plain,
        line: Some(0.0),
    };
    let better = gains.iter().filter(|class| class.gain() > 0.0).count();
    let worse = gains.iter().filter(|class| class.gain() < 0.0).count();
    let extremes = match (shown.first(), shown.last()) {
        (Some(most), Some(least)) => format!(
            " From {} for {} to {} for {}.",
            points(most.gain()),
            most.class,
            points(least.gain()),
            least.class
        ),
        _ => String::new(),
    };
    let says = format!("{blend} finds {better} classes better than {single}, and {worse} worse.{extremes}");
    let mut table = Table::new(1, &["class", blend, single, "gain"]);
    for class in gains {
        table.rows.push(vec![
            class.class.clone(),
            percent(class.blend),
            percent(class.single),
            points(class.gain()),
        ]);
    }
    let legend = [
        (Ink::Gain, "gain, to the right"),
        (Ink::Loss, "loss, to the left"),
    ];
    let title = format!("Gain over {single}, class by class");
    Ok(Some(Chart {
        title: title.clone(),
        caption,
        legend: legend.map(|(ink, means)| Key::area(ink, means)).into(),
        drawings: vec![rows(title, says, &axis, &drawn)?],
        table,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::ClassCounts;

    fn matrix(rows: &[&[u64]]) -> Confusion {
        Confusion {
            name: "joint".into(),
            samples: rows.iter().flat_map(|row| row.iter()).sum(),
            counts: Counts::Matrix(rows.iter().map(|row| row.to_vec()).collect()),
        }
    }

    #[test]
    fn gains_are_differences_of_recall_and_a_class_without_samples_has_none() {
        let blend = matrix(&[&[3, 1, 0], &[0, 0, 0], &[0, 2, 2]]);
        let single = matrix(&[&[1, 3, 0], &[0, 0, 0], &[0, 1, 3]]);
        let classes = ["a", "b", "c"].map(String::from);
        let gains = ClassGain::of(&classes, &[(&blend, &single)]);
        let found: Vec<(&str, f64)> = gains
            .iter()
            .map(|gain| (gain.class.as_str(), gain.gain()))
            .collect();
        assert_eq!(found, [("a", 0.5), ("c", -0.25)]);
        let twice = ClassGain::of(&classes, &[(&blend, &single), (&single, &single)]);
        assert_eq!(twice[0].each, [0.5, 0.0]);
        assert_eq!(twice[0].gain(), 0.25);
    }

    #[test]
    fn several_labels_are_compared_by_their_f1_score() {
        let counts = |true_positives, false_positives| Confusion {
            name: "joint".into(),
            samples: 10,
            counts: Counts::PerClass(vec![ClassCounts {
                true_positives,
                false_positives,
                false_negatives: 4 - true_positives,
                true_negatives: 6 - false_positives,
            }]),
        };
        let gains = ClassGain::of(&["a".into()], &[(&counts(4, 0), &counts(4, 4))]);
        assert_eq!((gains[0].blend, gains[0].single), (1.0, 8.0 / 12.0));
    }
}
