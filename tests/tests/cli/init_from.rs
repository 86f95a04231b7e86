//! From files to a trained model in three commands: `init --from`, `check`, `train`.

use gblend_tests::{Playground, npy, write_wav};
use serde_json::Value;

use crate::playground;

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gblend-cli/tests/fixtures/tables");
const SAMPLES: usize = 60;
const CLASSES: [&str; 2] = ["even", "odd"];

/// Writes the configuration, checks it and trains with it, and returns what was said of the files, the configuration and the
/// heads.
fn three_commands(p: &Playground, from: &str) -> (String, String, Vec<String>) {
    let told = p.succeed(&["init", "--from", from]);
    assert!(
        told.contains("gblend check gblend.toml") && told.contains("gblend train gblend.toml"),
        "{told}"
    );
    let checked = p.succeed(&["check", "gblend.toml", "--quiet"]);
    assert!(
        checked.contains("everything that training needs is there"),
        "{checked}"
    );
    let train = [
        "train",
        "gblend.toml",
        "--quiet",
        "--json",
        "--set",
        "run.epochs=2",
        "--set",
        "blend.probe_epochs=1",
    ];
    let summary = p.json(&[&train[..], &["--set", "blend.resamples=10"]].concat());
    let heads = summary["heads"].as_array().unwrap().iter();
    let heads = heads
        .map(|head| head["name"].as_str().unwrap().to_owned())
        .collect();
    (
        told,
        std::fs::read_to_string(p.path("gblend.toml")).unwrap(),
        heads,
    )
}

/// Numbers between 0 and 1 that look like none in particular.
fn noise(sample: usize, at: usize) -> f32 {
    ((sample * 7919 + at * 104_729) % 1009) as f32 / 1009.0
}

/// A number of the sample's class.
fn value(sample: usize, at: usize) -> f32 {
    (sample % 2) as f32 + noise(sample, at)
}

/// Writes a CSV table with a row for each sample.
fn csv(p: &Playground, name: &str, header: &str, row: impl Fn(usize) -> String) {
    let rows: Vec<String> = (0..SAMPLES).map(row).collect();
    p.write(name, format!("{header}\n{}\n", rows.join("\n")));
}

fn split(sample: usize) -> &'static str {
    match sample {
        0..40 => "train",
        40..48 => "val",
        _ => "test",
    }
}

#[test]
fn a_table_with_arrays_beside_it_trains() {
    let p = playground();
    csv(&p, "data/samples.csv", "id,label,split,row", |i| {
        format!("s{i},{},{},{}", CLASSES[i % 2], split(i), SAMPLES - 1 - i)
    });
    let rows = |width: usize| {
        let values = (0..SAMPLES)
            .rev()
            .flat_map(|i| (0..width).map(move |at| value(i, at)));
        npy(&[SAMPLES, width], &values.collect::<Vec<f32>>())
    };
    p.write("data/image.npy", rows(6));
    p.write("data/text.npy", rows(3));
    let (told, config, heads) = three_commands(&p, "data");
    assert_eq!(heads, ["image", "text", "joint"]);
    assert!(
        told.contains("which column `row` numbers; vectors of 6 numbers"),
        "{told}"
    );
    for part in [
        "table = \"data/samples.csv\"",
        "id = \"id\"",
        "split = \"split\"",
        "index = \"row\"",
    ] {
        assert!(config.contains(part), "{config}");
    }
    assert!(config.contains("refit = true"), "{config}");
    // The table has samples for validation.
    assert!(!config.contains("validation ="), "{config}");
}

#[test]
fn an_array_for_all_samples_is_found_among_the_files_of_each_and_what_is_no_stream_is_told_once() {
    let p = playground();
    csv(&p, "data/samples.csv", "id,label,split", |i| {
        format!("s{i},{},{}", CLASSES[i % 2], split(i))
    });
    let array = |rows: usize, width: usize| {
        let values = (0..rows).flat_map(|i| (0..width).map(move |at| value(i, at)));
        npy(&[rows, width], &values.collect::<Vec<f32>>())
    };
    p.write("data/image.npy", array(SAMPLES, 6));
    for sample in 0..SAMPLES {
        // As long as the table, but the table names them.
        p.write(&format!("data/echo/s{sample}.npy"), array(SAMPLES, 2));
        p.write(&format!("data/old/{sample}.npy"), array(7, 2));
    }
    let (told, config, heads) = three_commands(&p, "data");
    assert_eq!(heads, ["echo", "image", "joint"]);
    assert!(config.contains("file = \"image.npy\""), "{config}");
    let count = format!("{SAMPLES} array files without a row for each sample, such as old/0.npy: has 7 rows");
    assert!(told.contains(&count) && !told.contains("old/1.npy"), "{told}");
}

#[test]
fn sequences_that_are_as_long_as_the_table_are_no_streams() {
    let p = playground();
    csv(
        &p,
        "data/samples.csv",
        "id,label,split,acc_x,acc_y,gyro_x,gyro_y",
        |i| {
            let numbers: Vec<String> = (0..4).map(|at| value(i, at).to_string()).collect();
            format!("s{i},{},{},{}", CLASSES[i % 2], split(i), numbers.join(","))
        },
    );
    for sample in 0..40 {
        let values: Vec<f32> = (0..SAMPLES).map(|at| value(sample, at)).collect();
        p.write(
            &format!("data/of/{sample}-of-40.npy"),
            npy(&[SAMPLES, 1], &values),
        );
    }
    let told = p.succeed(&["init", "--from", "data"]);
    assert!(
        told.contains("40 arrays with as many rows as the table"),
        "{told}"
    );
}

#[test]
fn a_wide_table_is_divided_by_what_its_columns_begin_with() {
    let p = playground();
    csv(&p, "wide.csv", ",acc_x,acc_y,gyro_x,gyro_y,activity,notes", |i| {
        let numbers: Vec<String> = (0..4).map(|at| value(i, at).to_string()).collect();
        format!("{i},{},{},n{i}", numbers.join(","), CLASSES[i % 2])
    });
    let (told, config, heads) = three_commands(&p, "wide.csv");
    assert_eq!(heads, ["acc", "gyro", "joint"]);
    assert!(
        config.contains("columns = \"acc_*\"") && config.contains("test = 0.2"),
        "{config}"
    );
    // What pandas writes in front of a table tells the class of a sorted one.
    assert!(told.contains("not used: column ``: numbers the rows"), "{told}");
    assert!(told.contains("not used: column `notes`"), "{told}");
}

/// A table that `xtask/peers` has written.
fn write_table(p: &Playground, name: &str) {
    p.write(name, std::fs::read(format!("{TABLES}/{name}")).unwrap());
}

#[test]
fn lists_in_parquet_train_with_whole_subjects() {
    let p = playground();
    write_table(&p, "windows.parquet");
    let (_, config, heads) = three_commands(&p, "windows.parquet");
    assert_eq!(heads, ["accel", "gyro", "joint"]);
    assert!(
        config.contains("group = \"subject\"") && config.contains("label = \"activity\""),
        "{config}"
    );
}

#[test]
fn pictures_and_sounds_in_parquet_train_as_they_would_from_files() {
    let p = playground();
    write_table(&p, "embedded.parquet");
    let (told, config, heads) = three_commands(&p, "embedded.parquet");
    assert_eq!(heads, ["image", "audio", "plain", "joint"]);
    assert!(told.contains("column `audio` has files of sound in it"), "{told}");
    // One of the plain ones is missing.
    assert_eq!(config.matches("optional = true").count(), 1, "{config}");
}

#[test]
fn json_lines_with_texts_series_and_several_labels_train() {
    let p = playground();
    let line = |i: usize| {
        let series: Vec<[f32; 2]> = (0..5 + i % 3).map(|at| [value(i, at), noise(i, at)]).collect();
        let tags: &[&str] = [&["sea", "sky"][..], &["sky"], &["land", "sea"], &["land"]][i % 4];
        serde_json::json!({
            "title": format!("the {} number {i} of them", CLASSES[i % 2]), "series": series, "tags": tags,
        })
    };
    let lines: Vec<String> = (0..SAMPLES).map(|i| line(i).to_string()).collect();
    p.write("samples.jsonl", lines.join("\n"));
    let (_, config, heads) = three_commands(&p, "samples.jsonl");
    assert_eq!(heads, ["series", "title", "joint"]);
    for part in [
        "label_separator",
        "kind = \"text\"",
        "kind = \"sequence\"",
        "length = 7",
    ] {
        assert!(config.contains(part), "{config}");
    }
}

fn write_picture(p: &Playground, name: &str, sample: usize) {
    let color = [220_u8, 30][sample % 2];
    let picture = image::RgbImage::from_fn(16, 16, |x, y| {
        image::Rgb([color, x as u8 * 9, (y as usize * sample) as u8])
    });
    std::fs::create_dir_all(p.path(name).parent().unwrap()).unwrap();
    picture.save(p.path(name)).unwrap();
}

fn write_sound(p: &Playground, name: &str, sample: usize) {
    std::fs::create_dir_all(p.path(name).parent().unwrap()).unwrap();
    let samples = (0..900 + 20 * sample as i32).map(|at| at * [40, 170][sample % 2] % 2000);
    write_wav(&p.path(name), 16, samples);
}

#[test]
fn a_folder_for_each_class_becomes_a_table() {
    let p = playground();
    for sample in 0..40 {
        let class = CLASSES[sample % 2];
        write_picture(&p, &format!("things/{class}/{sample}.png"), sample);
        // One of them is silent.
        if sample != 3 {
            write_sound(&p, &format!("things/{class}/{sample}.wav"), sample);
        }
    }
    p.write("things/odd/Thumbs.db", "x");
    let (told, config, heads) = three_commands(&p, "things");
    assert_eq!(heads, ["picture", "sound", "joint"]);
    assert!(
        told.contains("Thumbs.db") && told.contains("wrote gblend-samples.csv and gblend.toml"),
        "{told}"
    );
    assert!(
        config.contains("root = \"things\"") && config.contains("optional = true"),
        "{config}"
    );
    let table = std::fs::read_to_string(p.path("gblend-samples.csv")).unwrap();
    assert_eq!(table.lines().count(), 41);
    assert!(table.contains("odd/3,odd,odd/3.png,\n"), "{table}");
    // Neither is overwritten, whatever the other is called.
    p.refuse_after_run(&["init", "--from", "things"], "gblend.toml is there already");
    std::fs::remove_file(p.path("gblend.toml")).unwrap();
    p.refuse_after_run(
        &["init", "--from", "things"],
        "gblend-samples.csv is there already",
    );
    assert!(!p.path("gblend.toml").exists());
}

#[test]
fn folders_of_splits_and_of_streams_are_known_by_their_names() {
    let p = playground();
    for sample in 0..48 {
        let part = ["train", "train", "test"][sample % 3];
        let class = CLASSES[sample % 2];
        write_picture(&p, &format!("sets/{part}/camera/{class}/{sample}.png"), sample);
        write_sound(
            &p,
            &format!("sets/{part}/microphone/{class}/{sample}.wav"),
            sample,
        );
    }
    let (_, config, heads) = three_commands(&p, "sets");
    assert_eq!(heads, ["camera", "microphone", "joint"]);
    assert!(config.contains("split = \"split\""), "{config}");
}

#[test]
fn shards_train_where_they_lie() {
    let p = playground();
    for shard in 0..2 {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: String, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes).unwrap();
        };
        for sample in (0..SAMPLES).filter(|sample| sample % 2 == shard) {
            // Each shard has both classes.
            let class = sample / 2;
            write_picture(&p, "one.png", class);
            let text = serde_json::json!({
                "category": CLASSES[class % 2], "title": format!("an {} thing, number {sample}", CLASSES[class % 2]),
            });
            add(
                format!("{sample:03}.png"),
                &std::fs::read(p.path("one.png")).unwrap(),
            );
            add(format!("{sample:03}.json"), text.to_string().as_bytes());
        }
        p.write(
            &format!("shards/part-{shard:02}.tar"),
            builder.into_inner().unwrap(),
        );
    }
    let (told, config, heads) = three_commands(&p, "shards/part-{00..01}.tar");
    assert_eq!(heads, ["picture", "title", "joint"]);
    assert!(
        told.contains("2 shards") && config.contains("\"shards/part-01.tar\""),
        "{told} {config}"
    );
    std::fs::remove_file(p.path("gblend.toml")).unwrap();
    for from in ["shards", "shards/part-*.tar"] {
        p.succeed(&["init", "--from", from, &format!("{}.toml", from.len())]);
    }
}

#[test]
fn a_quantity_is_learned_as_one() {
    let p = playground();
    csv(&p, "t.csv", "age,bmi,s1,s2,target", |i| {
        let numbers: Vec<String> = (0..4).map(|at| value(i, at).to_string()).collect();
        format!("{},{}", numbers.join(","), 3.0 * value(i, 0) + value(i, 2))
    });
    let (_, config, heads) = three_commands(&p, "t.csv");
    assert_eq!(heads, ["numbers", "s", "joint"]);
    assert!(config.contains("label_kind = \"number\""), "{config}");
}

#[test]
fn columns_and_files_of_any_name_are_read_as_they_are_called() {
    let p = playground();
    let header = "\"a \"\"b\"\"\",a*c,größe 1,größe 2,\"x{y}\",label's class,a'd*";
    csv(&p, "odd 'n' \"ames\"/t*able.csv", header, |i| {
        let numbers: Vec<String> = (0..5).map(|at| value(i, at).to_string()).collect();
        format!("{},{},{}", numbers.join(","), CLASSES[i % 2], value(i, 6))
    });
    let (told, config, heads) = three_commands(&p, "odd 'n' \"ames\"/t*able.csv");
    assert_eq!(heads.len(), 3, "{told}");
    assert!(config.contains("größe *"), "{config}");
}

#[test]
fn another_label_can_be_asked_for_and_the_others_are_told() {
    let p = playground();
    csv(&p, "t.csv", "x_1,x_2,y_1,y_2,class,mood", |i| {
        let numbers: Vec<String> = (0..4).map(|at| value(i, at).to_string()).collect();
        format!(
            "{},{},{}",
            numbers.join(","),
            CLASSES[i % 2],
            ["good", "bad", "so so"][i % 3]
        )
    });
    let label = |told: &str| {
        told.lines()
            .find(|line| line.starts_with("label"))
            .unwrap()
            .to_owned()
    };
    assert!(label(&p.succeed(&["init", "--from", "t.csv", "a.toml"])).contains("`class`"));
    let asked = p.succeed(&["init", "--from", "t.csv", "--label", "mood", "b.toml"]);
    assert!(label(&asked).contains("`mood`, asked for; 3 classes"), "{asked}");
    p.refuse(
        &["init", "--from", "t.csv", "--label", "moot", "c.toml"],
        &["did you mean `mood`"],
    );
    assert!(!p.path("c.toml").exists());
}

#[test]
fn nonsense_is_named_and_nothing_is_written() {
    let p = playground();
    p.write("empty.csv", "");
    p.write("header.csv", "id,label\n");
    csv(&p, "ids.csv", "id", |i| format!("s{i}"));
    csv(&p, "one.csv", "a,b,label", |i| format!("{i},{},same", i * i % 7));
    csv(&p, "twice.csv", "a,a,label", |i| format!("{i},{i},{}", i % 2));
    csv(&p, "alone.csv", "a,b,label", |i| {
        format!("{},{},{}", noise(i, 0), noise(i, 1), i % 2)
    });
    csv(&p, "semicolons.csv", "a;b;label", |i| {
        format!("{i};{i};{}", i % 2)
    });
    csv(&p, "dollar.csv", "${HOME}_1,${HOME}_2,b_1,b_2,label", |i| {
        format!(
            "{},{},{},{},{}",
            noise(i, 0),
            noise(i, 1),
            noise(i, 2),
            noise(i, 3),
            i % 2
        )
    });
    p.write("line.csv", format!("id,label\n{}", "x".repeat(10 << 20)));
    p.write(
        "binary.csv",
        (0..4000_u32)
            .flat_map(|i| (i * i).wrapping_mul(2_654_435_761).to_le_bytes())
            .collect::<Vec<u8>>(),
    );
    p.write("garbage.parquet", [0xFF_u8; 999]);
    p.write("garbage.tar", [0xFF_u8; 999]);
    p.write("notes.docx", "x");
    std::fs::create_dir(p.path("nothing")).unwrap();
    p.write("flat/a.png", "x");
    p.write("two/a.csv", "id\n1\n");
    p.write("two/b.jsonl", "{}\n");
    let cases: [(&str, &str); 17] = [
        ("empty.csv", "found no row"),
        ("header.csv", "found no row"),
        ("ids.csv", "found no column with the label"),
        ("one.csv", "one class, `same`"),
        ("twice.csv", "two columns called `a`"),
        ("alone.csv", "expected two or more"),
        ("semicolons.csv", "semicolons"),
        ("dollar.csv", "environment variable"),
        ("line.csv", "line.csv:2: found 1 cells, expected 2"),
        ("binary.csv", "binary.csv"),
        ("garbage.parquet", "not a whole Parquet file"),
        ("garbage.tar", "garbage.tar"),
        ("notes.docx", "another extension"),
        ("nothing", "found no table"),
        ("flat", "found no table"),
        ("two", "a.csv"),
        ("gone.csv", "cannot be read"),
    ];
    for (from, part) in cases {
        p.refuse(&["init", "--from", from], &[part]);
        assert!(
            !p.path("gblend.toml").exists() && !p.path("gblend-samples.csv").exists(),
            "{from}"
        );
    }
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere() {
    let p = playground();
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(p.path(to), p.path(from)).unwrap();
    for sample in 0..4 {
        write_picture(&p, &format!("outside/{sample}.png"), sample);
    }
    std::fs::create_dir_all(p.path("things/a")).unwrap();
    link("outside/1.png", "things/a/1.png");
    link("outside", "things/b");
    link("things", "things/a/loop");
    p.refuse(
        &["init", "--from", "things"],
        &["links such as a/1.png are not followed"],
    );
    // Nothing is written through a link either.
    csv(&p, "t.csv", "a_1,a_2,b_1,b_2,label", |i| {
        format!(
            "{},{},{},{},{}",
            noise(i, 0),
            noise(i, 1),
            noise(i, 2),
            noise(i, 3),
            i % 2
        )
    });
    link("elsewhere", "link.toml");
    p.refuse(
        &["init", "--from", "t.csv", "link.toml"],
        &["link.toml is there already"],
    );
    assert!(!p.path("elsewhere").exists());
    // A table may be one.
    link("t.csv", "linked.csv");
    p.succeed(&["init", "--from", "linked.csv"]);
}

#[test]
fn missing_files_are_skipped_and_told() {
    let p = playground();
    csv(&p, "t.csv", "clip,label", |i| format!("c{i},{}", CLASSES[i % 2]));
    for sample in 0..SAMPLES {
        if sample != 7 {
            write_picture(&p, &format!("pictures/c{sample}.png"), sample);
        }
        p.write(
            &format!("texts/c{sample}.txt"),
            format!("this is {} and {sample}", CLASSES[sample % 2]),
        );
    }
    let told = p.succeed(&["init", "--from", "t.csv"]);
    assert!(
        told.contains("samples are skipped") && told.contains("such as c7"),
        "{told}"
    );
    let summary: Value = p.json(&[
        "train",
        "gblend.toml",
        "--quiet",
        "--json",
        "--set",
        "run.epochs=1",
        "--set",
        "blend.kind=equal",
    ]);
    assert_eq!(summary["heads"].as_array().unwrap().len(), 3);
}

#[test]
fn lists_of_one_number_a_step_are_series() {
    let p = playground();
    let list = |i: usize, at: usize| -> Vec<[f32; 1]> { (0..9).map(|step| [value(i, at + step)]).collect() };
    let lines = (0..SAMPLES).map(|i| {
        let object = serde_json::json!({
            "id": format!("s{i}"), "label": CLASSES[i % 2], "split": split(i),
            "breath": list(i, 0), "pulse": list(i, 3),
        });
        format!("{object}\n")
    });
    p.write("table.jsonl", lines.collect::<String>());
    let (told, config, heads) = three_commands(&p, "table.jsonl");
    assert_eq!(heads, ["breath", "pulse", "joint"]);
    assert!(told.contains("sequences of 9 steps with a number each"), "{told}");
    assert!(
        config.contains("kind = \"sequence\"") && !config.contains("kind = \"vector\""),
        "{config}"
    );
}
