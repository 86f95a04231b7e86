//! The plugins of this crate keep what gblend's traits promise.

use gblend_core::conformance::{self, Violation, arbitrary};
use gblend_core::{BlendStrategy, Error};
use my_plugin::MyPluginStrategy;

#[test]
fn my_plugin_keeps_the_rules() -> Result<(), Violation> {
    conformance::strategy(&MyPluginStrategy::default())
}

#[test]
fn a_rate_of_zero_is_refused_by_its_key() -> Result<(), Error> {
    let refused = MyPluginStrategy { rate: 0.0 }.start(&arbitrary::heads(2)?);
    let message = refused.err().map(|error| error.to_string());
    assert_eq!(message.as_deref(), Some("rate = 0: expected above 0 and at most 1"));
    Ok(())
}
