//! Figures that say how good predictions are, and how they are told.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What a figure is called, how it is written, and which way is better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricKind {
    /// The key in files, such as `mean_average_precision`.
    pub name: Cow<'static, str>,
    /// The words in tables and charts, such as `mAP`.
    pub label: Cow<'static, str>,
    /// How it is written.
    pub format: MetricFormat,
    /// Which way is better.
    pub better: Better,
}

impl MetricKind {
    /// A share from 0 to 1, the higher the better, that is written in percent.
    pub const fn share(name: &'static str, label: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            label: Cow::Borrowed(label),
            format: MetricFormat::Percent,
            better: Better::Higher,
        }
    }

    /// A plain number.
    pub const fn number(name: &'static str, label: &'static str, better: Better) -> Self {
        Self {
            name: Cow::Borrowed(name),
            label: Cow::Borrowed(label),
            format: MetricFormat::Number,
            better,
        }
    }
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MetricFormat {
    /// A share, as `71.4 %`.
    Percent,
    /// A number, as `0.714`.
    Number,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The higher, as of an accuracy.
    Higher,
    /// The lower, as of an error.
    Lower,
}

impl Better {
    /// The figure turned so that the higher is better: errors change their sign.
    pub fn gain(self, figure: f64) -> f64 {
        match self {
            Self::Higher => figure,
            Self::Lower => -figure,
        }
    }
}

/// What a report calls its axes where predictions stand against the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axes {
    /// Of what is right, such as `true class`.
    pub truth: Cow<'static, str>,
    /// Of what is said, such as `predicted class`.
    pub prediction: Cow<'static, str>,
}

impl Axes {
    /// These words.
    pub const fn new(truth: &'static str, prediction: &'static str) -> Self {
        Self {
            truth: Cow::Borrowed(truth),
            prediction: Cow::Borrowed(prediction),
        }
    }
}
