//! Signs of a video file cut short that `ffmpeg` passes over without a word.

use std::io::{BufReader, Read, Seek};

/// What is wrong with the packets of an MPEG program stream (ISO 11172-1, 13818-1) of `length` bytes; `None` if
/// nothing is known to be, or it is none. The last packet's size tells whether the file goes on long enough.
pub(super) fn last_packet_cut<R: Read + Seek>(reader: &mut BufReader<R>, length: u64) -> Option<String> {
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
            return Some(format!(
                "cut short: found {length} bytes, expected the {at} that its last packet says"
            ));
        }
    }
}

/// What is wrong with a file of `length` bytes that begins with `head`; `None` if nothing is known to be.
pub(super) fn cut_short(head: &[u8], length: u64) -> Option<String> {
    // An avi is one RIFF chunk or several, and each says its size; a writer that could not go back to fill
    // it in leaves 0 or the largest number.
    let size = head.strip_prefix(b"RIFF")?.first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size);
    let expected = u64::from(size) + 8;
    (size != 0 && size != u32::MAX && expected > length)
        .then(|| format!("cut short: found {length} bytes, expected the {expected} that its header says"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_size_beyond_the_end_is_seen() {
        let head = [b"RIFF".as_slice(), &100_u32.to_le_bytes()].concat();
        assert_eq!(cut_short(&head, 108), None);
        assert!(cut_short(&head, 107).is_some());
        assert_eq!(cut_short(b"\x00\x00\x01\xba....", 3), None);
    }

    #[test]
    fn a_program_stream_ends_with_a_whole_packet() {
        let mut stream = vec![0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 0x14, 0x25];
        stream.extend([0, 0, 1, 0xE0, 0, 5, 1, 2, 3, 4, 5]);
        let whole = stream.len();
        stream.extend([0xFF; 4]);
        let check = |length: usize| {
            let mut reader = BufReader::new(std::io::Cursor::new(&stream[..length]));
            last_packet_cut(&mut reader, length as u64)
        };
        assert_eq!((check(whole), check(stream.len())), (None, None));
        assert!(check(whole - 1).is_some());
    }

    proptest! {
        #[test]
        fn no_packets_panic(bytes: Vec<u8>, id: u8) {
            let bytes = [&[0, 0, 1, id], &bytes[..]].concat();
            let mut reader = BufReader::new(std::io::Cursor::new(&bytes));
            let _ = last_packet_cut(&mut reader, bytes.len() as u64);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, length: u64) {
            let _ = cut_short(&bytes, length);
            let _ = cut_short(&[b"RIFF", &bytes[..]].concat(), length);
        }
    }
}
