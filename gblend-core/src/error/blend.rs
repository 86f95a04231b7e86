//! What can go wrong in the mathematics of the blend.

/// Why there is no optimal blend.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BlendError {
    /// No head's held-out loss would fall, so no blend generalizes.
    #[error("no head gains: every ΔG is zero or negative ({})", list(gains))]
    NoGain {
        /// `ΔG` of each head.
        gains: Vec<f64>,
    },
    /// The numbers of gains and of rows differ.
    #[error("{gains} gains and {rows} rows of second moments: expected as many")]
    Sizes {
        /// Gains that were given.
        gains: usize,
        /// Rows that were given.
        rows: usize,
    },
    /// A gain or moment is not a number.
    #[error("the {what} of head {head} is {value}, expected a finite number")]
    NonFinite {
        /// `gain` or `second moment`.
        what: &'static str,
        /// Its position.
        head: usize,
        /// The value that was found.
        value: f64,
    },
    /// Nothing bounds the weights: a combination of heads overfits not at all.
    #[error("the second moments of the heads' overfitting are singular")]
    Singular,
}

fn list(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
    values.join(", ")
}
