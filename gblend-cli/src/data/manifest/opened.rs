//! The dataset as opened: paths are looked up and files decoded when they are asked for.

use gblend_core::{
    Array, Error, FurtherLabel, LabelKind, Media, OnBadSample, Result, Sample, Source, Stream,
};

use super::Manifest;
use super::arrays::ArrayCells;
use super::blob::{Blob, FileFault, Found};
use super::decode::{Fault, Reading};
use super::folder::Folder;
use super::rows::Rows;
use super::shards::Shards;
use super::sniff::is_depth;
use super::table::Table;
use super::template::Template;

/// Changes whenever the same file would be decoded to other media.
const VERSION: u32 = 4;

/// Where paths are looked up.
#[derive(Debug)]
pub(super) enum Store {
    Folder(Folder),
    Shards(Shards),
    /// Wherever someone says: paths that were typed and stand in no table.
    Typed,
}

impl Store {
    pub(super) fn find(&self, path: &str, members: &[&str]) -> Result<Found, FileFault> {
        match self {
            Self::Folder(folder) => folder.find(path, members),
            Self::Shards(shards) => shards.find(path, members),
            Self::Typed => Folder::around(path)?.find(path, members),
        }
    }
}

impl Store {
    /// The files that there are; of a folder, those that are not far below it.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Folder(folder) => folder.names(),
            Self::Shards(shards) => shards.names().map(str::to_owned).collect(),
            Self::Typed => Vec::new(),
        }
    }

    /// Whether a file is a picture of depth: a png of one channel with 16 bits.
    pub(super) fn is_depth(&self, path: &str) -> bool {
        let head = match self.find(path, &["png"]) {
            Ok(Found::One(blob)) => blob.head(32),
            Ok(Found::Sequence(blobs)) => blobs[0].head(32),
            Err(_) => return false,
        };
        head.is_ok_and(|head| is_depth(&head))
    }
}

/// Where the media of a sample are.
#[derive(Debug)]
pub(super) enum Origin {
    /// In files of its own, or a folder of them.
    Files(Template),
    /// The text in this column.
    Text(usize),
    /// Numbers in the table, or in a file for all samples.
    Array(ArrayCells),
    /// Nowhere: no sample has the stream.
    Nowhere,
}

/// One stream of every sample.
#[derive(Debug)]
pub(super) struct OpenedStream {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) optional: bool,
    pub(super) reading: Reading,
}

impl OpenedStream {
    /// Refuses numbers of arrays that would be one in 32 bits. What is predicted may be close together where what the model was
    /// trained on is not.
    pub(super) fn check_spread(&self, table: &Table) -> Result<()> {
        match &self.origin {
            Origin::Array(cells) => cells.check_spread(table, &self.name),
            _ => Ok(()),
        }
    }
}

/// The opened dataset.
#[derive(Debug)]
pub(super) struct Opened {
    on_bad: OnBadSample,
    labels: LabelKind,
    store: Store,
    table: Table,
    rows: Rows,
    classes: Vec<String>,
    streams: Vec<Stream>,
    readings: Vec<OpenedStream>,
    left_out: Vec<Error>,
    further_labels: Vec<FurtherLabel>,
}

impl Opened {
    /// The same with labels beside its own.
    pub(super) fn with_further_labels(self, further_labels: Vec<FurtherLabel>) -> Self {
        Self {
            further_labels,
            ..self
        }
    }

    pub(super) fn new(
        settings: &Manifest,
        store: Store,
        table: Table,
        rows: Rows,
        classes: Vec<String>,
        readings: Vec<OpenedStream>,
        left_out: Vec<Error>,
    ) -> Self {
        let streams = readings.iter().map(|stream| Stream {
            name: stream.name.clone(),
            media: stream.reading.media,
        });
        Self {
            on_bad: settings.on_bad(),
            labels: settings.labels(),
            store,
            table,
            rows,
            classes,
            streams: streams.collect(),
            readings,
            left_out,
            further_labels: Vec::new(),
        }
    }

    /// Where a sample has a stream, for messages.
    fn place(&self, index: usize, stream: usize) -> String {
        let place = self.table.place(self.rows.position(index));
        format!(
            "{place}: sample {}, stream {}",
            self.rows.id(&self.table, index),
            self.readings[stream].name
        )
    }

    /// The files of a sample, and what is made of them.
    fn with_files<T>(
        &self,
        (index, stream): (usize, usize),
        paths: &Template,
        make: impl FnOnce(&Reading, &Found) -> Result<T, Fault>,
    ) -> Result<T> {
        let reading = &self.readings[stream].reading;
        let place = || self.place(index, stream);
        let row = self.rows.position(index);
        let (path, found) = match paths.embedded(&self.table, row) {
            Some((name, bytes)) => {
                let found = Blob::embedded(&name, bytes).map(Found::One);
                (name, found)
            }
            None => {
                let path = paths.fill(&self.table, row);
                let path = path.map_err(|problem| Error::data(place(), problem))?;
                let found = self.store.find(&path, reading.members());
                (path, found)
            }
        };
        let made = found.map_err(Fault::File).and_then(|found| make(reading, &found));
        made.map_err(|fault| match fault {
            Fault::Program(error) => Error::plugin(error),
            Fault::File(fault) => Error::data(place(), fault),
            Fault::NoStream(problem) if self.readings[stream].optional => Error::Absent {
                location: place(),
                problem: FileFault::new(path, problem).to_string(),
            },
            Fault::NoStream(problem) | Fault::Media(problem) => {
                Error::data(place(), FileFault::new(path, problem))
            }
        })
    }

    /// What is said of a stream that no sample has.
    fn nowhere(&self, index: usize, stream: usize) -> Error {
        Error::Absent {
            location: self.place(index, stream),
            problem: "is in none of the files that were named".into(),
        }
    }

    /// The array of a sample.
    fn array(&self, (index, stream): (usize, usize), cells: &ArrayCells) -> Result<Array> {
        let array = cells.read(&self.table, self.rows.position(index));
        array.map_err(|fault| match fault {
            Fault::Program(error) => Error::plugin(error),
            Fault::File(fault) => Error::data(self.place(index, stream), fault),
            Fault::NoStream(problem) | Fault::Media(problem) => {
                Error::data(self.place(index, stream), problem)
            }
        })
    }
}

impl Source for Opened {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn label_kind(&self) -> LabelKind {
        self.labels
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn columns(&self, stream: usize) -> Option<Vec<String>> {
        match &self.readings[stream].origin {
            Origin::Array(cells) => cells.columns(&self.table),
            _ => None,
        }
    }

    fn further_labels(&self) -> &[FurtherLabel] {
        &self.further_labels
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn sample(&self, index: usize) -> Sample {
        Sample {
            id: self.rows.id(&self.table, index),
            label: self.rows.labels().get(index),
            group: self.rows.group(&self.table, index).map(str::to_owned),
            partition: self.rows.partition(index),
        }
    }

    fn has(&self, index: usize, stream: usize) -> bool {
        let (stream, row) = (&self.readings[stream], self.rows.position(index));
        !stream.optional
            || match &stream.origin {
                Origin::Files(paths) => paths.is_filled(&self.table, row),
                Origin::Text(column) => !self.table.value(row, *column).is_empty(),
                Origin::Array(cells) => cells.is_filled(&self.table, row),
                Origin::Nowhere => false,
            }
    }

    fn may_lack(&self, stream: usize) -> bool {
        let OpenedStream { origin, optional, .. } = &self.readings[stream];
        *optional && matches!(origin, Origin::Files(_))
    }

    fn is_direct(&self, stream: usize) -> bool {
        matches!(
            self.readings[stream].origin,
            Origin::Array(ArrayCells::Row { .. })
        )
    }

    fn read(&self, index: usize, stream: usize) -> Result<Media> {
        match &self.readings[stream].origin {
            Origin::Files(paths) => self.with_files((index, stream), paths, Reading::decode),
            Origin::Text(column) => {
                let text = self.table.value(self.rows.position(index), *column);
                Ok(Media::Text(text.to_owned()))
            }
            Origin::Array(cells) => self.array((index, stream), cells).map(Media::Array),
            Origin::Nowhere => Err(self.nowhere(index, stream)),
        }
    }

    fn fingerprint(&self, index: usize, stream: usize) -> Result<String> {
        let paths = match &self.readings[stream].origin {
            Origin::Files(paths) => paths,
            Origin::Nowhere => return Err(self.nowhere(index, stream)),
            Origin::Text(column) => {
                let text = self.table.value(self.rows.position(index), *column);
                let hash = blake3::hash(text.as_bytes());
                return Ok(format!("manifest {VERSION} cell {}", hash.to_hex()));
            }
            Origin::Array(cells) => {
                let array = self.array((index, stream), cells)?;
                let mut hasher = blake3::Hasher::new();
                for value in array.values() {
                    hasher.update(&value.to_le_bytes());
                }
                let hash = hasher.finalize();
                return Ok(format!(
                    "manifest {VERSION} array {:?} {}",
                    array.shape(),
                    hash.to_hex()
                ));
            }
        };
        self.with_files((index, stream), paths, |reading, found| {
            let mut hasher = blake3::Hasher::new();
            let mut program = "";
            for blob in reading.chosen(found) {
                // Lengths keep the files of two sequences from hashing alike; names do not matter, kinds do.
                hasher.update(&blob.length().to_le_bytes());
                hasher.update(blob.extension().as_bytes());
                blob.hash(&mut hasher)?;
                program = reading.program(blob)?;
            }
            let Reading {
                media,
                max_frames,
                depth,
                limit: _,
            } = reading;
            Ok(format!(
                "manifest {VERSION} {media:?} {max_frames:?} {depth:?} {} {program}",
                hasher.finalize().to_hex()
            ))
        })
    }

    fn on_bad_sample(&self) -> OnBadSample {
        self.on_bad
    }

    fn left_out(&self) -> &[Error] {
        &self.left_out
    }
}
