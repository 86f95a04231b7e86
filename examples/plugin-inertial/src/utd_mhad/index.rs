//! The two lists: which recordings there are, and what the actions are called.

use std::path::Path;

use gblend_core::{Error, Result};

/// The first line of `index.csv`.
const COLUMNS: &str = "action,subject,trial,split_cross_subject";

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) action: usize,
    pub(super) subject: usize,
    pub(super) trial: usize,
    /// Whether it is for the final evaluation.
    pub(super) test: bool,
}

impl Entry {
    /// `a1_s2_t3`, with which the names of its files begin.
    pub(super) fn name(&self) -> String {
        format!("a{}_s{}_t{}", self.action, self.subject, self.trial)
    }
}

/// The recordings in the order of `index.csv`.
pub(super) fn read_index(path: &Path, actions: usize) -> Result<Vec<Entry>> {
    let text = read(path)?;
    let mut lines = numbered(&text);
    let columns = lines.next().map(|(_, line)| line);
    if columns != Some(COLUMNS) {
        let found = columns.unwrap_or_default();
        return Err(Error::data(
            format!("{}:1", path.display()),
            format!("found `{found}`, expected `{COLUMNS}`"),
        ));
    }
    lines
        .map(|(number, line)| {
            entry(line)
                .filter(|entry| (1..=actions).contains(&entry.action))
                .ok_or_else(|| {
                    let expected =
                        format!("an action from 1 to {actions}, a subject, a trial, and train or test");
                    Error::data(
                        format!("{}:{number}", path.display()),
                        format!("found `{line}`, expected {expected}"),
                    )
                })
        })
        .collect()
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split(',').map(str::trim);
    let [action, subject, trial, split] = std::array::from_fn(|_| fields.next());
    let number = |field: Option<&str>| field?.parse().ok();
    let test = match split? {
        "train" => false,
        "test" => true,
        _ => return None,
    };
    fields.next().is_none().then_some(())?;
    Some(Entry {
        action: number(action)?,
        subject: number(subject)?,
        trial: number(trial)?,
        test,
    })
}

/// The names of the actions: `1,Swipe left` and so on from 1.
pub(super) fn read_actions(path: &Path) -> Result<Vec<String>> {
    let text = read(path)?;
    let mut names: Vec<String> = Vec::new();
    for (number, line) in numbered(&text) {
        let next = names.len() + 1;
        match line.split_once(',') {
            Some((action, name)) if action.trim().parse() == Ok(next) && !name.trim().is_empty() => {
                names.push(name.trim().to_owned());
            }
            _ => {
                let problem = format!("found `{line}`, expected `{next},` and the action's name");
                return Err(Error::data(format!("{}:{number}", path.display()), problem));
            }
        }
    }
    Ok(names)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::data(path.display(), format!("cannot be read: {error}")))
}

/// Lines that are not empty, with their numbers.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    lines
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_recording_is_read_from_its_line() {
        let file = written(&format!("{COLUMNS}\n2,8,1,test\n1,3,4,train\n"));
        let entries = read_index(file.path(), 2).unwrap();
        assert_eq!(entries[0].name(), "a2_s8_t1");
        assert!(entries[0].test && !entries[1].test);
    }

    #[test]
    fn a_line_that_is_no_recording_is_named_with_its_number() {
        for line in [
            "3,1,1,test",
            "0,1,1,test",
            "1,1,1",
            "1,1,1,test,1",
            "1,one,1,test",
            "1,1,1,later",
        ] {
            let file = written(&format!("{COLUMNS}\n1,1,1,train\n{line}\n"));
            let error = read_index(file.path(), 2).unwrap_err().to_string();
            assert!(error.contains(":3") && error.contains(line), "{error}");
        }
        assert!(read_index(written("a,b\n").path(), 2).is_err());
    }

    #[test]
    fn actions_are_numbered_from_1() {
        assert_eq!(
            read_actions(written("1,Wave\n2,Clap\n").path()).unwrap(),
            ["Wave", "Clap"]
        );
        assert!(read_actions(written("1,Wave\n3,Clap\n").path()).is_err());
    }
}
