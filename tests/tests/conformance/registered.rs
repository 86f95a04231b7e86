//! The kit on every registered plugin.

use gblend_cli as _;
use gblend_core::conformance::arbitrary::{MediaSize, samples};
use gblend_core::conformance::{self, Violation};
use gblend_core::registry::Plugin;
use gblend_core::serde_json::{self, Value, json};
use gblend_core::{BlendStrategy, Fusion, Modality, Objective, Optimizer, Role, Seed, catalogue};
use gblend_tests as _;

/// Settings that a plugin cannot do without.
const SETTINGS: [(Role, &str, &str); 2] = [
    (Role::Blend, "fixed", r#"{"weights": {"m0": 3, "joint": 1}}"#),
    (Role::Blend, "unimodal", r#"{"head": "m0"}"#),
];

/// Other settings under which a plugin does other things.
const VARIANTS: [(Role, &str, &str); 62] = [
    (
        Role::Blend,
        "ogr",
        r#"{"estimator": "gradient", "policy": "paper"}"#,
    ),
    (
        Role::Blend,
        "ogr",
        r#"{"schedule": "online", "warmup": 1, "super_epoch": 1}"#,
    ),
    (
        Role::Blend,
        "ogr",
        r#"{"covariance": "full", "no_gain": "equal", "resamples": 0}"#,
    ),
    (
        Role::Blend,
        "ogr",
        r#"{"no_gain": "error", "cap": 0.6, "smoothing": 0}"#,
    ),
    (Role::Blend, "ogm-ge", r#"{"noise": false}"#),
    (Role::Modality, "rgb", r#"{"size": [8, 8], "frames": 2}"#),
    (
        Role::Modality,
        "rgb",
        r#"{"mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225], "augment": {"brightness": 0.2}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"encoder": {"architecture": "residual", "channels": [4, 6]}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"encoder": {"architecture": "factorized", "channels": [4, 6]}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"encoder": {"architecture": "r2plus1d", "channels": [4, 6], "blocks": 2}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"encoder": {"architecture": "resnet18", "channels": [3, 4, 4, 5], "features": 6}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"encoder": {"architecture": "r2plus1d_18", "channels": [3, 4, 4, 5]}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"encoder": {"dropout": 0.5, "channels": [4, 6]}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"encoder": {"architecture": "transformer", "patch": 4, "width": 8, "heads": 2, "dropout": 0.1}}"#,
    ),
    (
        Role::Modality,
        "flow",
        r#"{"encoder": {"architecture": "transformer", "tubelet": 2, "attention": "joint", "features": 6}}"#,
    ),
    (
        Role::Modality,
        "depth",
        r#"{"encoder": {"architecture": "transformer"}}"#,
    ),
    (
        Role::Modality,
        "audio",
        r#"{"encoder": {"architecture": "transformer", "patch": 9, "depth": 1}}"#,
    ),
    (
        Role::Modality,
        "rgb",
        r#"{"sampling": "clip", "frames": 2, "augment": {"crop": 0.3, "flip": true, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "time_shift": 1}}"#,
    ),
    (Role::Modality, "flow", r#"{"size": [6, 6]}"#),
    (Role::Modality, "flow", r#"{"from": "frames"}"#),
    (
        Role::Modality,
        "flow",
        r#"{"from": "frames", "size": [8, 6], "frames": 1}"#,
    ),
    (
        Role::Modality,
        "depth",
        r#"{"encoding": "normals", "intrinsics": {"fx": 9, "fy": 9, "cx": 4.5, "cy": 5.5}}"#,
    ),
    (
        Role::Modality,
        "depth",
        r#"{"encoding": "hha", "intrinsics": {"fx": 9, "fy": 9, "cx": 4.5, "cy": 5.5}, "size": [8, 8]}"#,
    ),
    (
        Role::Modality,
        "audio",
        r#"{"sample_rate": 8000, "augment": {"noise_snr": [0, 20], "time_mask": 4, "masks": 2}}"#,
    ),
    (Role::Modality, "audio", r#"{"normalization": "fitted"}"#),
    (
        Role::Modality,
        "audio",
        r#"{"encoder": {"architecture": "cnn6", "channels": [3, 4, 4, 5], "features": 6, "dropout": 0.3}}"#,
    ),
    (
        Role::Modality,
        "audio",
        r#"{"mean": -30, "deviation": 30, "spectrogram": {"n_mels": 20, "padding": "reflect", "logarithm": "decibels"}, "augment": {"noise_snr": [0, 20]}, "encoder": {"architecture": "cnn10", "channels": [3, 4, 4, 5]}}"#,
    ),
    (Role::Modality, "depth", r#"{"scale": "logarithmic"}"#),
    (Role::Modality, "depth", r#"{"range": [1, 4], "size": [7, 6]}"#),
    (
        Role::Modality,
        "audio",
        r#"{"normalization": "band", "dynamic_range": 40, "seconds": 0.1}"#,
    ),
    (
        Role::Modality,
        "vector",
        r#"{"categorical": [3, 0], "encoder": {"architecture": "residual", "widths": [6, 6], "normalization": "batch"}}"#,
    ),
    (
        Role::Modality,
        "vector",
        r#"{"categorical": [2], "category_width": 3, "scaling": "none", "encoder": {"normalization": "none"}}"#,
    ),
    (
        Role::Modality,
        "vector",
        r#"{"clip": 1.5, "encoder": {"architecture": "linear", "dropout": 0}}"#,
    ),
    (
        Role::Modality,
        "sequence",
        r#"{"length": 12, "resize": "resample", "encoder": {"architecture": "transformer", "width": 6, "heads": 2, "hidden": 8}}"#,
    ),
    (
        Role::Modality,
        "sequence",
        r#"{"length": 20, "encoder": {"architecture": "gru", "units": 5, "layers": 2, "bidirectional": true, "dropout": 0.2}}"#,
    ),
    (
        Role::Modality,
        "sequence",
        r#"{"length": 9, "encoder": {"channels": [4, 6], "kernel": 3, "normalization": "layer", "pooling": "max"}}"#,
    ),
    (
        Role::Modality,
        "sequence",
        r#"{"augment": {"jitter": 0.1, "scale": 0.2, "shift": 3, "mask": 4, "masks": 2}, "encoder": {"channels": [4], "features": 5}}"#,
    ),
    (
        Role::Modality,
        "sequence",
        r#"{"standardize": false, "encoder": {"channels": [4, 4], "normalization": "none", "pooling": "last", "stride": 1}}"#,
    ),
    (
        Role::Modality,
        "sequence",
        r#"{"encoder": {"architecture": "bag", "features": 6}}"#,
    ),
    (
        Role::Modality,
        "text",
        r#"{"min_samples": 1, "vocabulary": 260, "length": 20, "encoder": {"architecture": "convolution", "channels": [4, 4]}}"#,
    ),
    (
        Role::Modality,
        "text",
        r#"{"bytes": 20, "lowercase": false, "width": 6, "encoder": {"architecture": "transformer", "heads": 2, "hidden": 5}}"#,
    ),
    (
        Role::Modality,
        "text",
        r#"{"length": 9, "width": 3, "encoder": {"architecture": "gru", "units": 4}}"#,
    ),
    (Role::Fusion, "sum", r#"{"width": 3}"#),
    (Role::Fusion, "gated", r#"{"gates": "competing", "width": 3}"#),
    (Role::Fusion, "lmf", r#"{"rank": 1, "width": 3}"#),
    (Role::Fusion, "se", r#"{"reduction": 1}"#),
    (Role::Fusion, "attention", r#"{"width": 6, "heads": 1}"#),
    (
        Role::Fusion,
        "mid-concat",
        r#"{"stage": 2, "channels": [4, 6], "blocks": 2}"#,
    ),
    (
        Role::Fusion,
        "mid-concat",
        r#"{"channels": [4], "residual": true}"#,
    ),
    (Role::Objective, "regression", r#"{"loss": "absolute"}"#),
    (
        Role::Objective,
        "single-label",
        r#"{"class_weights": "balanced"}"#,
    ),
    (
        Role::Objective,
        "single-label",
        r#"{"class_weights": {"c1": 7.5, "c2": 0.25}}"#,
    ),
    (Role::Objective, "multi-label", r#"{"class_weights": "balanced"}"#),
    (Role::Objective, "multi-label", r#"{"class_weights": {"c0": 3}}"#),
    (
        Role::Objective,
        "match",
        r#"{"width": 4, "hidden": [6], "temperature": {"start": 0.5, "learned": false}, "block": 4}"#,
    ),
    (
        Role::Objective,
        "views",
        r#"{"width": 4, "hidden": [], "temperature": {"start": 0.3, "learned": true}}"#,
    ),
    (Role::Objective, "anchor", r#"{"share": 0.5}"#),
    (Role::Modality, "text", r#"{"augment": {"delete": 0.3}}"#),
    (
        Role::Optimizer,
        "sgd",
        r#"{"nesterov": true, "weight_decay": 0.01}"#,
    ),
    (Role::Optimizer, "sgd", r#"{"momentum": 0}"#),
    (Role::Optimizer, "adam", r#"{"weight_decay": 0.01}"#),
    (
        Role::Optimizer,
        "rmsprop",
        r#"{"momentum": 0.9, "centered": true, "weight_decay": 0.01}"#,
    ),
];

/// The table of a plugin with these settings.
fn table(kind: &str, settings: &str) -> Value {
    let mut table: Value = serde_json::from_str(settings).unwrap();
    table["kind"] = json!(kind);
    table
}

/// The tables of a kind: as it is or with what it cannot do without, and its variants.
pub(super) fn tables(role: Role, kind: &str) -> Vec<Value> {
    let of = |rows: &[(Role, &str, &str)]| -> Vec<Value> {
        let rows = rows.iter().filter(|row| (row.0, row.1) == (role, kind));
        rows.map(|row| table(kind, row.2)).collect()
    };
    let mut tables = of(&SETTINGS);
    if tables.is_empty() {
        tables.push(table(kind, "{}"));
    }
    tables.extend(of(&VARIANTS));
    tables
}

/// What is wrong with this plugin, if anything.
fn check(role: Role, table: &Value) -> Result<Result<(), Violation>, serde_json::Error> {
    let table = table.clone();
    Ok(match role {
        Role::Blend => {
            let strategy: Box<dyn BlendStrategy> = serde_json::from_value(table)?;
            conformance::strategy(strategy.as_ref())
        }
        Role::Modality => {
            let modality: Box<dyn Modality> = serde_json::from_value(table)?;
            let media = samples(modality.media(), &MediaSize::default(), 4, Seed::new(1)).unwrap();
            conformance::modality(modality.as_ref(), &media)
        }
        Role::Fusion => {
            let fusion: Box<dyn Fusion> = serde_json::from_value(table)?;
            conformance::fusion(fusion.as_ref())
        }
        Role::Optimizer => {
            let optimizer: Box<dyn Optimizer> = serde_json::from_value(table)?;
            conformance::optimizer(optimizer.as_ref())
        }
        Role::Objective => {
            let objective: Box<dyn Objective> = serde_json::from_value(table)?;
            conformance::objective(objective.as_ref())
        }
        Role::Data => Ok(()),
    })
}

/// Every kind of a role keeps the rules.
fn all_keep_the_rules(role: Role) {
    let mut problems = Vec::new();
    let catalogue = catalogue().unwrap();
    // Those with a fault are here too.
    let built_in = |plugin: &&Plugin| plugin.crate_name != env!("CARGO_PKG_NAME");
    for plugin in catalogue.of(role).filter(|plugin| built_in(plugin)) {
        for table in tables(role, plugin.kind) {
            match check(role, &table) {
                Ok(Ok(())) => {}
                Ok(Err(violation)) => problems.push(format!("{table}: {violation}")),
                Err(error) => problems.push(format!(
                    "{table}: {error}; SETTINGS must have what the kind cannot do without"
                )),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[test]
fn every_strategy_keeps_the_rules() {
    all_keep_the_rules(Role::Blend);
}

#[test]
fn every_modality_keeps_the_rules() {
    all_keep_the_rules(Role::Modality);
}

#[test]
fn every_fusion_keeps_the_rules() {
    all_keep_the_rules(Role::Fusion);
}

#[test]
fn every_objective_keeps_the_rules() {
    all_keep_the_rules(Role::Objective);
}

#[test]
fn every_optimizer_keeps_the_rules() {
    all_keep_the_rules(Role::Optimizer);
}

#[test]
fn the_tables_name_registered_kinds_and_only_what_is_needed() {
    for (role, kind, _) in SETTINGS.iter().chain(&VARIANTS) {
        catalogue().unwrap().find(*role, kind).unwrap();
    }
    for (role, kind, _) in SETTINGS {
        assert!(
            check(role, &table(kind, "{}")).is_err(),
            "{role} `{kind}` can do without the settings in SETTINGS"
        );
    }
}
