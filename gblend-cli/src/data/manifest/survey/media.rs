//! Streams that are files: columns that name them, and files that are called like samples.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::profile::{Cells, Profile, is_unique};
use super::{Candidate, Notes, plain_name};
use crate::data::manifest::blob::Found;
use crate::data::manifest::decode::{OTHER_SOUNDS, PICTURES, SOUNDS, VIDEOS};
use crate::data::manifest::opened::Store;
use crate::data::manifest::sniff;
use crate::data::manifest::table::Table;
use crate::data::manifest::{MediaName, StreamSettings};

/// Rows whose files are looked for.
const MOST_ROWS: usize = 5000;
/// Of these, the share that has to be there.
const LEAST_SHARE: f64 = 0.5;

/// What a file holds, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileKind {
    Picture,
    Depth,
    Video,
    Sound,
    Array,
    Flow,
    Text,
}

impl FileKind {
    /// Of an extension in small letters.
    pub(super) fn of(extension: &str) -> Option<Self> {
        Some(match extension {
            other if PICTURES.contains(&other) => Self::Picture,
            other if VIDEOS.contains(&other) => Self::Video,
            other if SOUNDS.contains(&other) || OTHER_SOUNDS.contains(&other) => Self::Sound,
            "pgm" => Self::Depth,
            "npy" => Self::Array,
            "flo" => Self::Flow,
            "txt" => Self::Text,
            _ => return None,
        })
    }

    /// Of the name of a file.
    fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Self::of(&extension.to_ascii_lowercase())
    }

    pub(super) fn media(self) -> MediaName {
        match self {
            Self::Picture | Self::Video => MediaName::Frames,
            Self::Depth => MediaName::Depth,
            Self::Sound => MediaName::Waveform,
            Self::Array => MediaName::Array,
            Self::Flow => MediaName::Flow,
            Self::Text => MediaName::Text,
        }
    }

    /// What a stream of them is called that has no better name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Picture => "picture",
            Self::Depth => "depth",
            Self::Video => "video",
            Self::Sound => "sound",
            Self::Array => "array",
            Self::Flow => "flow",
            Self::Text => "text",
        }
    }
}

/// The streams whose files columns name.
pub(super) fn named(
    table: &Table,
    store: &Store,
    profiles: &[&Profile],
    notes: &mut Notes,
) -> (Vec<Candidate>, HashSet<usize>) {
    let mut found = Vec::new();
    let mut columns = HashSet::new();
    for profile in profiles.iter().filter(|profile| profile.cells == Cells::Text) {
        let rows: Vec<usize> = (0..table.len())
            .filter(|&row| !table.value(row, profile.column).is_empty())
            .take(MOST_ROWS)
            .collect();
        let value = |row: &usize| table.value(*row, profile.column);
        let kind = match rows.first() {
            None => continue,
            Some(first) => kind_of_values(table, store, profile, value(first), &rows),
        };
        let Some(kind) = kind else { continue };
        columns.insert(profile.column);
        let what = format!("column `{}` names files of {}", profile.name, kind.name());
        if profile.name.contains('}') {
            notes.left_out(format!(
                "{what}: the name of a column in a path cannot have a brace"
            ));
            continue;
        }
        let Some(folder) = rows.iter().take(20).find_map(|row| folder_of(store, value(row))) else {
            let problem = format!("such as {}, which are not there", value(&rows[0]));
            notes.left_out(format!(
                "{what}, {problem}: `data.root` says where paths start from"
            ));
            continue;
        };
        let missing: Vec<&str> = rows
            .iter()
            .map(value)
            .filter(|value| store.find(&format!("{folder}{value}"), &PICTURES).is_err())
            .collect();
        if missing.len() as f64 > (1.0 - LEAST_SHARE) * rows.len() as f64 {
            notes.left_out(format!(
                "{what}: {} of {} are not there",
                missing.len(),
                rows.len()
            ));
            continue;
        }
        if let Some(first) = missing.first() {
            notes.skip(format!(
                "{} files of column `{}` are not there, such as {first}",
                missing.len(),
                profile.name
            ));
        }
        let mut settings = StreamSettings {
            optional: profile.filled < table.len(),
            ..StreamSettings::of(kind.media())
        };
        if folder.is_empty() && kind != FileKind::Text {
            settings.column = Some(profile.name.clone());
        } else {
            settings.path = Some(format!("{}{{{}}}", literal(&folder), profile.name));
        }
        found.push(Candidate {
            name: stream_name(&profile.name, kind),
            settings,
            kind: Some(kind),
            why: what,
            first: Some(format!("{folder}{}", value(&rows[0]))),
        });
    }
    (found, columns)
}

/// The streams whose files are in the table itself.
pub(super) fn embedded(table: &Table, notes: &mut Notes) -> Vec<Candidate> {
    let columns = (0..table.columns().len()).filter(|&column| table.has_files(column));
    let candidates = columns.filter_map(|column| {
        let name = &table.columns()[column];
        let bytes: Vec<Bytes> = (0..table.len())
            .filter_map(|row| table.file(row, column))
            .collect();
        let kinds = bytes
            .iter()
            .map(|bytes| sniff::extension(bytes).and_then(FileKind::of));
        let mut counts: BTreeMap<Option<FileKind>, usize> = BTreeMap::new();
        kinds.for_each(|kind| *counts.entry(kind).or_default() += 1);
        let Some((Some(kind), _)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
            let known = sniff::KNOWN;
            notes.left_out(format!(
                "column `{name}`: bytes of no kind that is known ({known})"
            ));
            return None;
        };
        let is_depth = kind == FileKind::Picture && bytes.first().is_some_and(|bytes| sniff::is_depth(bytes));
        let kind = if is_depth { FileKind::Depth } else { kind };
        let with_path = |row| !table.value(row, column).is_empty();
        let filled = (0..table.len()).filter(|&row| table.file(row, column).is_some() || with_path(row));
        let settings = StreamSettings {
            column: Some(name.clone()),
            optional: filled.count() < table.len(),
            ..StreamSettings::of(kind.media())
        };
        Some(Candidate {
            name: plain_name(name),
            settings,
            // It has no path that could be looked at.
            kind: None,
            why: format!("column `{name}` has files of {} in it", kind.name()),
            first: None,
        })
    });
    candidates.collect()
}

/// What files the values of a column name, if they name any.
fn kind_of_values(
    table: &Table,
    store: &Store,
    profile: &Profile,
    first: &str,
    rows: &[usize],
) -> Option<FileKind> {
    let mut kinds: BTreeMap<FileKind, usize> = BTreeMap::new();
    for &row in rows {
        if let Some(kind) = FileKind::of_name(table.value(row, profile.column)) {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    if let Some((&kind, &count)) = kinds.iter().max_by_key(|(_, count)| **count) {
        return (10 * count >= 9 * rows.len()).then_some(kind);
    }
    // A folder of pictures for each sample; that of a class would be named again.
    let is_folder = || matches!(store.find(first, &PICTURES), Ok(Found::Sequence(_)));
    (is_unique(table, profile.column) && is_folder()).then_some(FileKind::Picture)
}

/// The folder that the path starts from, with a slash: none, or one beside the table.
fn folder_of(store: &Store, value: &str) -> Option<String> {
    if store.find(value, &PICTURES).is_ok() {
        return Some(String::new());
    }
    let names = store.names();
    let folders: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| name.split_inclusive('/').next())
        .collect();
    let mut folders = folders.into_iter().filter(|folder| folder.ends_with('/'));
    folders
        .find(|folder| store.find(&format!("{folder}{value}"), &PICTURES).is_ok())
        .map(str::to_owned)
}

/// A name for the stream of a column: `picture` of `picture_path`.
fn stream_name(column: &str, kind: FileKind) -> String {
    let lower = column.to_lowercase();
    let suffixes = ["_path", "_file", "_filename", "_file_name", " path", " file"];
    let bare = suffixes.iter().find_map(|suffix| lower.strip_suffix(suffix));
    match bare.unwrap_or(&lower) {
        "path" | "file" | "filename" | "file_name" | "id" | "name" => kind.name().to_owned(),
        bare => plain_name(bare),
    }
}

/// The streams whose files are called like the values of a column: `clips/{id}.wav`.
pub(super) fn by_key(
    table: &Table,
    store: &Store,
    keys: &[&Profile],
    known: &[Candidate],
    notes: &mut Notes,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let names = store.names();
    let looked = table.len().min(MOST_ROWS);
    for key in keys.iter().filter(|key| !key.name.contains('}')) {
        let values: HashMap<&str, usize> = (0..looked)
            .map(|row| (table.value(row, key.column), row))
            .collect();
        // How many samples have a file in this folder, with this behind their name.
        let mut counts: BTreeMap<(String, String, FileKind), HashSet<usize>> = BTreeMap::new();
        for name in &names {
            let Some(kind) = FileKind::of_name(name) else {
                continue;
            };
            for (folder, value, suffix) in readings(name, kind) {
                if let Some(&row) = values.get(value) {
                    let of = (folder.to_owned(), suffix.to_owned(), kind);
                    counts.entry(of).or_default().insert(row);
                    break;
                }
            }
        }
        for ((folder, suffix, kind), rows) in counts {
            let first = format!("{folder}{}{suffix}", table.value(0, key.column));
            let is_known = known
                .iter()
                .chain(&found)
                .any(|other| other.first.as_ref() == Some(&first));
            let in_column = kind == FileKind::Text && table.columns().iter().any(|column| column == "txt");
            if is_known || in_column && matches!(store, Store::Shards(_)) {
                continue;
            }
            let path = format!("{}{{{}}}{}", literal(&folder), key.name, literal(&suffix));
            if (rows.len() as f64) < LEAST_SHARE * looked as f64 {
                notes.left_out(format!(
                    "files {path}: only {} of {looked} samples have one",
                    rows.len()
                ));
                continue;
            }
            if rows.len() < looked {
                let lacking = (0..looked).find(|row| !rows.contains(row)).unwrap_or_default();
                notes.skip(format!(
                    "{} samples have no file {path}, such as {}",
                    looked - rows.len(),
                    table.value(lacking, key.column)
                ));
            }
            let name = match folder.trim_end_matches('/').rsplit('/').next() {
                Some(folder) if !folder.is_empty() => plain_name(folder),
                _ => kind.name().to_owned(),
            };
            let settings = StreamSettings {
                path: Some(path),
                ..StreamSettings::of(kind.media())
            };
            let what = if suffix.is_empty() {
                "folders of pictures"
            } else {
                "files"
            };
            found.push(Candidate {
                name,
                settings,
                kind: Some(kind),
                why: format!("{what} are called like `{}`", key.name),
                first: Some(first),
            });
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// The ways to read a name as a folder, the value of a column and what is behind it.
fn readings(name: &str, kind: FileKind) -> Vec<(&str, &str, &str)> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dots = name[start..].match_indices('.').map(|(dot, _)| start + dot);
    let mut readings: Vec<(&str, &str, &str)> = Vec::new();
    for dot in dots {
        readings.push((&name[..start], &name[start..dot], &name[dot..]));
        readings.push(("", &name[..dot], &name[dot..]));
    }
    // Pictures in a folder of the sample's own.
    if kind == FileKind::Picture && start > 0 {
        let folder = &name[..start - 1];
        let above = folder.rfind('/').map_or(0, |slash| slash + 1);
        readings.push((&folder[..above], &folder[above..], ""));
    }
    readings
}

/// Text as a path has it.
fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}
