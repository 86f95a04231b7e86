//! The manifest dataset: ordinary files work, and damaged ones are named or counted.

use std::path::Path;
use std::process::Command;

use crate::playground;
use gblend_tests::{Playground, ffmpeg, real_data, write_clips, write_wav};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, RgbImage};

/// Frames and sound of 16 samples of two classes, as [`files`] writes them.
const CONFIG: &str = concat!(
    r#"
[run]
epochs = 1
batch_size = 4
validation = 0

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"

[data.streams.camera]
column = "frames"
media = "frames"

[data.streams.microphone]
path = "{id}.wav"
media = "waveform"
"#,
    gblend_tests::clip_modalities!()
);

/// Depth, flow and an array of the same samples.
const OTHERS: &str = r#"
[data.streams.distance]
path = "{id}.depth.png"
media = "depth"
depth_scale = 500

[data.streams.motion]
path = "{id}.flo"
media = "flow"

[modality.distance]
kind = "depth"
encoder.channels = [4]

[modality.motion]
kind = "flow"
encoder.channels = [4]
"#;

fn wav(path: &Path, length: i32) {
    write_wav(path, 16, (0..length).map(|index| index * 37 % 2000));
}

fn png(path: &Path, image: impl Into<DynamicImage>) {
    image.into().save(path).unwrap();
}

fn flo(width: i32, height: i32) -> Vec<u8> {
    let mut bytes = b"PIEH".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.resize(12 + (width * height * 8) as usize, 0);
    bytes
}

/// Writes the samples `s1` to `s16`, the last four for the test.
fn files(folder: &Path) {
    write_clips(folder, 16);
    let mut table = "id,label,split,frames\n".to_owned();
    for number in 1..=16_u8 {
        let id = format!("s{number}");
        let label = if number % 2 == 0 { "even" } else { "odd" };
        let split = if number > 12 { "test" } else { "train" };
        table += &format!("{id},{label},{split},{id}\n");
        let depth = ImageBuffer::<Luma<u16>, _>::from_fn(8, 6, |x, _| Luma([x as u16 * 200]));
        png(&folder.join(format!("{id}.depth.png")), depth);
        std::fs::write(folder.join(format!("{id}.flo")), flo(8, 6)).unwrap();
    }
    std::fs::write(folder.join("table.csv"), table).unwrap();
}

fn prepared() -> Playground {
    let p = playground();
    files(&p.path(""));
    p.write("m.toml", format!("{CONFIG}{OTHERS}"));
    p
}

/// Replaces a line of the table.
fn edit(p: &Playground, from: &str, to: &str) {
    let table = std::fs::read_to_string(p.path("table.csv")).unwrap();
    assert!(table.contains(from), "{from}");
    p.write("table.csv", table.replace(from, to));
}

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn four_modalities_train_from_files() {
    let p = prepared();
    let summary = p.json(&["train", "m.toml", "--quiet", "--json"]);
    assert_eq!(summary["samples_skipped"], 0);
    assert_eq!(summary["heads"].as_array().unwrap().len(), 5);
    let checked = p.succeed(&["check", "m.toml"]);
    for part in [
        "12 training",
        "4 test",
        "such as s1",
        "even, odd",
        "[3, 6, 8, 2]",
        "[2, 6, 8, 1]",
    ] {
        assert!(checked.contains(part), "{part}: {checked}");
    }
    // The root is part of the resolved configuration, so a run can be evaluated from anywhere.
    p.succeed(&["evaluate", "runs/m-1", "--quiet"]);
}

#[test]
fn json_lines_and_drawn_splits_train_too() {
    let p = prepared();
    let line = |number: u8| {
        let who = number / 4;
        format!(
            "{{\"id\": \"s{number}\", \"label\": {}, \"frames\": \"s{number}\", \"who\": {who}}}\n",
            number % 2
        )
    };
    p.write("table.jsonl", (1..=16).map(line).collect::<String>());
    let config = format!("{CONFIG}{OTHERS}")
        .replace("table.csv", "table.jsonl")
        .replace("split = \"split\"", "split = { test = 0.25 }\ngroup = \"who\"");
    p.write("lines.toml", config);
    let checked = p.succeed(&["check", "lines.toml", "--quiet"]);
    assert!(
        checked.contains("4 test") || checked.contains("3 test"),
        "{checked}"
    );
    p.succeed(&["train", "lines.toml", "--quiet"]);
    p.refuse_after_run(
        &["check", "lines.toml", "--set", "data.split.test=1"],
        "data.split.test",
    );
}

#[test]
fn wav_files_of_24_bits_and_of_floats_are_read() {
    let p = prepared();
    write_wav(
        &p.path("s2.wav"),
        24,
        (0..800).map(|index| index * 9000 % 8_000_000),
    );
    write_wav(
        &p.path("s3.wav"),
        32,
        (0..800).map(|index| (index as f32 * 0.3).sin()),
    );
    p.succeed(&["train", "m.toml", "--quiet"]);
}

/// Every damage ends the run with the sample named, or is one skipped sample.
#[test]
fn bad_media_is_named_or_counted() {
    type Damage = fn(&Playground);
    let cases: [(Damage, &[&str]); 15] = [
        (
            |p| wav(&p.path("s3.wav"), 0),
            &["sample s3", "s3.wav", "length is 0"],
        ),
        (|p| p.write("s3.wav", ""), &["sample s3", "s3.wav", "empty"]),
        (|p| cut(&p.path("s3.wav")), &["sample s3", "s3.wav", "wav"]),
        (
            |p| std::fs::remove_file(p.path("s3.wav")).unwrap(),
            &["sample s3", "s3.wav", "not found"],
        ),
        (
            |p| cut(&p.path("s3/9.png")),
            &["sample s3", "s3/9.png", "whole picture"],
        ),
        (
            |p| png(&p.path("s3/10.png"), RgbImage::new(9, 6)),
            &["sample s3", "s3/10.png", "9x6", "expected 8x6"],
        ),
        (
            |p| std::fs::remove_dir_all(p.path("s3")).unwrap(),
            &["sample s3", "s3: not found"],
        ),
        (
            |p| png(&p.path("s3.depth.png"), GrayImage::new(8, 6)),
            &["sample s3", "s3.depth.png", "16 bits"],
        ),
        (
            |p| p.write("s3.flo", b"HEIP56789012"),
            &["sample s3", "s3.flo", "PIEH"],
        ),
        (
            |p| p.write("s3.flo", &flo(8, 6)[..100]),
            &["sample s3", "s3.flo", "88 bytes", "8x6"],
        ),
        (
            |p| edit(p, "train,s3\n", "train,../s3\n"),
            &["sample s3", "../s3", "leads out of"],
        ),
        (
            |p| edit(p, "train,s3\n", "train,/etc\n"),
            &["sample s3", "/etc", "leads out of"],
        ),
        (
            |p| edit(p, "train,s3\n", "train,\n"),
            &["sample s3", "`frames` is empty"],
        ),
        (
            |p| edit(p, "s3,odd", "s1,odd"),
            &["table.csv:4", "sample s1", "another sample", "table.csv:2"],
        ),
        (
            |p| edit(p, "s3,odd,train", "s3,odd,trian"),
            &["sample s3", "trian", "train, validation or test"],
        ),
    ];
    for (damage, parts) in cases {
        let p = prepared();
        damage(&p);
        p.refuse(&["train", "m.toml"], parts);
        p.refuse(&["check", "m.toml"], parts);
        let skip = ["--quiet", "--set", "data.on_bad_sample=skip"];
        let summary = p.json(&[&["train", "m.toml", "--json"][..], &skip].concat());
        assert_eq!(summary["samples_skipped"], 1, "{parts:?}");
        // What was found is remembered, and found again.
        let again = p.run(&[&["train", "m.toml", "--json"][..], &skip].concat());
        assert!(
            again.stdout.contains("\"samples_skipped\": 1"),
            "{}",
            again.stdout
        );
        assert!(
            again.stderr.contains("1 of 16 samples are skipped"),
            "{}",
            again.stderr
        );
        let checked = p.succeed(&[&["check", "m.toml"][..], &skip].concat());
        for part in [&["skipped: 1 samples"][..], parts].concat() {
            assert!(checked.contains(part), "{part}: {checked}");
        }
    }
}

#[test]
fn check_names_every_bad_sample_at_once() {
    let p = prepared();
    cut(&p.path("s3.wav"));
    std::fs::remove_file(p.path("s5.flo")).unwrap();
    png(&p.path("s14/9.png"), RgbImage::new(3, 3));
    // Sound but of another length.
    wav(&p.path("s9.wav"), 400);
    p.refuse(
        &["check", "m.toml"],
        &[
            "4 problems",
            "sample s3",
            "sample s5",
            "sample s14",
            "sample s9",
            "modality.microphone.seconds",
        ],
    );
}

#[test]
fn a_skipped_sample_is_not_predicted_and_a_mended_one_comes_back() {
    let p = prepared();
    let good = std::fs::read(p.path("s14.wav")).unwrap();
    cut(&p.path("s14.wav"));
    p.succeed(&[
        "train",
        "m.toml",
        "--quiet",
        "--out",
        "run",
        "--set",
        "data.on_bad_sample=skip",
    ]);
    p.refuse_after_run(&["predict", "run", "s14"], "s14.wav");
    p.succeed(&["predict", "run", "s15"]);
    p.write("s14.wav", good);
    p.succeed(&["predict", "run", "s14"]);
}

#[test]
fn settings_that_fit_no_table_are_refused_by_name() {
    let p = prepared();
    for (set, parts) in [
        (
            "data.label=lable",
            &["data.label", "did you mean `label`", "id, label, split, frames"][..],
        ),
        (
            "data.streams.camera.column=frame",
            &["data.streams.camera.column", "did you mean `frames`"],
        ),
        (
            "data.streams.camera.path=x",
            &["data.streams.camera", "exactly one of: column, path"],
        ),
        (
            "data.streams.microphone.path={idd}.wav",
            &["data.streams.microphone.path", "`id`"],
        ),
        (
            "data.streams.camera.depth_scale=2",
            &["data.streams.camera.depth_scale"],
        ),
        (
            "data.streams.camera.max_frames=0",
            &["data.streams.camera.max_frames"],
        ),
        ("data.table=nowhere.csv", &["nowhere.csv"]),
        ("data.root=nowhere", &["nowhere"]),
        (
            "data.classes=[\"even\"]",
            &["unknown label `odd`", "sample s1", "and 7 more like it"],
        ),
        ("data.split=3", &["data.split", "shares"]),
    ] {
        p.refuse(&["check", "m.toml", "--set", set], parts);
    }
    let all = ["check", "m.toml", "--all", "--set", "data.classes=[\"even\"]"];
    p.refuse(&all, &["sample s1:", "sample s15:", "unknown label `odd`"]);
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_out_of_the_root_is_refused() {
    let p = prepared();
    let outside = tempfile::tempdir().unwrap();
    std::fs::rename(p.path("s3.wav"), outside.path().join("x.wav")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("x.wav"), p.path("s3.wav")).unwrap();
    let parts = ["sample s3", "s3.wav", "leads out of"];
    p.refuse(&["check", "m.toml"], &parts);
    p.refuse(&["train", "m.toml"], &parts);
    let skip = ["--quiet", "--json", "--set", "data.on_bad_sample=skip"];
    let summary = p.json(&[&["train", "m.toml"][..], &skip].concat());
    assert_eq!(summary["samples_skipped"], 1);
}

#[test]
fn a_parquet_table_trains_as_the_csv_of_the_same_rows() {
    let p = playground();
    write_clips(&p.path(""), 10);
    let tables = concat!(env!("CARGO_MANIFEST_DIR"), "/../gblend-cli/tests/fixtures/tables");
    let model = |name: &str| {
        let config = CONFIG
            .replace("table.csv", name)
            .replace("id = \"id\"", &format!("root = {:?}", p.path("")))
            .replace("label = \"label\"", "label = \"good\"\non_bad_sample = \"skip\"")
            .replace("split = \"split\"", "split = { test = 0.3 }")
            .replace("column = \"frames\"", "path = \"s1\"")
            .replace("{id}.wav", "s2.wav");
        p.write("m.toml", config.replace(name, &format!("{tables}/{name}")));
        let out = format!("run-{name}");
        let summary = p.json(&["train", "m.toml", "--quiet", "--json", "--out", &out]);
        assert_eq!(summary["samples_unlabeled"], 1);
        assert_eq!(summary["samples_skipped"], 0);
        std::fs::read(p.path(&out).join("model.safetensors")).unwrap()
    };
    let csv = model("table.csv");
    for name in ["snappy.parquet", "zstd.parquet", "plain.parquet"] {
        assert!(model(name) == csv, "{name}");
    }
    let config = std::fs::read_to_string(p.path("m.toml")).unwrap();
    p.write("m.toml", config.replace("label = \"good\"", "label = \"tags\""));
    p.refuse_after_run(&["check", "m.toml"], "plain.parquet: row 1: `tags` is a list");
    p.write(
        "cut.parquet",
        &std::fs::read(format!("{tables}/snappy.parquet")).unwrap()[..900],
    );
    p.write("m.toml", CONFIG.replace("table.csv", "cut.parquet"));
    p.refuse_after_run(&["check", "m.toml"], "cut.parquet: not a whole Parquet file");
}

/// Packs the samples into a shard.
fn shard(p: &Playground) {
    let mut builder = tar::Builder::new(std::fs::File::create(p.path("s.tar")).unwrap());
    for number in 1..=16 {
        builder
            .append_path_with_name(p.path(&format!("s{number}.wav")), format!("s{number}.wav"))
            .unwrap();
        let text = format!("{{\"label\": {}}}", number % 2);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, format!("s{number}.json"), text.as_bytes())
            .unwrap();
    }
    builder.finish().unwrap();
}

const SHARD_CONFIG: &str = r#"
[run]
epochs = 1
batch_size = 4
validation = 0

[data]
kind = "manifest"
shards = ["s.tar"]
label = "label"
split = { test = 0.25 }

[data.streams.microphone]
path = "{__key__}.wav"
media = "waveform"

[modality.microphone]
kind = "audio"
sample_rate = 8000
spectrogram = { n_fft = 64, hop_length = 40, win_length = 64, n_mels = 12 }
encoder.channels = [4]

[blend]
kind = "equal"
"#;

#[test]
fn shards_are_read_where_they_lie_and_one_cut_short_is_named() {
    let p = prepared();
    shard(&p);
    p.write("shard.toml", SHARD_CONFIG);
    let checked = p.succeed(&["check", "shard.toml", "--quiet"]);
    assert!(
        checked.contains("12 training") && checked.contains("4 test"),
        "{checked}"
    );
    p.succeed(&["train", "shard.toml", "--quiet"]);
    let whole = std::fs::read(p.path("s.tar")).unwrap();
    // Inside the sound of s14, and right before its header.
    for length in [13 * 3584 + 600, 13 * 3584] {
        p.write("s.tar", &whole[..length]);
        p.refuse_after_run(&["check", "shard.toml"], "s.tar: cut short");
        let skipped = p.run(&[
            "train",
            "shard.toml",
            "--json",
            "--set",
            "data.on_bad_sample=skip",
        ]);
        assert!(skipped.stdout.contains("\"samples_skipped\": 1"), "{skipped:?}");
    }
}

/// A video of moving bars with a tone, by extension.
fn video(p: &Playground, name: &str) {
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=32x24:rate=25:duration=1",
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=sample_rate=16000:duration=1",
            "-threads",
            "1",
        ])
        .args(match name.rsplit('.').next() {
            Some("mp4") => ["-c:v", "mpeg4", "-c:a", "aac"],
            Some("mpg") => ["-c:v", "mpeg2video", "-c:a", "mp2"],
            _ => ["-c:v", "mpeg4", "-c:a", "pcm_s16le"],
        })
        .arg(p.path(name))
        .status()
        .unwrap();
    assert!(made.success());
}

/// 12 samples of one video file each, all alike.
fn videos(extension: &str) -> Playground {
    let p = playground();
    video(&p, &format!("c0.{extension}"));
    let mut table = "id,label,split\n".to_owned();
    for number in 0..12 {
        let split = if number < 8 { "train" } else { "test" };
        table += &format!("c{number},{},{split}\n", number % 2);
        if number > 0 {
            std::fs::copy(
                p.path(&format!("c0.{extension}")),
                p.path(&format!("c{number}.{extension}")),
            )
            .unwrap();
        }
    }
    p.write("table.csv", table);
    let file = format!("path = \"{{id}}.{extension}\"");
    let config = CONFIG
        .replace("sample_rate = 8000", "sample_rate = 16000")
        .replace("column = \"frames\"", &format!("{file}\nmax_frames = 4"))
        .replace("path = \"{id}.wav\"", &file);
    p.write("v.toml", config);
    p
}

#[test]
fn video_and_its_sound_are_read_and_a_truncated_one_is_named_or_counted() {
    if !ffmpeg() {
        return;
    }
    for extension in ["mp4", "avi", "mkv", "mpg"] {
        let p = videos(extension);
        let checked = p.succeed(&["check", "v.toml", "--quiet"]);
        assert!(checked.contains("[3, 24, 32, 4]"), "{checked}");
        cut(&p.path(&format!("c3.{extension}")));
        let name = format!("c3.{extension}");
        p.refuse(
            &["check", "v.toml"],
            &["sample c3, stream camera", "sample c3, stream microphone", &name],
        );
        let summary = p.json(&[
            "train",
            "v.toml",
            "--quiet",
            "--json",
            "--set",
            "data.on_bad_sample=skip",
        ]);
        assert_eq!(summary["samples_skipped"], 1, "{extension}");
    }
}

#[test]
fn a_video_in_a_shard_trains() {
    if !ffmpeg() {
        return;
    }
    let p = videos("mp4");
    let mut builder = tar::Builder::new(std::fs::File::create(p.path("v.tar")).unwrap());
    for number in 0..12 {
        let name = format!("c{number}.mp4");
        builder.append_path_with_name(p.path(&name), &name).unwrap();
        std::fs::remove_file(p.path(&name)).unwrap();
    }
    builder.finish().unwrap();
    let config = std::fs::read_to_string(p.path("v.toml")).unwrap();
    p.write("v.toml", config.replace("[data]", "[data]\nshards = [\"v.tar\"]"));
    let summary = p.json(&["train", "v.toml", "--quiet", "--json"]);
    assert_eq!(summary["samples_skipped"], 0);
    let checked = p.succeed(&["check", "v.toml", "--quiet"]);
    assert!(checked.contains("[3, 24, 32, 4]"), "{checked}");
}

#[test]
#[cfg(unix)]
fn an_ffmpeg_that_is_too_old_is_no_bad_sample() {
    use std::os::unix::fs::PermissionsExt;
    let p = playground();
    p.write("clip.mp4", "no matter what");
    p.write("table.csv", "id,label,split\na,x,train\nb,x,test\n");
    let config = CONFIG
        .replace("column = \"frames\"", "path = \"clip.mp4\"")
        .replace("path = \"{id}.wav\"", "path = \"clip.mp4\"");
    p.write("v.toml", config);
    std::fs::create_dir(p.path("bin")).unwrap();
    let path = p.path("bin");
    for (version, is_old) in [
        ("4.4.2-0ubuntu0.22.04.1", true),
        ("n5.0", true),
        ("5.1", false),
        ("n7.1-12-gabcdef", false),
        ("N-109542-g9f1cf33ba4", false),
    ] {
        let script =
            format!("#!/bin/sh\necho 'ffmpeg version {version} Copyright (c) the FFmpeg developers'\n");
        p.write("bin/ffmpeg", script);
        std::fs::set_permissions(p.path("bin/ffmpeg"), std::fs::Permissions::from_mode(0o755)).unwrap();
        for policy in ["error", "skip"] {
            let set = format!("data.on_bad_sample={policy}");
            let environment = [("PATH", path.to_str().unwrap())];
            let outcome = p.run_with(&["train", "v.toml", "--set", &set], &environment);
            assert_eq!(outcome.code, Some(2), "{outcome:?}");
            // One that is new enough is believed, and its silence is the sample's fault.
            let parts = ["clip.mp4", version, "install ffmpeg 5.1 or later"];
            let found = parts.iter().all(|part| outcome.stderr.contains(part));
            assert_eq!(found, is_old, "{version}: {outcome:?}");
        }
    }
}

#[test]
fn a_playlist_in_disguise_and_too_long_a_video_are_refused() {
    if !ffmpeg() {
        return;
    }
    let p = videos("mkv");
    p.write("c3.mkv", "ffconcat version 1.0\nfile c2.mkv\n");
    p.write("c5.mkv", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nc2.mkv\n");
    p.refuse(
        &["check", "v.toml"],
        &["sample c3", "sample c5", "ffmpeg cannot decode"],
    );
    // Two seconds of a larger picture are more than one MiB.
    let p = videos("mkv");
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=320x240:rate=10:duration=2",
        ])
        .arg(p.path("c3.mkv"))
        .status();
    assert!(made.unwrap().success());
    p.refuse(
        &["check", "v.toml", "--set", "data.streams.camera.max_mib=1"],
        &["sample c3", "more than 1 MiB", "max_mib"],
    );
}

#[test]
fn a_missing_ffmpeg_is_no_bad_sample() {
    let p = playground();
    p.write("clip.mp4", "no matter what");
    p.write("table.csv", "id,label,split\na,x,train\nb,x,test\n");
    let config = CONFIG
        .replace("column = \"frames\"", "path = \"clip.mp4\"")
        .replace("path = \"{id}.wav\"", "path = \"clip.mp4\"");
    p.write("v.toml", config);
    for policy in ["error", "skip"] {
        let set = format!("data.on_bad_sample={policy}");
        let outcome = p.run_with(&["train", "v.toml", "--set", &set], &[("PATH", "")]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        for part in ["clip.mp4", "ffmpeg", "install"] {
            assert!(outcome.stderr.contains(part), "{outcome:?}");
        }
    }
}

#[test]
fn grid_trains_on_the_real_videos() {
    let Some(data) = real_data() else { return };
    if !ffmpeg() {
        return;
    }
    let p = playground();
    let example = include_str!("../../../examples/grid.toml");
    p.write(
        "grid.toml",
        example.replace("${GBLEND_DATA}", data.to_str().unwrap()),
    );
    let mut arguments = vec!["train", "grid.toml", "--quiet", "--json"];
    for set in [
        "data.samples_per_class=2",
        "run.epochs=1",
        "modality.video.size=[16, 20]",
        "modality.video.frames=4",
        "modality.video.encoder.channels=[4]",
        "modality.motion.size=[16, 20]",
        "modality.motion.frames=2",
        "modality.motion.encoder.channels=[4]",
        "blend.kind=equal",
        "modality.audio.encoder.channels=[4]",
    ] {
        arguments.extend(["--set", set]);
    }
    let summary = p.json(&arguments);
    assert_eq!(summary["samples_skipped"], 0);
    assert!(summary["heads"][3]["test_loss"].as_f64().unwrap().is_finite());
}
