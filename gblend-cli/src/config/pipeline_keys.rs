//! What of a table that a plugin has a part in is the pipeline's.

/// The keys of a role's tables that the pipeline reads, whatever the kind.
pub(super) fn pipeline_keys(table: &str) -> &'static [&'static str] {
    match table {
        "modality" => &["source", "pretrained"],
        "fusion" => &["head"],
        "blend" => &["predict"],
        "optimizer" => &["schedule", "clip_norm", "apply"],
        _ => &[],
    }
}
