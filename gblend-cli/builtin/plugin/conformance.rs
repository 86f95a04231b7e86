//! The plugins of this crate keep what gblend's traits promise.

use gblend_core::conformance::{self, arbitrary};
use gblend_core::{MediaKind, Seed};
use my_plugin::MyPluginModality;

#[test]
fn my_plugin_keeps_the_rules() {
    // Or media of your own: at least three pieces of one shape.
    let size = arbitrary::MediaSize::default();
    let media = arbitrary::samples(MediaKind::Waveform, &size, 4, Seed::new(1)).unwrap();
    conformance::modality(&MyPluginModality::default(), &media).unwrap();
}
