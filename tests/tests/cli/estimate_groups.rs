//! What an estimate knows of groups of samples.

use serde_json::Value;

use crate::playground;
use gblend_tests::Playground;

/// A table of people with so many rows each, which are all alike, of people enough that there are `rows` rows.
fn table(rows: usize, of_each: usize) -> String {
    let mut table = String::from("id,label,who,split,x,y\n");
    for sample in 0..rows {
        let who = sample / of_each;
        let noise = (who * 7919 % 101) as f64 / 30.0;
        let class = who % 2;
        let split = if sample < rows - 40 { "train" } else { "test" };
        let (x, y) = (class as f64 + noise, (who * 31 % 17) as f64);
        table.push_str(&format!("s{sample},{class},p{who},{split},{x},{y}\n"));
    }
    table
}

fn estimate(p: &Playground, group: &str) -> Value {
    estimate_with(p, group, 0.2)
}

fn estimate_with(p: &Playground, group: &str, held_out: f64) -> Value {
    p.write(
        "table.toml",
        format!(
            "[run]\nepochs = 2\nbatch_size = 16\n\n[data]\nkind = \"manifest\"\ntable = \"table.csv\"\nid = \"id\"\n\
             label = \"label\"\nsplit = \"split\"\n{group}streams.first = {{ columns = [\"x\"], media = \"array\" }}\n\
             streams.second = {{ columns = [\"y\"], media = \"array\" }}\n\n[modality.first]\nkind = \"vector\"\n\n\
             [modality.second]\nkind = \"vector\"\n\n[blend]\nkind = \"ogr\"\nheld_out = {held_out}\n"
        ),
    );
    p.json(&["estimate", "table.toml", "--quiet", "--json"])
}

fn width(estimate: &Value) -> f64 {
    let interval = &estimate["heads"][0]["delta_g_interval"];
    interval["high"].as_f64().unwrap() - interval["low"].as_f64().unwrap()
}

/// The share of equal weights that few groups call for, in percent, if that is told.
fn told_share(estimate: &Value) -> Option<f64> {
    let warnings = estimate["warnings"].as_array().into_iter().flatten();
    let mut told = warnings.filter_map(|warning| {
        let (_, share) = warning.as_str()?.split_once("the blend is ")?;
        share.split_once(" %")?.0.parse().ok()
    });
    told.next()
}

fn weights(estimate: &Value) -> Vec<f64> {
    let heads = estimate["heads"].as_array().unwrap().iter();
    heads.map(|head| head["weight"].as_f64().unwrap()).collect()
}

fn speaks_of_groups(estimate: &Value) -> bool {
    // Absent where there are none.
    let warnings = estimate["warnings"].as_array().into_iter().flatten();
    let mut warnings = warnings.filter_map(Value::as_str);
    warnings.any(|warning| warning.contains("group(s): with fewer than 10"))
}

#[test]
fn with_groups_enough_intervals_are_of_groups() {
    let p = playground();
    p.write("table.csv", table(1240, 8));
    let grouped = estimate(&p, "group = \"who\"\n");
    let alone = estimate(&p, "");
    assert!(
        !speaks_of_groups(&grouped) && !speaks_of_groups(&alone),
        "{grouped}"
    );
    // Eight rows that are alike tell what one does: intervals of rows are narrower by up to the root of eight.
    assert!(width(&grouped) > 1.5 * width(&alone), "{grouped} {alone}");
}

#[test]
fn with_few_groups_an_estimate_and_a_run_say_that_intervals_know_nothing_of_others() {
    let p = playground();
    p.write("table.csv", table(240, 20));
    let few = estimate(&p, "group = \"who\"\n");
    assert!(speaks_of_groups(&few), "{few}");
    // Twelve people less the last two, of whom a fifth are held out.
    assert_eq!(told_share(&few), Some(83.0), "{few}");
    let asked = p.json(&[
        "estimate",
        "table.toml",
        "--quiet",
        "--json",
        "--set",
        "blend.smoothing=0.5",
    ]);
    assert_eq!(told_share(&asked), None, "{asked}");
    let from_equal = |estimate: &Value| {
        weights(estimate)
            .iter()
            .map(|w| (w - 1.0 / 3.0).abs())
            .sum::<f64>()
    };
    assert!(from_equal(&few) < from_equal(&asked), "{few} {asked}");
    p.succeed(&["train", "table.toml", "--quiet", "--out", "run"]);
    let summary = std::fs::read_to_string(p.path("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert!(speaks_of_groups(&summary["blends"][0]), "{summary}");
}

#[test]
fn few_training_groups_are_told_where_held_out_ones_are_enough() {
    let p = playground();
    p.write("table.csv", table(440, 20));
    // Of twenty people most are held out, and fewer than ten are trained on.
    let few = estimate_with(&p, "group = \"who\"\n", 0.7);
    let told = few["warnings"].to_string();
    assert!(told.contains("training samples are of"), "{told}");
    assert!(speaks_of_groups(&few), "{told}");
}
