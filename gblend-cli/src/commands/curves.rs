//! Loss curves that any framework wrote: a CSV file with the columns `head,epoch,train_loss,val_loss`.

use std::collections::BTreeMap;
use std::path::Path;

use csv::StringRecord;
use gblend_core::ogr::Losses;

use crate::error::{Error, Result};
use crate::texts::{CsvRecords, ReadFault, TextFault, text};

/// The columns that must be there, in any order; others are ignored.
const COLUMNS: [&str; 4] = ["head", "epoch", "train_loss", "val_loss"];

/// The losses of every head at every epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// In the order in which they first appear.
    heads: Vec<String>,
    /// For each head its losses and the line that they stand in, by epoch. Every head has the same epochs.
    epochs: Vec<BTreeMap<u64, (Losses, u64)>>,
}

/// The losses of every head at two epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The first epoch.
    pub from: u64,
    /// The second.
    pub to: u64,
    /// Losses at the first, one entry per head.
    pub before: Vec<Losses>,
    /// Losses at the second.
    pub after: Vec<Losses>,
}

impl Curves {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Curves`] naming the line: a missing column or cell, a number that is none or not
    /// finite, the same head and epoch twice, an epoch that one head has and another has not.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        Self::parse(&bytes).map_err(|(line, problem)| Error::Curves {
            path: path.to_owned(),
            line,
            problem,
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, (u64, String)> {
        let at = |fault| match fault {
            ReadFault::Text(TextFault { line, problem }) => (line, problem),
            file @ ReadFault::File(_) => (1, file.to_string()),
        };
        // What is no text is told ahead of all else.
        text(bytes).map_err(|fault| at(fault.into()))?;
        let (mut records, header) = CsvRecords::new(bytes, b',').map_err(at)?;
        let mut columns = [0; 4];
        for (column, name) in columns.iter_mut().zip(COLUMNS) {
            let found = header.iter().position(|found| found == name);
            *column = found.ok_or_else(|| {
                let list: Vec<&str> = header.iter().collect();
                let problem = format!(
                    "no column `{name}`; found {}, expected {}",
                    list.join(","),
                    COLUMNS.join(",")
                );
                (1, problem)
            })?;
        }
        let mut curves = Self {
            heads: Vec::new(),
            epochs: Vec::new(),
        };
        let mut record = StringRecord::new();
        while let Some(line) = records.read(&mut record).map_err(at)? {
            curves
                .add(&record, columns, line)
                .map_err(|problem| (line, problem))?;
        }
        curves.check()?;
        Ok(curves)
    }

    fn add(&mut self, record: &StringRecord, columns: [usize; 4], line: u64) -> Result<(), String> {
        let cell = |column: usize| match record.get(columns[column]) {
            None | Some("") => Err(format!("no {}", COLUMNS[column])),
            Some(text) => Ok(text),
        };
        let head = cell(0)?;
        let epoch = cell(1)?;
        let epoch: u64 = epoch
            .parse()
            .map_err(|_| format!("epoch `{epoch}`, expected a whole number that is not negative"))?;
        let loss = |column: usize| {
            let text = cell(column)?;
            let finite = text.parse::<f64>().ok().filter(|loss| loss.is_finite());
            finite.ok_or_else(|| format!("{} `{text}`, expected a finite number", COLUMNS[column]))
        };
        let losses = Losses {
            train: loss(2)?,
            held_out: loss(3)?,
        };
        let position = match self.heads.iter().position(|known| known == head) {
            Some(position) => position,
            None => {
                self.heads.push(head.to_owned());
                self.epochs.push(BTreeMap::new());
                self.heads.len() - 1
            }
        };
        match self.epochs[position].insert(epoch, (losses, line)) {
            None => Ok(()),
            Some((_, first)) => Err(format!(
                "head `{head}` has epoch {epoch} already, in line {first}"
            )),
        }
    }

    /// Every head has the same epochs, and there are at least two.
    fn check(&self) -> Result<(), (u64, String)> {
        if self.heads.is_empty() {
            return Err((
                1,
                "no row after the header, expected at least one head with two epochs".into(),
            ));
        }
        for (head, epochs) in self.heads.iter().zip(&self.epochs) {
            for (other, others) in self.heads.iter().zip(&self.epochs) {
                if let Some((epoch, (_, line))) = others.iter().find(|(epoch, _)| !epochs.contains_key(epoch))
                {
                    let problem = format!("head `{other}` has epoch {epoch} here, head `{head}` nowhere");
                    return Err((*line, problem));
                }
            }
            if let (1, Some((epoch, (_, line)))) = (epochs.len(), epochs.first_key_value()) {
                return Err((
                    *line,
                    format!("head `{head}` has epoch {epoch} alone, expected at least two epochs"),
                ));
            }
        }
        Ok(())
    }

    /// The names of the heads.
    pub fn heads(&self) -> &[String] {
        &self.heads
    }

    /// The losses at two epochs; by default the first and the last.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such epoch, or the second does not come after the first.
    pub fn between(&self, from: Option<u64>, to: Option<u64>) -> Result<Span> {
        let known = self.epochs.first();
        let first = known
            .and_then(|epochs| epochs.first_key_value())
            .map_or(0, |(epoch, _)| *epoch);
        let last = known
            .and_then(|epochs| epochs.last_key_value())
            .map_or(0, |(epoch, _)| *epoch);
        let (from, to) = (from.unwrap_or(first), to.unwrap_or(last));
        let at = |flag: &str, wanted: u64| -> Result<Vec<Losses>> {
            let losses = self
                .epochs
                .iter()
                .map(|epochs| epochs.get(&wanted).map(|(losses, _)| *losses));
            losses.collect::<Option<_>>().ok_or_else(|| {
                let lines = self.epochs.iter().flat_map(|epochs| epochs.values().map(|(_, line)| *line));
                let (least, most) = lines.fold((u64::MAX, 0), |(a, b), line| (a.min(line), b.max(line)));
                Error::Usage(format!(
                    "{flag} {wanted}: lines {least} to {most} have epochs from {first} to {last} and not this one"
                ))
            })
        };
        let (before, after) = (at("--from", from)?, at("--to", to)?);
        if from >= to {
            return Err(Error::Usage(format!(
                "--from {from} --to {to}: the second epoch must come after the first"
            )));
        }
        Ok(Span {
            from,
            to,
            before,
            after,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> (u64, String) {
        Curves::parse(text.as_bytes()).unwrap_err()
    }

    const TWO: &str = "head,epoch,train_loss,val_loss\na,0,2.0,2.1\na,1,1.5,1.9\n";

    #[test]
    fn rows_may_come_in_any_order_with_other_columns_between() {
        let text = "epoch,note,head,val_loss,train_loss\n3,x,b,4,3\n0,,a,2,1\n3,,a,1,0.5\n0,,b,6,5\n";
        let curves = Curves::parse(text.as_bytes()).unwrap();
        assert_eq!(curves.heads(), ["b", "a"]);
        let span = curves.between(None, None).unwrap();
        assert_eq!((span.from, span.to), (0, 3));
        assert_eq!(
            span.before[1],
            Losses {
                train: 1.0,
                held_out: 2.0
            }
        );
        assert_eq!(
            span.after[0],
            Losses {
                train: 3.0,
                held_out: 4.0
            }
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("head,epoch,train_loss\n", 1, "no column `val_loss`"),
            ("", 1, "no column `head`"),
            ("head,epoch,train_loss,val_loss\n", 1, "no row"),
            (&format!("{TWO}a,1,1.4,1.8\n"), 4, "already, in line 3"),
            (&format!("{TWO}b,0,NaN,1.8\n"), 4, "train_loss `NaN`"),
            (&format!("{TWO}b,0,1.0,inf\n"), 4, "val_loss `inf`"),
            (&format!("{TWO}b,0,1.0,\n"), 4, "no val_loss"),
            (&format!("{TWO},0,1.0,1.0\n"), 4, "no head"),
            (&format!("{TWO}b,-1,1.0,1.0\n"), 4, "epoch `-1`"),
            (&format!("{TWO}b,0,1.0,1.0\n"), 3, "head `b` nowhere"),
            (&format!("{TWO}b,0,1.0\n"), 4, "3 cells"),
            // As spreadsheets write them.
            (
                "\u{FEFF}head,epoch,train_loss,val_loss\r\n\r\na,0,2,2\r\na,1,x,2\r\n",
                4,
                "train_loss `x`",
            ),
            (
                "head,epoch,train_loss,val_loss\na,0,1,1\n",
                2,
                "at least two epochs",
            ),
        ] {
            let (found, problem) = refused(text);
            assert!(problem.contains(part), "{text:?}: {problem}");
            assert_eq!(found, line, "{text:?}: {problem}");
        }
    }

    #[test]
    fn an_epoch_that_is_not_there_is_answered_with_those_that_are() {
        let curves = Curves::parse(TWO.as_bytes()).unwrap();
        let error = curves.between(Some(7), None).unwrap_err().to_string();
        assert!(
            error.contains("--from 7") && error.contains("lines 2 to 3"),
            "{error}"
        );
        assert!(curves.between(Some(1), Some(1)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Curves::parse(&bytes);
        }

        #[test]
        fn any_rows_are_read_or_refused(rows in "(head,epoch,train_loss,val_loss\n)?([ab,0-9.\n\"-]{0,80})") {
            let _ = Curves::parse(rows.as_bytes());
        }
    }
}
