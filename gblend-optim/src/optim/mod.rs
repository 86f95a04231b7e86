//! Optimizers, one per file: their settings, and the rule by which a value moves.

mod adam;
mod adamw;
mod rmsprop;
mod sgd;

pub use adam::Adam;
pub use adamw::AdamW;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

/// The weight decay of an update whose learning rate has the factor `share`, which it must not feel; none if it is 0.
fn shared_decay(decay: f64, share: f64) -> Option<f64> {
    (decay > 0.0).then_some(decay / share)
}
