//! The kit finds fusions that break a rule.

use gblend_core::conformance::{self, Rule};
use gblend_core::nn::{Linear, concatenate, detach, multiply, scale};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::tensor::Features;
use gblend_core::{
    Error, Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
    typetag,
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
        let mut features = inputs.features;
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
    ] {
        let violation = conformance::fusion(&Flawed { fault }).unwrap_err();
        assert_eq!(violation.rule, rule, "{fault:?}: {violation}");
    }
}

#[test]
fn a_fusion_of_few_is_checked_with_the_lengths_that_it_is_meant_for() {
    let fault = Fault::WantsElevenModalities;
    conformance::fusion_with(&Flawed { fault }, &[2; 11]).unwrap();
}
