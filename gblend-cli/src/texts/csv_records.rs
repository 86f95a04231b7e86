//! Rows of CSV with the lines that they begin in.

use std::io::Read;

use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord, Trim};

use super::window::{PIECE, TextWindow};
use super::{ReadFault, TextFault};

/// The rows of a text with a header (RFC 4180). Cells come without white space around them, and every row has as many as
/// the header; empty lines are none. Of the text no more is in memory than the rows at hand.
pub(crate) struct CsvRecords<R> {
    reader: Reader<TextWindow<R>>,
    separator: u8,
    /// The line that the row at hand begins in.
    line: u64,
    columns: usize,
    /// What else than the separator the only cell of the header has in it.
    other: Option<char>,
}

impl<R: Read> CsvRecords<R> {
    /// The rows of the text of a file, and its header.
    ///
    /// # Errors
    /// As [`read()`](Self::read()).
    pub(crate) fn new(file: R, separator: u8) -> Result<(Self, StringRecord), ReadFault> {
        Self::in_pieces(file, separator, PIECE)
    }

    fn in_pieces(file: R, separator: u8, piece: usize) -> Result<(Self, StringRecord), ReadFault> {
        let mut reader = ReaderBuilder::new();
        // What is no header to the reader has a position; rows of other lengths are told here.
        let reader = reader
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .buffer_capacity(piece)
            .from_reader(TextWindow::new(file)?);
        let mut records = Self {
            reader,
            separator,
            line: 1,
            columns: 0,
            other: None,
        };
        let mut header = StringRecord::new();
        records.next(&mut header)?;
        records.columns = header.len();
        if let (1, Some(cell)) = (header.len(), header.get(0)) {
            records.other = [';', '\t', ',', '|']
                .into_iter()
                .find(|&other| cell.contains(other));
        }
        Ok((records, header))
    }

    /// Reads the next row, and returns the line that it begins in, counted from 1; none after the last.
    ///
    /// # Errors
    /// If the file cannot be read. If anything in it is no UTF-8, be it in a row that follows. If the row has more or fewer
    /// cells than the header, or a quote without its end.
    pub(crate) fn read(&mut self, record: &mut StringRecord) -> Result<Option<u64>, ReadFault> {
        let Some(line) = self.next(record)? else {
            return Ok(None);
        };
        if record.len() != self.columns {
            let separator = match self.separator {
                b'\t' => "a tab",
                _ => "a comma",
            };
            let advice = match self.other {
                Some(other) => format!(
                    "that has no {} and {other:?} in it: cells are divided by {} here, and numbers have a point",
                    &separator[2..],
                    separator
                ),
                None => format!("a cell with {separator} in it stands in quotes"),
            };
            let problem = format!(
                "found {} cells, expected {} as in the header; {advice}",
                record.len(),
                self.columns
            );
            self.check_rest()?;
            return Err(TextFault { line, problem }.into());
        }
        Ok(Some(line))
    }

    /// Reads what is left for what would be told ahead of a fault that is found in these rows.
    ///
    /// # Errors
    /// If the file cannot be read, or is no UTF-8.
    pub(crate) fn check_rest(&mut self) -> Result<(), ReadFault> {
        Ok(self.reader.get_mut().check_rest()?)
    }

    fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, ReadFault> {
        let found = self.reader.read_record(record).map_err(|error| {
            let problem = error.to_string();
            match error.into_kind() {
                ErrorKind::Io(error) => error.into(),
                _ => ReadFault::Text(TextFault {
                    line: self.line,
                    problem,
                }),
            }
        })?;
        if !found {
            return Ok(None);
        }
        let begins = record.position().map_or(0, Position::byte);
        let ends = self.reader.position().byte();
        let text = self.reader.get_mut();
        // The reader leaves the second byte of `\r\n`, and empty lines, to the row that follows.
        let breaks = text.from(begins).iter();
        let breaks = breaks.take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let begins = begins + breaks.count() as u64;
        self.line = text.line_at(begins);
        // A quote without its end takes in all that follows, so that it is in the last row.
        if text.ends_at(ends)
            && let Some(quote) = open_quote(text.from(begins), self.separator)
        {
            let fault = TextFault {
                line: text.line_at(begins + quote as u64),
                problem: "a quote begins here that has no end, expected `\"` where the cell ends".to_owned(),
            };
            return Err(fault.into());
        }
        Ok(Some(self.line))
    }
}

/// Where a quoted cell of a row begins that does not end.
fn open_quote(row: &[u8], separator: u8) -> Option<usize> {
    #[derive(Clone, Copy)]
    enum At {
        Start,
        Plain,
        Quoted(usize),
        /// A quote within a quoted cell: its end, or half of a doubled one.
        Quote(usize),
    }
    let mut at = At::Start;
    for (position, &byte) in row.iter().enumerate() {
        at = match (at, byte) {
            (At::Start, b'"') => At::Quoted(position),
            (At::Quoted(start), b'"') => At::Quote(start),
            (At::Quoted(start), _) | (At::Quote(start), b'"') => At::Quoted(start),
            (At::Start | At::Plain | At::Quote(_), b'\r' | b'\n') => At::Start,
            (At::Start | At::Plain | At::Quote(_), byte) if byte == separator => At::Start,
            (At::Start | At::Plain | At::Quote(_), _) => At::Plain,
        };
    }
    match at {
        At::Quoted(start) => Some(start),
        At::Start | At::Plain | At::Quote(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::text;
    use super::*;
    use proptest::prelude::*;

    type Rows = Vec<(u64, Vec<String>)>;

    fn read_from(file: impl Read, piece: usize) -> Result<Rows, TextFault> {
        let fault = |fault| match fault {
            ReadFault::Text(fault) => fault,
            ReadFault::File(error) => panic!("{error}"),
        };
        let (mut records, header) = CsvRecords::in_pieces(file, b',', piece).map_err(fault)?;
        let (mut rows, mut record) = (vec![(0, cells(&header))], StringRecord::new());
        while let Some(line) = records.read(&mut record).map_err(fault)? {
            rows.push((line, cells(&record)));
        }
        Ok(rows)
    }

    fn cells(record: &StringRecord) -> Vec<String> {
        record.iter().map(str::to_owned).collect()
    }

    fn read(text: &str) -> Result<Rows, TextFault> {
        read_from(text.as_bytes(), PIECE).map(|rows| rows[1..].to_vec())
    }

    /// A file that gives at most so many bytes at once, and is interrupted in between.
    struct Slow<'b> {
        bytes: &'b [u8],
        most: Vec<usize>,
        times: usize,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            self.times += 1;
            match self.most[self.times % self.most.len()].min(room.len()) {
                0 => Err(std::io::ErrorKind::Interrupted.into()),
                most => self.bytes.read(&mut room[..most]),
            }
        }
    }

    /// Texts of few rows, with much in them that is read in another way than letter by letter, and with other encodings.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let common: &[&str] = &[
            "a",
            "b7",
            ",",
            ",",
            ",",
            "\n",
            "\n",
            "\r\n",
            "\r",
            "\"",
            "\"",
            "\"\"",
            " ",
            "\t",
            ";",
            "\u{FC}",
            "\u{65E5}",
            "\u{3000}",
            "\u{1F600}",
        ];
        let odd: &[&[u8]] = &[b"\xEF\xBB\xBF", b"\xFF\xFE", b"\0", b"\xFC", b"\xE6\x97"];
        let part = prop_oneof![
            60 => proptest::sample::select(common).prop_map(|part| part.as_bytes().to_vec()),
            20 => Just(b"x,y\n".to_vec()),
            10 => Just(b"\"u\nv\",w\r\n".to_vec()),
            1 => proptest::sample::select(odd).prop_map(<[u8]>::to_vec),
        ];
        let header = prop_oneof![
            Just(b"x,y\n".to_vec()),
            Just(b"\xEF\xBB\xBF\"x\ny\",z\r\n".to_vec()),
            Just(Vec::new())
        ];
        (header, proptest::collection::vec(part, 0..40))
            .prop_map(|(header, parts)| header.into_iter().chain(parts.concat()).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Another encoding is told ahead of all else, wherever it shows.
        #[test]
        fn pieces_of_any_size_give_the_rows_or_the_fault_of_the_whole(
            bytes in bytes(), piece in 3_usize..40, most in proptest::collection::vec(0_usize..9, 1..5), last in 1_usize..9,
        ) {
            let whole = text(&bytes).and_then(|_| read_from(&bytes[..], bytes.len() + 3));
            let most = most.into_iter().chain([last]).collect();
            let slow = Slow { bytes: &bytes, most, times: 0 };
            prop_assert_eq!(read_from(slow, piece), whole);
        }
    }

    #[test]
    fn of_a_long_text_only_the_rows_at_hand_are_in_memory() {
        let text = "id,label\n".to_owned() + &"row,\"a\r\nb\"\r\n".repeat(50_000);
        let (mut records, mut record) = (
            CsvRecords::new(text.as_bytes(), b',').unwrap().0,
            StringRecord::new(),
        );
        while let Some(line) = records.read(&mut record).unwrap() {
            let kept = records.reader.get_ref().from(0).len();
            assert!(kept <= 2 * PIECE, "{kept} bytes in line {line}");
        }
        assert_eq!(records.line, 100_000);
    }

    proptest! {
        /// Lines between rows and within cells, under every line end.
        #[test]
        fn every_row_has_the_line_that_it_begins_in(
            rows in proptest::collection::vec((0_usize..3, "[a-c]{0,2}", proptest::option::of("[a-c]{1,2}")), 0..12),
            end in 0_usize..3,
            last: bool,
        ) {
            let end = ["\n", "\r\n", "\r"][end];
            let (mut text, mut line, mut expected) = (format!("x,y{end}"), 2, Vec::new());
            for (empty, cell, second) in &rows {
                text += &end.repeat(*empty);
                line += *empty as u64;
                let (first, lines) = match second {
                    Some(second) => (format!("{cell},{end}{second}"), 1),
                    None => (cell.clone(), 0),
                };
                text += &format!("\"{first}\",z{end}");
                expected.push((line, vec![first.trim().to_owned(), "z".to_owned()]));
                line += 1 + lines;
            }
            if !last {
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
            }
            prop_assert_eq!(read(&text).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("a,b\r\n1,2\r\n\r\n3\r\n", 4, "found 1 cells, expected 2"),
            ("a,b\n\"x\ny\",2\n3,4,5\n", 4, "found 3 cells"),
            ("a,b\r\n1,2\r\n3,\"4\r\n5,6\r\n", 3, "has no end"),
            ("a,\"b\n", 1, "has no end"),
            ("a;b\n1,5;2\n", 2, "no comma and ';' in it"),
        ] {
            let fault = read(text).unwrap_err();
            assert!(
                fault.line == line && fault.problem.contains(part),
                "{text:?} {fault:?}"
            );
        }
        for text in ["", "a,b", "a\n\"b\"", "a\n\"b\"\"\"\n", "a\nb\"c\n"] {
            assert!(read(text).is_ok(), "{text:?}");
        }
    }
}
