//! What training ends with.

use std::time::Duration;

use gblend_core::BlendReport;

use crate::records::{FittedPool, Selection};

/// What training ends with, besides the model.
pub struct Trained {
    /// The epoch that the model's parameters are from.
    pub selected_epoch: usize,
    /// What the validation samples said of it; absent without any.
    pub selection: Option<Selection>,
    /// The pool of the heads, if one was fitted.
    pub pool: Option<FittedPool>,
    /// Whether the parameters were trained on validation samples, too.
    pub refitted: bool,
    /// The part of `elapsed` in which they were.
    pub refitting: Duration,
    /// The time that the networks of the pool's folds took, no part of `elapsed`.
    pub cross_fitting: Duration,
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
    /// The part of `elapsed` in which backward passes ran stages of encoders again.
    pub recomputing: Duration,
}
