//! Synthetic media.

use proptest::prelude::*;
use rand::{Rng, RngExt};

use crate::array::Array;
use crate::error::Result;
use crate::media::{DepthMaps, FlowFields, Frames, Media, MediaKind, SequenceShape, Waveform};
use crate::seed::Seed;

/// How large synthetic media are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSize {
    /// Pictures of a sequence.
    pub frames: usize,
    /// Height and width of a picture.
    pub picture: [usize; 2],
    /// Whether pictures are gray.
    pub gray: bool,
    /// Samples of sound per second.
    pub sample_rate: u32,
    /// Samples of sound.
    pub sound: usize,
    /// The shape of an array.
    pub array: Vec<usize>,
    /// Words of a text.
    pub words: usize,
}

impl Default for MediaSize {
    /// Three frames of 12 × 10 pixels, a quarter of a second, 16 numbers, 6 words.
    fn default() -> Self {
        Self {
            frames: 3,
            picture: [12, 10],
            gray: false,
            sample_rate: 16_000,
            sound: 4000,
            array: vec![16],
            words: 6,
        }
    }
}

/// One piece of media of this kind and size; the seed decides what it shows.
///
/// Pictures are noise, flow is up to 4 pixels, depth up to 10 meters with holes, sound a tone in noise, texts are words of
/// several scripts.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if an extent is 0.
pub fn sample(kind: MediaKind, size: &MediaSize, seed: Seed) -> Result<Media> {
    let mut rng = seed.rng();
    let shape = |channels| SequenceShape {
        frames: size.frames,
        height: size.picture[0],
        width: size.picture[1],
        channels,
    };
    Ok(match kind {
        MediaKind::Frames => {
            let shape = shape(if size.gray { 1 } else { 3 });
            Media::Frames(Frames::new(
                shape,
                (0..shape.len()).map(|_| rng.random()).collect(),
            )?)
        }
        MediaKind::Flow => {
            let shape = shape(2);
            Media::Flow(FlowFields::new(shape, uniform(&mut rng, shape.len(), -4.0..4.0))?)
        }
        MediaKind::Depth => {
            let shape = shape(1);
            let mut meters = uniform(&mut rng, shape.len(), -1.0..10.0);
            meters.iter_mut().for_each(|value| *value = value.max(0.0));
            Media::Depth(DepthMaps::new(shape, meters)?)
        }
        MediaKind::Waveform => {
            let pitch = rng.random_range(200.0..2000.0_f32) * std::f32::consts::TAU / size.sample_rate as f32;
            let mut samples = uniform(&mut rng, size.sound, -0.05..0.05);
            for (time, value) in samples.iter_mut().enumerate() {
                *value += 0.5 * (time as f32 * pitch).sin();
            }
            Media::Waveform(Waveform {
                sample_rate: size.sample_rate,
                samples,
            })
        }
        MediaKind::Array => {
            let length = size.array.iter().product();
            let values = uniform(&mut rng, length, -2.0..2.0);
            Media::Array(Array::new(size.array.clone(), values)?)
        }
        MediaKind::Text => {
            const WORDS: [&str; 8] = ["tide", "Ebbe", "marée", "прилив", "潮汐", "مد", "2.5", "🌊"];
            let words = (0..size.words).map(|_| WORDS[rng.random_range(0..WORDS.len())]);
            Media::Text(words.collect::<Vec<_>>().join(" "))
        }
    })
}

fn uniform(rng: &mut impl Rng, count: usize, range: std::ops::Range<f32>) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(range.clone())).collect()
}

/// `count` different pieces of media, such as [`modality`](super::super::modality) wants.
///
/// # Errors
/// As [`sample`].
pub fn samples(kind: MediaKind, size: &MediaSize, count: usize, seed: Seed) -> Result<Vec<Media>> {
    (0..count)
        .map(|index| sample(kind, size, seed.nth(index as u64)))
        .collect()
}

/// Media of this kind and size.
pub fn media(kind: MediaKind, size: MediaSize) -> impl Strategy<Value = Media> {
    super::seed().prop_filter_map("an extent of 0", move |seed| sample(kind, &size, seed).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_seed_decides_what_media_of_each_kind_show() {
        for kind in MediaKind::ALL {
            let media = samples(kind, &MediaSize::default(), 2, Seed::new(1)).unwrap();
            assert!(media.iter().all(|media| media.kind() == kind));
            assert_ne!(media[0], media[1]);
            assert_eq!(
                media,
                samples(kind, &MediaSize::default(), 2, Seed::new(1)).unwrap()
            );
        }
    }

    #[test]
    fn media_without_pixels_are_an_error() {
        let size = MediaSize {
            frames: 0,
            ..MediaSize::default()
        };
        assert!(sample(MediaKind::Depth, &size, Seed::new(1)).is_err());
    }
}
