//! What an mp3 file says of its own length: its first frame may be no sound but a table.

use super::content::{is_mp3, tag};

/// A table in the first frame: Xing's, which LAME and ffmpeg write, or that of Fraunhofer's encoders.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Frames that follow.
    pub(super) frames: u32,
    /// Bytes of all of them, with the table, if it says so.
    bytes: Option<u32>,
    /// Where it begins in the file.
    start: usize,
}

impl Table {
    /// The table of a file that has one and says how many frames there are.
    pub(super) fn find(file: &[u8]) -> Option<Self> {
        let behind_tag = usize::try_from(tag(file).unwrap_or(0)).ok()?;
        // Some tags are filled up with zeros.
        let start = behind_tag + file.get(behind_tag..)?.iter().position(|byte| *byte != 0)?;
        let frame = &file[start..];
        if !is_mp3(frame) {
            return None;
        }
        let word = |at: usize| Some(u32::from_be_bytes(*frame.get(at..)?.first_chunk()?));
        /// Bytes of a frame's head, and of what stands between it and the table: less with one channel and at low rates.
        const AT: [usize; 6] = [13, 21, 36, 15, 23, 38];
        for at in AT {
            match frame.get(at..at + 4) {
                Some(b"Xing" | b"Info") => {
                    let flags = word(at + 4)?;
                    let (has_frames, has_bytes) = (flags & 1 != 0, flags & 2 != 0);
                    return Some(Self {
                        frames: word(at + 8).filter(|_| has_frames)?,
                        bytes: word(at + 12).filter(|_| has_bytes),
                        start,
                    });
                }
                Some(b"VBRI") => {
                    return Some(Self {
                        frames: word(at + 14)?,
                        bytes: word(at + 10),
                        start,
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// Whether the file has as many bytes as the table says. Some encoders count the table as a frame, so that one seems to lack.
    pub(super) fn has_all_bytes(&self, file_length: usize) -> bool {
        self.bytes
            .is_some_and(|bytes| file_length - self.start >= bytes as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame with Xing's table, whose flags say what it has.
    fn file(flags: u32) -> Vec<u8> {
        let words = [flags, 39, 8000].map(u32::to_be_bytes).concat();
        [
            &[0xFF, 0xFB, 0x90, 0xC0][..],
            &[0; 17],
            b"Info",
            &words,
            &[9; 300],
        ]
        .concat()
    }

    #[test]
    fn the_table_is_found_behind_a_tag() {
        let expected = |start| Table {
            frames: 39,
            bytes: Some(8000),
            start,
        };
        assert_eq!(Table::find(&file(3)), Some(expected(0)));
        let tagged = [b"ID3\x03\0\0\0\0\0\x05".as_slice(), &[7; 5], &[0; 3], &file(3)].concat();
        assert_eq!(Table::find(&tagged), Some(expected(18)));
        assert!(expected(18).has_all_bytes(8018) && !expected(18).has_all_bytes(8017));
        assert_eq!(Table::find(&file(2)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0_usize..60) {
            let _ = Table::find(&bytes);
            let _ = Table::find(&file(3)[..cut]);
            let _ = Table::find(&[b"ID3".as_slice(), &bytes].concat());
        }
    }
}
