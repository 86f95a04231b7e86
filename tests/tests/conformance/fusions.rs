//! The kit finds fusions that break a rule.

use gblend_core::conformance::{self, Rule};
use gblend_core::nn::{Linear, add, concatenate, detach, fork, mask_rows, multiply, scale};
use gblend_core::recorder::Recorder;
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::serde_json;
use gblend_core::tensor::{Features, Plain};
use gblend_core::{
    Error, Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass,
    PresenceMask, Result, typetag,
};

/// What is wrong with a fusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
enum Fault {
    Nothing,
    WantsElevenModalities,
    TellsAnotherLength,
    LooksAtTheBatchSize,
    HasAConstantOutput,
    DividesByTheSpread,
    SeesTheFirstModalityAlone,
    DetachesAFactor,
    PanicsWithoutFeatures,
    TakesMoreModalities,
    DropsAForksHistory,
    DropsAPartOfTheHistory,
    DividesByThoseThere,
    CountsMissingInTheBatch,
    StopsWhereOneIsMissing,
    TakesAMaskForMissing,
    MasksWithoutAGradient,
}

/// A plugin with a fault.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Flawed {
    fault: Fault,
}

const LENGTH: usize = 6;

#[typetag::serde(name = "flawed")]
impl Fusion for Flawed {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        if self.fault == Fault::WantsElevenModalities && cx.feature_dims.len() != 11 {
            return Err(Error::setting("kind", "flawed", "eleven modalities"));
        }
        let read = match self.fault {
            Fault::SeesTheFirstModalityAlone => cx.feature_dims[0],
            _ => cx.feature_dims.iter().sum(),
        };
        Ok(Box::new(Projection {
            fault: self.fault,
            feature_dims: cx.feature_dims.to_vec(),
            linear: Linear::new(cx.device, read, LENGTH, cx.seed)?,
        }))
    }
}

gblend_core::register!(Fusion, "flawed" => Flawed);

struct Projection {
    fault: Fault,
    feature_dims: Vec<usize>,
    linear: Linear,
}

impl FusionModule for Projection {
    fn fused_dim(&self) -> usize {
        match self.fault {
            Fault::TellsAnotherLength => LENGTH - 1,
            _ => LENGTH,
        }
    }

    fn fuse(&mut self, inputs: FusionInputs, pass: &Pass) -> Result<Features> {
        let FusionInputs {
            mut features,
            present,
            ..
        } = inputs;
        assert!(
            !features.is_empty() || self.fault != Fault::PanicsWithoutFeatures,
            "no features"
        );
        if self.fault == Fault::TakesMoreModalities {
            features.truncate(self.feature_dims.len());
        }
        let shapes = features.iter().map(|features| *features.shape());
        let (samples, lengths): (Vec<usize>, Vec<usize>) = shapes.unzip();
        let alike = samples.iter().all(|&count| count == samples[0]);
        if lengths != self.feature_dims || !alike {
            return Err(Error::shape("a projection", "its features", lengths));
        }
        if self.fault == Fault::SeesTheFirstModalityAlone {
            features.truncate(1);
        }
        let missing = present
            .iter()
            .flatten()
            .flat_map(PresenceMask::to_host)
            .filter(|there| !**there)
            .count();
        if self.fault == Fault::StopsWhereOneIsMissing && missing > 0 {
            return Err(Error::shape("a projection", "all modalities", [missing]));
        }
        if self.fault == Fault::DropsAPartOfTheHistory {
            let (one, other) = fork(concatenate(features)?);
            let (_, second) = fork(self.linear.forward(other)?);
            return add(self.linear.forward(one)?, second);
        }
        let fused = self.linear.forward(concatenate(features)?)?;
        match self.fault {
            Fault::LooksAtTheBatchSize => scale(fused, samples[0] as f32),
            Fault::HasAConstantOutput => scale(fused, 0.0),
            Fault::DividesByTheSpread if pass.is_training() => {
                let values = fused.to_vec();
                let across = values.iter().zip(&values[LENGTH..]);
                let spread: f32 = across.map(|(a, b)| (a - b).abs()).sum();
                scale(fused, 1.0 / spread)
            }
            Fault::DropsAForksHistory => Ok(fork(fused).1),
            Fault::DividesByThoseThere => {
                let share = |sample: usize| {
                    let there = |mask: &&Option<PresenceMask>| {
                        mask.as_ref().is_none_or(|mask| mask.to_host()[sample])
                    };
                    1.0 / present.iter().filter(there).count() as f32
                };
                let shares = (0..samples[0])
                    .flat_map(|sample| [if present.is_empty() { 1.0 } else { share(sample) }; LENGTH]);
                let shares = Plain::new(&fused.device(), (samples[0], LENGTH), shares.collect())?;
                multiply(fused, shares.enter(Recorder::for_data()))
            }
            Fault::CountsMissingInTheBatch => scale(fused, 1.0 + missing as f32),
            Fault::TakesAMaskForMissing => {
                let lacking: Vec<bool> = (0..samples[0])
                    .map(|sample| present.iter().flatten().all(|mask| !mask.to_host()[sample]))
                    .collect();
                mask_rows(fused, &lacking.into())
            }
            Fault::MasksWithoutAGradient => {
                let is_whole = |sample: usize| present.iter().flatten().all(|mask| mask.to_host()[sample]);
                let values = fused.to_vec();
                let factors = values.iter().enumerate().map(|(place, &value)| {
                    let sample = place / LENGTH;
                    if is_whole(sample) { 1.0 } else { value }
                });
                let factors = Plain::new(&fused.device(), (samples[0], LENGTH), factors.collect())?;
                multiply(fused, factors.enter(Recorder::for_data()))
            }
            Fault::DetachesAFactor => {
                let factor = detach(&fused)?;
                multiply(fused, factor)
            }
            _ => Ok(fused),
        }
    }
}

impl Module for Projection {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.linear.visit_params(&path.join("linear"), visitor)
    }
}

/// The sum of the projections of the modalities that a sample has, over the number of all.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct MaskedMean {
    /// Looks at the first modality's mask alone.
    forgets: bool,
}

#[typetag::serde(name = "masked-mean")]
impl Fusion for MaskedMean {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let layers = cx.feature_dims.iter().enumerate().map(|(modality, &length)| {
            let seed = cx.seed.nth(modality as u64);
            Linear::new(cx.device, length, LENGTH, seed)
        });
        Ok(Box::new(Means {
            forgets: self.forgets,
            feature_dims: cx.feature_dims.to_vec(),
            layers: layers.collect::<Result<_>>()?,
        }))
    }
}

gblend_core::register!(Fusion, "masked-mean" => MaskedMean);

struct Means {
    forgets: bool,
    feature_dims: Vec<usize>,
    layers: Vec<Linear>,
}

impl FusionModule for Means {
    fn fused_dim(&self) -> usize {
        LENGTH
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let present = inputs.present.clone();
        let features = inputs.features_of("a masked mean", &self.feature_dims)?;
        let count = self.layers.len() as f32;
        let projected = self.layers.iter().zip(features).enumerate();
        let masked = projected.map(|(modality, (layer, features))| {
            let projected = scale(layer.forward(features)?, 1.0 / count)?;
            match present.get(modality) {
                Some(Some(mask)) if modality == 0 || !self.forgets => mask_rows(projected, mask),
                _ => Ok(projected),
            }
        });
        let sum = masked.reduce(|sum, next| add(sum?, next?));
        sum.unwrap_or_else(|| Err(Error::shape("a masked mean", "a modality", [0])))
    }
}

impl Module for Means {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let mut layers = self.layers.iter_mut().enumerate();
        layers.try_for_each(|(modality, layer)| layer.visit_params(&path.join(modality), visitor))
    }
}

/// Leaves it to its layer to refuse a width.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Wide {
    width: usize,
}

#[typetag::serde(name = "wide")]
impl Fusion for Wide {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let read = cx.feature_dims.iter().sum();
        Ok(Box::new(Projection {
            fault: Fault::Nothing,
            feature_dims: cx.feature_dims.to_vec(),
            linear: Linear::new(cx.device, read, self.width, cx.seed)?,
        }))
    }
}

gblend_core::register!(Fusion, "wide" => Wide);

#[test]
fn a_fusion_without_a_fault_passes() {
    let sound = Flawed {
        fault: Fault::Nothing,
    };
    conformance::fusion(&sound).unwrap();
    conformance::fusion_with(&sound, &[3, 1, 8]).unwrap();
}

#[test]
fn each_fault_of_a_fusion_is_found_by_its_rule() {
    for (fault, rule) in [
        (Fault::WantsElevenModalities, Rule::Builds),
        (Fault::TellsAnotherLength, Rule::OutputHasShape),
        (Fault::LooksAtTheBatchSize, Rule::SamplesAreIndependent),
        (Fault::HasAConstantOutput, Rule::EverythingLearns),
        (Fault::DividesByTheSpread, Rule::FiniteOnFlatInput),
        (Fault::SeesTheFirstModalityAlone, Rule::EveryInputLearns),
        (Fault::DetachesAFactor, Rule::GradientsAreDerivatives),
        (Fault::PanicsWithoutFeatures, Rule::NeverPanics),
        (Fault::TakesMoreModalities, Rule::OtherInputRefused),
        (Fault::DropsAForksHistory, Rule::EverythingLearns),
        (Fault::DropsAPartOfTheHistory, Rule::GradientsAreDerivatives),
        (Fault::DividesByThoseThere, Rule::MissingIsFused),
        (Fault::CountsMissingInTheBatch, Rule::SamplesAreIndependent),
        (Fault::StopsWhereOneIsMissing, Rule::MissingIsFused),
        (Fault::TakesAMaskForMissing, Rule::PresentIsWhole),
        (Fault::MasksWithoutAGradient, Rule::GradientsAreDerivatives),
    ] {
        let violation = conformance::fusion(&Flawed { fault }).unwrap_err();
        assert_eq!(violation.rule, rule, "{fault:?}: {violation}");
    }
}

#[test]
fn a_fusion_that_reads_a_missing_modality_as_zeros_passes_and_is_found_where_it_should_tell() {
    let of = |table: &str| -> Box<dyn Fusion> { serde_json::from_str(table).unwrap() };
    for table in [
        r#"{"kind": "sum", "width": 3}"#,
        r#"{"kind": "gated", "width": 3}"#,
        r#"{"kind": "attention", "width": 4, "heads": 2}"#,
        r#"{"kind": "film", "width": 3}"#,
    ] {
        conformance::fusion_tells_missing(of(table).as_ref()).unwrap();
    }
    for table in [
        r#"{"kind": "concat"}"#,
        r#"{"kind": "se"}"#,
        r#"{"kind": "lmf", "width": 3}"#,
    ] {
        conformance::fusion(of(table).as_ref()).unwrap();
        let violation = conformance::fusion_tells_missing(of(table).as_ref()).unwrap_err();
        assert_eq!(violation.rule, Rule::MissingIsTold, "{table}: {violation}");
    }
}

#[test]
fn a_fusion_that_tells_of_some_modalities_whether_they_are_missing_is_found() {
    let violation = conformance::fusion_tells_missing(&MaskedMean { forgets: true }).unwrap_err();
    assert_eq!(violation.rule, Rule::MissingIsTold, "{violation}");
    assert!(
        violation.expected.contains("modality 1 is missing"),
        "{violation}"
    );
    let sound = MaskedMean { forgets: false };
    conformance::fusion_tells_missing(&sound).unwrap();
    conformance::fusion(&sound).unwrap();
}

#[test]
fn a_lost_gradient_is_told_with_what_loses_gradients() {
    for fault in [
        Fault::DropsAForksHistory,
        Fault::DropsAPartOfTheHistory,
        Fault::DetachesAFactor,
    ] {
        let text = conformance::fusion(&Flawed { fault }).unwrap_err().to_string();
        assert!(
            text.contains("`detach`") && text.contains("`fork` returns"),
            "{text}"
        );
    }
}

#[test]
fn what_a_layer_refuses_is_told_as_the_setting_that_a_run_tells() {
    let violation = conformance::fusion(&Wide { width: 0 }).unwrap_err();
    assert_eq!(violation.rule, Rule::Builds);
    let told = "`fusion.width = 0: expected at least 1 (outputs of a linear layer)`";
    assert!(violation.found.contains(told), "{violation}");
}

#[test]
fn what_is_wrong_with_many_values_is_told_in_a_line() {
    let fault = Fault::LooksAtTheBatchSize;
    let violation = conformance::fusion_with(&Flawed { fault }, &[300, 200]).unwrap_err();
    assert_eq!(violation.rule, Rule::SamplesAreIndependent);
    let text = violation.to_string();
    assert!(text.len() < 600, "{} characters: {text}", text.len());
    assert!(text.contains("features of lengths [300, 200]"), "{text}");
    assert!(text.contains("of 6 values differ"), "{text}");
}

#[test]
fn a_fusion_of_few_is_checked_with_the_lengths_that_it_is_meant_for() {
    let fault = Fault::WantsElevenModalities;
    conformance::fusion_with(&Flawed { fault }, &[2; 11]).unwrap();
}
