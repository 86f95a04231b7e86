//! What is said of a thing, and what is not.

use gblend_core::FurtherLabel;

use super::thing::{DISTANCE, Thing};
use super::{NAMES, Scene};

/// What colors are called: two kinds of look share a word.
const COLORS: [&str; 4] = ["red", "green", "blue", "purple"];

fn color(thing: &Thing) -> &'static str {
    COLORS[thing.look / 2 % COLORS.len()]
}

/// A caption of a coarse vocabulary: the color, how far the thing is, and where it moves to. It says neither what kind of thing it
/// is nor whether it is drawn.
pub(super) fn caption(thing: &Thing) -> String {
    let far = if thing.distance < DISTANCE { "near" } else { "far" };
    let [x, y] = thing.velocity;
    let to = match (x.abs() > y.abs(), x > 0.0, y > 0.0) {
        (true, true, _) => "right",
        (true, false, _) => "left",
        (false, _, true) => "down",
        (false, _, false) => "up",
    };
    format!("a {} thing, {far}, moving {to}", color(thing))
}

/// Labels that no head is asked for: `style`, whether a thing is drawn, and `look`, the kind that it looks like, which captions
/// never mention; and `color`, which they do.
pub(super) fn further_labels(scene: &Scene, things: impl Iterator<Item = Thing>) -> Vec<FurtherLabel> {
    if !scene.captions {
        return Vec::new();
    }
    let things: Vec<Thing> = things.collect();
    let style = things
        .iter()
        .map(|thing| if thing.drawn { "drawn" } else { "photographed" });
    vec![
        FurtherLabel::of_values("style", style),
        FurtherLabel::of_values("look", things.iter().map(|thing| NAMES[thing.look])),
        FurtherLabel::of_values("color", things.iter().map(color)),
    ]
}
