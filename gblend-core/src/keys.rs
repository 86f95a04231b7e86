//! Keys: what slowly following copies of encoders make of samples, among which queries of the encoders themselves are to find their own
//! (He, Fan, Wu, Xie, Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020).

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::params::{Module, ParamPath, ParamVisitor};

/// The most keys that a queue may have: more is a slip of the finger.
const MOST: usize = 1 << 22;

/// The keys of earlier batches that a loss takes into account, and how slowly what makes them follows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyQueue {
    /// Keys of earlier samples, the last ones that there were.
    pub size: NonZeroUsize,
    /// m of θₖ ← m θₖ + (1 − m) θ after each step, 0 to 1: with 0 keys come from the encoders as they are, with 1 from those that
    /// training began with.
    pub momentum: f64,
}

impl Default for KeyQueue {
    fn default() -> Self {
        Self {
            size: NonZeroUsize::MIN.saturating_add(4095),
            momentum: 0.99,
        }
    }
}

impl KeyQueue {
    /// Refuses what nobody means.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        if self.size.get() > MOST {
            return Err(Error::setting("queue.size", self.size, format!("1 to {MOST}")));
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(Error::setting("queue.momentum", self.momentum, "0 to 1"));
        }
        Ok(())
    }
}

/// What the samples of a batch are to be found among.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// `[batch, width]`: the keys of the samples themselves, each the right one of its sample.
    pub batch: Array,
    /// `[count, width]`: those of earlier batches.
    pub earlier: Array,
    /// Of each earlier one the number of its sample, as [`Targets::numbers`](crate::Targets::numbers) tells it.
    pub numbers: Vec<u64>,
}

impl Keys {
    /// Those of a batch alone.
    pub fn of_batch(batch: Array) -> Self {
        let width = batch.shape().last().copied().unwrap_or(0);
        Self {
            batch,
            earlier: Array::zeros([0, width]),
            numbers: Vec::new(),
        }
    }
}

/// Parts of 16 bits that a number is kept in: a buffer has floats.
const PARTS: usize = 4;

/// The last keys of earlier batches. What it has is a part of a checkpoint, as buffers.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRing {
    /// `[size, width]`.
    keys: Array,
    /// `[size, 4]`: the numbers of their samples.
    numbers: Array,
    /// Where the next key goes, and how many there are.
    place: Array,
}

impl KeyRing {
    /// One without keys yet, for keys of this width.
    pub fn new(size: NonZeroUsize, width: usize) -> Self {
        Self {
            keys: Array::zeros([size.get(), width]),
            numbers: Array::zeros([size.get(), PARTS]),
            place: Array::zeros([2]),
        }
    }

    fn size(&self) -> usize {
        self.keys.shape().first().copied().unwrap_or(0)
    }

    fn width(&self) -> usize {
        self.keys.shape().last().copied().unwrap_or(0)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        (self.place.values()[1] as usize).min(self.size())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in keys, `[count, width]`, with the number of each one's sample; where there is no room the oldest give way.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are of another width, or there is not a number for each.
    pub fn push(&mut self, keys: &Array, numbers: &[u64]) -> Result<()> {
        let (size, width) = (self.size(), self.width());
        if keys.shape() != [numbers.len(), width] {
            let expected = format!("[{}, {width}]", numbers.len());
            return Err(Error::shape("keys of a batch", expected, keys.shape()));
        }
        let mut next = (self.place.values()[0] as usize) % size.max(1);
        let rows = keys.values().chunks_exact(width.max(1)).zip(numbers);
        for (key, &number) in rows {
            self.keys.values_mut()[next * width..][..width].copy_from_slice(key);
            for (part, value) in self.numbers.values_mut()[next * PARTS..][..PARTS]
                .iter_mut()
                .enumerate()
            {
                *value = f32::from((number >> (16 * part)) as u16);
            }
            next = (next + 1) % size;
        }
        let filled = (self.len() + numbers.len()).min(size);
        // Both are below 2²⁴, which a float holds exactly.
        self.place
            .values_mut()
            .copy_from_slice(&[next as f32, filled as f32]);
        Ok(())
    }

    /// The keys of a batch beside those that there are.
    pub fn beside(&self, batch: Array) -> Keys {
        let (count, width) = (self.len(), self.width());
        let mut earlier = Array::zeros([count, width]);
        earlier
            .values_mut()
            .copy_from_slice(&self.keys.values()[..count * width]);
        let numbers = self.numbers.values().chunks_exact(PARTS).take(count);
        let whole = |parts: &[f32]| {
            let parts = parts.iter().enumerate();
            parts.fold(0, |number, (part, &value)| {
                number | u64::from(value as u16) << (16 * part)
            })
        };
        Keys {
            batch,
            earlier,
            numbers: numbers.map(whole).collect(),
        }
    }
}

impl Module for KeyRing {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.buffer(&path.join("keys"), &mut self.keys)?;
        visitor.buffer(&path.join("numbers"), &mut self.numbers)?;
        visitor.buffer(&path.join("place"), &mut self.place)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::params::{load_state, state_of};
    use proptest::prelude::*;

    fn ring(size: usize, width: usize) -> KeyRing {
        KeyRing::new(NonZeroUsize::new(size).unwrap(), width)
    }

    fn nothing() -> Array {
        Array::zeros([0, 1])
    }

    proptest! {
        #[test]
        fn a_ring_has_the_last_keys_with_their_numbers_whatever_batches_they_came_in(
            size in 1_usize..9, batches in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 0..12), 0..6),
        ) {
            let mut ring = ring(size, 2);
            let mut all: Vec<(u64, [f32; 2])> = Vec::new();
            for batch in batches {
                let first = all.len();
                let keys: Vec<[f32; 2]> = (first..first + batch.len()).map(|key| [key as f32, -(key as f32)]).collect();
                ring.push(&Array::new([batch.len(), 2], keys.concat()).unwrap(), &batch).unwrap();
                all.extend(batch.into_iter().zip(keys));
                let last = &all[all.len().saturating_sub(size)..];
                prop_assert_eq!(ring.len(), last.len());
                let found = ring.beside(nothing());
                let mut found: Vec<(u64, Vec<f32>)> =
                    found.numbers.into_iter().zip(found.earlier.values().chunks_exact(2).map(<[f32]>::to_vec)).collect();
                // In the order in which they came.
                found.sort_by(|a, b| a.1[0].total_cmp(&b.1[0]));
                let expected: Vec<(u64, Vec<f32>)> = last.iter().map(|(number, key)| (*number, key.to_vec())).collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn a_ring_that_is_kept_and_read_goes_on_as_it_was(
            before in proptest::collection::vec(any::<u64>(), 0..9), after in proptest::collection::vec(any::<u64>(), 0..9),
        ) {
            let push = |ring: &mut KeyRing, numbers: &[u64]| {
                let keys = numbers.iter().map(|&number| number as f32).collect();
                ring.push(&Array::new([numbers.len(), 1], keys).unwrap(), numbers).unwrap();
            };
            let (mut whole, mut read) = (ring(5, 1), ring(5, 1));
            push(&mut whole, &before);
            load_state(&mut read, &state_of(&mut whole).unwrap()).unwrap();
            push(&mut whole, &after);
            push(&mut read, &after);
            prop_assert_eq!(read, whole);
        }
    }

    #[test]
    fn keys_of_another_width_or_without_numbers_are_refused() {
        let mut ring = ring(3, 2);
        for (shape, numbers) in [([1, 3], vec![0]), ([2, 2], vec![0])] {
            assert!(ring.push(&Array::zeros(shape), &numbers).is_err());
        }
        assert!(ring.is_empty());
    }

    #[test]
    fn settings_out_of_their_range_are_named() {
        let queue = |size: usize, momentum: f64| KeyQueue {
            size: NonZeroUsize::new(size).unwrap(),
            momentum,
        };
        for (queue, key) in [
            (queue(1 << 23, 0.9), "queue.size"),
            (queue(8, -0.1), "queue.momentum"),
            (queue(8, 1.5), "queue.momentum"),
            (queue(8, f64::NAN), "queue.momentum"),
        ] {
            let error = queue.check().unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        }
        for momentum in [0.0, 0.999, 1.0] {
            queue(1, momentum).check().unwrap();
        }
    }
}
