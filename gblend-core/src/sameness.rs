//! Which samples are the same thing, so that one is no wrong answer where another is asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What makes two samples the same to a loss that compares samples: neither counts as a wrong match of the other, and in
/// evaluation either is a hit for the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sameness {
    /// Nothing: each is itself alone.
    Sample,
    /// Their texts are equal, in every modality that is one of texts. A sample without a text is itself alone, as are all
    /// samples where no modality is one of texts.
    #[default]
    Text,
    /// They have the same label, which is then no secret that a match has to find: where pairs are random within a class.
    Label,
    /// They have the same value in this column, one of `data.further_labels`: several captions of one picture. A sample with
    /// an empty cell is itself alone.
    Column(String),
}
