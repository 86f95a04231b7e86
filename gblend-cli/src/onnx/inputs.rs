//! The inputs of an exported model, in the order of axes that users of other programs expect.

use std::collections::BTreeMap;

use gblend_core::Array;
use gblend_core::graph::{Graph, Operation};

use super::builder::Builder;
use super::proto::{Attribute, Element, Value};
use crate::error::{Error, Result};

/// What the samples of a modality are to its encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Pictures: samples `[channels, height, width, frames]`.
    Maps,
    /// Numbers, whatever the shape.
    Values,
    /// Sequences: samples `[features + 1, time]`, the last row a mask.
    Steps,
    /// Numbers of things, `[time]`.
    Tokens,
}

/// What an exported model reads of a modality.
#[derive(Clone, Debug)]
pub struct ModelInput {
    /// The modality's name.
    pub modality: String,
    form: Form,
    sample_shape: Vec<usize>,
    views: usize,
    /// Whether it is told which samples have the modality.
    told: bool,
}

/// One tensor of an input.
#[derive(Clone, Debug)]
pub struct InputTensor {
    /// Its name.
    pub name: String,
    pub(super) element: Element,
    /// Names and extents of its axes after the batch.
    pub axes: Vec<(&'static str, usize)>,
    pub(super) holds: &'static str,
}

/// Values of a tensor for some samples, the first axis the batch.
#[derive(Clone, Debug, PartialEq)]
pub enum InputValues {
    /// Single-precision numbers.
    Floats(Vec<f32>),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Answers.
    Bools(Vec<bool>),
}

/// An input that a graph reads, with all views of a sample in the batch.
pub(super) struct Entered {
    /// Values.
    pub(super) values: String,
    /// Which steps are there, if that is asked.
    pub(super) mask: Option<String>,
    /// Which samples have the modality, if that is told.
    pub(super) present: Option<Present>,
}

/// Which samples have a modality, `[batch]`.
pub(super) struct Present {
    /// Of each sample.
    pub(super) samples: String,
    /// Of each view of each sample.
    pub(super) views: String,
}

impl ModelInput {
    /// The input of a modality whose samples have this shape, and which samples have it where that is `told`; `None` if the graph
    /// does not read it.
    ///
    /// # Errors
    /// [`Error::NotExported`] if its encoder reads its samples in ways that are no one tensor.
    pub(super) fn of(
        graph: &Graph,
        modality: &str,
        sample_shape: &[usize],
        views: usize,
        told: bool,
    ) -> Result<Option<Self>> {
        let mut found: Option<Form> = None;
        for (_, node) in graph.nodes() {
            let (input, form) = match &node.operation {
                Operation::Maps(input) => (input, Form::Maps),
                Operation::Columns { input, .. } | Operation::Ids { input, .. } => (input, Form::Values),
                Operation::Steps(input) | Operation::StepMask(input) => (input, Form::Steps),
                Operation::Tokens(input) | Operation::TokenMask { input, .. } => (input, Form::Tokens),
                _ => continue,
            };
            if input != modality {
                continue;
            }
            if *found.get_or_insert(form) != form {
                return Err(Error::NotExported(format!(
                    "the encoder of modality `{modality}` reads its samples both as {:?} and as {form:?}",
                    found.unwrap_or(form)
                )));
            }
        }
        Ok(found.map(|form| Self {
            modality: modality.to_owned(),
            form,
            sample_shape: sample_shape.to_vec(),
            views,
            told,
        }))
    }

    /// How many views of a sample it has.
    pub(super) fn views(&self) -> usize {
        self.views
    }

    /// Its tensors.
    pub fn tensors(&self) -> Vec<InputTensor> {
        let mut tensors = self.of_samples();
        tensors.extend(self.told.then(|| self.presence()));
        tensors
    }

    /// The tensor that tells which samples have the modality.
    fn presence(&self) -> InputTensor {
        InputTensor {
            name: format!("present_{}", self.modality),
            element: Element::Bool,
            axes: Vec::new(),
            holds: "which samples have the modality; what the other tensors have of others is not looked at",
        }
    }

    /// The tensors that hold samples.
    fn of_samples(&self) -> Vec<InputTensor> {
        let tensor = |name: String, element, axes: Vec<(&'static str, usize)>, holds| {
            let views = (self.views > 1).then_some(("views", self.views));
            InputTensor {
                name,
                element,
                axes: views.into_iter().chain(axes).collect(),
                holds,
            }
        };
        let name = self.modality.clone();
        match (self.form, self.sample_shape.as_slice()) {
            (Form::Maps, &[channels, height, width, frames]) => {
                let mut axes = vec![("channels", channels)];
                axes.extend((frames > 1).then_some(("frames", frames)));
                axes.extend([("height", height), ("width", width)]);
                vec![tensor(name, Element::Float, axes, "pictures")]
            }
            (Form::Steps, &[rows, time]) => {
                let axes = vec![("time", time), ("features", rows.saturating_sub(1))];
                let mask = format!("{name}.mask");
                vec![
                    tensor(name, Element::Float, axes, "sequences, padded to one length"),
                    tensor(
                        mask,
                        Element::Bool,
                        vec![("time", time)],
                        "which steps are there; what is in the others is not looked at",
                    ),
                ]
            }
            (Form::Tokens, &[time]) => vec![tensor(
                name,
                Element::Int64,
                vec![("time", time)],
                "numbers of tokens, padded to one length",
            )],
            (_, shape) => {
                let axes = shape.iter().map(|&extent| ("values", extent)).collect();
                vec![tensor(name, Element::Float, axes, "numbers")]
            }
        }
    }

    /// The values of its tensors for some samples, of each all views, as the encoder would get them; zeros of one that lacks the
    /// modality.
    ///
    /// # Errors
    /// [`Error::Internal`] if a sample has another shape, or one lacks the modality and that is not told.
    pub fn values(&self, samples: &[Option<Vec<Array>>]) -> Result<Vec<(InputTensor, InputValues)>> {
        let present: Vec<bool> = samples.iter().map(Option::is_some).collect();
        if !self.told && present.contains(&false) {
            let problem = format!("a sample lacks `{}`, which the graph is not told", self.modality);
            return Err(Error::Internal(problem));
        }
        let nothing = Array::zeros(self.sample_shape.clone());
        let views = samples.iter().flat_map(|views| match views {
            Some(views) => views.iter().collect::<Vec<&Array>>(),
            None => vec![&nothing; self.views],
        });
        let arrays: Vec<&Array> = views.collect();
        if let Some(odd) = arrays.iter().find(|array| array.shape() != self.sample_shape) {
            let (found, expected) = (odd.shape(), &self.sample_shape);
            return Err(Error::Internal(format!(
                "a sample of shape {found:?}, not {expected:?}"
            )));
        }
        let values = arrays.iter().map(|array| array.values());
        let mut held = match (self.form, self.sample_shape.as_slice()) {
            (Form::Maps, &[channels, height, width, frames]) => {
                let moved = values.flat_map(|values| {
                    let at = move |channel: usize, frame: usize, pixel: usize| {
                        values[(channel * height * width + pixel) * frames + frame]
                    };
                    let places = (0..channels).flat_map(move |c| (0..frames).map(move |f| (c, f)));
                    places.flat_map(move |(c, f)| (0..height * width).map(move |pixel| at(c, f, pixel)))
                });
                vec![InputValues::Floats(moved.collect())]
            }
            (Form::Steps, &[rows, time]) => {
                let features = rows.saturating_sub(1);
                let steps = values.clone().flat_map(|values| {
                    let at = move |step: usize, feature: usize| values[feature * time + step];
                    (0..time).flat_map(move |step| (0..features).map(move |feature| at(step, feature)))
                });
                let mask = values.clone().flat_map(|values| &values[features * time..]);
                vec![
                    InputValues::Floats(steps.collect()),
                    InputValues::Bools(mask.map(|&there| there != 0.0).collect()),
                ]
            }
            (Form::Tokens, _) => {
                let tokens = values.flatten().map(|&token| token as i64);
                vec![InputValues::Ints(tokens.collect())]
            }
            _ => vec![InputValues::Floats(values.flatten().copied().collect())],
        };
        held.extend(self.told.then_some(InputValues::Bools(present)));
        Ok(self.tensors().into_iter().zip(held).collect())
    }

    /// Declares its tensors, and brings all views of a sample into the batch, of which there are `views` in all.
    ///
    /// # Errors
    /// [`Error::NotExported`] if another tensor has the name of one.
    pub(super) fn enter(&self, builder: &mut Builder, views: usize) -> Result<Entered> {
        let mut entered = Vec::new();
        for tensor in self.of_samples() {
            let axes: Vec<usize> = tensor.axes.iter().map(|(_, extent)| *extent).collect();
            let value = Value::of_batch(&tensor.name, tensor.element, &axes, tensor.holds);
            builder.input(value)?;
            let mut name = tensor.name;
            if views > 1 {
                if self.views == 1 {
                    let axis = builder.ints(&[1]);
                    name = builder.node("Unsqueeze", &[&name, &axis], []);
                }
                if self.views != views {
                    let in_turn: Vec<i64> = (0..views).map(|view| (view % self.views) as i64).collect();
                    let in_turn = builder.ints(&in_turn);
                    name = builder.node("Gather", &[&name, &in_turn], [Attribute::int("axis", 1)]);
                }
                let of_view = &axes[usize::from(self.views > 1)..];
                let shape: Vec<i64> = std::iter::once(-1)
                    .chain(of_view.iter().map(|&extent| extent as i64))
                    .collect();
                let shape = builder.ints(&shape);
                name = builder.node("Reshape", &[&name, &shape], []);
            }
            entered.push(name);
        }
        let mut entered = entered.into_iter();
        Ok(Entered {
            values: entered.next().unwrap_or_default(),
            mask: entered.next(),
            present: self
                .told
                .then(|| self.enter_presence(builder, views))
                .transpose()?,
        })
    }

    fn enter_presence(&self, builder: &mut Builder, views: usize) -> Result<Present> {
        let tensor = self.presence();
        builder.input(Value::of_batch(&tensor.name, tensor.element, &[], tensor.holds))?;
        let samples = tensor.name;
        let views = match views {
            1 => samples.clone(),
            _ => {
                let axis = builder.ints(&[1]);
                let column = builder.node("Unsqueeze", &[&samples, &axis], []);
                let shape = builder.ints(&[1, views as i64]);
                let of_views = builder.node("Expand", &[&column, &shape], []);
                let flat = builder.ints(&[-1]);
                builder.node("Reshape", &[&of_views, &flat], [])
            }
        };
        Ok(Present { samples, views })
    }
}

/// The inputs of all modalities that a graph reads, by name.
///
/// # Errors
/// As [`ModelInput::enter`].
pub(super) fn enter_all(
    inputs: &[ModelInput],
    builder: &mut Builder,
    views: usize,
) -> Result<BTreeMap<String, Entered>> {
    let inputs = inputs.iter();
    let entered = inputs.map(|input| Ok((input.modality.clone(), input.enter(builder, views)?)));
    entered.collect()
}
