//! Files of predictions: written as they are made, and there when all of them are.

mod parquet;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::answer::Prediction;
use super::columns::{Columns, Line};
use crate::error::{Error, Result};
use crate::files::{check_free, make_readable, taken};
use parquet::ParquetFile;

/// A file of predictions. It has its name once it is [finished](Self::finish): nobody reads half of it.
pub(super) struct PredictionFile {
    path: PathBuf,
    columns: Columns,
    writer: Writer,
}

enum Writer {
    Csv(csv::Writer<BufWriter<NamedTempFile>>),
    JsonLines(BufWriter<NamedTempFile>),
    Parquet(ParquetFile),
}

/// The formats that there are, by the ends of their names.
const FORMATS: &str = ".csv, .jsonl or .parquet";

impl PredictionFile {
    /// Whether a file can be written: its format is known, and nothing is there.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(super) fn check(path: &Path) -> Result<()> {
        if !matches!(extension(path).as_str(), "csv" | "jsonl" | "ndjson" | "parquet") {
            return Err(Error::Usage(format!(
                "--out {}: expected a file in {FORMATS}",
                path.display()
            )));
        }
        check_free(path)
    }

    /// Begins a file in the format that the end of its name says.
    ///
    /// # Errors
    /// [`Error::Write`]; those of [`check`](Self::check).
    pub(super) fn create(path: &Path, columns: Columns) -> Result<Self> {
        Self::check(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(Error::write(path))?;
        let writer = match extension(path).as_str() {
            "csv" => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                let written = writer.write_record(header(&columns));
                written.map_err(|error| Error::write(path)(error.into()))?;
                Writer::Csv(writer)
            }
            "parquet" => Writer::Parquet(ParquetFile::create(file, &columns).map_err(Error::write(path))?),
            _ => Writer::JsonLines(BufWriter::new(file)),
        };
        Ok(Self {
            path: path.to_owned(),
            columns,
            writer,
        })
    }

    /// Adds predictions.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn write(&mut self, predictions: Vec<Prediction>) -> Result<()> {
        let columns = &self.columns;
        let written = match &mut self.writer {
            Writer::JsonLines(file) => predictions.iter().try_for_each(|prediction| {
                serde_json::to_writer(&mut *file, prediction)?;
                file.write_all(b"\n")
            }),
            Writer::Csv(writer) => predictions.into_iter().try_for_each(|prediction| {
                let line = columns.line(prediction);
                writer.write_record(record(columns, line)).map_err(Into::into)
            }),
            Writer::Parquet(file) => {
                let lines: Vec<Line> = predictions
                    .into_iter()
                    .map(|prediction| columns.line(prediction))
                    .collect();
                file.write(&lines, columns)
            }
        };
        written.map_err(Error::write(&self.path))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::Usage`] if there is a file of this name by now.
    pub(super) fn finish(self) -> Result<()> {
        let file = match self.writer {
            Writer::Csv(writer) => {
                let buffer = writer.into_inner().map_err(|error| error.into_error());
                buffer.and_then(|buffer| buffer.into_inner().map_err(|error| error.into_error()))
            }
            Writer::JsonLines(buffer) => buffer.into_inner().map_err(|error| error.into_error()),
            Writer::Parquet(file) => file.finish(),
        };
        let file = file.map_err(Error::write(&self.path))?;
        make_readable(file.as_file()).map_err(Error::write(&self.path))?;
        let named = file.persist_noclobber(&self.path);
        named.map(drop).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(&self.path),
            _ => Error::write(&self.path)(error.error),
        })
    }
}

fn extension(path: &Path) -> String {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.unwrap_or_default().to_ascii_lowercase()
}

/// The names of all columns.
fn header(columns: &Columns) -> Vec<String> {
    let mut header = vec![Columns::ID.to_owned(), Columns::PREDICTED.to_owned()];
    header.extend(columns.has_probability.then(|| Columns::PROBABILITY.to_owned()));
    header.extend(columns.scores.iter().cloned());
    header.push(Columns::PROBLEM.to_owned());
    header
}

/// The cells of a line. Numbers have every digit that tells them from others.
fn record(columns: &Columns, line: Line) -> Vec<String> {
    let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    let mut record = vec![line.id, line.predicted.unwrap_or_default()];
    if columns.has_probability {
        record.push(number(line.probability));
    }
    record.extend(line.scores.into_iter().map(number));
    record.push(line.problem.unwrap_or_default());
    record
}
