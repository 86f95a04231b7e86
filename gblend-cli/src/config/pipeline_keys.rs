//! What of a table that a plugin has a part in is the pipeline's.

use gblend_core::Role;
use schemars::{Schema, schema_for};

use super::{BlendPipeline, FusionPipeline, ModalityPipeline, OptimizerPipeline};

/// The schema of what the pipeline reads of a role's tables, whatever the kind; `None` if that is nothing.
pub(super) fn pipeline_schema(role: Role) -> Option<Schema> {
    match role {
        Role::Data => None,
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
