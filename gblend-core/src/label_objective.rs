//! The objective that a dataset's labels ask for where none is configured.

use crate::error::{Error, Result};
use crate::label::LabelKind;
use crate::objective::Objective;
use crate::registry::catalogue;
use crate::role::Role;

/// The objective that heads have where the configuration names none: it follows from the labels.
///
/// # Errors
/// [`Error::UnknownKind`] if the binary was linked without it.
pub fn default_objective(labels: LabelKind) -> Result<Box<dyn Objective>> {
    let kind = labels.objective();
    catalogue()?.find(Role::Objective, kind)?;
    serde_json::from_value(serde_json::json!({ "kind": kind })).map_err(Error::plugin)
}
