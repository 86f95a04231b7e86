//! The learning rate's course over a run.

use gblend_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::{not_negative, positive};

/// How the learning rate changes over the run. Every kind may begin with a linear warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// Stays as it is.
    Constant {
        /// Epochs over which it rises from near 0 first.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Is multiplied by a factor every so many epochs.
    Step {
        /// Epochs from one change to the next.
        every_epochs: f64,
        /// The factor.
        #[serde(default = "default_factor")]
        factor: f64,
        /// Epochs over which it rises from near 0 first.
        #[serde(default)]
        warmup_epochs: f64,
    },
    /// Falls along half a cosine to its end (Loshchilov and Hutter, ICLR 2017, equation 5, without restarts).
    Cosine {
        /// Share of the learning rate that is left at the end.
        #[serde(default)]
        final_share: f64,
        /// Epochs over which it rises from near 0 first.
        #[serde(default)]
        warmup_epochs: f64,
    },
}

fn default_factor() -> f64 {
    0.1
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant { warmup_epochs: 0.0 }
    }
}

/// The length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    /// Steps of one epoch.
    pub steps_per_epoch: u64,
    /// Epochs.
    pub epochs: u64,
}

impl Schedule {
    /// Checks the ranges of the settings.
    ///
    /// # Errors
    /// [`Error::Setting`](gblend_core::Error::Setting) for a value that is negative or not finite, or a step of length 0.
    pub fn check(&self) -> Result<()> {
        not_negative("schedule.warmup_epochs", self.warmup_epochs())?;
        match *self {
            Self::Constant { .. } => Ok(()),
            Self::Cosine { final_share, .. } => not_negative("schedule.final_share", final_share),
            Self::Step {
                every_epochs, factor, ..
            } => {
                not_negative("schedule.factor", factor)?;
                positive("schedule.every_epochs", every_epochs)
            }
        }
    }

    /// What its configuration calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Step { .. } => "step",
            Self::Cosine { .. } => "cosine",
        }
    }

    /// Whether its course depends on how many epochs the run has.
    pub fn depends_on_length(&self) -> bool {
        matches!(self, Self::Cosine { .. })
    }

    fn warmup_epochs(&self) -> f64 {
        match *self {
            Self::Constant { warmup_epochs }
            | Self::Step { warmup_epochs, .. }
            | Self::Cosine { warmup_epochs, .. } => warmup_epochs,
        }
    }

    /// The share of the learning rate that step `step`, counted from 0, takes.
    pub fn share(&self, step: u64, run: RunLength) -> f64 {
        let per_epoch = run.steps_per_epoch.max(1) as f64;
        let warmup = self.warmup_epochs() * per_epoch;
        let rise = if warmup > 0.0 {
            ((step + 1) as f64 / warmup).min(1.0)
        } else {
            1.0
        };
        let course = match *self {
            Self::Constant { .. } => 1.0,
            Self::Step {
                every_epochs, factor, ..
            } => factor.powf((step as f64 / per_epoch / every_epochs).floor()),
            Self::Cosine { final_share, .. } => {
                let total = run.epochs as f64 * per_epoch;
                let length = (total - warmup).max(1.0);
                let done = ((step as f64 - warmup) / length).clamp(0.0, 1.0);
                final_share + (1.0 - final_share) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        };
        rise * course
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUN: RunLength = RunLength {
        steps_per_epoch: 10,
        epochs: 8,
    };

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        prop_oneof![
            (0.0..3.0).prop_map(|warmup_epochs| Schedule::Constant { warmup_epochs }),
            (0.1..4.0, 0.0..1.0, 0.0..3.0).prop_map(|(every_epochs, factor, warmup_epochs)| Schedule::Step {
                every_epochs,
                factor,
                warmup_epochs
            }),
            (0.0..1.0, 0.0..3.0).prop_map(|(final_share, warmup_epochs)| Schedule::Cosine {
                final_share,
                warmup_epochs
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_share_is_positive_or_zero_and_never_above_one(schedule in any_schedule(), step in 0_u64..200) {
            prop_assert!(schedule.check().is_ok());
            let share = schedule.share(step, RUN);
            prop_assert!((0.0..=1.0).contains(&share), "{}", share);
        }

        #[test]
        fn after_the_warm_up_no_schedule_rises(schedule in any_schedule(), step in 30_u64..200) {
            prop_assert!(schedule.share(step + 1, RUN) <= schedule.share(step, RUN) + 1e-12);
        }
    }

    #[test]
    fn warm_up_rises_linearly_to_the_full_rate() {
        let schedule = Schedule::Constant { warmup_epochs: 2.0 };
        let shares: Vec<f64> = [0, 9, 19, 20].map(|step| schedule.share(step, RUN)).to_vec();
        assert_eq!(shares, [0.05, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn a_step_schedule_falls_at_the_epoch_boundary() {
        let schedule = Schedule::Step {
            every_epochs: 3.0,
            factor: 0.5,
            warmup_epochs: 0.0,
        };
        let shares: Vec<f64> = [0, 29, 30, 60].map(|step| schedule.share(step, RUN)).to_vec();
        assert_eq!(shares, [1.0, 1.0, 0.5, 0.25]);
    }

    #[test]
    fn a_cosine_is_half_way_down_in_the_middle() {
        let schedule = Schedule::Cosine {
            final_share: 0.2,
            warmup_epochs: 0.0,
        };
        assert!((schedule.share(40, RUN) - 0.6).abs() < 1e-12);
        assert!((schedule.share(80, RUN) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let schedule = Schedule::Step {
            every_epochs: 0.0,
            factor: 0.5,
            warmup_epochs: 0.0,
        };
        assert!(
            schedule
                .check()
                .is_err_and(|error| error.to_string().contains("every_epochs"))
        );
        let schedule = Schedule::Constant { warmup_epochs: -1.0 };
        assert!(
            schedule
                .check()
                .is_err_and(|error| error.to_string().contains("warmup_epochs"))
        );
    }
}
