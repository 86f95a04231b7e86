//! How much memory a run takes, and what is refused because it cannot fit.

use crate::playground;
use gblend_tests::Playground;

const MIB: u64 = 1 << 20;

/// 72 pictures of 3 MiB each once they are prepared, 216 MiB in all.
const LARGE: &str = r#"
[run]
epochs = 1
batch_size = 2
validation = 0
threads = 2

[data]
kind = "manifest"
table = "t.csv"
id = "id"
label = "label"
split = "split"

[data.streams.camera]
path = "{id}.png"
media = "frames"

[modality.camera]
kind = "rgb"
size = [512, 512]
encoder.channels = [2]

[blend]
kind = "equal"
"#;

fn large() -> Playground {
    let p = playground();
    let mut table = String::from("id,label,split\n");
    for i in 0..72_usize {
        let split = if i < 64 { "train" } else { "test" };
        table += &format!("s{i},{},{split}\n", ["a", "b"][i % 2]);
        let picture =
            image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([x as u8 * 20, y as u8 * 20, i as u8]));
        picture.save(p.path(&format!("s{i}.png"))).unwrap();
    }
    p.write("t.csv", table);
    p.write("c.toml", LARGE);
    p
}

/// The setting bounds what samples take, whatever a run does with them, and changes no bit.
#[test]
fn prepared_samples_and_batches_that_wait_stay_within_the_setting() {
    let p = large();
    // The program, two threads that prepare a segment each, and a step on two pictures.
    const BESIDE: u64 = 150 * MIB;
    let mut models = Vec::new();
    for (memory, least) in [(20, 0), (1000, 216 * MIB)] {
        let run = format!("run-{memory}");
        let memory_set = format!("run.memory={memory}");
        let cache = format!("run.cache=cache-{memory}");
        // From the pictures, and from the cache.
        for out in [run.clone(), format!("{run}-again")] {
            let summary = p.json(&[
                "train",
                "c.toml",
                "--quiet",
                "--json",
                "--set",
                &memory_set,
                "--set",
                &cache,
                "--out",
                &out,
            ]);
            let peak = summary["peak_rss_bytes"].as_u64().unwrap();
            assert!(peak >= least, "{peak}: the samples were not in memory at all");
            assert!(
                peak <= memory * MIB + BESIDE,
                "{} MiB with run.memory = {memory}",
                peak / MIB
            );
            models.push(std::fs::read(p.path(&out).join("model.safetensors")).unwrap());
        }
    }
    assert!(models.windows(2).all(|pair| pair[0] == pair[1]));
}

/// A limit of address space stands for a small machine.
#[test]
#[cfg(target_os = "linux")]
fn a_network_that_cannot_fit_is_refused_by_its_setting_before_anything_is_allocated() {
    let p = playground();
    const KILOBYTES: u64 = 2_000_000;
    for (set, parts) in [
        // 3433 MiB in one layer.
        (
            "fusion.head.hidden=[30000, 30000]",
            [
                "fusion.head.hidden",
                "30000 inputs x 30000 outputs, 3433 MiB of weights",
            ],
        ),
        (
            "modality.camera.encoder.channels=[4, 9000, 9000]",
            ["modality.camera.encoder.channels", "MiB of weights"],
        ),
        // Each fits, and all together do not.
        (
            "fusion.head.hidden=[12000, 12000, 12000, 12000]",
            ["fusion.head.hidden", "MiB of weights"],
        ),
        (
            "modality.camera.encoder.channels=[100000000, 100000000]",
            ["modality.camera.encoder.channels", "1 to 65536"],
        ),
    ] {
        for command in ["check", "train"] {
            let outcome = p.run_within(KILOBYTES, &[command, "tiny.toml", "--set", set]);
            assert_eq!(outcome.code, Some(2), "{set}: {}", outcome.stderr);
            for part in parts {
                assert!(outcome.stderr.contains(part), "{set}: {}", outcome.stderr);
            }
        }
    }
    // Weights that fit, and maps that do not: 60,000 channels of 16 x 16 pixels and 3 frames, of 16 samples.
    for command in ["check", "train"] {
        let large = [
            "--set",
            "data.size=64",
            "--set",
            "modality.camera.encoder.channels=[4, 60000, 4]",
        ];
        let outcome = p.run_within(KILOBYTES, &[&[command, "tiny.toml"][..], &large].concat());
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        let part = "the maps of `camera` in a step on 16 samples: ";
        assert!(
            outcome.stderr.contains(part) && outcome.stderr.contains("run.batch_size"),
            "{}",
            outcome.stderr
        );
    }
    assert!(!p.path("runs/tiny-1").exists());
}
