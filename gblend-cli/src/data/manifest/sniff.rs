//! What bytes without a name are, by how they begin.

use crate::data::wav::Wav;

/// The extension that a file of these bytes would have.
pub(in super::super) fn extension(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xFF, 0xD8, 0xFF, ..] => "jpg",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => "tiff",
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => "bmp",
        _ if Wav::begins(bytes) => "wav",
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "npy",
        [b'P', b'I', b'E', b'H', ..] => "flo",
        // A tag, or the first frame.
        [b'I', b'D', b'3', ..] | [0xFF, 0xE0..=0xFF, ..] => "mp3",
        [b'P', b'5', ..] => "pgm",
        _ => return None,
    })
}

/// What [`extension`] knows, in words.
pub(in super::super) const KNOWN: &str = "png, jpeg, webp, tiff, bmp, wav, flac, ogg, mp3, npy, flo, pgm";

/// Whether a png has one channel of 16 bits, as pictures of depth have.
pub(in super::super) fn is_depth(bytes: &[u8]) -> bool {
    /// Signature, length and name of the first chunk, extents, and then these two.
    const BITS: usize = 24;
    extension(bytes) == Some("png") && bytes.get(BITS..BITS + 2) == Some(&[16, 0])
}
