//! Figures as people read them.

use gblend_core::{MetricFormat, MetricKind};

use crate::records::{Figure, FigureDifference, three_digits};

/// `71.4 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A difference of shares in percentage points, with its sign.
pub(crate) fn points(difference: f64) -> String {
    let text = format!("{:+.1}", 100.0 * difference);
    if text.ends_with("0.0") && text.len() == 4 {
        "0.0".to_owned()
    } else {
        text.replace('-', "−")
    }
}

/// `71.4 %` or three digits, as this kind of figure is written.
pub(crate) fn of_kind(value: f64, kind: &MetricKind) -> String {
    Figure::new(value, kind).text()
}

/// As [`of_kind`], with half the width of an interval.
pub(crate) fn of_kind_within(value: f64, half: Option<f64>, kind: &MetricKind) -> String {
    Figure::new(value, kind).with_interval(half)
}

/// A difference of figures of this kind with its sign, shares in percentage points.
pub(crate) fn difference(value: f64, kind: &MetricKind) -> String {
    match kind.format {
        MetricFormat::Percent => points(value),
        _ => FigureDifference::new(value, kind).signed(),
    }
}

/// A figure of any size with some three digits.
pub(crate) fn figure(value: f64) -> String {
    three_digits(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_proper_sign() {
        assert_eq!(figure(-0.1234), "−0.123");
        assert_eq!(points(0.0123), "+1.2");
        assert_eq!(points(-0.0123), "−1.2");
        assert_eq!(points(-0.0001), "0.0");
    }
}
