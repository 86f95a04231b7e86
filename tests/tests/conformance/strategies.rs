//! The kit finds strategies that break a rule.

use std::sync::atomic::{AtomicU64, Ordering};

use gblend_core::conformance::{self, Rule, arbitrary};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::serde_json::{Value, json};
use gblend_core::{
    Advice, Blend, BlendReport, BlendStrategy, BlendWeights, BlendedGradient, Error, Estimate,
    EstimateRequest, Estimator, Evidence, GradientEvidence, HeadReport, Heads, JointReach, Observation,
    ProbeLength, Result, StepStart, WeightSource, typetag,
};

/// What is wrong with a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
enum Fault {
    Nothing,
    SettingNotWritten,
    StartsNever,
    HoldsOutEverything,
    LeavesOutTheJointWeight,
    LooksAtScoresThatItDidNotAskFor,
    StopsAtLargeLosses,
    LengthensGradients,
    DividesByTheFirstComponent,
    DrawsFromAGlobal,
    PrefersTheFirst,
    WeakensTheFirst,
    StartsWithTheFirst,
    StartsWithTheFirstAndDraws,
    /// Which is none: what is drawn is drawn in some order.
    DrawsForPlaces,
    StateIsNotANumber,
    KeepsNoState,
    RestoresAnything,
    HoldsOutNothing,
    AsksForAnEmptyProbe,
    RefusesEstimates,
    ReportsOtherWeights,
    TakesUnaskedEstimates,
    FiguresOfNobody,
    ForgetsWhatItSaid,
    SharesAmongNobody,
    ReachesEncodersByTurns,
}

/// A plugin with a fault.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Flawed {
    fault: Fault,
    /// That it is never read makes it no less a setting.
    #[serde(skip)]
    #[allow(dead_code)]
    forgotten: bool,
}

#[typetag::serde(name = "flawed")]
impl BlendStrategy for Flawed {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        if self.fault == Fault::StartsNever {
            return Err(Error::setting("head", "camera", "a head"));
        }
        Ok(Box::new(Alternating {
            fault: self.fault,
            heads: heads.clone(),
            weights: match self.fault {
                Fault::LeavesOutTheJointWeight => BlendWeights::equal(heads.joint())?,
                Fault::StartsWithTheFirst | Fault::StartsWithTheFirstAndDraws => {
                    BlendWeights::single(heads.len(), 0)?
                }
                _ => BlendWeights::equal(heads.len())?,
            },
            steps: 0,
            begun: 0,
        }))
    }

    fn held_out(&self) -> f64 {
        match self.fault {
            Fault::HoldsOutEverything => 1.0,
            Fault::HoldsOutNothing | Fault::TakesUnaskedEstimates => 0.0,
            _ => 0.2,
        }
    }
}

gblend_core::register!(Blend, "flawed" => Flawed);

/// Equal weights and the joint one alone by turns.
#[derive(Debug)]
struct Alternating {
    fault: Fault,
    heads: Heads,
    weights: BlendWeights,
    steps: u64,
    /// Steps since it was started, which its state leaves out.
    begun: u64,
}

impl Blend for Alternating {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn blended_heads(&self) -> usize {
        match self.fault {
            Fault::SharesAmongNobody => 0,
            _ => self.heads.len(),
        }
    }

    fn joint_reach(&self) -> JointReach {
        match self.fault {
            Fault::ReachesEncodersByTurns if self.steps % 2 == 1 => JointReach::JointHead,
            _ => JointReach::Encoders,
        }
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            losses: true,
            gradients: GradientEvidence::Blended,
            ..Evidence::default()
        }
    }

    fn begin_step(&mut self, start: StepStart) -> Result<()> {
        static STEPS: AtomicU64 = AtomicU64::new(0);
        self.steps += 1;
        self.begun += 1;
        let mut weights = match self.steps % 2 {
            0 => vec![1.0; self.heads.len()],
            _ => BlendWeights::single(self.heads.len(), self.heads.joint())?.into(),
        };
        if self.fault == Fault::DrawsFromAGlobal {
            weights[0] += STEPS.fetch_add(1, Ordering::Relaxed) as f64;
        }
        if self.fault == Fault::PrefersTheFirst {
            weights[0] += 1.0;
        }
        if matches!(
            self.fault,
            Fault::DrawsForPlaces | Fault::StartsWithTheFirstAndDraws
        ) {
            weights[0] += (start.seed.value() % 2) as f64;
        }
        self.weights = BlendWeights::normalized(weights)?;
        Ok(())
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        if self.fault == Fault::LooksAtScoresThatItDidNotAskFor {
            assert!(observation.scores[0] >= 0.0);
        }
        let largest = observation.losses.iter().copied().fold(0.0, f64::max);
        if self.fault == Fault::StopsAtLargeLosses && largest > 1e12 {
            return Err(Error::Strategy("a large loss".into()));
        }
        Ok(())
    }

    fn modulate(&mut self, encoders: &mut [BlendedGradient]) -> Result<()> {
        if self.fault == Fault::WeakensTheFirst
            && let [first, ..] = encoders
        {
            first.values.iter_mut().for_each(|value| *value *= 0.5);
        }
        for encoder in encoders {
            match self.fault {
                Fault::LengthensGradients => encoder.values.push(0.0),
                Fault::DividesByTheFirstComponent => {
                    let first = encoder.values.first().copied().unwrap_or(1.0);
                    encoder.values.iter_mut().for_each(|value| *value /= first);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn estimate_due(&self, epoch: usize, _: usize) -> Option<EstimateRequest> {
        let epochs = match self.fault {
            Fault::AsksForAnEmptyProbe => vec![],
            _ => vec![1, 2],
        };
        (epoch == 0 && self.fault != Fault::TakesUnaskedEstimates).then_some(EstimateRequest {
            estimator: Estimator::Probe {
                epochs,
                length: ProbeLength::Joint,
            },
            resamples: 0,
        })
    }

    fn take_estimate(&mut self, epoch: usize, estimate: &Estimate) -> Result<BlendReport> {
        if self.fault == Fault::RefusesEstimates {
            return Err(Error::Strategy("an estimate".into()));
        }
        let shift = if self.fault == Fault::ReportsOtherWeights {
            0.1
        } else {
            0.0
        };
        let heads = self.heads.names().iter().enumerate().map(|(k, name)| HeadReport {
            name: name.clone(),
            delta_o: estimate.movements.delta_o[k],
            delta_g: estimate.movements.delta_g[k],
            ogr: None,
            weight: self.weights.as_slice()[k] + shift,
            delta_o_interval: None,
            delta_g_interval: None,
            ogr_interval: None,
            weight_low: None,
            weight_high: None,
        });
        Ok(BlendReport {
            epoch,
            estimator: estimate.estimator,
            probe_epochs: estimate.probe_epochs,
            gradients: estimate.gradients,
            heads: heads.collect(),
            ogr_blend: None,
            ogr_blend_interval: None,
            warnings: vec![],
        })
    }

    fn advice(&self) -> Advice {
        let advice = Advice::of(WeightSource::Given);
        match self.fault {
            Fault::FiguresOfNobody => advice.with_figures("a figure", &[]),
            Fault::ForgetsWhatItSaid => advice.with_remark(format!("It began {} steps.", self.begun)),
            _ => advice.with_figures("a figure", &vec![1.0; self.heads.len()]),
        }
    }

    fn state(&self) -> Value {
        match self.fault {
            Fault::StateIsNotANumber => json!({ "steps": f64::NAN }),
            Fault::KeepsNoState => Value::Null,
            _ => json!({ "steps": self.steps }),
        }
    }

    fn restore(&mut self, state: &Value) -> Result<()> {
        match (self.fault, state["steps"].as_u64()) {
            (_, Some(steps)) => self.steps = steps,
            (Fault::KeepsNoState | Fault::RestoresAnything, None) => {}
            (_, None) => return Err(Error::Strategy(format!("the state {state}"))),
        }
        Ok(())
    }
}

fn flawed(fault: Fault) -> Flawed {
    Flawed {
        fault,
        forgotten: fault == Fault::SettingNotWritten,
    }
}

#[test]
fn a_strategy_without_a_fault_passes() {
    conformance::strategy(&flawed(Fault::Nothing)).unwrap();
}

#[test]
fn each_fault_of_a_strategy_is_found_by_its_rule() {
    for (fault, rule) in [
        (Fault::SettingNotWritten, Rule::ConfigSurvivesJson),
        (Fault::StartsNever, Rule::Starts),
        (Fault::HoldsOutEverything, Rule::HeldOutIsShare),
        (Fault::LeavesOutTheJointWeight, Rule::WeightsOnSimplex),
        (Fault::LooksAtScoresThatItDidNotAskFor, Rule::NeverPanics),
        (Fault::StopsAtLargeLosses, Rule::CopesWithEvidence),
        (Fault::LengthensGradients, Rule::GradientsKeepLength),
        (Fault::DividesByTheFirstComponent, Rule::GradientsStayFinite),
        (Fault::DrawsFromAGlobal, Rule::EvidenceDecides),
        (Fault::PrefersTheFirst, Rule::WeightsFollowHeads),
        (Fault::WeakensTheFirst, Rule::WeightsFollowHeads),
        (Fault::StartsWithTheFirst, Rule::WeightsFollowHeads),
        (Fault::StartsWithTheFirstAndDraws, Rule::WeightsFollowHeads),
        (Fault::StateIsNotANumber, Rule::StateSurvivesJson),
        (Fault::KeepsNoState, Rule::RestoredGoesOn),
        (Fault::RestoresAnything, Rule::ForeignStateRefused),
        (Fault::HoldsOutNothing, Rule::HeldOutIsShare),
        (Fault::AsksForAnEmptyProbe, Rule::RequestIsSound),
        (Fault::RefusesEstimates, Rule::EstimateTaken),
        (Fault::ReportsOtherWeights, Rule::ReportTellsWeights),
        (Fault::TakesUnaskedEstimates, Rule::UnaskedEstimateRefused),
        (Fault::FiguresOfNobody, Rule::AdviceIsSound),
        (Fault::ForgetsWhatItSaid, Rule::RestoredGoesOn),
        (Fault::SharesAmongNobody, Rule::SharingIsFixed),
        (Fault::ReachesEncodersByTurns, Rule::SharingIsFixed),
    ] {
        let violation = conformance::strategy(&flawed(fault)).unwrap_err();
        assert_eq!(violation.rule, rule, "{fault:?}: {violation}");
        let text = violation.to_string();
        assert!(text.contains("`flawed`") && text.contains(rule.claim()), "{text}");
    }
}

#[test]
fn the_usual_cause_is_told_with_the_rule() {
    let violation = conformance::strategy(&flawed(Fault::KeepsNoState)).unwrap_err();
    let cause = violation.rule.usual_cause().unwrap();
    assert!(violation.to_string().contains(cause), "{violation}");
}

#[test]
fn weights_that_stay_at_their_place_are_told_with_the_heads_that_they_are_of() {
    let violation = conformance::strategy(&flawed(Fault::PrefersTheFirst)).unwrap_err();
    assert!(
        violation.expected.contains(r#"["m1", "m0", "joint"]"#),
        "{violation}"
    );
}

#[test]
fn weights_that_are_drawn_at_random_need_not_follow_their_heads() {
    conformance::strategy(&flawed(Fault::DrawsForPlaces)).unwrap();
}

#[test]
fn a_violation_tells_the_case_that_showed_it() {
    let violation = conformance::strategy(&flawed(Fault::StopsAtLargeLosses)).unwrap_err();
    assert!(violation.input.contains("losses"), "{violation}");
    assert!(violation.found.contains("a large loss"), "{violation}");
}

#[test]
fn a_strategy_whose_settings_name_heads_is_checked_with_those() {
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(crate = "gblend_core::serde")]
    #[schemars(crate = "gblend_core::schemars")]
    struct Favorite {
        head: String,
    }
    #[typetag::serde(name = "favorite")]
    impl BlendStrategy for Favorite {
        fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
            let head = heads.find("head", &self.head)?;
            Ok(Box::new(Constant(BlendWeights::single(heads.len(), head)?)))
        }
    }
    gblend_core::register!(Blend, "favorite" => Favorite);
    #[derive(Debug)]
    struct Constant(BlendWeights);
    impl Blend for Constant {
        fn weights(&self) -> &BlendWeights {
            &self.0
        }
    }

    let favorite = Favorite { head: "sonar".into() };
    let violation = conformance::strategy(&favorite).unwrap_err();
    assert_eq!(violation.rule, Rule::Starts);
    assert!(violation.expected.contains("strategy_with"), "{violation}");
    let heads = Heads::new(["camera".into(), "sonar".into()]).unwrap();
    conformance::strategy_with(&favorite, &heads).unwrap();
    let other = arbitrary::heads(2).unwrap();
    let violation = conformance::strategy_with(&favorite, &other).unwrap_err();
    assert_eq!(violation.rule, Rule::Starts);
}
