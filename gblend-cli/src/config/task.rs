//! What of a resolved configuration decides the result.

use toml::{Table, Value};

use super::earlier::complete;
use super::pretrained::is_file_of_parameters;

/// Keys of `[run]` that change nothing in the result: the machine's part.
const MACHINE: [&str; 4] = ["threads", "memory", "cache", "recompute"];

/// The keys in which two resolved configurations ask for different results, dotted and in order; empty if they ask for the
/// same to the bit. How many threads compute, what is computed again, where prepared samples are kept, what is logged and how
/// often a checkpoint is written has no say, and neither has the place of a pre-trained encoder's run.
///
/// A text that is no TOML differs in everything.
pub fn task_differences(a: &str, b: &str) -> Vec<String> {
    let ignored =
        |path: &[&str], values: Values<'_>| decides_nothing(path) || is_place_of_encoder(path, values);
    differences(a, b, ignored).map_or_else(
        || vec!["the whole file".to_owned()],
        |found| found.into_iter().map(|one| one.key).collect(),
    )
}

/// The settings that a resolved configuration has where another has something else, as `key = value` and in order; what
/// it lacks is `no key`. The machine's part and the seed are left out.
///
/// A text that is no TOML has none.
pub fn settings_beside(config: &str, other: &str) -> Vec<String> {
    let ignored =
        |path: &[&str], _: Values<'_>| decides_nothing(path) || matches!(path, ["run", "seed" | "base"]);
    let found = differences(config, other, ignored).unwrap_or_default();
    let written = found.into_iter().map(|one| match one.value {
        Some(value) => format!("{} = {value}", one.key),
        None => format!("no {}", one.key),
    });
    written.collect()
}

/// A dotted key, and what the first of two configurations has there.
struct Difference {
    key: String,
    value: Option<Value>,
}

/// What both have under a key.
type Values<'a> = (Option<&'a Value>, Option<&'a Value>);

/// Where two texts differ but for what is ignored; `None` if one is no TOML.
fn differences(a: &str, b: &str, ignored: impl Fn(&[&str], Values<'_>) -> bool) -> Option<Vec<Difference>> {
    let read = |text: &str| {
        let mut resolved: Table = toml::from_str(text).ok()?;
        complete(&mut resolved);
        Some(resolved)
    };
    let (a, b) = (read(a)?, read(b)?);
    let mut found = Vec::new();
    differ(&a, &b, &mut Vec::new(), &ignored, &mut found);
    Some(found)
}

fn differ<'a>(
    a: &'a Table,
    b: &'a Table,
    path: &mut Vec<&'a str>,
    ignored: &impl Fn(&[&str], Values<'_>) -> bool,
    found: &mut Vec<Difference>,
) {
    if a.get("kind") != b.get("kind") {
        // Another kind has other keys, which say no more.
        found.push(Difference {
            key: [path.as_slice(), &["kind"]].concat().join("."),
            value: a.get("kind").cloned(),
        });
        return;
    }
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        path.push(key);
        match (a.get(key), b.get(key)) {
            values if ignored(path, values) => {}
            (Some(Value::Table(a)), Some(Value::Table(b))) => differ(a, b, path, ignored, found),
            (a, b) if a == b => {}
            (a, _) => found.push(Difference {
                key: path.join("."),
                value: a.cloned(),
            }),
        }
        path.pop();
    }
}

/// The machine's part, and what is written beside the result.
fn decides_nothing(path: &[&str]) -> bool {
    match path {
        ["log" | "checkpoint"] => true,
        ["run", key] => MACHINE.contains(key),
        _ => false,
    }
}

/// Where the run or the file is that an encoder starts from.
fn is_place_of_encoder(path: &[&str], values: Values<'_>) -> bool {
    let is_run = |value: Option<&Value>| {
        value.is_none_or(|value| {
            value
                .as_str()
                .is_some_and(|path| !is_file_of_parameters(path.as_ref()))
        })
    };
    match path {
        ["modality", _, "pretrained"] => is_run(values.0) && is_run(values.1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_part_makes_no_other_task() {
        let config =
            |threads: usize, epochs: usize| format!("[run]\nthreads = {threads}\nepochs = {epochs}\n");
        assert_eq!(task_differences(&config(1, 20), &config(2, 20)), [""; 0]);
        assert_eq!(task_differences(&config(1, 20), &config(2, 21)), ["run.epochs"]);
        assert_eq!(task_differences("", "[log]\ntensorboard = true\n"), [""; 0]);
    }

    #[test]
    fn the_machines_part_are_keys_of_the_table() {
        let schema = schemars::schema_for!(crate::config::RunConfig);
        let keys = schema.get("properties").and_then(|keys| keys.as_object());
        for key in MACHINE {
            assert!(keys.is_some_and(|keys| keys.contains_key(key)), "{key}");
        }
    }

    #[test]
    fn settings_are_those_of_the_first_and_what_it_lacks_is_told() {
        let joint =
            "[run]\nseed = 1\nthreads = 2\n[blend]\nkind = \"joint\"\n[modality.a]\npretrained = \"x\"\n";
        let ogr = "[run]\nseed = 2\nthreads = 4\n[blend]\nkind = \"ogr\"\nfloor = 0.1\n[modality.a]\n";
        assert_eq!(
            settings_beside(joint, ogr),
            ["blend.kind = \"joint\"", "modality.a.pretrained = \"x\""]
        );
        assert_eq!(
            settings_beside(ogr, joint),
            ["blend.kind = \"ogr\"", "no modality.a.pretrained"]
        );
        assert_eq!(settings_beside(ogr, "no toml"), [""; 0]);
    }

    #[test]
    fn a_key_that_one_of_them_lacks_is_named() {
        let differences = task_differences(
            "[blend]\nkind = \"ogr\"\n",
            "[blend]\nkind = \"ogr\"\nfloor = 0.1\n",
        );
        assert_eq!(differences, ["blend.floor"]);
        assert_eq!(task_differences("", "[blend]\nkind = \"ogr\"\n"), ["blend"]);
        assert_eq!(task_differences("no toml", "no toml"), ["the whole file"]);
        let differences = task_differences(
            "[blend]\nkind = \"ogr\"\nfloor = 0.1",
            "[blend]\nkind = \"equal\"\n",
        );
        assert_eq!(differences, ["blend.kind"]);
    }
}
