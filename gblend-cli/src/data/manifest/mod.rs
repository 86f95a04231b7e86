//! `manifest`: a table of samples, over ordinary files or with the media in it.
//!
//! ```text
//! table ──► rows ──► samples (id, label, group, partition)      rows.rs, partition.rs
//!             │
//!             ├► cells ──► texts, arrays, rows of one file        arrays/
//!             │
//!             └► paths ──► files of a folder, members of shards   folder.rs, shards.rs
//!                             │
//!                             └► media                            decode/
//! ```
//!
//! Nothing here trusts its input: paths stay inside the root, sizes are checked against files, and a sample
//! that cannot be read is an error or a counted skip, never a silent blank.

pub(crate) mod arrays;
mod blob;
#[cfg(test)]
mod clips;
mod compressed;
pub(crate) mod decode;
mod folder;
mod further;
mod hidden;
mod label_names;
mod misspelled;
mod opened;
mod order;
mod partition;
mod rows;
mod shards;
mod sniff;
mod spread;
pub mod survey;
mod table;
mod template;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transparent;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gblend_core::media::MediaKind;
use gblend_core::{
    Dataset, Error, Further, FurtherLabel, FurtherSource, LabelKind, OnBadSample, OpenContext, Result, Seed,
    Source,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use arrays::{ArrayCells, ColumnNames, RowFile};
use blob::Found;
use decode::depth_image::DepthConvention;
use decode::{Fault, Reading};
use folder::Folder;
use opened::{Opened, OpenedStream, Origin, Store};
use rows::Columns;
use shards::Shards;
use table::{Nested, Table};
use template::Template;

/// Your own files, listed in a table: pictures, frame folders, video, sound, depth, optical flow, arrays, texts.
///
/// The table is a CSV file with a header line, JSON Lines, or Parquet. Each row is a sample; columns name its label,
/// its split and its files. Video, the sound of a video, and sound of less usual kinds are decoded by the program `ffmpeg`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The table: a `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.parquet` file, the last compressed with snappy, zstd or not at all.
    /// Null, and in Parquet what is not a number (NaN), is an empty cell. Without one, the shards' own members `KEY.cls`, `KEY.txt`
    /// and `KEY.json` are the table, with the columns `cls`, `txt`, the keys of the JSON objects, `__key__` and
    /// `__shard__`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<PathBuf>,
    /// The folder that paths start from, and that they must not leave. Default: the table's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Whether links in that folder may lead out of it, as on clusters where data lie elsewhere. Paths of the table stay
    /// inside either way; whoever writes links decides what is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow_links: bool,
    /// WebDataset shards: tar files in which paths are looked up in place of a folder. They are read where they
    /// lie and never unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<PathBuf>,
    /// Column with a name for each sample that no other has. Default: the number of the row, from 1, or the key
    /// in the shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Column with the class, or the number. A sample whose cell is empty has no label: heads that need one do not learn
    /// from it, and if every head does it is left out, and counted. Where all labels are numbers, NaN is an empty cell. One
    /// number written in two ways, such as `1` and `1.0`, is an error, unless `classes` names the classes.
    pub label: String,
    /// What a label is.
    #[serde(default, skip_serializing_if = "LabelColumn::is_class")]
    pub label_kind: LabelColumn,
    /// What stands between the classes of a sample that may have any number of them, such as ";"; in JSON Lines and
    /// Parquet they may be a list. An empty cell is a sample with none. Each class is then learned for itself. Default: exactly one
    /// class for each sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_separator: Option<String>,
    /// The classes that there are, in order. Default: those of the table, in natural order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Where a sample belongs: a column that says `train`, `validation` (or `val`, `valid`, `dev`) or `test`, or
    /// shares that are drawn, as in `{ test = 0.2, validation = 0.1 }`.
    pub split: Split,
    /// Column of what must not be divided, such as a speaker: samples with the same value stay in one split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Columns with further classes of samples, which no head is asked for: what `gblend evaluate --feature-space` reads out of
    /// features, and what may say which samples are the same to an objective that compares them. An empty cell is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_labels: Vec<String>,
    /// Samples to use of each class in each split, the first ones. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_class: Option<usize>,
    /// What becomes of a sample that cannot be used: its file is missing or damaged, its label is unknown, its name
    /// is another's. `gblend check` tells of which kinds there are, and with `--all` of every one.
    #[serde(default)]
    pub on_bad_sample: BadSample,
    /// Seed of drawn splits. It does not depend on the seed of the run, so runs with different seeds are tested
    /// on the same samples.
    #[serde(default)]
    pub seed: u64,
    /// The media of a sample, by the name that a modality may ask for with `source = "…"`.
    pub streams: BTreeMap<String, StreamSettings>,
}

/// What a label is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LabelColumn {
    /// The name of a class, or with `label_separator` of several.
    #[default]
    Class,
    /// A number, for regression.
    Number,
}

impl LabelColumn {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference.
    fn is_class(&self) -> bool {
        *self == Self::Class
    }
}

/// Where a sample belongs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected the name of a column, or shares as in `{ test = 0.2 }`"
)]
pub enum Split {
    /// The name of a column.
    Column(String),
    /// Shares of the samples, class by class, or of the groups.
    Shares(DrawnSplit),
}

/// Shares of the samples that are drawn; the others are for training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnSplit {
    /// For the final evaluation, below 1; 0 for a run that is not tested.
    pub test: f64,
    /// For model selection, of what the test leaves. Default: none is drawn here, and `run.validation` decides.
    #[serde(default)]
    pub validation: f64,
}

impl DrawnSplit {
    /// Of samples that are in no split.
    const NONE: Self = Self {
        test: 0.0,
        validation: 0.0,
    };
}

/// What becomes of a sample that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BadSample {
    /// The run ends before it begins.
    #[default]
    Error,
    /// The run goes on without it, and says how many it lacks. If more than half of the samples of a split cannot be used,
    /// it ends before it begins all the same.
    Skip,
}

/// One stream of media.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// Column with the path of the file or folder, or in Parquet with the bytes of the file, alone or as Hugging Face's
    /// `datasets` writes them (`{bytes, path}`); of `text`, with the text itself; of `array`, also with a list of numbers, or
    /// a list of lists that are equally long, as Parquet and JSON have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The path itself, with names of columns in braces, as in `clips/{id}.mp4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of `array`, columns with a number each: a pattern such as `"v1_*"`, or a list of names and patterns. A pattern never
    /// stands for the columns of the label, id, split and group. An empty cell, and what is not a number (NaN), is a missing
    /// value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ColumnNames>,
    /// Of these `columns`, those whose cells are names of categories, texts or numbers: a list of names, or a pattern. They are
    /// for modality `vector`, which learns from the training samples which categories there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<ColumnNames>,
    /// Of `array`, the path of one file for all samples, with a row for each: `.npy`, `.npz` or `.safetensors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Column with the row of a sample in `file`, from 0. Default: the first row of the table has the first row of the file,
    /// and so on; there must be equally many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The array's name in `file`, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the files hold.
    pub media: MediaName,
    /// Whether samples may lack it: those whose cell, or one that the path names, is empty, and those whose video has no sound
    /// track. A file that is named and not there is still an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Frames to take of longer sequences, evenly spread. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_frames: Option<usize>,
    /// Units of a depth picture per meter. Default: 1000, as sensors that store millimeters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth_scale: Option<f64>,
    /// The dataset whose depth pictures these are like, in place of `depth_scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth_format: Option<DepthFormat>,
    /// MiB that the decoded media of one sample may take; a file that would take more is refused.
    #[serde(default = "default_max_mib")]
    pub max_mib: usize,
}

/// What files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaName {
    /// A png, jpeg, webp, tiff or bmp, a folder of them in natural order, or a video: whatever `ffmpeg` decodes that is one file (mp4, mov, avi,
    /// mpg, mkv, webm, flv, wmv, 3gp, ts, …), by its content.
    Frames,
    /// Sound: wav, flac, mp3, ogg vorbis, other sounds that `ffmpeg` decodes (m4a, aac, opus, wma, aiff, …), by their content, or
    /// the first sound track of a video.
    Waveform,
    /// A 16-bit gray png or pgm, or a folder of them; 0 where nothing was measured.
    Depth,
    /// Optical flow: a `.flo` file, or a folder of them.
    Flow,
    /// Numbers: a `.npy` file for each sample, columns or lists of the table, or rows of a file for all samples.
    Array,
    /// A text: that of a column, or a file of UTF-8 with a path.
    Text,
}

/// Datasets whose depth pictures need more than a number of units per meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DepthFormat {
    /// The TUM RGB-D benchmark: 5000 units per meter.
    Tum,
    /// SUN RGB-D: millimeters, their bits rotated.
    Sun,
    /// The raw frames of NYU Depth v2: disparities of the Kinect.
    Nyu,
}

impl DepthFormat {
    fn convention(self) -> DepthConvention {
        match self {
            Self::Tum => DepthConvention::Tum,
            Self::Sun => DepthConvention::Sun,
            Self::Nyu => DepthConvention::Nyu,
        }
    }
}

impl MediaName {
    fn kind(self) -> MediaKind {
        match self {
            Self::Frames => MediaKind::Frames,
            Self::Waveform => MediaKind::Waveform,
            Self::Depth => MediaKind::Depth,
            Self::Flow => MediaKind::Flow,
            Self::Array => MediaKind::Array,
            Self::Text => MediaKind::Text,
        }
    }
}

fn default_max_mib() -> usize {
    1024
}

#[typetag::serde(name = "manifest")]
impl Dataset for Manifest {
    fn open(&self, cx: &OpenContext<'_>) -> Result<Box<dyn Source>> {
        self.check()?;
        let mut problems = Vec::new();
        let table_path = self.table.as_ref().map(|path| cx.base.join(path));
        let shards: Vec<PathBuf> = self.shards.iter().map(|path| cx.base.join(path)).collect();
        let (store, own_table) = if shards.is_empty() {
            (Store::Folder(self.folder(cx.base, table_path.as_deref())?), None)
        } else {
            let shards = Shards::open(&shards, &mut problems)?;
            let table = match table_path {
                None => Some(shards.table()?),
                Some(_) => None,
            };
            (Store::Shards(shards), table)
        };
        let from_shards = own_table.is_some();
        let table = match (table_path, own_table) {
            (Some(path), _) => self.table(&path)?,
            // Nobody can say what columns there would be.
            (None, Some(table)) if table.len() == 0 && !problems.is_empty() => {
                return Err(problems.swap_remove(0));
            }
            (None, Some(table)) => table,
            (None, None) => return Err(missing_table()),
        };
        Ok(Box::new(self.opened(store, table, from_shards, problems)?))
    }

    fn has_test(&self) -> bool {
        !matches!(&self.split, Split::Shares(DrawnSplit { test, .. }) if *test == 0.0)
    }

    fn open_further(&self, further: &Further<'_>, cx: &OpenContext<'_>) -> Result<FurtherSource> {
        self.further(further, cx)
    }
}

gblend_core::register!(Data, "manifest" => Manifest);

fn missing_table() -> Error {
    Error::setting(
        "table",
        "nothing",
        "the path of a table, or `shards` that have their own",
    )
}

impl Manifest {
    /// One without a table, a label or a stream, which are still to be said.
    fn empty() -> Self {
        Self {
            table: None,
            root: None,
            follow_links: false,
            shards: Vec::new(),
            id: None,
            label: String::new(),
            label_kind: LabelColumn::Class,
            label_separator: None,
            classes: None,
            split: Split::Column(String::new()),
            group: None,
            further_labels: Vec::new(),
            samples_per_class: None,
            on_bad_sample: BadSample::Error,
            seed: 0,
            streams: BTreeMap::new(),
        }
    }

    /// A file of a table, whose columns these settings say what they may have in them.
    fn table(&self, path: &Path) -> Result<Table> {
        Table::read(
            path,
            Nested {
                labels: self.label_lists(),
                numbers: &self.number_lists(),
                files: &self.file_columns(),
            },
        )
    }

    /// The samples of a table; `problems` are those that were found before.
    fn opened(
        &self,
        store: Store,
        table: Table,
        from_shards: bool,
        mut problems: Vec<Error>,
    ) -> Result<Opened> {
        let columns = Columns::find(self, &table, from_shards)?;
        let further = self
            .further_labels
            .iter()
            .map(|name| table.column(name, "further_labels"));
        let further: Vec<usize> = further.collect::<Result<_>>()?;
        let mut taken = columns.taken();
        taken.extend(&further);
        let streams: Vec<OpenedStream> = self
            .streams
            .iter()
            .map(|(name, stream)| stream.open(name, &table, &taken, &store))
            .collect::<Result<_>>()?;
        streams
            .iter()
            .try_for_each(|stream| stream.check_spread(&table))?;
        let classes = rows::classes(self, &table, &columns);
        let mut rows = rows::read(self, &table, &columns, &classes, &mut problems)?;
        if let Split::Shares(shares) = &self.split {
            partition::draw(
                &mut rows,
                &table,
                *shares,
                Seed::new(self.seed).derive("manifest"),
            )?;
        }
        partition::check_groups(&rows, &table)?;
        if let Some(most) = self.samples_per_class {
            rows = partition::limit(&rows, most)?;
        }
        if rows.is_empty() && problems.is_empty() {
            return Err(Error::data("the table", "found no row, expected at least one"));
        }
        let further: Vec<FurtherLabel> = self
            .further_labels
            .iter()
            .zip(further)
            .map(|(name, column)| {
                let cells = (0..rows.len()).map(|sample| table.value(rows.position(sample), column));
                FurtherLabel::of_values(name, cells)
            })
            .collect();
        let opened = Opened::new(self, store, table, rows, classes, streams, problems);
        Ok(opened.with_further_labels(further))
    }

    fn on_bad(&self) -> OnBadSample {
        match self.on_bad_sample {
            BadSample::Error => OnBadSample::Error,
            BadSample::Skip => OnBadSample::Skip,
        }
    }

    fn labels(&self) -> LabelKind {
        match (self.label_kind, &self.label_separator) {
            (LabelColumn::Number, _) => LabelKind::Number,
            (LabelColumn::Class, None) => LabelKind::Class,
            (LabelColumn::Class, Some(_)) => LabelKind::Classes,
        }
    }

    /// The column whose cells may be lists of classes.
    fn label_lists(&self) -> Option<&str> {
        self.label_separator.as_ref().map(|_| self.label.as_str())
    }

    /// The columns whose cells may be lists of numbers.
    fn number_lists(&self) -> Vec<&str> {
        let arrays = self
            .streams
            .values()
            .filter(|stream| stream.media == MediaName::Array);
        arrays.filter_map(|stream| stream.column.as_deref()).collect()
    }

    /// The columns whose cells may be the bytes of files.
    fn file_columns(&self) -> Vec<&str> {
        let files = self
            .streams
            .values()
            .filter(|stream| stream.media != MediaName::Text);
        files.filter_map(|stream| stream.column.as_deref()).collect()
    }

    fn check(&self) -> Result<()> {
        if self.label_separator.as_ref().is_some_and(String::is_empty) {
            let expected = "at least one character, such as \";\"";
            return Err(Error::setting("label_separator", "\"\"", expected));
        }
        if self.label_kind == LabelColumn::Number
            && (self.label_separator.is_some() || self.classes.is_some())
        {
            let expected = "neither `classes` nor `label_separator` beside it: a number has none";
            return Err(Error::setting("data.label_kind", "\"number\"", expected));
        }
        if self.table.is_none() && self.shards.is_empty() {
            return Err(missing_table());
        }
        if self.root.is_some() && !self.shards.is_empty() {
            let expected = "no `root` beside `shards`: paths are looked up in the shards";
            return Err(Error::setting("root", "a folder", expected));
        }
        if self.streams.is_empty() {
            return Err(Error::setting("streams", "{}", "at least one stream"));
        }
        if self.samples_per_class == Some(0) {
            return Err(Error::setting("samples_per_class", 0, "at least 1"));
        }
        if let Split::Shares(DrawnSplit { test, validation }) = &self.split {
            if !(*test >= 0.0 && *test < 1.0) {
                return Err(Error::setting("split.test", test, "0 to below 1"));
            }
            if !(*validation >= 0.0 && *validation < 1.0) {
                return Err(Error::setting("split.validation", validation, "0 to below 1"));
            }
        }
        Ok(())
    }

    fn folder(&self, base: &Path, table: Option<&Path>) -> Result<Folder> {
        let root = match &self.root {
            Some(root) => base.join(root),
            None => match table.and_then(Path::parent) {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => base.to_owned(),
            },
        };
        Folder::open(&root, self.follow_links)
            .map_err(|error| Error::data(root.display(), format!("is no folder to read: {error}")))
    }
}

impl StreamSettings {
    /// A stream of this media whose path is still to be said.
    pub(super) fn of(media: MediaName) -> Self {
        Self {
            column: None,
            path: None,
            columns: None,
            categories: None,
            file: None,
            index: None,
            key: None,
            media,
            optional: false,
            max_frames: None,
            depth_scale: None,
            depth_format: None,
            max_mib: default_max_mib(),
        }
    }

    /// Where the media are: what exactly one of four keys says.
    fn origin(&self, name: &str, table: &Table, taken: &BTreeSet<usize>, store: &Store) -> Result<Origin> {
        let key = |setting: &str| format!("streams.{name}.{setting}");
        let is_array = self.media == MediaName::Array;
        let given = [
            ("column", self.column.is_some(), true),
            ("path", self.path.is_some(), true),
            ("columns", self.columns.is_some(), is_array),
            ("file", self.file.is_some(), is_array),
        ];
        let named: Vec<&str> = given
            .iter()
            .filter(|given| given.1)
            .map(|given| given.0)
            .collect();
        if named.len() != 1 {
            let found = match &named[..] {
                [] => "with none of them".to_owned(),
                several => format!("with {}", several.join(" and ")),
            };
            let may: Vec<&str> = given
                .iter()
                .filter(|given| given.2)
                .map(|given| given.0)
                .collect();
            let expected = format!("exactly one of: {}", may.join(", "));
            return Err(Error::setting(format!("streams.{name}"), found, expected));
        }
        for (setting, found) in [("columns", self.columns.is_some()), ("file", self.file.is_some())] {
            if found && !is_array {
                let expected = format!("none for {}, only for array", self.media.kind());
                return Err(Error::setting(key(setting), "given", expected));
            }
        }
        for (setting, value) in [("index", &self.index), ("key", &self.key)] {
            if let Some(value) = value
                && self.file.is_none()
            {
                let expected = "a `file` beside it, which it says more of";
                return Err(Error::setting(key(setting), format!("\"{value}\""), expected));
            }
        }
        if self.categories.is_some() && self.columns.is_none() {
            let expected = "`columns` beside it, some of which it names";
            return Err(Error::setting(key("categories"), "given", expected));
        }
        if let Some(column) = &self.column {
            let position = table.column(column, &key("column"))?;
            return Ok(match self.media {
                MediaName::Text => Origin::Text(position),
                MediaName::Array if table.has_lists(position) => Origin::Array(ArrayCells::List(position)),
                _ => Origin::Files(Template::column(position)),
            });
        }
        if let Some(columns) = &self.columns {
            let positions = columns.find(table, taken, &key("columns"))?;
            let columns = arrays::columns(table, &positions, self.categories.as_ref(), name)?;
            return Ok(Origin::Array(ArrayCells::Columns(columns)));
        }
        if let Some(file) = &self.file {
            return self.row_file(file, name, table, store).map(Origin::Array);
        }
        let path = self.path.as_deref().unwrap_or_default();
        Ok(Origin::Files(Template::parse(path, table, &key("path"))?))
    }

    /// The file that has the arrays of all samples.
    fn row_file(&self, path: &str, name: &str, table: &Table, store: &Store) -> Result<ArrayCells> {
        let place = || format!("stream {name}");
        let fault = |fault: Fault| match fault {
            Fault::Program(error) => Error::plugin(error),
            Fault::File(fault) => Error::data(place(), fault),
            Fault::NoStream(problem) | Fault::Media(problem) => Error::data(place(), problem),
        };
        let found = store.find(path, &[]).map_err(|error| fault(Fault::File(error)))?;
        let Found::One(blob) = found else {
            return Err(Error::data(
                place(),
                format!("{path}: found a folder, expected a file"),
            ));
        };
        let limit = self.max_mib.saturating_mul(1 << 20);
        let file = RowFile::open(blob, self.key.as_deref(), limit).map_err(fault)?;
        let setting = format!("streams.{name}.index");
        let index = self
            .index
            .as_ref()
            .map(|column| table.column(column, &setting))
            .transpose()?;
        if index.is_none() && file.rows() != table.len() {
            let expected = format!(
                "the column that has the row of each sample in {}: that has {} rows, the table {}",
                file.name(),
                file.rows(),
                table.len()
            );
            return Err(Error::setting(setting, "nothing", expected));
        }
        Ok(ArrayCells::Row { file, index })
    }

    fn open(
        &self,
        name: &str,
        table: &Table,
        taken: &BTreeSet<usize>,
        store: &Store,
    ) -> Result<OpenedStream> {
        let key = |setting: &str| format!("streams.{name}.{setting}");
        let media = self.media.kind();
        if let Some(scale) = self.depth_scale {
            if media != MediaKind::Depth {
                return Err(Error::setting(
                    key("depth_scale"),
                    scale,
                    format!("none for {media}"),
                ));
            }
            if !(scale.is_finite() && scale > 0.0) {
                return Err(Error::setting(
                    key("depth_scale"),
                    scale,
                    "a number of units above 0",
                ));
            }
        }
        if let Some(format) = self.depth_format
            && (media != MediaKind::Depth || self.depth_scale.is_some())
        {
            let expected = match self.depth_scale {
                Some(_) => "either `depth_format` or `depth_scale`".to_owned(),
                None => format!("none for {media}"),
            };
            return Err(Error::setting(
                key("depth_format"),
                format!("{format:?}"),
                expected,
            ));
        }
        match self.max_frames {
            Some(0) => return Err(Error::setting(key("max_frames"), 0, "at least 1")),
            Some(most) if matches!(media, MediaKind::Waveform | MediaKind::Array | MediaKind::Text) => {
                return Err(Error::setting(
                    key("max_frames"),
                    most,
                    format!("none for {media}"),
                ));
            }
            _ => {}
        }
        /// A TiB.
        const MOST: usize = 1 << 20;
        if !(1..=MOST).contains(&self.max_mib) {
            return Err(Error::setting(
                key("max_mib"),
                self.max_mib,
                format!("1 to {MOST}"),
            ));
        }
        Ok(OpenedStream {
            name: name.to_owned(),
            origin: self.origin(name, table, taken, store)?,
            optional: self.optional,
            reading: self.reading(),
        })
    }

    /// What is made of its files.
    fn reading(&self) -> Reading {
        Reading {
            media: self.media.kind(),
            max_frames: self.max_frames,
            depth: match self.depth_format {
                Some(format) => format.convention(),
                None => DepthConvention::Scaled(self.depth_scale.unwrap_or(1000.0)),
            },
            limit: self.max_mib.saturating_mul(1 << 20),
        }
    }
}
