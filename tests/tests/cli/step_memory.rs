//! What a step takes by arithmetic, beside what it was seen to take; and what no machine has.

use std::io::Write;
use std::ops::Range;

use gblend_cli::config::Config;
use gblend_cli::progress::Reporter;
use gblend_cli::training::session::Session;
use gblend_cli::training::step_room::step_bytes;
use gblend_core::Array;
use gblend_tests::Playground;

use crate::playground;

const SAMPLES: usize = 8;
const THREADS: usize = 2;

/// Twice as many samples of a sequence of one feature as a step has, and the network `encoder`.
fn sequences(p: &Playground, steps: usize, encoder: &str) {
    let head = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {steps}, 1), }}",
        2 * SAMPLES
    );
    let mut file = std::io::BufWriter::new(std::fs::File::create(p.path("a.npy")).unwrap());
    file.write_all(b"\x93NUMPY\x01\x00\x76\x00").unwrap();
    file.write_all(format!("{head:<117}\n").as_bytes()).unwrap();
    for value in 0..2 * SAMPLES * steps {
        file.write_all(&((value % 17) as f32).to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
    let row = |number: usize| {
        let split = if number < SAMPLES { "train" } else { "test" };
        format!("s{number},{},{split}\n", number % 2)
    };
    let rows: String = (0..2 * SAMPLES).map(row).collect();
    p.write("t.csv", format!("id,label,split\n{rows}"));
    p.write(
        "g.toml",
        format!(
            r#"
            [run]
            epochs = 1
            batch_size = {SAMPLES}
            validation = 0
            threads = {THREADS}
            [data]
            kind = "manifest"
            table = "t.csv"
            id = "id"
            label = "label"
            split = "split"
            [data.streams.s]
            media = "array"
            file = "a.npy"
            [modality.m]
            kind = "sequence"
            source = "s"
            encoder = {{ {encoder} }}
            [blend]
            kind = "equal"
            "#
        ),
    );
}

/// Twice as many pictures of 96 x 96 as a step has, three frames each, and the network `encoder`.
fn pictures(p: &Playground, encoder: &str) {
    p.write(
        "g.toml",
        format!(
            r#"
            [run]
            epochs = 1
            batch_size = {SAMPLES}
            validation = 0
            threads = {THREADS}
            [data]
            kind = "scene"
            train_samples = {SAMPLES}
            test_samples = {SAMPLES}
            frames = 3
            size = 96
            [modality.camera]
            kind = "rgb"
            encoder = {{ {encoder} }}
            [blend]
            kind = "equal"
            "#
        ),
    );
}

/// MiB at the most of `gblend check`, which takes two steps, where stages are run again or not.
fn seen(p: &Playground, recompute: &str) -> f64 {
    let recompute = format!("run.recompute={recompute}");
    let checked = p.succeed(&["check", "g.toml", "--quiet", "--set", &recompute]);
    let line = checked.lines().find_map(|line| line.strip_prefix("memory: "));
    line.and_then(|line| line.split(' ').next()?.parse().ok())
        .unwrap()
}

/// MiB that a step takes by arithmetic.
fn reckoned(p: &Playground, recomputes: bool) -> f64 {
    let config = Config::load(Some(&p.path("g.toml")), &[]).unwrap();
    let (session, _) = Session::open(&config, &Reporter::new(true)).unwrap();
    let model = session.build_model().unwrap();
    let mut sample = Array::zeros(session.sample_shapes().unwrap()[0].clone());
    sample.values_mut().fill(1.0);
    let values = model.step_values(0, &sample, recomputes);
    step_bytes(values, values, SAMPLES, THREADS) as f64 / f64::from(1 << 20)
}

fn near(what: &str, reckoned: f64, seen: f64, shares: Range<f64>) {
    assert!(
        shares.contains(&(reckoned / seen)),
        "{what}: reckoned with {reckoned} MiB, seen {seen}"
    );
}

#[test]
fn what_a_step_takes_by_arithmetic_is_near_what_it_was_seen_to_take() {
    let p = playground();
    let transformer = |width: usize, depth: usize, hidden: usize| {
        format!(
            "architecture = \"transformer\", heads = 2, width = {width}, depth = {depth}, hidden = {hidden}"
        )
    };
    sequences(&p, 16, &transformer(8, 1, 8));
    let without = seen(&p, "none");
    for (steps, encoder) in [
        (1000, transformer(64, 2, 128)),
        (500, transformer(128, 2, 512)),
        // As attention with a share of every step for every other it would take gigabytes.
        (8000, transformer(16, 1, 16)),
        (
            2000,
            "architecture = \"convolution\", channels = [64, 128]".to_owned(),
        ),
        (1500, "architecture = \"gru\", units = 96, layers = 2".to_owned()),
    ] {
        sequences(&p, steps, &encoder);
        let (seen, reckoned) = (seen(&p, "none") - without, reckoned(&p, false));
        assert!(reckoned > 40.0, "{encoder}: {reckoned} MiB would not be seen");
        near(&encoder, reckoned, seen, 0.7..1.5);
    }
}

#[test]
fn what_pictures_take_by_arithmetic_is_near_what_they_were_seen_to_take() {
    let p = playground();
    pictures(&p, "channels = [2]");
    let without = seen(&p, "none");
    for encoder in [
        "architecture = \"residual\", channels = [32, 32], blocks = 3",
        "architecture = \"factorized\", channels = [24, 24], blocks = 2",
        "architecture = \"resnet18\", channels = [96, 64, 64, 64]",
        "channels = [64, 64], blocks = 4",
    ] {
        pictures(&p, encoder);
        let (seen, reckoned) = (seen(&p, "none") - without, reckoned(&p, false));
        assert!(reckoned > 25.0, "{encoder}: {reckoned} MiB would not be seen");
        near(encoder, reckoned, seen, 0.4..1.2);
    }
}

#[test]
fn a_deep_network_whose_blocks_run_again_takes_a_third_of_the_memory_as_arithmetic_has_it() {
    let p = playground();
    let encoder =
        |depth: usize| format!("architecture = \"transformer\", width = 64, depth = {depth}, hidden = 128");
    sequences(&p, 16, &encoder(16));
    let without = seen(&p, "none");
    sequences(&p, 1000, &encoder(16));
    let [kept, again] = ["none", "stages"].map(|recompute| seen(&p, recompute) - without);
    assert!(again < kept / 3.0, "{again} of {kept} MiB");
    let reckoned = reckoned(&p, true);
    near("blocks that run again", reckoned, again, 0.6..1.5);
}

#[test]
#[cfg(target_os = "linux")]
fn what_does_not_fit_is_run_again_unless_that_is_ruled_out() {
    // A limit of address space stands for a small machine.
    const KILOBYTES: u64 = 1_200_000;
    let p = playground();
    let encoder = "architecture = \"transformer\", width = 64, depth = 16, hidden = 128";
    sequences(&p, 1000, encoder);
    let train = |recompute: &str| {
        let recompute = format!("run.recompute={recompute}");
        p.run_within(KILOBYTES, &["train", "g.toml", "--set", &recompute])
    };
    let refused = train("none");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("no room for the maps of `m` in a step on 8 samples"),
        "{}",
        refused.stderr
    );
    let trained = train("auto");
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    let told = "stages of encoders are run again in the backward pass (run.recompute)";
    assert!(trained.stderr.contains(told), "{}", trained.stderr);
}

#[test]
fn attention_between_a_million_steps_is_refused_before_it_is_computed() {
    let p = playground();
    let encoder = "architecture = \"transformer\", width = 512, depth = 8";
    sequences(&p, 1_000_000, encoder);
    for command in ["check", "train"] {
        let outcome = p.run(&[command, "g.toml", "--quiet"]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        for part in ["the maps of `m` in a step on 8 samples", "run.batch_size"] {
            assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
        }
    }
}
