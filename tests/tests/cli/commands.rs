//! The smaller commands, and what goes where.

use crate::playground;

#[test]
fn init_writes_a_configuration_that_check_accepts_and_never_overwrites() {
    let p = playground();
    p.succeed(&["init"]);
    let written = std::fs::read_to_string(p.path("gblend.toml")).unwrap();
    assert_eq!(written, gblend_cli::config::BUILTIN);
    let small = ["--set", "data.train_samples=24", "--set", "data.test_samples=8"];
    let text = p.succeed(&[&["check", "gblend.toml"][..], &small].concat());
    for part in ["scene-0", "acorn", "modality camera: rgb", "parameters:"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!p.path("runs/gblend-1").exists());
    p.refuse_after_run(&["init"], "there already");
}

#[test]
fn plugins_are_listed_by_role_with_their_schema() {
    let p = playground();
    let listed = p.json(&["plugins", "--json"]);
    let kinds = |role: &str| -> Vec<String> {
        let listed = listed.as_array().unwrap().iter();
        let of_role = listed.filter(|plugin| plugin["role"] == role);
        of_role
            .map(|plugin| plugin["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds("data"), ["avmnist", "manifest", "scene"]);
    assert_eq!(
        kinds("modality"),
        ["audio", "depth", "flow", "rgb", "sequence", "text", "vector"]
    );
    assert_eq!(
        kinds("fusion"),
        [
            "attention",
            "concat",
            "film",
            "gated",
            "lmf",
            "mid-concat",
            "se",
            "sum"
        ]
    );
    assert_eq!(
        kinds("blend"),
        [
            "agm",
            "auto",
            "detached",
            "dwa",
            "equal",
            "famo",
            "fixed",
            "gradnorm",
            "joint",
            "mgda",
            "mmpareto",
            "ogm-ge",
            "ogr",
            "pcgrad",
            "rlw",
            "uncertainty",
            "unimodal",
            "unimodal-ensemble"
        ]
    );
    // `info-nce` is what the tests' own binary adds.
    assert_eq!(
        kinds("objective"),
        [
            "anchor",
            "classify",
            "info-nce",
            "match",
            "multi-label",
            "none",
            "regression",
            "single-label",
            "views"
        ]
    );
    assert_eq!(kinds("optimizer"), ["adam", "adamw", "rmsprop", "sgd"]);
    assert!(listed[0]["schema"]["properties"].is_object());
    let depth = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|plugin| plugin["kind"] == "depth");
    let depth = depth.unwrap();
    assert_eq!(depth["crate"], "gblend-modalities");
    let key = |path: &str| -> &serde_json::Value {
        let mut keys = depth["keys"].as_array().unwrap().iter();
        keys.find(|key| key["key"] == path).unwrap()
    };
    assert_eq!(key("range")["default"], serde_json::json!([0.5, 8.0]));
    assert_eq!(key("encoder.blocks")["default"], 1);
    assert!(key("size").get("default").is_none());
    assert!(
        key("frames")["summary"]
            .as_str()
            .unwrap()
            .starts_with("Maps taken")
    );
    let table = p.succeed(&["plugins", "modality"]);
    for part in [
        "depth",
        "range = [0.5,8.0]",
        "encoder.blocks = 1,",
        "size,",
        "gblend-modalities 0",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(p.succeed(&["plugins", "blend"]).contains("unimodal"));
    p.refuse(&["plugins", "blnd"], &["blnd", "did you mean `blend`"]);
}

#[test]
fn init_writes_a_plugin_crate_and_never_into_a_folder_that_is_there() {
    let p = playground();
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    p.succeed(&["init", "--plugin", "side-sonar", "--gblend", repository]);
    let written = |file: &str| std::fs::read_to_string(p.path("side-sonar").join(file)).unwrap();
    let manifest: toml::Table = written("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("side-sonar"));
    let core = manifest["dependencies"]["gblend-core"]["path"].as_str().unwrap();
    assert!(std::path::Path::new(core).join("src/lib.rs").is_file());
    assert!(written("src/main.rs").contains("use side_sonar as _;"));
    assert!(written("src/lib.rs").contains("struct SideSonarModality"));
    assert!(written("side-sonar.toml").contains("kind = \"side-sonar\""));
    p.refuse(&["init", "--plugin", "side-sonar"], &["there already"]);
    p.refuse(&["init", "--plugin", "audio"], &["taken by gblend-modalities"]);
    p.refuse(&["init", "--plugin", "../sonar"], &["cannot be the name"]);
    p.refuse(
        &["init", "--plugin", "sonar", "--gblend", "."],
        &["gblend-core/Cargo.toml is not there"],
    );
    assert!(!p.path("sonar").exists());
}

#[test]
fn init_writes_a_plugin_of_each_role_and_takes_the_strategys_by_both_its_names() {
    let p = playground();
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for (role, name, registered) in [
        ("modality", "one", "register!(Modality, \"one\" => OneModality)"),
        ("fusion", "two", "register!(Fusion, \"two\" => TwoFusion)"),
        (
            "strategy",
            "three",
            "register!(Blend, \"three\" => ThreeStrategy)",
        ),
        ("blend", "four", "register!(Blend, \"four\" => FourStrategy)"),
    ] {
        p.succeed(&["init", "--plugin", name, "--role", role, "--gblend", repository]);
        let library = std::fs::read_to_string(p.path(name).join("src/lib.rs")).unwrap();
        assert!(library.contains(registered), "{library}");
    }
    p.refuse(
        &["init", "--plugin", "five", "--role", "optimiser"],
        &["optimiser", "modality, fusion, strategy"],
    );
    p.refuse(
        &["init", "--plugin", "film", "--role", "fusion"],
        &["taken by gblend-modalities"],
    );
    p.refuse(&["init", "--role", "fusion"], &["--plugin"]);
}

#[test]
fn init_says_that_it_has_not_looked_for_the_released_crates() {
    let p = playground();
    let said = p.succeed(&["init", "--plugin", "side-sonar"]);
    for part in ["from cargo's registry", "`no matching package`", "--gblend"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let said = p.succeed(&["init", "--plugin", "sonar", "--gblend", repository]);
    assert!(
        !said.contains("registry") && said.contains("cargo gblend train sonar.toml"),
        "{said}"
    );
}

#[test]
fn only_the_result_goes_to_stdout() {
    let p = playground();
    let outcome = p.run(&["train", "tiny.toml", "--json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&outcome.stdout).is_ok());
    assert!(
        outcome.stderr.contains("epoch 1/2") && outcome.stderr.contains("left"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("camera loss"), "{}", outcome.stderr);
    let quiet = p.run(&["train", "tiny.toml", "--quiet"]);
    assert_eq!(quiet.stderr, "");
    for part in ["camera", "joint", "weight", "test accuracy", "runs/tiny-2"] {
        assert!(quiet.stdout.contains(part), "{}", quiet.stdout);
    }
}

#[test]
fn help_and_version_succeed_and_no_command_is_a_mistake() {
    let p = playground();
    assert!(p.succeed(&["--help"]).contains("train"));
    assert!(p.succeed(&["--version"]).starts_with("gblend "));
    assert_eq!(p.run(&[]).code, Some(2));
    assert_eq!(p.run(&["trian"]).code, Some(2));
}

#[test]
fn every_architecture_optimizer_and_schedule_trains() {
    let p = playground();
    for set in [
        "modality.camera.encoder.architecture=residual",
        "modality.camera.encoder.architecture=factorized",
        "modality.camera.encoder={architecture=\"transformer\", patch=4, width=8, depth=1}",
        "optimizer={kind=\"sgd\", nesterov=true, weight_decay=1e-4, clip_norm=1.0}",
        "optimizer={kind=\"adam\", schedule={kind=\"step\", every_epochs=1}}",
        "optimizer={kind=\"adamw\", schedule={kind=\"cosine\", warmup_epochs=1}}",
        "optimizer={kind=\"rmsprop\"}",
        "blend={kind=\"fixed\", weights={camera=1, joint=2}}",
    ] {
        let summary = p.json(&["train", "tiny.toml", "--quiet", "--json", "--set", set]);
        assert!(
            summary["heads"][3]["test_loss"].as_f64().unwrap().is_finite(),
            "{set}"
        );
    }
}

#[test]
fn depth_trains_on_the_scenes_exact_maps() {
    let p = playground();
    let config = gblend_tests::TINY.replace(
        "[modality.motion]\nkind = \"flow\"\nlimit = 4",
        "[modality.distance]\nkind = \"depth\"",
    );
    p.write("depth.toml", config);
    let summary = p.json(&["train", "depth.toml", "--quiet", "--json"]);
    assert_eq!(summary["heads"][1]["kind"], "depth");
}

#[test]
fn evaluate_tells_how_the_joint_head_does_on_every_subset_of_the_modalities() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    let report = p.json(&["evaluate", "run", "--subsets", "--json", "--quiet"]);
    let subsets = report["subsets"].as_array().unwrap();
    assert_eq!(subsets.len(), 7);
    assert_eq!(subsets[0]["modalities"], serde_json::json!(["camera"]));
    // All of them are what the joint head sees anyway.
    assert_eq!(subsets[6]["modalities"].as_array().unwrap().len(), 3);
    assert_eq!(subsets[6]["accuracy"], report["heads"][3]["accuracy"]);
    let (all, joint) = (
        subsets[6]["loss"].as_f64().unwrap(),
        report["heads"][3]["loss"].as_f64().unwrap(),
    );
    assert!((all - joint).abs() < 1e-6);
    assert!(
        p.succeed(&["evaluate", "run", "--subsets", "--quiet"])
            .contains("camera + motion")
    );
    let single = ["--set", "blend.kind=unimodal", "--set", "blend.head=motion"];
    p.succeed(&[&["train", "tiny.toml", "--quiet", "--out", "single"][..], &single].concat());
    p.refuse_after_run(&["evaluate", "single", "--subsets", "--quiet"], "was not trained");
}

#[test]
fn a_fusion_of_maps_trains_and_is_scored_on_every_subset_of_the_modalities() {
    let p = playground();
    let mid = ["--set", "fusion.kind=mid-concat", "--set", "run.epochs=1"];
    p.succeed(&[&["train", "tiny.toml", "--quiet", "--out", "run"][..], &mid].concat());
    let report = p.json(&["evaluate", "run", "--subsets", "--json", "--quiet"]);
    let subsets = report["subsets"].as_array().unwrap();
    assert_eq!(subsets.len(), 7);
    let loss = |subset: usize| subsets[subset]["loss"].as_f64().unwrap();
    assert!((loss(6) - report["heads"][3]["loss"].as_f64().unwrap()).abs() < 1e-6);
    assert!((0..6).all(|subset| loss(subset) != loss(6)), "{report}");
}

#[test]
fn shells_and_man_know_every_command() {
    let p = playground();
    for shell in ["bash", "zsh", "fish"] {
        let script = p.succeed(&["completions", shell]);
        for part in ["predict", "compare", "--table"] {
            assert!(script.contains(part.trim_start_matches('-')), "{shell}: {part}");
        }
    }
    p.succeed(&["manual", "man"]);
    for page in ["gblend.1", "gblend-train.1", "gblend-predict.1"] {
        let text = std::fs::read_to_string(p.path("man").join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
}
