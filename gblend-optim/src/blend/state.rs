//! What strategies have learned, to JSON and back.

use gblend_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The state as JSON. Numbers in it must be finite, for JSON knows no others.
pub(super) fn to_json(state: &impl Serialize) -> Value {
    serde_json::to_value(state).unwrap_or_default()
}

/// The state of the strategy `kind` from JSON.
///
/// # Errors
/// [`Error::Strategy`] if that strategy cannot have made it.
pub(super) fn from_json<T: DeserializeOwned>(kind: &str, state: &Value) -> Result<T> {
    T::deserialize(state).map_err(|error| {
        Error::Strategy(format!(
            "`{kind}` cannot go on from this state, which is none of its own: {error}"
        ))
    })
}
