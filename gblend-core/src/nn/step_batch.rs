//! Batches of padded sequences, taken apart into the steps that are there.

use dfdx::tensor::PutTape;

use crate::device::Chosen;
use crate::engine::{Engine, Mask, RowSources, SequenceEngine, Steps};
use crate::error::{Error, Result};
use crate::graph::{self, Operation};
use crate::pass::Pass;
use crate::tensor::{Batch, Features, Plain};

/// The steps of a batch of samples `[features + 1, time]`, whose last row is 1 where a step is there and 0 in the padding:
/// rows `[steps, features]`. What the padding holds is not looked at.
///
/// # Errors
/// [`Error::Shape`] if the samples have another rank or no feature, [`Error::Data`] if a mask is none, [`Error::Device`].
pub fn steps_of(batch: &Batch, pass: &Pass) -> Result<(Features, Steps)> {
    let &[channels, time] = batch.sample_shape() else {
        return Err(wrong_rank(batch, "[features + 1, time]"));
    };
    let Some(features) = channels.checked_sub(1).filter(|&features| features > 0) else {
        return Err(wrong_rank(batch, "[features + 1, time]"));
    };
    if graph::is_tracing() {
        return traced_steps(batch, features, time, pass);
    }
    let (mut values, count) = (batch.host_values(), batch.len());
    let mask = values.split_off(features * time * count);
    let steps = Steps::new(&Mask::of_values(&mask, count)?);
    if steps.is_empty() {
        let nobodys = Plain::filled(&batch.device(), (steps.rows(), features), 0.0)?;
        return Ok((nobodys.enter(pass.recorder()), steps));
    }
    let series = Plain::new(&batch.device(), (features, time * count), values)?;
    let sources = steps.sequences().enumerate().flat_map(|(sample, rows)| {
        let times = steps.times()[rows].iter();
        times.map(move |at| Some(at * count + sample))
    });
    let index = RowSources::counted(sources, time * count);
    let turned = Chosen::transposed(&series.0)?.put_tape(pass.recorder().0);
    Ok((Chosen::gather_rows(turned, &index)?.into(), steps))
}

/// The ids of a batch of samples `[time]`, those of a sample one after another, without the padding.
///
/// # Errors
/// [`Error::Shape`] if the samples have another rank, [`Error::Data`] if a value is no id.
pub fn tokens_of(batch: &Batch, padding: Option<usize>) -> Result<(Vec<usize>, Steps)> {
    let time = time_of(batch)?;
    let (values, count) = (batch.to_host(), batch.len());
    /// From here on not every whole number is an `f32`.
    const LARGEST: f32 = 16_777_216.0;
    let id = |(place, &value): (usize, &f32)| {
        if (0.0..LARGEST).contains(&value) && value.fract() == 0.0 {
            return Ok(value as usize);
        }
        let location = format!("token {} of sample {}", place / count, place % count);
        Err(Error::data(
            location,
            format!("expected an id, a whole number, found {value}"),
        ))
    };
    let ids = values
        .iter()
        .enumerate()
        .map(id)
        .collect::<Result<Vec<usize>>>()?;
    let present = ids.iter().map(|&id| Some(id) != padding);
    let steps = Steps::new(&Mask::new(present.collect(), count)?);
    debug_assert_eq!(ids.len(), time * count);
    let mut tokens = Vec::with_capacity(steps.rows());
    for (sample, rows) in steps.sequences().enumerate() {
        tokens.extend(steps.times()[rows].iter().map(|at| ids[at * count + sample]));
    }
    tokens.resize(steps.rows(), padding.unwrap_or(0));
    Ok((tokens, steps))
}

/// The length of the samples of a batch of ids.
pub(super) fn time_of(batch: &Batch) -> Result<usize> {
    match *batch.sample_shape() {
        [time] => Ok(time),
        _ => Err(wrong_rank(batch, "[time], ids")),
    }
}

/// Steps of any values, all of which are there, for a trace.
fn traced_steps(batch: &Batch, features: usize, time: usize, pass: &Pass) -> Result<(Features, Steps)> {
    let input = graph::input_name(batch.identity());
    let shape = (batch.len() * time, features);
    let rows = Plain::filled(&batch.device(), shape, 0.0)?.enter(pass.recorder());
    let rows = rows.traced(&[], || Operation::Steps(input.clone()));
    let steps = graph::complete_steps(Operation::StepMask(input), time, batch.len());
    Ok((rows, steps))
}

fn wrong_rank(batch: &Batch, expected: &str) -> Error {
    let expected = format!("samples of shape {expected}");
    Error::shape("a batch of sequences", expected, batch.sample_shape())
}
