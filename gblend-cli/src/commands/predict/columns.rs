//! The columns of a file of predictions.

use gblend_core::{Answer, Array, Criterion};

use super::answer::{Answers, Named, Prediction, Said};
use crate::error::Result;
use crate::network::Criteria;

/// What stands between the classes of a sample that has several.
const SEPARATOR: &str = ";";

/// The columns of a file of predictions: the sample and what is said, then a number for every class by what predictions are taken
/// from and by each trained head, and last why nothing is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// Whether one class is said, of which there is the probability.
    pub(super) has_probability: bool,
    /// Of the numbers.
    pub(super) scores: Vec<String>,
    /// How many numbers there are of each: of what predictions are taken from, and of each trained head.
    widths: Vec<usize>,
}

/// A line of a file of predictions. What is missing is empty, or null.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) predicted: Option<String>,
    pub(super) probability: Option<f64>,
    pub(super) scores: Vec<Option<f64>>,
    pub(super) problem: Option<String>,
}

impl Columns {
    /// The name of the column with the sample's.
    pub(super) const ID: &str = "id";
    /// The name of the column with what is said.
    pub(super) const PREDICTED: &str = "predicted";
    /// The name of the column with the probability of the class that is said.
    pub(super) const PROBABILITY: &str = "probability";
    /// The name of the column that tells why nothing is said.
    pub(super) const PROBLEM: &str = "problem";

    /// # Errors
    /// None that the network's own objectives could cause.
    pub(super) fn of(answers: &Answers<'_>, criteria: &Criteria) -> Result<Self> {
        let classes = answers.source.classes();
        let lead = answers.ensemble.lead().get();
        let mut columns = Self {
            has_probability: false,
            scores: Vec::new(),
            widths: Vec::new(),
        };
        match asked(lead)? {
            Asked::Classes => {
                columns.has_probability = answers.source.label_kind() == gblend_core::LabelKind::Class;
                columns.add(
                    classes
                        .iter()
                        .map(|class| format!("{}:{class}", Self::PROBABILITY)),
                );
            }
            // What is said is the number itself.
            Asked::Number => columns.add(std::iter::empty()),
            Asked::Else(scores) => columns.add((0..scores).map(|score| format!("score:{score}"))),
        }
        for (head, name) in answers.trained() {
            match asked(criteria.of(head).get())? {
                Asked::Classes => columns.add(classes.iter().map(|class| format!("{name}:{class}"))),
                Asked::Number => columns.add(std::iter::once(name.to_owned())),
                Asked::Else(scores) => columns.add((0..scores).map(|score| format!("{name}:{score}"))),
            }
        }
        Ok(columns)
    }

    fn add(&mut self, names: impl Iterator<Item = String>) {
        let before = self.scores.len();
        self.scores.extend(names);
        self.widths.push(self.scores.len() - before);
    }

    /// The line of a prediction.
    pub(super) fn line(&self, prediction: Prediction) -> Line {
        let all = self.widths.iter().enumerate();
        let scores = all.flat_map(|(position, &width)| {
            let scores = prediction.scores.get(position).and_then(Option::as_ref);
            (0..width).map(move |score| scores.and_then(|scores| scores.get(score).copied()))
        });
        Line {
            scores: scores.collect(),
            probability: match prediction.probability {
                Some(Named::One(probability)) if self.has_probability => Some(probability),
                _ => None,
            },
            predicted: prediction.predicted.map(|said| match said {
                Said::Classes(Named::One(class)) => class,
                Said::Classes(Named::Several(classes)) => classes.join(SEPARATOR),
                // Every digit, so that it can be counted with.
                Said::Number(number) => number.to_string(),
            }),
            id: prediction.id,
            problem: prediction.problem,
        }
    }
}

/// What a head is asked.
enum Asked {
    Classes,
    Number,
    /// So many scores.
    Else(usize),
}

fn asked(criterion: &dyn Criterion) -> Result<Asked> {
    let scores = criterion.scores(&Array::zeros([1, criterion.width()]))?;
    let scores = scores.first().map_or(&[][..], Vec::as_slice);
    Ok(match criterion.answer(scores) {
        Answer::Classes(_) => Asked::Classes,
        Answer::Number(_) => Asked::Number,
        _ => Asked::Else(scores.len()),
    })
}
