//! Checks of fusions.

use proptest::strategy::Strategy;

use super::arbitrary;
use super::built::Built;
use super::derivatives::{self, Arrays};
use super::fusion_inputs::{Leaf, Shapes};
use super::tensors::gradients_of;
use super::{Rule, Violation, config, flat, harness, registration};
use crate::array::Array;
use crate::error::Error;
use crate::fusion::{Fusion, FusionInputs, FusionModule};
use crate::params::{load_state, state_of};
use crate::pass::Pass;
use crate::role::Role;
use crate::seed::Seed;
use crate::stage::StageShape;

/// Lengths of the features of each modality that are tried; in half of them all are alike, as some fusions want.
const LENGTHS: [&[usize]; 8] = [
    &[4],
    &[4, 4],
    &[4, 4, 4],
    &[4, 4, 4, 4],
    &[5],
    &[3, 6],
    &[6, 2, 5],
    &[2, 7, 3, 5],
];

/// Maps that are tried for fusions of a stage, in half of them all alike.
const STAGES: [&[StageShape]; 6] = [
    &[maps(3, 2, 2, 1)],
    &[maps(2, 3, 3, 2), maps(2, 3, 3, 2)],
    &[maps(3, 2, 2, 1), maps(3, 2, 2, 1), maps(3, 2, 2, 1)],
    &[maps(2, 4, 3, 2)],
    &[maps(2, 3, 4, 2), maps(3, 5, 2, 1)],
    &[maps(1, 2, 2, 3), maps(4, 1, 3, 2), maps(2, 4, 4, 2)],
];

const fn maps(channels: usize, height: usize, width: usize, frames: usize) -> StageShape {
    StageShape {
        channels,
        height,
        width,
        frames,
    }
}

/// Samples of a batch.
const SAMPLES: usize = 4;
/// Inputs that are tried for each of [`LENGTHS`] or [`STAGES`].
const CASES: u32 = 3;

/// Checks a fusion of one to four modalities.
///
/// Lengths of features that it refuses with [`Error::Setting`], [`Error::Argument`] or [`Error::Shape`] are left out; it must take some. A
/// fusion that takes others than these is checked by [`fusion_with`]. A fusion that asks for a stage is given maps of
/// one to three modalities, and [`fusion_with_stages`] takes others.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn fusion(fusion: &dyn Fusion) -> Result<(), Violation> {
    harness::of_plugin(fusion.typetag_name(), || {
        check_settings(fusion)?;
        let shapes: Vec<Shapes<'_>> = match fusion.stage() {
            None => LENGTHS.map(Shapes::Lengths).to_vec(),
            Some(_) => STAGES.map(Shapes::Stages).to_vec(),
        };
        let mut refusal = String::new();
        let mut taken = Vec::new();
        for &shapes in &shapes {
            match shapes.build(fusion, Seed::new(1)) {
                Ok(_) => {
                    check(&|seed| shapes.build(fusion, seed), shapes)?;
                    taken.push(shapes);
                }
                Err(error @ (Error::Setting { .. } | Error::Argument { .. } | Error::Shape { .. })) => {
                    refusal = format!("for {shapes:?} the error `{error}`");
                }
                Err(error) => {
                    let expected = "a fusion, Error::Setting, Error::Argument or Error::Shape";
                    return Err(Rule::Builds.broken(expected, error).with(&shapes));
                }
            }
        }
        let expected = format!(
            "a fusion of {shapes:?}; `fusion_with` and `fusion_with_stages` take those that it is meant for"
        );
        if taken.is_empty() {
            return Err(Rule::Builds.broken(expected, refusal));
        }
        taken
            .into_iter()
            .try_for_each(|shapes| check_derivatives(&|seed| shapes.build(fusion, seed), shapes))
    })
}

/// Checks a fusion of features of the lengths that it is meant for.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn fusion_with(fusion: &dyn Fusion, lengths: &[usize]) -> Result<(), Violation> {
    harness::of_plugin(fusion.typetag_name(), || {
        let expected = "a fusion of feature vectors; `fusion_with_stages` takes one of maps";
        Rule::CasesExist.holds(fusion.stage().is_none(), expected, fusion.stage())?;
        check_settings(fusion)?;
        let shapes = Shapes::Lengths(lengths);
        let build = |seed| shapes.build(fusion, seed);
        check(&build, shapes)?;
        check_derivatives(&build, shapes)
    })
}

/// Checks a fusion that asks for a stage, with maps of the shapes that it is meant for.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn fusion_with_stages(fusion: &dyn Fusion, stages: &[StageShape]) -> Result<(), Violation> {
    harness::of_plugin(fusion.typetag_name(), || {
        let expected = "a fusion that asks for a stage; `fusion_with` takes one of feature vectors";
        Rule::CasesExist.holds(fusion.stage().is_some(), expected, fusion.stage())?;
        check_settings(fusion)?;
        let shapes = Shapes::Stages(stages);
        let build = |seed| shapes.build(fusion, seed);
        check(&build, shapes)?;
        check_derivatives(&build, shapes)
    })
}

fn check_settings(fusion: &dyn Fusion) -> Result<(), Violation> {
    registration::check(Role::Fusion, fusion.typetag_name())?;
    config::survives_json::<_, Box<dyn Fusion>>(fusion.typetag_name(), fusion)
}

/// Makes a fusion with initial parameters by a seed.
type Build<'a> = dyn Fn(Seed) -> crate::Result<Box<dyn FusionModule>> + 'a;

/// Values for everything that the modalities give.
fn cases(shapes: Shapes<'_>) -> impl Strategy<Value = Vec<Array>> {
    let elements = shapes.elements().into_iter();
    elements
        .map(|elements| arbitrary::array(vec![SAMPLES, elements]))
        .collect::<Vec<_>>()
}

/// Checks a fusion that is built for these shapes.
pub(super) fn check(build: &Build<'_>, shapes: Shapes<'_>) -> Result<(), Violation> {
    harness::for_each(CASES, cases(shapes), |arrays| {
        let case = Case {
            build,
            shapes,
            arrays,
        };
        case.with_built(|built| built.check())?;
        case.check_refusals()?;
        case.check_inputs()
    })?;
    for value in flat::VALUES {
        let arrays = shapes.elements().into_iter();
        let arrays: crate::Result<Vec<Array>> = arrays
            .map(|elements| Array::new([SAMPLES, elements], vec![value; SAMPLES * elements]))
            .collect();
        let arrays = Rule::CasesExist.works("flat inputs", arrays)?;
        let case = Case {
            build,
            shapes,
            arrays: &arrays,
        };
        case.with_built(|built| built.check_flat())
            .map_err(|violation| violation.with(&format_args!("{shapes:?} of {value:e} alone")))?;
    }
    Ok(())
}

/// Last of all: who stops a gradient on purpose breaks this rule alone.
fn check_derivatives(build: &Build<'_>, shapes: Shapes<'_>) -> Result<(), Violation> {
    // As they are drawn: among the simplest cases are those on a kink.
    harness::for_each(CASES, cases(shapes).no_shrink(), |arrays| {
        let case = Case {
            build,
            shapes,
            arrays,
        };
        let checked = case.with_built(|built| built.check_derivatives());
        let checked = checked.and_then(|()| case.check_input_derivatives());
        checked.map_err(|violation| violation.with(&shapes))
    })
}

struct Case<'a> {
    build: &'a Build<'a>,
    shapes: Shapes<'a>,
    /// `[samples, elements of a sample]` of each modality.
    arrays: &'a [Array],
}

impl Case<'_> {
    fn module(&self, seed: Seed) -> Result<Box<dyn FusionModule>, Violation> {
        Rule::Builds.works("building", (self.build)(seed))
    }

    /// The fusion on the arrays.
    fn with_built(
        &self,
        check: impl FnOnce(&Built<'_, dyn FusionModule>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        check(&Built {
            build: self.build,
            run: &|module, samples, pass| module.fuse(self.shapes.inputs(self.arrays, samples, pass)?, pass),
            length: &|module| module.fused_dim(),
            samples: SAMPLES,
        })
    }

    fn check_refusals(&self) -> Result<(), Violation> {
        let mut module = self.module(Seed::new(1))?;
        let pass = Pass::evaluate();
        for extents in self.shapes.others(SAMPLES) {
            let inputs = Shapes::ones(&extents, &pass);
            let inputs = Rule::CasesExist.works(format!("inputs {extents:?}"), inputs)?;
            let what = format!(
                "inputs of shapes {extents:?} where it was built for {:?}",
                self.shapes
            );
            Rule::OtherInputRefused.refused(what, module.fuse(inputs, &pass))?;
        }
        let what = "a batch without any input";
        Rule::OtherInputRefused.refused(what, module.fuse(FusionInputs::default(), &pass))
    }

    /// Whatever stops the gradient here leaves an encoder without the joint loss.
    fn check_inputs(&self) -> Result<(), Violation> {
        const TRIES: u64 = 4;
        let rule = Rule::EveryInputLearns;
        let mut without: Vec<usize> = (0..self.arrays.len()).collect();
        for attempt in (0..TRIES).map(Seed::new) {
            let mut leaves = Rule::CasesExist.works("inputs", self.shapes.leaves(self.arrays))?;
            let inputs = Leaf::inputs(&leaves);
            let fused = self.module(attempt)?.fuse(inputs, &Pass::train(attempt));
            let gradients = fused.and_then(gradients_of);
            let mut gradients = rule.works("a training pass and the backward pass", gradients)?;
            for (modality, leaf) in leaves.iter_mut().enumerate() {
                let gradient = rule.works("reading gradients", leaf.param().gradient(&mut gradients))?;
                if gradient.values().iter().any(|&value| value != 0.0) {
                    without.retain(|&other| other != modality);
                }
            }
        }
        let expected = "a gradient for the input of each modality";
        rule.holds(
            without.is_empty(),
            expected,
            format!("none for those of modalities {without:?}"),
        )
    }

    /// That gradients of inputs, with which the encoders go on, are derivatives.
    fn check_input_derivatives(&self) -> Result<(), Violation> {
        let rule = Rule::GradientsAreDerivatives;
        for pass in [Pass::train(Seed::new(4)), Pass::differentiate()] {
            let mut module = self.module(Seed::new(1))?;
            let kept = rule.works("reading parameters", state_of(module.as_mut()))?;
            let mut leaves = Rule::CasesExist.works("inputs", self.shapes.leaves(self.arrays))?;
            let fused = module.fuse(Leaf::inputs(&leaves), &pass);
            let backward = fused.and_then(gradients_of);
            let mut backward = rule.works("a pass and the backward pass", backward)?;
            let (mut point, mut gradients) = (Arrays::new(), Arrays::new());
            for (modality, leaf) in leaves.iter_mut().enumerate() {
                let name = name_of_input(modality);
                let gradient = rule.works("reading gradients", leaf.param().gradient(&mut backward))?;
                point.insert(name.clone(), leaf.param().to_array());
                gradients.insert(name, gradient);
            }
            derivatives::check(&point, &gradients, &mut |point| {
                for (modality, leaf) in leaves.iter_mut().enumerate() {
                    if let Some(array) = point.get(&name_of_input(modality)) {
                        Rule::CasesExist.works("inputs", leaf.param().set(array))?;
                    }
                }
                rule.works("loading parameters", load_state(module.as_mut(), &kept))?;
                let fused = module
                    .fuse(Leaf::inputs(&leaves), &pass)
                    .and_then(|fused| fused.to_array());
                rule.works("a pass", fused)
            })?;
        }
        Ok(())
    }
}

fn name_of_input(modality: usize) -> String {
    format!("the input of modality {modality}")
}
