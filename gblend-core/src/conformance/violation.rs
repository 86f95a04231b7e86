//! What a check says of a plugin that breaks a rule.

use std::fmt::{self, Debug, Display};

use super::Rule;

/// A rule that a plugin broke.
///
/// `Debug` shows the message too, for that is what tests print that `unwrap` it or return it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{plugin} breaks {rule:?} ({rule}{}): expected {expected}, found {found}{}",
    UsualCause(*rule),
    Given(input)
)]
pub struct Violation {
    /// The kind of the plugin.
    pub plugin: String,
    /// The rule.
    pub rule: Rule,
    /// What the plugin was given; cut off where it is long, empty where it is nothing but its configuration.
    pub input: String,
    /// What the rule asks for; cut off where it is long.
    pub expected: String,
    /// What was found instead; cut off where it is long.
    pub found: String,
}

impl Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// `; the usual cause is …`, if there is one.
struct UsualCause(Rule);

impl Display for UsualCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.usual_cause() {
            None => Ok(()),
            Some(cause) => write!(f, "; the usual cause is {cause}"),
        }
    }
}

/// `; given …`, if anything was.
struct Given<'a>(&'a str);

impl Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            input => write!(f, "; given {input}"),
        }
    }
}

/// Characters of an input that are shown: a sample of media has millions.
const SHOWN: usize = 400;

impl Violation {
    /// Names the input, unless a check closer to it has.
    pub(super) fn with(mut self, input: &(impl Debug + ?Sized)) -> Self {
        if self.input.is_empty() {
            self.input = shown(&format!("{input:?}"));
        }
        self
    }
}

/// The beginning of a long text.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} …", &text[..end]),
    }
}

impl Rule {
    /// The rule is broken.
    pub(super) fn broken(self, expected: impl Display, found: impl Display) -> Violation {
        Violation {
            plugin: String::new(),
            rule: self,
            input: String::new(),
            expected: shown(&expected.to_string()),
            found: shown(&found.to_string()),
        }
    }

    /// The rule is broken unless `holds`.
    pub(super) fn holds(
        self,
        holds: bool,
        expected: impl Display,
        found: impl Debug,
    ) -> Result<(), Violation> {
        if holds {
            Ok(())
        } else {
            Err(self.broken(expected, format!("{found:?}")))
        }
    }

    /// The rule is broken if there is an error, for `what` should have worked.
    pub(super) fn works<T>(
        self,
        what: impl Display,
        result: Result<T, impl Display>,
    ) -> Result<T, Violation> {
        result.map_err(|error| self.broken(format!("{what} to work"), format!("the error `{error}`")))
    }

    /// The rule is broken unless there is an error, for `what` should have been refused.
    pub(super) fn refused<T, E>(self, what: impl Display, result: Result<T, E>) -> Result<(), Violation> {
        let error = result.err().map(drop);
        error.ok_or_else(|| self.broken(format!("an error for {what}"), "none"))
    }
}
