//! `gblend export`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::device::DeviceOption;
use super::further::FurtherFiles;
use super::print;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{check_free, write_whole};
use crate::network::device;
use crate::onnx::{Exported, ExportedModel, export, npz};
use crate::progress::Reporter;
use crate::run_folder::TrainedRun;
use crate::training::session::with_threads;
use crate::training::{Predictor, fitted_of, network_without_data};

/// Writes a trained model for other programs: encoders, fusion, heads and what predicts as one ONNX graph.
///
/// Its inputs are what encoders get; how that was made of media, and what else one should know, is in its metadata. See
/// docs/onnx.md.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The run folder.
    run: PathBuf,
    /// The ONNX file to write.
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
    /// Samples may lack modalities: for each modality there is an input present_NAME, which says which samples have it.
    #[arg(long)]
    missing: bool,
    #[command(flatten)]
    further: FurtherFiles,
    /// Writes the graph's inputs for the samples of --table or --shards into a .npz file of NumPy: to try the graph, and to hold
    /// another front end against gblend's.
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceOption,
}

impl Export {
    pub(super) fn run(mut self) -> Result<()> {
        check_free(&self.onnx)?;
        self.inputs.as_deref().map_or(Ok(()), check_free)?;
        let further = std::mem::take(&mut self.further);
        if further.are_given() && self.inputs.is_none() {
            let problem = "--table and --shards name samples whose inputs are written: say where with --inputs FILE.npz";
            return Err(Error::Usage(problem.to_owned()));
        }
        if self.inputs.is_some() && !further.are_given() {
            let problem = "--inputs wants samples: name them with --table or --shards";
            return Err(Error::Usage(problem.to_owned()));
        }
        let (run, config) = self.device.open_run(&self.run, &Reporter::new(false))?;
        with_threads(config.run.threads, || {
            let exported = exported(&run, &config, self.missing)?;
            // What may fail comes before anything is written.
            let tensors = match &self.inputs {
                Some(path) => Some((path, inputs_of(&run, &config, further, &exported, self.missing)?)),
                None => None,
            };
            write_whole(&self.onnx, &exported.bytes)?;
            if let Some((path, bytes)) = tensors {
                write_whole(path, &bytes)?;
            }
            print(&told(&self.onnx, &exported))
        })
    }
}

/// The model of a run as a file.
fn exported(run: &TrainedRun, config: &Config, missing: bool) -> Result<Exported> {
    let device = device::open(config.run.device)?;
    let fitted = fitted_of(run, config);
    let mut network = network_without_data(run, config, &fitted, &device)?;
    let weights: Vec<f64> = run.summary.heads.iter().map(|head| head.weight).collect();
    let heads = config.heads()?;
    let model = ExportedModel {
        config,
        rule: config.blend.pipeline.predict,
        heads: heads.names(),
        weights: &weights,
        pool: run.model.pool.as_ref(),
        classes: &run.model.classes,
        modalities: &run.model.modalities,
        fitted: &fitted,
        missing,
    };
    export(&mut network, &model, &device)
}

/// The inputs of the graph for samples of other files, as a `.npz` file.
fn inputs_of(
    run: &TrainedRun,
    config: &Config,
    further: FurtherFiles,
    exported: &Exported,
    missing: bool,
) -> Result<Vec<u8>> {
    let given = further.open()?;
    let (predictor, _) = Predictor::open(run, config, given.place(), false)?;
    let samples = predictor.source().len();
    let arrays = predictor.encoder_inputs(0..samples, missing)?;
    let mut tensors = Vec::new();
    for (modality, arrays) in config.modalities.iter().zip(arrays) {
        let input = exported
            .inputs
            .iter()
            .find(|input| input.modality == modality.name);
        if let Some(input) = input {
            tensors.extend(input.values(&arrays)?);
        }
    }
    npz::bytes(&tensors, samples)
}

/// What was written.
fn told(path: &Path, exported: &Exported) -> String {
    let mut lines = vec![format!("wrote {}", path.display())];
    for tensor in exported.inputs.iter().flat_map(|input| input.tensors()) {
        let axes = tensor
            .axes
            .iter()
            .map(|(name, extent)| format!(", {name} {extent}"));
        lines.push(format!(
            "input   {} [batch{}]",
            tensor.name,
            axes.collect::<String>()
        ));
    }
    lines.extend(exported.outputs.iter().map(|name| format!("output  {name}")));
    lines.extend(exported.left_out.iter().map(|(head, kind)| {
        format!("no output of head {head}: its objective {kind} does not say how its scores follow from what the head says")
    }));
    lines.join("\n")
}
