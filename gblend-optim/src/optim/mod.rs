//! Optimizers, one per file: a configuration, and a state that wraps one of dfdx's update rules.

mod adam;
mod adamw;
mod moments;
mod rmsprop;
mod sgd;

pub use adam::Adam;
pub use adamw::AdamW;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

use gblend_core::{Error, Result};

/// A rate or decay: finite and not negative.
fn not_negative(key: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(Error::setting(
            format!("optimizer.{key}"),
            value,
            "a number that is not negative",
        ))
    }
}

/// A share of a running average: at least 0 and below 1.
fn below_one(key: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error::setting(
            format!("optimizer.{key}"),
            value,
            "a number of at least 0 and below 1",
        ))
    }
}
