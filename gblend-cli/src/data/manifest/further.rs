//! Samples that a trained model is to predict: other files, read by the settings of the dataset that it was trained on.
//!
//! Such a file says less than a table to train on: no split, no group, often no label, and of the streams those that there
//! are. What it does say is read as in training, or a prediction would be of something else: classes and the columns of
//! arrays are those of the model, whatever the new table has in which order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gblend_core::{Error, Further, FurtherPlace, FurtherSource, OpenContext, Result};
use serde_json::Value;

use super::arrays::{ColumnNames, fits};
use super::opened::{Opened, OpenedStream, Origin, Store};
use super::rows::{self, Columns};
use super::shards::Shards;
use super::table::Table;
use super::template::Template;
use super::{BadSample, LabelColumn, Manifest, MediaName, StreamSettings, missing_table};

impl Manifest {
    /// Opens further samples.
    pub(super) fn further(&self, further: &Further<'_>, cx: &OpenContext<'_>) -> Result<FurtherSource> {
        let mut settings = self.clone();
        settings.on_bad_sample = BadSample::Skip;
        settings.samples_per_class = None;
        if settings.label_kind == LabelColumn::Class {
            settings.classes = Some(further.classes.to_vec());
        }
        for (name, columns) in further.columns {
            if let Some(stream) = settings.streams.get_mut(name) {
                stream.columns = Some(ColumnNames::Exactly(columns.clone()));
            }
        }
        match further.place {
            FurtherPlace::Files { table, root, shards } => {
                settings.table = table.map(Path::to_owned);
                settings.shards = shards.to_vec();
                settings.root = root.map(Path::to_owned);
                settings.files(further, cx)
            }
            FurtherPlace::One(files) => settings.one(files),
            _ => Err(Error::data(
                "further samples",
                "are in a place that a manifest does not read",
            )),
        }
    }

    /// Those of a table or of shards.
    fn files(&self, further: &Further<'_>, cx: &OpenContext<'_>) -> Result<FurtherSource> {
        let mut problems = Vec::new();
        let store = match &self.shards[..] {
            [] => Store::Folder(self.folder(cx.base, self.table.as_deref())?),
            shards => Store::Shards(Shards::open(shards, &mut problems)?),
        };
        let (table, from_shards) = match (&self.table, &store) {
            (Some(path), _) => (self.table(path)?, false),
            (None, Store::Shards(shards)) => (shards.table()?, true),
            (None, _) => return Err(missing_table()),
        };
        // What is wrong with a shard; what is wrong with labels is told of samples that are left out.
        let mut notes: Vec<String> = problems.drain(..).map(|problem| problem.to_string()).collect();
        let columns = Columns::of_further(self, &table, from_shards, further.labeled)?;
        if let (Some(id), false) = (&self.id, columns.has_ids()) {
            notes.push(format!(
                "there is no column `{id}` with the names of samples; their rows are counted from 1"
            ));
        }
        let taken = columns.taken();
        let mut streams = Vec::new();
        let mut absent = Vec::new();
        for (name, stream) in &self.streams {
            match stream.lacks(&table, &store) {
                Some(problem) => {
                    absent.push(format!("stream `{name}` is missing in every sample: {problem}"));
                    streams.push(stream.nowhere(name));
                }
                None => streams.push(stream.further().open(name, &table, &taken, &store)?),
            }
        }
        if absent.len() == streams.len() {
            let problem = format!("has none of the streams: {}", absent.join("; "));
            return Err(Error::data(place(self.table.as_deref(), &self.shards), problem));
        }
        notes.extend(absent);
        let classes = rows::classes(self, &table, &columns);
        let rows = rows::read(self, &table, &columns, &classes, &mut problems)?;
        let source = Opened::new(self, store, table, rows, classes, streams, problems);
        Ok(FurtherSource {
            source: Box::new(source),
            notes,
        })
    }

    /// One sample, of a file or text for each stream.
    fn one(&self, files: &BTreeMap<String, String>) -> Result<FurtherSource> {
        let known: Vec<&str> = self.streams.keys().map(String::as_str).collect();
        if let Some(unknown) = files.keys().find(|name| !self.streams.contains_key(*name)) {
            let expected = format!("one of the streams: {}", known.join(", "));
            return Err(Error::setting("--input", format!("{unknown}=…"), expected));
        }
        let mut row = serde_json::Map::new();
        let mut settings = self.clone();
        for (name, stream) in &mut settings.streams {
            let Some(given) = files.get(name) else { continue };
            if stream.categories.is_some() {
                let expected =
                    "a table by --table: it has columns of categories, which no file of numbers says";
                return Err(Error::setting("--input", format!("{name}={given}"), expected));
            }
            let given = match stream.media {
                MediaName::Text => given.clone(),
                _ => absolute(given)?,
            };
            *stream = StreamSettings {
                column: Some(name.clone()),
                path: None,
                columns: None,
                file: None,
                index: None,
                key: None,
                ..stream.clone()
            };
            row.insert(name.clone(), Value::String(given));
        }
        let line = Value::Object(row).to_string();
        let table = Table::json_lines("--input", line.as_bytes(), super::table::Nested::default())?;
        let store = Store::Typed;
        let columns = Columns::of_further(
            &Self {
                id: None,
                ..settings.clone()
            },
            &table,
            false,
            false,
        )?;
        let open = |(name, stream): (&String, &StreamSettings)| match files.contains_key(name) {
            true => stream.further().open(name, &table, &columns.taken(), &store),
            false => Ok(stream.nowhere(name)),
        };
        let streams = settings.streams.iter().map(open).collect::<Result<_>>()?;
        let rows = rows::read(&settings, &table, &columns, &[], &mut Vec::new())?;
        let classes = settings.classes.clone().unwrap_or_default();
        let source = Opened::new(&settings, store, table, rows, classes, streams, Vec::new());
        Ok(FurtherSource {
            source: Box::new(source),
            notes: Vec::new(),
        })
    }
}

/// A path from the root of the file system.
fn absolute(path: &str) -> Result<String> {
    let failed = |problem: &dyn std::fmt::Display| {
        Error::data(path, format!("is no path that can be read: {problem}"))
    };
    let absolute = std::path::absolute(path).map_err(|error| failed(&error))?;
    let absolute = absolute.to_str().ok_or_else(|| failed(&"it is no UTF-8"))?;
    Ok(absolute.to_owned())
}

fn place(table: Option<&Path>, shards: &[PathBuf]) -> String {
    table
        .or(shards.first().map(PathBuf::as_path))
        .map_or_else(String::new, |path| path.display().to_string())
}

impl StreamSettings {
    /// The same for samples of which any modality may be missing. An empty cell is a missing stream where there could be no
    /// other; an empty text is a text, and numbers that are all missing are numbers, unless they were not in training either.
    fn further(&self) -> Self {
        let is_own = self.columns.is_some() || self.media == MediaName::Text;
        Self {
            optional: self.optional || !is_own,
            ..self.clone()
        }
    }

    /// Why no sample of a table can have it; nothing if one may.
    fn lacks(&self, table: &Table, store: &Store) -> Option<String> {
        let none_of = |names: &[&str]| {
            let lacking: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| !table.has_column(name))
                .collect();
            (!lacking.is_empty()).then(|| format!("there is no column `{}`", lacking.join("`, `")))
        };
        if let Some(column) = &self.column {
            return none_of(&[column]);
        }
        if let Some(path) = &self.path {
            return none_of(&Template::names(path));
        }
        if let Some(columns) = &self.columns {
            let names: Vec<&str> = match columns {
                ColumnNames::Pattern(name) => vec![name],
                ColumnNames::List(names) | ColumnNames::Exactly(names) => {
                    names.iter().map(String::as_str).collect()
                }
            };
            let exact = matches!(columns, ColumnNames::Exactly(_));
            let is_there = |name: &&str| match exact {
                true => table.has_column(name),
                false => table.columns().iter().any(|column| fits(name, column)),
            };
            // Where some are there, the others are asked for by name.
            return match names.iter().any(is_there) {
                true => None,
                false => Some(format!("there is none of the columns `{}`", names.join("`, `"))),
            };
        }
        let file = self.file.as_deref()?;
        let index = self
            .index
            .as_deref()
            .map(|index| none_of(&[index]))
            .unwrap_or_default();
        index.or_else(|| store.find(file, &[]).err().map(|fault| fault.to_string()))
    }

    /// A stream that no sample has.
    fn nowhere(&self, name: &str) -> OpenedStream {
        OpenedStream {
            name: name.to_owned(),
            origin: Origin::Nowhere,
            optional: true,
            reading: self.reading(),
        }
    }
}
