//! What every file says, and what some of them must not know.

use std::path::{Path, PathBuf};

use crate::Result;

/// Where files are.
const FOLDERS: [&str; 8] = [
    "gblend-core",
    "gblend-optim",
    "gblend-modalities",
    "gblend-cli",
    "xtask",
    "tests",
    "examples",
    "fuzz",
];

/// Files whose mathematics must not know the engine.
const WITHOUT_ENGINE: [&str; 6] = [
    "gblend-core/src/weights.rs",
    "gblend-core/src/ogr/mod.rs",
    "gblend-core/src/ogr/blend.rs",
    "gblend-core/src/ogr/bootstrap.rs",
    "gblend-core/src/ogr/matrix.rs",
    "gblend-core/src/ogr/movement.rs",
];

/// The files with `unsafe` code, each of which says why.
const UNSAFE: [&str; 3] = [
    "gblend-cli/src/allocator/mod.rs",
    "gblend-core/src/engine/cpu/raw.rs",
    "gblend-core/src/device/cuda/libraries.rs",
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: [&str; 5] = ["utils.rs", "util.rs", "common.rs", "base.rs", "helpers.rs"];

/// What is wrong with files.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in rust_files(root)? {
        let text = std::fs::read_to_string(&path)?;
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        problems.extend(file_problems(&name, &text));
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
    if [concat!("dispatch(", "|"), concat!("dispatch(", "move |")]
        .iter()
        .any(|closure| text.contains(closure))
    {
        add(
            "gives a closure to `dispatch`, which the compiler may leave without the vectors; `vectorized!` and structures always have them",
        );
    }
    if WITHOUT_ENGINE.contains(&name) && text.contains(concat!("df", "dx")) {
        add("knows the engine, and should be mathematics alone");
    }
    problems
}

/// Every Rust file of the workspace, and of the two beside it.
pub(super) fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.map(|folder| root.join(folder)).to_vec();
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
        let code = concat!("//! A kernel.\nfn f() { Arch::new().dispatch(", "|| 1) }\n");
        assert_eq!(file_problems("gblend-core/src/engine/cpu/norm.rs", code).len(), 1);
        let code = concat!("//! Pure.\nuse df", "dx;\n");
        assert_eq!(file_problems("gblend-core/src/weights.rs", code).len(), 1);
    }
}
