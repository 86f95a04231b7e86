//! Prepared samples that are kept in 16 bits.

use std::path::Path;

use gblend_tests::{Playground, npy};
use serde_json::Value;

use crate::playground;

fn trained(p: &Playground, file: &str, out: &str, sets: &[&str]) -> Vec<u8> {
    let mut arguments = vec!["train", file, "--quiet", "--out", out];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
    p.succeed(&arguments);
    std::fs::read(p.path(out).join("model.safetensors")).unwrap()
}

/// Bytes of the segments in a folder.
fn segments(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let sizes = entries.map(|path| match path.is_dir() {
        true => segments(&path),
        false if path.extension().is_some_and(|extension| extension == "segment") => {
            std::fs::metadata(path).unwrap().len()
        }
        false => 0,
    });
    sizes.sum()
}

#[test]
fn a_run_is_the_same_to_the_bit_whether_samples_come_from_memory_from_the_cache_or_from_neither() {
    let p = playground();
    // Nothing can be kept in it.
    p.write("file", "");
    let exact = trained(&p, "tiny.toml", "exact", &["run.cache=exact-cache"]);
    for precision in ["bf16", "f16"] {
        let samples_as = format!("run.samples_as={precision}");
        let cache = format!("run.cache={precision}-cache");
        let run = |name: &str, more: &[&str]| {
            let sets = [&[samples_as.as_str()], more].concat();
            trained(&p, "tiny.toml", &format!("{precision}-{name}"), &sets)
        };
        let memory = run("memory", &[&cache]);
        assert!(memory != exact, "{precision}: nothing was rounded");
        for (name, more) in [
            ("remembered", vec![cache.as_str()]),
            ("from-cache", vec![&cache, "run.memory=0"]),
            ("threads", vec![&cache, "run.memory=0", "run.threads=3"]),
            ("unkept", vec!["run.cache=file/cache"]),
        ] {
            assert!(
                run(name, &more) == memory,
                "{precision}, {name}: parameters differ"
            );
        }
        let (half, whole) = (
            segments(&p.path(&format!("{precision}-cache"))),
            segments(&p.path("exact-cache")),
        );
        assert!(
            (0.49..0.52).contains(&(half as f64 / whole as f64)),
            "{half} of {whole}"
        );
        // Tested anew, samples are rounded as they were.
        let run = format!("{precision}-memory");
        let summary = std::fs::read_to_string(p.path(&run).join("summary.json")).unwrap();
        let summary: Value = serde_json::from_str(&summary).unwrap();
        let again = p.json(&["evaluate", &run, "--json"]);
        assert_eq!(again["test"]["loss"], summary["test"]["loss"], "{again}");
    }
}

#[test]
fn a_cache_of_one_precision_is_never_read_for_another() {
    let p = playground();
    let run = |out: &str, precision: &str, cache: &str| {
        let sets = [
            format!("run.samples_as={precision}"),
            format!("run.cache={cache}"),
        ];
        trained(&p, "tiny.toml", out, &[&sets[0], &sets[1]])
    };
    for (number, precision) in ["bf16", "f32", "f16", "f32", "bf16"].into_iter().enumerate() {
        let shared = run(&format!("shared-{number}"), precision, "shared");
        let alone = run(
            &format!("alone-{number}"),
            precision,
            &format!("alone-{number}-cache"),
        );
        assert!(shared == alone, "{precision}: parameters differ");
    }
}

/// Rows of a table with texts, with two columns of numbers and one of names.
fn table(p: &Playground) {
    let mut table = String::from("id,label,split,says,where\n");
    for sample in 0..60 {
        let split = if sample < 40 { "train" } else { "test" };
        let (class, place) = (["a", "b"][sample % 2], ["north", "south", "east"][sample % 3]);
        table += &format!(
            "s{sample},{class},{split},word{} {class}{sample} tide,{place}\n",
            sample * 7 % 31
        );
        let value = [sample as f32 * 0.1, 70_000.0 + (sample % 2) as f32 * 9000.0];
        p.write(&format!("s{sample}.npy"), npy(&[2], &value));
    }
    p.write("t.csv", table);
    let head = "[run]\nepochs = 2\nbatch_size = 8\nvalidation = 0\n[data]\nkind = \"manifest\"\ntable = \"t.csv\"\n\
         id = \"id\"\nlabel = \"label\"\nsplit = \"split\"\n";
    let texts = "streams.says = { column = \"says\", media = \"text\" }\n\
         streams.where = { columns = [\"where\"], categories = [\"where\"], media = \"array\" }\n\
         [modality.says]\nkind = \"text\"\nlength = 8\nvocabulary = 600\nmin_samples = 1\nwidth = 8\n\
         [modality.where]\nkind = \"vector\"\n[blend]\nkind = \"equal\"\n";
    p.write("exact.toml", [head, texts].concat());
    let numbers = "streams.numbers = { path = \"{id}.npy\", media = \"array\" }\n\
         [modality.numbers]\nkind = \"vector\"\n[blend]\nkind = \"equal\"\n";
    p.write("numbers.toml", [head, numbers].concat());
}

#[test]
fn texts_and_categories_are_exact_whatever_samples_are_kept_as() {
    let p = playground();
    table(&p);
    let exact = trained(&p, "exact.toml", "f32", &[]);
    for precision in ["bf16", "f16"] {
        let set = format!("run.samples_as={precision}");
        assert!(
            trained(&p, "exact.toml", precision, &[&set]) == exact,
            "{precision}: parameters differ"
        );
    }
}

#[test]
fn a_number_too_large_for_f16_is_refused_with_its_sample_and_bf16_takes_it() {
    let p = playground();
    table(&p);
    let arguments = ["train", "numbers.toml", "--set", "run.samples_as=f16"];
    let parts = [
        "run.samples_as",
        "sample s0",
        "modality numbers",
        "70000",
        "65504",
        "bf16",
        "f32",
    ];
    p.refuse(&arguments, &parts);
    p.refuse(&["check", "numbers.toml", "--set", "run.samples_as=f16"], &parts);
    let rounded = trained(&p, "numbers.toml", "bf16", &["run.samples_as=bf16"]);
    assert!(rounded != trained(&p, "numbers.toml", "f32", &[]));
    // Neither does one that is skipped pass in silence: all of them are too large.
    let skip = ["--set", "data.on_bad_sample=skip"];
    p.refuse(&[&arguments[..], &skip].concat(), &["run.samples_as", "70000"]);
}

#[test]
fn new_samples_are_rounded_as_those_that_the_model_was_trained_with() {
    let p = playground();
    table(&p);
    trained(&p, "numbers.toml", "run", &["run.samples_as=bf16"]);
    let folder = p.path("new");
    std::fs::create_dir_all(&folder).unwrap();
    // Of numbers that are the same in bfloat16, the same is said.
    p.write("new/t.csv", "id\none\nother\n");
    for (name, value) in [("one", 70_001.0), ("other", 70_100.0)] {
        p.write(&format!("new/{name}.npy"), npy(&[2], &[0.5, value]));
    }
    let told = p.json(&["predict", "run", "--quiet", "--json", "--table", "new/t.csv"]);
    assert_eq!(
        (&told[0]["id"], &told[1]["id"]),
        (&Value::from("one"), &Value::from("other"))
    );
    assert!(told[0]["probabilities"] != Value::Null && told[0]["probabilities"] == told[1]["probabilities"]);
}
