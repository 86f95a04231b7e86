//! Vectors of numbers: features of another network, rows of a table.

mod figures;
mod network;

use gblend_core::category::is_code;
use gblend_core::{
    Array, BuildContext, Encoder, Error, FitContext, Fitted, Media, MediaKind, Modality, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::frontend::moments::{cell, refused};
use crate::rgb::wrong_media;
use figures::Figures;
use network::VectorNetwork;

pub use network::{VectorArchitecture, VectorEncoderSettings};

/// A vector of numbers, as many for each sample: features of another network, a row of a table.
///
/// Columns are brought to mean 0 and deviation 1 by the figures of the training samples, which are kept with the model. A
/// cell that is missing, NaN in the array, becomes the mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vector {
    /// Whether columns are standardized.
    pub scaling: Scaling,
    /// Deviations from the mean beyond which a standardized value is clipped, above 0.
    pub clip: f64,
    /// Whether a column that was missing in a training sample has a second one beside it, which is 1 where it is missing and
    /// 0 elsewhere.
    pub indicators: bool,
    /// Columns, counted from 0, whose numbers are names of categories. Columns of a stream's `categories` are so without being
    /// named here. A category that no training sample has counts as none.
    pub categorical: Vec<usize>,
    /// Length of the vector that is learned for each category. Default: a column for each category, 1 for the sample's own
    /// and 0 elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_width: Option<usize>,
    /// The network.
    pub encoder: VectorEncoderSettings,
}

/// What becomes of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scaling {
    /// Mean 0 and deviation 1 over the training samples; a column that is constant there becomes 0.
    #[default]
    Standard,
    /// Nothing: they are of one scale already. A missing cell becomes 0.
    None,
}

impl Default for Vector {
    fn default() -> Self {
        Self {
            scaling: Scaling::Standard,
            clip: 5.0,
            indicators: true,
            categorical: Vec::new(),
            category_width: None,
            encoder: VectorEncoderSettings::default(),
        }
    }
}

impl Vector {
    /// What does not depend on the samples.
    fn check(&self, columns: usize) -> Result<()> {
        if !(self.clip > 0.0 && self.clip.is_finite()) {
            return Err(Error::setting("clip", self.clip, "a number above 0"));
        }
        let mut sorted = self.categorical.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::setting("categorical", pair[0], "each column once"));
        }
        match sorted.last() {
            Some(&last) if last >= columns => {
                let expected = format!("columns counted from 0, below {columns}");
                Err(Error::setting("categorical", last, expected))
            }
            _ => Ok(()),
        }
    }
}

#[typetag::serde(name = "vector")]
impl Modality for Vector {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }

    /// `[columns]`, with a mark for cells that are missing.
    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Array(array) = media else {
            return Err(wrong_media("vector", MediaKind::Array, media));
        };
        // NumPy has features of one sample as [1, columns] as often as not.
        let axes = array.shape().iter().filter(|&&extent| extent != 1).count();
        if axes > 1 || array.is_empty() {
            let expected = "[columns], at least one; kind `sequence` takes [steps, features]";
            return Err(Error::shape("a vector", expected, array.shape()));
        }
        self.check(array.len())?;
        let cells = array.values().iter().enumerate().map(|(column, &value)| {
            if is_code(value) {
                return Ok(value);
            }
            cell(value).map_err(|value| Error::data(format!("column {column}"), refused(value)))
        });
        let cells: Vec<f32> = cells.collect::<Result<_>>()?;
        Array::new([cells.len()], cells)
    }

    fn prepares_directly(&self) -> bool {
        true
    }

    /// Numbers that name categories are no quantities.
    fn prepares_quantities(&self) -> bool {
        self.categorical.is_empty()
    }

    fn fit(&self, cx: &FitContext<'_>) -> Result<Fitted> {
        let figures = Figures::fit(self, cx)?;
        let mut fitted = Fitted::new(&figures)?;
        for line in figures.summary() {
            fitted = fitted.with_summary(line);
        }
        Ok(fitted)
    }

    /// `[numbers + indicators + categories]`; with learned vectors the last are numbers of categories.
    fn apply(&self, sample: Array, fitted: &Fitted) -> Result<Array> {
        fitted.get::<Figures>()?.apply(self, &sample)
    }

    fn unfamiliar(&self, sample: &Array, fitted: &Fitted) -> Result<Vec<usize>> {
        Ok(fitted.get::<Figures>()?.unfamiliar(self, sample))
    }

    fn augments(&self) -> bool {
        false
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let figures = cx.fitted.get::<Figures>()?;
        Ok(Box::new(VectorNetwork::new(self, &figures, cx)?))
    }
}

gblend_core::register!(Modality, "vector" => Vector);
