//! What is in the media of a stream, by some of its samples.

use gblend_core::{Error, Media, Result, Source};
use gblend_modalities::frontend::frame_sampling::spread;

/// Samples of a stream that are looked at.
const LOOKED_AT: usize = 48;

/// What the media of a stream are like.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Numbers, as many for each sample.
    Vector {
        /// How many.
        columns: usize,
    },
    /// Measurements, so many at each step.
    Sequence {
        /// How many.
        features: usize,
        /// Steps of the shortest and of the longest sample that was looked at.
        steps: (usize, usize),
        /// Whether the steps are the second axis.
        transposed: bool,
    },
    /// Texts.
    Text {
        /// Bytes of the longest that was looked at.
        bytes: usize,
    },
    /// Pictures, or several of them for each sample.
    Pictures(Frames),
    /// Depth.
    Depth(Frames),
    /// Optical flow.
    Flow(Frames),
    /// Sound.
    Sound {
        /// The highest rate, in samples per second.
        sample_rate: u32,
        /// Seconds of the shortest and of the longest.
        seconds: (f64, f64),
    },
}

/// Extents of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Pixels of the middle one, and whether all have as many.
    pub height: usize,
    /// The same.
    pub width: usize,
    /// Whether all are of this size.
    pub alike: bool,
    /// Frames of the sample that has the fewest, and of that with the most.
    pub frames: (usize, usize),
}

/// What was seen of a stream.
pub(super) struct Seen {
    pub(super) content: Content,
    /// The samples that could not be read, of those that were looked at.
    pub(super) faults: Vec<Error>,
}

/// Looks at some samples of a stream.
///
/// # Errors
/// What is wrong with the first sample, if none can be read, or with what they are together.
pub(super) fn look(source: &dyn Source, stream: usize) -> Result<Seen> {
    let having: Vec<usize> = (0..source.len())
        .filter(|&index| source.has(index, stream))
        .collect();
    let mut media = Vec::new();
    let mut faults = Vec::new();
    for at in spread(having.len(), LOOKED_AT.min(having.len())) {
        match source.read(having[at], stream) {
            Ok(one) => media.push(one),
            Err(Error::Absent { .. }) => {}
            Err(error) => faults.push(error),
        }
    }
    match content(&source.streams()[stream].name, &media)? {
        Some(content) => Ok(Seen { content, faults }),
        None => Err(faults
            .into_iter()
            .next()
            .unwrap_or_else(|| Error::data(&source.streams()[stream].name, "no sample has it"))),
    }
}

fn content(name: &str, media: &[Media]) -> Result<Option<Content>> {
    let Some(first) = media.first() else {
        return Ok(None);
    };
    let content = match first {
        Media::Array(_) => arrays(name, media)?,
        Media::Text(_) => {
            let bytes = media.iter().map(|media| match media {
                Media::Text(text) => text.len(),
                _ => 0,
            });
            Content::Text {
                bytes: bytes.max().unwrap_or_default(),
            }
        }
        Media::Waveform(_) => {
            let sounds = media.iter().filter_map(|media| match media {
                Media::Waveform(sound) => Some((sound.sample_rate, sound.samples.len())),
                _ => None,
            });
            let seconds = sounds
                .clone()
                .map(|(rate, samples)| samples as f64 / f64::from(rate.max(1)));
            Content::Sound {
                sample_rate: sounds.map(|(rate, _)| rate).max().unwrap_or_default(),
                seconds: seconds.fold((f64::INFINITY, 0.0), |(least, most), one| {
                    (least.min(one), most.max(one))
                }),
            }
        }
        Media::Frames(_) => Content::Pictures(frames(media)),
        Media::Depth(_) => Content::Depth(frames(media)),
        Media::Flow(_) => Content::Flow(frames(media)),
    };
    Ok(Some(content))
}

fn frames(media: &[Media]) -> Frames {
    let shapes = media.iter().filter_map(|media| match media {
        Media::Frames(frames) => Some(frames.shape()),
        Media::Depth(maps) => Some(maps.shape()),
        Media::Flow(fields) => Some(fields.shape()),
        _ => None,
    });
    let shapes: Vec<_> = shapes.collect();
    let middle = |values: &mut Vec<usize>| {
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let height = middle(&mut shapes.iter().map(|shape| shape.height).collect());
    let width = middle(&mut shapes.iter().map(|shape| shape.width).collect());
    let counts = shapes.iter().map(|shape| shape.frames);
    Frames {
        height,
        width,
        alike: shapes
            .iter()
            .all(|shape| (shape.height, shape.width) == (height, width)),
        frames: range(counts),
    }
}

fn range(values: impl Iterator<Item = usize> + Clone) -> (usize, usize) {
    (
        values.clone().min().unwrap_or_default(),
        values.max().unwrap_or_default(),
    )
}

/// Vectors, if all have as many numbers along one axis, the last; sequences otherwise, also of one feature, `[steps, 1]`.
fn arrays(name: &str, media: &[Media]) -> Result<Content> {
    let shapes = media.iter().filter_map(|media| match media {
        Media::Array(array) => Some(array.shape()),
        _ => None,
    });
    // NumPy has features of one sample as [1, columns] as often as not.
    let flat = |shape: &[usize]| shape.iter().rev().skip(1).all(|&extent| extent == 1);
    let lengths = range(shapes.clone().map(|shape| shape.iter().product()));
    if shapes.clone().all(flat) && lengths.0 == lengths.1 {
        return Ok(Content::Vector { columns: lengths.0 });
    }
    if shapes.clone().all(|shape| matches!(shape, [_] | [_, 1])) {
        return Ok(Content::Sequence {
            features: 1,
            steps: lengths,
            transposed: false,
        });
    }
    if let Some(odd) = shapes.clone().find(|shape| shape.len() != 2) {
        let problem = format!("has arrays of shape {odd:?}, expected [features] or [steps, features]");
        return Err(Error::data(name, problem));
    }
    let (rows, columns) = (
        range(shapes.clone().map(|shape| shape[0])),
        range(shapes.map(|shape| shape[1])),
    );
    match (rows.0 == rows.1, columns.0 == columns.1) {
        (_, true) => Ok(Content::Sequence {
            features: columns.0,
            steps: rows,
            transposed: false,
        }),
        (true, false) => Ok(Content::Sequence {
            features: rows.0,
            steps: columns,
            transposed: true,
        }),
        (false, false) => {
            let problem = format!(
                "has arrays of {} to {} by {} to {}, expected one number of features for all",
                rows.0, rows.1, columns.0, columns.1
            );
            Err(Error::data(name, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Array;

    #[test]
    fn arrays_are_vectors_or_sequences_by_their_shapes() {
        let seen = |shapes: &[&[usize]]| {
            let media: Vec<Media> = shapes
                .iter()
                .map(|shape| Media::Array(Array::zeros(*shape)))
                .collect();
            content("x", &media).map(Option::unwrap)
        };
        assert_eq!(seen(&[&[5], &[1, 5]]).unwrap(), Content::Vector { columns: 5 });
        let sequence = |features, steps, transposed| Content::Sequence {
            features,
            steps,
            transposed,
        };
        assert_eq!(seen(&[&[5], &[7]]).unwrap(), sequence(1, (5, 7), false));
        for (one, other) in [(7, 7), (5, 7)] {
            let series = seen(&[&[one, 1], &[other, 1]]);
            assert_eq!(series.unwrap(), sequence(1, (one, other), false));
        }
        assert_eq!(seen(&[&[5], &[7, 1]]).unwrap(), sequence(1, (5, 7), false));
        assert_eq!(seen(&[&[1, 1], &[1]]).unwrap(), Content::Vector { columns: 1 });
        assert_eq!(seen(&[&[50, 6], &[70, 6]]).unwrap(), sequence(6, (50, 70), false));
        assert_eq!(seen(&[&[6, 50], &[6, 70]]).unwrap(), sequence(6, (50, 70), true));
        assert!(seen(&[&[6, 50], &[7, 70]]).is_err() && seen(&[&[2, 3, 4]]).is_err());
    }
}
