//! What the user pointed at: a table, shards, or a folder with either or with a folder per class.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use gblend_core::{Error, Result};

use super::list;
use crate::data::manifest::arrays::fits;
use crate::data::manifest::compressed;
use crate::data::manifest::hidden::is_hidden;
use crate::data::manifest::order::natural;

/// What can be trained on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    Table(PathBuf),
    Shards(Vec<PathBuf>),
    /// A folder of folders, perhaps one per class.
    Folders(PathBuf),
}

const TABLES: [&str; 5] = ["csv", "tsv", "jsonl", "ndjson", "parquet"];
const EXPECTED: &str = "expected a table (.csv, .tsv, .jsonl, .ndjson, .parquet), WebDataset shards (.tar), or a folder \
                        with either or with a folder for each class";

impl Given {
    /// # Errors
    /// [`Error::Data`] if there is nothing, several tables, or nothing that can be trained on.
    pub(super) fn find(path: &Path) -> Result<Self> {
        let Some(text) = path.to_str() else {
            return Err(Error::data(
                path.display(),
                "its name is no UTF-8, which a configuration is; rename it",
            ));
        };
        if !path.exists() && text.contains(['*', '{']) {
            return shards(path);
        }
        let failed = |error: std::io::Error| Error::data(path.display(), format!("cannot be read: {error}"));
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return folder(path);
        }
        if !metadata.is_file() {
            return Err(Error::data(
                path.display(),
                format!("is no ordinary file; {EXPECTED}"),
            ));
        }
        match &extension(path)[..] {
            "tar" => Ok(Self::Shards(vec![path.to_owned()])),
            other if TABLES.contains(&other) => Ok(Self::Table(path.to_owned())),
            _ => {
                let problem = compressed(path)?;
                let problem = problem.unwrap_or_else(|| format!("found another extension, {EXPECTED}"));
                Err(Error::data(path.display(), problem))
            }
        }
    }
}

/// What to say of a file that is compressed as a whole.
fn compressed(path: &Path) -> Result<Option<String>> {
    let failed = |error: std::io::Error| Error::data(path.display(), format!("cannot be read: {error}"));
    let mut head = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(8).read_to_end(&mut head).map_err(failed)?;
    Ok(compressed::told(&path.display().to_string(), &head))
}

fn extension(path: &Path) -> String {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.unwrap_or_default().to_ascii_lowercase()
}

fn folder(path: &Path) -> Result<Given> {
    let files = files(path)?;
    let of = |known: &[&str]| -> Vec<PathBuf> {
        let found = files.iter().filter(|file| known.contains(&&extension(file)[..]));
        found.cloned().collect()
    };
    match &of(&TABLES)[..] {
        [table] => return Ok(Given::Table(table.clone())),
        [] => {}
        several => {
            let names: Vec<String> = several.iter().map(|table| table.display().to_string()).collect();
            let problem = format!(
                "found several tables: {}. Name the one that has a row for each sample; tables for training and for the \
                 test have to be one, with a column `split`",
                list(names.iter().map(String::as_str))
            );
            return Err(Error::data(path.display(), problem));
        }
    }
    let shards = of(&["tar"]);
    Ok(match shards.is_empty() {
        true => Given::Folders(path.to_owned()),
        false => Given::Shards(shards),
    })
}

/// The files of a folder in natural order; hidden ones are none.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::data(folder.display(), format!("cannot be listed: {error}"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if !is_hidden(name) && entry.path().is_file() {
            names.push(name.to_owned());
        }
    }
    names.sort_by(|a, b| natural(a, b));
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// The shards that a pattern means: `*` stands for any text, `{00..04}` for the numbers from the first to the last.
fn shards(pattern: &Path) -> Result<Given> {
    let none = || {
        Error::data(
            pattern.display(),
            format!("no file is called like this; {EXPECTED}"),
        )
    };
    let name = pattern
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(none)?;
    let folder = match pattern.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let numbered = numbered(name);
    let is_meant = |file: &PathBuf| {
        let file = file
            .file_name()
            .and_then(|file| file.to_str())
            .unwrap_or_default();
        fits(name, file) || numbered.as_ref().is_some_and(|meant| meant(file))
    };
    let mut found: Vec<PathBuf> = files(folder)?.into_iter().filter(is_meant).collect();
    found.retain(|file| extension(file) == "tar");
    if found.is_empty() {
        return Err(none());
    }
    Ok(Given::Shards(found))
}

/// Whether a name is one of `before{00..04}after`.
fn numbered(pattern: &str) -> Option<impl Fn(&str) -> bool> {
    let (before, rest) = pattern.split_once('{')?;
    let (range, after) = rest.split_once('}')?;
    let (first, last) = range.split_once("..")?;
    let (from, to): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let digits = first.len();
    let (before, after) = (before.to_owned(), after.to_owned());
    Some(move |name: &str| {
        let number = name
            .strip_prefix(&before[..])
            .and_then(|rest| rest.strip_suffix(&after[..]));
        let plain =
            number.filter(|number| number.len() >= digits && number.bytes().all(|b| b.is_ascii_digit()));
        plain
            .and_then(|number| number.parse().ok())
            .is_some_and(|number: u64| (from..=to).contains(&number))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_is_its_table_its_shards_or_its_folders() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), b"x").unwrap();
        let find = |name: &str| Given::find(&folder.path().join(name));
        assert!(matches!(find("").unwrap(), Given::Folders(_)));
        for name in ["s-10.tar", "s-9.tar", "other.tar", "notes.txt", ".hidden.csv"] {
            write(name);
        }
        let names = |given: Result<Given>| match given.unwrap() {
            Given::Shards(paths) => paths
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
            _ => unreachable!(),
        };
        assert_eq!(names(find("")), ["other.tar", "s-9.tar", "s-10.tar"]);
        assert_eq!(names(find("s-*.tar")), ["s-9.tar", "s-10.tar"]);
        assert_eq!(names(find("s-{9..10}.tar")), ["s-9.tar", "s-10.tar"]);
        assert_eq!(names(find("s-{00..10}.tar")), ["s-10.tar"]);
        write("a.csv");
        assert_eq!(find("").unwrap(), Given::Table(folder.path().join("a.csv")));
        write("b.parquet");
        let error = find("").unwrap_err().to_string();
        assert!(error.contains("a.csv") && error.contains("b.parquet"), "{error}");
        std::fs::write(folder.path().join("s.tar.gz"), [0x1F, 0x8B, 8]).unwrap();
        for (name, part) in [
            ("s.tar.gz", "gzip -dk"),
            ("x*.tar", "no file is called"),
            ("notes.txt", ".parquet"),
            ("gone", "cannot be read"),
        ] {
            assert!(find(name).unwrap_err().to_string().contains(part), "{name}");
        }
    }
}
