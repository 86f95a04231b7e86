//! A trained model as one ONNX graph, for programs that know nothing of gblend: encoders, fusion, heads, and what predicts.
//!
//! The network is traced (`gblend_core::graph` says why that is done rather than each layer writing itself): what it does to a
//! batch of two samples and to one of three becomes a graph for any number, whose operations have a translation each
//! (`translation`). So encoders and fusions of plugins are exported without a line of theirs, and what cannot be is an error
//! that names the part of the network. Front ends stay outside, and so does what modalities have fitted and apply to prepared
//! samples: both are Rust code on loader threads. The graph begins with the tensors that encoders get, in the order of axes that
//! users of other programs expect (`inputs`), and says in its metadata how they were made (`metadata`).

mod builder;
mod inputs;
mod metadata;
pub mod npz;
mod predictions;
mod proto;
mod translation;

use gblend_core::graph::{Extent, Graph, Trace};
use gblend_core::trace::trace;
use gblend_core::{Array, AutoDevice, Batch, Fitted, Pass, PresenceMask};
use prost::Message;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::evaluation::Ensemble;
use crate::network::{ActiveHeads, Inputs, Multimodal};
use crate::records::{FittedPool, ModelModality, PredictionRule};
use builder::Builder;
pub use inputs::{InputTensor, InputValues, ModelInput};
use predictions::{PROBABILITIES, Scores, VALUES, predicted};
use proto::{Element, Value};
use translation::Translation;

/// Protocol buffers end there.
const LARGEST: usize = i32::MAX as usize;

/// Everything that is known of a trained model beside its network.
#[derive(Clone, Copy)]
pub struct ExportedModel<'a> {
    /// The configuration of its run.
    pub config: &'a Config,
    /// What predicts.
    pub rule: PredictionRule,
    /// The names of the heads, the joint one last.
    pub heads: &'a [String],
    /// The weights of their losses; a head of weight 0 was not trained, and is not exported.
    pub weights: &'a [f64],
    /// The pool of the heads, if one was fitted.
    pub pool: Option<&'a FittedPool>,
    /// The names of the classes; none where labels are numbers.
    pub classes: &'a [String],
    /// The modalities, as the configuration has them.
    pub modalities: &'a [ModelModality],
    /// What each of them has fitted.
    pub fitted: &'a [Fitted],
    /// Whether samples may lack modalities, so that the graph is told which have them.
    pub missing: bool,
}

/// A file, and what it reads.
pub struct Exported {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// What it reads of each modality.
    pub inputs: Vec<ModelInput>,
    /// The names of its outputs.
    pub outputs: Vec<String>,
    /// Trained heads without an output, and their objectives, which do not say how their scores follow from what heads say.
    pub left_out: Vec<(String, &'static str)>,
}

/// Writes a network down.
///
/// # Errors
/// [`Error::NotExported`] naming what cannot be written, and those of the network.
pub fn export(network: &mut Multimodal, model: &ExportedModel<'_>, device: &AutoDevice) -> Result<Exported> {
    let active = ActiveHeads::trained(model.weights);
    let [first, second] = [2, 3].map(|samples| traced(network, model, &active, device, samples));
    let graph = Graph::of(first?, second?).map_err(|error| Error::NotExported(error.to_string()))?;
    let inputs = inputs_of(&graph, model)?;
    let views = inputs.iter().map(ModelInput::views).max().unwrap_or(1);
    let mut builder = Builder::default();
    // Outputs have the names that users look for, whatever stands before them.
    for kind in [PROBABILITIES, VALUES] {
        builder.reserve(kind);
        model
            .heads
            .iter()
            .for_each(|head| builder.reserve(&format!("{kind}.{head}")));
    }
    let entered = inputs::enter_all(&inputs, &mut builder, views)?;
    let said = Translation::of(&graph, &entered, &mut builder)?;
    let ensemble = Ensemble {
        criteria: network.criteria(),
        weights: model.weights,
        pool: model.pool,
    };
    let heads = (0..model.heads.len()).filter(|&head| active.contains(head));
    let heads = heads.zip(said.into_iter().zip(graph.outputs()));
    let scores = heads.map(|(head, (said, id))| {
        let function = ensemble.criteria.of(head).get().score_function();
        let width = graph.node(*id).and_then(|node| match node.shape.get(1) {
            Some(Extent::Fixed(width)) => Some(*width),
            _ => None,
        });
        let present = model
            .heads
            .get(head)
            .and_then(|name| entered.get(name)?.present.as_ref());
        let present = present.map(|present| present.samples.as_str());
        let of_head = function.zip(width);
        let of_head =
            of_head.map(|(function, width)| Scores::of(&mut builder, &said, width, function, views, present));
        Ok((head, of_head.transpose()?))
    });
    let scores: Vec<(usize, Option<Scores>)> = scores.collect::<Result<_>>()?;
    let predicted = predicted(&mut builder, model.rule, &ensemble, model.heads, &scores)?;
    let silent = scores.iter().filter(|(_, scores)| scores.is_none());
    let left_out = silent.map(|&(head, _)| (model.heads[head].clone(), ensemble.criteria.of(head).kind()));
    let left_out = left_out.collect();
    let outputs = write_outputs(&mut builder, model.heads, predicted, scores);
    let properties = metadata::properties(model, &inputs)?;
    let file = proto::Model::new(builder.finish("gblend"), properties);
    let length = file.encoded_len();
    if length > LARGEST {
        let problem = format!("the file would have {length} bytes, and one of ONNX has at most {LARGEST}");
        return Err(Error::NotExported(problem));
    }
    Ok(Exported {
        bytes: file.encode_to_vec(),
        inputs,
        outputs,
        left_out,
    })
}

/// What a graph reads of each modality.
fn inputs_of(graph: &Graph, model: &ExportedModel<'_>) -> Result<Vec<ModelInput>> {
    let modalities = model.config.modalities.iter().zip(model.modalities);
    let inputs = modalities.map(|(modality, known)| {
        let views = modality.plugin.views().get();
        ModelInput::of(graph, &modality.name, &known.sample_shape, views, model.missing)
    });
    Ok(inputs
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

/// Names what is predicted and what heads say, and returns the names.
fn write_outputs(
    builder: &mut Builder,
    names: &[String],
    predicted: Scores,
    heads: Vec<(usize, Option<Scores>)>,
) -> Vec<String> {
    let mut named = vec![(predicted.output().to_owned(), predicted, "what is predicted")];
    for (head, scores) in heads {
        let name = names.get(head).map_or("", String::as_str);
        let scores = scores.map(|scores| {
            (
                format!("{}.{name}", scores.output()),
                scores,
                "what one head says",
            )
        });
        named.extend(scores);
    }
    let written = named.into_iter().map(|(name, scores, doc)| {
        let value = Value::of_batch(&name, Element::Float, &[scores.width], doc);
        let shown = scores.shown(builder);
        builder.output(&shown, value);
        name
    });
    written.collect()
}

/// What the network does to a batch of so many samples.
fn traced(
    network: &mut Multimodal,
    model: &ExportedModel<'_>,
    active: &ActiveHeads,
    device: &AutoDevice,
    samples: usize,
) -> Result<Trace> {
    let batches = model.modalities.iter().map(|modality| {
        let mut sample = Array::zeros(modality.sample_shape.clone());
        sample.values_mut().fill(1.0);
        Batch::stack(device, &vec![&sample; samples])
    });
    let batches: Vec<Batch> = batches.collect::<gblend_core::Result<_>>()?;
    let names = model
        .config
        .modalities
        .iter()
        .map(|modality| modality.name.as_str());
    let named: Vec<(&str, &Batch)> = names.zip(&batches).collect();
    let told = named
        .iter()
        .map(|(name, _)| model.missing.then(|| PresenceMask::of_input(name, samples)));
    let inputs = Inputs::told(samples, batches.iter().cloned().zip(told).collect());
    let trace = trace(network, &named, |network| {
        let outputs = network.forward(&inputs, &Pass::evaluate(), active)?;
        Ok(outputs.into_iter().flatten().collect())
    });
    Ok(trace?)
}
