//! What networks keep of a sample until its gradient is there, by arithmetic: maps that an operation reads again in the
//! backward pass, and gradients that are under way. Held against measured peaks in `tests/tests/cli/step_memory.rs`.

use gblend_core::StepValues;

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

fn product(factors: &[usize]) -> u64 {
    factors
        .iter()
        .map(|&factor| factor as u64)
        .fold(1, u64::saturating_mul)
}

/// Of a token, in an attention branch and a perceptron of a transformer's block.
fn of_block(width: usize, hidden: usize) -> u64 {
    product(&[10, width]).saturating_add(product(&[2, hidden]))
}

/// Values of shares of attention that a thread has at once, between so many steps.
fn shares_of_thread(steps: u64) -> u64 {
    let [queries, keys] = SHARES_AT_ONCE.map(|most| most.min(steps));
    SHARES_OF_THREAD * queries * keys
}

/// What a network of steps keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepCosts {
    /// Of each step that is left after so many halvings, so many values.
    values: Vec<(u32, u64)>,
    attention: bool,
}

impl StepCosts {
    pub(crate) fn of_inputs(inputs: usize) -> Self {
        Self {
            values: vec![(0, INPUT * inputs as u64)],
            attention: false,
        }
    }

    /// With a residual block on steps that were halved so often.
    pub(crate) fn with_residual(mut self, halvings: u32, channels: usize) -> Self {
        self.values.push((halvings, RESIDUAL * channels as u64));
        self
    }

    /// With recurrent layers of so many features, those of all directions and layers together.
    pub(crate) fn with_recurrent(mut self, features: usize) -> Self {
        self.values.push((0, RECURRENT * features as u64));
        self
    }

    pub(crate) fn with_transformer(mut self, width: usize, hidden: usize, depth: usize) -> Self {
        let blocks = of_block(width, hidden).saturating_mul(depth as u64);
        // The projection, with times added, and the normalized result.
        self.values.push((0, blocks.saturating_add(product(&[3, width]))));
        self.attention = true;
        self
    }

    /// Of a sequence of so many steps.
    pub(crate) fn of(&self, steps: usize) -> StepValues {
        let steps = steps as u64;
        let kept = self
            .values
            .iter()
            .map(|&(halvings, values)| steps.div_ceil(1 << halvings.min(63)).saturating_mul(values));
        StepValues {
            kept: kept.fold(0, u64::saturating_add),
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
    pub(crate) depth: usize,
    /// Whether time and space are attended to one after the other.
    pub(crate) divided: bool,
}

impl VideoCosts {
    pub(crate) fn values(&self) -> StepValues {
        let &Self {
            frames,
            places,
            width,
            ..
        } = self;
        let (second, together) = match self.divided {
            true => (product(&[SECOND, width]), frames.max(places)),
            false => (0, frames.saturating_mul(places)),
        };
        let block = of_block(width, self.hidden).saturating_add(second);
        let block = block.saturating_mul(product(&[frames, places]));
        let around = product(&[3, width, frames, places]);
        let kept = product(&self.sample_shape)
            .saturating_mul(INPUT)
            .saturating_add(around)
            .saturating_add(block.saturating_mul(self.depth as u64));
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
        assert_eq!(costs.of(5).kept, 2 * 3 * 5 + 7 * 8 * 5 + 7 * 4 * 3);
        assert_eq!(costs.of(0), StepValues::default());
        let costs = StepCosts::of_inputs(1).with_transformer(8, 16, 2);
        assert_eq!(costs.of(10).passing, 200);
        assert_eq!(costs.of(usize::MAX).passing, 2 * 64 * 1024);
        let video = VideoCosts {
            sample_shape: [usize::MAX; 4],
            frames: usize::MAX,
            places: usize::MAX,
            width: 1,
            hidden: 1,
            depth: 1,
            divided: true,
        };
        assert_eq!(video.values().kept, u64::MAX);
    }
}
