//! Every registered encoder and fusion is exported, or says by name that it is not.

use std::path::{Path, PathBuf};

use gblend_cli::config::{Config, Objectives};
use gblend_cli::network::{LabelContext, Multimodal};
use gblend_cli::onnx::{ExportedModel, export};
use gblend_cli::records::{ModelModality, PredictionRule};
use gblend_core::conformance::arbitrary::{MediaSize, samples};
use gblend_core::serde_json::{Value, json};
use gblend_core::{
    Array, AutoDevice, Batch, BuildContext, Encoder, FitContext, Fitted, Fusion, FusionContext, FusionInputs,
    FusionModule, LabelKind, Labels, Media, MediaKind, Modality, Module, ParamPath, ParamVisitor, Pass,
    PresenceMask, Result, Role, Seed, catalogue, serde, typetag,
};
use gblend_core::{schemars::JsonSchema, tensor::Features};

use super::registered::tables;

/// The crate of gblend's own encoders and fusions.
const BUILT_IN: &str = "gblend-modalities";

/// What the export of a network with these modalities and this fusion says: the names of inputs and outputs, or why there is none.
fn exported(modalities: &[Value], fusion: &Value) -> std::result::Result<(Vec<String>, Vec<String>), String> {
    exported_of(modalities, fusion, false)
}

/// As [`exported`], for samples that may lack modalities where that is so.
fn exported_of(
    modalities: &[Value],
    fusion: &Value,
    missing: bool,
) -> std::result::Result<(Vec<String>, Vec<String>), String> {
    let mut text = json!({
        "data": {"kind": "scene"},
        "modality": {},
        "fusion": fusion,
        "objective": {"kind": "single-label"},
        "blend": {"kind": "equal"},
    });
    for (number, table) in modalities.iter().enumerate() {
        text["modality"][format!("m{number}")] = table.clone();
    }
    let text = toml::to_string(&text).unwrap();
    let config = Config::parse("export", &text, PathBuf::from("."), &[]).unwrap();
    let fitted_and_shapes = config.modalities.iter().map(|modality| {
        let media = samples(modality.plugin.media(), &MediaSize::default(), 4, Seed::new(1)).unwrap();
        let prepared: Vec<Array> = media
            .iter()
            .map(|media| modality.prepare(media).unwrap())
            .collect();
        let read = |sample: usize| Ok(prepared[sample].clone());
        let fitted = modality
            .fit(&FitContext::new(Path::new("."), prepared.len(), &read))
            .unwrap();
        let applied = modality.apply(prepared[0].clone(), &fitted).unwrap();
        let shape = modality.view(applied, 0).unwrap().shape().to_vec();
        (fitted, shape)
    });
    let (fitted, shapes): (Vec<Fitted>, Vec<Vec<usize>>) = fitted_and_shapes.unzip();
    let classes = ["a".to_owned(), "b".to_owned()];
    let device = AutoDevice::default();
    let mut network = Multimodal::build(
        &config,
        &Objectives::of(&config, LabelKind::Class).unwrap(),
        &shapes,
        &fitted,
        LabelContext {
            classes: &classes,
            labels: &Labels::none(LabelKind::Class),
        },
        &device,
        Seed::new(1),
    )
    .unwrap();
    let described: Vec<ModelModality> = config
        .modalities
        .iter()
        .zip(&shapes)
        .map(|(modality, shape)| ModelModality::of_shape(&modality.name, shape.clone()))
        .collect();
    let heads = config.heads().unwrap();
    let model = ExportedModel {
        config: &config,
        rule: PredictionRule::Joint,
        heads: heads.names(),
        weights: &vec![1.0; heads.len()],
        pool: None,
        classes: &classes,
        modalities: &described,
        fitted: &fitted,
        missing,
    };
    let exported = export(&mut network, &model, &device).map_err(|error| error.to_string())?;
    let inputs = exported.inputs.iter().flat_map(|input| input.tensors());
    Ok((inputs.map(|tensor| tensor.name).collect(), exported.outputs))
}

fn small() -> Value {
    json!({"kind": "rgb", "encoder": {"channels": [2, 3]}})
}

#[test]
fn every_registered_encoder_is_exported() {
    let concat = json!({"kind": "concat", "head": {"hidden": []}});
    let mut seen = 0;
    for plugin in catalogue().unwrap().of(Role::Modality) {
        if plugin.crate_name == BUILT_IN {
            for table in tables(Role::Modality, plugin.kind) {
                let (inputs, outputs) = exported(std::slice::from_ref(&table), &concat)
                    .unwrap_or_else(|error| panic!("{table}: {error}"));
                assert_eq!(inputs[0], "m0", "{table}");
                assert_eq!(
                    outputs,
                    ["probabilities", "probabilities.m0", "probabilities.joint"],
                    "{table}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 20);
}

#[test]
fn every_registered_fusion_is_exported() {
    for plugin in catalogue().unwrap().of(Role::Fusion) {
        if plugin.crate_name == BUILT_IN {
            for table in tables(Role::Fusion, plugin.kind) {
                let found = exported(&[small(), small()], &table);
                let (inputs, _) = found.unwrap_or_else(|error| panic!("{table}: {error}"));
                assert_eq!(inputs, ["m0", "m1"], "{table}");
            }
        }
    }
}

#[test]
fn every_registered_fusion_is_exported_for_samples_that_lack_modalities() {
    let mut seen = 0;
    for plugin in catalogue().unwrap().of(Role::Fusion) {
        if plugin.crate_name == BUILT_IN {
            for table in tables(Role::Fusion, plugin.kind) {
                let found = exported_of(&[small(), small()], &table, true);
                let (inputs, _) = found.unwrap_or_else(|error| panic!("{table}: {error}"));
                assert_eq!(inputs, ["m0", "present_m0", "m1", "present_m1"], "{table}");
                seen += 1;
            }
        }
    }
    assert!(seen > 8);
}

/// A fusion that counts on the host who is there.
#[derive(Debug, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Counting {}

#[typetag::serde(name = "counting")]
impl Fusion for Counting {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        Ok(Box::new(Counted(cx.feature_dims.to_vec())))
    }
}

gblend_core::register!(Fusion, "counting" => Counting);

struct Counted(Vec<usize>);

impl FusionModule for Counted {
    fn fused_dim(&self) -> usize {
        self.0.iter().sum()
    }
    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let masks = inputs.present.iter().flatten();
        let there = masks
            .flat_map(PresenceMask::to_host)
            .filter(|there| **there)
            .count();
        let features = gblend_core::nn::concatenate(inputs.features_of("counting", &self.0)?)?;
        gblend_core::nn::scale(features, 1.0 / (1 + there) as f32)
    }
}

impl Module for Counted {
    fn visit_params(&mut self, _: &ParamPath, _: &mut dyn ParamVisitor) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_fusion_that_reads_on_the_host_who_is_there_is_exported_for_whole_samples_alone_and_named() {
    let counting = json!({"kind": "counting", "head": {"hidden": []}});
    exported_of(&[small(), small()], &counting, false).unwrap();
    let told = exported_of(&[small(), small()], &counting, true).unwrap_err();
    assert!(
        told.contains("the joint head reads on the host which samples have a modality"),
        "{told}"
    );
}

/// An encoder that decides on the host.
#[derive(Debug, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Undecided {}

#[typetag::serde(name = "undecided")]
impl Modality for Undecided {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }
    fn prepare(&self, media: &Media) -> Result<Array> {
        match media {
            Media::Array(array) => Ok(array.clone()),
            _ => Ok(Array::zeros([16])),
        }
    }
    fn build(&self, _: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(OnHost))
    }
}

gblend_core::register!(Modality, "undecided" => Undecided);

struct OnHost;

impl Encoder for OnHost {
    fn feature_dim(&self) -> usize {
        16
    }
    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        let positive = batch.to_host().iter().sum::<f32>() > 0.0;
        let rows = batch.rows(pass.recorder())?;
        gblend_core::nn::scale(rows, if positive { 1.0 } else { -1.0 })
    }
}

impl Module for OnHost {
    fn visit_params(&mut self, _: &ParamPath, _: &mut dyn ParamVisitor) -> Result<()> {
        Ok(())
    }
}

#[test]
fn an_encoder_that_decides_on_the_host_is_named_with_its_modality() {
    let concat = json!({"kind": "concat", "head": {"hidden": []}});
    let told = exported(&[small(), json!({"kind": "undecided"})], &concat).unwrap_err();
    assert!(
        told.contains("modality `m1` reads its batch on the host"),
        "{told}"
    );
}
