//! What is done by mistake is told for what it is, and leaves nothing in the way.

use crate::playground;

#[test]
fn a_comparison_is_told_as_one_with_its_runs_whoever_takes_it_for_a_run() {
    let p = playground();
    let arguments = [
        "compare",
        "tiny.toml",
        "--quiet",
        "--seeds",
        "1",
        "--methods",
        "equal",
        "--out",
        "c",
    ];
    p.succeed(&[&arguments[..], &["--set", "run.epochs=1"]].concat());
    let said = [
        &["evaluate", "c"][..],
        &["predict", "c", "scene-72"],
        &["train", "--resume", "c"],
    ];
    for command in said {
        let outcome = p.run(command);
        assert_eq!(outcome.code, Some(2), "{command:?}: {outcome:?}");
        for part in [
            "a comparison, and no run",
            "gblend report c",
            "c/cells/equal/seed-0",
            "c/cells/joint/seed-0",
        ] {
            assert!(outcome.stderr.contains(part), "{command:?}: {}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("--resume"), "{}", outcome.stderr);
    }
    for name in ["summary.json", "metrics.jsonl", "model.json", "checkpoints"] {
        assert!(!p.path("c").join(name).exists(), "{name}");
    }
    p.succeed(&["report", "c"]);
    p.succeed(&["evaluate", "c/cells/equal/seed-0", "--quiet"]);
    // One that was interrupted early has no table yet.
    std::fs::remove_file(p.path("c/compare.json")).unwrap();
    p.refuse_after_run(&["report", "c"], "a comparison, and no run");
}

#[test]
fn a_comparison_of_which_nothing_ran_leaves_no_folder() {
    let p = playground();
    for (more, part) in [
        (&["--seeds", "0"][..], "--seeds 0: expected at least 1"),
        (&["--variant", "lr1"], "a name and no key"),
        (&["--variant", "x run.nothing=1"], "run.nothing"),
        (&["--tune", "run.nothing=1,2"], "run.nothing"),
        (&["--methods", "equl"], "did you mean `equal`"),
        (&["--set", "data.size=3", "--jobs", "2"], "data.size"),
    ] {
        let arguments = [&["compare", "tiny.toml", "--quiet", "--out", "c"][..], more].concat();
        p.refuse_after_run(&arguments, part);
        assert!(!p.path("c").exists(), "{more:?}");
    }
    // What somebody else has there stays.
    p.write("c/notes.txt", "mine");
    p.refuse_after_run(
        &["compare", "tiny.toml", "--quiet", "--out", "c"],
        "no comparison's",
    );
    assert!(p.path("c/notes.txt").is_file());
}

#[test]
fn a_run_that_has_ended_keeps_no_checkpoints_unless_it_is_told_to() {
    let p = playground();
    for (out, keep) in [("a", "false"), ("b", "true")] {
        let set = format!("checkpoint.keep={keep}");
        p.succeed(&["train", "tiny.toml", "--quiet", "--out", out, "--set", &set]);
        assert_eq!(p.path(out).join("checkpoints").exists().to_string(), keep);
    }
    let bytes = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    assert!(bytes("a") == bytes("b"));
    p.refuse_after_run(&["train", "--resume", "a"], "the run has ended");
}

#[test]
fn a_wrong_type_is_told_in_words_and_not_in_types_of_a_program() {
    let p = playground();
    for (set, part) in [
        (
            "run.epochs=two",
            "found string \"two\", expected a whole number of 0 or more",
        ),
        (
            "run.epochs=-1",
            "found integer `-1`, expected a whole number of 0 or more",
        ),
        ("data.train_samples=1.5", "expected a whole number of 0 or more"),
        ("run.validation=x", "expected a number"),
        ("run.refit=3", "expected true or false"),
        ("modality.camera.encoder.channels=3", "expected a list"),
        ("fusion.head=3", "expected a table"),
        ("checkpoint.every_steps=0", "expected a whole number of 1 or more"),
    ] {
        let outcome = p.run(&["check", "tiny.toml", "--set", set]);
        assert!(
            outcome.code == Some(2) && outcome.stderr.contains(part),
            "{set}: {}",
            outcome.stderr
        );
        for word in [
            "usize",
            "u64",
            "f64",
            "struct",
            "boolean",
            "sequence",
            "invalid type",
        ] {
            assert!(!outcome.stderr.contains(word), "{set}: {}", outcome.stderr);
        }
    }
}

#[test]
fn batches_of_one_sample_and_maps_of_one_pixel_are_told_where_they_are_normalized() {
    let p = playground();
    let channels = "modality.camera={ kind = \"rgb\", frames = 1, encoder = { channels = [4, 4, 4, 4] } }";
    let arguments = |command, batch: &'static str| [command, "tiny.toml", "--set", channels, "--set", batch];
    let part = "batch normalization of `camera` has one value of each channel";
    for command in ["check", "train"] {
        let told = p.run(&arguments(command, "run.batch_size=1"));
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(told.code == Some(0) && all.contains(part), "{all}");
        assert!(!all.contains("`motion` has one value"), "{all}");
        let told = p.run(&arguments(command, "run.batch_size=16"));
        assert!(!format!("{}{}", told.stdout, told.stderr).contains("batch normalization"));
    }
}

#[test]
#[cfg(unix)]
fn links_to_data_elsewhere_are_followed_where_a_setting_says_so() {
    let p = playground();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut table = String::from("id,label,split\n");
    std::fs::create_dir(p.path("set")).unwrap();
    for i in 0..12_usize {
        table += &format!(
            "s{i},{},{}\n",
            ["x", "y"][i % 2],
            if i < 8 { "train" } else { "test" }
        );
        let picture = image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([x as u8, y as u8, i as u8 * 20]));
        let name = format!("s{i}.png");
        picture.save(elsewhere.path().join(&name)).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join(&name), p.path("set").join(&name)).unwrap();
    }
    p.write("set/t.csv", &table);
    p.write(
        "c.toml",
        "[run]\nepochs = 1\nvalidation = 0\n[data]\nkind = \"manifest\"\ntable = \"set/t.csv\"\nid = \"id\"\nlabel = \"label\"\n\
         split = \"split\"\n[data.streams.a]\npath = \"{id}.png\"\nmedia = \"frames\"\n[modality.a]\nkind = \"rgb\"\n\
         encoder.channels = [4]\n[blend]\nkind = \"equal\"\n",
    );
    p.refuse(
        &["check", "c.toml"],
        &["s0.png: is, or is behind, a link", "`data.follow_links = true`"],
    );
    p.succeed(&["train", "c.toml", "--quiet", "--set", "data.follow_links=true"]);
    // The table is not trusted more for it.
    p.write("set/t.csv", table.replace("s3,", "../set/s3,"));
    p.refuse_after_run(
        &["check", "c.toml", "--set", "data.follow_links=true"],
        "leads out of",
    );
}

#[test]
fn one_of_several_processes_that_work_alone_says_so_once() {
    let p = playground();
    let told = |size: &str, rank: &str, out: &str| {
        let arguments = [
            "train",
            "tiny.toml",
            "--quiet",
            "--set",
            "run.epochs=1",
            "--out",
            out,
        ];
        let outcome = p.run_with(
            &arguments,
            &[("OMPI_COMM_WORLD_SIZE", size), ("OMPI_COMM_WORLD_RANK", rank)],
        );
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.stderr.contains("with --distributed they do it together")
    };
    assert!(told("3", "0", "first"));
    // The others would only repeat it.
    assert!(!told("3", "1", "second"));
    assert!(!told("1", "0", "alone"));
}
