//! Where a step stands.

/// Where a step stands, for its random stream and for messages.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// The name of the random stream.
    pub label: &'a str,
    /// What stands before the name of a value that is not finite.
    pub prefix: &'a str,
    /// Counted from 1.
    pub epoch: usize,
}
