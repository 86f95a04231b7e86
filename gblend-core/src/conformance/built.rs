//! Checks of what owns parameters: an encoder or a fusion.

use super::difference::{all_finite, same_array, same_text, same_values};
use super::tensors::gradients_of;
use super::{Rule, Violation, derivatives};
use crate::array::Array;
use crate::error::Result;
use crate::params::{Module, ParamMut, ParamPath, ParamVisitor, State, load_state, state_of};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{Features, Gradients};

/// How far features may be apart, as a share of the largest: batches of other sizes are added up in other orders.
const TOLERANCE: f32 = 1e-4;

/// Runs a module on the samples of these numbers.
type Run<'a, M> = dyn Fn(&mut M, &[usize], &Pass) -> Result<Features> + 'a;

/// How to build a module and run it on some of the samples that there are.
pub(super) struct Built<'a, M: ?Sized> {
    pub(super) build: &'a dyn Fn(Seed) -> Result<Box<M>>,
    pub(super) run: &'a Run<'a, M>,
    /// The length of its output.
    pub(super) length: &'a dyn Fn(&M) -> usize,
    /// The number of samples.
    pub(super) samples: usize,
}

impl<M: Module + ?Sized> Built<'_, M> {
    pub(super) fn check(&self) -> Result<(), Violation> {
        self.check_parameters()?;
        let mut module = self.module(Seed::new(1))?;
        let module = module.as_mut();
        self.check_output(module)?;
        self.check_evaluation(module)?;
        // A training pass moves running statistics, so that they tell what uses them.
        self.output(module, &self.all(), &Pass::train(Seed::new(2)))?;
        self.check_evaluation(module)?;
        self.check_independence(module)?;
        self.check_state(module)?;
        self.check_training()?;
        self.check_recomputing()?;
        self.check_gradients()
    }

    /// That gradients of parameters are derivatives, in training and as the network would predict.
    pub(super) fn check_derivatives(&self) -> Result<(), Violation> {
        let rule = Rule::GradientsAreDerivatives;
        let all = self.all();
        for pass in [Pass::train(Seed::new(4)), Pass::differentiate()] {
            let mut module = self.module(Seed::new(1))?;
            let module = module.as_mut();
            // Training moves running statistics, which stay then as they are.
            self.output(module, &all, &Pass::train(Seed::new(2)))?;
            let point = state(module)?;
            let features = rule.works("a pass", (self.run)(module, &all, &pass))?;
            let mut backward = rule.works("the backward pass", gradients_of(features))?;
            let mut gradients = derivatives::Arrays::new();
            each_parameter(module, |path, param| {
                gradients.insert(path.to_string(), param.gradient(&mut backward)?);
                Ok(())
            })?;
            derivatives::check(&point, &gradients, &mut |point| {
                rule.works("loading parameters", load_state(module, point))?;
                self.output(module, &all, &pass)
            })?;
        }
        Ok(())
    }

    fn all(&self) -> Vec<usize> {
        (0..self.samples).collect()
    }

    pub(super) fn module(&self, seed: Seed) -> Result<Box<M>, Violation> {
        Rule::Builds.works("building", (self.build)(seed))
    }

    fn output(&self, module: &mut M, samples: &[usize], pass: &Pass) -> Result<Array, Violation> {
        let what = || format!("a pass to {:?} over {} samples", pass.mode(), samples.len());
        let features = Rule::Runs.works(what(), (self.run)(module, samples, pass))?;
        let output = Rule::Runs.works(what(), features.to_array())?;
        let expected = [samples.len(), (self.length)(module)];
        Rule::OutputHasShape.holds(
            output.shape() == expected && expected[1] > 0,
            format!("the shape {expected:?}, and a length above 0"),
            output.shape(),
        )?;
        all_finite(
            Rule::OutputIsFinite,
            "the output",
            output.shape(),
            output.values(),
        )?;
        Ok(output)
    }

    fn check_parameters(&self) -> Result<(), Violation> {
        let mut first = self.module(Seed::new(1))?;
        let first_paths = paths_of(first.as_mut())?;
        let mut sorted = first_paths.clone();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Rule::PathsAreUnique.broken("paths that differ", format!("`{}` twice", pair[0])));
        }
        let mut again = self.module(Seed::new(1))?;
        for module in [&mut first, &mut again] {
            let found = paths_of(module.as_mut())?;
            let paths = |paths: &[String]| paths.join(", ");
            same_text(
                Rule::PathsAreUnique,
                "the paths",
                &paths(&first_paths),
                &paths(&found),
            )?;
        }
        let mut other = self.module(Seed::new(7))?;
        let [first, again, other] = [
            state(first.as_mut())?,
            state(again.as_mut())?,
            state(other.as_mut())?,
        ];
        same_state(Rule::SeedDecides, &first, &again)?;
        // Buffers do not depend on the seed, and a module without parameters on nothing.
        let none = parameters(self.module(Seed::new(1))?.as_mut())?.is_empty();
        let expected = "other parameters from another seed";
        Rule::SeedDecides.holds(none || first != other, expected, "the same")
    }

    fn check_output(&self, module: &mut M) -> Result<(), Violation> {
        self.output(module, &self.all(), &Pass::evaluate())?;
        self.output(module, &[0], &Pass::evaluate())?;
        Ok(())
    }

    fn check_evaluation(&self, module: &mut M) -> Result<(), Violation> {
        let all = self.all();
        let before = state(module)?;
        let first = self.output(module, &all, &Pass::evaluate())?;
        same_state(Rule::EvaluationChangesNothing, &before, &state(module)?)?;
        let again = self.output(module, &all, &Pass::evaluate())?;
        same_output(Rule::EvaluationRepeats, &first, &again)?;
        let rule = Rule::DifferentiationEvaluates;
        let differentiated = self.output(module, &all, &Pass::differentiate())?;
        close(
            rule,
            "the output of evaluation",
            first.values(),
            differentiated.values(),
            largest(&first),
        )?;
        same_state(rule, &before, &state(module)?)
    }

    fn check_independence(&self, module: &mut M) -> Result<(), Violation> {
        let all = self.all();
        let whole = self.output(module, &all, &Pass::evaluate())?;
        let length = (self.length)(module).max(1);
        let scale = largest(&whole);
        let reversed: Vec<usize> = all.iter().copied().rev().collect();
        let singles = all.iter().map(|&sample| vec![sample]);
        for batch in singles.chain([reversed, vec![0; self.samples]]) {
            let output = self.output(module, &batch, &Pass::evaluate())?;
            for (&sample, found) in batch.iter().zip(output.values().chunks_exact(length)) {
                let expected = &whole.values()[sample * length..][..length];
                let what = format!("for sample {sample} in the batch {batch:?} what it has in {all:?}");
                close(Rule::SamplesAreIndependent, &what, expected, found, scale)?;
            }
        }
        Ok(())
    }

    fn check_state(&self, module: &mut M) -> Result<(), Violation> {
        let rule = Rule::StateIsWhole;
        let kept = state(module)?;
        let mut other = self.module(Seed::new(8))?;
        rule.works(
            "loading parameters and buffers",
            load_state(other.as_mut(), &kept),
        )?;
        same_state(rule, &kept, &state(other.as_mut())?)?;
        let all = self.all();
        let expected = self.output(module, &all, &Pass::evaluate())?;
        same_output(
            rule,
            &expected,
            &self.output(other.as_mut(), &all, &Pass::evaluate())?,
        )
    }

    fn check_training(&self) -> Result<(), Violation> {
        let train = || -> Result<(Array, State), Violation> {
            let mut module = self.module(Seed::new(1))?;
            let output = self.output(module.as_mut(), &self.all(), &Pass::train(Seed::new(3)))?;
            Ok((output, state(module.as_mut())?))
        };
        let ((output, kept), (again, kept_again)) = (train()?, train()?);
        same_output(Rule::TrainingRepeats, &output, &again)?;
        same_state(Rule::TrainingRepeats, &kept, &kept_again)
    }

    fn check_recomputing(&self) -> Result<(), Violation> {
        let rule = Rule::RecomputesAlike;
        let train = |recomputes| -> Result<(Array, State, State), Violation> {
            let mut module = self.module(Seed::new(1))?;
            let module = module.as_mut();
            let pass = Pass::train(Seed::new(3)).recomputing(recomputes);
            let features = rule.works("a training pass", (self.run)(module, &self.all(), &pass))?;
            let output = rule.works("reading the output", features.to_array())?;
            let mut backward = match features.requires_grad() {
                true => rule.works("the backward pass", gradients_of(features))?,
                // Of a module without parameters.
                false => Gradients::default(),
            };
            let mut gradients = State::new();
            each_parameter(module, |path, param| {
                gradients.insert(path.to_string(), param.gradient(&mut backward)?);
                Ok(())
            })?;
            Ok((output, gradients, state(module)?))
        };
        let ((output, gradients, kept), again) = (train(false)?, train(true)?);
        same_output(rule, &output, &again.0)?;
        same_state(rule, &gradients, &again.1)?;
        same_state(rule, &kept, &again.2)
    }

    /// A unit may be off for all samples of one initialization; that a parameter is behind such units in each of
    /// several is not chance.
    fn check_gradients(&self) -> Result<(), Violation> {
        const TRIES: u64 = 4;
        let rule = Rule::EverythingLearns;
        let mut without: Vec<String> = paths_of_parameters(self.module(Seed::new(1))?.as_mut())?;
        for attempt in 0..TRIES {
            if without.is_empty() {
                return Ok(());
            }
            let mut module = self.module(Seed::new(attempt))?;
            let pass = Pass::train(Seed::new(attempt));
            let features = rule.works("a training pass", (self.run)(module.as_mut(), &self.all(), &pass))?;
            let gradients = rule.works("the backward pass", gradients_of(features))?;
            let reached = reached(module.as_mut(), gradients)?;
            without.retain(|path| !reached.contains(path));
        }
        rule.holds(without.is_empty(), "a gradient for every parameter", &without)
            .map_err(|violation| Violation {
                found: format!("none for {}", without.join(", ")),
                ..violation
            })
    }
}

fn state(module: &mut (impl Module + ?Sized)) -> Result<State, Violation> {
    Rule::PathsAreUnique.works("reading parameters and buffers", state_of(module))
}

/// Of everything, in the order in which it is shown.
pub(super) fn paths_of(module: &mut (impl Module + ?Sized)) -> Result<Vec<String>, Violation> {
    struct Paths(Vec<String>);
    impl ParamVisitor for Paths {
        fn param(&mut self, path: &ParamPath, _: ParamMut<'_>) -> Result<()> {
            self.0.push(path.to_string());
            Ok(())
        }
        fn buffer(&mut self, path: &ParamPath, _: &mut Array) -> Result<()> {
            self.0.push(path.to_string());
            Ok(())
        }
    }
    let mut paths = Paths(Vec::new());
    let visited = module.visit_params(&ParamPath::root(), &mut paths);
    Rule::PathsAreUnique.works("visiting parameters and buffers", visited)?;
    Ok(paths.0)
}

/// Parameters alone, by their paths.
fn parameters(module: &mut (impl Module + ?Sized)) -> Result<State, Violation> {
    let mut all = State::new();
    each_parameter(module, |path, param| {
        all.insert(path.to_string(), param.to_array());
        Ok(())
    })?;
    Ok(all)
}

fn paths_of_parameters(module: &mut (impl Module + ?Sized)) -> Result<Vec<String>, Violation> {
    Ok(parameters(module)?.into_keys().collect())
}

/// The paths of parameters with a gradient other than zeros.
fn reached(module: &mut (impl Module + ?Sized), mut gradients: Gradients) -> Result<Vec<String>, Violation> {
    let mut reached = Vec::new();
    each_parameter(module, |path, param| {
        if param
            .gradient(&mut gradients)?
            .values()
            .iter()
            .any(|&value| value != 0.0)
        {
            reached.push(path.to_string());
        }
        Ok(())
    })?;
    Ok(reached)
}

pub(super) fn each_parameter(
    module: &mut (impl Module + ?Sized),
    each: impl FnMut(&ParamPath, ParamMut<'_>) -> Result<()>,
) -> Result<(), Violation> {
    struct Each<F>(F);
    impl<F: FnMut(&ParamPath, ParamMut<'_>) -> Result<()>> ParamVisitor for Each<F> {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            (self.0)(path, param)
        }
    }
    let visited = module.visit_params(&ParamPath::root(), &mut Each(each));
    Rule::PathsAreUnique.works("visiting parameters", visited)
}

fn same_state(rule: Rule, expected: &State, found: &State) -> Result<(), Violation> {
    for ((path, expected), (other, found)) in expected.iter().zip(found) {
        rule.holds(path == other, format!("`{path}`"), other)?;
        same_array(rule, format!("`{path}` as it was"), expected, found)?;
    }
    rule.holds(
        expected.len() == found.len(),
        format!("{} arrays", expected.len()),
        found.len(),
    )
}

pub(super) fn same_output(rule: Rule, expected: &Array, found: &Array) -> Result<(), Violation> {
    same_array(rule, "the same output", expected, found)
}

pub(super) fn largest(output: &Array) -> f32 {
    output
        .values()
        .iter()
        .fold(0.0, |most, value| value.abs().max(most))
}

pub(super) fn close(
    rule: Rule,
    what: &str,
    expected: &[f32],
    found: &[f32],
    scale: f32,
) -> Result<(), Violation> {
    same_values(rule, what, expected, found, |a, b| {
        (a - b).abs() <= TOLERANCE * scale
    })
}
