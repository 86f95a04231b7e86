//! The plugins of this crate keep what gblend's traits promise.

use gblend_core::conformance::{self, Violation};
use gblend_core::{AutoDevice, Fusion, FusionContext, Seed};
use my_plugin::MyPluginFusion;

// A fusion that looks at `FusionInputs::present` is held to it by `conformance::fusion_tells_missing`.
#[test]
fn my_plugin_keeps_the_rules() -> Result<(), Violation> {
    conformance::fusion(&MyPluginFusion::default())
}

#[test]
fn a_width_of_zero_is_refused_by_its_key() {
    let refused = MyPluginFusion { width: 0 }.build(&FusionContext {
        device: &AutoDevice::default(),
        feature_dims: &[3, 5],
        stages: &[],
        seed: Seed::new(1),
    });
    let message = refused.err().map(|error| error.to_string());
    assert_eq!(message.as_deref(), Some("width = 0: expected at least 1"));
}
