//! Every number that a plugin reads from a configuration, set to what nobody means: the message has the key.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::playground;
use gblend_tests::{Playground, TINY, TINY_AVMNIST, npy, write_avmnist, write_clips};
use serde_json::Value;

/// A world of a few samples, from which each kind is given what it takes.
const BASE: &str = r#"
[run]
batch_size = 4
validation = 0

[data]
kind = "scene"
train_samples = 24
test_samples = 8
frames = 3
size = 12
seconds = 0.1

[modality.camera]
kind = "rgb"
encoder.channels = [4, 8]

[modality.motion]
kind = "flow"
encoder.channels = [4, 8]
"#;

/// Two sounds of each of two classes, listed in a table.
const MANIFEST: &str = r#"
[run]
batch_size = 4
validation = 0

[data]
kind = "manifest"
table = "table.csv"
label = "label"
split = "split"

[data.streams.microphone]
path = "{id}.wav"
media = "waveform"

[modality.microphone]
kind = "audio"
sample_rate = 8000
spectrogram = { n_fft = 64, hop_length = 40, win_length = 64, n_mels = 12 }
encoder.channels = [4]

[blend]
kind = "equal"
"#;

/// Arrays and texts of the same two classes.
const COLUMNS: &str = r#"
[run]
batch_size = 4
validation = 0

[data]
kind = "manifest"
table = "table.csv"
label = "label"
split = "split"
streams.array = { path = "{id}.npy", media = "array" }
streams.text = { column = "label", media = "text" }

[modality.array]
kind = "vector"

[blend]
kind = "equal"
"#;

/// What a kind cannot do without.
const NEEDED: [(&str, &[&str]); 5] = [
    ("blend.fixed", &["blend.weights={camera=1, joint=1}"]),
    ("blend.unimodal", &["blend.head=\"camera\""]),
    (
        "objective.info-nce",
        &[
            "modality.camera.objective.kind=\"single-label\"",
            "modality.motion.objective.kind=\"single-label\"",
        ],
    ),
    (
        "objective.match",
        &[
            "modality.camera.objective.kind=\"none\"",
            "modality.motion.objective.kind=\"none\"",
        ],
    ),
    ("objective.views", &["modality.camera.augment.crop=0.5"]),
];

/// Settings beside which a key does anything: the beginning of a key, and what stands beside it.
const BESIDE: [(&str, &[&str]); 15] = [
    ("modality.it.encoder.patch", TRANSFORMER),
    ("modality.it.encoder.tubelet", TRANSFORMER),
    ("modality.it.encoder.width", TRANSFORMER),
    ("modality.it.encoder.depth", TRANSFORMER),
    ("modality.it.encoder.heads", TRANSFORMER),
    ("modality.it.encoder.hidden", TRANSFORMER),
    ("modality.it.intrinsics", NORMALS),
    ("modality.it.normal_radius", NORMALS),
    ("modality.it.stride", CLIPS),
    ("modality.it.clips", CLIPS),
    ("modality.it.augment.masks", &["modality.it.augment.time_mask=1"]),
    ("blend.resamples", &["blend.estimator=\"probe\""]),
    ("fusion.stage", &["modality.camera.encoder.channels=[4, 8]"]),
    ("fusion.channels", &["modality.camera.encoder.channels=[4, 8]"]),
    ("fusion.blocks", &["modality.camera.encoder.channels=[4, 8]"]),
];
/// The same of networks of steps.
const BESIDE_STEPS: [(&str, &[&str]); 10] = [
    ("modality.it.encoder.channels", CONVOLUTION),
    ("modality.it.encoder.kernel", CONVOLUTION),
    ("modality.it.encoder.stride", CONVOLUTION),
    ("modality.it.encoder.width", ATTENTION),
    ("modality.it.encoder.depth", ATTENTION),
    ("modality.it.encoder.heads", ATTENTION),
    ("modality.it.encoder.hidden", ATTENTION),
    ("modality.it.encoder.units", RECURRENT),
    ("modality.it.encoder.layers", RECURRENT),
    ("modality.it.augment.masks", &["modality.it.augment.mask=1"]),
];
/// The same of vectors.
const BESIDE_VECTORS: [(&str, &[&str]); 1] =
    [("modality.it.category_width", &["modality.it.categorical=[0]"])];
const CONVOLUTION: &[&str] = &["modality.it.encoder.architecture=\"convolution\""];
const ATTENTION: &[&str] = &["modality.it.encoder.architecture=\"transformer\""];
const RECURRENT: &[&str] = &["modality.it.encoder.architecture=\"gru\""];
const TRANSFORMER: &[&str] = &[
    "modality.it.encoder.architecture=\"transformer\"",
    "modality.it.encoder.patch=4",
];
const NORMALS: &[&str] = &[
    "modality.it.encoding=\"normals\"",
    "modality.it.intrinsics={fx=9, fy=9, cx=6, cy=6}",
];
const CLIPS: &[&str] = &["modality.it.sampling=\"clip\"", "modality.it.frames=1"];

/// The last parts of keys that are sizes of layers: neither nothing nor absurdly much of them is taken.
const SIZES: [&str; 13] = [
    "width",
    "channels",
    "rank",
    "blocks",
    "depth",
    "heads",
    "hidden",
    "features",
    "n_mels",
    "widths",
    "units",
    "layers",
    "category_width",
];

const ABSURD: &str = "1000000000000000";

/// One number of one kind.
struct Key {
    /// `role.kind`.
    of: String,
    /// As the user writes it.
    key: String,
    /// The value with the number in place of each of its own, one after the other.
    values: Vec<String>,
    sets: Vec<String>,
}

/// The numbers in the settings of a schema, with values that `number` takes the place in.
fn numbers(
    schema: &Value,
    definitions: &Value,
    key: &str,
    number: &str,
    found: &mut Vec<(String, Vec<String>)>,
) {
    let schema = resolved(schema, definitions);
    let is = |schema: &Value, wanted: &str| match &schema["type"] {
        Value::String(kind) => kind == wanted,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    };
    let alternatives = schema["anyOf"].as_array().into_iter().flatten();
    if is(&schema, "integer")
        || is(&schema, "number")
        || alternatives
            .clone()
            .any(|one| is(one, "integer") || is(one, "number"))
    {
        found.push((key.to_owned(), vec![number.to_owned()]));
    } else if is(&schema, "array") && (is(&schema["items"], "integer") || is(&schema["items"], "number")) {
        let default = schema["default"]
            .as_array()
            .cloned()
            .unwrap_or(vec![1.into(), 1.into()]);
        let with = |at: usize| {
            let all = default.iter().enumerate();
            let all = all.map(|(index, value)| {
                if index == at {
                    number.to_owned()
                } else {
                    value.to_string()
                }
            });
            format!("[{}]", all.collect::<Vec<_>>().join(", "))
        };
        found.push((key.to_owned(), (0..default.len()).map(with).collect()));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if name != "kind" {
            let inner_key = if key.is_empty() {
                name.clone()
            } else {
                format!("{key}.{name}")
            };
            numbers(inner, definitions, &inner_key, number, found);
        }
    }
}

/// The schema, with what it refers to and its own default.
fn resolved(schema: &Value, definitions: &Value) -> Value {
    let inner = schema["allOf"]
        .get(0)
        .or(schema["anyOf"].get(0))
        .unwrap_or(schema);
    let Some(name) = inner["$ref"].as_str().and_then(|name| name.rsplit('/').next()) else {
        return schema.clone();
    };
    definitions[name].clone()
}

/// Every number of every registered kind.
fn keys(p: &Playground, number: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    for plugin in p.json(&["plugins", "--json"]).as_array().unwrap() {
        let (role, kind) = (plugin["role"].as_str().unwrap(), plugin["kind"].as_str().unwrap());
        let of = format!("{role}.{kind}");
        let table = match (role, kind) {
            ("modality", _) => "modality.it".to_owned(),
            // They are for a modality's own head.
            ("objective", "anchor" | "views") => "modality.camera.objective".to_owned(),
            (other, _) => other.to_owned(),
        };
        let mut found = Vec::new();
        numbers(
            &plugin["schema"],
            &plugin["schema"]["$defs"],
            "",
            number,
            &mut found,
        );
        for (key, values) in found {
            let key = format!("{table}.{key}");
            let mut sets = Vec::new();
            if role != "data" {
                sets.push(format!("{table}.kind=\"{kind}\""));
            }
            let needed = NEEDED.iter().filter(|(needing, _)| *needing == of);
            let beside = beside(&of)
                .iter()
                .filter(|(beginning, _)| key.starts_with(beginning));
            let sides = needed.chain(beside).flat_map(|(_, sets)| *sets);
            sets.extend(sides.map(|set| (*set).to_owned()));
            keys.push(Key {
                of: of.clone(),
                key,
                values,
                sets,
            });
        }
    }
    keys
}

/// What stands beside the keys of a kind.
fn beside(of: &str) -> &'static [(&'static str, &'static [&'static str])] {
    match of {
        "modality.sequence" | "modality.text" => &BESIDE_STEPS,
        "modality.vector" => &BESIDE_VECTORS,
        _ => &BESIDE,
    }
}

/// The configuration that a kind is tried with.
fn configuration(of: &str) -> &'static str {
    match of {
        "data.avmnist" => "avmnist.toml",
        "data.manifest" => "manifest.toml",
        "modality.vector" | "modality.sequence" | "modality.text" => "columns.toml",
        _ => "base.toml",
    }
}

/// What is wrong with how a value is answered, if anything.
fn problem(p: &Playground, key: &Key, value: &str) -> Option<String> {
    let set = format!("{}={value}", key.key);
    let mut arguments = vec!["check", configuration(&key.of), "--quiet"];
    for set in key.sets.iter().chain([&set]) {
        arguments.extend(["--set", set]);
    }
    let outcome = p.run(&arguments);
    let is_size = SIZES.contains(&key.key.rsplit('.').next().unwrap());
    match outcome.code {
        Some(2) if outcome.stderr.contains(&key.key) => None,
        Some(0) if !is_size => None,
        code => Some(format!("{} {set}: {code:?} {}", key.of, outcome.stderr)),
    }
}

#[test]
fn a_number_that_nobody_means_is_taken_or_refused_by_its_key() {
    let p = playground();
    p.write("base.toml", BASE);
    p.write("manifest.toml", MANIFEST);
    p.write("columns.toml", COLUMNS);
    for row in 1..=8 {
        p.write(
            &format!("s{row}.npy"),
            npy(&[3], &[row as f32, 2.0, (row * row) as f32]),
        );
    }
    write_clips(&p.path(""), 8);
    let rows = (1..=8).map(|row| {
        let (label, split) = (["dog", "cat"][row % 2], if row < 5 { "train" } else { "test" });
        format!("s{row},{label},{split}\n")
    });
    p.write(
        "table.csv",
        ["id,label,split\n".to_owned()]
            .into_iter()
            .chain(rows)
            .collect::<String>(),
    );
    p.write("avmnist.toml", TINY_AVMNIST);
    write_avmnist(&p.path(""));
    for name in ["base.toml", "manifest.toml", "columns.toml", "avmnist.toml"] {
        p.succeed(&["check", name, "--quiet"]);
    }

    let keys: Vec<Key> = ["0", ABSURD]
        .into_iter()
        .flat_map(|number| keys(&p, number))
        .collect();
    assert!(keys.len() > 200, "{} numbers were found", keys.len());
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = key.values.iter().filter_map(|value| problem(&p, key, value));
                    problems.lock().unwrap().extend(found);
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_joint_heads_layers_are_told_by_their_key() {
    let p = playground();
    p.refuse(
        &["check", "tiny.toml", "--set", "fusion.head.hidden=[0]"],
        &["fusion.head.hidden = 0: expected at least 1 (outputs of a linear layer)"],
    );
    let hidden = format!("fusion.head.hidden=[{ABSURD}]");
    p.refuse(&["check", "tiny.toml", "--set", &hidden], &["fusion.head.hidden"]);
}

#[test]
fn what_a_plugin_refuses_once_it_sees_the_data_is_told_with_its_line() {
    let p = playground();
    let text = TINY.replace("kind = \"concat\"", "kind = \"sum\"\nwidth = 0");
    let line = 1 + text.lines().position(|line| line == "width = 0").unwrap();
    p.write("wide.toml", text);
    let expected = format!("wide.toml:{line}: fusion.width = 0: expected");
    for command in ["check", "train", "estimate"] {
        p.refuse(&[command, "wide.toml"], &[&expected]);
    }
    p.refuse(
        &["check", "wide.toml", "--set", "fusion.width=100000000"],
        &["--set fusion.width=100000000: fusion.width = 100000000: expected"],
    );
}
