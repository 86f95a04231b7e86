//! The choice of a blend strategy by validation samples, before a run begins.
//!
//! Every trial is a training as any other, shorter, from the same first parameters; nothing of it is written, and nothing is left
//! of it but a figure. So a run that is stopped meanwhile has not begun. The loss of what predicts decides, which is there for every
//! strategy and steadier than how often it is right; where that is a pool, it is judged on samples that it was not fitted to.

use std::time::Instant;

use gblend_core::EffectiveGroups;

use crate::config::{Config, Override};
use crate::data::{Evaluable, units};
use crate::error::{Error, Result};
use crate::evaluation::Ensemble;
use crate::process::Interrupt;
use crate::progress::Reporter;
use crate::ranks::Ranks;
use crate::records::{Contender, Contest, ContestRound, FittedModalities, FittedPool};
use crate::run_folder::Sink;
use crate::training::opened::open_together;
use crate::training::train::{evaluate_trained, train};

/// What a configuration that leaves the choice open comes to.
pub(super) struct Settled {
    /// The same with the chosen strategy.
    pub(super) config: Config,
    /// How it was chosen.
    pub(super) contest: Contest,
}

/// Chooses a strategy if the configured one stands for several; `None` if it is itself.
///
/// # Errors
/// [`Error::Usage`] without validation samples, [`Error::Interrupted`], and what training would end with whatever the strategy.
/// A strategy under which training diverges is out; if none is left, the last one's [`Error::Diverged`].
pub(super) fn settle(
    config: &Config,
    ranks: &Ranks,
    interrupt: &Interrupt,
    reporter: &Reporter,
) -> Result<Option<Settled>> {
    let candidates = config.blend.plugin.candidates();
    if candidates.is_empty() {
        return Ok(None);
    }
    let began = Instant::now();
    let strategies = candidates.iter().map(serde_json::to_value);
    let strategies = strategies
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let mut contenders: Vec<Contender> = strategies
        .into_iter()
        .map(|strategy| Contender {
            strategy,
            rounds: Vec::new(),
        })
        .collect();
    let mut left: Vec<usize> = (0..contenders.len()).collect();
    let (mut last_problem, mut samples, mut groups) = (None, 0, None);
    for epochs in rounds(contenders.len(), config.run.epochs) {
        for &contender in &left {
            let Contender { strategy, .. } = &contenders[contender];
            let of_trial = configured(config, strategy, Some(epochs))?;
            let (loss, problem) = match trial(&of_trial, ranks, interrupt, reporter) {
                Ok(outcome) => {
                    (samples, groups) = (outcome.samples, outcome.groups);
                    (Some(outcome.loss), None)
                }
                Err(error @ Error::Diverged { .. }) => {
                    let told = error.to_string();
                    last_problem = Some(error);
                    (None, Some(told))
                }
                Err(other) => return Err(other),
            };
            let round = ContestRound {
                epochs,
                loss,
                problem,
            };
            let contender = &mut contenders[contender];
            let said = match (&round.loss, &round.problem) {
                (Some(loss), _) => format!("loss {loss:.3} by validation"),
                (None, problem) => problem.clone().unwrap_or_default(),
            };
            reporter.line(&format!("`{}` after {epochs} epochs: {said}", contender.kind()));
            contender.rounds.push(round);
        }
        left = better_half(&contenders, &left);
    }
    let Some(&chosen) = left.first() else {
        return Err(last_problem.unwrap_or_else(|| Error::Internal("no strategy was tried".to_owned())));
    };
    let contest = Contest {
        chosen,
        samples,
        seconds: began.elapsed().as_secs_f64(),
        contenders,
    };
    reporter.line(&contest.text());
    if samples < FittedPool::LEAST_SAMPLES {
        reporter.warn(&format!(
            "blend `auto` chose by {samples} validation samples, which say more of themselves than of strategies: run.validation sets \
             more aside"
        ));
    }
    if let Some(groups) = groups.filter(|groups| groups.are_few()) {
        reporter.warn(&format!(
            "blend `auto` chose by validation samples of {groups}: what is best for them need not be for other groups"
        ));
    }
    Ok(Some(Settled {
        config: configured(config, &contest.contenders[chosen].strategy, None)?,
        contest,
    }))
}

/// The epochs of each round: the last one has half of the run's, those before half of the next one's each.
fn rounds(contenders: usize, epochs: usize) -> Vec<usize> {
    let count = contenders.next_power_of_two().trailing_zeros();
    (0..count)
        .map(|round| (epochs >> (count - round).min(usize::BITS - 1)).max(1))
        .collect()
}

/// The better half of those that are left, in the order of the configuration; those that failed are in no half.
fn better_half(contenders: &[Contender], left: &[usize]) -> Vec<usize> {
    let loss = |&contender: &usize| {
        let last = contenders[contender].rounds.last()?;
        last.loss.map(|loss| (loss, contender))
    };
    let mut ranked: Vec<(f64, usize)> = left.iter().filter_map(loss).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    ranked.truncate(left.len().div_ceil(2));
    let mut better: Vec<usize> = ranked.into_iter().map(|(_, contender)| contender).collect();
    if left.len() > 2 {
        better.sort_unstable();
    }
    better
}

/// The configuration with a strategy named: for a trial of so many epochs, or as it is.
fn configured(config: &Config, strategy: &serde_json::Value, trial: Option<usize>) -> Result<Config> {
    let mut table = toml::Table::try_from(strategy).map_err(|error| Error::Internal(error.to_string()))?;
    let common = toml::Table::try_from(&config.blend.pipeline);
    table.extend(common.map_err(|error| Error::Internal(error.to_string()))?);
    let mut overrides = vec![
        Override::without(&["blend"]),
        Override::new(&["blend"], toml::Value::Table(table)),
    ];
    if let Some(epochs) = trial {
        overrides.extend([
            Override::new(&["run", "epochs"], i64::try_from(epochs).unwrap_or(i64::MAX)),
            Override::new(&["run", "select"], "best"),
            Override::without(&["run", "patience"]),
            // What is chosen by validation samples must not be trained on them.
            Override::new(&["run", "refit"], false),
            // The pools that are judged are fitted after the training.
            Override::new(&["blend", "pool"], "validation"),
        ]);
    }
    Ok(Config::parse(
        "the configuration",
        &config.to_toml()?,
        config.base.clone(),
        &overrides,
    )?)
}

/// What a trial came to.
struct TrialOutcome {
    /// On the validation samples, of what predicts, by the parameters of the best epoch.
    loss: f64,
    /// Those samples.
    samples: usize,
    /// The groups that they are of, if they are of any.
    groups: Option<EffectiveGroups>,
}

/// Trains, and judges what predicts.
fn trial(config: &Config, ranks: &Ranks, interrupt: &Interrupt, reporter: &Reporter) -> Result<TrialOutcome> {
    let reporter = reporter.muted();
    let (mut session, splits) = open_together(config, &FittedModalities::default(), ranks, &reporter)?;
    session.interrupt = interrupt.clone();
    let validation = splits.validation.samples().len();
    let mut model = session.initial_model()?;
    let mut blend = config.start_blend(&session.heads)?;
    interrupt.check(0)?;
    let mut nowhere: Vec<&mut dyn Sink> = Vec::new();
    let trained = train(
        &session,
        &splits,
        &mut model,
        &mut blend,
        &mut nowhere,
        None,
        &reporter,
    )?;
    let rule = config.blend.pipeline.predict;
    let (loss, groups) = match validation {
        0 => (None, None),
        _ => {
            let said = evaluate_trained(&session, &splits.validation, &mut model, &trained.weights)?;
            let groups = units(session.source.as_ref(), said.samples.iter().copied());
            let ensemble = Ensemble::unpooled(model.criteria(), &trained.weights);
            let loss = ensemble.unseen_loss(rule, &said, groups.as_deref())?;
            (loss, groups.map(|groups| EffectiveGroups::of(&groups)))
        }
    };
    match loss {
        Some(loss) => Ok(TrialOutcome {
            loss,
            samples: validation,
            groups,
        }),
        None => Err(Error::Usage(format!(
            "blend.kind = \"auto\": a strategy is chosen by validation samples, of which there are {validation} that count; \
             run.validation sets a share of the training samples aside"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contender(loss: Option<f64>) -> Contender {
        let round = ContestRound {
            epochs: 1,
            loss,
            problem: None,
        };
        Contender {
            strategy: serde_json::Value::Null,
            rounds: vec![round],
        }
    }

    proptest! {
        #[test]
        fn halving_ends_with_one_and_takes_as_long_as_a_run_for_each_round(contenders in 2_usize..20, epochs in 1_usize..100) {
            let rounds = rounds(contenders, epochs);
            let mut left = contenders;
            let mut steps = 0;
            for &of_round in &rounds {
                prop_assert!((1..=epochs).contains(&of_round));
                steps += left * of_round;
                left = left.div_ceil(2);
            }
            prop_assert_eq!(left, 1);
            prop_assert!(rounds.is_sorted());
            // Each round but the rounding of odd numbers and of single epochs.
            prop_assert!(steps <= rounds.len() * (2 * epochs).max(contenders));
        }

        #[test]
        fn no_one_that_is_out_was_better_than_one_that_stays(
            losses in prop::collection::vec(prop::option::of(0.0..2.0_f64), 1..9),
        ) {
            let contenders: Vec<Contender> = losses.iter().map(|&loss| contender(loss)).collect();
            let all: Vec<usize> = (0..losses.len()).collect();
            let better = better_half(&contenders, &all);
            prop_assert!(better.len() <= losses.len().div_ceil(2));
            for &stays in &better {
                prop_assert!(losses[stays].is_some());
                for out in all.iter().filter(|out| !better.contains(out)) {
                    prop_assert!(losses[*out].is_none_or(|loss| losses[stays] <= Some(loss)));
                }
            }
        }
    }
}
