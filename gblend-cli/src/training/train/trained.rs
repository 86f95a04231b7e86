//! What training ends with.

use std::time::Duration;

use gblend_core::BlendReport;
use gblend_core::params::State;

/// What training ends with.
pub struct Trained {
    /// The selected parameters, or `None` if they are those of the last epoch, which the model holds.
    pub selected: Option<State>,
    /// The epoch that they are from.
    pub selected_epoch: usize,
    /// Epochs trained: fewer than asked for if patience ran out.
    pub epochs: usize,
    /// The weight of each head, as a mean over the steps of that epoch.
    pub weights: Vec<f64>,
    /// What the strategy made of each estimate.
    pub blends: Vec<BlendReport>,
    /// Samples trained on, over all epochs, estimates not counted.
    pub samples: u64,
    /// The time that training took, evaluations on validation included and estimates not.
    pub elapsed: Duration,
    /// The time that estimates took.
    pub estimating: Duration,
    /// The part of `elapsed` in which training steps waited for data.
    pub waited: Duration,
}
