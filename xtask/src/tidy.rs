//! `cargo xtask tidy`: the architecture's rules that a compiler does not check.

use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::Result;
use crate::process::workspace;

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

/// Files whose mathematics must not know the engine.
const WITHOUT_ENGINE: [&str; 7] = [
    "gblend-core/src/weights.rs",
    "gblend-core/src/ogr/mod.rs",
    "gblend-core/src/ogr/blend.rs",
    "gblend-core/src/ogr/bootstrap.rs",
    "gblend-core/src/ogr/matrix.rs",
    "gblend-core/src/ogr/movement.rs",
    "gblend-optim/src/blend/ogr/policy.rs",
];

/// The files with `unsafe` code, each of which says why.
const UNSAFE: [&str; 2] = [
    "gblend-core/src/nn/cpu/raw.rs",
    "gblend-core/src/cuda/libraries.rs",
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: [&str; 5] = ["utils.rs", "util.rs", "common.rs", "base.rs", "helpers.rs"];

pub(crate) fn run() -> Result {
    let mut problems = dependencies()?;
    let root = workspace();
    for path in rust_files(&root)? {
        let text = std::fs::read_to_string(&path)?;
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        problems.extend(file_problems(&name, &text));
    }
    let listed = std::fs::read_to_string(root.join("docs/dependencies.md")).unwrap_or_default();
    for dependency in workspace_dependencies(&root)? {
        if !listed.contains(&format!("`{dependency}`")) {
            problems.push(format!(
                "docs/dependencies.md does not say why `{dependency}` is there"
            ));
        }
    }
    if problems.is_empty() {
        println!("tidy");
        return Ok(());
    }
    Err(problems.join("\n").into())
}

fn dependencies() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .no_deps()
        .exec()?;
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
        if package.targets.iter().any(|target| target.is_custom_build()) {
            // What builds gblend runs nothing of its own, so it cannot download anything either.
            problems.push(format!("{} has a build script", package.name));
        }
        let forbidden = of(&FORBIDDEN).unwrap_or_default();
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let sibling = members.contains(&name) && !allowed.contains(&name);
            if sibling || (forbidden.contains(&name) && dependency.kind == DependencyKind::Normal) {
                problems.push(format!("{} must not depend on {name}", package.name));
            }
        }
    }
    Ok(problems)
}

fn file_problems(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut add = |problem: &str| problems.push(format!("{name}: {problem}"));
    if EMPTY_NAMES
        .iter()
        .any(|empty| name.ends_with(&format!("/{empty}")))
    {
        add("its name does not say what it holds");
    }
    let first = text.lines().next().unwrap_or_default();
    let test = name.contains("/tests/") || name.ends_with("/tests.rs");
    if !first.starts_with("//!") && !test {
        add("does not begin by saying what it is");
    }
    // Split, so that this file does not find itself.
    if text.contains(concat!("unsafe", " {")) && !UNSAFE.contains(&name) {
        add("has unsafe code, which has files of its own");
    }
    if WITHOUT_ENGINE.contains(&name) && text.contains(concat!("df", "dx")) {
        add("knows the engine, and should be mathematics alone");
    }
    problems
}

fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = ALLOWED.iter().map(|(name, _)| root.join(name)).collect();
    folders.extend(["tests", "examples", "fuzz"].map(|folder| root.join(folder)));
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                // An example that is a workspace of its own may have been built in its folder.
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_about_files_finds_its_offender() {
        let code = "//! A file.\nfn f() {}\n";
        assert!(file_problems("gblend-core/src/array.rs", code).is_empty());
        assert_eq!(file_problems("gblend-core/src/utils.rs", code).len(), 1);
        assert_eq!(file_problems("gblend-core/src/array.rs", "fn f() {}\n").len(), 1);
        let code = concat!("//! A file.\nfn f() { unsafe", " { g() } }\n");
        assert_eq!(file_problems("gblend-core/src/array.rs", code).len(), 1);
        assert!(UNSAFE.iter().all(|name| file_problems(name, code).is_empty()));
        let code = concat!("//! Pure.\nuse df", "dx;\n");
        assert_eq!(file_problems("gblend-core/src/weights.rs", code).len(), 1);
    }
}
