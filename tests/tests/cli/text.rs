//! Texts, in a column or in files, in any language.

use gblend_tests::{Playground, assert_same_losses};
use serde_json::Value;

use crate::playground;

/// 80 texts of two classes, one of which is about the sea.
const CONFIG: &str = r#"
[run]
epochs = 20
batch_size = 8
validation = 0

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"

[data.streams.title]
column = "title"
media = "text"

[data.streams.body]
path = "{id}.txt"
media = "text"

[modality.title]
kind = "text"
length = 16
vocabulary = 400
width = 16

[modality.body]
kind = "text"
length = 32
vocabulary = 300
width = 16
encoder = { architecture = "convolution", channels = [8], kernel = 3 }

[blend]
kind = "equal"

[optimizer]
kind = "adam"
learning_rate = 0.02
"#;

/// One of them is empty, and one so long that most of it is cut off.
fn files() -> Playground {
    let p = playground();
    let words = [
        [
            "the tide",
            "Ebbe und Flut",
            "la marée",
            "прилив",
            "潮の満ち引き",
            "المد والجزر",
        ],
        [
            "a mountain",
            "Berg und Tal",
            "la montagne",
            "гора",
            "山の頂上",
            "الجبل العالي",
        ],
    ];
    let mut table = String::from("id,label,split,title\n");
    for sample in 0..80 {
        let split = if sample < 60 { "train" } else { "test" };
        let (class, word) = (sample % 2, sample / 2 % 6);
        let title = match sample {
            0 => String::new(),
            _ => format!("{} {}", words[class][word], sample % 7),
        };
        table.push_str(&format!(
            "s{sample},{},{split},\"{title}\"\n",
            ["sea", "land"][class]
        ));
        let body = words[class][(word + 1) % 6].to_uppercase();
        let body = match sample {
            1 => body.repeat(1_000_000),
            _ => format!("{body}\n{}\n", sample % 5),
        };
        p.write(&format!("s{sample}.txt"), body);
    }
    p.write("table.csv", table);
    p.write("texts.toml", CONFIG);
    p
}

fn accuracies(summary: &Value) -> Vec<f64> {
    let heads = summary["heads"].as_array().unwrap().iter();
    heads
        .map(|head| head["test_accuracy"].as_f64().unwrap())
        .collect()
}

#[test]
fn texts_of_a_column_and_of_files_train_in_any_language() {
    let p = files();
    let summary = p.json(&["train", "texts.toml", "--quiet", "--json", "--out", "run"]);
    assert!(
        accuracies(&summary).iter().all(|&accuracy| accuracy >= 0.9),
        "{summary}"
    );
    let again = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_same_losses(&summary, &again);
    // The same to the bit, in another process with other hash tables.
    p.succeed(&[
        "train",
        "texts.toml",
        "--quiet",
        "--out",
        "twin",
        "--set",
        "run.threads=1",
    ]);
    for file in ["fitted.json", "model.safetensors"] {
        let of = |run: &str| std::fs::read(p.path(run).join(file)).unwrap();
        assert!(of("run") == of("twin"), "{file}");
    }
    for encoder in [
        "{ architecture = \"transformer\", heads = 2, hidden = 16 }",
        "{ architecture = \"gru\" }",
    ] {
        let set = format!("modality.title.encoder={encoder}");
        let summary = p.json(&["train", "texts.toml", "--quiet", "--json", "--set", &set]);
        assert!(accuracies(&summary)[1] >= 0.9, "{encoder} {summary}");
    }
    let shown = p.succeed(&["check", "texts.toml", "--quiet"]);
    assert!(shown.contains("tokens with a vector"), "{shown}");
}

/// A tokenizer of whole words, as Hugging Face's libraries write it.
const TOKENIZER: &str = r#"{
    "version": "1.0",
    "truncation": { "direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0 },
    "padding": null,
    "added_tokens": [
        { "id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true }
    ],
    "normalizer": { "type": "Lowercase" },
    "pre_tokenizer": { "type": "Whitespace" },
    "post_processor": null,
    "decoder": null,
    "model": {
        "type": "WordLevel",
        "vocab": { "[UNK]": 0, "the": 1, "tide": 2, "mountain": 3, "berg": 4, "flut": 5, "und": 6, "la": 7 },
        "unk_token": "[UNK]"
    }
}"#;

#[test]
fn a_given_tokenizer_is_kept_with_the_model() {
    let p = files();
    p.write("own/tokenizer.json", TOKENIZER);
    let set = ["--set", "modality.title.tokenizer=\"own/tokenizer.json\""];
    let train = [
        &["train", "texts.toml", "--quiet", "--json", "--out", "run"][..],
        &set,
    ]
    .concat();
    let summary = p.json(&train);
    std::fs::remove_file(p.path("own/tokenizer.json")).unwrap();
    let again = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_eq!(again["heads"][1]["loss"], summary["heads"][1]["test_loss"]);
    let train = [&["train", "texts.toml", "--quiet"][..], &set].concat();
    p.refuse_after_run(&train, "modality.title.tokenizer");
    for (content, part) in [
        ("[1, 2]", "tokenizer.json"),
        ("{\"model\": {\"type\": \"BPE\"}}", "modality.title.tokenizer"),
        ("no JSON", "is no JSON"),
    ] {
        p.write("own/tokenizer.json", content);
        p.refuse_after_run(&train, part);
    }
}

#[test]
fn a_file_that_is_no_text_is_refused_by_name() {
    let p = files();
    p.write("s7.txt", [b'a', 0xFF, b'b']);
    p.refuse(&["train", "texts.toml", "--quiet"], &["s7.txt", "UTF-8"]);
    p.write("s7.txt", "");
    for (set, part) in [
        ("modality.title.length=0", "modality.title.length = 0"),
        ("modality.title.vocabulary=100", "modality.title.vocabulary = 100"),
        (
            "modality.title.encoder.units=3",
            "modality.title.encoder.units = 3",
        ),
        ("data.streams.title.max_frames=3", "max_frames"),
    ] {
        p.refuse(&["train", "texts.toml", "--quiet", "--set", set], &[part]);
    }
}
