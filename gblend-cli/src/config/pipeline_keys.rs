//! What of a table that a plugin has a part in is the pipeline's.

use gblend_core::Role;
use schemars::{Schema, schema_for};

use super::{BlendPipeline, FusionPipeline, ModalityPipeline, OptimizerPipeline};

/// The schema of what the pipeline reads of a role's tables, whatever the kind; `None` if that is nothing.
pub(super) fn pipeline_schema(role: Role) -> Option<Schema> {
    match role {
        Role::Data | Role::Objective => None,
        Role::Modality => Some(schema_for!(ModalityPipeline)),
        Role::Fusion => Some(schema_for!(FusionPipeline)),
        Role::Blend => Some(schema_for!(BlendPipeline)),
        Role::Optimizer => Some(schema_for!(OptimizerPipeline)),
    }
}

/// The keys of a role's tables that the pipeline reads, whatever the kind.
pub(super) fn pipeline_keys(role: Role) -> Vec<String> {
    let schema = pipeline_schema(role);
    let keys = schema
        .as_ref()
        .and_then(|schema| schema.get("properties")?.as_object());
    keys.into_iter().flat_map(|keys| keys.keys().cloned()).collect()
}

/// The keys of a role's tables that are the table of a plugin of another role.
pub(super) fn plugin_keys(role: Role) -> &'static [&'static str] {
    match role {
        Role::Modality => &["objective"],
        _ => &[],
    }
}

/// The keys of a role's tables that are not the plugin's own.
pub(super) fn shared_keys(role: Role) -> Vec<String> {
    let plugins = plugin_keys(role).iter().map(|&key| key.to_owned());
    pipeline_keys(role).into_iter().chain(plugins).collect()
}
