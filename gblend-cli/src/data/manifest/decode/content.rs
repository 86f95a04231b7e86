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

/// Whether a file is a picture: by how it begins, or by its name, so that a damaged one is not taken for a video.
pub(super) fn is_picture(blob: &Blob) -> Result<bool, FileFault> {
    if PICTURES.contains(&blob.extension().as_str()) {
        return Ok(true);
    }
    let head = blob.head(8)?;
    Ok(head.starts_with(b"\x89PNG") || head.starts_with(&[0xFF, 0xD8, 0xFF]))
}

/// What a single picture is that neither gblend nor, without what may lead to other files, ffmpeg reads.
pub(super) fn other_picture(blob: &Blob) -> Result<Option<&'static str>, FileFault> {
    Ok(match &*blob.head(12)? {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some("WebP"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("TIFF"),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("BMP"),
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] => Some("PNM"),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Some("JPEG 2000"),
        [b'8', b'B', b'P', b'S', ..] => Some("Photoshop's format"),
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
            (&b"RIFF\x10\0\0\0WEBPVP8 "[..], Some("WebP")),
            (b"RIFF\x10\0\0\0AVI LIST", None),
            (b"II*\0\x08\0\0\0", Some("TIFF")),
            (b"MM\0*\0\0\0\x08", Some("TIFF")),
            (b"BM\x36\x03\0\0\0\0\0\0\x36\0", Some("BMP")),
            (b"P6\n16 16\n255\n", Some("PNM")),
            (b"\0\0\0\x0cjP  \r\n\x87\n", Some("JPEG 2000")),
            (b"\0\0\0\x20ftypisom", None),
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
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = reader(&bytes);
            let _ = reader(&[b"ID3".as_slice(), &bytes].concat());
            let _ = reader(&[b"OggS".as_slice(), &bytes].concat());
        }
    }
}
