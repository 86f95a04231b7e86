//! A dataset as a folder of ordinary files, which the dataset `manifest` reads.
//!
//! ```text
//! DIR/STREAM/SAMPLE/0001.png, .flo   frames and depth, optical flow
//! DIR/STREAM/SAMPLE.wav, .npy        sound, arrays
//! DIR/README.md, DIR/config.toml
//! DIR/samples.csv                    written last: without it, nothing takes the folder for a dataset
//! ```
//!
//! Rows are in the order of the dataset and keep its ids, classes, groups and partitions. The splits of a run
//! depend on these and on its seed alone, so the same seed trains, holds out, validates and tests on the same
//! samples as it does on the dataset itself. Media come back as they were, to the bit, but for depth, which is
//! rounded to the unit of its pictures; a prepared sample, and with it a run without depth, is the same too.

mod base64;
mod encode;
mod names;
mod thumbnail;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use gblend_core::{
    Error as CoreError, FurtherLabel, Label, LabelKind, Media, MediaKind, OnBadSample, Partition, Sample,
    Source, Stream,
};
use rayon::prelude::*;

use super::manifest::{BadSample, LabelColumn, Manifest, MediaName, Split, StreamSettings};
use super::skipped::too_many_skipped;
use crate::error::{Error, Result};
use crate::files::write_whole;
pub use base64::base64;
use encode::{Encoded, depth_units, encode};
use names::file_names;
pub use thumbnail::{picture, small_picture, small_picture_of_values};

/// Name of the table.
const TABLE: &str = "samples.csv";

/// A dataset whose files can be named, not yet written.
pub struct Export<'a> {
    source: &'a dyn Source,
    samples: Vec<Sample>,
    /// Names of files, one per sample.
    names: Vec<String>,
    streams: Vec<ExportedStream<'a>>,
    /// Between the classes of a sample that may have several.
    separator: Option<&'static str>,
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// Samples in the table.
    pub samples: usize,
    /// What is wrong with those that are not, where the dataset says that such are skipped.
    pub skipped: Vec<CoreError>,
}

struct ExportedStream<'a> {
    stream: &'a Stream,
    folder: String,
    media: MediaName,
    /// Whether samples lack it.
    optional: bool,
    /// Units of a depth picture per meter.
    units: u32,
}

impl<'a> Export<'a> {
    /// Looks at a dataset: at the ids, classes and groups of its samples, and at every depth, because the largest
    /// decides the unit.
    ///
    /// # Errors
    /// [`Error::Core`] if a sample cannot be read and such are not skipped, a table cannot hold what identifies it, or a stream has media
    /// without a file format.
    pub fn new(source: &'a dyn Source) -> Result<Self> {
        let samples: Vec<Sample> = (0..source.len()).map(|index| source.sample(index)).collect();
        for class in source.classes() {
            check_cell("a class", class)?;
        }
        let grouped = samples.iter().filter(|sample| sample.group.is_some()).count();
        for sample in &samples {
            check_cell("a sample's id", &sample.id)?;
            if let Some(group) = &sample.group {
                check_cell("a group", group)?;
            } else if grouped > 0 {
                let problem = "found no group, expected one, as others have";
                return Err(CoreError::data(format!("sample {}", sample.id), problem).into());
            }
        }
        let folders = file_names(source.streams().iter().map(|s| s.name.clone()).collect());
        let streams = source.streams().iter().zip(folders).enumerate();
        let streams = streams.map(|(index, (stream, folder))| {
            let units = match stream.media {
                MediaKind::Depth => units_of(source, index)?,
                _ => 1,
            };
            let media = match stream.media {
                MediaKind::Frames => MediaName::Frames,
                MediaKind::Flow => MediaName::Flow,
                MediaKind::Depth => MediaName::Depth,
                MediaKind::Waveform => MediaName::Waveform,
                MediaKind::Array => MediaName::Array,
                MediaKind::Text => MediaName::Text,
                other => {
                    let problem = format!("no file format is known for {other}");
                    return Err(CoreError::data(format!("stream {}", stream.name), problem).into());
                }
            };
            Ok(ExportedStream {
                stream,
                folder,
                media,
                optional: source.may_lack(index)
                    || (0..source.len()).any(|sample| !source.has(sample, index)),
                units,
            })
        });
        Ok(Self {
            separator: separator(source)?,
            names: file_names(samples.iter().map(|sample| sample.id.clone()).collect()),
            streams: streams.collect::<Result<_>>()?,
            source,
            samples,
        })
    }

    /// The settings with which the dataset `manifest` reads what is written.
    pub fn manifest(&self) -> Manifest {
        let streams = self.streams.iter().map(|one| {
            let depth = one.media == MediaName::Depth;
            // A column of texts would be the texts themselves.
            let column = one.column();
            let path = (one.media == MediaName::Text).then(|| format!("{{{column}}}"));
            let settings = StreamSettings {
                column: Some(column).filter(|_| path.is_none()),
                path,
                optional: one.optional,
                depth_scale: depth.then_some(f64::from(one.units)),
                ..StreamSettings::of(one.media)
            };
            (one.stream.name.clone(), settings)
        });
        let classes = match self.source.label_kind() {
            LabelKind::Number => None,
            _ => Some(self.source.classes()).filter(|classes| !classes.is_empty()),
        };
        let has_labels = classes.is_some() || self.source.label_kind() == LabelKind::Number;
        Manifest {
            table: Some(PathBuf::from(TABLE)),
            root: None,
            follow_links: false,
            shards: Vec::new(),
            id: Some("id".into()),
            label: has_labels.then(|| "label".to_owned()),
            label_separator: self.separator.map(str::to_owned),
            label_kind: match self.source.label_kind() {
                LabelKind::Number => LabelColumn::Number,
                _ => LabelColumn::Class,
            },
            classes: classes.map(<[String]>::to_vec),
            split: Split::Column("split".into()),
            group: self.has_groups().then(|| "group".into()),
            further_labels: self.further_labels().map(|label| label.name.clone()).collect(),
            samples_per_class: None,
            on_bad_sample: match self.source.on_bad_sample() {
                OnBadSample::Skip => BadSample::Skip,
                OnBadSample::Error => BadSample::Error,
            },
            seed: 0,
            streams: streams.collect::<BTreeMap<_, _>>(),
        }
    }

    /// Writes the media, then `config` as `config.toml`, and the table last. The folder must be there, and empty.
    ///
    /// # Errors
    /// [`Error::Core`] if a sample cannot be read, unless the dataset says that such are skipped, if too many cannot, or if media
    /// cannot be written without a loss; [`Error::Write`].
    pub fn write(
        &self,
        folder: &Path,
        config: &str,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Written> {
        for stream in &self.streams {
            make(&folder.join(&stream.folder))?;
        }
        let done = AtomicUsize::new(0);
        let rows = (0..self.samples.len()).into_par_iter().map(|index| {
            let row = match self.read_sample(index) {
                Ok(media) => Ok(self.write_sample(folder, index, media)?),
                Err(fault) => Err(own_fault(self.source, fault)?),
            };
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, self.samples.len());
            Ok::<_, Error>(row)
        });
        let (mut written, mut skipped, mut dropped) = (Vec::new(), Vec::new(), BTreeSet::new());
        let rows = rows.collect::<Result<Vec<_>>>()?;
        for (index, (sample, row)) in self.samples.iter().zip(rows).enumerate() {
            match row {
                Ok(paths) => written.push((sample, paths)),
                Err(fault) => {
                    skipped.push(fault);
                    dropped.insert(index);
                }
            }
        }
        let first = self.source.left_out().iter().chain(&skipped).next();
        if let Some(majority) = first.and_then(|first| too_many_skipped(self.source, &dropped, first)) {
            return Err(majority.into());
        }
        let table = self.table(&written)?;
        write_whole(&folder.join("README.md"), self.readme(written.len()).as_bytes())?;
        write_whole(&folder.join("config.toml"), config.as_bytes())?;
        write_whole(&folder.join(TABLE), &table)?;
        Ok(Written {
            samples: written.len(),
            skipped,
        })
    }

    /// The media of a sample, stream by stream; none where it lacks one.
    fn read_sample(&self, index: usize) -> Result<Vec<Option<Media>>> {
        let streams = 0..self.streams.len();
        streams.map(|stream| read(self.source, index, stream)).collect()
    }

    /// Writes the media of a sample and returns their paths from the folder, empty where there are none.
    fn write_sample(&self, folder: &Path, index: usize, media: Vec<Option<Media>>) -> Result<Vec<String>> {
        let paths = media.into_iter().enumerate().map(|(stream, media)| match media {
            Some(media) => self.write_media(folder, (index, stream), &media),
            None => Ok(String::new()),
        });
        paths.collect()
    }

    fn write_media(&self, folder: &Path, (index, stream): (usize, usize), media: &Media) -> Result<String> {
        let exported = &self.streams[stream];
        let encoded = encode(media, exported.units)
            .map_err(|problem| CoreError::data(location(self.source, index, stream), problem))?;
        let path = format!("{}/{}", exported.folder, self.names[index]);
        match encoded {
            Encoded::File { extension, bytes } => {
                let path = format!("{path}.{extension}");
                write(&folder.join(&path), &bytes)?;
                Ok(path)
            }
            Encoded::Sequence { extension, files } => {
                let sequence = folder.join(&path);
                make(&sequence)?;
                for (number, bytes) in (1..).zip(&files) {
                    write(&sequence.join(format!("{number:04}.{extension}")), bytes)?;
                }
                Ok(path)
            }
        }
    }

    /// Labels beside the dataset's own whose names no other column of the table has.
    fn further_labels(&self) -> impl Iterator<Item = &FurtherLabel> {
        let columns: Vec<String> = self.streams.iter().map(ExportedStream::column).collect();
        self.source.further_labels().iter().filter(move |label| {
            let own = ["id", "label", "split", "group"].contains(&label.name.as_str());
            !own && !columns.contains(&label.name)
        })
    }

    fn has_groups(&self) -> bool {
        self.samples.iter().any(|sample| sample.group.is_some())
    }

    fn table(&self, rows: &[(&Sample, Vec<String>)]) -> Result<Vec<u8>> {
        let internal = |error: csv::Error| Error::Internal(error.to_string());
        let mut table = csv::Writer::from_writer(Vec::new());
        let mut header = vec!["id".to_owned(), "label".to_owned(), "split".to_owned()];
        header.extend(self.has_groups().then(|| "group".to_owned()));
        header.extend(self.streams.iter().map(ExportedStream::column));
        header.extend(self.further_labels().map(|label| label.name.clone()));
        table.write_record(header).map_err(internal)?;
        let samples = self.samples.iter().enumerate();
        let places: BTreeMap<&str, usize> = samples
            .map(|(place, sample)| (sample.id.as_str(), place))
            .collect();
        for (sample, paths) in rows {
            let split = match sample.partition {
                Partition::Train => "train",
                Partition::Validation => "validation",
                Partition::Test => "test",
            };
            if sample.label.is_missing() && self.separator.is_some() {
                let problem = "no label, which a table would read as a label without any class";
                return Err(CoreError::data(format!("sample {}", sample.id), problem).into());
            }
            let named = sample.label.classes().iter().map(|&class| {
                self.source
                    .classes()
                    .get(class)
                    .map(String::as_str)
                    .ok_or_else(|| {
                        let problem = format!("found the label {class}, expected that of a class");
                        CoreError::data(format!("sample {}", sample.id), problem)
                    })
            });
            let named = named.collect::<Result<Vec<&str>, _>>()?;
            let label = match sample.label {
                // As many digits as it takes to read the same number again.
                Label::Number(number) => number.to_string(),
                _ => named.join(self.separator.unwrap_or_default()),
            };
            let mut row = vec![sample.id.as_str(), &label, split];
            row.extend(sample.group.as_deref());
            row.extend(paths.iter().map(String::as_str));
            let place = places.get(sample.id.as_str()).copied();
            row.extend(self.further_labels().map(|label| {
                let class = place.and_then(|place| label.of_samples.get(place).copied().flatten());
                let name = class.and_then(|class| label.classes.get(class as usize));
                name.map_or("", String::as_str)
            }));
            table.write_record(row).map_err(internal)?;
        }
        table
            .into_inner()
            .map_err(|error| Error::Internal(error.to_string()))
    }

    fn readme(&self, samples: usize) -> String {
        let streams: String = self.streams.iter().map(ExportedStream::described).collect();
        format!(
            "# {samples} samples{}\n\n\
             Written by `gblend data export`. `{TABLE}` has a row for each sample: its id, its label, the split that \
             it is in, and where its files are. `config.toml` trains on them:\n\n\
             ```sh\ngblend train config.toml\n```\n\n\
             The same seed trains and tests on the same samples as on the dataset that was exported.\n\n\
             | folder | content | exactness |\n|---|---|---|\n{streams}",
            match self.source.label_kind() {
                LabelKind::Number => " with a number".to_owned(),
                _ => format!(" of {} classes", self.source.classes().len()),
            },
        )
    }
}

impl ExportedStream<'_> {
    /// The table's column with its paths.
    fn column(&self) -> String {
        format!("{}_path", self.folder)
    }

    /// A row of the table of streams.
    fn described(&self) -> String {
        let (content, exactness) = match self.media {
            MediaName::Frames => ("pictures in time order, 8-bit png", "exact".to_owned()),
            MediaName::Flow => (
                "optical flow in pixels per frame, Middlebury's .flo",
                "exact".to_owned(),
            ),
            MediaName::Depth => (
                "depth, 16-bit png, 0 where nothing was measured",
                format!("{} units per meter, rounded to the nearest", self.units),
            ),
            MediaName::Waveform => ("sound, wav of 32-bit floats, one channel", "exact".to_owned()),
            MediaName::Array => ("arrays of 32-bit floats, .npy", "exact".to_owned()),
            MediaName::Text => ("texts in UTF-8", "exact".to_owned()),
        };
        format!("| `{}` | {content} | {exactness} |\n", self.folder)
    }
}

/// What stands between the classes of a sample that may have several; none where each has one.
fn separator(source: &dyn Source) -> Result<Option<&'static str>> {
    if source.label_kind() != LabelKind::Classes {
        return Ok(None);
    }
    let free = [";", "|", "/"]
        .into_iter()
        .find(|separator| !source.classes().iter().any(|class| class.contains(separator)));
    free.map(Some).ok_or_else(|| {
        let problem = "found `;`, `|` and `/` in names of classes, expected one of them to be free to stand between \
                       the classes of a sample";
        CoreError::data("the dataset", problem).into()
    })
}

/// The finest unit that holds every depth of a stream.
fn units_of(source: &dyn Source, stream: usize) -> Result<u32> {
    let largest = (0..source.len()).into_par_iter().map(|index| -> Result<f32> {
        let media = match read(source, index, stream) {
            Ok(media) => media,
            // Told when it is written.
            Err(fault) => return own_fault(source, fault).map(|_| 0.0),
        };
        let Some(Media::Depth(maps)) = media else {
            return Ok(0.0);
        };
        Ok(maps.meters().iter().copied().fold(0.0, f32::max))
    });
    let largest = largest.try_reduce(|| 0.0, |a, b| Ok(a.max(b)))?;
    let location = || format!("stream {}", source.streams()[stream].name);
    depth_units(largest).map_err(|problem| CoreError::data(location(), problem).into())
}

/// One stream of a sample; `None` if the sample lacks it, as the table says or the file itself.
fn read(source: &dyn Source, index: usize, stream: usize) -> Result<Option<Media>> {
    if !source.has(index, stream) {
        return Ok(None);
    }
    let media = match source.read(index, stream) {
        Err(CoreError::Absent { .. }) => return Ok(None),
        media => media?,
    };
    let expected = source.streams()[stream].media;
    if media.kind() == expected {
        return Ok(Some(media));
    }
    let problem = format!(
        "found {}, expected {expected} as in the whole stream",
        media.kind()
    );
    Err(CoreError::data(location(source, index, stream), problem).into())
}

/// What is wrong with a sample that is skipped for it, as the dataset says; any other error ends the export.
fn own_fault(source: &dyn Source, error: Error) -> Result<CoreError> {
    match error {
        Error::Core(fault @ CoreError::Data { .. }) if source.on_bad_sample() == OnBadSample::Skip => {
            Ok(fault)
        }
        other => Err(other),
    }
}

fn location(source: &dyn Source, index: usize, stream: usize) -> String {
    format!(
        "sample {}, stream {}",
        source.sample(index).id,
        source.streams()[stream].name
    )
}

/// Readers of tables take the white space around a value away.
fn check_cell(what: &str, value: &str) -> Result<()> {
    if !value.is_empty() && value.trim() == value {
        return Ok(());
    }
    let problem = "found it empty or with white space around it, which a table cannot hold; expected a name";
    Err(CoreError::data(format!("{what} `{value}`"), problem).into())
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder).map_err(Error::write(folder))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(Error::write(path))
}

#[cfg(test)]
mod tests;
