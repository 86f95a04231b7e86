//! From the bytes of a file to media. What a file says of itself is checked against the file before any
//! memory is taken for it.
//!
//! Decoders take bytes and know nothing of tables, folders or shards; video alone is read by a program,
//! which is told where in which file to look.

#[cfg(test)]
mod depth_files;
pub(super) mod depth_image;
mod ffmpeg;
mod flo;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(super) mod npy;
pub(super) mod number;
mod picture;
mod portable;
mod sound;
mod video_check;

use gblend_core::media::{DepthMaps, FlowFields, Frames, Media, MediaKind, SequenceShape};
use gblend_modalities::frontend::frame_sampling::spread;

use self::depth_image::DepthConvention;
use super::blob::{Blob, FileFault, Found};

pub(super) use ffmpeg::version as ffmpeg_version;

/// Pictures that files hold one each.
pub(super) const PICTURES: [&str; 3] = ["png", "jpg", "jpeg"];
/// Files with frames and perhaps sound, which `ffmpeg` reads.
pub(super) const VIDEOS: [&str; 8] = ["mp4", "m4v", "mov", "avi", "mpg", "mpeg", "mkv", "webm"];
const DEPTH_PICTURES: [&str; 2] = ["png", "pgm"];
pub(super) const SOUNDS: [&str; 5] = ["wav", "flac", "mp3", "ogg", "oga"];

/// Why there is no media.
#[derive(Debug)]
pub(super) enum Fault {
    /// The sample's only file is at fault, or what its files make together.
    Media(String),
    /// This one of its files is.
    File(FileFault),
    /// The machine is at fault: the sample may be all right.
    Program(ffmpeg::ProgramError),
}

impl From<String> for Fault {
    fn from(problem: String) -> Self {
        Self::Media(problem)
    }
}

impl From<FileFault> for Fault {
    fn from(fault: FileFault) -> Self {
        Self::File(fault)
    }
}

impl From<&str> for Fault {
    fn from(problem: &str) -> Self {
        Self::Media(problem.to_owned())
    }
}

/// How a stream's files are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// What they hold.
    pub(super) media: MediaKind,
    /// Frames to take of longer sequences, evenly spread.
    pub(super) max_frames: Option<usize>,
    /// What the values of a depth picture mean.
    pub(super) depth: DepthConvention,
    /// Bytes that the decoded media of a sample may have, and a file that is read as a whole.
    pub(super) limit: usize,
}

impl Reading {
    /// Extensions of the files that make up a sequence in a folder.
    pub(super) fn members(&self) -> &'static [&'static str] {
        match self.media {
            MediaKind::Frames => &PICTURES,
            MediaKind::Depth => &DEPTH_PICTURES,
            MediaKind::Flow => &["flo"],
            _ => &[],
        }
    }

    /// The files of a sequence that are read.
    pub(super) fn chosen<'a>(&self, found: &'a Found) -> Vec<&'a Blob> {
        match found {
            Found::One(blob) => vec![blob],
            Found::Sequence(blobs) => self.choose(blobs.len()).into_iter().map(|i| &blobs[i]).collect(),
        }
    }

    fn choose(&self, frames: usize) -> Vec<usize> {
        match self.max_frames {
            Some(most) if most < frames => spread(frames, most),
            _ => (0..frames).collect(),
        }
    }

    /// Decodes.
    pub(super) fn decode(&self, found: &Found) -> Result<Media, Fault> {
        match self.media {
            MediaKind::Frames => self.frames(found),
            MediaKind::Depth => {
                let maps = self.sequence(found, &DEPTH_PICTURES, |bytes| {
                    self.depth.decode(bytes, self.limit)
                })?;
                let (shape, meters) = maps.joined(1)?;
                Ok(Media::Depth(
                    DepthMaps::new(shape, meters).map_err(|e| e.to_string())?,
                ))
            }
            MediaKind::Flow => {
                let fields = self.sequence(found, &["flo"], flo::decode)?;
                let (shape, vectors) = fields.joined(2)?;
                Ok(Media::Flow(
                    FlowFields::new(shape, vectors).map_err(|e| e.to_string())?,
                ))
            }
            MediaKind::Waveform => self.waveform(found),
            MediaKind::Array => {
                let blob = single(found)?;
                expect_extension(blob, &["npy"])?;
                Ok(Media::Array(npy::decode(&blob.read(self.limit)?)?))
            }
            MediaKind::Text => {
                let bytes = single(found)?.read(self.limit)?;
                // Some editors put a byte order mark in front.
                let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
                let text = std::str::from_utf8(bytes)
                    .map_err(|error| format!("is no UTF-8 text: {error}; convert it from its encoding"))?;
                Ok(Media::Text(text.to_owned()))
            }
            other => Err(Fault::Media(format!("no file format is known for {other}"))),
        }
    }

    fn frames(&self, found: &Found) -> Result<Media, Fault> {
        let pictures = match found {
            Found::One(blob) if VIDEOS.contains(&blob.extension().as_str()) => {
                let mut pictures = Sequence::new(self.limit);
                let all = ffmpeg::frames(blob, self.limit)?;
                let chosen = self.choose(all.len());
                for (index, picture) in all.into_iter().enumerate() {
                    if chosen.binary_search(&index).is_ok() {
                        pictures.push(picture, blob)?;
                    }
                }
                pictures
            }
            _ => self.sequence(found, &PICTURES, |bytes| picture::decode(bytes, self.limit))?,
        };
        let channels = pictures.channels();
        let (shape, pixels) = pictures.joined(channels)?;
        Ok(Media::Frames(
            Frames::new(shape, pixels).map_err(|e| e.to_string())?,
        ))
    }

    fn waveform(&self, found: &Found) -> Result<Media, Fault> {
        let blob = single(found)?;
        let extension = blob.extension();
        let sound = if VIDEOS.contains(&extension.as_str()) {
            ffmpeg::sound(blob, self.limit)?
        } else {
            expect_extension(blob, &[&SOUNDS[..], &VIDEOS[..]].concat())?;
            let bytes = blob.read(self.limit)?;
            if extension == "wav" {
                sound::wav(&bytes)?
            } else {
                sound::compressed(bytes, &extension, self.limit)?
            }
        };
        if sound.samples.is_empty() {
            return Err("found no sound: its length is 0; expected at least one sample".into());
        }
        Ok(Media::Waveform(sound))
    }

    /// Decodes a file, or the chosen ones of a folder.
    fn sequence<T>(
        &self,
        found: &Found,
        extensions: &[&str],
        decode: impl Fn(&[u8]) -> Result<Picture<T>, Fault>,
    ) -> Result<Sequence<T>, Fault> {
        let mut pictures = Sequence::new(self.limit);
        for blob in self.chosen(found) {
            expect_extension(blob, extensions)?;
            let picture = decode(&blob.read(self.limit)?).map_err(|fault| match fault {
                // In a folder the name of the sample's path is not enough.
                Fault::Media(problem) => Fault::File(FileFault::new(blob.name(), problem)),
                other => other,
            })?;
            pictures.push(picture, blob)?;
        }
        Ok(pictures)
    }
}

fn single(found: &Found) -> Result<&Blob, Fault> {
    match found {
        Found::One(blob) => Ok(blob),
        Found::Sequence(_) => Err("found a folder, expected a file".into()),
    }
}

fn expect_extension(blob: &Blob, known: &[&str]) -> Result<(), Fault> {
    let extension = blob.extension();
    if known.contains(&extension.as_str()) {
        return Ok(());
    }
    let found = if extension.is_empty() {
        "a file without an extension".to_owned()
    } else {
        format!("a .{extension} file")
    };
    Err(Fault::Media(format!(
        "found {found}, expected one of: {}",
        known.join(", ")
    )))
}

/// One decoded picture: `[height, width, channels]`.
#[derive(Clone, Debug, PartialEq)]
struct Picture<T> {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<T>,
}

/// Pictures of one size, one after the other.
struct Sequence<T> {
    first: Option<(usize, usize, usize)>,
    frames: usize,
    values: Vec<T>,
    limit: usize,
}

impl<T> Sequence<T> {
    fn new(limit: usize) -> Self {
        Self {
            first: None,
            frames: 0,
            values: Vec::new(),
            limit,
        }
    }

    fn channels(&self) -> usize {
        self.first.map_or(1, |(.., channels)| channels)
    }

    fn push(&mut self, picture: Picture<T>, blob: &Blob) -> Result<(), Fault> {
        let found = (picture.height, picture.width, picture.channels);
        let first = *self.first.get_or_insert(found);
        if first != found {
            let size = |(height, width, channels)| format!("{width}x{height} with {channels} channel(s)");
            let problem = format!(
                "found a picture of {}, expected {} as the first of the sequence",
                size(found),
                size(first)
            );
            return Err(Fault::File(FileFault::new(blob.name(), problem)));
        }
        let bytes = (self.values.len() + picture.values.len()).saturating_mul(size_of::<T>());
        if bytes > self.limit {
            return Err(Fault::Media(too_large(self.limit)));
        }
        self.frames += 1;
        self.values.extend(picture.values);
        Ok(())
    }

    fn joined(self, channels: usize) -> Result<(SequenceShape, Vec<T>), Fault> {
        let (height, width, _) = self.first.ok_or("found no picture, expected at least one")?;
        let shape = SequenceShape {
            frames: self.frames,
            height,
            width,
            channels,
        };
        Ok((shape, self.values))
    }
}

fn too_large(limit: usize) -> String {
    format!(
        "found more than {} MiB of decoded media; if that is meant, raise the stream's `max_mib`",
        limit >> 20
    )
}
