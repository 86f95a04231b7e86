//! What an exported model says of itself: how its inputs are made, and what its outputs are.

use gblend_core::Fitted;
use serde::Serialize;
use serde_json::Value;

use super::ExportedModel;
use super::inputs::ModelInput;
use crate::error::{Error, Result};
use crate::records::FittedPool;

/// The format of what is written here; another one gets another number.
const FORMAT: &str = "gblend-onnx-1";

/// An input, as `gblend.inputs` tells it.
#[derive(Serialize)]
struct InputDescription<'a> {
    modality: &'a str,
    /// The kind of the modality.
    kind: &'a str,
    tensors: Vec<TensorDescription>,
    /// How many views of a sample there are, whose scores are averaged.
    views: usize,
    /// What is done before the tensors, in this order; what was fitted is below.
    steps: [&'static str; 3],
    /// The `[modality.NAME]` table, with every key.
    settings: Value,
    /// The stream of the dataset that fed it, and its columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<&'a [String]>,
    /// The shape of a prepared sample, and of what the encoder got in training, in gblend's order of axes.
    #[serde(skip_serializing_if = "Option::is_none")]
    prepared_shape: Option<&'a [usize]>,
    sample_shape: &'a [usize],
    /// What the modality has fitted to the training samples: means and deviations, a vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    fitted: Option<&'a Fitted>,
}

#[derive(Serialize)]
struct TensorDescription {
    name: String,
    element: &'static str,
    axes: Vec<String>,
    holds: &'static str,
}

/// What is done with media before they are a tensor.
const STEPS: [&str; 3] = [
    "prepare: media become an array by the settings",
    "apply: what was fitted to the training samples is applied, such as means and deviations, or a vocabulary",
    "axes: gblend's [channels, height, width, frames] and [features + mask, time] are brought into the order of the tensors",
];

/// What a graph does with samples that lack modalities.
const MISSING: &str = "present_NAME says which samples have a modality, of which each has one at least; heads of those that a sample \
                       lacks say no number (NaN) of it, and what is predicted is what the others say";
const WHOLE: &str = "every sample has every modality; gblend predict has samples that lack some";

/// What predicts.
#[derive(Serialize)]
struct Prediction<'a> {
    /// The rule of `blend.predict`.
    rule: &'static str,
    /// The pool of the heads, where one was fitted. The graph has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<&'a FittedPool>,
    /// Heads that were trained, with the weights of their losses.
    heads: Vec<(&'a str, f64)>,
}

/// The properties of a model with these inputs.
///
/// # Errors
/// [`Error::Internal`] if settings cannot be written as JSON.
pub(super) fn properties(model: &ExportedModel<'_>, inputs: &[ModelInput]) -> Result<Vec<(String, String)>> {
    let mut descriptions = Vec::new();
    for input in inputs {
        let modalities = model
            .config
            .modalities
            .iter()
            .zip(model.modalities)
            .zip(model.fitted);
        let mut modalities = modalities.filter(|((modality, _), _)| modality.name == input.modality);
        let Some(((modality, known), fitted)) = modalities.next() else {
            continue;
        };
        let tensors = input.tensors().into_iter().map(|tensor| {
            let axes = tensor
                .axes
                .iter()
                .map(|(name, extent)| format!("{name} {extent}"));
            TensorDescription {
                axes: std::iter::once("batch".to_owned()).chain(axes).collect(),
                name: tensor.name,
                element: tensor.element.name(),
                holds: tensor.holds,
            }
        });
        descriptions.push(InputDescription {
            modality: &input.modality,
            kind: modality.plugin.typetag_name(),
            tensors: tensors.collect(),
            views: modality.plugin.views().get(),
            steps: STEPS,
            settings: serde_json::to_value(&modality.plugin).map_err(unwritable)?,
            stream: known.stream.as_deref(),
            columns: known.columns.as_deref(),
            prepared_shape: known.prepared_shape.as_deref(),
            sample_shape: &known.sample_shape,
            fitted: (!fitted.is_nothing()).then_some(fitted),
        });
    }
    let heads = model.heads.iter().zip(model.weights);
    let prediction = Prediction {
        rule: model.rule.name(),
        pool: model.pool,
        heads: heads
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(name, &weight)| (name.as_str(), weight))
            .collect(),
    };
    let property = |key: &str, value: String| (format!("gblend.{key}"), value);
    Ok(vec![
        property("format", FORMAT.to_owned()),
        property("version", env!("CARGO_PKG_VERSION").to_owned()),
        property("classes", json(&model.classes)?),
        property("inputs", json(&descriptions)?),
        property("prediction", json(&prediction)?),
        property(
            "missing",
            match model.missing {
                true => MISSING,
                false => WHOLE,
            }
            .to_owned(),
        ),
    ])
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(unwritable)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritable(error: serde_json::Error) -> Error {
    Error::Internal(format!("metadata cannot be written as JSON: {error}"))
}
