//! Ctrl-C.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gblend_tests::Playground;
use serde_json::Value;

/// A training of more epochs than anyone waits for, its standard error in the file `stderr`.
struct Training {
    playground: Playground,
    process: Child,
}

impl Training {
    fn start(settings: &[&str]) -> Self {
        let playground = crate::playground();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gblend-under-test"));
        command.args([
            "train",
            "tiny.toml",
            "--out",
            "run",
            "--set",
            "run.epochs=1000000",
        ]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let stderr = File::create(playground.path("stderr")).unwrap();
        let process = command
            .current_dir(playground.path(""))
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { playground, process }
    }

    fn wait_until(&mut self, condition: impl Fn(&Path) -> bool) {
        let began = Instant::now();
        while !condition(&self.playground.path("run")) {
            assert!(self.process.try_wait().unwrap().is_none(), "{}", self.stderr());
            assert!(began.elapsed() < Duration::from_secs(120), "{}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_it_says(&mut self, words: &str) {
        let stderr = self.playground.path("stderr");
        self.wait_until(|_| std::fs::read_to_string(&stderr).unwrap().contains(words));
    }

    fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &process])
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.playground.path("stderr")).unwrap()
    }

    /// The epochs in `metrics.jsonl`.
    fn epochs(&self) -> Vec<u64> {
        let metrics = std::fs::read_to_string(self.playground.path("run/metrics.jsonl")).unwrap();
        let lines = metrics.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter_map(|line: Value| line["epoch"].as_u64()).collect()
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        // A failed test leaves it running.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_first_signal_ends_training_after_the_epoch_and_leaves_its_parameters() {
    for signal in ["INT", "TERM"] {
        let mut training = Training::start(&[]);
        training.wait_until(|run| run.join("checkpoints/2.json").is_file());
        training.signal(signal);
        assert_eq!(training.exit_code(), Some(130), "{}", training.stderr());

        let epochs = training.epochs();
        let last = epochs.len() as u64;
        assert_eq!(epochs, (1..=last).collect::<Vec<_>>());
        let stderr = training.stderr();
        let end =
            format!("error: stopped after epoch {last}; `gblend train --resume run` goes on from there");
        assert!(stderr.contains(&end), "{stderr}");

        let path = |name: &str| training.playground.path("run").join(name);
        assert!(!path("summary.json").exists() && !path("model.safetensors").exists());
        // The parameters are those of that epoch: a run that was told to end there ends with the same.
        let epochs = format!("run.epochs={last}");
        let whole = [
            "train",
            "tiny.toml",
            "--quiet",
            "--out",
            "whole",
            "--set",
            &epochs,
            "--set",
            "checkpoint.keep=true",
        ];
        training.playground.succeed(&whole);
        // There is a checkpoint after every epoch.
        let checkpoint = format!("checkpoints/{last}.safetensors");
        let stopped = std::fs::read(path(&checkpoint)).unwrap();
        let whole = training.playground.path("whole").join(&checkpoint);
        assert!(stopped == std::fs::read(whole).unwrap());
    }
}

#[test]
fn a_signal_amid_an_estimate_keeps_how_far_its_probes_are() {
    let mut training = Training::start(&["blend.kind=ogr", "blend.probe_epochs=100000"]);
    training.wait_until_it_says("probing");
    training.signal("INT");
    assert_eq!(training.exit_code(), Some(130), "{}", training.stderr());
    assert_eq!(training.epochs(), [] as [u64; 0]);
    let stderr = training.stderr();
    assert!(
        stderr.contains("error: stopped in the first epoch; `gblend train --resume run` goes on from there"),
        "{stderr}"
    );
    let mut kept = std::fs::read_dir(training.playground.path("run/checkpoints")).unwrap();
    let is_probe = |name: &str| name.starts_with("probe-0-") && name.ends_with(".json");
    assert!(kept.any(|entry| is_probe(entry.unwrap().file_name().to_str().unwrap())));
}

#[test]
fn the_first_signal_is_answered_and_the_second_one_ends_the_process_at_once() {
    // An epoch that takes so long that nothing but the second signal ends it soon.
    let mut training = Training::start(&[
        "data.train_samples=2000",
        "modality.camera.encoder.channels=[64, 64]",
    ]);
    training.wait_until(|run| run.join("metrics.jsonl").is_file());
    training.signal("INT");
    training.wait_until_it_says("press Ctrl-C again to stop at once");
    training.signal("INT");
    assert_eq!(training.exit_code(), Some(130), "{}", training.stderr());
    assert_eq!(training.epochs(), [] as [u64; 0]);
    let stderr = training.stderr();
    assert_eq!(stderr.matches("press Ctrl-C again").count(), 1, "{stderr}");
    assert!(!stderr.contains("error:"), "{stderr}");
}
