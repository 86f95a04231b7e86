//! `[blend] kind = "auto"`: a strategy that the validation samples choose.

use gblend_tests::Playground;
use serde_json::Value;

use crate::playground;

/// Settings under which four strategies are tried in a moment.
const AUTO: [&str; 6] = [
    "--set",
    "blend={kind=\"auto\",among=[{kind=\"joint\"},{kind=\"equal\"},{kind=\"unimodal\",head=\"camera\"}]}",
    "--set",
    "run.validation=0.3",
    "--set",
    "run.epochs=4",
];

fn trained(p: &Playground, run: &str, settings: &[&str]) -> Value {
    p.succeed(&[&["train", "tiny.toml", "--quiet", "--out", run], settings].concat());
    summary(p, run)
}

fn summary(p: &Playground, run: &str) -> Value {
    let text = std::fs::read_to_string(p.path(run).join("summary.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_is_chosen_has_the_least_validation_loss_and_trains_as_if_it_had_been_named() {
    let p = playground();
    let found = trained(&p, "auto", &AUTO);
    let contest = &found["contest"];
    let contenders = contest["contenders"].as_array().unwrap();
    let chosen = usize::try_from(contest["chosen"].as_u64().unwrap()).unwrap();
    let loss = |contender: &Value, round: usize| contender["rounds"][round]["loss"].as_f64();
    let epochs: Vec<u64> = contenders[chosen]["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|round| round["epochs"].as_u64().unwrap())
        .collect();
    assert_eq!((contenders.len(), &epochs[..]), (3, &[1, 2][..]));
    let best = loss(&contenders[chosen], 1).unwrap();
    for other in contenders {
        assert!(loss(other, 1).is_none_or(|loss| loss >= best), "{contest}");
    }
    let kind = contenders[chosen]["strategy"]["kind"].as_str().unwrap();
    assert_eq!(found["strategy"], kind);
    let config = std::fs::read_to_string(p.path("auto/config.toml")).unwrap();
    assert!(
        config.contains(&format!("kind = \"{kind}\"")) && !config.contains("among"),
        "{config}"
    );

    let blend = format!(
        "blend={}",
        contenders[chosen]["strategy"].to_string().replace("\":", "\"=")
    );
    let named = trained(
        &p,
        "named",
        &[
            "--set",
            &blend,
            "--set",
            "run.validation=0.3",
            "--set",
            "run.epochs=4",
        ],
    );
    assert_eq!(named["heads"], found["heads"]);
    assert_eq!(named["predictions"], found["predictions"]);
    assert_eq!(
        std::fs::read(p.path("auto/model.safetensors")).unwrap(),
        std::fs::read(p.path("named/model.safetensors")).unwrap()
    );
    // A comparison and a report know no more than the folder says.
    p.succeed(&["report", "auto", "--out", "report.html"]);
    let page = std::fs::read_to_string(p.path("report.html")).unwrap();
    assert!(page.contains(&format!("chose `{kind}` of 3")), "{page}");
}

#[test]
fn the_choice_is_the_same_at_any_number_of_threads_and_stays_when_the_run_goes_on() {
    let p = playground();
    let one = trained(&p, "one", &[&AUTO[..], &["--set", "run.threads=1"]].concat());
    let two = trained(
        &p,
        "two",
        &[
            &AUTO[..],
            &[
                "--set",
                "run.threads=2",
                "--set",
                "optimizer.schedule.kind=constant",
            ],
        ]
        .concat(),
    );
    assert_eq!(one["contest"]["chosen"], two["contest"]["chosen"]);
    p.succeed(&["train", "--resume", "two", "--epochs", "5", "--quiet"]);
    let further = summary(&p, "two");
    assert_eq!(further["contest"], two["contest"]);
    assert_eq!(
        (&further["strategy"], &further["epochs"]),
        (&two["strategy"], &5.into())
    );
}

#[test]
fn a_choice_by_a_few_samples_is_told_to_be_one() {
    let p = playground();
    let train = |share: &str, run: &str| {
        let validation = format!("run.validation={share}");
        let settings = [
            &AUTO[..2],
            &["--set", &validation, "--set", "run.epochs=2", "--out", run],
        ]
        .concat();
        let outcome = p.run(&[&["train", "tiny.toml"], &settings[..]].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        (
            summary(&p, run)["contest"]["samples"].as_u64().unwrap(),
            outcome.stderr,
        )
    };
    let (few, said) = train("0.1", "few");
    assert!(
        few < 30 && said.contains(&format!("chose by {few} validation samples")),
        "{few} {said}"
    );
}

#[test]
fn a_choice_that_cannot_be_made_leaves_no_folder() {
    let p = playground();
    for (settings, part) in [
        (
            &["blend.kind=auto", "run.validation=0"][..],
            "a strategy is chosen by validation samples",
        ),
        (
            &[
                "blend={kind=\"auto\",among=[{kind=\"equal\"}]}",
                "run.validation=0.3",
            ],
            "at least two strategies",
        ),
        (
            &[
                "blend.kind=auto",
                "run.validation=0.3",
                "optimizer.learning_rate=1e30",
            ],
            "is NaN",
        ),
    ] {
        let mut arguments = vec!["train", "tiny.toml", "--quiet", "--out", "run"];
        settings
            .iter()
            .for_each(|setting| arguments.extend(["--set", setting]));
        let outcome = p.run(&arguments);
        assert_ne!(outcome.code, Some(0));
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
        assert!(!p.path("run").exists());
    }
}
