//! What the intervals of `gblend compare` are made of.

use serde_json::Value;

use crate::playground;
use gblend_tests::Playground;

const SHORT: [&str; 9] = [
    "compare",
    "tiny.toml",
    "--quiet",
    "--set",
    "run.epochs=1",
    "--methods",
    "joint",
    "--out",
    "c",
];

fn json(p: &Playground, more: &[&str]) -> Value {
    p.json(&[&SHORT, more, &["--json"]].concat())
}

fn row<'a>(comparison: &'a Value, method: &str) -> &'a Value {
    let mut rows = comparison["rows"].as_array().unwrap().iter();
    rows.find(|row| row["method"] == method).unwrap()
}

#[test]
fn intervals_know_every_test_sample_and_say_so() {
    let p = playground();
    let comparison = json(&p, &["--seeds", "3"]);
    assert_eq!(comparison["seeds_alone"], Value::Null);
    for row in comparison["rows"].as_array().unwrap() {
        let parts = &row["parts"];
        assert_eq!(
            (&parts["samples"], &parts["seeds"]),
            (&40.into(), &3.into()),
            "{row}"
        );
        assert!(row["ci95"].as_f64().unwrap() > 0.0 && parts["of_seeds"].is_f64());
        let difference = &row["paired_difference_to_equal"];
        assert_eq!(difference.is_null(), row["method"] == "equal");
        assert!(
            difference.is_null() || difference["parts"]["samples"] == 40,
            "{difference}"
        );
        let open = difference["significant"] == false;
        assert_eq!(open, difference["settles"] != Value::Null, "{difference}");
        // What a run keeps of samples is what its figure is the mean of.
        for (run, accuracy) in row["runs"]
            .as_array()
            .unwrap()
            .iter()
            .zip(row["test_accuracy"].as_array().unwrap())
        {
            let file = p.path("c").join(run.as_str().unwrap()).join("test_samples.csv");
            let text = std::fs::read_to_string(file).unwrap();
            let mut lines = text.lines();
            assert_eq!(
                lines.next().unwrap(),
                "sample,group,label,accuracy.joint,accuracy.mean,accuracy.blend,accuracy.pool"
            );
            let pooled = lines.map(|line| line.rsplit(',').next().unwrap().parse::<f64>().unwrap());
            let pooled: Vec<f64> = pooled.collect();
            assert_eq!(
                (pooled.len(), pooled.iter().sum::<f64>() / 40.0),
                (40, accuracy.as_f64().unwrap())
            );
        }
    }
    let text = p.succeed(&[&SHORT[..], &["--seeds", "3"]].concat());
    assert!(
        text.contains("intervals over 3 seeds and 40 test samples"),
        "{text}"
    );
    p.succeed(&["report", "c"]);
    let page = std::fs::read_to_string(p.path("c/report.html")).unwrap();
    assert!(page.contains("intervals over 3 seeds and 40 test samples"));
    // What the table has open, the page has.
    let open = text.lines().find_map(|line| line.strip_prefix("open: "));
    assert!(open.is_none_or(|open| page.contains(&open[..20])), "{open:?}");
}

#[test]
fn one_seed_has_the_interval_of_its_test_samples_and_marks_nothing() {
    let p = playground();
    let comparison = json(&p, &["--seeds", "1"]);
    for row in comparison["rows"].as_array().unwrap() {
        // Forty samples leave more than five points.
        assert!(row["ci95"].as_f64().unwrap() > 0.05, "{row}");
        assert_ne!(row["paired_difference_to_best_single"]["significant"], true);
    }
    let text = p.succeed(&[&SHORT[..], &["--seeds", "1"]].concat());
    assert!(
        text.contains("intervals over one seed and 40 test samples") && !text.contains(" *"),
        "{text}"
    );
}

#[test]
fn runs_without_their_samples_have_intervals_over_seeds_alone_and_the_output_says_why() {
    let p = playground();
    let before = json(&p, &["--seeds", "2"]);
    let file = |method: &str| p.path("c/cells").join(method).join("seed-1/test_samples.csv");
    // As a version before there was such a file.
    std::fs::remove_file(file("equal")).unwrap();
    // Somebody has turned every answer round.
    let text = std::fs::read_to_string(file("joint")).unwrap();
    let turned = text.replace(",1", ",x").replace(",0", ",1").replace(",x", ",0");
    std::fs::write(file("joint"), turned).unwrap();
    std::fs::write(
        file("single-camera"),
        "sample,group,label,accuracy.joint\na,,b,right\n",
    )
    .unwrap();
    let after = json(&p, &["--seeds", "2"]);
    for method in ["equal", "joint", "single:camera"] {
        let row = row(&after, method);
        assert_eq!(row["parts"], Value::Null, "{row}");
        assert_eq!(row["mean"], self::row(&before, method)["mean"]);
    }
    // What others lack takes nothing from a row's own interval; its differences to them are over seeds alone.
    let [own, own_before] = [&after, &before].map(|of| row(of, "single:motion"));
    for key in ["mean", "ci95", "parts"] {
        assert_eq!(own[key], own_before[key], "{key}");
    }
    assert_eq!(own["paired_difference_to_joint"]["parts"], Value::Null);
    let said = p.succeed(&[&SHORT[..], &["--seeds", "2"]].concat());
    for part in [
        "over seeds alone",
        "no test_samples.csv",
        "test_samples.csv is not of the `accuracy` in summary.json",
        "line 2: found `right`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // A page is about what is there.
    p.refuse_after_run(&["report", "c"], "line 2: found `right`");
    std::fs::remove_file(file("single-camera")).unwrap();
    p.succeed(&["report", "c"]);
}

#[test]
fn groups_of_test_samples_count_as_one_from_ten_on() {
    let p = playground();
    let mut table = String::from("id,label,who,split,x,y\n");
    for sample in 0..240_u32 {
        let split = if sample < 120 { "train" } else { "test" };
        let noise = f64::from(sample * 7919 % 101) / 20.0;
        let (class, who) = (sample % 2, sample / 10);
        table.push_str(&format!(
            "s{sample},{class},p{who},{split},{},{noise}\n",
            f64::from(class) + noise
        ));
    }
    p.write("table.csv", table);
    let config = |group: &str| {
        format!(
            "[run]\nepochs = 2\nbatch_size = 16\n\n[data]\nkind = \"manifest\"\ntable = \"table.csv\"\nid = \"id\"\n\
             label = \"label\"\nsplit = \"split\"\n{group}streams.first = {{ columns = [\"x\"], media = \"array\" }}\n\
             streams.second = {{ columns = [\"y\"], media = \"array\" }}\n\n[modality.first]\nkind = \"vector\"\n\n\
             [modality.second]\nkind = \"vector\"\n"
        )
    };
    let compare = |name: &str, more: &[&str]| {
        let file = format!("{name}.toml");
        let arguments = [
            "compare",
            &file,
            "--quiet",
            "--seeds",
            "2",
            "--methods",
            "joint",
            "--out",
            name,
        ];
        p.succeed(&[&arguments[..], more].concat())
    };
    p.write("groups.toml", config("group = \"who\"\n"));
    let text = compare("groups", &[]);
    assert!(
        text.contains("over 2 seeds and 12 groups of 120 test samples"),
        "{text}"
    );
    p.write("none.toml", config(""));
    let text = compare("none", &[]);
    assert!(text.contains("over 2 seeds and 120 test samples,"), "{text}");
    // Nine people in the test.
    let few = std::fs::read_to_string(p.path("table.csv"))
        .unwrap()
        .replace("p23,test", "p22,test");
    let few = few
        .replace("p22,test", "p21,test")
        .replace("p21,test", "p20,test");
    p.write("table.csv", few);
    p.write("few.toml", config("group = \"who\"\n"));
    let text = compare("few", &[]);
    assert!(text.contains("of 9 group(s): with fewer than 10"), "{text}");
    let file = std::fs::read_to_string(p.path("few/cells/joint/seed-0/test_samples.csv")).unwrap();
    assert!(file.contains("\ns120,p12,0,"), "{file}");
}
