//! `splits.csv`: which sample a run had in which split, and what it was made of.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, Writer};
use serde::{Deserialize, Serialize};

/// A split of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitName {
    /// What parameters are fitted to.
    Training,
    /// What decides blend weights.
    HeldOut,
    /// What decides which epoch is kept.
    Validation,
    /// What the result is told of.
    Test,
}

impl SplitName {
    /// All of them, in the order of the file.
    pub const ALL: [Self; 4] = [Self::Training, Self::HeldOut, Self::Validation, Self::Test];

    /// As messages have it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::HeldOut => "held-out",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Where a sample was, and what it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its split.
    pub split: SplitName,
    /// Its place in the file.
    pub place: usize,
    /// A hash of its label and of the contents of its streams; none where the run kept none, as of very large datasets.
    pub content: Option<u64>,
}

/// The samples of a run, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership(BTreeMap<String, Member>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    sample: &'a str,
    split: SplitName,
    content: Option<&'a str>,
}

impl Membership {
    /// The name of the file.
    pub const FILE: &str = "splits.csv";

    /// Where a sample was.
    pub fn get(&self, id: &str) -> Option<&Member> {
        self.0.get(id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.0.iter().map(|(id, member)| (id.as_str(), member))
    }

    /// The text of the file for these samples, in this order.
    ///
    /// # Errors
    /// What the file complains about; there is nothing that CSV cannot hold.
    pub fn write<I: AsRef<str>>(
        file: impl std::io::Write,
        members: impl IntoIterator<Item = (I, SplitName, Option<u64>)>,
    ) -> Result<(), csv::Error> {
        let mut writer = Writer::from_writer(file);
        for (id, split, content) in members {
            let content = content.map(|content| format!("{content:016x}"));
            writer.serialize(Line {
                sample: id.as_ref(),
                split,
                content: content.as_deref(),
            })?;
        }
        Ok(writer.flush()?)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().from_reader(bytes);
        let headers = reader.headers().map_err(|error| error.to_string())?.clone();
        let mut members = BTreeMap::new();
        for (place, record) in reader.records().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            let at = |problem: String| format!("line {line}: {problem}");
            let found: Line<'_> = record
                .deserialize(Some(&headers))
                .map_err(|error| at(error.to_string()))?;
            let content = found
                .content
                .filter(|content| !content.is_empty())
                .map(|content| {
                    u64::from_str_radix(content, 16).map_err(|_| {
                        at(format!(
                            "found the content {content:?}, expected 16 digits of a hash"
                        ))
                    })
                });
            let member = Member {
                split: found.split,
                place,
                content: content.transpose()?,
            };
            if members.insert(found.sample.to_owned(), member).is_some() {
                return Err(at(format!("the sample `{}` stands there twice", found.sample)));
            }
        }
        Ok(Self(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            samples in proptest::collection::btree_map(".*", (0_usize..4, any::<Option<u64>>()), 0..9),
        ) {
            let members = samples.iter().map(|(id, (split, content))| (id, SplitName::ALL[*split], *content));
            let mut file = Vec::new();
            Membership::write(&mut file, members).unwrap();
            let read = Membership::read(&file).unwrap();
            prop_assert_eq!(read.iter().count(), samples.len());
            for (place, (id, (split, content))) in samples.iter().enumerate() {
                let expected = Member { split: SplitName::ALL[*split], place, content: *content };
                prop_assert_eq!(read.get(id), Some(&expected));
            }
        }

        #[test]
        fn damaged_bytes_are_an_error_or_samples(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Membership::read(&bytes);
        }
    }

    #[test]
    fn what_is_damaged_is_told_with_its_line() {
        for (text, part) in [
            (
                "sample,split,content\na,test,00\na,test,01\n",
                "line 3: the sample `a` stands there twice",
            ),
            ("sample,split,content\na,tset,00\n", "line 2"),
            (
                "sample,split,content\na,test,xyz\n",
                "line 2: found the content \"xyz\"",
            ),
            ("sample,part\na,test\n", "line 2"),
        ] {
            let error = Membership::read(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
