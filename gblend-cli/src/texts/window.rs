//! A text that is read in pieces, of which only what is looked at is in memory.

use std::io::{Chain, Cursor, ErrorKind, Read};

use super::{TextFault, has_zero, line_ends, mark, no_utf8, zero};

/// Bytes of a piece.
pub(super) const PIECE: usize = 8 << 10;

/// The text of a file without a byte order mark, in pieces that are whatever size they are asked for in. An error of it
/// is one of the file, or has a [`TextFault`] in it: the one that [`text`](super::text()) finds in the whole.
///
/// Bytes that were read are kept from the last line on that was asked for.
pub(super) struct TextWindow<R> {
    rest: Chain<Cursor<Vec<u8>>, R>,
    kept: Vec<u8>,
    /// How many bytes were ahead of those that are kept.
    ahead: u64,
    /// How many of the kept bytes are known to be letters, of UTF-8 and none of them zero.
    checked: usize,
    /// How many of the kept bytes are in `line`, or ahead of it.
    counted: usize,
    line: u64,
    ended: bool,
}

impl<R: Read> TextWindow<R> {
    /// The text of a file, which is at its beginning.
    ///
    /// # Errors
    /// If it begins with the byte order mark of another encoding.
    pub(super) fn new(mut file: R) -> std::io::Result<Self> {
        let mut head = [0; 4];
        let count = fill(&mut file, &mut head)?;
        let head = head.get(..count).unwrap_or_default();
        let begins = mark(head)?;
        Ok(Self {
            rest: Cursor::new(head.get(begins..).unwrap_or_default().to_vec()).chain(file),
            kept: Vec::new(),
            ahead: 0,
            checked: 0,
            counted: 0,
            line: 1,
            ended: false,
        })
    }

    /// What was read from a byte of the text on, which is not ahead of the last line that was asked for.
    pub(super) fn from(&self, byte: u64) -> &[u8] {
        self.kept.get(self.within(byte)..).unwrap_or_default()
    }

    /// The line that a byte of the text is in that was read, counted from 1. What is ahead of it can be forgotten.
    pub(super) fn line_at(&mut self, byte: u64) -> u64 {
        self.count_to(self.within(byte))
    }

    /// Whether a byte of the text is known to be behind its last one.
    pub(super) fn ends_at(&self, byte: u64) -> bool {
        self.ended && byte >= self.ahead + self.kept.len() as u64
    }

    /// Reads what is left, and forgets it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check_rest(&mut self) -> std::io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            self.pass_over();
            if self.read(&mut piece)? == 0 {
                return Ok(());
            }
        }
    }

    fn within(&self, byte: u64) -> usize {
        usize::try_from(byte.saturating_sub(self.ahead)).unwrap_or(usize::MAX)
    }

    fn count_to(&mut self, end: usize) -> u64 {
        let end = end.clamp(self.counted, self.checked);
        self.line += line_ends(self.kept.get(self.counted..end).unwrap_or_default());
        self.counted = end;
        self.line
    }

    /// Counts the lines in all that was checked, but for a half of `\r\n`.
    fn pass_over(&mut self) {
        let checked = self.kept.get(..self.checked).unwrap_or_default();
        self.count_to(self.checked - usize::from(checked.ends_with(b"\r")));
    }

    /// Reads a piece, in place of what is no longer asked for.
    fn next(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        self.kept.drain(..self.counted);
        self.ahead += self.counted as u64;
        self.checked -= self.counted;
        self.counted = 0;
        let count = fill(&mut self.rest, piece)?;
        self.ended = count < piece.len();
        self.kept
            .extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(count)
    }

    /// Checks what is new for letters, up to the beginning of one whose end is still to come.
    fn check_letters(&mut self) -> Result<(), TextFault> {
        let new = self.kept.get(self.checked..).unwrap_or_default();
        let Err(error) = std::str::from_utf8(new) else {
            self.checked = self.kept.len();
            return Ok(());
        };
        self.checked += error.valid_up_to();
        if error.error_len().is_none() && !self.ended {
            return Ok(());
        }
        let byte = self.kept.get(self.checked).copied().unwrap_or_default();
        let at = self.ahead + self.checked as u64;
        Err(no_utf8(self.count_to(self.checked), byte, at))
    }

    /// Checks that nothing new is zero.
    fn check_zero(&self) -> Result<(), TextFault> {
        let Some(at) = zero(self.kept.get(self.checked..).unwrap_or_default()) else {
            return Ok(());
        };
        let ahead = self.kept.get(self.counted..self.checked + at);
        Err(has_zero(self.line + line_ends(ahead.unwrap_or_default())))
    }

    /// Looks for a zero in all that is left, which is told ahead of a letter that is none.
    fn find_zero(&mut self, piece: &mut [u8]) -> std::io::Result<()> {
        loop {
            self.checked = self.kept.len();
            self.pass_over();
            if self.next(piece)? == 0 {
                return Ok(());
            }
            self.check_zero()?;
        }
    }
}

impl<R: Read> Read for TextWindow<R> {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        let count = self.next(piece)?;
        self.check_zero()?;
        if let Err(fault) = self.check_letters() {
            self.find_zero(piece)?;
            return Err(fault.into());
        }
        Ok(count)
    }
}

/// Reads as many bytes as there is room for, and fewer at the end of a file alone.
fn fill(file: &mut impl Read, room: &mut [u8]) -> std::io::Result<usize> {
    let mut count = 0;
    while let Some(room) = room.get_mut(count..).filter(|room| !room.is_empty()) {
        match file.read(room) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::text;
    use super::*;
    use proptest::prelude::*;

    fn checked(bytes: &[u8], piece: usize) -> std::io::Result<Vec<u8>> {
        let mut window = TextWindow::new(bytes)?;
        let (mut all, mut piece) = (Vec::new(), vec![0; piece]);
        loop {
            let count = window.read(&mut piece)?;
            if count == 0 {
                return Ok(all);
            }
            all.extend_from_slice(&piece[..count]);
        }
    }

    fn rest(bytes: &[u8], first: usize) -> std::io::Result<()> {
        let mut window = TextWindow::new(bytes)?;
        window.read_exact(&mut vec![0; first.min(bytes.len().saturating_sub(3))])?;
        window.check_rest()
    }

    /// Letters of one to four bytes, line ends, marks of byte order, and what is no UTF-8.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let parts: &[&[u8]] = &[
            b"a",
            b"\n",
            b"\r",
            b"\r\n",
            "\u{FC}".as_bytes(),
            "\u{65E5}".as_bytes(),
            "\u{1F600}".as_bytes(),
            b"\xEF\xBB\xBF",
            b"\xFF\xFE",
            b"\xFE\xFF",
            b"\0",
            b"\xFC",
            b"\xE6\x97",
            b"\xF0\x9F\x98",
        ];
        let weights = [8, 4, 4, 4, 8, 8, 8, 1, 1, 1, 1, 1, 1, 1];
        let parts = weights
            .into_iter()
            .zip(parts.iter().map(|part| Just(part.to_vec())));
        proptest::collection::vec(proptest::strategy::Union::new_weighted(parts.collect()), 0..40)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn pieces_are_refused_for_what_the_whole_is(bytes in bytes(), piece in 1_usize..24) {
            let found = checked(&bytes, piece).map_err(|error| error.downcast::<TextFault>().unwrap());
            prop_assert_eq!(found, text(&bytes).map(|text| text.as_bytes().to_vec()));
        }

        #[test]
        fn what_is_left_is_refused_for_what_the_whole_is(bytes in bytes(), first in 0_usize..24) {
            let found = rest(&bytes, first).map_err(|error| error.downcast::<TextFault>().unwrap());
            prop_assert_eq!(found, text(&bytes).map(drop));
        }
    }
}
