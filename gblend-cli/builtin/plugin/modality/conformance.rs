//! The plugins of this crate keep what gblend's traits promise.

use gblend_core::conformance::{self, Violation, arbitrary};
use gblend_core::{Media, MediaKind, Modality, Seed};
use my_plugin::MyPluginModality;

#[test]
fn my_plugin_keeps_the_rules() -> Result<(), Violation> {
    conformance::modality(&MyPluginModality::default(), &sounds())
}

#[test]
fn no_parts_are_refused_by_their_key() {
    let none = MyPluginModality {
        parts: 0,
        ..MyPluginModality::default()
    };
    let message = none.prepare(&sounds()[0]).err().map(|error| error.to_string());
    assert_eq!(message.as_deref(), Some("parts = 0: expected at least 1"));
}

/// Or media of your own: at least three pieces of one shape.
fn sounds() -> Vec<Media> {
    let size = arbitrary::MediaSize::default();
    arbitrary::samples(MediaKind::Waveform, &size, 4, Seed::new(1)).unwrap()
}
