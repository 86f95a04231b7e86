//! What is in people's files: which column says what of a sample, which streams there are, and why it is taken so.
//!
//! ```text
//! path ──► table, shards or folders           given.rs, classes.rs
//!            │
//!            ├► columns ──► what their cells are ──► id, label, split, group       profile.rs, roles.rs
//!            │
//!            └► streams ──► named files, files by key    media.rs
//!                      ├──► lists, texts, numbers        values.rs, prefixes.rs
//!                      ├──► arrays for all samples       row_files.rs
//!                      └──► some samples, looked at      content.rs
//! ```
//!
//! Everything is read as training reads it. Nothing is asked, and what is not understood is told and left out.

mod classes;
mod content;
mod given;
mod media;
mod prefixes;
mod profile;
mod roles;
mod row_files;
mod values;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use gblend_core::{Error, Partition, Result, Source};

use super::folder::Folder;
use super::opened::Store;
use super::rows::partition;
use super::shards::{SHARD, Shards};
use super::table::{Nested, Table};
use super::{BadSample, DrawnSplit, LabelColumn, Manifest, Split, StreamSettings};
use crate::data::rare_classes::RareClasses;

pub use content::{Content, Frames};
use given::Given;
use media::FileKind;
use profile::{Profile, is_unique};
use roles::{Labels, Roles};

/// Where the configuration will be, which its paths start from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// The table beside it that a folder of classes makes.
    pub table: &'a str,
}

/// What was found, and the dataset that it makes.
#[derive(Debug)]
pub struct Survey {
    /// What was looked at, and how much of it there is.
    pub what: String,
    /// The dataset.
    pub manifest: Manifest,
    /// The table that has to be written first, if there was none.
    pub table: Option<Vec<u8>>,
    /// What each column is taken for.
    pub guesses: Vec<Guess>,
    /// The streams.
    pub streams: Vec<FoundStream>,
    /// What is used for nothing, and why.
    pub left_out: Vec<String>,
    /// Why samples may have to be skipped, if some may.
    pub skipped: Vec<String>,
    /// Rows.
    pub samples: usize,
    /// Whether the table says which samples are for validation.
    pub has_validation: bool,
    /// Classes that are rare beside others, if some are.
    pub rare_classes: Option<RareClasses>,
}

/// What a key of the dataset is taken to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The key.
    pub key: &'static str,
    /// The column, if one is it.
    pub column: Option<String>,
    /// Why, or what is done without one.
    pub why: String,
}

impl Guess {
    fn new(key: &'static str, column: Option<&str>, why: &str) -> Self {
        Self {
            key,
            column: column.map(str::to_owned),
            why: why.to_owned(),
        }
    }
}

/// A stream, and what is in it.
#[derive(Clone, Debug)]
pub struct FoundStream {
    /// Its name, which a modality can have too.
    pub name: String,
    /// What is in it.
    pub content: Content,
    /// Why it is one.
    pub why: String,
}

/// A stream that was not looked at yet.
#[derive(Debug)]
struct Candidate {
    name: String,
    settings: StreamSettings,
    /// Of files for each sample.
    kind: Option<FileKind>,
    why: String,
    /// The path of the first sample's file.
    first: Option<String>,
}

/// What is told beside the streams.
#[derive(Debug, Default)]
struct Notes {
    left_out: Vec<String>,
    skipped: Vec<String>,
}

impl Notes {
    fn left_out(&mut self, what: String) {
        self.left_out.push(what);
    }

    fn skip(&mut self, why: String) {
        self.skipped.push(why);
    }
}

/// Looks at a table, shards or a folder. `label` is the column with the label, if the user says which it is.
///
/// # Errors
/// [`Error::Data`] if there is nothing to train on: no table, no label, fewer than two streams, or a file that cannot be
/// read.
pub fn survey(from: &Path, place: Place<'_>, label: Option<&str>) -> Result<Survey> {
    let mut notes = Notes::default();
    let mut problems = Vec::new();
    let Input {
        store,
        table,
        what,
        mut manifest,
        text,
        mut guesses,
    } = Input::open(Given::find(from)?, place, label, &mut notes, &mut problems)?;
    let origin = from.display().to_string();
    table.check_shape()?;
    let readable: Vec<Profile> = (0..table.columns().len())
        .filter(|&column| !table.is_refused(column) && !table.has_lists(column) && !table.has_files(column))
        .map(|column| Profile::of(&table, column))
        .filter(|profile| profile.name != SHARD)
        .collect();
    let roles = roles::find(&table, &origin, &readable, label)?;
    let candidates = streams(&table, &store, &readable, &roles, &mut notes);
    fill(&mut manifest, &table, &roles);
    let samples = table.len();
    let has_validation = roles.split.is_some_and(|split| {
        (0..samples).any(|row| partition(table.value(row, split)) == Some(Partition::Validation))
    });
    let what = format!("{what}: {samples} rows, {} columns", table.columns().len());
    let candidates = named_apart(candidates);
    manifest.streams = candidates
        .iter()
        .map(|one| (one.name.clone(), one.settings.clone()))
        .collect();
    few(
        &origin,
        candidates.len(),
        &candidates.iter().map(|one| &one.why[..]).collect::<Vec<_>>(),
        &notes,
    )?;
    let source = manifest.opened(
        store,
        table,
        !manifest.shards.is_empty() && manifest.table.is_none(),
        problems,
    )?;
    notes
        .skipped
        .extend(source.left_out().iter().map(ToString::to_string));
    let mut found = Vec::new();
    for candidate in candidates {
        let position = source
            .streams()
            .iter()
            .position(|stream| stream.name == candidate.name);
        match content::look(&source, position.unwrap_or_default()) {
            Ok(seen) => {
                if let Some(first) = seen.faults.first() {
                    notes.skip(format!(
                        "{} samples cannot be read, such as {first}",
                        seen.faults.len()
                    ));
                }
                found.push(FoundStream {
                    name: candidate.name,
                    content: seen.content,
                    why: candidate.why,
                });
            }
            Err(error) => {
                manifest.streams.remove(&candidate.name);
                notes.left_out(format!("{}: {error}", candidate.why));
            }
        }
    }
    few(
        &origin,
        found.len(),
        &found.iter().map(|one| &one.why[..]).collect::<Vec<_>>(),
        &notes,
    )?;
    if !notes.skipped.is_empty() {
        manifest.on_bad_sample = BadSample::Skip;
    }
    guesses.extend(roles.guesses);
    let rare_classes = rare_classes(&source);
    if let Some(rare) = &rare_classes {
        let why = format!(
            "as a comment: `{}` has {} samples to train on, `{}` {}; the setting lets each class count as much as any other",
            rare.rarest.0, rare.rarest.1, rare.most_frequent.0, rare.most_frequent.1
        );
        guesses.push(Guess::new("objective.class_weights", None, &why));
    }
    Ok(Survey {
        what,
        manifest,
        table: text,
        guesses,
        streams: found,
        left_out: notes.left_out,
        skipped: notes.skipped,
        samples,
        has_validation,
        rare_classes,
    })
}

/// Classes that are rare among the samples that are not for validation or the test.
fn rare_classes(source: &dyn Source) -> Option<RareClasses> {
    let mut counts = vec![0; source.classes().len()];
    for sample in (0..source.len()).map(|index| source.sample(index)) {
        if sample.partition == Partition::Train {
            for &class in sample.label.classes() {
                counts.get_mut(class).into_iter().for_each(|count| *count += 1);
            }
        }
    }
    RareClasses::of(source.classes().iter().map(String::as_str).zip(counts))
}

/// A dataset whose columns are not understood yet.
struct Input {
    store: Store,
    table: Table,
    what: String,
    manifest: Manifest,
    /// The table that is to be written.
    text: Option<Vec<u8>>,
    guesses: Vec<Guess>,
}

impl Input {
    fn open(
        given: Given,
        place: Place<'_>,
        label: Option<&str>,
        notes: &mut Notes,
        problems: &mut Vec<Error>,
    ) -> Result<Self> {
        let mut manifest = Manifest::empty();
        let folder = |path: &Path| {
            let path = if path.as_os_str().is_empty() {
                Path::new(".")
            } else {
                path
            };
            Folder::open(path, false)
                .map_err(|error| Error::data(path.display(), format!("is no folder to read: {error}")))
        };
        match given {
            Given::Table(path) => {
                let table = read(&path, label)?;
                manifest.table = Some(place.from(&path));
                Ok(Self {
                    store: Store::Folder(folder(path.parent().unwrap_or(Path::new(".")))?),
                    table,
                    what: path.display().to_string(),
                    manifest,
                    text: None,
                    guesses: Vec::new(),
                })
            }
            Given::Shards(paths) => {
                let shards = Shards::open(&paths, problems)?;
                let table = shards.table()?;
                manifest.shards = paths.iter().map(|path| place.from(path)).collect();
                Ok(Self {
                    store: Store::Shards(shards),
                    table,
                    what: format!("{} shards from {}", paths.len(), paths[0].display()),
                    manifest,
                    text: None,
                    guesses: Vec::new(),
                })
            }
            Given::Folders(root) => {
                let made = classes::table(&root, place.table)?;
                notes.left_out.extend(made.left_out);
                manifest.table = Some(PathBuf::from(place.table));
                manifest.root = Some(place.from(&root));
                Ok(Self {
                    store: Store::Folder(folder(&root)?),
                    table: made.table,
                    what: root.display().to_string(),
                    manifest,
                    text: Some(made.text),
                    guesses: made.guesses,
                })
            }
        }
    }
}

/// Reads a table with whatever lists it has: of numbers, and those of the label of texts.
fn read(path: &Path, label: Option<&str>) -> Result<Table> {
    let plain = Table::read(path, Nested::default())?;
    let nested: Vec<String> = plain.nested_columns();
    if nested.is_empty() {
        return Ok(plain);
    }
    let numbers: Vec<&str> = nested.iter().map(String::as_str).collect();
    let table = Table::read(
        path,
        Nested {
            labels: None,
            numbers: &numbers,
            files: &numbers,
        },
    )?;
    let has_files = |name: &str| {
        let column = table.columns().iter().position(|column| column == name);
        column.is_some_and(|column| table.has_files(column))
    };
    let (files, others): (Vec<&str>, Vec<&str>) = numbers.into_iter().partition(|name| has_files(name));
    let (numbers, of_text): (Vec<&str>, Vec<&str>) =
        others.into_iter().partition(|name| table.has_number_lists(name));
    let labels = of_text.iter().copied().find(|name| match label {
        Some(label) => *name == label,
        None => roles::is_label(name),
    });
    if of_text.is_empty() {
        return Ok(table);
    }
    let nested = Nested {
        labels,
        numbers: &numbers,
        files: &files,
    };
    Table::read(path, nested)
}

/// Every stream that may be one.
fn streams(
    table: &Table,
    store: &Store,
    profiles: &[Profile],
    roles: &Roles,
    notes: &mut Notes,
) -> Vec<Candidate> {
    let taken: BTreeSet<usize> = [Some(roles.label), roles.id, roles.split, roles.group]
        .into_iter()
        .flatten()
        .collect();
    let files = row_files::streams(table, store, profiles, notes);
    let indices: HashSet<&String> = files
        .iter()
        .filter_map(|file| file.settings.index.as_ref())
        .collect();
    for profile in profiles {
        if let Some(why) = roles.unused.get(&profile.column)
            && !indices.contains(&profile.name)
        {
            notes.left_out(format!("column `{}`: {why}", profile.name));
        }
        if profile.cells == profile::Cells::Empty && !taken.contains(&profile.column) {
            notes.left_out(format!("column `{}`: is empty", profile.name));
        }
    }
    for (column, name) in table.columns().iter().enumerate() {
        if !table.is_refused(column) {
            continue;
        }
        notes.left_out(format!(
            "column `{name}`: neither text, numbers, nor lists of numbers"
        ));
    }
    // An id may be the path of a file as well.
    let may_name: Vec<&Profile> = profiles
        .iter()
        .filter(|profile| Some(profile.column) == roles.id || !taken.contains(&profile.column))
        .filter(|profile| !roles.unused.contains_key(&profile.column))
        .collect();
    let (mut found, naming) = media::named(table, store, &may_name, notes);
    let mut keys: Vec<&Profile> = profiles
        .iter()
        .filter(|profile| profile.cells != profile::Cells::Numbers && is_unique(table, profile.column))
        .filter(|profile| !naming.contains(&profile.column))
        .collect();
    keys.sort_by_key(|profile| Some(profile.column) != roles.id);
    let by_key = media::by_key(table, store, &keys, &found, notes);
    found.extend(by_key);
    with_their_kinds(store, &mut found);
    let open: Vec<&Profile> = profiles
        .iter()
        .filter(|profile| {
            let column = profile.column;
            let has_use =
                taken.contains(&column) || naming.contains(&column) || indices.contains(&profile.name);
            !has_use && !roles.unused.contains_key(&column)
        })
        .collect();
    found.extend(media::embedded(table, notes));
    found.extend(values::lists(table, notes));
    found.extend(values::texts(table, &open, notes));
    found.extend(values::numbers(table, &open, &taken, notes));
    found.extend(files);
    found
}

/// Tells depth from pictures, and gives a video's sound a stream of its own.
fn with_their_kinds(store: &Store, candidates: &mut Vec<Candidate>) {
    let mut sounds = Vec::new();
    for candidate in candidates.iter_mut() {
        match candidate.kind {
            Some(FileKind::Picture) if candidate.first.as_ref().is_some_and(|path| store.is_depth(path)) => {
                candidate.kind = Some(FileKind::Depth);
                candidate.settings.media = FileKind::Depth.media();
                candidate.why.push_str(", 16-bit gray pictures");
            }
            Some(FileKind::Video) => sounds.push(Candidate {
                name: format!("{}_sound", candidate.name),
                settings: StreamSettings {
                    media: FileKind::Sound.media(),
                    ..candidate.settings.clone()
                },
                kind: Some(FileKind::Sound),
                why: format!("the sound of them: {}", candidate.why),
                first: None,
            }),
            _ => {}
        }
    }
    candidates.extend(sounds);
}

/// Gives streams of one name others.
fn named_apart(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut known: BTreeSet<String> = BTreeSet::from(["joint".to_owned()]);
    let renamed = candidates.into_iter().map(|mut candidate| {
        let name = candidate.name.clone();
        let mut number = 2;
        while !known.insert(candidate.name.clone()) {
            candidate.name = format!("{name}_{number}");
            number += 1;
        }
        candidate
    });
    renamed.collect()
}

/// # Errors
/// [`Error::Data`] if there are fewer than two streams.
fn few(place: &str, count: usize, streams: &[&str], notes: &Notes) -> Result<()> {
    if count >= 2 {
        return Ok(());
    }
    let found = match streams {
        [] => "no stream of media".to_owned(),
        several => format!("one stream alone ({})", several.join(", ")),
    };
    let left_out: String = notes
        .left_out
        .iter()
        .map(|what| format!("\n  not used: {what}"))
        .collect();
    let problem = format!(
        "found {found}, expected two or more: gblend learns from several modalities of a sample, such as pictures and sound, \
         text and numbers, or groups of columns that begin alike (`acc_x`, `acc_y`, `gyro_x`, `gyro_y`){left_out}"
    );
    Err(Error::data(place, problem))
}

/// Writes the columns into the dataset's settings.
fn fill(manifest: &mut Manifest, table: &Table, roles: &Roles) {
    let name = |column: usize| table.columns()[column].clone();
    manifest.id = roles.id.map(name);
    manifest.label = Some(name(roles.label));
    match &roles.labels {
        Labels::Class => {}
        Labels::Number => manifest.label_kind = LabelColumn::Number,
        Labels::Several { separator } => manifest.label_separator = Some(separator.clone()),
    }
    manifest.split = match roles.split {
        Some(split) => Split::Column(name(split)),
        None => Split::Shares(DrawnSplit {
            test: 0.2,
            validation: 0.0,
        }),
    };
    manifest.group = roles.group.map(name);
}

impl Place<'_> {
    /// A path as the configuration has it.
    fn from(&self, path: &Path) -> PathBuf {
        let absolute = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
        // A file may be a link: it is its folder that is looked at.
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if !path.is_dir() => (folder, Some(name)),
            _ => (path, None),
        };
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let (Ok(base), Ok(there)) = (absolute(self.folder), absolute(folder)) else {
            return path.to_owned();
        };
        let below = match there.strip_prefix(&base) {
            Ok(below) => below.to_owned(),
            // One that the user wrote from the folder they are in stays as it is, if that is where the configuration goes.
            Err(_) if path.is_relative() && absolute(Path::new(".")).is_ok_and(|here| here == base) => {
                folder.to_owned()
            }
            Err(_) => there,
        };
        match name {
            Some(name) => below.join(name),
            None if below.as_os_str().is_empty() => PathBuf::from("."),
            None => below,
        }
    }
}

/// Letters, digits and `_`, as a modality may be called.
fn plain_name(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() {
        "stream".to_owned()
    } else {
        name.to_owned()
    }
}

/// The first few of some names, and how many there are.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.collect();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len() {
        count if count > SHOWN => format!("{} and {} others", shown.join(", "), count - SHOWN),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_table_panics(text in "([ab1.5;,\"\\[\\]{}é*]{0,6}[,\n]){0,40}", lines in "([{}\"ab:,1\\[\\]]{0,12}\n){0,6}") {
            let folder = tempfile::tempdir().unwrap();
            let place = Place { folder: folder.path(), table: "made.csv" };
            for (name, text) in [("t.csv", &text), ("t.tsv", &text), ("t.jsonl", &lines)] {
                let path = folder.path().join(name);
                std::fs::write(&path, text).unwrap();
                let _ = survey(&path, place, None);
                let _ = survey(&path, place, Some("a"));
            }
        }

        #[test]
        fn any_text_becomes_a_name_that_heads_can_have(text in "\\PC{0,12}") {
            let name = plain_name(&text);
            prop_assert!(gblend_core::Heads::new([name]).is_ok() || text.to_lowercase().contains("joint"));
        }
    }
}
