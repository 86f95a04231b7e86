//! One side of `cargo xtask onnx`: exported models of every registered encoder under every registered fusion, of every
//! objective under every rule that predicts, and of samples of several views. Networks are tiny and their parameters random.
//!
//! Writes a folder for each: `model.onnx`, `inputs.npz` of some samples, and `case.json` with what gblend predicts of them.
//! What cannot be exported has `case.json` alone, with the reason. A kind or an architecture that no case is of is an error.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod operations;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gblend_cli::config::{Config, Objectives};
use gblend_cli::data::LoadedInput;
use gblend_cli::evaluation::{Ensemble, Evaluation, HeadOutput};
use gblend_cli::network::{ActiveHeads, Inputs, LabelContext, Multimodal};
use gblend_cli::onnx::{ExportedModel, InputValues, export, npz};
use gblend_cli::records::{FittedPool, ModelModality, PredictionRule, SubsetPool};
use gblend_core::conformance::arbitrary::{MediaSize, sample};
use gblend_core::params::{load_state, state_of};
use gblend_core::pool::{AveragePool, ExponentPool};
use gblend_core::rand::RngExt;
use gblend_core::serde_json::{self, Value, json};
use gblend_core::tensor::StackedSamples;
use gblend_core::{
    Array, AutoDevice, Error, FitContext, Fitted, HeadPool, Label, LabelKind, Labels, Media, MediaKind, Pass,
    Result, Role, SampleSize, Seed, Targets, catalogue,
};
use gblend_tests as _;

/// Samples of a case. Batches of 1, 3 and all of them are compared.
const SAMPLES: usize = 7;

/// Classes that heads tell apart.
const CLASSES: usize = 3;

/// An encoder: the kind of its modality, its name in the table, and settings.
type Encoder = (&'static str, String, Value);

/// Networks of pictures, by their names.
const PICTURES: [(&str, &str); 11] = [
    ("plain", r#"{"channels": [4, 6]}"#),
    (
        "plain, flattened",
        r#"{"channels": [4, 6], "blocks": 2, "pooling": "flatten", "features": 5}"#,
    ),
    ("residual", r#"{"architecture": "residual", "channels": [4, 6]}"#),
    (
        "factorized",
        r#"{"architecture": "factorized", "channels": [4, 6]}"#,
    ),
    ("r2plus1d", r#"{"architecture": "r2plus1d", "channels": [4, 6]}"#),
    (
        "resnet18",
        r#"{"architecture": "resnet18", "channels": [3, 4, 4, 5], "features": 6}"#,
    ),
    (
        "resnet34",
        r#"{"architecture": "resnet34", "channels": [3, 4, 4, 5]}"#,
    ),
    (
        "r2plus1d_18",
        r#"{"architecture": "r2plus1d_18", "channels": [3, 4, 4, 5]}"#,
    ),
    (
        "transformer",
        r#"{"architecture": "transformer", "patch": 5, "width": 8, "heads": 2, "hidden": 6}"#,
    ),
    (
        "transformer, joint",
        r#"{"architecture": "transformer", "patch": 4, "tubelet": 2, "width": 8, "heads": 2, "hidden": 6, "attention": "joint"}"#,
    ),
    (
        "transformer, one block",
        r#"{"architecture": "transformer", "patch": 9, "width": 4, "depth": 1, "heads": 1, "hidden": 4, "features": 3}"#,
    ),
];

/// Other networks: the kind of the modality, the name in the table, settings.
const OTHERS: [(&str, &str, &str); 21] = [
    (
        "audio",
        "cnn6",
        r#"{"sample_rate": 8000, "spectrogram": {"n_fft": 64, "hop_length": 50, "win_length": 64, "n_mels": 16, "padding": "reflect", "logarithm": "decibels"}, "mean": -30, "deviation": 30, "encoder": {"architecture": "cnn6", "channels": [3, 4, 4, 5]}}"#,
    ),
    (
        "audio",
        "cnn10",
        r#"{"sample_rate": 8000, "spectrogram": {"n_fft": 64, "hop_length": 50, "win_length": 64, "n_mels": 19, "padding": "reflect", "logarithm": "decibels"}, "mean": -30, "deviation": 30, "encoder": {"architecture": "cnn10", "channels": [3, 4, 4, 5], "features": 6}}"#,
    ),
    ("map-operations", "what no built-in encoder uses", "{}"),
    ("step-operations", "what no built-in encoder uses", "{}"),
    (
        "vector",
        "linear",
        r#"{"encoder": {"architecture": "linear", "widths": [6]}}"#,
    ),
    ("vector", "mlp", r#"{"encoder": {"widths": [6, 5]}}"#),
    (
        "vector",
        "mlp, of categories, batch",
        r#"{"categorical": [2, 0], "category_width": 3, "encoder": {"normalization": "batch", "activation": "gelu"}}"#,
    ),
    (
        "vector",
        "residual",
        r#"{"encoder": {"architecture": "residual", "widths": [6, 6], "normalization": "none"}}"#,
    ),
    (
        "sequence",
        "bag",
        r#"{"length": 12, "encoder": {"architecture": "bag", "features": 6}}"#,
    ),
    (
        "sequence",
        "convolution",
        r#"{"length": 12, "encoder": {"channels": [4, 6], "kernel": 3}}"#,
    ),
    (
        "sequence",
        "convolution, layer, max",
        r#"{"length": 13, "encoder": {"channels": [4, 6, 6], "normalization": "layer", "pooling": "max"}}"#,
    ),
    (
        "sequence",
        "convolution, none, last",
        r#"{"length": 12, "encoder": {"channels": [4], "normalization": "none", "pooling": "last"}}"#,
    ),
    (
        "sequence",
        "transformer",
        r#"{"length": 12, "encoder": {"architecture": "transformer", "width": 6, "heads": 2, "hidden": 8}}"#,
    ),
    (
        "sequence",
        "gru",
        r#"{"length": 12, "encoder": {"architecture": "gru", "units": 5}}"#,
    ),
    (
        "sequence",
        "gru, both ways",
        r#"{"length": 12, "encoder": {"architecture": "gru", "units": 5, "layers": 2, "bidirectional": true}}"#,
    ),
    (
        "sequence",
        "gru, both ways, mean",
        r#"{"length": 9, "encoder": {"architecture": "gru", "units": 4, "bidirectional": true, "pooling": "mean"}}"#,
    ),
    ("text", "bag", r#"{"min_samples": 1, "length": 20, "width": 6}"#),
    (
        "text",
        "convolution",
        r#"{"min_samples": 1, "length": 20, "width": 5, "encoder": {"architecture": "convolution", "channels": [4, 4]}}"#,
    ),
    (
        "text",
        "transformer",
        r#"{"length": 20, "width": 6, "encoder": {"architecture": "transformer", "heads": 2, "hidden": 5}}"#,
    ),
    (
        "text",
        "gru",
        r#"{"length": 20, "width": 6, "encoder": {"architecture": "gru", "units": 4}}"#,
    ),
    (
        "text",
        "bert",
        concat!(
            r#"{"length": 20, "tokenizer": ""#,
            env!("CARGO_MANIFEST_DIR"),
            r#"/examples/onnx_models/tokenizer.json", "#,
            r#""encoder": {"architecture": "bert", "width": 6, "heads": 2, "hidden": 5, "positions": 24}}"#
        ),
    ),
];

/// Settings under which a fusion does other things than by default.
const FUSIONS: [(&str, &str, &str); 10] = [
    ("concat", "concat", "{}"),
    ("sum", "sum", r#"{"width": 5}"#),
    ("gated", "gated", r#"{"width": 5}"#),
    (
        "gated",
        "gated, competing",
        r#"{"width": 5, "gates": "competing"}"#,
    ),
    ("lmf", "lmf", r#"{"width": 5, "rank": 2}"#),
    ("film", "film", r#"{"width": 5}"#),
    ("se", "se", r#"{"reduction": 2}"#),
    ("attention", "attention", r#"{"width": 6, "heads": 2}"#),
    ("mid-concat", "mid-concat", r#"{"stage": 1, "channels": [5]}"#),
    (
        "mid-concat",
        "mid-concat, residual",
        r#"{"channels": [5, 4], "residual": true}"#,
    ),
];

fn main() {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| panic!("expected a folder to write to"));
    let encoders = encoders();
    every_kind_has_a_case(&encoders);
    let mut written = 0;
    let mut write = |case: Case<'_>| {
        case.write(&folder.join(format!("{written:04}")));
        written += 1;
    };
    for (kind, name, settings) in &encoders {
        for (fusion, title, of_fusion) in FUSIONS {
            write(Case {
                row: format!("{kind}: {name}"),
                column: title.to_owned(),
                modalities: vec![
                    ("first", table(kind, settings)),
                    ("second", table("rgb", &small())),
                ],
                fusion: table(fusion, &serde_json::from_str(of_fusion).unwrap()),
                ..Case::default()
            });
        }
    }
    for labels in LabelKind::ALL {
        for rule in PredictionRule::ALL {
            for weights in [[0.2, 0.3, 0.5], [0.6, 0.4, 0.0], [0.0, 1.0, 0.0]] {
                write(Case {
                    table: "objective",
                    row: format!("{}, weights {weights:?}", labels.objective()),
                    column: rule.name().to_owned(),
                    labels,
                    rule,
                    weights,
                    ..Case::default()
                });
            }
        }
    }
    let clips = json!({"sampling": "clip", "frames": 2, "clips": 3, "encoder": {"channels": [4, 6]}});
    for (row, second) in [
        (
            "three of the one modality, one of the other",
            table("vector", &json!({})),
        ),
        ("three of both modalities", table("flow", &clips)),
    ] {
        write(Case {
            table: "clips",
            row: row.to_owned(),
            column: "pool".to_owned(),
            modalities: vec![("first", table("rgb", &clips)), ("second", second)],
            rule: PredictionRule::Pool,
            ..Case::default()
        });
    }
    for (fusion, title, of_fusion) in FUSIONS {
        write(Case {
            table: "fusion",
            row: title.to_owned(),
            column: "samples that lack a modality".to_owned(),
            modalities: vec![
                ("first", table("audio", &json!({"encoder": {"channels": [4, 6]}}))),
                ("second", table("rgb", &small())),
            ],
            fusion: table(fusion, &serde_json::from_str(of_fusion).unwrap()),
            missing: true,
            ..Case::default()
        });
    }
    for labels in LabelKind::ALL {
        for rule in PredictionRule::ALL {
            for weights in [[0.2, 0.3, 0.5], [0.6, 0.4, 0.0], [0.0, 1.0, 0.0]] {
                write(Case {
                    table: "objective, samples that lack a modality",
                    row: format!("{}, weights {weights:?}", labels.objective()),
                    column: rule.name().to_owned(),
                    labels,
                    rule,
                    weights,
                    missing: true,
                    ..Case::default()
                });
            }
        }
    }
    let sequence = json!({"length": 12, "encoder": {"architecture": "gru", "units": 5}});
    for (row, first) in [
        ("three clips of each sample", table("rgb", &clips)),
        ("sequences", table("sequence", &sequence)),
        (
            "texts",
            table("text", &json!({"min_samples": 1, "length": 20, "width": 6})),
        ),
    ] {
        write(Case {
            table: "first modality",
            row: row.to_owned(),
            column: "samples that lack a modality".to_owned(),
            modalities: vec![("first", first), ("second", table("rgb", &small()))],
            fusion: table("gated", &json!({"width": 5})),
            rule: PredictionRule::Pool,
            missing: true,
            ..Case::default()
        });
    }
    println!("{written}");
}

/// Every encoder that is tried: networks of pictures under each modality that has them.
fn encoders() -> Vec<Encoder> {
    let mut encoders = Vec::new();
    for kind in ["rgb", "flow", "depth", "audio"] {
        // A spectrogram is one frame, and has no tubelets.
        let has_frames = |name: &str| kind != "audio" || !name.contains("joint");
        let networks = PICTURES.into_iter().filter(|(name, _)| has_frames(name));
        encoders.extend(networks.map(|(name, encoder)| {
            let mut settings = json!({ "encoder": serde_json::from_str::<Value>(encoder).unwrap() });
            if kind == "audio" {
                settings["sample_rate"] = json!(8000);
                settings["spectrogram"] =
                    json!({"n_fft": 64, "hop_length": 100, "win_length": 64, "n_mels": 12});
            }
            (kind, name.to_owned(), settings)
        }));
    }
    encoders.extend(
        OTHERS.map(|(kind, name, settings)| (kind, name.to_owned(), serde_json::from_str(settings).unwrap())),
    );
    encoders
}

/// The second modality of most cases.
fn small() -> Value {
    json!({"frames": 2, "encoder": {"channels": [3, 4]}})
}

fn table(kind: &str, settings: &Value) -> Value {
    let mut table = settings.clone();
    table["kind"] = json!(kind);
    table
}

/// Whether a kind has no network of the architecture that its table names: settings that kinds share name more than each has.
fn refuses_architecture(table: &Value) -> bool {
    let modality: Box<dyn gblend_core::Modality> = serde_json::from_value(table.clone()).unwrap();
    let device = AutoDevice::default();
    let built = modality.build(&gblend_core::BuildContext {
        device: &device,
        sample_shape: &[3, 4],
        fitted: Fitted::nothing(),
        seed: Seed::new(1),
    });
    matches!(built.err(), Some(Error::Setting { key, .. }) if key == "encoder.architecture")
}

/// Every registered modality with every architecture that its settings name, and every registered fusion, is among the cases.
fn every_kind_has_a_case(encoders: &[Encoder]) {
    let catalogue = catalogue().unwrap();
    let built_in = |crate_name: &str| crate_name != env!("CARGO_PKG_NAME");
    for plugin in catalogue
        .of(Role::Modality)
        .filter(|plugin| built_in(plugin.crate_name))
    {
        let tried: BTreeSet<String> = encoders
            .iter()
            .filter(|(kind, ..)| *kind == plugin.kind)
            .map(
                |(_, name, settings)| match settings["encoder"]["architecture"].as_str() {
                    Some(architecture) => architecture.to_owned(),
                    None => name.split(',').next().unwrap().to_owned(),
                },
            )
            .collect();
        assert!(!tried.is_empty(), "modality kind `{}` has no case", plugin.kind);
        for architecture in architectures(&serde_json::to_value((plugin.schema)()).unwrap()) {
            let alone = table(plugin.kind, &json!({"encoder": {"architecture": architecture}}));
            if refuses_architecture(&alone) {
                continue;
            }
            assert!(
                tried.contains(&architecture),
                "modality kind `{}` has no case of the architecture `{architecture}`",
                plugin.kind
            );
        }
    }
    for plugin in catalogue
        .of(Role::Fusion)
        .filter(|plugin| built_in(plugin.crate_name))
    {
        let tried = FUSIONS.iter().any(|(kind, ..)| *kind == plugin.kind);
        assert!(tried, "fusion kind `{}` has no case", plugin.kind);
    }
}

/// The values of every key `architecture` in a schema.
fn architectures(schema: &Value) -> Vec<String> {
    let definitions = &schema["$defs"];
    let mut found = Vec::new();
    let mut rest = vec![schema];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(map) => {
                if let Some(architecture) = map.get("properties").and_then(|keys| keys.get("architecture")) {
                    let reference = architecture["$ref"].as_str().unwrap_or_default();
                    let name = reference.rsplit('/').next().unwrap_or_default();
                    let choices = &definitions[name];
                    let names = choices["oneOf"].as_array().into_iter().flatten();
                    found.extend(names.filter_map(|choice| Some(choice["const"].as_str()?.to_owned())));
                    let names = choices["enum"].as_array().into_iter().flatten();
                    found.extend(names.filter_map(|choice| Some(choice.as_str()?.to_owned())));
                }
                rest.extend(map.values());
            }
            Value::Array(values) => rest.extend(values),
            _ => {}
        }
    }
    assert!(
        !found.is_empty() || !schema.to_string().contains("\"architecture\""),
        "a schema whose architectures are not understood: {schema}"
    );
    found
}

/// A network, what it is asked, and how its heads predict.
struct Case<'a> {
    /// The table that it stands in, and where.
    table: &'a str,
    row: String,
    column: String,
    modalities: Vec<(&'a str, Value)>,
    fusion: Value,
    labels: LabelKind,
    rule: PredictionRule,
    weights: [f64; 3],
    /// Whether some samples lack a modality.
    missing: bool,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            table: "encoder",
            row: String::new(),
            column: String::new(),
            modalities: vec![
                ("first", table("vector", &json!({}))),
                ("second", table("rgb", &small())),
            ],
            fusion: table("concat", &json!({})),
            labels: LabelKind::Class,
            rule: PredictionRule::Joint,
            weights: [0.2, 0.3, 0.5],
            missing: false,
        }
    }
}

impl Case<'_> {
    fn configuration(&self) -> Config {
        let mut fusion = self.fusion.clone();
        fusion["head"] = json!({"hidden": [6]});
        let mut text = json!({
            "data": {"kind": "scene"},
            "modality": {},
            "fusion": fusion,
            "objective": {"kind": self.labels.objective()},
            "blend": {"kind": "equal", "predict": self.rule.name()},
        });
        for (name, table) in &self.modalities {
            text["modality"][*name] = table.clone();
        }
        Config::parse("case", &toml::to_string(&text).unwrap(), PathBuf::from("."), &[]).unwrap()
    }

    /// The pool of the heads that are trained.
    fn pool(&self) -> FittedPool {
        let heads: Vec<usize> = (0..3).filter(|&head| self.weights[head] > 0.0).collect();
        let exponents = ExponentPool {
            heads: [1.5, 0.25, 0.75][..heads.len()].to_vec(),
            mean: 0.5,
        };
        let numbers: Vec<Vec<f64>> = (0..9)
            .map(|sample| {
                (0..heads.len())
                    .map(|head| (sample * (head + 2) % 5) as f64)
                    .collect()
            })
            .collect();
        let right: Vec<f64> = (0..9).map(f64::from).collect();
        let pool = match self.labels {
            LabelKind::Class => HeadPool::OneClass(exponents),
            LabelKind::Classes => HeadPool::EachClass(exponents),
            _ => HeadPool::Number(
                AveragePool::fit(&numbers, &right, SampleSize::independent(right.len())).unwrap(),
            ),
        };
        let samples = SAMPLES;
        let mut pools = vec![SubsetPool {
            heads,
            samples,
            groups: None,
            pool,
        }];
        // Of samples that lack the first modality; those that lack the second have none.
        if self.missing && self.weights == [0.2, 0.3, 0.5] {
            let exponents = ExponentPool {
                heads: vec![0.5, 1.25],
                mean: 0.75,
            };
            let fewer: Vec<Vec<f64>> = numbers.iter().map(|row| row[1..].to_vec()).collect();
            let pool = match self.labels {
                LabelKind::Class => HeadPool::OneClass(exponents),
                LabelKind::Classes => HeadPool::EachClass(exponents),
                _ => HeadPool::Number(
                    AveragePool::fit(&fewer, &right, SampleSize::independent(right.len())).unwrap(),
                ),
            };
            let heads = vec![1, 2];
            pools.push(SubsetPool {
                heads,
                samples,
                groups: None,
                pool,
            });
        }
        FittedPool { pools, folds: None }
    }

    /// Whether a sample has a modality.
    fn has(&self, modality: usize, sample: usize) -> bool {
        !self.missing || sample % 4 != modality + 1
    }

    /// One view of all samples; of fewer, in turn.
    fn of_view(&self, prepared: &[Prepared], view: usize, device: &AutoDevice) -> Inputs {
        let loaded = prepared.iter().enumerate().map(|(modality, one)| {
            let there: Vec<usize> = (0..SAMPLES)
                .filter(|&sample| self.has(modality, sample))
                .collect();
            let samples = there.iter().map(|&sample| &one.samples[sample]);
            let samples: Vec<&Array> = samples.map(|views| &views[view % views.len()]).collect();
            Some(LoadedInput {
                samples: Some(StackedSamples::new(&samples).unwrap()),
                rows: (there.len() < SAMPLES).then_some(there),
                encoded: false,
                copies: 1,
            })
        });
        Inputs::new(device, SAMPLES, loaded.collect()).unwrap()
    }

    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        let mut description = json!({"table": self.table, "row": self.row, "column": self.column});
        match self.exported(folder) {
            Ok(outputs) => description["outputs"] = outputs,
            Err(NoModel::Refused(reason)) => description["refused"] = json!(reason),
            Err(NoModel::NotExported(reason)) => description["not_exported"] = json!(reason),
        }
        std::fs::write(folder.join("case.json"), description.to_string()).unwrap();
    }

    /// Writes the model and inputs, and returns what gblend makes of them by the names of outputs.
    fn exported(&self, folder: &Path) -> std::result::Result<Value, NoModel> {
        let config = self.configuration();
        let device = AutoDevice::default();
        let classes: Vec<String> = match self.labels {
            LabelKind::Number => Vec::new(),
            _ => (0..CLASSES).map(|class| format!("c{class}")).collect(),
        };
        let prepared: Vec<Prepared> = config
            .modalities
            .iter()
            .zip(1..)
            .map(|(modality, number)| Prepared::of(modality, Seed::new(number)).unwrap())
            .collect();
        let shapes: Vec<Vec<usize>> = prepared
            .iter()
            .map(|one| one.samples[0][0].shape().to_vec())
            .collect();
        let fitted: Vec<Fitted> = prepared.iter().map(|one| one.fitted.clone()).collect();
        let mut network = Multimodal::build(
            &config,
            &Objectives::of(&config, self.labels).unwrap(),
            &shapes,
            &fitted,
            LabelContext {
                classes: &classes,
                labels: &Labels::none(self.labels),
            },
            &device,
            Seed::new(1),
        )
        .map_err(|error| NoModel::Refused(error.to_string()))?;
        scatter_parameters(&mut network);
        let whole = Case {
            missing: false,
            ..Case::default()
        };
        spread_heads(&mut network, &whole.of_view(&prepared, 0, &device));
        let modalities: Vec<ModelModality> = config
            .modalities
            .iter()
            .zip(&shapes)
            .map(|(modality, shape)| ModelModality::of_shape(&modality.name, shape.clone()))
            .collect();
        let heads = config.heads().unwrap();
        let pool = self.pool();
        let exported = export(
            &mut network,
            &ExportedModel {
                config: &config,
                rule: self.rule,
                heads: heads.names(),
                weights: &self.weights,
                pool: Some(&pool),
                classes: &classes,
                modalities: &modalities,
                fitted: &fitted,
                missing: self.missing,
            },
            &device,
        )
        .map_err(|error| NoModel::NotExported(error.to_string()))?;
        std::fs::write(folder.join("model.onnx"), &exported.bytes).unwrap();
        let tensors = exported.inputs.iter().flat_map(|input| {
            let modality = config
                .modalities
                .iter()
                .position(|one| one.name == input.modality)
                .unwrap();
            let samples = prepared[modality].samples.iter().enumerate();
            let samples = samples.map(|(sample, views)| self.has(modality, sample).then(|| views.clone()));
            let mut tensors = input.values(&samples.collect::<Vec<_>>()).unwrap();
            // Nobody must look at what stands in the place of a sample that is not there.
            for (_, values) in &mut tensors {
                if let InputValues::Floats(values) = values {
                    let each = values.len() / SAMPLES;
                    for (sample, values) in values.chunks_exact_mut(each).enumerate() {
                        if !self.has(modality, sample) {
                            values.fill(f32::NAN);
                        }
                    }
                }
            }
            tensors
        });
        let tensors: Vec<_> = tensors.collect();
        std::fs::write(folder.join("inputs.npz"), npz::bytes(&tensors, SAMPLES).unwrap()).unwrap();
        Ok(self.predicted(&mut network, &prepared, heads.names(), &pool, &device))
    }

    /// The scores of every sample: of each trained head, and of what predicts.
    fn predicted(
        &self,
        network: &mut Multimodal,
        prepared: &[Prepared],
        names: &[String],
        pool: &FittedPool,
        device: &AutoDevice,
    ) -> Value {
        let active = ActiveHeads::trained(&self.weights);
        let views = prepared
            .iter()
            .zip(active.encoders())
            .filter(|(_, wanted)| *wanted);
        let views = views.map(|(one, _)| one.samples[0].len()).max().unwrap();
        let mut sums: Vec<Option<Sums>> = vec![None; 3];
        for view in 0..views {
            let inputs = self.of_view(prepared, view, device);
            let outputs = network.forward(&inputs, &Pass::evaluate(), &active).unwrap();
            for (head, output) in outputs.into_iter().enumerate() {
                let Some(output) = output else { continue };
                let scores = network
                    .criteria()
                    .of(head)
                    .get()
                    .scores(&output.to_array().unwrap())
                    .unwrap();
                match &mut sums[head] {
                    None => {
                        let rows = inputs.rows(head).map(<[usize]>::to_vec);
                        sums[head] = Some((rows.unwrap_or_else(|| (0..SAMPLES).collect()), scores));
                    }
                    Some((_, sums)) => {
                        let pairs = sums.iter_mut().flatten().zip(scores.iter().flatten());
                        pairs.for_each(|(sum, score)| *sum += score);
                    }
                }
            }
        }
        let heads: Vec<Option<HeadOutput>> = sums
            .into_iter()
            .enumerate()
            .map(|(head, sums)| {
                let (rows, mut means) = sums?;
                means.iter_mut().flatten().for_each(|sum| *sum /= views as f64);
                Some(HeadOutput {
                    rows,
                    output: network.criteria().of(head).get().output_of(&means).unwrap(),
                })
            })
            .collect();
        let evaluation = Evaluation {
            samples: (0..SAMPLES).collect(),
            targets: Targets::new(vec![Label::Missing; SAMPLES]),
            heads,
        };
        let ensemble = Ensemble {
            criteria: network.criteria(),
            weights: &self.weights,
            pool: Some(pool),
        };
        let kind = match self.labels {
            LabelKind::Number => "values",
            _ => "probabilities",
        };
        let mut outputs = json!({ kind: self.rule.scores(&evaluation, &ensemble).unwrap() });
        for (head, name) in names.iter().enumerate() {
            if evaluation.heads[head].is_some() {
                outputs[format!("{kind}.{name}")] =
                    json!(evaluation.scores(network.criteria(), head).unwrap());
            }
        }
        outputs
    }
}

/// The samples that a head sees, and the sums of their scores over views.
type Sums = (Vec<usize>, Vec<Vec<f64>>);

/// Why there is no model.
enum NoModel {
    /// There is no such network.
    Refused(String),
    /// There is one, and it cannot be exported.
    NotExported(String),
}

/// Samples of a modality as its encoder gets them: of each sample, all views.
struct Prepared {
    samples: Vec<Vec<Array>>,
    fitted: Fitted,
}

impl Prepared {
    fn of(modality: &gblend_cli::config::ModalityConfig, seed: Seed) -> Result<Self> {
        let kind = modality.plugin.typetag_name();
        let arrays =
            (0..SAMPLES).map(|sample| modality.prepare(&media(kind, modality.plugin.media(), sample, seed)?));
        let arrays: Vec<Array> = arrays.collect::<Result<_>>()?;
        let read = |sample: usize| {
            let array = arrays.get(sample).cloned();
            array.ok_or_else(|| Error::data("a sample", "there is none"))
        };
        let fitted = modality.fit(&FitContext::new(Path::new("."), SAMPLES, &read))?;
        let samples = arrays.into_iter().enumerate().map(|(sample, array)| {
            let mut array = modality.apply(array, &fitted)?;
            if kind == "sequence" {
                make_holes(&mut array, sample);
            }
            let views = 0..modality.plugin.views().get();
            views.map(|view| modality.view(array.clone(), view)).collect()
        });
        let samples = samples.collect::<Result<_>>()?;
        Ok(Self { samples, fitted })
    }
}

/// Media of a sample. Sequences and texts have different lengths, one of them none.
fn media(kind: &str, media: MediaKind, number: usize, seed: Seed) -> Result<Media> {
    const LENGTHS: [usize; SAMPLES] = [9, 1, 5, 12, 0, 7, 2];
    let mut size = MediaSize {
        words: LENGTHS[number],
        ..MediaSize::default()
    };
    if kind == "sequence" {
        size.array = vec![LENGTHS[number], 4];
    }
    let made = sample(media, &size, seed.nth(number as u64))?;
    Ok(match (kind, made) {
        // Small whole numbers in the columns that are read as categories.
        ("vector", Media::Array(mut array)) => {
            for (column, value) in array.values_mut().iter_mut().enumerate().take(3) {
                *value = ((number + column) % 3) as f32;
            }
            Media::Array(array)
        }
        (_, made) => made,
    })
}

/// Takes steps out of the middle of some sequences, and leaves something in their place that nobody must look at.
fn make_holes(array: &mut Array, sample: usize) {
    let &[rows, time] = array.shape() else {
        panic!("a sequence of shape {:?}", array.shape());
    };
    if sample.is_multiple_of(2) {
        return;
    }
    for step in (1..time).step_by(3) {
        let values = array.values_mut();
        values[(rows - 1) * time + step] = 0.0;
        (0..rows - 1).for_each(|feature| values[feature * time + step] = 1e6);
    }
}

/// Moves every parameter and running statistic from where it starts, so that none is one that does nothing.
fn scatter_parameters(network: &mut Multimodal) {
    let mut state = state_of(network).unwrap();
    let mut rng = Seed::new(3).rng();
    for (path, array) in &mut state {
        let is_scale = ["variance", "running_var", "deviation"];
        let is_scale = is_scale.iter().any(|name| path.ends_with(name));
        for value in array.values_mut() {
            *value = match is_scale {
                true => rng.random_range(0.5..2.0),
                false => *value + rng.random_range(-0.2..0.2),
            };
        }
    }
    load_state(network, &state).unwrap();
}

/// Moves and stretches what each head says, so that it says as many things as there are samples: whatever is wrong below shows.
fn spread_heads(network: &mut Multimodal, inputs: &Inputs) {
    const SPREAD: f32 = 1.5;
    let active = ActiveHeads::all(network.heads());
    let outputs = network.forward(inputs, &Pass::evaluate(), &active).unwrap();
    let mut state = state_of(network).unwrap();
    // The joint head's last layer, behind one hidden layer.
    for (output, layer) in outputs
        .into_iter()
        .flatten()
        .zip(["first.head", "second.head", "joint.1"])
    {
        let output = output.to_array().unwrap();
        let width = output.shape()[1];
        let rows = output.values().chunks_exact(width);
        let count = rows.len() as f32;
        let means: Vec<f32> = (0..width)
            .map(|at| rows.clone().map(|row| row[at]).sum::<f32>() / count)
            .collect();
        let squares = rows.flat_map(|row| row.iter().zip(&means).map(|(value, mean)| (value - mean).powi(2)));
        let deviation = (squares.sum::<f32>() / (count * width as f32)).sqrt();
        assert!(deviation > 0.0, "{layer} says the same of every sample");
        let factor = SPREAD / deviation;
        let weight = state.get_mut(&format!("{layer}.weight")).unwrap();
        weight.values_mut().iter_mut().for_each(|value| *value *= factor);
        let bias = state.get_mut(&format!("{layer}.bias")).unwrap();
        for (bias, mean) in bias.values_mut().iter_mut().zip(means) {
            *bias = factor * (*bias - mean);
        }
    }
    load_state(network, &state).unwrap();
}
