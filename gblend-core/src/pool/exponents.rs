//! A product of experts with fitted exponents.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::bounded_newton::{Curvature, minimize_in_box};
use super::{PoolError, STRENGTH};
use crate::sample_size::SampleSize;

/// The least logarithm of a probability that counts: one head that is sure and wrong must not decide alone.
pub const LEAST_LOG: f64 = -14.0;

/// The largest exponent.
const MOST: f64 = 4.0;

/// What each of several heads holds probable, of answers to one question after another.
///
/// With one label a sample is one question with as many answers as there are classes; with several labels it is a
/// question with two answers for each class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opinions {
    heads: usize,
    answers: usize,
    /// `[question][head or the mean][answer]`, logarithms.
    logs: Vec<f64>,
}

impl Opinions {
    /// No question yet, put to so many heads with so many answers each.
    pub fn new(heads: usize, answers: usize) -> Self {
        Self {
            heads,
            answers,
            logs: Vec::new(),
        }
    }

    /// Adds a question: the probability of each answer by each head.
    ///
    /// # Errors
    /// [`PoolError::Sizes`] if there are not as many heads or answers as there should be, [`PoolError::Value`] if
    /// something is no probability.
    pub fn push(&mut self, heads: &[&[f64]]) -> Result<(), PoolError> {
        expect("heads", self.heads, heads.len())?;
        for head in heads {
            expect("answers", self.answers, head.len())?;
            if let Some(&value) = head.iter().find(|p| !(0.0..=1.0 + 1e-9).contains(*p)) {
                let what = "probability";
                return Err(PoolError::Value { what, value });
            }
        }
        let log = |probability: f64| probability.ln().max(LEAST_LOG);
        for head in heads {
            self.logs.extend(head.iter().map(|&probability| log(probability)));
        }
        for answer in 0..self.answers {
            let sum: f64 = heads.iter().map(|head| head[answer]).sum();
            self.logs.push(log(sum / self.heads.max(1) as f64));
        }
        Ok(())
    }

    /// The number of questions.
    pub fn len(&self) -> usize {
        self.logs.len().checked_div(self.width()).unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Values of one question.
    fn width(&self) -> usize {
        (self.heads + 1) * self.answers
    }

    fn questions(&self) -> impl Iterator<Item = &[f64]> {
        self.logs.chunks_exact(self.width().max(1))
    }
}

/// A product of experts, `p ∝ exp(Σ e_h log p_h)`: the heads, and as one more expert the mean of their probabilities.
///
/// Logarithms below −14 count as −14, exponents are between 0 and 4. They minimize the mean negative log-likelihood,
/// weighted where some questions count more than others, plus a penalty on n samples of g groups:
///
/// `(10/n) ‖e − e⁰‖² + (10/g − 10/n) Σ_h (e_h − ē)²`,
///
/// `e⁰` being 1 for the mean and 0 for the heads, and `ē` the mean exponent of the heads. So how sharp the pool is counts samples,
/// and by how much one head is believed more than another counts groups. Where every sample is a group of its own the second
/// part is 0; the problem is convex. With few samples the pool is the mean of the heads. Logarithmic pools: Genest and Zidek, "Combining Probability
/// Distributions", Statistical Science 1(1), 1986; as products of experts: Hinton, Neural Computation 14(8), 2002.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExponentPool {
    /// The exponent of each head.
    pub heads: Vec<f64>,
    /// The exponent of the mean of the heads.
    pub mean: f64,
}

impl ExponentPool {
    /// The mean of so many heads.
    pub fn mean_of(heads: usize) -> Self {
        Self {
            heads: vec![0.0; heads],
            mean: 1.0,
        }
    }

    /// Fits the exponents. `right` is the position of the right answer to each question, `size` how many samples the
    /// questions are of, in how many groups.
    ///
    /// # Errors
    /// [`PoolError::Empty`] without questions, heads or answers, [`PoolError::Sizes`] if there is not one right answer to
    /// each question, [`PoolError::Value`] if one is no position.
    pub fn fit(opinions: &Opinions, right: &[usize], size: SampleSize) -> Result<Self, PoolError> {
        Self::fit_weighted(opinions, right, &vec![1.0; right.len()], size)
    }

    /// As [`fit`](Self::fit), with a weight for each question, by which its negative log-likelihood is multiplied. The mean is
    /// over the number of questions; weights with a mean of 1 leave the penalty as strong as it is.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); also [`PoolError::Sizes`] if there is not one weight for each question, and
    /// [`PoolError::Value`] if one is not finite or negative.
    pub fn fit_weighted(
        opinions: &Opinions,
        right: &[usize],
        weights: &[f64],
        size: SampleSize,
    ) -> Result<Self, PoolError> {
        if opinions.is_empty() || opinions.heads == 0 || size.samples() == 0 {
            return Err(PoolError::Empty);
        }
        expect("right answers", opinions.len(), right.len())?;
        if let Some(&odd) = right.iter().find(|&&right| right >= opinions.answers) {
            let (what, value) = ("position of a right answer", odd as f64);
            return Err(PoolError::Value { what, value });
        }
        expect("weights", opinions.len(), weights.len())?;
        if let Some(&value) = weights
            .iter()
            .find(|weight| !(0.0..f64::INFINITY).contains(*weight))
        {
            let what = "weight";
            return Err(PoolError::Value { what, value });
        }
        let problem = Problem {
            opinions,
            right,
            weights,
            center: Self::mean_of(opinions.heads).exponents(),
            pull: STRENGTH / size.samples() as f64,
            tie: STRENGTH / size.groups() - STRENGTH / size.samples() as f64,
        };
        let mut heads = minimize_in_box(
            &problem.center,
            0.0,
            MOST,
            |at| problem.value(at),
            |at| problem.curvature(at),
        );
        let mean = heads.pop().unwrap_or(1.0);
        Ok(Self { heads, mean })
    }

    /// The probability of each answer to each question.
    ///
    /// # Errors
    /// [`PoolError::Sizes`] if the pool was fitted on another number of heads.
    pub fn probabilities(&self, opinions: &Opinions) -> Result<Vec<Vec<f64>>, PoolError> {
        expect("heads", self.heads.len(), opinions.heads)?;
        let exponents = self.exponents();
        let pooled = opinions.questions().map(|question| {
            let mut pooled = sums(question, &exponents, opinions.answers);
            let total = log_sum_exp(&pooled);
            pooled.iter_mut().for_each(|log| *log = (*log - total).exp());
            pooled
        });
        Ok(pooled.collect())
    }

    /// Those of the heads, and last that of their mean.
    pub fn exponents(&self) -> Vec<f64> {
        let mut exponents = self.heads.clone();
        exponents.push(self.mean);
        exponents
    }
}

/// What is minimized.
struct Problem<'a> {
    opinions: &'a Opinions,
    right: &'a [usize],
    /// Of each question.
    weights: &'a [f64],
    center: Vec<f64>,
    /// What a squared distance from the center costs.
    pull: f64,
    /// What a squared deviation of a head's exponent from those of all heads costs.
    tie: f64,
}

impl Problem<'_> {
    fn value(&self, at: &[f64]) -> f64 {
        let answers = self.opinions.answers;
        let questions = self.opinions.questions().zip(self.right).zip(self.weights);
        let surprise = questions.map(|((question, &right), weight)| {
            let pooled = sums(question, at, answers);
            weight * (log_sum_exp(&pooled) - pooled[right])
        });
        surprise.sum::<f64>() / self.right.len() as f64 + self.penalty(at)
    }

    fn penalty(&self, at: &[f64]) -> f64 {
        let distances = at.iter().zip(&self.center).map(|(x, center)| x - center);
        let distance: f64 = distances.map(|distance| distance.powi(2)).sum();
        let spread: f64 = self.deviations(at).map(|deviation| deviation.powi(2)).sum();
        self.pull * distance + self.tie * spread
    }

    /// Of each head's exponent from the mean of all heads'.
    fn deviations(&self, at: &[f64]) -> impl Iterator<Item = f64> {
        let heads = &at[..self.opinions.heads];
        let mean = heads.iter().sum::<f64>() / heads.len() as f64;
        heads.iter().map(move |exponent| exponent - mean)
    }

    /// With q the pool's probabilities and `l_e` the logarithms of expert e, the gradient of one question is
    /// `E_q[l_e] − l_e(right)` and its second derivative the covariance of `l_e` and `l_f` under q.
    fn curvature(&self, at: &[f64]) -> Curvature {
        let (experts, answers) = (at.len(), self.opinions.answers);
        let mut value = 0.0;
        let mut gradient = DVector::zeros(experts);
        let mut hessian = DMatrix::zeros(experts, experts);
        let mut means = vec![0.0; experts];
        let questions = self.opinions.questions().zip(self.right).zip(self.weights);
        for ((question, &right), weight) in questions {
            let mut pooled = sums(question, at, answers);
            let total = log_sum_exp(&pooled);
            value += weight * (total - pooled[right]);
            pooled.iter_mut().for_each(|log| *log = (*log - total).exp());
            let expert = |e: usize| &question[e * answers..(e + 1) * answers];
            for (e, mean) in means.iter_mut().enumerate() {
                *mean = expert(e).iter().zip(&pooled).map(|(log, q)| log * q).sum();
                gradient[e] += weight * (*mean - expert(e)[right]);
            }
            for e in 0..experts {
                for f in 0..=e {
                    let pairs = expert(e).iter().zip(expert(f)).zip(&pooled);
                    let covariance: f64 = pairs.map(|((a, b), q)| (a - means[e]) * (b - means[f]) * q).sum();
                    hessian[(e, f)] += weight * covariance;
                }
            }
        }
        let count = self.right.len() as f64;
        gradient /= count;
        hessian /= count;
        for e in 0..experts {
            gradient[e] += 2.0 * self.pull * (at[e] - self.center[e]);
            hessian[(e, e)] += 2.0 * self.pull;
            for f in 0..e {
                hessian[(f, e)] = hessian[(e, f)];
            }
        }
        let share = 1.0 / self.opinions.heads as f64;
        for (e, deviation) in self.deviations(at).enumerate() {
            gradient[e] += 2.0 * self.tie * deviation;
            for f in 0..self.opinions.heads {
                let own = if e == f { 1.0 } else { 0.0 };
                hessian[(e, f)] += 2.0 * self.tie * (own - share);
            }
        }
        Curvature {
            value: value / count + self.penalty(at),
            gradient,
            hessian,
        }
    }
}

/// `Σ_e exponent_e log p_e` of each answer.
fn sums(question: &[f64], exponents: &[f64], answers: usize) -> Vec<f64> {
    let mut sums = vec![0.0; answers];
    for (logs, exponent) in question.chunks_exact(answers).zip(exponents) {
        for (sum, log) in sums.iter_mut().zip(logs) {
            *sum += exponent * log;
        }
    }
    sums
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + values.iter().map(|value| (value - most).exp()).sum::<f64>().ln()
}

fn expect(what: &'static str, expected: usize, found: usize) -> Result<(), PoolError> {
    if expected == found {
        Ok(())
    } else {
        Err(PoolError::Sizes {
            what,
            expected,
            found,
        })
    }
}
