//! Arrays with a row for each sample, in files beside the table.

use super::profile::{Cells, Profile};
use super::{Candidate, Notes, plain_name};
use crate::data::manifest::arrays::RowFile;
use crate::data::manifest::blob::Found;
use crate::data::manifest::decode::Fault;
use crate::data::manifest::opened::Store;
use crate::data::manifest::table::Table;
use crate::data::manifest::{MediaName, StreamSettings};

const EXTENSIONS: [&str; 3] = [".npy", ".npz", ".safetensors"];
/// What people call the column with the row of a sample.
const INDICES: [&str; 8] = ["row", "index", "idx", "position", "offset", "number", "rows", "i"];
/// Files that are looked at; more of them are of one sample each.
const MOST_FILES: usize = 32;
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
    let files: Vec<&String> = names
        .iter()
        .filter(|name| {
            EXTENSIONS
                .iter()
                .any(|extension| name.to_ascii_lowercase().ends_with(extension))
        })
        .collect();
    if files.len() > MOST_FILES {
        return Vec::new();
    }
    let mut indices: Vec<(usize, &Profile)> = profiles
        .iter()
        .filter(|profile| profile.cells == Cells::Whole && profile.filled == table.len())
        .filter_map(|profile| Some((profile.rank(&INDICES)?, profile)))
        .collect();
    indices.sort_by_key(|(rank, _)| *rank);
    let mut found = Vec::new();
    for name in files {
        let Ok(Found::One(blob)) = store.find(name, &[]) else {
            continue;
        };
        let keys = match RowFile::keys(&blob, LIMIT) {
            Ok(keys) => keys,
            Err(fault) => {
                notes.left_out(format!("file {name}: {}", problem(&fault)));
                continue;
            }
        };
        let several = keys.len() > 1;
        for key in keys {
            let file = match RowFile::open(blob.clone(), key.as_deref(), LIMIT) {
                Ok(file) => file,
                Err(fault) => {
                    notes.left_out(format!("file {name}: {}", problem(&fault)));
                    continue;
                }
            };
            let array = match &key {
                Some(key) => format!("array `{key}` of {name}"),
                None => name.to_owned(),
            };
            let index = indices.iter().map(|(_, profile)| *profile).find(|profile| {
                let mut rows = (0..table.len()).map(|row| table.value(row, profile.column).parse::<usize>());
                rows.all(|row| row.is_ok_and(|row| row < file.rows()))
            });
            if index.is_none() && file.rows() != table.len() {
                notes.left_out(format!(
                    "{array}: has {} rows, the table {}, and no column is called `row` or `index`",
                    file.rows(),
                    table.len()
                ));
                continue;
            }
            let order = match index {
                Some(index) => format!("which column `{}` numbers", index.name),
                None => "in the order of the table".to_owned(),
            };
            let stem = name.rsplit('/').next().unwrap_or(name);
            let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
            let shown = match (&key, several) {
                (Some(key), true) => key.as_str(),
                _ => stem,
            };
            found.push(Candidate {
                name: plain_name(shown),
                settings: StreamSettings {
                    file: Some(name.clone()),
                    index: index.map(|index| index.name.clone()),
                    key: key.clone().filter(|_| several),
                    ..StreamSettings::of(MediaName::Array)
                },
                kind: None,
                why: format!("{array} has a row for each sample, {order}"),
                first: None,
            });
        }
    }
    found
}

fn problem(fault: &Fault) -> String {
    match fault {
        Fault::NoStream(problem) | Fault::Media(problem) => problem.clone(),
        Fault::File(fault) => fault.to_string(),
        Fault::Program(error) => error.to_string(),
    }
}
