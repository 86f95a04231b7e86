//! Whether a plugin is found by the name that configurations have for it.

use super::{Rule, Violation};
use crate::registry::Plugin;
use crate::role::Role;

/// `kind` is the name that `typetag` has for the plugin.
pub(super) fn check(role: Role, kind: &str) -> Result<(), Violation> {
    let plugins = inventory::iter::<Plugin>.into_iter();
    let of_role: Vec<&Plugin> = plugins.filter(|plugin| plugin.role == role).collect();
    if of_role.iter().any(|plugin| plugin.kind == kind) {
        return Ok(());
    }
    let misspelt = of_role.iter().filter(|plugin| !plugin.is_implemented());
    let found = match misspelt
        .map(|plugin| format!("`{}`", plugin.kind))
        .collect::<Vec<_>>()
    {
        none if none.is_empty() => "nothing that registers it".to_owned(),
        misspelt => format!("{}, which nothing is called", misspelt.join(", ")),
    };
    let expected = format!("`gblend_core::register!({role:?}, \"{kind}\" => …);` beside its implementation");
    Err(Rule::RegisteredByName.broken(expected, found))
}
