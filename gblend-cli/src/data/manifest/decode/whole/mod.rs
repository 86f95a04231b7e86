//! Whether a file of video or sound ends where it says it does.
//!
//! `ffmpeg` decodes what is there of a file cut short, often without a word, and may take a track that it cannot find any more for
//! one that never was. So what a format says of its own length is held against the file first. Some say nothing: a stream of packets,
//! such as a broadcast, may end anywhere.

mod elements;
mod packets;
mod trailers;

use std::io::{BufReader, Read, Seek};

pub(super) use trailers::ogg_cut;

/// A format's own word of where a file ends, by what it begins with.
type Check<R> = fn(&mut BufReader<R>, &[u8], u64) -> Option<String>;

/// Bytes that tell which format it is: three packets of a transport stream.
const HEAD: usize = 3 * 208;

/// What is wrong with the end of a file of `length` bytes, at whose beginning `reader` is; `None` if nothing is known to be. The
/// reader may go beyond the file's end, as in a shard.
pub(super) fn cut_short<R: Read + Seek>(reader: &mut BufReader<R>, length: u64) -> Option<String> {
    let mut head = Vec::new();
    let most = length.min(HEAD as u64);
    reader.by_ref().take(most).read_to_end(&mut head).ok()?;
    reader.seek_relative(-i64::try_from(head.len()).ok()?).ok()?;
    let check: Check<R> = match head[..] {
        [b'F', b'O', b'R', b'M', ..] | [b'.', b's', b'n', b'd', ..] => {
            return elements::whole_file_cut(&head, length);
        }
        [b'R', b'I', b'F', b'F', ..] => elements::riff_cut,
        [0, 0, 1, 0xBA..=0xFF, ..] => packets::program_stream_cut,
        [b'F', b'L', b'V', ..] => packets::flash_cut,
        [0x1A, 0x45, 0xDF, 0xA3, ..] => elements::matroska_cut,
        [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, ..] => elements::asf_cut,
        [6, 0x0E, 0x2B, 0x34, ..] => elements::mxf_cut,
        [b'O', b'g', b'g', b'S', ..] => ogg_cut,
        [b'G', b'I', b'F', b'8', ..] => trailers::gif_cut,
        [0x89, b'P', b'N', b'G', ..] => trailers::png_cut,
        _ if elements::is_box(&head) => elements::boxes_cut,
        _ => return packets::transport_stream_cut(&head, length),
    };
    check(reader, &head, length)
}

fn cut(length: u64, expected: u64, what: &str) -> Option<String> {
    (expected > length)
        .then(|| format!("cut short: found {length} bytes, expected the {expected} that {what} says"))
}

/// A number of so many bytes, the highest first.
fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn check(bytes: &[u8], length: usize) -> Option<String> {
        cut_short(&mut BufReader::new(Cursor::new(&bytes[..length])), length as u64)
    }

    /// A file of each format, as small as it gets, without what is in it.
    fn files() -> Vec<(&'static str, Vec<u8>)> {
        let riff = [
            b"RIFF".as_slice(),
            &100_u32.to_le_bytes(),
            b"AVI LIST",
            &88_u32.to_le_bytes(),
            b"movi00dc",
            &76_u32.to_le_bytes(),
            &[7; 76],
        ]
        .concat();
        let form = [b"FORM".as_slice(), &100_u32.to_be_bytes(), &[7; 100]].concat();
        let au = [
            b".snd".as_slice(),
            &24_u32.to_be_bytes(),
            &50_u32.to_be_bytes(),
            &[7; 62],
        ]
        .concat();
        let program = [
            &[0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 0x14, 0x25][..],
            &[0, 0, 1, 0xE0, 0, 5, 1, 2, 3, 4, 5],
        ]
        .concat();
        let tag = [
            &[8, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3][..],
            &14_u32.to_be_bytes(),
        ]
        .concat();
        let flash = [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..], &tag, &tag].concat();
        let matroska = [
            &[0x1A, 0x45, 0xDF, 0xA3, 0x82, 1, 2, 0x18, 0x53, 0x80, 0x67, 0x88][..],
            &[7; 8],
        ]
        .concat();
        let header = [&[
            0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0, 0xAA, 0, 0x62, 0xCE, 0x6C,
        ][..]]
        .concat();
        let asf = [
            &header[..],
            &30_u64.to_le_bytes(),
            &[7; 6],
            &[0x36; 16],
            &29_u64.to_le_bytes(),
            &[7; 5],
        ]
        .concat();
        let key = [&[6, 0x0E, 0x2B, 0x34][..], &[1; 12]].concat();
        let mxf = [&key[..], &[3, 1, 2, 3], &key, &[0x82, 0, 4, 1, 2, 3, 4]].concat();
        let boxes = [
            &[0, 0, 0, 12][..],
            b"ftypisom",
            &[0, 0, 0, 1],
            b"mdat",
            &20_u64.to_be_bytes(),
            &[7; 4],
        ]
        .concat();
        let page = |flags| [b"OggS\0".as_slice(), &[flags], &[0; 20], &[2, 3, 1], &[7; 4]].concat();
        let ogg = [page(2), page(4)].concat();
        let gif = [b"GIF89a".as_slice(), &[7; 20], b";"].concat();
        let png = [
            b"\x89PNG\r\n\x1a\n\0\0\0\x02fdAT..sums".as_slice(),
            b"\0\0\0\0IEND\xaeB`\x82",
        ]
        .concat();
        vec![
            ("riff", riff),
            ("form", form),
            ("au", au),
            ("program stream", program),
            ("flash", flash),
            ("matroska", matroska),
            ("asf", asf),
            ("mxf", mxf),
            ("boxes", boxes),
            ("ogg", ogg),
            ("gif", gif),
            ("png", png),
            ("transport stream", [&[0x47][..], &[7; 187]].concat().repeat(4)),
        ]
    }

    #[test]
    fn a_byte_less_than_the_format_says_is_seen_and_nothing_is_wrong_with_a_whole_file() {
        for (name, bytes) in files() {
            assert_eq!(check(&bytes, bytes.len()), None, "{name}");
            let found = check(&bytes, bytes.len() - 1).unwrap_or_default();
            assert!(found.contains("cut short"), "{name}: {found}");
        }
    }

    #[test]
    fn what_lies_behind_a_file_in_a_shard_is_not_looked_at() {
        for (name, bytes) in files() {
            let behind = [&bytes[..], &bytes[..], &[b';'; 700]].concat();
            let length = (bytes.len() - 1) as u64;
            assert!(
                cut_short(&mut BufReader::new(Cursor::new(&behind)), length).is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_size_of_all_that_counts_its_own_head_too_is_no_damage() {
        let mut riff = files().swap_remove(0).1;
        riff[4..8].copy_from_slice(&108_u32.to_le_bytes());
        assert_eq!(check(&riff, riff.len()), None);
        assert!(check(&riff, riff.len() - 1).is_some());
        riff[4..8].copy_from_slice(&109_u32.to_le_bytes());
        assert!(check(&riff, riff.len()).is_some());
    }

    #[test]
    fn what_is_no_chunk_where_one_begins_is_seen() {
        let frames = *b"00dc\x03\0\0\0abc\x0001wb\x04\0\0\0abcd";
        let list = [b"LIST".as_slice(), &28_u32.to_le_bytes(), b"movi", &frames].concat();
        let riff = [b"RIFF".as_slice(), &40_u32.to_le_bytes(), b"AVI ", &list].concat();
        assert_eq!(check(&riff, riff.len()), None);
        for byte in [24, 36] {
            let mut zeroed = riff.clone();
            zeroed[byte..byte + 8].fill(0);
            let found = check(&zeroed, zeroed.len()).unwrap_or_default();
            assert!(
                found.contains(&format!("damaged: found no chunk at byte {byte}")),
                "{found}"
            );
        }
    }

    #[test]
    fn a_size_that_was_never_filled_in_says_nothing() {
        for (head, size) in [(b"RIFF", [0; 4]), (b"RIFF", [0xFF; 4]), (b"FORM", [0; 4])] {
            assert_eq!(check(&[head.as_slice(), &size, &[1; 9]].concat(), 17), None);
        }
        // A segment whose size is unknown, as a program that writes to a pipe leaves it; a box that goes on to the end.
        let live = [
            0x1A, 0x45, 0xDF, 0xA3, 0x80, 0x18, 0x53, 0x80, 0x67, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xFF,
        ];
        assert_eq!(check(&live, live.len()), None);
        assert_eq!(check(b"\0\0\0\x08ftyp\0\0\0\0mdat....", 20), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, length: u64, which in 0_usize..13, at in 0_usize..40) {
            let _ = cut_short(&mut BufReader::new(Cursor::new(&bytes)), length);
            let mut file = files().swap_remove(which).1;
            let at = at.min(file.len());
            file.splice(at.., bytes);
            let _ = cut_short(&mut BufReader::new(Cursor::new(&file)), length);
            let _ = check(&file, file.len());
        }
    }
}
