//! Who may depend on whom, and why each dependency is there.

use std::path::Path;

use crate::Result;
use crate::metadata::Metadata;

/// Members that a member may depend on.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("gblend-core", &[]),
    ("gblend-optim", &["gblend-core"]),
    ("gblend-modalities", &["gblend-core"]),
    (
        "gblend-cli",
        &["gblend-core", "gblend-optim", "gblend-modalities"],
    ),
    (
        "gblend-tests",
        &["gblend-core", "gblend-optim", "gblend-modalities", "gblend-cli"],
    ),
    ("xtask", &[]),
];

/// Crates that a member must not depend on: they belong to the command line.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    (
        "gblend-core",
        &["clap", "toml", "toml_edit", "comfy-table", "indicatif"],
    ),
    (
        "gblend-optim",
        &["clap", "toml", "toml_edit", "comfy-table", "indicatif"],
    ),
    (
        "gblend-modalities",
        &["clap", "toml", "toml_edit", "comfy-table", "indicatif"],
    ),
];

/// Dependencies that the architecture does not know, and build scripts.
pub(crate) fn problems(metadata: &Metadata) -> Vec<String> {
    let members: Vec<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let of = |table: &[(&str, &'static [&'static str])]| {
            table
                .iter()
                .find(|(name, _)| *name == package.name.as_str())
                .map(|(_, list)| *list)
        };
        let Some(allowed) = of(&ALLOWED) else {
            problems.push(format!(
                "{} is a member that the architecture does not know",
                package.name
            ));
            continue;
        };
        if package.targets.iter().any(|target| target.is("custom-build")) {
            // What builds gblend runs nothing of its own, so it cannot download anything either.
            problems.push(format!("{} has a build script", package.name));
        }
        let forbidden = of(&FORBIDDEN).unwrap_or_default();
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let sibling = members.contains(&name) && !allowed.contains(&name);
            if sibling || (forbidden.contains(&name) && dependency.kind.is_none()) {
                problems.push(format!("{} must not depend on {name}", package.name));
            }
        }
    }
    problems
}

/// Dependencies that docs/dependencies.md does not explain.
///
/// # Errors
/// If Cargo.toml cannot be read.
pub(crate) fn unexplained(root: &Path) -> Result<Vec<String>> {
    let listed = std::fs::read_to_string(root.join("docs/dependencies.md")).unwrap_or_default();
    let dependencies = workspace_dependencies(root)?.into_iter();
    let unexplained = dependencies.filter(|dependency| !listed.contains(&format!("`{dependency}`")));
    let problem = |dependency| format!("docs/dependencies.md does not say why `{dependency}` is there");
    Ok(unexplained.map(problem).collect())
}

/// The names under `[workspace.dependencies]` that are not members.
fn workspace_dependencies(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let lines = text
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let names = lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned());
    Ok(names
        .filter(|name| !name.starts_with("gblend-") && !name.starts_with('#'))
        .collect())
}
