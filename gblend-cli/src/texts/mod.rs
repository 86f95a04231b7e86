//! The texts of people's files: marks of byte order, encodings, lines, rows of CSV, and objects of JSON.
//!
//! Every reader of such a text begins here, so that a table, loss curves and a configuration take the same files.

mod csv_records;
mod json_object;
mod window;

use std::io;

pub(crate) use csv_records::CsvRecords;
pub(crate) use json_object::json_object;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct TextFault {
    /// The line, counted from 1.
    pub(crate) line: u64,
    /// What was found, and what was expected.
    pub(crate) problem: String,
}

/// Why the text of a file is not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFault {
    /// What is wrong with the text.
    #[error(transparent)]
    Text(#[from] TextFault),
    /// What is wrong with the file.
    #[error("cannot be read: {0}")]
    File(#[source] io::Error),
}

impl From<io::Error> for ReadFault {
    fn from(error: io::Error) -> Self {
        error.downcast().map_or_else(Self::File, Self::Text)
    }
}

impl From<TextFault> for io::Error {
    fn from(fault: TextFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

/// The text of a file, without the byte order mark that spreadsheets and editors put in front.
///
/// # Errors
/// If it is in another encoding than UTF-8, with what tells so.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, TextFault> {
    let bytes = bytes.get(mark(bytes)?..).unwrap_or_default();
    if let Some(at) = zero(bytes) {
        return Err(has_zero(line_at(bytes, at)));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        no_utf8(line_at(bytes, at), byte, at as u64)
    })
}

/// How many bytes the byte order mark takes that a text begins with.
///
/// # Errors
/// If it is that of another encoding than UTF-8.
fn mark(text: &[u8]) -> Result<usize, TextFault> {
    let encoded = |name: &str| TextFault {
        line: 1,
        problem: format!("begins with the byte order mark of {name}; save the file as UTF-8"),
    };
    match text {
        [0xEF, 0xBB, 0xBF, ..] => Ok(3),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Err(encoded("UTF-32")),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(encoded("UTF-16")),
        _ => Ok(0),
    }
}

/// Where the first zero of a text is: one in UTF-16 without a mark is UTF-8 as long as it is English.
fn zero(text: &[u8]) -> Option<usize> {
    // Whether there is one is found many bytes at once.
    let found = text.contains(&0);
    found.then(|| text.iter().position(|&byte| byte == 0)).flatten()
}

fn has_zero(line: u64) -> TextFault {
    TextFault {
        line,
        problem:
            "has a byte of zero, which no text in UTF-8 has, and UTF-16 is full of; save the file as UTF-8"
                .to_owned(),
    }
}

fn no_utf8(line: u64, byte: u8, at: u64) -> TextFault {
    TextFault {
        line,
        problem: format!(
            "is no UTF-8: found the byte {byte:#04X} after {at} others, as Latin-1 and Windows-1252 have them; save the file as UTF-8"
        ),
    }
}

/// The line that a byte stands in, counted from 1.
fn line_at(text: &[u8], at: usize) -> u64 {
    1 + line_ends(text.get(..at).unwrap_or(text))
}

/// How many lines end in a piece of text: in `\n`, `\r\n` or `\r`, as Windows, Unix and old Macs write it.
fn line_ends(text: &[u8]) -> u64 {
    let ends = text.iter().enumerate().filter(|&(at, &byte)| match byte {
        b'\n' => true,
        b'\r' => text.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    ends.count() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mark_in_front_is_no_part_of_the_text() {
        assert_eq!(text(b"\xEF\xBB\xBFid").unwrap(), "id");
        assert_eq!(text("für".as_bytes()).unwrap(), "für");
    }

    #[test]
    fn another_encoding_is_named_with_its_line() {
        let utf16 = |text: &str, mark: bool| -> Vec<u8> {
            let mark: &[u8] = if mark { &[0xFF, 0xFE] } else { &[] };
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            mark.iter().copied().chain(units).collect()
        };
        for (bytes, line, part) in [
            (utf16("id,label\n", true), 1, "UTF-16"),
            (utf16("id,label\n", false), 1, "zero"),
            (vec![0xFE, 0xFF, 0, b'i'], 1, "UTF-16"),
            (vec![0xFF, 0xFE, 0, 0, b'i', 0, 0, 0], 1, "UTF-32"),
            (b"id\r\na\r\nf\xFCr".to_vec(), 3, "0xFC after 8"),
        ] {
            let fault = text(&bytes).unwrap_err();
            assert!(fault.line == line && fault.problem.contains(part), "{fault:?}");
        }
    }

    proptest! {
        #[test]
        fn lines_are_counted_whatever_ends_them(lines in proptest::collection::vec("[a,\"]{0,3}", 1..8), end in 0_usize..3) {
            let text = lines.join(["\n", "\r\n", "\r"][end]);
            prop_assert_eq!(line_ends(text.as_bytes()), lines.len() as u64 - 1);
        }
    }
}
