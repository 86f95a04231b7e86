//! The dataset kind `utd-mhad`.

mod index;

use std::path::PathBuf;

use gblend_core::media::{DepthMaps, SequenceShape};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::{
    Array, Dataset, Error, Media, MediaKind, OpenContext, Partition, Result, Sample, Source, Stream, typetag,
};

use crate::matlab::{self, Matrix};
use index::{Entry, read_actions, read_index};

/// UTD-MHAD: 27 actions of 8 people, as depth videos, inertial recordings and skeletons. Chen, Jafari and Kehtarnavaz,
/// ICIP 2015.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields)]
#[schemars(crate = "gblend_core::schemars")]
pub struct UtdMhad {
    /// Folder with `index.csv`, `actions.txt`, and the folders `Depth`, `Inertial` and `Skeleton` of `.mat` files.
    pub folder: PathBuf,
    /// Numbers of the actions to tell apart, 1 to 27. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<usize>>,
}

/// A stream's name, media, folder, file ending and variable.
struct Kind {
    name: &'static str,
    media: MediaKind,
    folder: &'static str,
    variable: &'static str,
}

const DEPTH: Kind = Kind {
    name: "depth",
    media: MediaKind::Depth,
    folder: "Depth",
    variable: "d_depth",
};
const INERTIAL: Kind = Kind {
    name: "inertial",
    media: MediaKind::Array,
    folder: "Inertial",
    variable: "d_iner",
};
const SKELETON: Kind = Kind {
    name: "skeleton",
    media: MediaKind::Array,
    folder: "Skeleton",
    variable: "d_skel",
};
const KINDS: [Kind; 3] = [DEPTH, INERTIAL, SKELETON];

#[typetag::serde(name = "utd-mhad")]
impl Dataset for UtdMhad {
    fn open(&self, cx: &OpenContext<'_>) -> Result<Box<dyn Source>> {
        let folder = cx.base.join(&self.folder);
        let names = read_actions(&folder.join("actions.txt"))?;
        let chosen = match &self.actions {
            None => (1..=names.len()).collect(),
            Some(chosen) => {
                let known = |action: &usize| (1..=names.len()).contains(action);
                let mut sorted = chosen.clone();
                sorted.sort_unstable();
                sorted.dedup();
                if sorted.len() != chosen.len() || chosen.len() < 2 || !chosen.iter().all(known) {
                    let expected = format!("at least two different numbers from 1 to {}", names.len());
                    return Err(Error::setting("actions", format!("{chosen:?}"), expected));
                }
                sorted
            }
        };
        let mut entries = read_index(&folder.join("index.csv"), names.len())?;
        entries.retain(|entry| chosen.contains(&entry.action));
        let labels = entries
            .iter()
            .filter_map(|entry| chosen.iter().position(|&action| action == entry.action))
            .collect();
        Ok(Box::new(Opened {
            folder,
            classes: chosen.iter().map(|&action| names[action - 1].clone()).collect(),
            streams: KINDS
                .iter()
                .map(|kind| Stream {
                    name: kind.name.to_owned(),
                    media: kind.media,
                })
                .collect(),
            entries,
            labels,
        }))
    }
}

gblend_core::register!(Data, "utd-mhad" => UtdMhad);

struct Opened {
    folder: PathBuf,
    classes: Vec<String>,
    streams: Vec<Stream>,
    entries: Vec<Entry>,
    labels: Vec<usize>,
}

impl Opened {
    fn path(&self, index: usize, stream: usize) -> PathBuf {
        let kind = &KINDS[stream];
        let file = format!("{}_{}.mat", self.entries[index].name(), kind.name);
        self.folder.join(kind.folder).join(file)
    }
}

impl Source for Opened {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn sample(&self, index: usize) -> Sample {
        let entry = &self.entries[index];
        Sample {
            id: entry.name(),
            label: self.labels[index].into(),
            group: Some(format!("subject {}", entry.subject)),
            // The usual cross-subject protocol; validation samples are taken from whole training subjects.
            partition: if entry.test {
                Partition::Test
            } else {
                Partition::Train
            },
        }
    }

    fn read(&self, index: usize, stream: usize) -> Result<Media> {
        let path = self.path(index, stream);
        let kind = &KINDS[stream];
        let matrix = matlab::read(&path, kind.variable)?;
        let media = match (kind.media, matrix.shape.len()) {
            (MediaKind::Depth, 3) => depth(&matrix),
            (_, 2) => inertial(&matrix),
            (_, 3) => skeleton(&matrix),
            _ => Err(Error::shape(kind.variable, "2 axes or 3", &*matrix.shape)),
        };
        media.map_err(|error| Error::data(path.display(), error))
    }

    fn fingerprint(&self, index: usize, stream: usize) -> Result<String> {
        let path = self.path(index, stream);
        let gone = |error: std::io::Error| Error::data(path.display(), format!("cannot be read: {error}"));
        let metadata = path.metadata().map_err(gone)?;
        let written = metadata.modified().map_err(gone)?;
        Ok(format!(
            "utd-mhad 1 {} {} {written:?}",
            path.display(),
            metadata.len()
        ))
    }
}

/// `[height, width, frames]` in millimeters, column-major, to frames in meters.
fn depth(matrix: &Matrix) -> Result<Media> {
    let [height, width, frames] = [matrix.shape[0], matrix.shape[1], matrix.shape[2]];
    let shape = SequenceShape {
        frames,
        height,
        width,
        channels: 1,
    };
    let mut meters = Vec::with_capacity(matrix.values.len());
    for frame in matrix.values.chunks_exact((height * width).max(1)) {
        for row in 0..height {
            meters.extend(
                frame
                    .iter()
                    .skip(row)
                    .step_by(height)
                    .map(|millimeters| millimeters / 1000.0),
            );
        }
    }
    DepthMaps::new(shape, meters).map(Media::Depth)
}

/// `[time, channels]`, column-major, to `[time, channels]`, row-major.
fn inertial(matrix: &Matrix) -> Result<Media> {
    let [time, channels] = [matrix.shape[0], matrix.shape[1]];
    let values = (0..time * channels)
        .map(|position| matrix.values[position % channels * time + position / channels])
        .collect();
    Array::new([time, channels], values).map(Media::Array)
}

/// `[joints, axes, time]`, column-major, which is `[time, axes × joints]`, row-major.
fn skeleton(matrix: &Matrix) -> Result<Media> {
    let [joints, axes, time] = [matrix.shape[0], matrix.shape[1], matrix.shape[2]];
    Array::new([time, axes * joints], matrix.values.clone()).map(Media::Array)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn columns_become_rows() {
        let matrix = Matrix {
            shape: vec![2, 3],
            values: vec![1.0, 2.0, 10.0, 20.0, 100.0, 200.0],
        };
        let Media::Array(array) = inertial(&matrix).unwrap() else {
            unreachable!()
        };
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array.values(), [1.0, 10.0, 100.0, 2.0, 20.0, 200.0]);
    }

    #[test]
    fn depth_is_in_meters_row_by_row() {
        let matrix = Matrix {
            shape: vec![2, 2, 2],
            values: vec![0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0, 7000.0],
        };
        let Media::Depth(maps) = depth(&matrix).unwrap() else {
            unreachable!()
        };
        assert_eq!(maps.meters(), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}
