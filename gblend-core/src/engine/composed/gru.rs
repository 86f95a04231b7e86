//! Gated recurrent units, step by step for all sequences at once, whose states stay where a step is not there.

use dfdx::shapes::{Axes2, Axis, HasShape, Shape};
use dfdx::tensor::{PutTape, SplitTape, Tensor};
use dfdx::tensor_ops::{BroadcastTo, Device, PermuteTo, TryAdd, TryMatMul, TryMul, TryStack, TrySub};

use super::{constant, gather_rows, view};
use crate::engine::gru_params::GruParams;
use crate::engine::operand::{ParamOn, TapedOn};
use crate::engine::row_sources::RowSources;
use crate::engine::steps::Steps;
use crate::engine::tape::RecorderOn;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Dims2};

/// See [`SequenceEngine::gru`](crate::engine::SequenceEngine::gru).
pub fn gru<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    params: &GruParams<'_, D>,
    steps: &Steps,
    reverse: bool,
) -> Result<TapedOn<Dims2, D>> {
    let device = input.device().clone();
    let (batch, longest, hidden) = (steps.batch(), steps.longest(), params.state.shape().1);
    if longest == 0 {
        return constant(&device, vec![0.0; steps.rows() * hidden], (steps.rows(), hidden));
    }
    let mut input = Repeated::new(input);
    let mut gate = |number| Gate::new(&mut input, params, number);
    let [mut reset, mut update, mut candidate] = [gate(0)?, gate(1)?, gate(2)?];
    let state = constant(&device, vec![0.0; batch * hidden], (batch, hidden))?;
    let mut state = Repeated::new(state);
    let mut states = Vec::with_capacity(longest);
    for step in 0..longest {
        let rows = steps.sequences().map(|rows| {
            let row = if reverse {
                rows.end.checked_sub(step + 1)
            } else {
                Some(rows.start + step)
            };
            row.filter(|row| rows.contains(row))
        });
        let rows = RowSources::counted(rows, steps.rows());
        let [to_reset, reset] = reset.terms(&rows, &mut state)?;
        let [to_update, update] = update.terms(&rows, &mut state)?;
        let [to_candidate, candidate] = candidate.terms(&rows, &mut state)?;
        // h' = n + z (h − n), and where there is no step the change is taken as 0.
        let there = rows.sources().map(|row| f32::from(u8::from(row.is_some())));
        let there: TapedOn<Dims2, D> = constant(&device, there.collect(), (batch,))?
            .try_broadcast_like::<_, Axis<1>>(&(batch, hidden))
            .map_err(Error::device)?;
        let next = to_reset
            .try_add(reset)
            .and_then(Tensor::try_sigmoid)
            .and_then(|reset| reset.try_mul(candidate))
            .and_then(|candidate| candidate.try_add(to_candidate))
            .and_then(Tensor::try_tanh)
            .map_err(Error::device)?;
        let mut next = Repeated::new(next);
        let kept = to_update
            .try_add(update)
            .and_then(Tensor::try_sigmoid)
            .and_then(|update| update.try_mul(state.again().try_sub(next.again())?))
            .map_err(Error::device)?;
        let next = next
            .again()
            .try_add(kept)
            .and_then(|next| next.try_sub(state.again()))
            .and_then(|change| change.try_mul(there))
            .and_then(|change| change.try_add(state.again()))
            .map_err(Error::device)?;
        state = Repeated::new(next);
        states.push(state.again());
    }
    let states = states.try_stack().map_err(Error::device)?;
    let states = view(states, (longest * batch, hidden))?;
    let places = steps.sequences().enumerate().flat_map(|(sample, rows)| {
        let length = rows.len();
        (0..length).map(move |place| {
            let step = if reverse { length - 1 - place } else { place };
            Some(step * batch + sample)
        })
    });
    gather_rows(states, &RowSources::counted(places, longest * batch))
}

/// A tensor that several operations read: the tape goes with the first.
struct Repeated<S: Shape, D: Device<f32>> {
    tensor: ParamOn<S, D>,
    first: Option<RecorderOn<D>>,
    branch: RecorderOn<D>,
}

impl<S: Shape, D: Device<f32>> Repeated<S, D> {
    fn new(tensor: TapedOn<S, D>) -> Self {
        let (tensor, recorder) = tensor.split_tape();
        Self {
            tensor,
            branch: recorder.branch(),
            first: Some(recorder),
        }
    }

    fn again(&mut self) -> TapedOn<S, D> {
        let recorder = self.first.take().unwrap_or_else(|| self.branch.branch());
        self.tensor.clone().put_tape(recorder)
    }
}

/// One of the three gates.
struct Gate<D: Device<f32>> {
    /// What all rows add to it, `[steps, hidden]`.
    of_input: Repeated<Dims2, D>,
    /// `[hidden, hidden]`, turned.
    weight: Repeated<Dims2, D>,
    bias: Repeated<Dims1, D>,
}

impl<D: Device<f32>> Gate<D> {
    fn new(input: &mut Repeated<Dims2, D>, params: &GruParams<'_, D>, number: usize) -> Result<Self> {
        let hidden = params.state.shape().1;
        let own = RowSources::counted((0..hidden).map(|row| Some(number * hidden + row)), 3 * hidden);
        let weight = |weight: &ParamOn<Dims2, D>| -> Result<TapedOn<Dims2, D>> {
            gather_rows(weight.retaped::<RecorderOn<D>>(), &own)?
                .try_permute::<Dims2, Axes2<1, 0>>()
                .map_err(Error::device)
        };
        let bias = |bias: &ParamOn<Dims1, D>| -> Result<TapedOn<Dims1, D>> {
            let column = view(bias.retaped::<RecorderOn<D>>(), (3 * hidden, 1))?;
            view(gather_rows(column, &own)?, (hidden,))
        };
        let product = input
            .again()
            .try_matmul(weight(params.input)?)
            .map_err(Error::device)?;
        Ok(Self {
            of_input: Repeated::new(shifted(product, bias(params.input_bias)?)?),
            weight: Repeated::new(weight(params.state)?),
            bias: Repeated::new(bias(params.state_bias)?),
        })
    }

    /// What these rows add to the gate, and what the state does.
    fn terms(&mut self, rows: &RowSources, state: &mut Repeated<Dims2, D>) -> Result<[TapedOn<Dims2, D>; 2]> {
        let product = state
            .again()
            .try_matmul(self.weight.again())
            .map_err(Error::device)?;
        Ok([
            gather_rows(self.of_input.again(), rows)?,
            shifted(product, self.bias.again())?,
        ])
    }
}

/// Rows with a bias.
fn shifted<D: Device<f32>>(rows: TapedOn<Dims2, D>, bias: TapedOn<Dims1, D>) -> Result<TapedOn<Dims2, D>> {
    let shape = *rows.shape();
    bias.try_broadcast_like::<_, Axis<0>>(&shape)
        .and_then(|bias: TapedOn<Dims2, D>| rows.try_add(bias))
        .map_err(Error::device)
}
