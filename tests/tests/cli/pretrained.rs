//! Encoders that start from files of parameters, frozen ones, and learning rates of parts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::playground;
use gblend_tests::Playground;

const RESNET: &str = "modality.camera.encoder={ architecture = \"resnet18\", channels = [2, 3, 3, 4] }";
const FILE: &str = "modality.camera.pretrained=net.safetensors";
const SMALL: &str =
    "data={ kind = \"scene\", train_samples = 48, test_samples = 16, frames = 2, size = 12, seconds = 0.1 }";

/// The shape and the bytes of each array of a safetensors file.
type Arrays = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn arrays(p: &Playground, file: &str) -> Arrays {
    let bytes = std::fs::read(p.path(file)).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let data = &bytes[8 + length..];
    let array = |tensor: &Value| {
        let [from, to] = [0, 1].map(|end| tensor["data_offsets"][end].as_u64().unwrap() as usize);
        let shape = serde_json::from_value(tensor["shape"].clone()).unwrap();
        (shape, data[from..to].to_vec())
    };
    header
        .iter()
        .map(|(name, tensor)| (name.clone(), array(tensor)))
        .collect()
}

fn write(p: &Playground, file: &str, arrays: &Arrays) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (shape, bytes)) in arrays {
        let offsets = [data.len(), data.len() + bytes.len()];
        data.extend(bytes);
        let tensor = json!({ "dtype": "F32", "shape": shape, "data_offsets": offsets });
        header.insert(name.clone(), tensor);
    }
    let header = Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    p.write(file, [&length[..], header.as_bytes(), &data].concat());
}

/// The arrays of the camera's encoder in a run, by torchvision's names.
fn encoder(p: &Playground, run: &str) -> Arrays {
    let all = arrays(p, &format!("{run}/model.safetensors")).into_iter();
    let own = all.filter_map(|(name, array)| Some((name.strip_prefix("camera.encoder.")?.to_owned(), array)));
    own.collect()
}

/// Trains one epoch on few samples with the residual network, and more settings.
fn train(p: &Playground, out: &str, more: &[&str]) {
    let sets = [SMALL, "run.epochs=1", "run.select=last", RESNET]
        .into_iter()
        .chain(more.iter().copied());
    let mut arguments = vec!["train", "tiny.toml", "--quiet", "--out", out];
    arguments.extend(sets.flat_map(|set| ["--set", set]));
    p.succeed(&arguments);
}

/// A folder with `net.safetensors`: a trained encoder as torchvision would have saved it, last layer included.
fn with_file() -> (Playground, Arrays) {
    let p = playground();
    train(&p, "before", &["run.seed=7"]);
    let trained = encoder(&p, "before");
    let mut file = trained.clone();
    file.insert("fc.weight".into(), (vec![10, 4], vec![0; 160]));
    file.insert("bn1.num_batches_tracked".into(), (vec![1], vec![0; 4]));
    write(&p, "net.safetensors", &file);
    (p, trained)
}

#[test]
fn a_frozen_encoder_keeps_its_bits_under_every_strategy_and_optimizer() {
    let (p, trained) = with_file();
    let optimizers = [
        "optimizer={ kind = \"sgd\", learning_rate = 0.1, momentum = 0.9, weight_decay = 0.1 }",
        "optimizer={ kind = \"adam\", learning_rate = 0.1, weight_decay = 0.1, apply = \"losses\" }",
        "optimizer={ kind = \"adamw\", learning_rate = 0.1, weight_decay = 0.1, clip_norm = 1 }",
        "optimizer={ kind = \"rmsprop\", learning_rate = 0.1, momentum = 0.9, weight_decay = 0.1 }",
    ];
    for (number, strategy) in p.strategies().iter().enumerate() {
        let strategy = strategy
            .iter()
            .map(String::as_str)
            .filter(|argument| *argument != "--set");
        let strategy: Vec<&str> = strategy.collect();
        for (other, optimizer) in optimizers.iter().enumerate() {
            let out = format!("frozen-{number}-{other}");
            let freeze = [FILE, "modality.camera.freeze=true", optimizer];
            train(&p, &out, &[&freeze[..], &strategy].concat());
            assert!(encoder(&p, &out) == trained, "{strategy:?} {optimizer}");
        }
    }
    // Not because nothing would move it.
    train(&p, "moved", &[FILE, optimizers[0]]);
    let moved = encoder(&p, "moved");
    assert!(moved.iter().all(|(name, array)| *array != trained[name]));
}

#[test]
fn stages_and_epochs_that_are_frozen_are_those_that_are_named() {
    let (p, trained) = with_file();
    for fusion in [
        "fusion.kind=concat",
        "fusion={ kind = \"mid-concat\", stage = 2 }",
    ] {
        let out = format!("stages-{}", fusion.len());
        // The other encoders have two stages, too.
        train(&p, &out, &[FILE, fusion, "modality.camera.freeze={ stages = 2 }"]);
        for (name, array) in encoder(&p, &out) {
            let after = name.starts_with("layer3") || name.starts_with("layer4");
            assert_eq!(array != trained[&name], after, "{fusion} {name}");
        }
        let whole = format!("whole-{}", fusion.len());
        train(&p, &whole, &[FILE, fusion, "modality.camera.freeze=true"]);
        assert!(encoder(&p, &whole) == trained, "{fusion}");
    }
    // Frozen in the second epoch, it ends as after the first.
    train(&p, "one", &[FILE]);
    train(
        &p,
        "two",
        &[FILE, "run.epochs=2", "modality.camera.freeze={ from = 2 }"],
    );
    assert!(encoder(&p, "one") == encoder(&p, "two"));
    // Frozen in the first, it moves in the second.
    train(&p, "first", &[FILE, "modality.camera.freeze=1"]);
    train(&p, "later", &[FILE, "run.epochs=2", "modality.camera.freeze=1"]);
    assert!(encoder(&p, "first") == trained && encoder(&p, "later") != trained);
    let other_parts = |run: &str| {
        let mut all = arrays(&p, &format!("{run}/model.safetensors"));
        all.retain(|name, _| !name.starts_with("camera.encoder."));
        all
    };
    assert!(other_parts("first") != other_parts("one"));
}

#[test]
fn a_part_moves_by_the_multiple_of_the_learning_rate_and_others_as_before() {
    let p = playground();
    let values = |run: &str| -> BTreeMap<String, Vec<f32>> {
        let of = |bytes: Vec<u8>| {
            let values = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            values.collect()
        };
        let all = arrays(&p, &format!("{run}/model.safetensors"));
        all.into_iter()
            .map(|(name, (_, bytes))| (name, of(bytes)))
            .collect()
    };
    // One step, from the same parameters.
    let step = ["run.batch_size=1000", "run.validation=0"];
    let run = |out: &str, optimizer: &str, more: &[&str]| {
        train(&p, out, &[&step[..], &[optimizer], more].concat());
        values(out)
    };
    let still = run(
        "still",
        "optimizer={ kind = \"sgd\", learning_rate = 1e-30 }",
        &[],
    );
    for (number, (optimizer, scaled)) in [
        (
            "{ kind = \"sgd\", learning_rate = 0.1, momentum = 0, weight_decay = 0.1 }",
            0.25,
        ),
        (
            "{ kind = \"adamw\", learning_rate = 0.01, weight_decay = 1 }",
            0.25,
        ),
        ("{ kind = \"adam\", learning_rate = 0.01, weight_decay = 1 }", 4.0),
    ]
    .into_iter()
    .enumerate()
    {
        let optimizer = format!("optimizer={optimizer}");
        let plain = run(&format!("plain-{number}"), &optimizer, &[]);
        for (key, part) in [
            ("modality.camera.learning_rate_scale", "camera.encoder."),
            ("modality.camera.head_learning_rate_scale", "camera.head."),
            ("fusion.learning_rate_scale", "joint."),
        ] {
            let out = format!("{part}{number}");
            let other = run(&out, &optimizer, &[&format!("{key}={scaled}")]);
            for (name, values) in &other {
                if !name.starts_with(part) || name.contains("running") {
                    assert!(values == &plain[name], "{optimizer} {key}: {name}");
                    continue;
                }
                let moved = values.iter().zip(&plain[name]).zip(&still[name]);
                for ((&value, &plain), &before) in moved {
                    let (found, expected) = (value - before, (plain - before) * scaled as f32);
                    let near = (found - expected).abs() <= 1e-5 + 1e-3 * expected.abs();
                    assert!(near, "{optimizer} {key}: {name} {found} {expected}");
                }
            }
        }
    }
}

#[test]
fn a_run_keeps_what_its_encoders_started_from_and_does_not_go_on_from_something_else() {
    let (p, trained) = with_file();
    train(&p, "run", &[FILE, "checkpoint.keep=true"]);
    let origins: Value =
        serde_json::from_slice(&std::fs::read(p.path("run/pretrained.json")).unwrap()).unwrap();
    let camera = &origins["modalities"]["camera"];
    assert_eq!(camera["from"], "net.safetensors");
    assert_eq!(camera["loaded"], trained.len());
    let left: Vec<&str> = camera["left_over"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["bn1.num_batches_tracked", "fc.weight"]);
    assert_eq!(camera["missing"], json!([]));
    // As if it had been stopped.
    std::fs::remove_file(p.path("run/summary.json")).unwrap();
    write(&p, "net.safetensors", &trained);
    p.refuse_after_run(
        &["train", "--quiet", "--resume", "run"],
        "modality.camera.pretrained: net.safetensors is not what",
    );
    // A model needs no file of parameters any more.
    train(&p, "whole", &[FILE]);
    std::fs::remove_file(p.path("net.safetensors")).unwrap();
    p.succeed(&["evaluate", "whole", "--quiet"]);
}

#[test]
fn an_encoder_of_a_run_is_a_file_with_a_prefix_and_names_can_be_others() {
    let (p, trained) = with_file();
    let table =
        "modality.camera.pretrained={ file = \"before/model.safetensors\", prefix = \"camera.encoder.\" }";
    train(&p, "prefix", &[table, "modality.camera.freeze=true"]);
    assert!(encoder(&p, "prefix") == trained);
    let renamed = trained
        .iter()
        .map(|(name, array)| (name.replace("layer", "stage"), array.clone()));
    write(&p, "renamed.safetensors", &renamed.collect());
    let names =
        "names = { stage1 = \"layer1\", stage2 = \"layer2\", stage3 = \"layer3\", stage4 = \"layer4\" }";
    let table = format!("modality.camera.pretrained={{ file = \"renamed.safetensors\", {names} }}");
    train(&p, "renamed", &[&table, "modality.camera.freeze=true"]);
    assert!(encoder(&p, "renamed") == trained);
    // What may be missing starts at random.
    let part = trained.iter().filter(|(name, _)| !name.starts_with("layer4"));
    write(
        &p,
        "part.safetensors",
        &part.map(|(name, array)| (name.clone(), array.clone())).collect(),
    );
    p.refuse_after_run(
        &[
            "train",
            "tiny.toml",
            "--set",
            RESNET,
            "--set",
            "modality.camera.pretrained=part.safetensors",
        ],
        "layer4.0.bn1.bias [4]",
    );
    train(
        &p,
        "part",
        &[
            "modality.camera.pretrained={ file = \"part.safetensors\", part = 0.3 }",
            "modality.camera.freeze=true",
        ],
    );
    for (name, array) in encoder(&p, "part") {
        assert_eq!(array == trained[&name], !name.starts_with("layer4"), "{name}");
    }
}

#[test]
fn files_and_settings_that_cannot_be_are_refused_by_key() {
    let (p, mut trained) = with_file();
    let refuse = |sets: &[&str], parts: &[&str]| {
        let mut arguments = vec!["train", "tiny.toml", "--quiet"];
        arguments.extend([SMALL, RESNET].iter().chain(sets).flat_map(|set| ["--set", set]));
        p.refuse(&arguments, parts);
    };
    let key = "modality.camera.pretrained";
    p.write("net.pth", b"PK\x03\x04 and more");
    refuse(
        &["modality.camera.pretrained=net.pth"],
        &[key, "pickle", "save_file(torch.load('net.pth'"],
    );
    p.write("broken.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}");
    refuse(
        &["modality.camera.pretrained=broken.safetensors"],
        &[key, "cannot be read"],
    );
    refuse(
        &["modality.camera.pretrained=none.safetensors"],
        &["none.safetensors"],
    );
    let wide = "modality.camera.encoder.channels=[2, 3, 3, 5]";
    refuse(
        &[FILE, wide],
        &[key, "`layer4.0.bn1.bias` has shape [4], and [5] in the encoder"],
    );
    refuse(
        &["modality.camera.pretrained={ file = \"net.safetensors\", part = 0 }"],
        &["modality.camera.pretrained.part", "above 0"],
    );
    refuse(
        &["modality.camera.pretrained={ file = \"net.safetensors\", prefx = \"a\" }"],
        &["prefx", "prefix"],
    );
    refuse(
        &["modality.camera.freeze={ stages = 5 }"],
        &["modality.camera.freeze.stages", "1 to 4"],
    );
    refuse(
        &["modality.camera.freeze={ stages = 0 }"],
        &["modality.camera.freeze.stages", "1 or more"],
    );
    refuse(
        &["modality.camera.freeze=\"all\""],
        &["modality.camera.freeze", "a number of epochs"],
    );
    refuse(
        &[
            "modality.camera.freeze={ stages = 1 }",
            "fusion={ kind = \"mid-concat\", stage = 2 }",
        ],
        &["modality.camera.freeze.stages", "fusion.stage"],
    );
    refuse(
        &["modality.camera.learning_rate_scale=0"],
        &["modality.camera.learning_rate_scale", "above 0"],
    );
    refuse(
        &["fusion.learning_rate_scale=-1"],
        &["fusion.learning_rate_scale", "above 0"],
    );
    let (_, values) = trained.get_mut("conv1.weight").unwrap();
    values[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    write(&p, "infinite.safetensors", &trained);
    refuse(
        &["modality.camera.pretrained=infinite.safetensors"],
        &[key, "`conv1.weight` has inf"],
    );
}

const HEARING: [&str; 3] = [
    "modality.microphone.encoder={ architecture = \"cnn10\", channels = [2, 3, 3, 4] }",
    "modality.microphone.spectrogram={ n_fft = 64, hop_length = 40, win_length = 64, n_mels = 16, padding = \"reflect\", logarithm = \"decibels\" }",
    "modality.microphone.deviation=30",
];

#[test]
fn a_network_of_panns_is_loaded_without_its_constants_frozen_or_in_part_and_learns_at_its_own_rate() {
    let p = playground();
    let train_hearing = |out: &str, more: &[&str]| {
        let sets = [SMALL, "run.epochs=2", "run.select=last"].into_iter();
        let sets = sets.chain(HEARING).chain(more.iter().copied());
        let mut arguments = vec!["train", "tiny.toml", "--out", out];
        arguments.extend(sets.flat_map(|set| ["--set", set]));
        let outcome = p.run(&arguments);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stderr
    };
    let own = |run: &str| -> Arrays {
        let all = arrays(&p, &format!("{run}/model.safetensors")).into_iter();
        let named = all
            .filter_map(|(name, array)| Some((name.strip_prefix("microphone.encoder.")?.to_owned(), array)));
        named.collect()
    };
    train_hearing("before", &["run.seed=7"]);
    let trained = own("before");
    // What the public state dicts have besides: constants of the spectrogram, counters, and the last layer.
    let mut file = trained.clone();
    let constants = [
        ("spectrogram_extractor.stft.conv_real.weight", vec![33, 1, 64]),
        ("spectrogram_extractor.stft.conv_imag.weight", vec![33, 1, 64]),
        ("logmel_extractor.melW", vec![33, 16]),
        ("fc_audioset.weight", vec![9, 4]),
        ("fc_audioset.bias", vec![9]),
    ];
    for (name, shape) in &constants {
        let values = shape.iter().product::<usize>();
        file.insert((*name).to_owned(), (shape.clone(), vec![0; 4 * values]));
    }
    file.insert("bn0.num_batches_tracked".into(), (vec![1], vec![0; 4]));
    write(&p, "hearing.safetensors", &file);
    let pretrained = "modality.microphone.pretrained=hearing.safetensors";
    let told = train_hearing("frozen", &[pretrained, "modality.microphone.freeze=true"]);
    let loaded = format!("{} of {} arrays loaded", trained.len(), trained.len());
    assert!(
        told.contains(&loaded) && told.contains("missing: nothing"),
        "{told}"
    );
    for (name, _) in &constants {
        assert!(told.contains(name), "{name}: {told}");
    }
    assert!(told.contains("microphone is frozen: its 4 features"), "{told}");
    assert!(own("frozen") == trained);
    train_hearing(
        "stages",
        &[pretrained, "modality.microphone.freeze={ stages = 2 }"],
    );
    for (name, array) in own("stages") {
        let after = ["conv_block3", "conv_block4", "fc1"]
            .iter()
            .any(|part| name.starts_with(part));
        assert_eq!(array != trained[&name], after, "{name}");
    }
    // One step of an optimizer without a scale of its own.
    let step = [
        "run.epochs=1",
        "run.batch_size=1000",
        "run.validation=0",
        pretrained,
    ];
    let sgd = "optimizer={ kind = \"sgd\", learning_rate = 0.1, momentum = 0 }";
    let scaled = "modality.microphone.learning_rate_scale=0.25";
    train_hearing("whole", &[&step[..], &[sgd]].concat());
    train_hearing("quarter", &[&step[..], &[sgd, scaled]].concat());
    let of = |arrays: &Arrays| -> Vec<f32> {
        let bytes = &arrays["conv_block4.conv2.weight"].1;
        bytes
            .chunks(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    };
    let (before, whole, quarter) = (of(&trained), of(&own("whole")), of(&own("quarter")));
    assert!(before != whole);
    for ((before, whole), quarter) in before.iter().zip(whole).zip(quarter) {
        let (found, expected) = (quarter - before, (whole - before) / 4.0);
        assert!(
            (found - expected).abs() <= 1e-6 + 1e-3 * expected.abs(),
            "{found} {expected}"
        );
    }
}

#[test]
fn a_spectrogram_that_trained_parameters_of_panns_do_not_read_is_refused_before_anything_is_trained() {
    let p = playground();
    p.refuse(
        &[
            "train",
            "tiny.toml",
            "--quiet",
            "--set",
            "modality.microphone.encoder={ architecture = \"cnn6\" }",
        ],
        &[
            "modality.microphone.sample_rate = 8000",
            "32000",
            "\"cnn6\"",
            "spectrogram.logarithm = \"decibels\"",
        ],
    );
}

/// Words of a tokenizer like those of BERT, small enough to write down.
fn word_tokenizer() -> Value {
    let words = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "round", "blue", "flat", "thing", "##s",
    ];
    let vocabulary: BTreeMap<&str, usize> = words.into_iter().zip(0..).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    })
}

#[test]
fn a_language_model_is_loaded_under_its_own_names_and_frozen_it_is_computed_once() {
    let p = playground();
    p.write("tokenizer.json", word_tokenizer().to_string());
    let rows: String = (0..80)
        .map(|row| {
            let (text, label) = [("Red round things", "ball"), ("a BLUE, flat thing", "plate")][row % 2];
            format!("s{row},\"{text} {row}\",{label},{}\n", row % 5)
        })
        .collect();
    p.write("table.csv", format!("id,text,label,number\n{rows}"));
    p.write(
        "words.toml",
        r#"
[run]
epochs = 2
batch_size = 16

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = { test = 0.2 }

[data.streams]
text = { column = "text", media = "text" }
number = { columns = ["number"], media = "array" }

[modality.text]
kind = "text"
length = 8
tokenizer = "tokenizer.json"
encoder = { architecture = "bert", width = 12, depth = 2, heads = 2, hidden = 16, positions = 10 }

[modality.number]
kind = "vector"

[blend]
kind = "equal"
"#,
    );
    p.succeed(&["train", "words.toml", "--quiet", "--out", "before", "--seed", "3"]);
    let own: Arrays = arrays(&p, "before/model.safetensors")
        .into_iter()
        .filter_map(|(name, array)| Some((name.strip_prefix("text.encoder.")?.to_owned(), array)))
        .collect();
    // As files that come from TensorFlow have them, with what an encoder has no use for.
    let of_tensorflow = |name: &String| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        format!("bert.{}", name.replace("LayerNorm.bias", "LayerNorm.beta"))
    };
    let mut file: Arrays = own
        .iter()
        .map(|(name, array)| (of_tensorflow(name), array.clone()))
        .collect();
    assert!(
        file.contains_key("bert.encoder.layer.1.attention.output.LayerNorm.gamma"),
        "{:?}",
        file.keys()
    );
    file.insert("bert.pooler.dense.bias".into(), (vec![12], vec![0; 48]));
    write(&p, "bert.safetensors", &file);
    let outcome = p.run(&[
        "train",
        "words.toml",
        "--out",
        "after",
        "--set",
        "modality.text.freeze=true",
        "--set",
        "modality.text.pretrained={ file = \"bert.safetensors\", prefix = \"bert.\" }",
    ]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let loaded = format!("{} of {} arrays loaded", own.len(), own.len());
    for part in [
        loaded.as_str(),
        "pooler.dense.bias",
        "text is frozen: its 12 features",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    for (name, array) in arrays(&p, "after/model.safetensors") {
        if let Some(name) = name.strip_prefix("text.encoder.") {
            assert!(array == own[name], "{name}");
        }
    }
}
