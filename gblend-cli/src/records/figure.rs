//! A figure as people read it.

use gblend_core::{Better, MetricFormat, MetricKind};

/// A figure and how it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Its value.
    pub value: f64,
    /// How it is written.
    pub format: MetricFormat,
}

impl Figure {
    /// A figure of this kind.
    pub fn new(value: f64, kind: &MetricKind) -> Self {
        Self {
            value,
            format: kind.format,
        }
    }

    /// `71.4 %`, or three digits.
    pub fn text(self) -> String {
        match self.format {
            MetricFormat::Percent => format!("{:.1} %", 100.0 * self.value),
            _ => three_digits(self.value),
        }
    }

    /// As [`text`](Self::text), shares without their decimal.
    pub fn brief(self) -> String {
        match self.format {
            MetricFormat::Percent => format!("{:.0} %", 100.0 * self.value),
            _ => three_digits(self.value),
        }
    }

    /// `71.4 ± 1.0 %`, or three digits of each.
    pub fn with_interval(self, half: Option<f64>) -> String {
        match (half, self.format) {
            (None, _) => self.text(),
            (Some(half), MetricFormat::Percent) => {
                format!("{:.1} ± {:.1} %", 100.0 * self.value, 100.0 * half)
            }
            (Some(half), _) => format!("{} ± {}", three_digits(self.value), three_digits(half)),
        }
    }
}

/// A difference of two figures of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FigureDifference {
    /// Its value.
    pub value: f64,
    /// How it is written.
    pub format: MetricFormat,
    /// Which way is better.
    pub better: Better,
}

impl FigureDifference {
    /// A difference of figures of this kind.
    pub fn new(value: f64, kind: &MetricKind) -> Self {
        Self {
            value,
            format: kind.format,
            better: kind.better,
        }
    }

    /// How much better, in the figure's unit; negative for worse.
    pub fn gain(self) -> f64 {
        self.better.gain(self.value)
    }

    /// `+5.3`, shares in points.
    pub fn signed(self) -> String {
        match self.format {
            MetricFormat::Percent => format!("{:+.1}", 100.0 * self.value),
            _ if self.value > 0.0 => format!("+{}", three_digits(self.value)),
            _ => three_digits(self.value),
        }
    }

    /// A width in the same unit.
    pub fn width(self, width: f64) -> String {
        match self.format {
            MetricFormat::Percent => format!("{:.1}", 100.0 * width),
            _ => three_digits(width),
        }
    }
}

/// A figure of any size with some three digits.
pub fn three_digits(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size == 0.0 => "0".to_owned(),
        _ if !(1e-4..1e6).contains(&size) => format!("{value:.2e}"),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    };
    text.replacen('-', if text.contains('e') { "-" } else { "−" }, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_in_percent_and_numbers_with_three_digits() {
        let share = MetricKind::share("accuracy", "accuracy");
        let error = MetricKind::number("mae", "MAE", Better::Lower);
        assert_eq!(Figure::new(0.714, &share).text(), "71.4 %");
        assert_eq!(Figure::new(0.714, &share).brief(), "71 %");
        assert_eq!(
            Figure::new(0.714, &share).with_interval(Some(0.01)),
            "71.4 ± 1.0 %"
        );
        assert_eq!(Figure::new(0.3214, &error).text(), "0.321");
        assert_eq!(
            Figure::new(12.345, &error).with_interval(Some(0.5)),
            "12.3 ± 0.500"
        );
        assert_eq!(FigureDifference::new(0.053, &share).signed(), "+5.3");
        assert_eq!(FigureDifference::new(-0.053, &share).signed(), "-5.3");
        let better = FigureDifference::new(-0.25, &error);
        assert_eq!((better.signed().as_str(), better.gain()), ("−0.250", 0.25));
    }

    #[test]
    fn figures_have_three_digits_and_a_proper_sign() {
        assert_eq!(three_digits(-0.1234), "−0.123");
        assert_eq!(three_digits(0.0), "0");
        assert_eq!(three_digits(1234.5), "1234");
        assert_eq!(three_digits(-1e-7), "-1.00e-7");
    }
}
