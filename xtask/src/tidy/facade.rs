//! The engine stays behind gblend-core: no other crate depends on it, no other crate's files name it, and one file alone
//! asks which device it computes on.

use std::path::{Path, PathBuf};

use crate::metadata::Metadata;

use super::files::rust_files;
use crate::Result;

/// Split, so that this file does not find itself.
const ENGINE: &str = concat!("df", "dx");

/// The crate that the engine is behind.
const FACADE: &str = "gblend-core";

/// The file that chooses the device.
const CHOOSES: &str = "gblend-core/src/device/mod.rs";

/// What the choice looks like in a file; in a manifest features go by other names.
const CHOICE: &str = concat!("feature = ", "\"cuda\"");

/// Manifests and templates of what is no member of the workspace: plugins as others write them, and the fuzz targets.
const OUTSIDE: [&str; 3] = ["examples", "gblend-cli/builtin", "fuzz"];

/// Dependencies on the engine, and files that name it.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn problems(root: &Path, metadata: &Metadata) -> Result<Vec<String>> {
    let members = metadata
        .packages
        .iter()
        .filter(|package| package.name.as_str() != FACADE);
    let depending = members.filter(|package| package.dependencies.iter().any(|used| used.name == ENGINE));
    let mut problems: Vec<String> = depending
        .map(|package| {
            format!(
                "{} must not depend on {ENGINE}: {FACADE} alone does",
                package.name
            )
        })
        .collect();
    let mut files = rust_files(root)?;
    for folder in OUTSIDE {
        files.extend(manifests(&root.join(folder))?);
    }
    for path in files {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        problems.extend(named_in(&name, &std::fs::read_to_string(&path)?));
    }
    Ok(problems)
}

/// The lines of a file that name the engine, or ask for the device, and must not. How a crate is compiled is no use of it,
/// so profiles in a manifest may name any.
fn named_in(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut in_profile = false;
    for (number, line) in (1..).zip(text.lines()) {
        if name.ends_with(".toml") && line.starts_with('[') {
            in_profile = line.starts_with("[profile.");
        }
        if line.contains(ENGINE) && !in_profile && !name.starts_with(&format!("{FACADE}/")) {
            problems.push(format!(
                "{name}:{number}: names {ENGINE}, which is behind {FACADE}: see gblend_core::tensor and nn"
            ));
        }
        if line.contains(CHOICE) && name != CHOOSES {
            problems.push(format!(
                "{name}:{number}: the device is chosen in {CHOOSES}: see gblend_core::AutoDevice"
            ));
        }
    }
    problems
}

/// The manifests in a folder and the folders in it.
fn manifests(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_the_engine_is_found_with_the_line_unless_it_is_of_the_facade() {
        let text = concat!("//! A fusion.\nuse df", "dx::tensor_ops::TryMul;\n");
        let found = named_in("gblend-modalities/src/fusion/gated.rs", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("gblend-modalities/src/fusion/gated.rs:2: "),
            "{found:?}"
        );
        let manifest = concat!("[dependencies]\ndf", "dx = \"0.13\"\n");
        assert_eq!(named_in("examples/plugin-inertial/Cargo.toml", manifest).len(), 1);
        let profile = manifest.replace("[dependencies]", "[profile.release.package]");
        assert!(named_in("examples/plugin-inertial/Cargo.toml", &profile).is_empty());
        assert!(named_in("gblend-core/src/engine/fast.rs", text).is_empty());
        assert!(named_in("gblend-modalities/src/fusion/gated.rs", "use gblend_core::nn;\n").is_empty());
    }

    #[test]
    fn a_file_that_asks_for_the_device_is_found_unless_it_is_the_one_that_chooses() {
        let text = concat!("//! A part.\n#[cfg(feature = ", "\"cuda\")]\nmod gpu;\n");
        let found = named_in("gblend-core/src/params.rs", text);
        assert!(found.len() == 1 && found[0].contains("params.rs:2"), "{found:?}");
        assert!(named_in(CHOOSES, text).is_empty());
    }
}
