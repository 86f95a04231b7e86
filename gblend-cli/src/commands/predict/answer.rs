//! What a model says of a sample, as people and programs read it.

use std::collections::BTreeMap;

use gblend_core::{Answer, Label, LabelKind, Source};
use serde::Serialize;

use crate::error::Result;
use crate::evaluation::{Ensemble, Evaluation};
use crate::records::{PredictionRule, three_digits};

/// What stands for what is named: for a class where a sample has one, for each of a list where it may have several.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Named<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Named<T> {
    fn new(labels: LabelKind, mut named: Vec<T>) -> Self {
        match (labels, named.len()) {
            (LabelKind::Class, 1) => Self::One(named.remove(0)),
            _ => Self::Several(named),
        }
    }

    pub(super) fn text(self, of: impl Fn(T) -> String) -> String {
        match self {
            Self::One(named) => of(named),
            Self::Several(named) => named.into_iter().map(of).collect::<Vec<_>>().join(", "),
        }
    }
}

/// What is said of a sample, or right: classes, or a number.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Said {
    Classes(Named<String>),
    Number(f64),
}

impl Said {
    pub(super) fn text(self) -> String {
        match self {
            Self::Classes(named) => named.text(|name| name),
            Self::Number(number) => three_digits(number),
        }
    }
}

/// What is said in scores.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Scored {
    /// Class to probability.
    Classes(BTreeMap<String, f64>),
    Number(f64),
    /// What no label could say.
    Scores(Vec<f64>),
}

/// What is said of a sample.
#[derive(Debug, Serialize)]
pub(super) struct Prediction {
    pub(super) id: String,
    /// By what the configuration says predictions are taken from: the class, or every class with a probability of at
    /// least one half, or the number; null if that says nothing that a label could.
    pub(super) predicted: Option<Said>,
    /// The probability of each class that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probability: Option<Named<f64>>,
    /// The probability of every class, by what predictions are taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probabilities: Option<BTreeMap<String, f64>>,
    /// Where no class passes, those that come nearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) likely: Vec<LikelyClass>,
    /// What the dataset says; null without a label.
    pub(super) label: Option<Said>,
    /// What each trained head says that sees the sample.
    pub(super) heads: BTreeMap<String, Scored>,
    /// Why nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    /// The scores of what predictions are taken from, and of each trained head.
    #[serde(skip)]
    pub(super) scores: Vec<Option<Vec<f64>>>,
}

/// A class that is not said, and how probable it is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LikelyClass {
    pub(super) class: String,
    pub(super) probability: f64,
}

/// The classes that come nearest, the most probable first.
fn likely(classes: &[String], scores: &[f64]) -> Vec<LikelyClass> {
    /// As many as a table has room for.
    const NEAREST: usize = 3;
    let mut likely: Vec<LikelyClass> = classes
        .iter()
        .zip(scores)
        .map(|(class, &probability)| LikelyClass {
            class: class.clone(),
            probability,
        })
        .collect();
    likely.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    likely.truncate(NEAREST);
    likely
}

/// What turns scores into predictions.
pub(super) struct Answers<'a> {
    pub(super) ensemble: Ensemble<'a>,
    /// What predictions are taken from.
    pub(super) rule: PredictionRule,
    /// Of the heads, the joint one's last.
    pub(super) names: &'a [String],
    pub(super) source: &'a dyn Source,
}

impl Answers<'_> {
    /// The heads that were trained; others have nothing to say.
    pub(super) fn trained(&self) -> impl Iterator<Item = (usize, &str)> {
        let trained = |head: &usize| {
            self.ensemble
                .weights
                .get(*head)
                .is_some_and(|&weight| weight > 0.0)
        };
        let heads = (0..self.names.len()).filter(trained);
        heads.map(|head| (head, self.names[head].as_str()))
    }

    /// What is said of the samples of an evaluation, in its order.
    ///
    /// # Errors
    /// [`gblend_core::Error`] if what a head says is not a number.
    pub(super) fn of(&self, evaluation: &Evaluation) -> Result<Vec<Prediction>> {
        let criteria = self.ensemble.criteria;
        let heads = self.trained().map(|(head, _)| {
            evaluation.heads[head]
                .as_ref()
                .map(|_| evaluation.scores(criteria, head))
        });
        let heads: Vec<Option<Vec<Option<Vec<f64>>>>> =
            heads.map(Option::transpose).collect::<Result<_>>()?;
        let mixed = self.rule.scores(evaluation, &self.ensemble)?;
        let samples = evaluation.samples.iter().zip(mixed).enumerate();
        let predictions = samples.map(|(row, (&sample, mixed))| {
            let of_heads = heads.iter().map(|scores| scores.as_ref()?[row].clone());
            let scores = std::iter::once(mixed).chain(of_heads);
            self.prediction(sample, &evaluation.targets.labels[row], scores.collect())
        });
        predictions.collect()
    }

    fn prediction(&self, sample: usize, label: &Label, scores: Vec<Option<Vec<f64>>>) -> Result<Prediction> {
        let id = self.source.sample(sample).id;
        let classes = self.source.classes();
        let labels = self.source.label_kind();
        let location = || format!("the prediction of sample {id}");
        let mixed = scores[0].as_ref().ok_or_else(|| {
            let problem = "none of the heads that predictions are taken from sees the sample";
            gblend_core::Error::data(location(), problem)
        })?;
        if mixed.iter().any(|score| score.is_nan()) {
            let (location, value) = (location(), f64::NAN);
            return Err(gblend_core::Error::NonFinite { location, value }.into());
        }
        let by_class = |scores: &[f64]| {
            classes
                .iter()
                .cloned()
                .zip(scores.iter().copied())
                .collect::<BTreeMap<_, _>>()
        };
        let named = |named: &[usize]| {
            let names = named.iter().filter_map(|&class| classes.get(class).cloned());
            Said::Classes(Named::new(labels, names.collect()))
        };
        let mut prediction = Prediction {
            predicted: None,
            probability: None,
            probabilities: None,
            likely: Vec::new(),
            label: match label {
                Label::Missing => None,
                Label::Number(number) => Some(Said::Number(*number)),
                label => Some(named(label.classes())),
            },
            heads: BTreeMap::new(),
            problem: None,
            scores: Vec::new(),
            id: id.clone(),
        };
        match self.ensemble.lead().get().answer(mixed) {
            Answer::Classes(said) => {
                let probabilities = said.iter().filter_map(|&class| mixed.get(class).copied());
                prediction.probability = Some(Named::new(labels, probabilities.collect()));
                prediction.probabilities = Some(by_class(mixed));
                if said.is_empty() {
                    prediction.likely = likely(classes, mixed);
                }
                prediction.predicted = Some(named(&said));
            }
            Answer::Number(number) => prediction.predicted = Some(Said::Number(number)),
            _ => {}
        }
        for ((head, name), scores) in self.trained().zip(&scores[1..]) {
            let Some(scores) = scores else { continue };
            let said = match self.ensemble.criteria.of(head).get().answer(scores) {
                Answer::Classes(_) => Scored::Classes(by_class(scores)),
                Answer::Number(number) => Scored::Number(number),
                _ => Scored::Scores(scores.clone()),
            };
            prediction.heads.insert(name.to_owned(), said);
        }
        prediction.scores = scores;
        Ok(prediction)
    }

    /// That nothing can be said of a sample.
    pub(super) fn nothing(&self, sample: usize, problem: String) -> Prediction {
        Prediction {
            id: self.source.sample(sample).id,
            predicted: None,
            probability: None,
            probabilities: None,
            likely: Vec::new(),
            label: None,
            heads: BTreeMap::new(),
            problem: Some(problem),
            scores: Vec::new(),
        }
    }
}
