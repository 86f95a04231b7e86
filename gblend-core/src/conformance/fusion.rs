//! Checks of fusions.

use proptest::strategy::Strategy;
use rand::RngExt;

use super::arbitrary;
use super::built::{Built, close, largest};
use super::derivatives::{self, Arrays};
use super::difference::all_finite;
use super::fusion_inputs::{Leaf, Shapes};
use super::presence::Presence;
use super::tensors::gradients_of;
use super::{Rule, Violation, config, flat, harness, registration};
use crate::array::Array;
use crate::error::Error;
use crate::fusion::{Fusion, FusionInputs, FusionModule};
use crate::params::{load_state, state_of};
use crate::pass::Pass;
use crate::presence::PresenceMask;
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
/// All of them.
const SAMPLE_NUMBERS: [usize; SAMPLES] = [0, 1, 2, 3];
/// Inputs that are tried for each of [`LENGTHS`] or [`STAGES`].
const CASES: u32 = 3;

/// Checks a fusion of one to four modalities, with all of them there and with some missing.
///
/// Lengths of features that it refuses with [`Error::Setting`], [`Error::Argument`] or [`Error::Shape`] are left out; it must take some. A
/// fusion that takes others than these is checked by [`fusion_with`]. A fusion that asks for a stage is given maps of
/// one to three modalities, and [`fusion_with_stages`] takes others.
///
/// A fusion may leave [`FusionInputs::present`] aside, for then a missing modality is one whose features are zeros. One that is
/// meant to look at it is held to that by [`fusion_tells_missing`].
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn fusion(fusion: &dyn Fusion) -> Result<(), Violation> {
    harness::of_plugin(fusion.typetag_name(), || {
        check_settings(fusion)?;
        let taken = taken(fusion)?;
        let builds =
            |shapes: Shapes<'_>, check: CheckBuilt| check(&|seed| shapes.build(fusion, seed), shapes);
        taken.iter().try_for_each(|&shapes| builds(shapes, check))?;
        taken
            .iter()
            .try_for_each(|&shapes| builds(shapes, check_derivatives))
    })
}

/// Checks that a fusion tells a sample that lacks a modality from one that has it, with features of zeros, whichever modality
/// it is. Not every fusion does: one that puts feature vectors side by side has no need to.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn fusion_tells_missing(fusion: &dyn Fusion) -> Result<(), Violation> {
    harness::of_plugin(fusion.typetag_name(), || {
        for shapes in taken(fusion)? {
            harness::for_each(1, cases(shapes), |arrays| {
                let build = |seed| shapes.build(fusion, seed);
                let case = Case::new(&build, shapes, arrays, Presence::default());
                for modality in 0..arrays.len() {
                    let expected =
                        format!("another output where modality {modality} is missing in all samples");
                    Rule::MissingIsTold
                        .holds(case.tells_missing(modality)?, expected, format_args!("the same"))
                        .map_err(|violation| violation.with(&format_args!("{}", shapes.described())))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// A check of a fusion that is built for these shapes.
type CheckBuilt = fn(&Build<'_>, Shapes<'_>) -> Result<(), Violation>;

/// What the fusion can be built for of what is tried.
fn taken(fusion: &dyn Fusion) -> Result<Vec<Shapes<'static>>, Violation> {
    let shapes: Vec<Shapes<'static>> = match fusion.stage() {
        None => LENGTHS.map(Shapes::Lengths).to_vec(),
        Some(_) => STAGES.map(Shapes::Stages).to_vec(),
    };
    let mut refusal = String::new();
    let mut taken = Vec::new();
    for &shapes in &shapes {
        match shapes.build(fusion, Seed::new(1)) {
            Ok(_) => taken.push(shapes),
            Err(error @ (Error::Setting { .. } | Error::Argument { .. } | Error::Shape { .. })) => {
                refusal = format!("for {} the error `{error}`", shapes.described());
            }
            Err(error) => {
                let expected = "a fusion, Error::Setting, Error::Argument or Error::Shape";
                let violation = Rule::Builds.broken(expected, error);
                return Err(violation.with(&format_args!("{}", shapes.described())));
            }
        }
    }
    if taken.is_empty() {
        let expected = "a fusion of some of the lengths or maps that are tried; `fusion_with` and `fusion_with_stages` take \
                        those that it is meant for";
        return Err(Rule::Builds.broken(expected, refusal));
    }
    Ok(taken)
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
        let whole = Case::new(build, shapes, arrays, Presence::default());
        whole.told(|case| {
            case.with_built(|built| built.check())?;
            case.check_refusals()?;
            case.check_inputs()?;
            case.check_all_present()
        })
    })?;
    for value in flat::VALUES {
        let arrays = shapes.elements().into_iter();
        let arrays: crate::Result<Vec<Array>> = arrays
            .map(|elements| Array::new([SAMPLES, elements], vec![value; SAMPLES * elements]))
            .collect();
        let arrays = Rule::CasesExist.works("flat inputs", arrays)?;
        let flat = Case::new(build, shapes, &arrays, Presence::default());
        flat.with_built(|built| built.check_finite(Rule::FiniteOnFlatInput))
            .map_err(|violation| violation.with(&format_args!("{}, {value:e} alone", shapes.described())))?;
    }
    harness::for_each(CASES, cases(shapes), |arrays| {
        let modalities = arrays.len();
        let mixed = Presence::mixed(modalities, SAMPLES);
        let without = (0..modalities).map(|modality| Presence::without(modality, modalities, SAMPLES));
        let nobody = Presence::nobody(modalities, SAMPLES);
        for presence in without.chain([nobody, mixed.clone()]) {
            let missing = Case::new(build, shapes, arrays, presence);
            missing.told(Case::check_missing)?;
        }
        // Whatever holds of whole samples does where some lack a modality.
        Case::new(build, shapes, arrays, mixed).told(|case| {
            case.with_built(|built| built.check())?;
            case.check_inputs()
        })
    })
}

/// Last of all: who stops a gradient on purpose breaks this rule alone.
fn check_derivatives(build: &Build<'_>, shapes: Shapes<'_>) -> Result<(), Violation> {
    // As they are drawn: among the simplest cases are those on a kink.
    harness::for_each(CASES, cases(shapes).no_shrink(), |arrays| {
        for presence in [Presence::default(), Presence::mixed(arrays.len(), SAMPLES)] {
            Case::new(build, shapes, arrays, presence).told(|case| {
                case.with_built(|built| built.check_derivatives())?;
                case.check_input_derivatives()
            })?;
        }
        Ok(())
    })
}

struct Case<'a> {
    build: &'a Build<'a>,
    shapes: Shapes<'a>,
    /// `[samples, elements of a sample]` of each modality, zeros where a sample lacks it.
    arrays: Vec<Array>,
    presence: Presence,
}

impl<'a> Case<'a> {
    fn new(build: &'a Build<'a>, shapes: Shapes<'a>, arrays: &[Array], presence: Presence) -> Self {
        Self {
            build,
            shapes,
            arrays: presence.applied(arrays),
            presence,
        }
    }

    /// Checks it, and tells with what if a rule is broken.
    fn told(&self, check: impl FnOnce(&Self) -> Result<(), Violation>) -> Result<(), Violation> {
        check(self).map_err(|violation| {
            let (shapes, presence) = (self.shapes.described(), self.presence.described());
            violation.with(&format_args!("{shapes}, and {presence}"))
        })
    }

    fn module(&self, seed: Seed) -> Result<Box<dyn FusionModule>, Violation> {
        Rule::Builds.works("building", (self.build)(seed))
    }

    /// These samples, as data.
    fn inputs(&self, samples: &[usize], pass: &Pass) -> crate::Result<FusionInputs> {
        let mut inputs = self.shapes.inputs(&self.arrays, samples, pass)?;
        inputs.present = self.presence.told(samples);
        Ok(inputs)
    }

    /// All samples, with gradients.
    fn inputs_of(&self, leaves: &[Leaf]) -> FusionInputs {
        let mut inputs = Leaf::inputs(leaves);
        inputs.present = self.presence.told(&SAMPLE_NUMBERS);
        inputs
    }

    /// The fusion on the arrays.
    fn with_built(
        &self,
        check: impl FnOnce(&Built<'_, dyn FusionModule>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        check(&Built {
            build: self.build,
            run: &|module, samples, pass| module.fuse(self.inputs(samples, pass)?, pass),
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
                "inputs of shapes {extents:?} where it was built for {}",
                self.shapes.described()
            );
            Rule::OtherInputRefused.refused(what, module.fuse(inputs, &pass))?;
        }
        let what = "a batch without any input";
        Rule::OtherInputRefused.refused(what, module.fuse(FusionInputs::default(), &pass))
    }

    /// The gradients of what each modality gives, in a training pass.
    fn input_gradients(&self, rule: Rule, seed: Seed) -> Result<Vec<Array>, Violation> {
        let mut leaves = Rule::CasesExist.works("inputs", self.shapes.leaves(&self.arrays))?;
        let fused = self
            .module(seed)?
            .fuse(self.inputs_of(&leaves), &Pass::train(seed));
        let gradients = fused.and_then(gradients_of);
        let mut gradients = rule.works("a training pass and the backward pass", gradients)?;
        let read = leaves.iter_mut().map(|leaf| {
            let gradient = leaf.param().gradient(&mut gradients);
            rule.works("reading gradients", gradient)
        });
        read.collect()
    }

    /// Whatever stops the gradient here leaves an encoder without the joint loss.
    fn check_inputs(&self) -> Result<(), Violation> {
        const TRIES: u64 = 4;
        let rule = Rule::EveryInputLearns;
        let mut without: Vec<usize> = (0..self.arrays.len()).collect();
        for attempt in (0..TRIES).map(Seed::new) {
            for (modality, gradient) in self.input_gradients(rule, attempt)?.iter().enumerate() {
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

    /// A mask that says of all samples that they are there says no more than none does.
    fn check_all_present(&self) -> Result<(), Violation> {
        let rule = Rule::PresentIsWhole;
        let mut module = self.module(Seed::new(1))?;
        let mut fuse = |present: Vec<Option<PresenceMask>>| -> crate::Result<Array> {
            let pass = Pass::evaluate();
            let mut inputs = self.inputs(&SAMPLE_NUMBERS, &pass)?;
            inputs.present = present;
            module.fuse(inputs, &pass)?.to_array()
        };
        let plain = rule.works("a pass", fuse(Vec::new()))?;
        let modalities = self.arrays.len();
        for present in [None, Some(PresenceMask::new([true; SAMPLES]))] {
            let told = rule.works("a pass", fuse(vec![present; modalities]))?;
            let what = "what it makes of samples of which it is told nothing";
            close(rule, what, plain.values(), told.values(), largest(&plain))?;
        }
        Ok(())
    }

    /// Nothing divides by the number of those that are there.
    fn check_missing(&self) -> Result<(), Violation> {
        let rule = Rule::MissingIsFused;
        self.with_built(|built| built.check_finite(rule))?;
        for (modality, gradient) in self.input_gradients(rule, Seed::new(1))?.iter().enumerate() {
            let what = format!("the gradient of {}", name_of_input(modality));
            all_finite(rule, what, gradient.shape(), gradient.values())?;
        }
        Ok(())
    }

    /// That gradients of inputs, with which the encoders go on, are derivatives.
    fn check_input_derivatives(&self) -> Result<(), Violation> {
        let rule = Rule::GradientsAreDerivatives;
        for pass in [Pass::train(Seed::new(4)), Pass::differentiate()] {
            let mut module = self.module(Seed::new(1))?;
            let kept = rule.works("reading parameters", state_of(module.as_mut()))?;
            let mut leaves = Rule::CasesExist.works("inputs", self.shapes.leaves(&self.arrays))?;
            let fused = module.fuse(self.inputs_of(&leaves), &pass);
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
                    .fuse(self.inputs_of(&leaves), &pass)
                    .and_then(|fused| fused.to_array());
                rule.works("a pass", fused)
            })?;
        }
        Ok(())
    }

    /// Whether the fusion tells that no sample has this modality from features of it that are zeros.
    fn tells_missing(&self, modality: usize) -> Result<bool, Violation> {
        let rule = Rule::MissingIsTold;
        let mut module = self.module(Seed::new(1))?;
        // A bias that begins as zero may be all that tells it.
        let mut state = rule.works("reading parameters", state_of(module.as_mut()))?;
        let mut rng = Seed::new(2).rng();
        for values in state.values_mut() {
            values
                .values_mut()
                .iter_mut()
                .for_each(|value| *value += rng.random_range(0.05..0.5_f32));
        }
        rule.works("loading parameters", load_state(module.as_mut(), &state))?;
        let without = Presence::without(modality, self.arrays.len(), SAMPLES);
        let case = Case::new(self.build, self.shapes, &self.arrays, without);
        let mut fuse = |told: bool| -> crate::Result<Array> {
            let pass = Pass::evaluate();
            let mut inputs = case.inputs(&SAMPLE_NUMBERS, &pass)?;
            if !told {
                inputs.present = Vec::new();
            }
            module.fuse(inputs, &pass)?.to_array()
        };
        let (missing, zeros) = (
            rule.works("a pass", fuse(true))?,
            rule.works("a pass", fuse(false))?,
        );
        let alike = close(rule, "", missing.values(), zeros.values(), largest(&zeros));
        Ok(alike.is_err())
    }
}

fn name_of_input(modality: usize) -> String {
    format!("the input of modality {modality}")
}
