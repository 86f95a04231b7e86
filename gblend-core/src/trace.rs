//! Tracing of networks: see [`graph`](crate::graph).

use std::collections::HashMap;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::{Trace, Tracing};
use crate::params::{Module, ParamMut, ParamPath, ParamVisitor};
use crate::tensor::{Batch, Features};

/// Runs a network, and tells what it did with the batches of its inputs. `run` runs it in evaluation mode, on these batches
/// alone, and returns its outputs. All batches have the same number of samples; what they hold decides nothing, but that the
/// network must take it.
///
/// # Errors
/// Those of `run`; [`Error::Shape`] if there is no batch, or two differ in their number of samples.
pub fn trace<M: Module + ?Sized>(
    network: &mut M,
    inputs: &[(&str, &Batch)],
    run: impl FnOnce(&mut M) -> Result<Vec<Features>>,
) -> Result<Trace> {
    let samples: Vec<usize> = inputs.iter().map(|(_, batch)| batch.len()).collect();
    let Some(&first) = samples
        .first()
        .filter(|&&first| samples.iter().all(|&other| other == first))
    else {
        return Err(Error::shape(
            "a trace",
            "batches of one number of samples",
            samples,
        ));
    };
    let mut parameters = Parameters::default();
    network.visit_params(&ParamPath::root(), &mut parameters)?;
    let inputs = inputs
        .iter()
        .map(|(name, batch)| (batch.identity(), (*name).to_owned()));
    let tracing = Tracing::begin(parameters.0, inputs.collect(), first);
    let outputs = run(network)?;
    let outputs = outputs.iter().map(Features::operand).collect();
    Ok(tracing.finish(outputs))
}

/// Paths and values, by tensor.
#[derive(Default)]
struct Parameters(HashMap<u64, (String, Array)>);

impl ParamVisitor for Parameters {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        self.0
            .insert(param.identity(), (path.to_string(), param.to_array()));
        Ok(())
    }
}
