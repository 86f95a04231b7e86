//! Checks of blend strategies.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::arbitrary::{self, Epoch};
use super::difference::{same_text, same_values};
use super::player::{Act, Player, check_weights, start, started};
use super::{Rule, Violation, asked, config, harness, order, registration};
use crate::error::Error;
use crate::role::Role;
use crate::seed::Seed;
use crate::strategy::{Blend, BlendStrategy, Heads};

/// Modalities that are tried.
const MOST: usize = 5;
/// Runs that are tried with each number of modalities.
const CASES: u32 = 64;
/// Lengths of runs in which a strategy may ask for estimates.
const LENGTHS: [usize; 4] = [1, 2, 7, 40];

/// Checks a strategy with one to five modalities, which are called `m0`, `m1`, ….
///
/// Numbers of modalities that it refuses with [`Error::Setting`] are left out; it must take one. A strategy whose
/// settings name heads is checked by [`strategy_with`].
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn strategy(strategy: &dyn BlendStrategy) -> Result<(), Violation> {
    harness::of_plugin(strategy.typetag_name(), || {
        check_settings(strategy)?;
        let mut refusal = String::new();
        let mut any = false;
        for modalities in 1..=MOST {
            let heads = Rule::CasesExist.works("making heads", arbitrary::heads(modalities))?;
            match started(strategy, &heads) {
                Ok(_) => {
                    any = true;
                    check(strategy, &heads).map_err(|violation| violation.with(heads.names()))?;
                }
                Err(error @ Error::Setting { .. }) => {
                    refusal = format!("for {:?} the error `{error}`", heads.names());
                }
                Err(error) => {
                    let expected = "a start, or Error::Setting";
                    return Err(Rule::Starts.broken(expected, error).with(heads.names()));
                }
            }
        }
        let expected = "a start with m0, or m0 and m1, …; `strategy_with` takes the heads that settings name";
        if any {
            Ok(())
        } else {
            Err(Rule::Starts.broken(expected, refusal))
        }
    })
}

/// Checks a strategy with the heads that it is meant for.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn strategy_with(strategy: &dyn BlendStrategy, heads: &Heads) -> Result<(), Violation> {
    harness::of_plugin(strategy.typetag_name(), || {
        check_settings(strategy)?;
        check(strategy, heads).map_err(|violation| violation.with(heads.names()))
    })
}

/// What does not depend on the heads.
fn check_settings(strategy: &dyn BlendStrategy) -> Result<(), Violation> {
    registration::check(Role::Blend, strategy.typetag_name())?;
    config::survives_json::<_, Box<dyn BlendStrategy>>(strategy.typetag_name(), strategy)?;
    let share = strategy.held_out();
    Rule::HeldOutIsShare.holds(
        (0.0..1.0).contains(&share),
        "a share of at least 0 and below 1",
        share,
    )
}

fn check(strategy: &dyn BlendStrategy, heads: &Heads) -> Result<(), Violation> {
    let estimates = asks_for_estimates(start(strategy, heads)?.as_ref());
    if estimates {
        let (share, expected) = (strategy.held_out(), "a share above 0: it asks for estimates");
        Rule::HeldOutIsShare.holds(share > 0.0, expected, share)?;
    }
    harness::for_each(CASES, runs(heads.joint()), |run| {
        if !estimates {
            check_unasked(strategy, heads, run)?;
        }
        check_run(strategy, heads, run)
    })?;
    check_foreign_states(strategy, heads)?;
    order::check(strategy, heads)?;
    asked::check(strategy, heads, estimates)
}

fn asks_for_estimates(blend: &dyn Blend) -> bool {
    LENGTHS
        .iter()
        .any(|&epochs| (0..epochs).any(|epoch| blend.estimate_due(epoch, epochs).is_some()))
}

/// A run that is stopped once and resumed.
#[derive(Clone, Debug)]
struct Run {
    seed: Seed,
    before: Vec<Epoch>,
    after: Vec<Epoch>,
}

fn runs(modalities: usize) -> impl Strategy<Value = Run> {
    // Boxed, for the type's name would fill pages of a backtrace.
    let epochs = |range| prop::collection::vec(arbitrary::epoch(modalities), range).boxed();
    (arbitrary::seed(), epochs(0..=3), epochs(1..=3)).prop_map(|(seed, before, after)| Run {
        seed,
        before,
        after,
    })
}

fn check_run(strategy: &dyn BlendStrategy, heads: &Heads, run: &Run) -> Result<(), Violation> {
    let epochs = run.before.len() + run.after.len();
    let begin = || Player::new(start(strategy, heads)?, heads, run.seed, epochs);
    let play = |player: &mut Player<'_>, epochs: &[Epoch]| -> Result<Vec<Act>, Violation> {
        epochs.iter().try_for_each(|epoch| player.play(epoch))?;
        Ok(player.take_trace())
    };
    let (mut first, mut second) = (begin()?, begin()?);
    let (one, other) = (play(&mut first, &run.before)?, play(&mut second, &run.before)?);
    same_bits(Rule::EvidenceDecides, &one, &other)?;

    let state = first.blend.state();
    let mut restored = start(strategy, heads)?;
    restore(restored.as_mut(), &state)?;
    let mut resumed = first.resumed(restored);
    let one = play(&mut first, &run.after)?;
    same_bits(Rule::EvidenceDecides, &one, &play(&mut second, &run.after)?)?;
    let of_resumed = play(&mut resumed, &run.after)?;
    let as_before = same_bits(Rule::RestoredGoesOn, &one, &of_resumed).and_then(|()| {
        let (expected, found) = (first.advice()?, resumed.advice()?);
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        same_text(Rule::RestoredGoesOn, "the advice", &expected, &found)
    });
    as_before.map_err(|violation| violation.with(&(state, run)))
}

fn same_bits(rule: Rule, expected: &[Act], found: &[Act]) -> Result<(), Violation> {
    let differs = expected.iter().zip(found).position(|(a, b)| !a.is(b));
    let at = differs.unwrap_or(expected.len().min(found.len()));
    if differs.is_none() && expected.len() == found.len() {
        return Ok(());
    }
    let what = format!("what it did the first time; at number {at}");
    if let (Some(Act::Moved(one)), Some(Act::Moved(other))) = (expected.get(at), found.get(at)) {
        for (encoder, (one, other)) in one.iter().zip(other).enumerate() {
            let what = format!("{what} the gradient of encoder {encoder}");
            let same = |a: f32, b: f32| a.to_bits() == b.to_bits();
            same_values(rule, what, one, other, same)?;
        }
    }
    let show = |acts: &[Act]| {
        acts.get(at)
            .map_or("its end".to_owned(), |act| format!("{act:?}"))
    };
    Err(rule.broken(format!("{what} {}", show(expected)), show(found)))
}

/// Through text, as a checkpoint keeps it.
fn restore(blend: &mut dyn Blend, state: &Value) -> Result<(), Violation> {
    let rule = Rule::StateSurvivesJson;
    let read: Value = rule.works(
        "reading the state's text",
        serde_json::from_str(&state.to_string()),
    )?;
    rule.works(format!("restoring {read}"), blend.restore(&read))
}

fn check_unasked(strategy: &dyn BlendStrategy, heads: &Heads, run: &Run) -> Result<(), Violation> {
    let mut blend = start(strategy, heads)?;
    for epoch in &run.before {
        let taken = blend.take_estimate(0, &epoch.estimate);
        Rule::UnaskedEstimateRefused.refused("an estimate", taken)?;
    }
    check_weights(blend.as_ref(), heads, "after an estimate that it refused")
}

/// States that it cannot have made. A strategy that keeps nothing need not look at what it is given.
fn check_foreign_states(strategy: &dyn BlendStrategy, heads: &Heads) -> Result<(), Violation> {
    let own = start(strategy, heads)?.state();
    if own.is_null() {
        return Ok(());
    }
    let mut foreign = vec![
        Value::Null,
        json!(true),
        json!(7),
        json!("weights"),
        json!([]),
        json!([1e300]),
        json!({}),
        json!({ "foreign": [0.5, 0.5] }),
    ];
    let names = heads.names()[..heads.joint()].iter().cloned();
    let more = Heads::new(names.chain(["one-more".to_owned()]));
    if let Ok(other) = more.and_then(|more| strategy.start(&more)) {
        foreign.push(other.state());
    }
    for state in foreign.iter().filter(|&state| *state != own) {
        let mut blend = start(strategy, heads)?;
        let restored = blend.restore(state);
        Rule::ForeignStateRefused.refused(format!("the state {state}"), restored)?;
        check_weights(blend.as_ref(), heads, "after a state that it refused")?;
    }
    Ok(())
}
