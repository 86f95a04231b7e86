//! A folder for each class, with a file of each kind of media for a sample.
//!
//! ```text
//! CLASS/STEM.EXT           files of one class and stem are one sample, those of one extension one stream
//! STREAM/CLASS/STEM.EXT    the same, with the streams in folders of their own
//! SPLIT/…                  either, below folders that are called like splits
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gblend_core::{Error, Result};

use super::media::FileKind;
use super::{Guess, list, plain_name};
use crate::data::manifest::hidden::is_hidden;
use crate::data::manifest::order::natural;
use crate::data::manifest::rows::partition;
use crate::data::manifest::table::{Table, TableBuilder};

/// Files that are looked at.
const MOST_FILES: usize = 2_000_000;

/// The table that such a folder makes.
#[derive(Debug)]
pub(super) struct FolderTable {
    pub(super) table: Table,
    pub(super) text: Vec<u8>,
    pub(super) guesses: Vec<Guess>,
    pub(super) left_out: Vec<String>,
}

/// A file of media, by the folders that it is in.
struct Media {
    split: Option<String>,
    /// Between split and file.
    folders: Vec<String>,
    stem: String,
    kind: FileKind,
    path: String,
}

/// Makes the table.
///
/// # Errors
/// [`Error::Data`] if there are no folders of media, or not in this order.
pub(super) fn table(root: &Path, name: &str) -> Result<FolderTable> {
    let mut walk = Walk::default();
    walk.folder(root, &mut Vec::new())?;
    let place = || root.display();
    if walk.media.is_empty() {
        let links = match walk.links.first() {
            Some(link) => format!(
                " (links such as {link} are not followed: name the folder that they lead to, or write a table, with `data.follow_links = true`)"
            ),
            None => String::new(),
        };
        let problem = format!(
            "found no table, no shards and no pictures, video, sound, arrays or texts in folders{links}"
        );
        return Err(Error::data(place(), problem));
    }
    let tops: BTreeSet<&str> = walk
        .media
        .iter()
        .filter_map(|media| media.folders.first())
        .map(String::as_str)
        .collect();
    let splits = tops.iter().all(|top| partition(top).is_some()) && tops.iter().any(|top| *top != "test");
    if splits {
        for media in &mut walk.media {
            media.split = Some(media.folders.remove(0));
        }
    }
    let depths: BTreeSet<usize> = walk.media.iter().map(|media| media.folders.len()).collect();
    let [depth @ (1 | 2)] = depths.into_iter().collect::<Vec<_>>()[..] else {
        let such = list(walk.media.iter().map(|media| media.path.as_str()));
        let problem = format!(
            "expected every file in a folder that is called like its class, CLASS/NAME.png, or STREAM/CLASS/NAME.png, \
             or either below train, validation and test; found {such}"
        );
        return Err(Error::data(place(), problem));
    };
    let in_streams = depth == 2;
    let mut streams: BTreeSet<String> = BTreeSet::new();
    let mut samples: BTreeMap<(Option<String>, String, String), BTreeMap<String, String>> = BTreeMap::new();
    let count = walk.media.len();
    let mut twice = Vec::new();
    for media in walk.media {
        let stream = match in_streams {
            true => plain_name(&media.folders[0]),
            false => media.kind.name().to_owned(),
        };
        let class = media.folders.last().cloned().unwrap_or_default();
        streams.insert(stream.clone());
        let sample = samples.entry((media.split, class, media.stem)).or_default();
        if let Some(other) = sample.insert(stream, media.path.clone()) {
            twice.push(format!("{other} and {} are the same sample", media.path));
        }
    }
    if let Some(first) = twice.first() {
        return Err(Error::data(
            place(),
            format!("{first}, expected one file of a kind for each"),
        ));
    }
    let has_split = splits;
    let columns: Vec<String> = ["id", "label"]
        .into_iter()
        .chain(has_split.then_some("split"))
        .map(str::to_owned)
        .chain(streams.iter().map(|stream| format!("{stream}_path")))
        .collect();
    let mut keys: Vec<_> = samples.keys().cloned().collect();
    keys.sort_by(|a, b| {
        natural(&a.1, &b.1)
            .then_with(|| natural(&a.2, &b.2))
            .then_with(|| a.0.cmp(&b.0))
    });
    let internal = |error: csv::Error| Error::data(name, error);
    let mut table = TableBuilder::new(name, columns.clone())?;
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(&columns).map_err(internal)?;
    for (number, key) in (1..).zip(&keys) {
        let (split, class, stem) = key;
        let id = [split.as_deref(), Some(class.as_str()), Some(stem.as_str())];
        let id: Vec<&str> = id.into_iter().flatten().collect();
        let files = &samples[key];
        let row: Vec<String> = [id.join("/"), class.clone()]
            .into_iter()
            .chain(split.clone())
            .chain(
                streams
                    .iter()
                    .map(|stream| files.get(stream).cloned().unwrap_or_default()),
            )
            .collect();
        text.write_record(&row).map_err(internal)?;
        for (column, cell) in row.iter().enumerate() {
            table.set(column, cell);
        }
        table.end_row(number + 1);
    }
    let text = text
        .into_inner()
        .map_err(|error| Error::data(name, error.to_string()))?;
    let layout = match in_streams {
        true => "a folder for each stream, with one for each class",
        false => "a folder for each class",
    };
    let what = format!(
        "{layout}; files of one name are one sample: {count} files, {} samples",
        keys.len()
    );
    let mut left_out = Vec::new();
    for (what, paths) in [
        ("a link, which is not followed", &walk.links),
        ("of no kind that is known", &walk.others),
    ] {
        if let Some(first) = paths.first() {
            left_out.push(format!("{} files, such as {first}: {what}", paths.len()));
        }
    }
    Ok(FolderTable {
        table: table.finish(),
        text,
        guesses: vec![Guess::new(
            "table",
            Some(name),
            &format!("written from the folder: {what}"),
        )],
        left_out,
    })
}

#[derive(Default)]
struct Walk {
    media: Vec<Media>,
    links: Vec<String>,
    others: Vec<String>,
    seen: usize,
}

impl Walk {
    fn folder(&mut self, path: &Path, folders: &mut Vec<String>) -> Result<()> {
        /// Split, stream, class, and one to be told of.
        const DEEPEST: usize = 4;
        let failed =
            |error: std::io::Error| Error::data(path.display(), format!("cannot be listed: {error}"));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.others.push(entry.path().display().to_string());
                continue;
            };
            if !is_hidden(name) {
                names.push((name.to_owned(), entry.file_type().map_err(failed)?));
            }
        }
        names.sort_by(|a, b| natural(&a.0, &b.0));
        for (name, kind) in names {
            self.seen += 1;
            if self.seen > MOST_FILES {
                return Err(Error::data(
                    path.display(),
                    format!("found more than {MOST_FILES} files, expected a table of them"),
                ));
            }
            let below = folders
                .iter()
                .map(|folder| format!("{folder}/"))
                .collect::<String>()
                + &name;
            if kind.is_symlink() {
                self.links.push(below);
            } else if kind.is_dir() && folders.len() < DEEPEST {
                folders.push(name.clone());
                self.folder(&path.join(&name), folders)?;
                folders.pop();
            } else if kind.is_file() {
                let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
                let extension = extension.to_ascii_lowercase();
                match FileKind::of(&extension) {
                    Some(kind) if !folders.is_empty() => self.media.push(Media {
                        split: None,
                        folders: folders.clone(),
                        stem: stem.to_owned(),
                        kind,
                        path: below,
                    }),
                    _ => self.others.push(below),
                }
            }
        }
        Ok(())
    }
}
