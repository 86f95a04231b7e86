//! Errors of a configuration, with the place they come from.

use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no TOML.
    #[error("{place}: {problem}")]
    Syntax {
        /// `file:line`.
        place: String,
        /// What the parser expected and found.
        problem: String,
    },
    /// A key has a value that it must not have, is unknown or is missing.
    #[error("{place}: {key}: {problem}")]
    Invalid {
        /// `file:line`, or the override.
        place: String,
        /// The dotted key.
        key: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// A plugin refuses a setting once it sees what it is for: samples of this shape, features of this length.
    #[error("{place}: {refused}")]
    Refused {
        /// `file:line`, or the override.
        place: String,
        /// What the plugin says, with the dotted key.
        refused: gblend_core::Error,
    },
    /// A `--set` argument is not `KEY=VALUE`.
    #[error("--set {argument}: expected KEY=VALUE, as in --set blend.kind=equal")]
    Override {
        /// The argument.
        argument: String,
    },
    /// The plugins of this binary clash, or there is none.
    #[error("{0}")]
    Plugins(String),
    /// A plugin has a setting that cannot be written as TOML.
    #[error("{table} cannot be written as TOML: {problem}")]
    Unwritable {
        /// The table.
        table: String,
        /// Why.
        problem: String,
    },
}
