//! What the variance of a mean over seeds and test samples is made of, and the interval that follows.
//!
//! With `d[s][j]` what seed `s` found of test sample `j`, `d = μ + seed_s + sample_j + rest_sj`: seeds and samples are drawn
//! independently of each other, and every seed is tested on the same samples. The grand mean has the variance
//! `σ²_seed / S + σ²_sample / N + σ²_rest / (S N)`.

use serde::{Deserialize, Serialize};

use super::LEAST_SEEDS;
use super::students_t::two_sided_quantile;

/// The parts of the variance of a mean over seeds and test samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VarianceParts {
    /// Seeds that the mean is over.
    pub seeds: usize,
    /// Test samples that it is over.
    pub samples: usize,
    /// Their groups, where groups count as independent and their samples do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Their groups, where these are too few for that, and samples count as independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_groups: Option<usize>,
    /// `σ²_seed / S + σ²_rest / (S N)`, from the means of seeds; absent with one seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_seeds: Option<f64>,
    /// The degrees of freedom of that, where seeds count unequally; else one less than there are seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_freedom: Option<f64>,
    /// `σ²_sample / N`, from what the seeds have in common on the same samples.
    pub of_samples: f64,
    /// `σ²_sample / N + σ²_rest / (S N)`: the variance if there were no other seeds than these.
    pub of_these_seeds: f64,
    /// The degrees of freedom of the part of samples.
    pub sample_freedom: f64,
}

impl VarianceParts {
    /// Half the width of the 95 % interval; `None` if there is none, as of figures that are not finite.
    ///
    /// Two approximations add the parts up. Satterthwaite's takes one Student's t for their sum, and is too narrow where few
    /// seeds make most of it: 92 % for 95. Cochran and Cox's weighs the t of each part by its variance, and is too wide
    /// where both count: 97.5 %. Their mean is within 94 to 97.5 % (`coverage.rs` here, and docs/runs.md).
    ///
    /// F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", Biometrics Bulletin 2 (1946),
    /// <https://doi.org/10.2307/3002019>; W. G. Cochran and G. M. Cox, "Experimental Designs", 2nd edition (1957), section
    /// 4.14.
    pub fn half_width(&self) -> Option<f64> {
        self.half_width_outside(OUTSIDE)
    }

    /// As [`half_width`](Self::half_width), with another share outside the interval, 0 to 1.
    fn half_width_outside(&self, outside: f64) -> Option<f64> {
        let quantile = |freedom| two_sided_quantile(outside, freedom);
        let of_unit = quantile(self.sample_freedom)?;
        let half = match self.of_seeds {
            None => of_unit * self.of_these_seeds.sqrt(),
            Some(of_seeds) => {
                let equal = self.seeds.checked_sub(1).filter(|&freedom| freedom > 0)? as f64;
                let freedom = self.seed_freedom.unwrap_or(equal);
                let sum = of_seeds + self.of_samples;
                let cochran = if sum > 0.0 {
                    (of_seeds * quantile(freedom)? + self.of_samples * of_unit) / sum.sqrt()
                } else {
                    0.0
                };
                // There is no less for all seeds than for these.
                let variance = sum.max(self.of_these_seeds);
                let others = variance - of_seeds;
                let spread = of_seeds.powi(2) / freedom + others.powi(2) / self.sample_freedom;
                let joined = match variance.powi(2) / spread {
                    joined if joined.is_finite() => joined,
                    _ => self.sample_freedom,
                };
                let joined = joined.max(freedom.min(self.sample_freedom));
                let satterthwaite = quantile(joined)? * variance.sqrt();
                let half = f64::midpoint(cochran, satterthwaite);
                // Two seeds may agree by chance, and then say less than they seem to.
                match self.seeds < LEAST_SEEDS {
                    true => half.max(of_unit * self.of_these_seeds.sqrt()),
                    false => half,
                }
            }
        };
        half.is_finite().then_some(half)
    }

    /// The p-value of a mean, two-sided: one less the confidence of the interval that ends at 0. `None` if there is no interval.
    pub fn p_value(&self, mean: f64) -> Option<f64> {
        let size = mean.abs();
        self.half_width()?;
        let reaches = |p: f64| self.half_width_outside(p).is_some_and(|half| half >= size);
        // Widths grow with the confidence; halving on a scale of factors finds small values as well as large ones.
        let (mut least, mut most) = (LEAST_P.ln(), 0.0_f64);
        if !reaches(LEAST_P) {
            return Some(LEAST_P);
        }
        for _ in 0..60 {
            let middle = f64::midpoint(least, most);
            match reaches(middle.exp()) {
                true => least = middle,
                false => most = middle,
            }
        }
        Some(most.exp().min(1.0))
    }

    /// What is to be expected of as many seeds, and `factor` times the test samples; as it is, without a part of seeds.
    #[must_use]
    pub fn expected(&self, seeds: usize, factor: f64) -> Self {
        let Some(of_seeds) = self.of_seeds else {
            return self.clone();
        };
        let fewer = self.seeds as f64 / seeds.max(1) as f64;
        let rest = (self.of_these_seeds - self.of_samples).max(0.0);
        let own = (of_seeds - rest).max(0.0);
        Self {
            seeds,
            samples: (self.samples as f64 * factor).round() as usize,
            groups: self
                .groups
                .map(|groups| (groups as f64 * factor).round() as usize),
            few_groups: self.few_groups,
            of_seeds: Some(fewer * (own + (of_seeds - own) / factor)),
            seed_freedom: self
                .seed_freedom
                .map(|freedom| ((freedom + 1.0) / fewer - 1.0).max(1.0)),
            of_samples: self.of_samples / factor,
            of_these_seeds: (self.of_samples + fewer * rest) / factor,
            sample_freedom: factor * (self.sample_freedom + 1.0) - 1.0,
        }
    }

    /// What counts as independent in the test: samples, or groups of them.
    pub fn unit(&self) -> &'static str {
        match self.groups {
            Some(_) => "groups",
            None => "samples",
        }
    }
}

/// What is outside of 95 % intervals.
const OUTSIDE: f64 = 0.05;

/// Smaller p-values are given as this one: what is said of means is approximate so far out.
const LEAST_P: f64 = 1e-6;

/// The 97.5 % quantile of Student's t.
pub(super) fn quantile(freedom: f64) -> Option<f64> {
    two_sided_quantile(OUTSIDE, freedom)
}
