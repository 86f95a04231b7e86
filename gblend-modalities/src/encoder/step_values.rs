//! What networks keep of a sample until its gradient is there, by arithmetic: maps that an operation reads again in the
//! backward pass, and gradients that are under way. Held against measured peaks in `tests/tests/cli/step_memory.rs`.

use gblend_core::StepValues;
use gblend_core::nn::{LayerSize, Segments};

/// Of each feature of a step: rows as they enter, and the same in what reads them.
const INPUT: u64 = 2;
/// Of each channel of a residual block of two convolutions and a shortcut.
const RESIDUAL: u64 = 7;
/// Of each feature of a recurrent layer: three gates from the input, three from the state, and the state.
const RECURRENT: u64 = 7;
/// Shares of attention that a thread has at once in the backward pass: what is taken, and the gradient of that.
const SHARES_OF_THREAD: u64 = 2;
/// Queries and keys of which a thread has shares at once, at the most.
const SHARES_AT_ONCE: [u64; 2] = [64, 1024];

/// Of each feature of a token, a second branch of attention.
const SECOND: usize = 8;

/// Values of these extents.
pub(super) fn product(factors: &[usize]) -> u64 {
    factors
        .iter()
        .map(|&factor| factor as u64)
        .fold(1, u64::saturating_mul)
}

/// Values of shares of attention that a thread has at once, between so many steps.
fn shares_of_thread(steps: u64) -> u64 {
    let [queries, keys] = SHARES_AT_ONCE.map(|most| most.min(steps));
    SHARES_OF_THREAD * queries * keys
}

/// Steps of the sequence that sizes of blocks are told for.
const TOLD_FOR: u32 = 1 << 20;

/// Of a residual block on steps that were halved so often.
pub(crate) fn residual_size(halvings: u32, channels: usize) -> LayerSize {
    let output = u64::from(TOLD_FOR.checked_shr(halvings).unwrap_or(0)).saturating_mul(channels as u64);
    LayerSize {
        kept: output.saturating_mul(RESIDUAL),
        output,
    }
}

/// Of a transformer's block.
fn transformer_size(width: usize, hidden: usize) -> LayerSize {
    let of_token = LayerSize::of_transformer(width, hidden);
    let all = |values: u64| values.saturating_mul(u64::from(TOLD_FOR));
    LayerSize {
        kept: all(of_token.kept),
        output: all(of_token.output),
    }
}

/// What a network of steps keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepCosts {
    /// Of each step that is left after so many halvings, so many values.
    values: Vec<(u32, u64)>,
    /// The same where blocks are recomputed.
    around: Vec<(u32, u64)>,
    blocks: Segments,
    attention: bool,
}

impl StepCosts {
    pub(crate) fn of_inputs(inputs: usize) -> Self {
        let values = vec![(0, INPUT * inputs as u64)];
        Self {
            around: values.clone(),
            values,
            ..Self::default()
        }
    }

    /// With a residual block on steps that were halved so often.
    pub(crate) fn with_residual(mut self, halvings: u32, channels: usize) -> Self {
        self.values.push((halvings, RESIDUAL * channels as u64));
        self
    }

    /// With recurrent layers of so many features, those of all directions and layers together.
    pub(crate) fn with_recurrent(mut self, features: usize) -> Self {
        let layers = (0, RECURRENT * features as u64);
        self.values.push(layers);
        self.around.push(layers);
        self
    }

    pub(crate) fn with_transformer(mut self, width: usize, hidden: usize, depth: usize) -> Self {
        let of_block = LayerSize::of_transformer(width, hidden).kept;
        // The projection, with times added, and the normalized result.
        let around = product(&[3, width]);
        let blocks = of_block.saturating_mul(depth as u64);
        self.values.push((0, blocks.saturating_add(around)));
        self.around.push((0, around));
        self.attention = true;
        self.recomputing(Segments::of(&vec![transformer_size(width, hidden); depth]))
    }

    /// With blocks that are recomputed together, by what they make of a sequence that is [`TOLD_FOR`] steps long.
    pub(crate) fn recomputing(self, blocks: Segments) -> Self {
        Self { blocks, ..self }
    }

    /// Of a sequence of so many steps, where blocks are recomputed or not.
    pub(crate) fn of(&self, steps: usize, recomputes: bool) -> StepValues {
        let steps = steps as u64;
        let of = |values: &[(u32, u64)]| {
            let values = values
                .iter()
                .map(|&(halvings, values)| steps.div_ceil(1 << halvings.min(63)).saturating_mul(values));
            values.fold(0, u64::saturating_add)
        };
        let kept = match recomputes {
            true => {
                let blocks = u128::from(self.blocks.kept(true)) * u128::from(steps);
                let blocks = u64::try_from(blocks.div_ceil(u128::from(TOLD_FOR))).unwrap_or(u64::MAX);
                of(&self.around).saturating_add(blocks)
            }
            false => of(&self.values),
        };
        StepValues {
            kept,
            passing: match self.attention {
                true => shares_of_thread(steps),
                false => 0,
            },
        }
    }
}

/// A video transformer's sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VideoCosts {
    pub(crate) sample_shape: [usize; 4],
    pub(crate) frames: usize,
    pub(crate) places: usize,
    pub(crate) width: usize,
    pub(crate) hidden: usize,
    /// Whether time and space are attended to one after the other.
    pub(crate) divided: bool,
}

impl VideoCosts {
    /// Of a token, in a second branch of attention.
    fn second(&self) -> u64 {
        match self.divided {
            true => product(&[SECOND, self.width]),
            false => 0,
        }
    }

    /// Of each block.
    pub(crate) fn block(&self) -> LayerSize {
        let tokens = product(&[self.frames, self.places]);
        let of_token = LayerSize::of_transformer(self.width, self.hidden);
        LayerSize {
            kept: of_token.kept.saturating_add(self.second()).saturating_mul(tokens),
            output: of_token.output.saturating_mul(tokens),
        }
    }

    /// Of all, where the blocks keep so much.
    pub(crate) fn values(&self, blocks: u64) -> StepValues {
        let &Self {
            frames,
            places,
            width,
            ..
        } = self;
        let together = match self.divided {
            true => frames.max(places),
            false => frames.saturating_mul(places),
        };
        let around = product(&[3, width, frames, places]);
        let kept = product(&self.sample_shape)
            .saturating_mul(INPUT)
            .saturating_add(around)
            .saturating_add(blocks);
        StepValues {
            kept,
            passing: shares_of_thread(together as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_strides_pass_over_are_not_counted_and_nothing_overflows() {
        let costs = StepCosts::of_inputs(3).with_residual(0, 8).with_residual(1, 4);
        assert_eq!(costs.of(5, false).kept, 2 * 3 * 5 + 7 * 8 * 5 + 7 * 4 * 3);
        assert_eq!(costs.of(0, false), StepValues::default());
        let costs = StepCosts::of_inputs(1).with_transformer(8, 16, 2);
        assert_eq!(costs.of(10, false).passing, 200);
        for recomputes in [false, true] {
            assert_eq!(costs.of(usize::MAX, recomputes).passing, 2 * 64 * 1024);
        }
        let video = VideoCosts {
            sample_shape: [usize::MAX; 4],
            frames: usize::MAX,
            places: usize::MAX,
            width: 1,
            hidden: 1,
            divided: true,
        };
        assert_eq!(video.block().kept, u64::MAX);
        assert_eq!(video.values(u64::MAX).kept, u64::MAX);
    }

    #[test]
    fn blocks_that_are_recomputed_keep_one_of_them_and_the_inputs_of_the_others() {
        let costs = StepCosts::of_inputs(8).with_transformer(8, 16, 4);
        let (block, around) = (10 * 8 + 2 * 16, 3 * 8 + INPUT * 8);
        assert_eq!(costs.of(10, false).kept, 10 * (4 * block + around));
        assert_eq!(costs.of(10, true).kept, 10 * (block + 3 * 8 + around));
        let sizes = [residual_size(0, 8), residual_size(1, 8)];
        let costs = StepCosts::of_inputs(8).with_residual(0, 8).with_residual(1, 8);
        let costs = costs.recomputing(Segments::of(&sizes));
        assert_eq!(costs.of(16, true).kept, 16 * (7 * 8 + 8 + INPUT * 8));
    }
}
