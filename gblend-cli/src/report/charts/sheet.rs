//! Paper to draw on, and text on it.

use std::io;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::Text;
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoFont, TextStyle};

use super::Drawing;
use super::ink::{Ink, named};
use super::units::SCALE;
use crate::error::{Error, Result};

/// The width of most drawings in pixels: that of a telephone, so that text is as large there as anywhere.
pub(super) const WIDTH: u32 = 420;

/// The size of text in pixels.
pub(super) const LETTERS: u32 = 13;

/// Beyond this, figures are not of losses or shares, and lines would run off the sheet.
const HUGE: f64 = 1e9;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// Draws on a sheet of `pixels`.
pub(super) fn draw(
    title: impl Into<String>,
    says: impl Into<String>,
    pixels: (u32, u32),
    paint: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<Drawing> {
    let size = (pixels.0 * SCALE, pixels.1 * SCALE);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area)
            .and_then(|()| area.present())
            .map_err(|error| Error::Internal(format!("a chart cannot be drawn: {error}")))?;
    }
    // The page has an element of its own around it.
    let inner = svg.split_once('>').map_or("", |(_, inner)| inner);
    let inner = inner.trim_end().strip_suffix("</svg>").unwrap_or(inner);
    Ok(Drawing {
        title: title.into(),
        says: says.into(),
        svg: named(inner),
        size,
        pixels,
    })
}

/// Where text stands from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Middle,
    Right,
}

/// Text of a color, to be placed with its middle at a height.
pub(super) fn letters(ink: Ink, side: Side) -> TextStyle<'static> {
    sized(ink, side, LETTERS)
}

/// As [`letters`], of another size in pixels.
pub(super) fn sized(ink: Ink, side: Side, pixels: u32) -> TextStyle<'static> {
    let anchor = match side {
        Side::Left => HPos::Left,
        Side::Middle => HPos::Center,
        Side::Right => HPos::Right,
    };
    // The backend divides by this, to make up for fonts that are smaller than they say.
    let size = f64::from(pixels * SCALE) * 1.24;
    ("sans-serif", size)
        .into_font()
        .color(&ink.text())
        .pos(Pos::new(anchor, VPos::Center))
}

/// Text at a point in units of the drawing.
pub(super) fn write(area: &Area<'_>, text: &str, at: (i32, i32), style: TextStyle<'static>) -> Drawn {
    area.draw(&Text::new(text.to_owned(), at, style))
}

/// The width of text in pixels in a wide font; others take less.
pub(super) fn width(text: &str) -> u32 {
    let letters = text.chars().map(|letter| match letter {
        'i' | 'j' | 'l' | ' ' | '.' | ',' | ':' | '|' | '\'' => 32,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '-' => 41,
        'm' | 'w' | 'M' | 'W' | '%' | '…' => 100,
        '+' | '±' | '−' => 84,
        'A'..='Z' => 72,
        letter if letter > '\u{10ff}' => 110,
        _ => 64,
    });
    (letters.sum::<u32>() * LETTERS).div_ceil(100)
}

/// Text cut to a width in pixels.
pub(super) fn shortened(text: &str, pixels: u32) -> String {
    if width(text) <= pixels {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width(&short) + width("…") + width(&letter.to_string()) > pixels {
            break;
        }
        short.push(letter);
    }
    format!("{}…", short.trim_end())
}

/// A range with some space around these values; `None` if there are none, or one is beyond all reason.
pub(super) fn around(values: impl IntoIterator<Item = f64>) -> Option<Range<f64>> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        if !value.is_finite() || value.abs() >= HUGE {
            return None;
        }
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return None;
    }
    let least = 1e-6 * (1.0 + low.abs().max(high.abs()));
    let space = (0.06 * (high - low)).max(least);
    Some(low - space..high + space)
}

/// How an axis is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// As it is.
    Plain,
    /// As whole numbers.
    Whole,
    /// As shares.
    Percent,
    /// As powers of ten.
    Decades,
}

/// Figures on an axis.
pub(super) fn tick(scale: Scale, range: &Range<f64>) -> impl Fn(&f64) -> String + use<> {
    let length = range.end - range.start;
    let plain = digits(range.start, range.end);
    let hundred = digits(100.0 * range.start, 100.0 * range.end);
    move |value: &f64| {
        let whole = (value - value.round()).abs() < 1e-6;
        match scale {
            Scale::Plain => fixed(*value, plain),
            Scale::Percent => format!("{} %", fixed(100.0 * value, hundred)),
            Scale::Whole | Scale::Decades if !whole && (scale == Scale::Whole || length > 1.5) => {
                String::new()
            }
            Scale::Whole => fixed(*value, 0),
            Scale::Decades => shortest(10.0_f64.powf(*value)),
        }
    }
}

/// A figure without zeros at its end.
fn shortest(value: f64) -> String {
    let text = super::figure(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// As many digits as tell the figures of some six ticks apart.
fn digits(start: f64, end: f64) -> usize {
    let length = end - start;
    if length >= 5.0 {
        0
    } else {
        (0.7 - length.log10()).ceil().clamp(0.0, 8.0) as usize
    }
}

fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    // A zero that rounding left has no sign.
    if text.trim_start_matches(['-', '0', '.']).is_empty() {
        text.trim_start_matches('-').to_owned()
    } else {
        text.replacen('-', "−", 1)
    }
}

/// Heights moved apart so that lines of text `gap` high fit beside each other, in the given order.
pub(super) fn apart(heights: &[i32], gap: i32, within: Range<i32>) -> Vec<i32> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by_key(|&index| heights[index]);
    let mut placed = heights.to_vec();
    let mut least = within.start;
    for &index in &order {
        placed[index] = placed[index].max(least);
        least = placed[index] + gap;
    }
    let mut most = within.end;
    for &index in order.iter().rev() {
        placed[index] = placed[index].min(most);
        most = placed[index] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_of_text_are_apart_and_in_order(heights in proptest::collection::vec(0_i32..200, 1..10)) {
            let placed = apart(&heights, 20, 0..200);
            let mut order: Vec<usize> = (0..heights.len()).collect();
            order.sort_by_key(|&index| heights[index]);
            for pair in order.windows(2) {
                prop_assert!(placed[pair[1]] - placed[pair[0]] >= 20);
            }
        }

        #[test]
        fn a_range_has_all_its_values(values in proptest::collection::vec(-1e6_f64..1e6, 1..10)) {
            let range = around(values.iter().copied());
            prop_assert!(range.is_some_and(|range| values.iter().all(|value| range.contains(value))));
        }

        #[test]
        fn ticks_tell_neighbors_apart(low in -1e3_f64..1e3, length in 1e-4_f64..1e3) {
            let tick = tick(Scale::Plain, &(low..low + length));
            prop_assert_ne!(tick(&low), tick(&(low + length / 4.0)));
        }
    }

    #[test]
    fn what_cannot_be_drawn_has_no_range() {
        assert_eq!(around([]), None);
        assert_eq!(around([1.0, f64::NAN]), None);
        assert_eq!(around([1.0, 1e300]), None);
        assert!(around([2.0]).is_some_and(|range| range.start < range.end));
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(shortened("camera", 100), "camera");
        let long = shortened("a very long name of a modality", 100);
        assert!(long.ends_with('…') && width(&long) <= 100, "{long}");
    }
}
