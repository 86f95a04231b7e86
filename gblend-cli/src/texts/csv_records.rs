//! Rows of CSV with the lines that they begin in.

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::{TextFault, line_ends};

/// The rows of a text with a header (RFC 4180). Cells come without white space around them, and every row has as many as
/// the header; empty lines are none.
pub(crate) struct CsvRecords<'t> {
    reader: Reader<&'t [u8]>,
    text: &'t [u8],
    separator: u8,
    /// The byte up to which lines were counted, and the line that it is in.
    counted: usize,
    line: u64,
    columns: usize,
    /// What else than the separator the only cell of the header has in it.
    other: Option<char>,
}

impl<'t> CsvRecords<'t> {
    /// The rows of a text, and its header.
    ///
    /// # Errors
    /// If the header has a quote without its end.
    pub(crate) fn new(text: &'t str, separator: u8) -> Result<(Self, StringRecord), TextFault> {
        let mut reader = ReaderBuilder::new();
        // What is no header to the reader has a position; rows of other lengths are told here.
        let reader = reader
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        let mut records = Self {
            reader,
            text: text.as_bytes(),
            separator,
            counted: 0,
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
    /// If it has more or fewer cells than the header, or a quote without its end.
    pub(crate) fn read(&mut self, record: &mut StringRecord) -> Result<Option<u64>, TextFault> {
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
            return Err(TextFault { line, problem });
        }
        Ok(Some(line))
    }

    fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, TextFault> {
        let found = self.reader.read_record(record).map_err(|error| TextFault {
            line: self.line,
            problem: error.to_string(),
        })?;
        if !found {
            return Ok(None);
        }
        // The reader leaves the second byte of `\r\n`, and empty lines, to the row that follows.
        let begins = record.position().map_or(0, csv::Position::byte) as usize;
        let rest = self.text.get(begins..).unwrap_or_default();
        let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let begins = begins + breaks.count();
        self.count_to(begins);
        let line = self.line;
        let ends = self.reader.position().byte() as usize;
        // A quote without its end takes in all that follows, so that it is in the last row.
        if ends >= self.text.len()
            && let Some(quote) = open_quote(&self.text[begins..], self.separator)
        {
            self.count_to(begins + quote);
            return Err(TextFault {
                line: self.line,
                problem: "a quote begins here that has no end, expected `\"` where the cell ends".to_owned(),
            });
        }
        Ok(Some(line))
    }

    fn count_to(&mut self, byte: usize) {
        self.line += line_ends(self.text.get(self.counted..byte).unwrap_or_default());
        self.counted = byte;
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<(u64, Vec<String>)>, TextFault> {
        let (mut records, _) = CsvRecords::new(text, b',')?;
        let (mut rows, mut record) = (Vec::new(), StringRecord::new());
        while let Some(line) = records.read(&mut record)? {
            rows.push((line, record.iter().map(str::to_owned).collect()));
        }
        Ok(rows)
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
