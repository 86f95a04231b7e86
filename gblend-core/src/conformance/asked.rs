//! What moves a strategy is asked for: training tells nothing else, and one that waits for evidence that it never asked
//! for trains with the weights that it started with.

use std::cell::RefCell;

use proptest::prelude::*;

use super::arbitrary::Epoch;
use super::evidence_kind::EvidenceKind;
use super::player::{Act, Player, start};
use super::{Rule, Violation, distinct, harness};
use crate::seed::Seed;
use crate::strategy::{BlendStrategy, Heads};

/// Runs that are tried.
const CASES: u32 = 4;
/// Epochs of a run: a strategy may ask late.
const EPOCHS: usize = 20;

/// A run, and another of as many epochs that evidence is taken from.
#[derive(Clone, Debug)]
struct Run {
    seed: Seed,
    epochs: Vec<Epoch>,
    others: Vec<Epoch>,
}

impl Run {
    /// The epochs with evidence of this kind from the other run.
    fn exchanged(&self, kind: EvidenceKind) -> Vec<Epoch> {
        let mut epochs = self.epochs.clone();
        for (epoch, other) in epochs.iter_mut().zip(&self.others) {
            for (step, other) in epoch.steps.iter_mut().zip(other.steps.iter().cycle()) {
                kind.exchange(step, other);
            }
        }
        epochs
    }
}

fn runs(modalities: usize) -> impl Strategy<Value = Run> {
    let epochs = || prop::collection::vec(distinct::epoch(modalities), EPOCHS).boxed();
    let runs = (super::arbitrary::seed(), epochs(), epochs());
    runs.prop_map(|(seed, epochs, others)| Run { seed, epochs, others })
        .no_shrink()
}

/// What was seen in all runs.
#[derive(Default)]
struct Seen {
    asked: Vec<EvidenceKind>,
    /// Asked for, and moves it.
    moving: bool,
    /// Not asked for in a run, and moves it where it is told.
    unasked: Vec<EvidenceKind>,
}

/// Takes the strategy through runs that differ in one kind of evidence alone. If its weights or gradients do, the kind
/// moves it.
///
/// Of what an observation has, nothing may move it that it does not ask for. What it would do in a method that training
/// never calls is its own affair, for other settings may ask for it, unless nothing that it asks for moves it either. That
/// it moves by itself, by chance or by the number of steps, tells nothing: so it does in both runs.
pub(super) fn check(strategy: &dyn BlendStrategy, heads: &Heads, estimates: bool) -> Result<(), Violation> {
    // One modality has nothing to be weighed against.
    if heads.joint() < 2 {
        return Ok(());
    }
    let seen = RefCell::new(Seen::default());
    harness::for_each(CASES, runs(heads.joint()), |run| {
        let played = play(strategy, heads, run.seed, &run.epochs, None)?;
        let mut seen = seen.borrow_mut();
        for kind in EvidenceKind::ALL {
            if played.asked.contains(&kind) {
                seen.asked.push(kind);
                seen.moving |= moves(strategy, heads, run, kind, None)?;
            } else {
                // What it is not told in training it need not cope with.
                let told = || moves(strategy, heads, run, kind, Some(kind));
                if harness::guarded(told).unwrap_or(false) {
                    seen.unasked.push(kind);
                }
            }
        }
        Ok(())
    })?;
    let Seen {
        asked,
        moving,
        unasked,
    } = seen.into_inner();
    let stands_still = !moving && !estimates;
    let observes = asked.iter().any(|kind| kind.is_observed());
    let wrong = unasked
        .iter()
        .find(|kind| !asked.contains(kind) && (stands_still || observes && kind.is_observed()));
    match wrong {
        None => Ok(()),
        Some(kind) => Err(violation(*kind, &asked, stands_still)),
    }
}

fn violation(kind: EvidenceKind, asked: &[EvidenceKind], stands_still: bool) -> Violation {
    let asked: Vec<String> = EvidenceKind::ALL
        .iter()
        .filter(|kind| asked.contains(kind))
        .map(|kind| format!("`{}`", kind.field()))
        .collect();
    let asked = match asked.as_slice() {
        [] => "nothing".to_owned(),
        some => some.join(", "),
    };
    let still = if stands_still {
        ", and so nothing of the run moves it"
    } else {
        ""
    };
    Rule::AsksForWhatMovesIt.broken(
        format!("`{}` in what `evidence` returns, for that moves it", kind.field()),
        format!("that it asks for {asked}; training tells nothing else{still}"),
    )
}

/// Whether it does something else if evidence of this kind is another.
fn moves(
    strategy: &dyn BlendStrategy,
    heads: &Heads,
    run: &Run,
    kind: EvidenceKind,
    told: Option<EvidenceKind>,
) -> Result<bool, Violation> {
    let one = play(strategy, heads, run.seed, &run.epochs, told)?;
    let other = play(strategy, heads, run.seed, &run.exchanged(kind), told)?;
    // Gradients that it leaves alone differ because those that it is given do.
    let compared = |act: &&Act| !(kind.is_gradient() && matches!(act, Act::Moved(_)));
    let acts = |played: &Played| played.acts.iter().filter(compared).cloned().collect::<Vec<_>>();
    let (one_acts, other_acts) = (acts(&one), acts(&other));
    let same = one_acts.len() == other_acts.len()
        && one_acts.iter().zip(&other_acts).all(|(one, other)| one.is(other));
    Ok(!same || kind.is_gradient() && (one.changed || other.changed))
}

/// What came of a run.
struct Played {
    acts: Vec<Act>,
    asked: Vec<EvidenceKind>,
    /// Whether it changed gradients.
    changed: bool,
}

fn play(
    strategy: &dyn BlendStrategy,
    heads: &Heads,
    seed: Seed,
    epochs: &[Epoch],
    told: Option<EvidenceKind>,
) -> Result<Played, Violation> {
    let player = Player::new(start(strategy, heads)?, heads, seed, epochs.len())?;
    let mut player = player.telling(told);
    epochs.iter().try_for_each(|epoch| player.play(epoch))?;
    Ok(Played {
        acts: player.take_trace(),
        asked: player.asked().collect(),
        changed: player.changed_gradients(),
    })
}
