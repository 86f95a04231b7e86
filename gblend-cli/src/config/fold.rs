//! `run.fold`: which of several equal parts of the samples is tested.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One of several folds, written as `2/5`: the second of five.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TestFold {
    number: u32,
    of: u32,
}

/// The fewest folds: of one fold nothing is left to train on.
pub const LEAST_FOLDS: u32 = 2;

impl TestFold {
    /// Fold `number`, counted from 1, of `of`; `None` unless there are two folds at least and this is one of them.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        let is_one = of >= LEAST_FOLDS && (1..=of).contains(&number);
        is_one.then_some(Self { number, of })
    }

    /// Its number, counted from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many folds there are.
    pub fn of(self) -> u32 {
        self.of
    }
}

impl fmt::Display for TestFold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// What is no fold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "found `{0}`, expected a fold and how many there are, as in `2/5`: 1 to N of N folds, of which there are at least {LEAST_FOLDS}"
)]
pub struct NoFold(String);

impl FromStr for TestFold {
    type Err = NoFold;

    fn from_str(text: &str) -> Result<Self, NoFold> {
        // `parse` alone would take a plus sign.
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain)
        };
        let parts = text.split_once('/');
        let fold = parts.and_then(|(fold, of)| Self::new(number(fold)?, number(of)?));
        fold.ok_or_else(|| NoFold(text.to_owned()))
    }
}

impl TryFrom<String> for TestFold {
    type Error = NoFold;

    fn try_from(text: String) -> Result<Self, NoFold> {
        text.parse()
    }
}

impl From<TestFold> for String {
    fn from(fold: TestFold) -> Self {
        fold.to_string()
    }
}

impl JsonSchema for TestFold {
    fn schema_name() -> Cow<'static, str> {
        "TestFold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+/[0-9]+$" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_fold_is_read_as_it_is_written(of in 2_u32..2000, part in 0.0_f64..1.0) {
            let number = 1 + (part * f64::from(of)) as u32;
            let fold = TestFold::new(number, of).unwrap();
            prop_assert_eq!(fold.to_string().parse::<TestFold>(), Ok(fold));
            prop_assert_eq!((fold.number(), fold.of()), (number, of));
        }

        #[test]
        fn no_text_makes_a_fold_that_is_not_there(text in "[0-9+/ -]{0,6}") {
            if let Ok(fold) = text.parse::<TestFold>() {
                prop_assert!(fold.of() >= 2 && fold.number() >= 1 && fold.number() <= fold.of(), "{}", text);
            }
        }
    }

    #[test]
    fn what_is_no_fold_is_refused_with_what_is_expected() {
        for text in [
            "",
            "2",
            "0/5",
            "6/5",
            "1/1",
            "1/0",
            "+1/5",
            "1/5/2",
            "a/b",
            " 1/5",
            "99999999999/5",
        ] {
            let problem = text.parse::<TestFold>().unwrap_err().to_string();
            assert!(
                problem.starts_with(&format!("found `{text}`")) && problem.contains("`2/5`"),
                "{problem}"
            );
        }
    }
}
