//! Checks of an encoder's stages, at each of which it can be run in two halves.

use super::built::{paths_of, same_output};
use super::difference::same_text;
use super::{Rule, Violation};
use crate::error::Result;
use crate::modality::Encoder;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::stage::{EncoderHalf, StageShape};
use crate::tensor::{AutoDevice, Batch, Maps, Plain};

/// Checks every stage that the encoder says it has, and that it has no other.
pub(super) fn check(
    build: &dyn Fn(Seed) -> Result<Box<dyn Encoder>>,
    batch: &dyn Fn(&[usize]) -> Result<Batch>,
    samples: usize,
) -> Result<(), Violation> {
    let module = || Rule::Builds.works("building", build(Seed::new(1)));
    let all: Vec<usize> = (0..samples).collect();
    let batch = Rule::CasesExist.works("a batch", batch(&all))?;
    let mut encoder = module()?;
    let stages = encoder.stages().to_vec();
    for stage in [0, stages.len() + 1] {
        let maps = encoder.encode_up_to(stage, &batch, &Pass::evaluate());
        let what = format!("stage {stage} of {}", stages.len());
        Rule::OtherInputRefused.refused(what, maps)?;
    }
    for (stage, &shape) in (1..).zip(&stages) {
        for pass in [Pass::evaluate(), Pass::train(Seed::new(3))] {
            let whole = encoded(
                module()?
                    .encode(&batch, &pass)
                    .and_then(|features| features.to_array()),
            )?;
            let mut halved = module()?;
            let maps = encoded(halved.encode_up_to(stage, &batch, &pass))?;
            let rule = Rule::StagesLeaveMaps;
            rule.holds(
                *maps.shape() == shape.of_batch(samples),
                format!("{:?} for {samples} samples", shape.of_batch(samples)),
                maps.shape(),
            )?;
            let features = encoded(
                halved
                    .encode_after(stage, maps, &pass)
                    .and_then(|features| features.to_array()),
            )?;
            same_output(Rule::HalvesAreTheWhole, &whole, &features)?;
        }
        check_shares(module()?.as_mut(), stage)?;
        for maps in other_maps(shape, samples) {
            let maps = Rule::CasesExist.works("maps", maps)?;
            let what = format!("maps of shape {:?} after stage {stage}, {shape:?}", maps.shape());
            let features = encoder.encode_after(stage, maps, &Pass::evaluate());
            Rule::OtherInputRefused.refused(what, features)?;
        }
    }
    Ok(())
}

fn encoded<T>(result: Result<T>) -> Result<T, Violation> {
    Rule::Runs.works("encoding by halves", result)
}

fn check_shares(encoder: &mut dyn Encoder, stage: usize) -> Result<(), Violation> {
    let mut halves = Vec::new();
    for half in [EncoderHalf::UpTo(stage), EncoderHalf::After(stage)] {
        halves.extend(paths_of(&mut Half { encoder, half })?);
    }
    let mut whole = paths_of(&mut Whole(encoder))?;
    halves.sort();
    whole.sort();
    let what = format!("at stage {stage}, of the whole,");
    same_text(Rule::HalvesShareOut, what, &whole.join(", "), &halves.join(", "))
}

struct Half<'a> {
    encoder: &'a mut dyn Encoder,
    half: EncoderHalf,
}

impl Module for Half<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.encoder.visit_half(self.half, path, visitor)
    }
}

struct Whole<'a>(&'a mut dyn Encoder);

impl Module for Whole<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.0.visit_params(path, visitor)
    }
}

/// One longer along each axis of a map.
fn other_maps(shape: StageShape, samples: usize) -> [Result<Maps>; 3] {
    let (channels, height, width, columns) = shape.of_batch(samples);
    let shapes = [
        (channels + 1, height, width, columns),
        (channels, height + 1, width, columns),
        (channels, height, width + 1, columns),
    ];
    shapes.map(|shape| {
        let maps = Plain::filled(&AutoDevice::default(), shape, 0.0)?;
        Ok(maps.enter(Pass::evaluate().recorder()))
    })
}
