//! From the bytes of a file to media. What a file says of itself is checked against the file before any
//! memory is taken for it.
//!
//! Decoders take bytes and know nothing of tables, folders or shards; video, and sound of other kinds, is read by a program,
//! which is told where in which file to look.

mod content;
#[cfg(test)]
mod depth_files;
pub(super) mod depth_image;
mod ffmpeg;
mod flo;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod mp3;
pub(super) mod npy;
pub(super) mod number;
#[cfg(test)]
mod peers;
mod picture;
mod portable;
mod sound;
mod tiff;
mod whole;

use gblend_core::media::{DepthMaps, FlowFields, Frames, Media, MediaKind, SequenceShape};
use gblend_modalities::frontend::frame_sampling::spread;

use self::depth_image::DepthConvention;
use super::blob::{Blob, FileFault, Found};
use super::compressed::{pointer, stand_in};
use super::spread::{Spread, first_lost, problem as spread_problem};

use content::{SoundReader, is_picture, other_picture};

/// Pictures that files hold one each.
pub(super) const PICTURES: [&str; 7] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"];
pub(super) use ffmpeg::{SOUNDS as OTHER_SOUNDS, VIDEOS};
const DEPTH_PICTURES: [&str; 2] = ["png", "pgm"];
/// Sounds that are read here; `ffmpeg` reads others.
pub(super) const SOUNDS: [&str; 5] = ["wav", "flac", "mp3", "ogg", "oga"];

/// Why there is no media.
#[derive(Debug)]
pub(super) enum Fault {
    /// The sample's only file is at fault, or what its files make together.
    Media(String),
    /// This one of its files is.
    File(FileFault),
    /// The sample's only file is sound, and has nothing of this stream in it.
    NoStream(String),
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
        // A pointer is text, and nothing else that is read.
        if self.media == MediaKind::Text
            && let Some(fault) = self.told(found, pointer)
        {
            return Err(fault);
        }
        self.decoded(found)
            .map_err(|fault| self.told(found, stand_in).unwrap_or(fault))
    }

    /// What is wrong with the files if one of them stands for another one, by what is said of how it begins.
    fn told(&self, found: &Found, problem: fn(&[u8]) -> Option<&'static str>) -> Option<Fault> {
        const HEAD: u64 = 64;
        self.chosen(found).into_iter().find_map(|blob| {
            let problem = problem(&blob.head(HEAD).ok()?)?;
            Some(Fault::File(FileFault::new(blob.name(), problem)))
        })
    }

    fn decoded(&self, found: &Found) -> Result<Media, Fault> {
        match self.media {
            MediaKind::Frames => self.frames(found),
            MediaKind::Depth => {
                let maps = self.sequence(found, &DEPTH_PICTURES, |bytes| {
                    self.depth.decode(bytes, self.limit)
                })?;
                let (shape, meters) = maps.joined()?;
                Ok(Media::Depth(
                    DepthMaps::new(shape, meters).map_err(|e| e.to_string())?,
                ))
            }
            MediaKind::Flow => {
                let fields = self.sequence(found, &["flo"], flo::decode)?;
                let (shape, vectors) = fields.joined()?;
                Ok(Media::Flow(
                    FlowFields::new(shape, vectors).map_err(|e| e.to_string())?,
                ))
            }
            MediaKind::Waveform => self.waveform(found),
            MediaKind::Array => {
                let blob = single(found)?;
                expect_extension(blob, &["npy"])?;
                let bytes = blob.read(self.limit)?;
                let array = npy::decode(&bytes)?;
                let spreads = npy::spreads(&bytes);
                // Of a vector each number is a column, of which one file says nothing.
                if array.shape().len() > 1
                    && let Some(lost) = first_lost(&spreads, Spread::lost_as_whole)
                {
                    return Err(Fault::Media(format!(
                        "has a series in which {}",
                        spread_problem(lost)
                    )));
                }
                Ok(Media::Array(array))
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
            Found::One(blob) if !is_picture(blob)? => {
                not_empty(blob, "a picture or a video")?;
                if let Some(kind) = other_picture(blob)? {
                    return Err(Fault::Media(format!(
                        "is a picture in {kind}, expected one in png, jpeg, webp, tiff or bmp; convert it, to png to keep its pixels"
                    )));
                }
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
            // A picture by how it begins, whatever it is called.
            Found::One(blob) => {
                let mut pictures = Sequence::new(self.limit);
                pictures.push(picture::decode(&blob.read(self.limit)?, self.limit)?, blob)?;
                pictures
            }
            Found::Sequence(_) => {
                self.sequence(found, &PICTURES, |bytes| picture::decode(bytes, self.limit))?
            }
        };
        let (shape, pixels) = pictures.joined()?;
        Ok(Media::Frames(
            Frames::new(shape, pixels).map_err(|e| e.to_string())?,
        ))
    }

    fn waveform(&self, found: &Found) -> Result<Media, Fault> {
        let blob = single(found)?;
        not_empty(blob, "a sound")?;
        let sound = match SoundReader::of(blob)? {
            SoundReader::Wav => sound::wav(&blob.read(self.limit)?, self.limit)?,
            SoundReader::Compressed(kind) => sound::compressed(blob.read(self.limit)?, kind, self.limit)?,
            SoundReader::Ffmpeg => {
                // Nobody can say that of a name alone, and a damaged file must not ask for a program.
                if SOUNDS.contains(&blob.extension().as_str()) && ffmpeg::version(blob).is_err() {
                    return Err(Fault::Media(format!(
                        "begins as none of {}; `ffmpeg`, which reads others, cannot be run",
                        SOUNDS.join(", ")
                    )));
                }
                ffmpeg::sound(blob, self.limit)?
            }
        };
        if sound.samples.is_empty() {
            return Err("found no sound: its length is 0; expected at least one sample".into());
        }
        Ok(Media::Waveform(sound))
    }

    /// The program that decodes a file, with its version, as other versions may decode to other values; empty if it is
    /// gblend.
    pub(super) fn program(&self, blob: &Blob) -> Result<&'static str, Fault> {
        let is_ours = match self.media {
            MediaKind::Frames => is_picture(blob)?,
            MediaKind::Waveform => SoundReader::of(blob)? != SoundReader::Ffmpeg,
            _ => true,
        };
        match ffmpeg_version_unless(is_ours, blob) {
            Err(Fault::Program(_)) if SOUNDS.contains(&blob.extension().as_str()) => Ok("no ffmpeg"),
            version => version,
        }
    }

    /// Decodes a file, or the chosen ones of a folder.
    fn sequence<T: Copy>(
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

fn ffmpeg_version_unless(is_ours: bool, blob: &Blob) -> Result<&'static str, Fault> {
    if is_ours { Ok("") } else { ffmpeg::version(blob) }
}

fn not_empty(blob: &Blob, expected: &str) -> Result<(), Fault> {
    match blob.length() {
        0 => Err(Fault::Media(format!("found an empty file, expected {expected}"))),
        _ => Ok(()),
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

/// Pictures that make up a sample, one after the other.
struct Sequence<T> {
    pictures: Vec<(String, Picture<T>)>,
    /// Values of all of them.
    values: usize,
    limit: usize,
}

impl<T: Copy> Sequence<T> {
    fn new(limit: usize) -> Self {
        Self {
            pictures: Vec::new(),
            values: 0,
            limit,
        }
    }

    fn push(&mut self, picture: Picture<T>, blob: &Blob) -> Result<(), Fault> {
        self.values = self.values.saturating_add(picture.values.len());
        if self.values.saturating_mul(size_of::<T>()) > self.limit {
            return Err(Fault::Media(too_large(self.limit)));
        }
        self.pictures.push((blob.name().to_owned(), picture));
        Ok(())
    }

    /// The values of all pictures, which have to be of one size: that of most, and of several that are as many the first's. Gray ones
    /// among color ones have three equal channels.
    fn joined(self) -> Result<(SequenceShape, Vec<T>), Fault> {
        let size = |picture: &Picture<T>| (picture.height, picture.width);
        let mut sizes: Vec<((usize, usize), usize)> = Vec::new();
        for (_, picture) in &self.pictures {
            match sizes.iter_mut().find(|(known, _)| *known == size(picture)) {
                Some((_, count)) => *count += 1,
                None => sizes.push((size(picture), 1)),
            }
        }
        let most = sizes
            .iter()
            .copied()
            .reduce(|best, other| if other.1 > best.1 { other } else { best });
        let (norm, count) = most.ok_or("found no picture, expected at least one")?;
        if let Some((name, odd)) = self.pictures.iter().find(|(_, picture)| size(picture) != norm) {
            let problem = format!(
                "found a picture of {}x{}, expected {}x{} as {count} of {} in the sequence",
                odd.width,
                odd.height,
                norm.1,
                norm.0,
                self.pictures.len()
            );
            return Err(Fault::File(FileFault::new(name, problem)));
        }
        let channels = self
            .pictures
            .iter()
            .map(|(_, picture)| picture.channels)
            .max()
            .unwrap_or(1);
        let shape = SequenceShape {
            frames: self.pictures.len(),
            height: norm.0,
            width: norm.1,
            channels,
        };
        let mut values = Vec::with_capacity(shape.len());
        for (_, picture) in self.pictures {
            let repeated = channels / picture.channels.max(1);
            match repeated {
                1 => values.extend(picture.values),
                _ => values.extend(
                    picture
                        .values
                        .iter()
                        .flat_map(|&value| std::iter::repeat_n(value, repeated)),
                ),
            }
        }
        Ok((shape, values))
    }
}

fn too_large(limit: usize) -> String {
    format!(
        "found more than {} MiB of decoded media; if that is meant, raise the stream's `max_mib`",
        limit >> 20
    )
}
