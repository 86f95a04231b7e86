//! Who reads a file, by how it begins: names are for people.

use super::super::blob::{Blob, FileFault};
use super::PICTURES;
use crate::data::wav::Wav;

/// Who reads a file of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SoundReader {
    Wav,
    /// Flac, mp3 or ogg vorbis, as it is called.
    Compressed(&'static str),
    Ffmpeg,
}

/// Bytes that tell what a file is, unless a tag is in front.
const HEAD: u64 = 64;

impl SoundReader {
    pub(super) fn of(blob: &Blob) -> Result<Self, FileFault> {
        let head = blob.head(HEAD)?;
        if let Some(size) = tag(&head) {
            // Tags may have the picture of a cover in them, but no more.
            const LONGEST: u64 = 1 << 24;
            let bytes = blob.head(size.min(LONGEST) + HEAD)?;
            let behind = bytes.get(size as usize..).unwrap_or_default();
            // Some are filled up with zeros.
            let start = behind.iter().position(|byte| *byte != 0).unwrap_or(behind.len());
            return Ok(match is_mp3(&behind[start..]) || start > 0 {
                true => Self::Compressed("mp3"),
                false => Self::Ffmpeg,
            });
        }
        Ok(Self::beginning_with(&head))
    }

    fn beginning_with(head: &[u8]) -> Self {
        match head {
            _ if Wav::begins(head) => Self::Wav,
            [b'f', b'L', b'a', b'C', ..] => Self::Compressed("flac"),
            [b'O', b'g', b'g', b'S', ..] if is_vorbis(head) => Self::Compressed("ogg"),
            _ if is_mp3(head) => Self::Compressed("mp3"),
            _ => Self::Ffmpeg,
        }
    }
}

/// Whether a file is a single picture: by how it begins, or by its name, so that a damaged one is not taken for a video. An
/// animated png is none.
pub(super) fn is_picture(blob: &Blob) -> Result<bool, FileFault> {
    let head = blob.head(8)?;
    if head.starts_with(b"\x89PNG") {
        return Ok(!is_animated(blob)?);
    }
    Ok(PICTURES.contains(&blob.extension().as_str()) || is_read(&blob.head(12)?))
}

/// Whether a picture that is read begins so, but for png.
fn is_read(head: &[u8]) -> bool {
    matches!(
        head,
        [0xFF, 0xD8, 0xFF, ..]
            | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P']
            | [b'I', b'I', b'*' | b'+', 0, ..]
            | [b'M', b'M', 0, b'*' | b'+', ..]
            | [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..]
    )
}

/// Whether a png has more than one frame, which is said in front of its pixels.
fn is_animated(blob: &Blob) -> Result<bool, FileFault> {
    // Most have nothing but their size there, few a profile of colors; further than this nobody looks.
    for count in [1 << 10, 1 << 16, 1 << 24] {
        let head = blob.head(count)?;
        match animated_frames(&head) {
            Some(frames) => return Ok(frames > 1),
            None if (head.len() as u64) < count => break,
            None => {}
        }
    }
    Ok(false)
}

/// The frames that a png says it has in front of its pixels: 1 where it says nothing, and nothing where `head` ends before.
pub(super) fn animated_frames(head: &[u8]) -> Option<u32> {
    let mut rest = head.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, data) = after.split_first_chunk::<4>()?;
        match kind {
            b"IDAT" => return Some(1),
            b"acTL" => return data.first_chunk().map(|frames| u32::from_be_bytes(*frames)),
            // Behind the data there is a checksum.
            _ => rest = data.get((u32::from_be_bytes(*length) as usize).checked_add(4)?..)?,
        }
    }
}

/// What a single picture is that neither gblend nor, without what may lead to other files, ffmpeg reads.
pub(super) fn other_picture(blob: &Blob) -> Result<Option<&'static str>, FileFault> {
    Ok(match &*blob.head(12)? {
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] => Some("PNM"),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Some("JPEG 2000"),
        [b'8', b'B', b'P', b'S', ..] => Some("Photoshop's format"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's'] => Some("AVIF"),
        [
            _,
            _,
            _,
            _,
            b'f',
            b't',
            b'y',
            b'p',
            b'h',
            b'e',
            b'i' | b'v',
            b'c' | b'x' | b'm' | b's',
        ]
        | [_, _, _, _, b'f', b't', b'y', b'p', b'm', b'i' | b's', b'f', b'1'] => {
            Some("HEIC, as telephones store them")
        }
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [0, 0, 1, 0, _, 0, ..] => Some("ICO"),
        [b'%', b'P', b'D', b'F', ..] => Some("PDF"),
        [b'<', b's', b'v', b'g', ..] => Some("SVG"),
        _ => None,
    })
}

/// Bytes of an ID3v2 tag, with its head. Its size stands in the lower seven bits of four bytes.
pub(super) fn tag(head: &[u8]) -> Option<u64> {
    const FOOTER: u8 = 0x10;
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = head else {
        return None;
    };
    let size = size.first_chunk::<4>()?;
    let size = size
        .iter()
        .fold(0, |size, &byte| size << 7 | u64::from(byte & 0x7F));
    Some(10 + size + if flags & FOOTER == 0 { 0 } else { 10 })
}

/// Whether this is the head of a frame of MPEG audio of the third layer.
pub(super) fn is_mp3(head: &[u8]) -> bool {
    let [0xFF, second, third, ..] = head else {
        return false;
    };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (rate, frequency) = (third >> 4, third >> 2 & 3);
    second >> 5 == 7 && version != 1 && layer == 1 && rate != 15 && frequency != 3
}

/// Whether the first packet in an Ogg file is one of Vorbis, or of flac. Of several streams at once, the first counts.
fn is_vorbis(head: &[u8]) -> bool {
    let segments = head.get(26).map_or(0, |count| usize::from(*count));
    let packet = head.get(27 + segments..).unwrap_or_default();
    packet.starts_with(b"\x01vorbis") || packet.starts_with(b"\x7FFLAC")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn reader(bytes: &[u8]) -> SoundReader {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        std::fs::write(&path, bytes).unwrap();
        SoundReader::of(&Blob::file("x.wav".into(), path).unwrap()).unwrap()
    }

    #[test]
    fn pictures_of_other_formats_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png2");
        for (bytes, expected) in [
            (&b"RIFF\x10\0\0\0AVI LIST"[..], None),
            (b"P6\n16 16\n255\n", Some("PNM")),
            (b"\0\0\0\x0cjP  \r\n\x87\n", Some("JPEG 2000")),
            (b"\0\0\0\x20ftypisom", None),
            (b"\0\0\0\x18ftypheic\0\0", Some("HEIC, as telephones store them")),
            (b"\0\0\0\x1cftypmif1\0\0", Some("HEIC, as telephones store them")),
            (b"\0\0\0\x1cftypavif\0\0", Some("AVIF")),
            (b"\0\0\0\x1cftypavc1\0\0", None),
            (b"%PDF-1.4\n", Some("PDF")),
            (b"<svg xmlns=", Some("SVG")),
            (b"\0\0\x01\0\x01\0\x10\x10", Some("ICO")),
            (b"\x1aE\xdf\xa3", None),
            (b"BM", None),
            (b"", None),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let found = other_picture(&Blob::file("x".into(), path.clone()).unwrap()).unwrap();
            assert_eq!(found, expected, "{bytes:?}");
        }
    }

    #[test]
    fn pictures_that_are_read_are_told_by_how_they_begin() {
        for (head, expected) in [
            (&b"RIFF\x10\0\0\0WEBPVP8 "[..12], true),
            (b"RIFF\x10\0\0\0AVI LIST", false),
            (b"II*\0\x08\0\0\0", true),
            (b"MM\0*\0\0\0\x08", true),
            (b"MM\0+\0\x08\0\0", true),
            (b"BM\x36\x03\0\0\0\0\0\0\x36\0", true),
            (b"BM", false),
            (b"\xFF\xD8\xFF\xE0", true),
            (b"\x1aE\xdf\xa3", false),
        ] {
            assert_eq!(is_read(head), expected, "{head:?}");
        }
    }

    #[test]
    fn a_png_is_animated_if_it_says_so_in_front_of_its_pixels() {
        let chunk = |kind: &[u8; 4], data: &[u8]| {
            [&(data.len() as u32).to_be_bytes()[..], kind, data, &[0; 4]].concat()
        };
        let control = |frames: u32| chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat());
        let (size, pixels) = (chunk(b"IHDR", &[0; 13]), chunk(b"IDAT", &[0; 9]));
        let profile = chunk(b"iCCP", &[7; 100_000]);
        let png = |chunks: &[&[u8]]| [b"\x89PNG\r\n\x1a\n".as_slice(), &chunks.concat()].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (bytes, frames, is_picture_alone) in [
            (png(&[&size, &pixels]), Some(1), true),
            (png(&[&size, &control(3), &pixels]), Some(3), false),
            (png(&[&size, &control(1), &pixels]), Some(1), true),
            (png(&[&size, &profile, &control(2), &pixels]), Some(2), false),
            // Behind them it means nothing.
            (png(&[&size, &pixels, &control(3)]), Some(1), true),
            (png(&[&size]), None, true),
            (b"GIF89a".to_vec(), None, false),
        ] {
            assert_eq!(animated_frames(&bytes), frames);
            std::fs::write(&path, &bytes).unwrap();
            let blob = Blob::file("x".into(), path.clone()).unwrap();
            assert_eq!(is_picture(&blob).unwrap(), is_picture_alone);
        }
    }

    #[test]
    fn a_sound_is_what_it_begins_with_whatever_it_is_called() {
        let page = |packet: &[u8]| [b"OggS".as_slice(), &[0; 22], &[1, 30], packet].concat();
        let tagged = |behind: &[u8]| [b"ID3\x03\0\0\0\0\x01\x02".as_slice(), &[7; 130], behind].concat();
        for (bytes, expected) in [
            (b"RIFF....WAVE".to_vec(), SoundReader::Wav),
            (b"RF64....WAVE".to_vec(), SoundReader::Wav),
            (b"RIFF....AVI ".to_vec(), SoundReader::Ffmpeg),
            (b"fLaC".to_vec(), SoundReader::Compressed("flac")),
            (page(b"\x01vorbis"), SoundReader::Compressed("ogg")),
            (page(b"OpusHead"), SoundReader::Ffmpeg),
            (vec![0xFF, 0xFB, 0x90, 0], SoundReader::Compressed("mp3")),
            // AAC, and the second layer.
            (vec![0xFF, 0xF1, 0x50, 0x80], SoundReader::Ffmpeg),
            (vec![0xFF, 0xFD, 0x90, 0], SoundReader::Ffmpeg),
            (tagged(&[0xFF, 0xFB, 0x90, 0]), SoundReader::Compressed("mp3")),
            (
                tagged(&[0, 0, 0xFF, 0xFB, 0x90, 0]),
                SoundReader::Compressed("mp3"),
            ),
            (tagged(&[0xFF, 0xF1, 0x50, 0x80]), SoundReader::Ffmpeg),
            (b"\0\0\0\x1cftypM4A ".to_vec(), SoundReader::Ffmpeg),
            (Vec::new(), SoundReader::Ffmpeg),
        ] {
            assert_eq!(reader(&bytes), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_search_for_frames(bytes: Vec<u8>) {
            let _ = animated_frames(&[b"\x89PNG\r\n\x1a\n".as_slice(), &bytes].concat());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = reader(&bytes);
            let _ = reader(&[b"ID3".as_slice(), &bytes].concat());
            let _ = reader(&[b"OggS".as_slice(), &bytes].concat());
        }
    }
}
