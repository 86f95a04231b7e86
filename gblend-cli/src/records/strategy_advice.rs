//! `advice.json`: what the strategy of a run says to whoever reads its report.

use gblend_core::Advice;
use serde::{Deserialize, Serialize};

/// The format of the file; another format gets another number.
const FORMAT: &str = "gblend-advice-1";

/// What a strategy said as its run ended. It has a file of its own, so that an older gblend reads `summary.json` as it
/// always did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyAdvice {
    /// The format of the file.
    pub format: String,
    /// The kind of the blend strategy.
    pub strategy: String,
    /// What it says.
    pub advice: Advice,
}

impl StrategyAdvice {
    /// What a strategy of this kind says.
    pub fn new(strategy: &str, advice: Advice) -> Self {
        Self {
            format: FORMAT.to_owned(),
            strategy: strategy.to_owned(),
            advice,
        }
    }

    /// Checks that it is of this format, and its figures of so many heads or their modalities.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, heads: usize) -> Result<(), String> {
        if self.format != FORMAT {
            let found = &self.format;
            return Err(format!(
                "advice.json has the format `{found}`, this gblend reads `{FORMAT}`"
            ));
        }
        let mut figures = self.advice.figures.iter();
        match figures.find(|one| ![heads, heads.saturating_sub(1)].contains(&one.values.len())) {
            None => Ok(()),
            Some(wrong) => Err(format!(
                "advice.json: `{}` has {} figures, expected one for each of {heads} heads, or for each modality",
                wrong.name,
                wrong.values.len()
            )),
        }
    }
}
