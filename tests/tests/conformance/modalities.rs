//! The kit finds modalities and encoders that break a rule.

use std::sync::atomic::{AtomicU32, Ordering};

use gblend_core::conformance::arbitrary::{MediaSize, samples};
use gblend_core::conformance::{self, Rule};
use gblend_core::nn::{Linear, detach, multiply, scale};
use gblend_core::recorder::Recorder;
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::tensor::Features;
use gblend_core::{
    Array, Batch, BuildContext, Encoder, Error, FitContext, Fitted, Media, MediaKind, Modality, Module,
    ParamPath, ParamVisitor, Pass, Result, SampleRng, Seed, typetag,
};

/// What is wrong with a modality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
enum Fault {
    Nothing,
    PreparesAtRandom,
    DividesByZero,
    ShapeFollowsContent,
    TakesAnyMedia,
    PanicsAtOtherMedia,
    FitsAtRandom,
    AppliesAtRandom,
    AppliesToInfinity,
    AppliesByContent,
    AugmentsFromAGlobal,
    AugmentsToAnotherShape,
    IgnoresTheSeed,
    ReusesAPath,
    TellsAnotherLength,
    CountsEvaluations,
    EvaluatesAtRandom,
    DropsInDifferentiation,
    LooksAtTheBatch,
    LooksAtTheBatchSize,
    TrainsAtRandom,
    DividesByTheSpread,
    DetachesAFactor,
    HidesState,
    LeavesAParameterOut,
    RecordsNothing,
    TakesAnyShape,
}

/// A plugin with a fault.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Flawed {
    fault: Fault,
}

/// Another number at every call.
fn counter() -> f32 {
    static CALLS: AtomicU32 = AtomicU32::new(1);
    CALLS.fetch_add(1, Ordering::Relaxed) as f32
}

#[typetag::serde(name = "flawed")]
impl Modality for Flawed {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Array(array) = media else {
            assert!(self.fault != Fault::PanicsAtOtherMedia, "no array");
            return match self.fault {
                Fault::TakesAnyMedia => Ok(Array::zeros([16])),
                _ => Err(Error::data("modality kind flawed", "no array")),
            };
        };
        let mut array = array.clone();
        match self.fault {
            Fault::PreparesAtRandom => array.values_mut()[0] = counter(),
            Fault::DividesByZero => array.values_mut()[0] /= 0.0,
            Fault::ShapeFollowsContent => {
                let positive = array.values().iter().copied().filter(|&value| value > 0.0);
                let positive: Vec<f32> = positive.collect();
                return Array::new([positive.len()], positive);
            }
            _ => {}
        }
        Ok(array)
    }

    fn fit(&self, _: &FitContext<'_>) -> Result<Fitted> {
        match self.fault {
            Fault::FitsAtRandom => Fitted::new(&counter()),
            _ => Ok(Fitted::default()),
        }
    }

    fn apply(&self, mut sample: Array, _: &Fitted) -> Result<Array> {
        match self.fault {
            Fault::AppliesAtRandom => sample.values_mut()[0] = counter(),
            Fault::AppliesToInfinity => sample.values_mut()[0] /= 0.0,
            Fault::AppliesByContent => {
                let positive = sample.values().iter().copied().filter(|&value| value > 0.0);
                let positive: Vec<f32> = positive.collect();
                return Array::new([positive.len()], positive);
            }
            _ => {}
        }
        Ok(sample)
    }

    fn augment(&self, sample: Array, _: &mut SampleRng) -> Result<Array> {
        let mut sample = sample;
        match self.fault {
            Fault::AugmentsFromAGlobal => sample.values_mut()[0] = counter(),
            Fault::AugmentsToAnotherShape => return Ok(Array::zeros([sample.len() - 1])),
            _ => {}
        }
        Ok(sample)
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let seed = match self.fault {
            Fault::IgnoresTheSeed => Seed::new(0),
            _ => cx.seed,
        };
        let inputs = cx.sample_shape.iter().product();
        Ok(Box::new(Projection {
            fault: self.fault,
            sample_shape: cx.sample_shape.to_vec(),
            used: Linear::new(cx.device, inputs, LENGTH, seed.derive("used"))?,
            unused: Linear::new(cx.device, 2, 2, seed.derive("unused"))?,
            passes: Array::zeros([1]),
        }))
    }
}

gblend_core::register!(Modality, "flawed" => Flawed);

const LENGTH: usize = 5;

struct Projection {
    fault: Fault,
    sample_shape: Vec<usize>,
    used: Linear,
    unused: Linear,
    /// A running statistic, of a kind.
    passes: Array,
}

impl Encoder for Projection {
    fn feature_dim(&self) -> usize {
        match self.fault {
            Fault::TellsAnotherLength => LENGTH + 1,
            _ => LENGTH,
        }
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != self.sample_shape && self.fault != Fault::TakesAnyShape {
            return Err(Error::shape("a projection", "its shape", batch.sample_shape()));
        }
        if pass.is_training() || self.fault == Fault::CountsEvaluations {
            self.passes.values_mut()[0] += 1.0;
        }
        let recorder = match self.fault {
            Fault::RecordsNothing => Recorder::off(),
            _ => pass.recorder(),
        };
        let features = self.used.forward(batch.rows(recorder)?)?;
        let training = pass.is_training();
        let factor = match self.fault {
            Fault::EvaluatesAtRandom if !training => counter(),
            Fault::TrainsAtRandom if training => counter(),
            Fault::DropsInDifferentiation if pass.mode() == gblend_core::pass::Mode::Differentiate => 0.5,
            Fault::LooksAtTheBatch => 1.0 + batch.rows(Recorder::off())?.to_vec().iter().sum::<f32>().abs(),
            Fault::DividesByTheSpread if training => {
                let values = batch.rows(Recorder::off())?.to_vec();
                let spread = |value: &f32| (value - values[0]).abs();
                1.0 / values.iter().map(spread).sum::<f32>()
            }
            Fault::LooksAtTheBatchSize => batch.len() as f32,
            _ => 1.0 + self.passes.values()[0],
        };
        if self.fault == Fault::DetachesAFactor {
            let factor = detach(&features)?;
            return multiply(features, factor);
        }
        scale(features, factor)
    }
}

impl Module for Projection {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.used.visit_params(&path.join("used"), visitor)?;
        match self.fault {
            Fault::ReusesAPath => self.unused.visit_params(&path.join("used"), visitor)?,
            Fault::LeavesAParameterOut => self.unused.visit_params(&path.join("unused"), visitor)?,
            _ => {}
        }
        match self.fault {
            Fault::HidesState => Ok(()),
            _ => visitor.buffer(&path.join("passes"), &mut self.passes),
        }
    }
}

fn media() -> Vec<Media> {
    samples(MediaKind::Array, &MediaSize::default(), 4, Seed::new(1)).unwrap()
}

#[test]
fn a_modality_without_a_fault_passes() {
    let sound = Flawed {
        fault: Fault::Nothing,
    };
    conformance::modality(&sound, &media()).unwrap();
}

#[test]
fn sequences_of_several_features_keep_the_rules() {
    let size = MediaSize {
        array: vec![9, 3],
        ..MediaSize::default()
    };
    let media = samples(MediaKind::Array, &size, 4, Seed::new(1)).unwrap();
    for table in [
        r#"{"kind": "sequence"}"#,
        r#"{"kind": "sequence", "length": 12}"#,
        r#"{"kind": "sequence", "transposed": true, "length": 2}"#,
    ] {
        let sequence: Box<dyn Modality> = serde_json::from_str(table).unwrap();
        conformance::modality(sequence.as_ref(), &media).unwrap();
    }
}

#[test]
fn each_fault_of_a_modality_is_found_by_its_rule() {
    for (fault, rule) in [
        (Fault::PreparesAtRandom, Rule::PreparesAlike),
        (Fault::DividesByZero, Rule::PreparesFinite),
        (Fault::ShapeFollowsContent, Rule::PreparesOneShape),
        (Fault::TakesAnyMedia, Rule::OtherMediaRefused),
        (Fault::PanicsAtOtherMedia, Rule::NeverPanics),
        (Fault::FitsAtRandom, Rule::FitsAlike),
        (Fault::AppliesAtRandom, Rule::AppliesAlike),
        (Fault::AppliesToInfinity, Rule::AppliesFinite),
        (Fault::AppliesByContent, Rule::AppliesOneShape),
        (Fault::AugmentsFromAGlobal, Rule::AugmentsBySeed),
        (Fault::AugmentsToAnotherShape, Rule::AugmentsInShape),
        (Fault::IgnoresTheSeed, Rule::SeedDecides),
        (Fault::ReusesAPath, Rule::PathsAreUnique),
        (Fault::TellsAnotherLength, Rule::OutputHasShape),
        (Fault::CountsEvaluations, Rule::EvaluationChangesNothing),
        (Fault::EvaluatesAtRandom, Rule::EvaluationRepeats),
        (Fault::DropsInDifferentiation, Rule::DifferentiationEvaluates),
        (Fault::LooksAtTheBatch, Rule::SamplesAreIndependent),
        (Fault::LooksAtTheBatchSize, Rule::SamplesAreIndependent),
        (Fault::TrainsAtRandom, Rule::TrainingRepeats),
        (Fault::DividesByTheSpread, Rule::FiniteOnFlatInput),
        (Fault::DetachesAFactor, Rule::GradientsAreDerivatives),
        (Fault::HidesState, Rule::StateIsWhole),
        (Fault::LeavesAParameterOut, Rule::EverythingLearns),
        (Fault::RecordsNothing, Rule::EverythingLearns),
        (Fault::TakesAnyShape, Rule::OtherInputRefused),
    ] {
        let violation = conformance::modality(&Flawed { fault }, &media()).unwrap_err();
        assert_eq!(violation.rule, rule, "{fault:?}: {violation}");
    }
}

#[test]
fn a_parameter_without_a_gradient_is_named() {
    let fault = Fault::LeavesAParameterOut;
    let violation = conformance::modality(&Flawed { fault }, &media()).unwrap_err();
    assert_eq!(violation.found, "none for unused.bias, unused.weight");
}

#[test]
fn media_that_cannot_tell_anything_are_refused() {
    let sound = Flawed {
        fault: Fault::Nothing,
    };
    let frames = samples(MediaKind::Frames, &MediaSize::default(), 3, Seed::new(1)).unwrap();
    let longer = MediaSize {
        array: vec![17],
        ..MediaSize::default()
    };
    let longer = samples(MediaKind::Array, &longer, 1, Seed::new(1)).unwrap();
    let mixed = [media(), longer].concat();
    for media in [&media()[..2], &frames, &mixed] {
        let violation = conformance::modality(&sound, media).unwrap_err();
        assert_eq!(violation.rule, Rule::MediaFits, "{violation}");
    }
}
