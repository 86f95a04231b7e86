//! From what heads say to what is predicted.

use gblend_core::{HeadPool, ScoreFunction};

use super::builder::Builder;
use super::proto::{Attribute, int};
use crate::error::{Error, Result};
use crate::evaluation::{Combined, CombinedInPart, Ensemble};
use crate::records::PredictionRule;

/// The least logarithm of a probability that counts in a pool.
const LEAST_LOG: f32 = gblend_core::pool::LEAST_LOG as f32;

/// What outputs are called that are probabilities, or numbers.
pub(super) const PROBABILITIES: &str = "probabilities";
pub(super) const VALUES: &str = "values";

/// What heads say of every sample, `[batch, scores]`.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    /// Scores.
    pub(super) scores: String,
    /// Of probabilities of each class, those that a sample has it not: a difference from 1 would round.
    complements: Option<String>,
    pub(super) width: usize,
    pub(super) function: ScoreFunction,
    /// Which samples the head sees, `[batch, 1]`; all if that is not told.
    seen: Option<String>,
}

impl Scores {
    /// Of a head's output of all views, of which a sample has so many; `present` tells which samples it sees, `[batch]`.
    pub(super) fn of(
        builder: &mut Builder,
        output: &str,
        width: usize,
        function: ScoreFunction,
        views: usize,
        present: Option<&str>,
    ) -> Result<Self> {
        let (scores, complements) = match function {
            ScoreFunction::Softmax => (
                builder.node("Softmax", &[output], [Attribute::int("axis", -1)]),
                None,
            ),
            ScoreFunction::Sigmoid => {
                let opposite = builder.node("Neg", &[output], []);
                let scores = share(builder, &opposite);
                (scores, Some(share(builder, output)))
            }
            ScoreFunction::Affine { factor, offset } => {
                let (factor, offset) = (builder.float(factor), builder.float(offset));
                let scaled = builder.node("Mul", &[output, &factor], []);
                (builder.node("Add", &[&scaled, &offset], []), None)
            }
            other => {
                return Err(Error::NotExported(format!(
                    "scores that are {other:?} have no operator"
                )));
            }
        };
        let mut mean = |scores: String| match views {
            1 => scores,
            _ => {
                let shape = builder.ints(&[-1, int(views), int(width)]);
                let by_view = builder.node("Reshape", &[&scores, &shape], []);
                let over = [Attribute::ints("axes", [1]), Attribute::int("keepdims", 0)];
                builder.node("ReduceMean", &[&by_view], over)
            }
        };
        Ok(Self {
            scores: mean(scores),
            complements: complements.map(mean),
            width,
            function,
            seen: present.map(|present| {
                let axis = builder.ints(&[1]);
                builder.node("Unsqueeze", &[present, &axis], [])
            }),
        })
    }

    /// The scores as an output: no number where the head does not see the sample.
    pub(super) fn shown(&self, builder: &mut Builder) -> String {
        match &self.seen {
            None => self.scores.clone(),
            Some(seen) => {
                let nothing = builder.float(f32::NAN);
                builder.node("Where", &[seen, &self.scores, &nothing], [])
            }
        }
    }

    /// What the output of a model with such scores is called.
    pub(super) fn output(&self) -> &'static str {
        match self.function {
            ScoreFunction::Affine { .. } => VALUES,
            _ => PROBABILITIES,
        }
    }
}

/// What is predicted of every sample by these heads: their positions, and their scores. `names` are those of all heads.
///
/// # Errors
/// [`Error::NotExported`] if a head that predicts has no scores.
pub(super) fn predicted(
    builder: &mut Builder,
    rule: PredictionRule,
    ensemble: &Ensemble<'_>,
    names: &[String],
    heads: &[(usize, Option<Scores>)],
) -> Result<Scores> {
    let of = |head: usize| {
        let found = heads.iter().find(|(position, _)| *position == head);
        let scores = found.and_then(|(_, scores)| scores.clone());
        scores.ok_or_else(|| no_function(ensemble, names, head))
    };
    if heads
        .iter()
        .any(|(_, scores)| scores.as_ref().is_some_and(|scores| scores.seen.is_some()))
    {
        return predicted_in_part(builder, &rule.combined_in_part(ensemble), &of);
    }
    match rule.combined(ensemble) {
        Combined::Mean(shares) => {
            let shares: Vec<(f32, Scores)> = shares
                .into_iter()
                .map(|(head, share)| Ok((share as f32, of(head)?)))
                .collect::<Result<_>>()?;
            let Some((_, first)) = shares.first().cloned() else {
                return Err(Error::NotExported("no trained head predicts".to_owned()));
            };
            if shares.len() == 1 {
                return Ok(first);
            }
            let terms: Vec<(f32, &str)> = shares
                .iter()
                .map(|(share, scores)| (*share, scores.scores.as_str()))
                .collect();
            Ok(Scores {
                scores: weighted(builder, &terms),
                complements: None,
                ..first
            })
        }
        Combined::Pool(pool, positions) => {
            let scores: Vec<Scores> = positions.into_iter().map(of).collect::<Result<_>>()?;
            pooled(builder, pool, &scores)
        }
    }
}

/// As [`predicted`], of samples that some heads do not see.
fn predicted_in_part(
    builder: &mut Builder,
    combined: &CombinedInPart<'_>,
    of: &dyn Fn(usize) -> Result<Scores>,
) -> Result<Scores> {
    let heads: Vec<(f32, Scores)> = combined
        .mean
        .iter()
        .map(|&(head, share)| Ok((share as f32, of(head)?)))
        .collect::<Result<_>>()?;
    let Some((_, first)) = heads.first().cloned() else {
        return Err(Error::NotExported("no trained head predicts".to_owned()));
    };
    if heads.len() == 1 {
        return Ok(first);
    }
    let mut scores = mean_of_seeing(builder, &heads);
    for (subset, pool) in &combined.pools {
        let positions = combined.mean.iter().map(|(head, _)| head);
        let asked: Vec<(bool, &Scores)> = positions
            .zip(&heads)
            .map(|(head, (_, scores))| (subset.contains(head), scores))
            .collect();
        let Some(is_of) = sees_and_no_other(builder, &asked) else {
            continue;
        };
        let members = asked.iter().filter(|(is_member, _)| *is_member);
        let members: Vec<Scores> = members.map(|(_, scores)| (*scores).clone()).collect();
        let pooled = pooled(builder, pool, &members)?.scores;
        scores = match is_of.as_str() {
            ALWAYS => pooled,
            is_of => builder.node("Where", &[is_of, &pooled, &scores], []),
        };
    }
    Ok(Scores {
        scores,
        complements: None,
        seen: None,
        ..first
    })
}

/// The condition of what holds for every sample.
const ALWAYS: &str = "";

/// The mean of the heads that see a sample, with their shares; no number, 0 / 0, where none does.
fn mean_of_seeing(builder: &mut Builder, heads: &[(f32, Scores)]) -> String {
    let zero = builder.float(0.0);
    let (mut said, mut shares) = (Vec::new(), Vec::new());
    for (share, scores) in heads {
        let share = builder.floats(&[1, 1], &[*share]);
        let scaled = builder.node("Mul", &[&scores.scores, &share], []);
        match &scores.seen {
            None => {
                said.push(scaled);
                shares.push(share);
            }
            Some(seen) => {
                said.push(builder.node("Where", &[seen, &scaled, &zero], []));
                shares.push(builder.node("Where", &[seen, &share, &zero], []));
            }
        }
    }
    let [said, shares] = [said, shares].map(|terms| {
        let terms: Vec<&str> = terms.iter().map(String::as_str).collect();
        builder.node("Sum", &terms, [])
    });
    builder.node("Div", &[&said, &shares], [])
}

/// Whether a sample is seen by each of these heads for which that is asked, and by none of the others; `None` if that cannot be.
fn sees_and_no_other(builder: &mut Builder, heads: &[(bool, &Scores)]) -> Option<String> {
    let mut condition = ALWAYS.to_owned();
    for (asked, scores) in heads {
        let holds = match (&scores.seen, asked) {
            (None, true) => continue,
            (None, false) => return None,
            (Some(seen), true) => seen.clone(),
            (Some(seen), false) => builder.node("Not", &[seen], []),
        };
        condition = match condition.as_str() {
            ALWAYS => holds,
            condition => builder.node("And", &[condition, &holds], []),
        };
    }
    Some(condition)
}

fn no_function(ensemble: &Ensemble<'_>, names: &[String], head: usize) -> Error {
    let (kind, name) = (ensemble.criteria.of(head).kind(), names.get(head));
    let name = name.map_or("", String::as_str);
    Error::NotExported(format!(
        "the objective `{kind}` of head `{name}`, which predicts, does not say by which function its scores follow from what the head \
         says (`Criterion::score_function`)"
    ))
}

/// `1 / (1 + exp(x))`, small values to as many digits as large ones: their logarithms count in a pool.
fn share(builder: &mut Builder, x: &str) -> String {
    let surprise = builder.node("Softplus", &[x], []);
    let log = builder.node("Neg", &[&surprise], []);
    builder.node("Exp", &[&log], [])
}

/// The sum of these values, each times its number.
fn weighted(builder: &mut Builder, terms: &[(f32, &str)]) -> String {
    let scaled: Vec<String> = terms
        .iter()
        .map(|(share, value)| {
            let share = builder.float(*share);
            builder.node("Mul", &[value, &share], [])
        })
        .collect();
    let scaled: Vec<&str> = scaled.iter().map(String::as_str).collect();
    builder.node("Sum", &scaled, [])
}

fn pooled(builder: &mut Builder, pool: &HeadPool, heads: &[Scores]) -> Result<Scores> {
    let Some(first) = heads.first().cloned() else {
        return Err(Error::Internal("a pool of no head".to_owned()));
    };
    let exponents: Vec<f32> = pool
        .exponents()
        .into_iter()
        .map(|exponent| exponent as f32)
        .collect();
    let scores = heads.iter().map(|head| head.scores.as_str());
    let complements = heads.iter().filter_map(|head| head.complements.as_deref());
    let scores = match pool {
        HeadPool::OneClass(_) => {
            let logs = opinions(builder, &exponents, scores.collect());
            builder.node("Softmax", &[&logs], [Attribute::int("axis", -1)])
        }
        HeadPool::EachClass(_) => {
            let has = opinions(builder, &exponents, scores.collect());
            let has_not = opinions(builder, &exponents, complements.collect());
            let difference = builder.node("Sub", &[&has, &has_not], []);
            builder.node("Sigmoid", &[&difference], [])
        }
        HeadPool::Number(_) => {
            let terms: Vec<(f32, &str)> = exponents.iter().copied().zip(scores).collect();
            weighted(builder, &terms)
        }
        _ => {
            return Err(Error::NotExported(
                "the pool of the heads is of a kind that has no operators".to_owned(),
            ));
        }
    };
    Ok(Scores {
        scores,
        complements: None,
        ..first
    })
}

/// `Σ e_h log p_h` over the heads and the mean of their probabilities.
fn opinions(builder: &mut Builder, exponents: &[f32], heads: Vec<&str>) -> String {
    let mean = builder.node("Mean", &heads, []);
    let least = builder.float(LEAST_LOG);
    let experts: Vec<&str> = heads.into_iter().chain([mean.as_str()]).collect();
    let logs: Vec<String> = experts
        .iter()
        .map(|expert| {
            let log = builder.node("Log", &[expert], []);
            builder.node("Max", &[&log, &least], [])
        })
        .collect();
    let terms: Vec<(f32, &str)> = exponents
        .iter()
        .copied()
        .zip(logs.iter().map(String::as_str))
        .collect();
    weighted(builder, &terms)
}
