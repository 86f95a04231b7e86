//! What of a resolved configuration decides the result.

use toml::{Table, Value};

/// Keys of `[run]` that change nothing in the result: the machine's part.
const MACHINE: [&str; 3] = ["threads", "memory", "cache"];

/// The keys in which two resolved configurations ask for different results, dotted and in order; empty if they ask for the
/// same to the bit. How many threads compute, where prepared samples are kept, what is logged and how often a checkpoint
/// is written has no say, and neither has the place of a pre-trained encoder's run.
///
/// A text that is no TOML differs in everything.
pub fn task_differences(a: &str, b: &str) -> Vec<String> {
    match (toml::from_str::<Table>(a), toml::from_str::<Table>(b)) {
        (Ok(a), Ok(b)) => {
            let mut found = Vec::new();
            differ(&a, &b, &mut Vec::new(), &mut found);
            found
        }
        _ => vec!["the whole file".to_owned()],
    }
}

fn differ(a: &Table, b: &Table, path: &mut Vec<String>, found: &mut Vec<String>) {
    if a.get("kind") != b.get("kind") {
        // Another kind has other keys, which say no more.
        found.push([path.as_slice(), &["kind".to_owned()]].concat().join("."));
        return;
    }
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        path.push(key.clone());
        match (a.get(key), b.get(key)) {
            _ if ignored(path) => {}
            (Some(Value::Table(a)), Some(Value::Table(b))) => differ(a, b, path, found),
            (a, b) if a == b => {}
            _ => found.push(path.join(".")),
        }
        path.pop();
    }
}

fn ignored(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["log" | "checkpoint"] => true,
        ["run", key] => MACHINE.contains(&key),
        ["modality", _, "pretrained"] => true,
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
