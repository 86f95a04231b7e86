//! Checks of fusions.

use dfdx::tensor::{PutTape, TensorFromVec};
use proptest::prelude::*;

use super::arbitrary;
use super::built::Built;
use super::tensors::gradients_of_squares;
use super::{Rule, Violation, config, harness};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::fusion::{Fusion, FusionContext, FusionModule};
use crate::params::ParamMut;
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims2, Features, Plain};

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

/// Samples of a batch.
const SAMPLES: usize = 4;
/// Features that are tried for each of [`LENGTHS`].
const CASES: u32 = 3;

/// Checks a fusion of one to four modalities.
///
/// Lengths that it refuses with [`Error::Setting`] or [`Error::Shape`] are left out; it must take some. A fusion that
/// takes others than these is checked by [`fusion_with`].
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn fusion(fusion: &dyn Fusion) -> Result<(), Violation> {
    harness::of_plugin(fusion.typetag_name(), || {
        check_settings(fusion)?;
        let mut refusal = String::new();
        let mut built = false;
        for lengths in LENGTHS {
            match build(fusion, lengths, Seed::new(1)) {
                Ok(_) => {
                    built = true;
                    check(fusion, lengths)?;
                }
                Err(error @ (Error::Setting { .. } | Error::Shape { .. })) => refusal = error.to_string(),
                Err(error) => {
                    let expected = "a fusion, Error::Setting or Error::Shape";
                    return Err(Rule::Builds.broken(expected, error).with(&lengths));
                }
            }
        }
        let expected =
            format!("a fusion of lengths {LENGTHS:?}; `fusion_with` takes those that it is meant for");
        Rule::Builds.holds(built, expected, refusal)
    })
}

/// Checks a fusion of features of the lengths that it is meant for.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn fusion_with(fusion: &dyn Fusion, lengths: &[usize]) -> Result<(), Violation> {
    harness::of_plugin(fusion.typetag_name(), || {
        check_settings(fusion)?;
        check(fusion, lengths)
    })
}

fn check_settings(fusion: &dyn Fusion) -> Result<(), Violation> {
    config::survives_json::<_, Box<dyn Fusion>>(fusion.typetag_name(), fusion)
}

fn build(fusion: &dyn Fusion, feature_dims: &[usize], seed: Seed) -> Result<Box<dyn FusionModule>> {
    fusion.build(&FusionContext {
        device: &AutoDevice::default(),
        feature_dims,
        seed,
    })
}

/// Features of one modality, `[samples, length]`.
fn features() -> impl Fn(usize) -> BoxedStrategy<Array> {
    |length| arbitrary::array(vec![SAMPLES, length]).boxed()
}

fn check(fusion: &dyn Fusion, lengths: &[usize]) -> Result<(), Violation> {
    let strategies: Vec<_> = lengths.iter().copied().map(features()).collect();
    harness::for_each(CASES, strategies, |features| {
        let case = Case {
            fusion,
            lengths,
            features,
        };
        Built::<dyn FusionModule> {
            build: &|seed| build(fusion, lengths, seed),
            run: &|module, samples, pass| module.fuse(case.rows(samples, pass)?, pass),
            length: &|module| module.fused_dim(),
            samples: SAMPLES,
        }
        .check()?;
        case.check_refusals()?;
        case.check_inputs()
    })
}

struct Case<'a> {
    fusion: &'a dyn Fusion,
    lengths: &'a [usize],
    features: &'a [Array],
}

impl Case<'_> {
    /// Some samples of every modality.
    fn rows(&self, samples: &[usize], pass: &Pass) -> Result<Vec<Features>> {
        let lengths = self.lengths.iter().zip(self.features);
        lengths
            .map(|(&length, features)| {
                let rows = samples
                    .iter()
                    .flat_map(|&sample| &features.values()[sample * length..][..length]);
                let rows = plain(rows.copied().collect(), samples.len(), length)?;
                Ok(rows.put_tape(pass.recorder()))
            })
            .collect()
    }

    fn module(&self, seed: Seed) -> Result<Box<dyn FusionModule>, Violation> {
        Rule::Builds.works("building", build(self.fusion, self.lengths, seed))
    }

    fn check_refusals(&self) -> Result<(), Violation> {
        let mut module = self.module(Seed::new(1))?;
        let given: Vec<[usize; 2]> = self.lengths.iter().map(|&length| [SAMPLES, length]).collect();
        let mut wrong = vec![given[1..].to_vec(), [given.clone(), vec![given[0]]].concat()];
        for modality in 0..given.len() {
            let mut longer = given.clone();
            longer[modality][1] += 1;
            wrong.push(longer);
            if given.len() > 1 {
                let mut fewer = given.clone();
                fewer[modality][0] -= 1;
                wrong.push(fewer);
            }
        }
        let pass = Pass::evaluate();
        for shapes in wrong {
            let features = shapes.iter().map(|&[samples, length]| {
                let rows = plain(vec![1.0; samples * length], samples, length)?;
                Ok(rows.put_tape(pass.recorder()))
            });
            let features: Result<Vec<Features>> = features.collect();
            let features = Rule::CasesExist.works(format!("features {shapes:?}"), features)?;
            let what = format!(
                "features of shapes {shapes:?} where it was built for lengths {:?}",
                self.lengths
            );
            Rule::OtherInputRefused.refused(what, module.fuse(features, &pass))?;
        }
        Ok(())
    }

    /// Whatever stops the gradient here leaves an encoder without the joint loss.
    fn check_inputs(&self) -> Result<(), Violation> {
        const TRIES: u64 = 4;
        let rule = Rule::EveryInputLearns;
        let mut without: Vec<usize> = (0..self.lengths.len()).collect();
        for attempt in (0..TRIES).map(Seed::new) {
            let inputs = self.lengths.iter().zip(self.features);
            let inputs = inputs.map(|(&length, array)| plain(array.values().to_vec(), SAMPLES, length));
            let inputs: Result<Vec<_>> = inputs.collect();
            let mut inputs = Rule::CasesExist.works("features", inputs)?;
            let features = inputs.iter().map(|input| input.retaped()).collect();
            let fused = self.module(attempt)?.fuse(features, &Pass::train(attempt));
            let gradients = fused.and_then(gradients_of_squares);
            let mut gradients = rule.works("a training pass and the backward pass", gradients)?;
            for (modality, input) in inputs.iter_mut().enumerate() {
                let gradient = rule.works(
                    "reading gradients",
                    ParamMut::from(input).gradient(&mut gradients),
                )?;
                if gradient.values().iter().any(|&value| value != 0.0) {
                    without.retain(|&other| other != modality);
                }
            }
        }
        let expected = "a gradient for the features of each modality";
        rule.holds(
            without.is_empty(),
            expected,
            format!("none for those of modalities {without:?}"),
        )
    }
}

fn plain(values: Vec<f32>, rows: usize, length: usize) -> Result<Plain<Dims2>> {
    let tensor = AutoDevice::default().try_tensor_from_vec(values, (rows, length));
    tensor.map_err(Error::device)
}
