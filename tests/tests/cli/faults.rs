//! What the machine may do to a run: each fault ends with a message, and the run goes on to the same bits.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::playground;
use gblend_tests::Playground;

const TRAIN: [&str; 4] = ["train", "tiny.toml", "--set", "run.epochs=40"];

/// The parameters that a run ends with.
fn model(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

fn wait_for(child: &mut Child, path: &Path) {
    let began = Instant::now();
    while !path.is_file() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before {}",
            path.display()
        );
        assert!(began.elapsed() < Duration::from_secs(60), "no {}", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A file system of a few megabytes; `None` where that needs rights that this process does not have, and says so.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        #[allow(clippy::print_stderr)] // For whoever reads the output of the tests.
        {
            eprintln!("skipped: mounting a file system is not allowed");
        }
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// `train` with this folder, trained to its end.
fn whole(p: &Playground) -> Vec<u8> {
    p.succeed(&[&TRAIN[..], &["--quiet", "--out", "whole"]].concat());
    model(&p.path("whole"))
}

#[test]
fn a_full_disk_ends_a_run_that_goes_on_once_there_is_room() {
    let p = playground();
    let Some(disk) = SmallDisk::mount(p.path("disk"), "size=4m") else {
        return;
    };
    let whole = whole(&p);
    let arguments = [&TRAIN[..], &["--out", "disk/run", "--set", "run.cache=cache"]].concat();
    let (mut child, stderr) = p.start_heard(&arguments);
    wait_for(&mut child, &p.path("disk/run/checkpoints/3.json"));
    // Until nothing fits any more.
    let filler = disk.0.join("filler");
    let _ = std::io::copy(
        &mut std::io::repeat(0),
        &mut std::fs::File::create(&filler).unwrap(),
    );
    let code = child.wait().unwrap().code();
    let stderr = std::fs::read_to_string(stderr).unwrap();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("cannot write disk/run/") && stderr.contains("No space left"),
        "{stderr}"
    );
    std::fs::remove_file(filler).unwrap();
    p.succeed(&["train", "--quiet", "--resume", "disk/run"]);
    assert_eq!(model(&p.path("disk/run")), whole);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_anything_is_trained() {
    let p = playground();
    let Some(_disk) = SmallDisk::mount(p.path("disk"), "size=1m,ro") else {
        return;
    };
    let outcome = p.run(&[&TRAIN[..], &["--out", "disk/run"]].concat());
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("cannot write disk/run"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("epoch 1"), "{}", outcome.stderr);
}

#[test]
fn a_cache_that_cannot_be_written_costs_time_alone() {
    let p = playground();
    let Some(_disk) = SmallDisk::mount(p.path("disk"), "size=1m,ro") else {
        return;
    };
    let whole = whole(&p);
    let outcome = p.run(&[&TRAIN[..], &["--out", "run", "--set", "run.cache=disk/cache"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("cannot keep prepared samples in disk/cache"),
        "{}",
        outcome.stderr
    );
    assert_eq!(model(&p.path("run")), whole);
}

/// A run that reads its prepared samples again in every epoch, stopped by what `harm` does to them.
fn stopped_by(p: &Playground, harm: impl Fn()) {
    p.succeed(&["data", "export", "tiny.toml", "world"]);
    let train = [
        "train",
        "world/config.toml",
        "--set",
        "run.epochs=40",
        "--set",
        "run.memory=0",
        "--set",
        "run.cache=cache",
        "--out",
    ];
    p.succeed(&[&train[..], &["whole", "--quiet"]].concat());
    let (mut child, stderr) = p.start_heard(&[&train[..], &["run"]].concat());
    wait_for(&mut child, &p.path("run/checkpoints/3.json"));
    harm();
    let code = child.wait().unwrap().code();
    let stderr = std::fs::read_to_string(stderr).unwrap();
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("have vanished or were damaged") && stderr.contains("--resume"),
        "{stderr}"
    );
}

#[test]
fn a_damaged_cache_is_named_and_mended_when_the_run_goes_on() {
    let p = playground();
    stopped_by(&p, || {
        for folder in std::fs::read_dir(p.path("cache")).unwrap().flatten() {
            for segment in std::fs::read_dir(folder.path()).unwrap().flatten() {
                let bytes = std::fs::read(segment.path()).unwrap();
                std::fs::write(segment.path(), &bytes[..bytes.len() / 2]).unwrap();
            }
        }
    });
    p.succeed(&["train", "--quiet", "--resume", "run"]);
    assert_eq!(model(&p.path("run")), model(&p.path("whole")));
}

#[test]
fn data_that_vanishes_in_mid_run_is_named_and_its_return_mends_the_run() {
    let p = playground();
    stopped_by(&p, || {
        std::fs::rename(p.path("world"), p.path("elsewhere")).unwrap();
        std::fs::remove_dir_all(p.path("cache")).unwrap();
    });
    p.refuse_after_run(
        &["train", "--quiet", "--resume", "run"],
        "world: is no folder to read",
    );
    std::fs::rename(p.path("elsewhere"), p.path("world")).unwrap();
    p.succeed(&["train", "--quiet", "--resume", "run"]);
    assert_eq!(model(&p.path("run")), model(&p.path("whole")));
}

#[test]
fn a_run_without_memory_enough_says_so_and_goes_on_once_there_is() {
    let p = playground();
    let whole = whole(&p);
    let mut kilobytes = 8_000_000;
    let mut failed = 0;
    // Down to where the system cannot even start the program.
    while p.run_within(kilobytes, &["--version"]).code == Some(0) {
        let run = format!("run-{kilobytes}");
        let outcome = p.run_within(kilobytes, &[&TRAIN[..], &["--out", &run]].concat());
        if outcome.code != Some(0) {
            failed += 1;
            let said = ["memory allocation of", "no room for", "cannot start"];
            assert!(
                said.iter().any(|words| outcome.stderr.contains(words)),
                "{kilobytes} kB: {outcome:?}"
            );
            assert!(
                !outcome.stderr.contains("panicked"),
                "{kilobytes} kB: {outcome:?}"
            );
            if p.path(&run).join("config.toml").is_file() {
                p.succeed(&["train", "--quiet", "--resume", &run]);
                assert_eq!(model(&p.path(&run)), whole, "{kilobytes} kB");
            }
        }
        // Finer where runs begin to fail.
        kilobytes = match kilobytes {
            100_001.. => kilobytes * 7 / 8,
            _ => kilobytes * 15 / 16,
        };
    }
    assert!(failed >= 3, "{failed} runs had too little memory");
}
