//! The kit finds strategies that use what they do not ask for.

use gblend_core::conformance::{self, Rule};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::serde_json::{Value, json};
use gblend_core::{
    Blend, BlendStrategy, BlendWeights, BlendedGradient, ContestedGradient, Error, Evidence,
    GradientEvidence, Heads, Observation, Result, typetag,
};

/// What a strategy may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
enum Told {
    Losses,
    EpochLosses,
    LossesAfter,
    Scores,
    Coalitions,
    Blended,
    PerHead,
}
use Told::{Blended, Coalitions, EpochLosses, Losses, LossesAfter, PerHead, Scores};

/// Asks for some evidence and uses some.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Asking {
    asks: Vec<Told>,
    uses: Vec<Told>,
}

#[typetag::serde(name = "asking")]
impl BlendStrategy for Asking {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        Ok(Box::new(Weighed {
            settings: self.clone(),
            weights: BlendWeights::equal(heads.len())?,
        }))
    }
}

gblend_core::register!(Blend, "asking" => Asking);

/// Weights as the latest of what it uses.
#[derive(Debug)]
struct Weighed {
    settings: Asking,
    weights: BlendWeights,
}

impl Weighed {
    fn follow(&mut self, used: Told, values: &[f64]) {
        let used = self.settings.uses.contains(&used) && values.len() == self.weights.len();
        if let (true, Ok(weights)) = (used, BlendWeights::normalized(values)) {
            self.weights = weights;
        }
    }
}

impl Blend for Weighed {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn evidence(&self) -> Evidence {
        let asks = |told| self.settings.asks.contains(&told);
        Evidence {
            losses: asks(Losses),
            losses_after: asks(LossesAfter),
            scores: asks(Scores),
            coalitions: asks(Coalitions),
            gradients: match (asks(Blended), asks(PerHead)) {
                (true, _) => GradientEvidence::Blended,
                (_, true) => GradientEvidence::PerHead,
                _ => GradientEvidence::None,
            },
        }
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        self.follow(Losses, &observation.losses);
        self.follow(Scores, &observation.scores);
        // The modalities alone, and all of them.
        let (modalities, subsets) = (self.weights.len() - 1, observation.coalitions.len());
        if subsets == 1 << modalities {
            let alone = (0..modalities).map(|modality| 1 << modality);
            let seen = alone.chain([subsets - 1]);
            let values: Vec<f64> = seen
                .map(|subset: usize| -observation.coalitions[subset])
                .collect();
            self.follow(Coalitions, &values);
        }
        Ok(())
    }

    fn observe_after(&mut self, losses: &[f64]) -> Result<()> {
        self.follow(LossesAfter, losses);
        Ok(())
    }

    fn end_epoch(&mut self, losses: &[f64]) -> Result<()> {
        self.follow(EpochLosses, losses);
        Ok(())
    }

    fn modulate(&mut self, encoders: &mut [BlendedGradient]) -> Result<()> {
        if self.settings.uses.contains(&Blended) {
            let values = encoders.iter_mut().flat_map(|encoder| &mut encoder.values);
            values.for_each(|value| *value *= 0.5);
        }
        Ok(())
    }

    fn combine(&mut self, encoders: &mut [ContestedGradient]) -> Result<()> {
        if self.settings.uses.contains(&PerHead) {
            let values = encoders.iter_mut().flat_map(|encoder| &mut encoder.own);
            values.for_each(|value| *value *= 0.5);
        }
        Ok(())
    }

    fn state(&self) -> Value {
        json!(self.weights.as_slice())
    }

    fn restore(&mut self, state: &Value) -> Result<()> {
        let foreign = || Error::Strategy(format!("the state {state}"));
        let numbers = state.as_array().ok_or_else(foreign)?;
        let weights: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
        let weights = weights.filter(|weights| weights.len() == self.weights.len());
        self.weights = BlendWeights::new(weights.ok_or_else(foreign)?)?;
        Ok(())
    }
}

/// The kit's message about a strategy that asks for these and uses those; empty if it passes.
fn found(asks: &[Told], uses: &[Told]) -> String {
    let (asks, uses) = (asks.to_vec(), uses.to_vec());
    match conformance::strategy(&Asking { asks, uses }) {
        Ok(()) => String::new(),
        Err(violation) => {
            assert_eq!(violation.rule, Rule::AsksForWhatMovesIt, "{violation}");
            violation.to_string()
        }
    }
}

/// What to ask for, to be told each.
const FIELDS: [(Told, Told, &str); 7] = [
    (Losses, Losses, "`losses: true`"),
    (EpochLosses, Losses, "`losses: true`"),
    (LossesAfter, LossesAfter, "`losses_after: true`"),
    (Scores, Scores, "`scores: true`"),
    (Coalitions, Coalitions, "`coalitions: true`"),
    (Blended, Blended, "`gradients: GradientEvidence::Blended`"),
    (PerHead, PerHead, "`gradients: GradientEvidence::PerHead`"),
];

#[test]
fn who_uses_what_it_asks_for_or_nothing_passes() {
    for (uses, asks, _) in FIELDS {
        assert_eq!(found(&[asks], &[uses]), "");
        assert_eq!(found(&[asks], &[]), "", "weights may stay as they are");
    }
    assert_eq!(found(&[], &[]), "");
}

#[test]
fn who_uses_what_it_does_not_ask_for_is_told_what_to_ask_for() {
    for (uses, _, field) in FIELDS {
        let message = found(&[], &[uses]);
        assert!(message.contains(&format!("expected {field}")), "{message}");
        assert!(message.contains("asks for nothing"), "{message}");
    }
}

#[test]
fn to_ask_for_something_else_is_not_enough() {
    let message = found(&[Losses], &[Scores]);
    assert!(
        message.contains("expected `scores: true`") && message.contains("asks for `losses: true`;"),
        "{message}"
    );
    let message = found(&[Blended], &[PerHead]);
    assert!(message.contains("GradientEvidence::PerHead"), "{message}");
    // Nor is it that one of two lists is asked for.
    let message = found(&[Losses], &[Losses, Scores]);
    assert!(message.contains("expected `scores: true`"), "{message}");
}

#[test]
fn a_method_that_is_never_called_may_be_there_beside_what_is_asked_for() {
    assert_eq!(found(&[Scores], &[Scores, PerHead, LossesAfter]), "");
}
