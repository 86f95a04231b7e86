//! The kit finds modalities and encoders that break a rule.

use std::sync::atomic::{AtomicU32, Ordering};

use gblend_core::conformance::arbitrary::{MediaSize, samples};
use gblend_core::conformance::{self, Rule};
use gblend_core::nn::{
    Linear, detach, divide, fork, mean_axis, multiply, recompute, repeat, scale, sqrt, square, step_mean,
    steps_of, subtract,
};
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
    HidesFromRecompute,
    DividesByTheSpread,
    DetachesAFactor,
    HidesState,
    LeavesAParameterOut,
    RecordsNothing,
    TakesAnyShape,
    DividesByAFittedDeviation,
    AugmentsByTheEnergy,
    AugmentsUntold,
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

    fn fit(&self, cx: &FitContext<'_>) -> Result<Fitted> {
        match self.fault {
            Fault::FitsAtRandom => Fitted::new(&counter()),
            Fault::DividesByAFittedDeviation => {
                let samples = cx.samples().collect::<Result<Vec<Array>>>()?;
                let values: Vec<f32> = samples
                    .iter()
                    .flat_map(|sample| sample.values().to_vec())
                    .collect();
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>();
                Fitted::new(&[mean, (square / values.len() as f32).sqrt()])
            }
            _ => Ok(Fitted::default()),
        }
    }

    fn apply(&self, mut sample: Array, fitted: &Fitted) -> Result<Array> {
        match self.fault {
            Fault::AppliesAtRandom => sample.values_mut()[0] = counter(),
            Fault::DividesByAFittedDeviation => {
                let [mean, deviation] = *fitted.get::<[f32; 2]>()?;
                let values = sample.values_mut().iter_mut();
                values.for_each(|value| *value = (*value - mean) / deviation);
            }
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
            Fault::AugmentsByTheEnergy => {
                let energy = sample.values().iter().map(|value| value * value).sum::<f32>();
                sample.values_mut().iter_mut().for_each(|value| *value /= energy);
            }
            Fault::AugmentsToAnotherShape => return Ok(Array::zeros([sample.len() - 1])),
            Fault::AugmentsUntold => sample.values_mut().iter_mut().for_each(|value| *value *= 1.5),
            _ => {}
        }
        Ok(sample)
    }

    fn augments(&self) -> bool {
        self.fault != Fault::AugmentsUntold
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

/// A layer that shows nothing of what it has.
#[derive(Clone)]
struct Hidden(Linear);

impl Module for Hidden {
    fn visit_params(&mut self, _: &ParamPath, _: &mut dyn ParamVisitor) -> Result<()> {
        Ok(())
    }
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
        let rows = batch.rows(recorder)?;
        let features = match self.fault {
            Fault::HidesFromRecompute => {
                let run = |layers: &mut [Hidden], rows, _: &Pass| Ok((layers[0].0.forward(rows)?, ()));
                recompute(&mut [Hidden(self.used.clone())], rows, pass, run)?.0
            }
            _ => self.used.forward(rows)?,
        };
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
        (Fault::HidesFromRecompute, Rule::RecomputesAlike),
        (Fault::DividesByTheSpread, Rule::FiniteOnFlatInput),
        (Fault::DetachesAFactor, Rule::GradientsAreDerivatives),
        (Fault::HidesState, Rule::StateIsWhole),
        (Fault::LeavesAParameterOut, Rule::EverythingLearns),
        (Fault::RecordsNothing, Rule::EverythingLearns),
        (Fault::TakesAnyShape, Rule::OtherInputRefused),
        (Fault::DividesByAFittedDeviation, Rule::AppliesFinite),
        (Fault::AugmentsByTheEnergy, Rule::AugmentsFinite),
        (Fault::AugmentsUntold, Rule::AugmentsIsTold),
    ] {
        let violation = conformance::modality(&Flawed { fault }, &media()).unwrap_err();
        assert_eq!(violation.rule, rule, "{fault:?}: {violation}");
    }
}

/// Steps with a mask, as the documentation of `nn::steps_of` has them, and no word about what else an array may be.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Masked {
    length: usize,
    width: usize,
    /// Divides the features of a step by their deviation, and adds no small number.
    divides: bool,
}

impl Masked {
    const SOUND: Self = Self {
        length: 12,
        width: LENGTH,
        divides: false,
    };
}

#[typetag::serde(name = "masked")]
impl Modality for Masked {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Array(array) = media else {
            return Err(Error::data("modality kind masked", "no array"));
        };
        let &[steps, features] = array.shape() else {
            return Err(Error::shape("steps", "[steps, features]", array.shape()));
        };
        let mut prepared = Array::zeros([features + 1, self.length]);
        let values = prepared.values_mut();
        for step in 0..steps.min(self.length) {
            for feature in 0..features {
                values[feature * self.length + step] = array.values()[step * features + feature];
            }
            values[features * self.length + step] = 1.0;
        }
        Ok(prepared)
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let features = cx.sample_shape[0] - 1;
        Ok(Box::new(MaskedSteps {
            divides: self.divides,
            sample_shape: cx.sample_shape.to_vec(),
            linear: Linear::new(cx.device, features, self.width, cx.seed)?,
        }))
    }
}

gblend_core::register!(Modality, "masked" => Masked);

struct MaskedSteps {
    divides: bool,
    sample_shape: Vec<usize>,
    linear: Linear,
}

impl Encoder for MaskedSteps {
    fn feature_dim(&self) -> usize {
        LENGTH
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != self.sample_shape {
            return Err(Error::shape("steps", "its shape", batch.sample_shape()));
        }
        let (mut rows, steps) = steps_of(batch, pass)?;
        if self.divides {
            let width = rows.shape().1;
            let (values, seen) = fork(rows);
            let mean = repeat(mean_axis(seen, 1)?, 1, width)?;
            let (centered, squared) = fork(subtract(values, mean)?);
            let deviation = sqrt(mean_axis(square(squared)?, 1)?)?;
            rows = divide(centered, repeat(deviation, 1, width)?)?;
        }
        step_mean(self.linear.forward(rows)?, &steps)
    }
}

impl Module for MaskedSteps {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.linear.visit_params(&path.join("linear"), visitor)
    }
}

fn series() -> Vec<Media> {
    let size = MediaSize {
        array: vec![9, 3],
        ..MediaSize::default()
    };
    samples(MediaKind::Array, &size, 4, Seed::new(1)).unwrap()
}

#[test]
fn an_encoder_of_steps_with_a_mask_is_shown_no_mask_that_its_front_end_never_makes() {
    conformance::modality(&Masked::SOUND, &series()).unwrap();
}

#[test]
fn a_division_by_the_deviation_is_found_beside_a_mask() {
    let divides = Masked {
        divides: true,
        ..Masked::SOUND
    };
    let violation = conformance::modality(&divides, &series()).unwrap_err();
    assert_eq!(violation.rule, Rule::FiniteOnFlatInput, "{violation}");
    assert_eq!(violation.input, "values of 0e0 alone");
}

#[test]
fn what_a_layer_of_an_encoder_refuses_is_told_as_a_setting_of_the_modality() {
    let none = Masked {
        width: 0,
        ..Masked::SOUND
    };
    let violation = conformance::modality(&none, &series()).unwrap_err();
    assert_eq!(violation.rule, Rule::Builds);
    assert!(
        violation.found.contains("`modality.NAME.width = 0: expected"),
        "{violation}"
    );
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
