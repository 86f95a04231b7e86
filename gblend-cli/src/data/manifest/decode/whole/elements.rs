//! Formats in which a size stands in front of whatever there is.

use std::io::{BufReader, Read, Seek};

use super::{big_endian, cut};

/// Of a format that says its size at once: FORM (aiff), and Sun's au.
pub(super) fn whole_file_cut(head: &[u8], length: u64) -> Option<String> {
    let word = |at: usize| head.get(at..at + 4).map(big_endian);
    let (size, before) = match head {
        [b'F', ..] => (word(4)?, 8),
        _ => (word(8)?, word(4)?),
    };
    is_known(size)
        .then(|| cut(length, before + size, "its header"))
        .flatten()
}

/// Whether this is the size of something: a writer that could not go back to fill it in leaves 0 or the largest number.
fn is_known(size: u64) -> bool {
    size != 0 && size != u64::from(u32::MAX)
}

/// RIFF (avi): the size of all, and chunks of a name and a size each. Some writers count all with its own head, so that it seems
/// to lack these eight bytes.
pub(super) fn riff_cut<R: Read + Seek>(
    reader: &mut BufReader<R>,
    head: &[u8],
    length: u64,
) -> Option<String> {
    const HEAD: u64 = 8;
    let size = u64::from(u32::from_le_bytes(*head.get(4..)?.first_chunk()?));
    if !is_known(size) {
        return None;
    }
    if size > length {
        return cut(length, size + HEAD, "its header");
    }
    // A file beyond 2 GiB is several of them.
    let end = length.min(size + HEAD);
    let _: [u8; 12] = take(reader)?;
    let mut at = 12;
    // Every turn goes ahead by the bytes of a head at least.
    while at + HEAD <= end {
        let head: [u8; HEAD as usize] = take(reader)?;
        if !head[..4].iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Some(format!("damaged: found no chunk at byte {at}, where one begins"));
        }
        let size = u64::from(u32::from_le_bytes(*head[4..].first_chunk()?));
        let chunk = at + HEAD + size;
        if chunk > length {
            return cut(length, chunk, "its last chunk");
        }
        at += HEAD;
        if head.starts_with(b"LIST") && size >= 4 {
            let kind: [u8; 4] = take(reader)?;
            at += 4;
            // Frames are looked at one by one: a decoder passes over what is no chunk any more.
            if matches!(&kind, b"movi" | b"rec ") {
                continue;
            }
        }
        let padded = chunk + size % 2;
        reader.seek_relative((padded - at) as i64).ok()?;
        at = padded;
    }
    None
}

/// Whether a file begins with a box of the ISO base media file format (ISO 14496-12): mp4, mov, 3gp, m4a.
pub(super) fn is_box(head: &[u8]) -> bool {
    const FIRST: [&[u8]; 10] = [
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof",
    ];
    head.get(4..8).is_some_and(|name| FIRST.contains(&name))
}

/// Boxes, one behind the other: their size, then their name.
pub(super) fn boxes_cut<R: Read + Seek>(reader: &mut BufReader<R>, _: &[u8], length: u64) -> Option<String> {
    walk(reader, length, "its last box", |reader| {
        let head: [u8; 8] = take(reader)?;
        // Letters, and of what Apple has added a copyright sign.
        let named = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == 0xA9;
        if !head[4..].iter().all(named) {
            return None;
        }
        match big_endian(&head[..4]) {
            // It goes on to the end.
            0 => None,
            1 => {
                let size = big_endian(&take::<8, R>(reader)?);
                Some((16, size))
            }
            size => Some((8, size)),
        }
    })
}

/// Objects of the Advanced Systems Format (wmv, wma): a GUID, then their size.
pub(super) fn asf_cut<R: Read + Seek>(reader: &mut BufReader<R>, _: &[u8], length: u64) -> Option<String> {
    walk(reader, length, "its last object", |reader| {
        let head: [u8; 24] = take(reader)?;
        let mut size = [0; 8];
        size.copy_from_slice(&head[16..]);
        Some((24, u64::from_le_bytes(size)))
    })
}

/// Keys and lengths of the Material Exchange Format (SMPTE 377): a length of one byte, or as many bytes as its first says.
pub(super) fn mxf_cut<R: Read + Seek>(reader: &mut BufReader<R>, _: &[u8], length: u64) -> Option<String> {
    walk(reader, length, "its last key", |reader| {
        let head: [u8; 17] = take(reader)?;
        if !head.starts_with(&[6, 0x0E, 0x2B, 0x34]) {
            return None;
        }
        let (first, mut size, mut read) = (head[16], u64::from(head[16]), 17);
        if first >= 0x80 {
            size = 0;
            for _ in 0..(first & 0x7F).min(8) {
                let [byte] = take(reader)?;
                size = size << 8 | u64::from(byte);
                read += 1;
            }
        }
        Some((read, size.saturating_add(read)))
    })
}

/// The segment of a Matroska or WebM file, which has everything but the head, unless its size is unknown.
pub(super) fn matroska_cut<R: Read + Seek>(
    reader: &mut BufReader<R>,
    _: &[u8],
    length: u64,
) -> Option<String> {
    const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
    let _: [u8; 4] = take(reader)?;
    let (bytes, size) = ebml_size(reader)?;
    let before = 4 + bytes;
    // The head is small.
    reader
        .seek_relative(i64::try_from(size?).ok().filter(|size| *size < 1 << 20)?)
        .ok()?;
    if take(reader)? != SEGMENT {
        return None;
    }
    let (more, segment) = ebml_size(reader)?;
    let expected = (before + size? + 4 + more).saturating_add(segment?);
    cut(length, expected, "its segment")
}

/// A size whose first byte says in how many bytes it stands: these, and the size if it is known.
fn ebml_size<R: Read>(reader: &mut BufReader<R>) -> Option<(u64, Option<u64>)> {
    let [first] = take(reader)?;
    let more = first.leading_zeros();
    if more > 7 {
        return None;
    }
    let mut size = u64::from(first) & (0x7F >> more);
    for _ in 0..more {
        let [byte] = take(reader)?;
        size = size << 8 | u64::from(byte);
    }
    let unknown = (1 << (7 * (more + 1))) - 1;
    Some((u64::from(more) + 1, Some(size).filter(|size| *size != unknown)))
}

/// Goes from element to element by what `next` reads: the bytes of its head, and of all of it with the head.
fn walk<R: Read + Seek>(
    reader: &mut BufReader<R>,
    length: u64,
    what: &str,
    next: impl Fn(&mut BufReader<R>) -> Option<(u64, u64)>,
) -> Option<String> {
    let mut at = 0_u64;
    // Every turn goes ahead by the bytes of a head at least.
    while at < length {
        // What is no element may be anything that somebody put behind the last.
        let (head, size) = next(reader)?;
        let rest = size.checked_sub(head)?;
        let end = at.saturating_add(size);
        if end > length {
            return cut(length, end, what);
        }
        reader.seek_relative(i64::try_from(rest).ok()?).ok()?;
        at = end;
    }
    None
}

pub(super) fn take<const N: usize, R: Read>(reader: &mut BufReader<R>) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
