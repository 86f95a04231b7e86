//! A rank that dies, hangs, or has something else than the others ends the job, and the run goes on from its last checkpoint over any
//! number of ranks.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::{
    BINARY, assert_equal_to_rounding, ended, model, mpirun, playground, ranks_of, signal, start, succeed,
    test_losses, wait, wait_for_checkpoint,
};

const SGD: [&str; 8] = [
    "--set",
    "optimizer.kind=sgd",
    "--set",
    "optimizer.learning_rate=0.002",
    "--set",
    "run.batch_size=6",
    "--set",
    "run.threads=1",
];

/// A training that takes some seconds, with checkpoints in the middle of epochs.
fn long(out: &str) -> Vec<&str> {
    let mut arguments = vec!["train", "tiny.toml", "--distributed", "--quiet", "--out", out];
    arguments.extend(SGD);
    arguments.extend([
        "--set",
        "run.epochs=40",
        "--set",
        "checkpoint.every_steps=3",
        "--set",
        "run.select=last",
    ]);
    arguments
}

#[test]
fn a_run_whose_ranks_are_killed_at_any_moment_goes_on_over_one_two_or_three() {
    let p = playground();
    succeed(&p, 2, &long("whole"));
    let whole = test_losses(&p, "whole");
    // Moments that nobody chose: what a clock says.
    let moment = || Duration::from_millis(u64::from(Instant::now().elapsed().subsec_nanos() % 7) * 90 + 5);
    for (number, resumed) in [1, 2, 3].into_iter().enumerate() {
        let out = format!("killed {number}");
        let job = start(&p, 2, &long(&out));
        wait_for_checkpoint(&p, &out);
        std::thread::sleep(moment() + Duration::from_millis(100 * number as u64));
        let ranks = ranks_of(&job);
        assert_eq!(ranks.len(), 2, "the job was over before a rank could be killed");
        signal(ranks[number % 2], "KILL");
        let (code, _, stderr) = wait(job, 15);
        assert_ne!(code, Some(0), "{stderr}");
        assert!(!p.path(&out).join("summary.json").exists());
        let mut resume = vec!["train", "--resume", &out, "--quiet"];
        if resumed > 1 {
            resume.push("--distributed");
            succeed(&p, resumed, &resume);
        } else {
            p.succeed(&resume);
        }
        assert_equal_to_rounding(&whole, &test_losses(&p, &out));
        // With as many as before it is as if nothing had happened.
        assert_eq!(model(&p, &out) == model(&p, "whole"), resumed == 2);
    }
}

#[test]
fn a_rank_that_hangs_is_named_within_the_limit() {
    let p = playground();
    for (stopped, named) in [(1, "rank 1 on "), (0, "rank 0 on ")] {
        let out = format!("hangs {stopped}");
        let arguments = [
            &long(&out)[..],
            &["--set", "run.epochs=4000", "--rank-timeout", "2"],
        ]
        .concat();
        let job = start(&p, 2, &arguments);
        wait_for_checkpoint(&p, &out);
        let ranks = ranks_of(&job);
        signal(ranks[stopped], "STOP");
        let (code, _, stderr) = wait(job, 20);
        assert_ne!(code, Some(0));
        let said = stderr.matches("error: ").count();
        assert!(
            stderr.contains(named) && stderr.contains("was not heard of for 2 s") && said == 1,
            "{stderr}"
        );
    }
}

/// Two programs in one job.
fn unlike(first: &[&str], second: &[&str], folder: &std::path::Path) -> (Option<i32>, String, String) {
    let mut command = Command::new("mpirun");
    command
        .current_dir(folder)
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .args(["--oversubscribe", "--bind-to", "none", "-n", "1"])
        .args(first)
        .args([":", "-n", "1"])
        .args(second);
    ended(&command.output().unwrap())
}

#[test]
fn ranks_that_have_something_else_than_the_first_are_named_once() {
    let p = playground();
    let tiny = std::fs::read_to_string(p.path("tiny.toml")).unwrap();
    p.write("other.toml", tiny.replace("epochs = 2", "epochs = 3"));
    let copy = p.path("another-binary");
    std::fs::copy(BINARY, &copy).unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    bytes.push(0);
    std::fs::write(&copy, bytes).unwrap();
    let train = |binary: &'static str, config: &'static str| {
        vec![
            binary,
            "train",
            config,
            "--distributed",
            "--quiet",
            "--out",
            "run",
        ]
    };
    let (code, _, stderr) = unlike(
        &train(BINARY, "tiny.toml"),
        &train(BINARY, "other.toml"),
        &p.path(""),
    );
    assert!(
        stderr.contains("rank 1 on ") && stderr.contains("another configuration than rank 0"),
        "{stderr}"
    );
    assert_eq!(
        (code, stderr.matches("error: ").count()),
        (Some(2), 1),
        "{stderr}"
    );
    let (code, _, stderr) = unlike(
        &train(BINARY, "tiny.toml"),
        &train("./another-binary", "tiny.toml"),
        &p.path(""),
    );
    assert!(stderr.contains("another gblend than rank 0"), "{stderr}");
    assert_eq!(
        (code, stderr.matches("error: ").count()),
        (Some(2), 1),
        "{stderr}"
    );
    assert!(!p.path("run").exists());
}

#[test]
fn ranks_whose_tables_differ_are_named() {
    let p = playground();
    let config = r#"
[run]
epochs = 1
batch_size = 4

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"

[data.streams.a]
media = "array"
columns = ["x"]

[data.streams.b]
media = "array"
columns = ["y"]

[modality.a]
kind = "vector"

[modality.b]
kind = "vector"

[blend]
kind = "equal"
"#;
    let rows = |other: &str| {
        let rows = (0..40).map(|row| {
            let split = if row < 30 { "train" } else { "test" };
            let x = if row == 7 {
                other.to_owned()
            } else {
                format!("{}", row % 5)
            };
            format!("s{row},{},{split},{x},{}\n", ["up", "down"][row % 2], row % 3)
        });
        format!("id,label,split,x,y\n{}", rows.collect::<String>())
    };
    for (folder, other) in [("first", "1"), ("second", "4")] {
        p.write(&format!("{folder}/run.toml"), config);
        p.write(&format!("{folder}/table.csv"), rows(other));
    }
    let train = [BINARY, "train", "run.toml", "--distributed", "--quiet"];
    let of = |folder: &'static str| [&["-wdir", folder][..], &train].concat();
    let (code, _, stderr) = unlike(&of("first"), &of("second"), &p.path(""));
    assert!(
        stderr.contains("rank 1 on ") && stderr.contains("another dataset than rank 0"),
        "{stderr}"
    );
    assert_eq!(
        (code, stderr.matches("error: ").count()),
        (Some(2), 1),
        "{stderr}"
    );
}

#[test]
fn a_signal_to_one_rank_ends_the_run_of_all_after_the_epoch() {
    let p = playground();
    let job = start(
        &p,
        2,
        &[&long("stopped")[..], &["--set", "run.epochs=4000"]].concat(),
    );
    wait_for_checkpoint(&p, "stopped");
    signal(ranks_of(&job)[1], "TERM");
    let (code, _, stderr) = wait(job, 20);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(
        stderr.contains("stopped after epoch") && stderr.contains("--resume stopped"),
        "{stderr}"
    );
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
}

#[test]
fn what_is_wrong_with_the_input_is_said_once() {
    let p = playground();
    let (code, _, stderr) = ended(
        &mpirun(&p, 3, &["train", "nowhere.toml", "--distributed"])
            .output()
            .unwrap(),
    );
    assert_eq!(
        (code, stderr.matches("nowhere.toml").count()),
        (Some(2), 1),
        "{stderr}"
    );
}

#[test]
fn processes_that_mpi_does_not_connect_do_not_do_all_of_it_each() {
    let p = playground();
    // As Slurm starts them where it does not speak the language of the library.
    let outcome = p.run_with(
        &["train", "tiny.toml", "--distributed", "--quiet", "--out", "run"],
        &[("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_PROCID", "2")],
    );
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(
        outcome
            .stderr
            .contains("4 processes were started, and MPI does not connect this one"),
        "{}",
        outcome.stderr
    );
    assert!(!p.path("run").exists());
}

#[test]
fn a_process_that_nobody_else_works_with_is_told_how_to_start_several() {
    let p = playground();
    let arguments = [
        "train",
        "tiny.toml",
        "--distributed",
        "--quiet",
        "--set",
        "run.epochs=1",
        "--out",
        "run",
    ];
    let outcome = p.run_with(&arguments, &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.stderr.contains("mpirun -n 4 gblend"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn files_that_one_rank_lacks_are_named_with_that_rank() {
    let p = playground();
    let config = "[data]\nkind = \"manifest\"\ntable = \"table.csv\"\nid = \"id\"\nlabel = \"label\"\nsplit = \"split\"\n\
        [data.streams.a]\nmedia = \"array\"\npath = \"{id}.npy\"\n[data.streams.b]\nmedia = \"array\"\ncolumns = [\"y\"]\n\
        [modality.a]\nkind = \"vector\"\n[modality.b]\nkind = \"vector\"\n[blend]\nkind = \"equal\"\n";
    let rows = (0..40).map(|row| {
        let split = if row < 30 { "train" } else { "test" };
        format!("s{row},{},{split},{}\n", ["up", "down"][row % 2], row % 3)
    });
    let table = format!("id,label,split,y\n{}", rows.collect::<String>());
    for folder in ["first", "second"] {
        p.write(&format!("{folder}/run.toml"), config);
        p.write(&format!("{folder}/table.csv"), &table);
        for row in 0..40 {
            p.write(
                &format!("{folder}/s{row}.npy"),
                gblend_tests::npy(&[2], &[row as f32, 1.0]),
            );
        }
    }
    std::fs::remove_file(p.path("second/s7.npy")).unwrap();
    let train = [BINARY, "train", "run.toml", "--distributed", "--quiet"];
    let of = |folder: &'static str| [&["-wdir", folder][..], &train].concat();
    for order in [["first", "second"], ["second", "first"]] {
        let (code, _, stderr) = unlike(&of(order[0]), &of(order[1]), &p.path(""));
        assert!(stderr.contains("s7"), "{stderr}");
        if order[0] == "first" {
            assert!(stderr.contains("error: rank 1 on "), "{stderr}");
        }
        assert_eq!(
            (code, stderr.matches("error: ").count()),
            (Some(2), 1),
            "{stderr}"
        );
    }
}
