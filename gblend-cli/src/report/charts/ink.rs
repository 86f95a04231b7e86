//! Colors by what they are for. A style sheet says what they look like, in light, in the dark and on paper.
//!
//! The library knows colors as numbers alone. Each number here is a code, and is replaced by a name once all is drawn.

use plotters::style::{Color, RGBAColor, RGBColor, ShapeStyle};

use super::units::SCALE;

/// How many colors of series there are; more heads share them, and differ by their dashes.
const SERIES: usize = 7;

/// How many dashes there are. The first is none.
const DASHES: [&str; 4] = ["", "6 3", "2 3", "9 3 2 3"];

/// A color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// What is read.
    Text,
    /// What is read second.
    Muted,
    /// Lines behind the figures.
    Grid,
    /// What the page is made of.
    Paper,
    /// One of several things.
    Series(usize),
    /// A step from nothing, 0, to all, 9.
    Heat(u8),
    /// Text on such a step.
    OnHeat(u8),
    /// Better than what it is compared with.
    Gain,
    /// Worse.
    Loss,
}

impl Ink {
    fn code(self, dash: u8) -> RGBColor {
        let (kind, index) = match self {
            Self::Text => (1, 0),
            Self::Muted => (2, 0),
            Self::Grid => (3, 0),
            Self::Paper => (4, 0),
            Self::Series(index) => (5, (index % SERIES) as u8),
            Self::Heat(step) => (6, step.min(9)),
            Self::OnHeat(step) => (7, u8::from(step >= 5)),
            Self::Gain => (8, 0),
            Self::Loss => (9, 0),
        };
        RGBColor(kind, index, dash)
    }

    /// The color of text.
    pub(super) fn text(self) -> RGBColor {
        self.code(0)
    }

    /// An area.
    pub(super) fn fill(self) -> ShapeStyle {
        self.code(0).filled()
    }

    /// An area that lets through what is below.
    pub(super) fn shade(self, opacity: f64) -> RGBAColor {
        self.code(0).mix(opacity)
    }

    /// A line so many tenths of a pixel wide.
    pub(super) fn line(self, tenths: u32) -> ShapeStyle {
        self.code(0).stroke_width(tenths * SCALE / 10)
    }

    /// As [`line`](Self::line), with dashes of one of several patterns; the first is none.
    pub(super) fn dashed(self, tenths: u32, pattern: usize) -> ShapeStyle {
        let pattern = (pattern % DASHES.len()) as u8;
        self.code(pattern).stroke_width(tenths * SCALE / 10)
    }

    /// Its name in the style sheet.
    pub(crate) fn variable(self) -> String {
        let RGBColor(kind, index, _) = self.code(0);
        name(kind, index)
    }
}

fn name(kind: u8, index: u8) -> String {
    match kind {
        2 => "--muted".into(),
        3 => "--grid".into(),
        4 => "--paper".into(),
        5 => format!("--series-{index}"),
        6 => format!("--heat-{index}"),
        7 => format!("--on-heat-{index}"),
        8 => "--gain".into(),
        9 => "--loss".into(),
        _ => "--text".into(),
    }
}

/// Replaces codes by names. A code stands in an attribute alone: in text, quotation marks are escaped.
pub(super) fn named(svg: &str) -> String {
    let mut named = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some(at) = rest.find("=\"#") {
        let (before, code) = rest.split_at(at);
        named.push_str(before);
        let digits = code.get(3..9).filter(|_| code.get(9..10) == Some("\""));
        let Some(value) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            named.push_str(&code[..3]);
            rest = &code[3..];
            continue;
        };
        let [_, kind, index, dash] = value.to_be_bytes();
        named.push_str(&format!("=\"var({})\"", name(kind, index)));
        let pattern = DASHES.get(usize::from(dash)).copied().unwrap_or_default();
        if !pattern.is_empty() {
            let scaled = pattern.split(' ').filter_map(|length| length.parse::<u32>().ok());
            let scaled: Vec<String> = scaled.map(|length| (length * SCALE).to_string()).collect();
            named.push_str(&format!(" stroke-dasharray=\"{}\"", scaled.join(" ")));
        }
        rest = &code[10..];
    }
    named.push_str(rest);
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_names_and_text_is_left_alone() {
        let svg = "<line stroke=\"#050203\"/><text fill=\"#010000\">fill=&quot;#010000&quot; \"=\"#x</text>";
        let dashes = DASHES[3]
            .split(' ')
            .map(|n| n.parse::<u32>().map_or(0, |n| n * SCALE).to_string());
        let dashes = dashes.collect::<Vec<_>>().join(" ");
        assert_eq!(
            named(svg),
            format!(
                "<line stroke=\"var(--series-2)\" stroke-dasharray=\"{dashes}\"/>\
                 <text fill=\"var(--text)\">fill=&quot;#010000&quot; \"=\"#x</text>"
            )
        );
    }
}
