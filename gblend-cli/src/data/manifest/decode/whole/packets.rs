//! Formats that are packets, one behind the other.

use std::io::{BufReader, Read, Seek};

use super::elements::take;
use super::{big_endian, cut};

/// An MPEG program stream (ISO 11172-1, 13818-1). The last packet's size tells whether the file goes on long enough.
pub(super) fn program_stream_cut<R: Read + Seek>(
    reader: &mut BufReader<R>,
    _: &[u8],
    length: u64,
) -> Option<String> {
    const PACK: u8 = 0xBA;
    let mut at = 0_u64;
    // Every turn goes ahead by four bytes at least. What is no packet, such as filling at the end, ends the walk.
    loop {
        let mut code = [0; 4];
        reader.read_exact(&mut code).ok()?;
        let size = match code {
            [0, 0, 1, PACK] => {
                let mut clock = [0; 8];
                reader.read_exact(&mut clock).ok()?;
                if clock[0] >> 6 == 1 {
                    // The second version of the standard has two bytes more, the last of which counts stuffing.
                    let mut more = [0; 2];
                    reader.read_exact(&mut more).ok()?;
                    let stuffing = u64::from(more[1] & 7);
                    reader.seek_relative(stuffing as i64).ok()?;
                    14 + stuffing
                } else {
                    12
                }
            }
            [0, 0, 1, 0xBB..=0xFF] => {
                let mut size = [0; 2];
                reader.read_exact(&mut size).ok()?;
                let size = u16::from_be_bytes(size);
                if size == 0 {
                    return None;
                }
                reader.seek_relative(i64::from(size)).ok()?;
                6 + u64::from(size)
            }
            _ => return None,
        };
        at += size;
        if at > length {
            return cut(length, at, "its last packet");
        }
    }
}

/// A Flash video: tags, each with the size of the one before it behind. Its first tag may say how long the file is.
pub(super) fn flash_cut<R: Read + Seek>(
    reader: &mut BufReader<R>,
    head: &[u8],
    length: u64,
) -> Option<String> {
    const TAG: u64 = 11;
    if let Some(expected) = flash_size(head) {
        let problem = cut(length, expected, "its header");
        if problem.is_some() {
            return problem;
        }
    }
    let start = big_endian(head.get(5..9)?);
    reader.seek_relative(i64::try_from(start).ok()?).ok()?;
    let mut at = start;
    // Every turn goes ahead by the bytes of a tag's head at least. The last size may be missing.
    while at + 4 < length {
        if at + 4 + TAG > length {
            return cut(length, at + 4 + TAG, "its last tag");
        }
        let head: [u8; 4 + TAG as usize] = take(reader)?;
        let size = big_endian(&head[5..8]);
        at += 4 + TAG + size;
        if at > length {
            return cut(length, at, "its last tag");
        }
        reader.seek_relative(size as i64).ok()?;
    }
    (at < length && at + 4 > length).then(|| "cut short: it ends within the size of its last tag".to_owned())
}

/// The size of the file as the first tag of a Flash video has it: a name, and a number of 64 bits.
fn flash_size(head: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"filesize\0";
    let at = head.windows(NAME.len()).position(|window| window == NAME)?;
    let number: &[u8; 8] = head.get(at + NAME.len()..)?.first_chunk()?;
    let size = f64::from_be_bytes(*number);
    // What is no such number becomes 0, which says nothing.
    Some(size as u64)
}

/// An MPEG transport stream (ISO 13818-1): packets of 188 bytes, of 192 on discs and in cameras, of 204 with codes that mend them.
pub(super) fn transport_stream_cut(head: &[u8], length: u64) -> Option<String> {
    const SYNC: u8 = 0x47;
    let of = |size: usize, before: usize| {
        let starts = (before..head.len()).step_by(size);
        head.len() >= 2 * size && starts.clone().all(|at| head[at] == SYNC)
    };
    let (size, _) = [(188, 0), (192, 4), (204, 0)]
        .into_iter()
        .find(|&(size, before)| of(size, before))?;
    let size = size as u64;
    (!length.is_multiple_of(size))
        .then(|| format!("cut short: found {length} bytes, expected a multiple of the {size} of each packet"))
}
