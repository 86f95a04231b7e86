//! Losses, from which training starts backward.

use gblend_core::nn::{Candidates, Negatives, binary_cross_entropy, cross_entropy, mean, surprises};
use gblend_core::params::State;
use gblend_core::tensor::{Logits, Loss};
use gblend_core::{AutoDevice, Result};

use crate::Case;
use crate::outcome::{Outcome, tensor};

const ROWS: usize = 12;
const CLASSES: usize = 7;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("cross_entropy", |device| {
            let labels: Vec<usize> = (0..ROWS).map(|row| row * 3 % CLASSES).collect();
            on_logits(device, |logits| cross_entropy(logits, &labels))
        }),
        Case::new("binary_cross_entropy", |device| {
            let classes: Vec<Vec<usize>> = (0..ROWS).map(|row| (0..row % 4).collect()).collect();
            on_logits(device, |logits| binary_cross_entropy(logits, &classes))
        }),
        Case::new("surprises", |device| {
            let rights: Vec<usize> = (0..ROWS).map(|row| row * 3 % CLASSES).collect();
            let candidates = Candidates::new(
                &rights,
                Negatives::of_pairs(Some((0..ROWS as u64).map(|row| row / 2).collect())),
            );
            on_logits(device, |logits| mean(surprises(logits, &candidates)?))
        }),
    ]
}

fn on_logits(device: &AutoDevice, loss: impl FnOnce(Logits) -> Result<Loss>) -> Result<State> {
    let logits = tensor(device, "logits", (ROWS, CLASSES), (-8.0, 8.0))?;
    let outcome = Outcome::of_loss(loss(logits.parameter())?)?;
    Ok(outcome.gradient("logits", &logits)?.state())
}
