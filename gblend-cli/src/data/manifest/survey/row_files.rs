//! Arrays with a row for each sample, in files beside the table.

use std::collections::HashSet;

use super::profile::{Cells, Profile};
use super::{Candidate, Notes, plain_name};
use crate::data::manifest::arrays::RowFile;
use crate::data::manifest::blob::{Blob, Found};
use crate::data::manifest::decode::Fault;
use crate::data::manifest::opened::Store;
use crate::data::manifest::table::Table;
use crate::data::manifest::{MediaName, StreamSettings};

const EXTENSIONS: [&str; 3] = [".npy", ".npz", ".safetensors"];
/// What people call the column with the row of a sample.
const INDICES: [&str; 8] = ["row", "index", "idx", "position", "offset", "number", "rows", "i"];
/// Files up to which each one that is no stream is told for itself.
const FEW_FILES: usize = 32;
/// Files that are looked at, those least far below the table first.
const MOST_FILES: usize = 10_000;
/// Arrays with a row for each sample, among many files, up to which they are streams. More of them are sequences that happen to
/// be as long as the table.
const MOST_STREAMS: usize = 16;
/// Bytes of a file that is read as a whole.
const LIMIT: usize = 1 << 30;

/// The streams of such arrays.
pub(super) fn streams(
    table: &Table,
    store: &Store,
    profiles: &[Profile],
    notes: &mut Notes,
) -> Vec<Candidate> {
    let names = store.names();
    let mut files: Vec<&String> = names
        .iter()
        .filter(|name| {
            EXTENSIONS
                .iter()
                .any(|extension| name.to_ascii_lowercase().ends_with(extension))
        })
        .collect();
    let look = Look::new(table, store, profiles);
    if files.len() <= FEW_FILES {
        return files.iter().flat_map(|name| look.at(name, notes)).collect();
    }
    let cells = cells(table, profiles);
    files.retain(|name| !is_named(name, &cells));
    files.sort_by_key(|name| name.matches('/').count());
    let mut others = Notes::default();
    let looked_at = files.iter().take(MOST_FILES);
    let found: Vec<Candidate> = looked_at.flat_map(|name| look.at(name, &mut others)).collect();
    if let Some(first) = others.left_out.first() {
        let count = others.left_out.len();
        notes.left_out(format!(
            "{count} array files without a row for each sample, such as {first}"
        ));
    }
    if let Some(more) = files.len().checked_sub(MOST_FILES).filter(|more| *more > 0) {
        notes.left_out(format!(
            "{more} of {} array files: were not looked at, as there are so many; a stream's `file` names one with a row for each \
             sample",
            files.len()
        ));
    }
    match &found[..] {
        [first, ..] if found.len() > MOST_STREAMS => {
            notes.left_out(format!(
                "{} arrays with as many rows as the table, such as {}: are too many to be streams; a stream's `file` names one",
                found.len(),
                first.settings.file.as_deref().unwrap_or_default()
            ));
            Vec::new()
        }
        _ => found,
    }
}

/// What the table's cells say.
fn cells<'t>(table: &'t Table, profiles: &[Profile]) -> HashSet<&'t str> {
    let columns = profiles.iter().map(|profile| profile.column);
    let cells = columns.flat_map(|column| (0..table.len()).map(move |row| table.value(row, column)));
    cells.filter(|cell| !cell.is_empty()).collect()
}

/// Whether a cell of the table has a file's path or name, with its extension or without: the file of one sample.
fn is_named(path: &str, cells: &HashSet<&str>) -> bool {
    let without = |name: &str| name.rsplit_once('.').map_or(name.len(), |(stem, _)| stem.len());
    let name = path.rsplit('/').next().unwrap_or(path);
    [path, name]
        .iter()
        .any(|name| cells.contains(name) || cells.contains(&name[..without(name)]))
}

/// What files are looked at with.
struct Look<'a> {
    table: &'a Table,
    store: &'a Store,
    /// Columns that may have the row of a sample, the likeliest first.
    indices: Vec<&'a Profile>,
}

impl<'a> Look<'a> {
    fn new(table: &'a Table, store: &'a Store, profiles: &'a [Profile]) -> Self {
        let mut indices: Vec<(usize, &Profile)> = profiles
            .iter()
            .filter(|profile| profile.cells == Cells::Whole && profile.filled == table.len())
            .filter_map(|profile| Some((profile.rank(&INDICES)?, profile)))
            .collect();
        indices.sort_by_key(|(rank, _)| *rank);
        let indices = indices.into_iter().map(|(_, profile)| profile).collect();
        Self {
            table,
            store,
            indices,
        }
    }

    /// The streams of a file.
    fn at(&self, name: &str, notes: &mut Notes) -> Vec<Candidate> {
        let Ok(Found::One(blob)) = self.store.find(name, &[]) else {
            return Vec::new();
        };
        let keys = match RowFile::keys(&blob, LIMIT) {
            Ok(keys) => keys,
            Err(fault) => {
                notes.left_out(format!("file {name}: {}", problem(&fault)));
                return Vec::new();
            }
        };
        let several = keys.len() > 1;
        let arrays = keys.into_iter();
        arrays
            .filter_map(|key| self.at_array(name, &blob, key.as_deref(), several, notes))
            .collect()
    }

    /// The stream of an array, one of `several` in its file or the only one.
    fn at_array(
        &self,
        name: &str,
        blob: &Blob,
        key: Option<&str>,
        several: bool,
        notes: &mut Notes,
    ) -> Option<Candidate> {
        let table = self.table;
        let file = match RowFile::open(blob.clone(), key, LIMIT) {
            Ok(file) => file,
            Err(fault) => {
                notes.left_out(format!("file {name}: {}", problem(&fault)));
                return None;
            }
        };
        let array = match key {
            Some(key) => format!("array `{key}` of {name}"),
            None => name.to_owned(),
        };
        let index = self.indices.iter().find(|profile| {
            let mut rows = (0..table.len()).map(|row| table.value(row, profile.column).parse::<usize>());
            rows.all(|row| row.is_ok_and(|row| row < file.rows()))
        });
        if index.is_none() && file.rows() != table.len() {
            notes.left_out(format!(
                "{array}: has {} rows, the table {}, and no column is called `row` or `index`",
                file.rows(),
                table.len()
            ));
            return None;
        }
        let order = match index {
            Some(index) => format!("which column `{}` numbers", index.name),
            None => "in the order of the table".to_owned(),
        };
        let stem = name.rsplit('/').next().unwrap_or(name);
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let shown = match (key, several) {
            (Some(key), true) => key,
            _ => stem,
        };
        Some(Candidate {
            name: plain_name(shown),
            settings: StreamSettings {
                file: Some(name.to_owned()),
                index: index.map(|index| index.name.clone()),
                key: key.map(str::to_owned).filter(|_| several),
                ..StreamSettings::of(MediaName::Array)
            },
            kind: None,
            why: format!("{array} has a row for each sample, {order}"),
            first: None,
        })
    }
}

fn problem(fault: &Fault) -> String {
    match fault {
        Fault::NoStream(problem) | Fault::Media(problem) => problem.clone(),
        Fault::File(fault) => fault.to_string(),
        Fault::Program(error) => error.to_string(),
    }
}
