//! Which modules use which, in every crate of the workspace.

mod cycles;
mod floors;
mod source;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::metadata::Metadata;
use cycles::cycles;
use floors::Floors;
use tree::Tree;

/// The crate that has floors.
const WITH_FLOORS: &str = "gblend-cli/src/lib.rs";

/// What is wrong with the modules of a workspace: cycles, and uses of higher floors.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn problems(folder: &Path, metadata: &Metadata) -> Result<Vec<String>> {
    let architecture = std::fs::read_to_string(folder.join("ARCHITECTURE.md"))?;
    let mut problems = Vec::new();
    for root in roots(metadata) {
        let tree = Tree::read(&root)?;
        problems.extend(cycles(&tree).iter().map(|cycle| cycle.text(&tree, folder)));
        if root == folder.join(WITH_FLOORS) {
            problems.extend(Floors::parse(&architecture)?.problems(&tree, folder));
        }
    }
    Ok(problems)
}

/// Each crate's modules at its root with what they use, and the number of cycles.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn graph(folder: &Path, metadata: &Metadata) -> Result<String> {
    let mut lines = Vec::new();
    let mut all = 0;
    for root in roots(metadata) {
        let tree = Tree::read(&root)?;
        let mut used: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (outer, from, to) in tree.uses().iter().filter_map(|used| tree.sides(used)) {
            if outer == 0 {
                used.entry(from).or_default().insert(to);
            }
        }
        let found = cycles(&tree);
        all += found.len();
        lines.push(format!(
            "{}: {} modules, cycles: {}",
            root.strip_prefix(folder).unwrap_or(&root).display(),
            tree.modules.len(),
            found.len()
        ));
        for (name, module) in &tree.modules[0].children {
            let used: Vec<String> = used
                .get(module)
                .into_iter()
                .flatten()
                .map(|&to| tree.name(to))
                .collect();
            lines.push(format!("    {name} -> {}", used.join(", ")));
        }
        lines.extend(found.iter().map(|cycle| cycle.text(&tree, folder)));
    }
    lines.push(format!("cycles: {all}"));
    Ok(lines.join("\n"))
}

/// The root file of every library, program, test, example and bench.
fn roots(metadata: &Metadata) -> BTreeSet<PathBuf> {
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    targets.map(|target| target.src_path.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FLOORS: &str = "# A\n\n## Floors\n\n| module | what |\n|---|---|\n| `top` | a |\n| `low` | b |\n\n## Else\n| `no` |\n";

    /// A crate of these files.
    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tree = Tree::read(&folder.path().join("lib.rs")).unwrap();
        (folder, tree)
    }

    /// What is found in a crate of two floors, the lower one a folder.
    fn found(top: &str, low: &str, part: &str, other: &str) -> Vec<String> {
        let (folder, tree) = tree(&[
            ("lib.rs", "mod low;\nmod top;\npub use top::Door;\n"),
            ("top.rs", top),
            ("low/mod.rs", &format!("mod part;\nmod other;\n{low}")),
            ("low/part.rs", part),
            ("low/other.rs", other),
        ]);
        let mut found = Floors::parse(FLOORS).unwrap().problems(&tree, folder.path());
        found.extend(cycles(&tree).iter().map(|cycle| cycle.text(&tree, folder.path())));
        found
    }

    #[test]
    fn a_clean_tree_passes() {
        let top = "use crate::low::{Part, part::Other};\npub struct Door;\n";
        let low = "pub use part::Part;\npub struct Own;\n";
        // A part may use what its folder's own file defines.
        let part = "use super::{Own, other};\npub struct Part;\nfn f() { other::g() }\n";
        // Not what it says, what it names in a test, nor what has the same name elsewhere.
        let other = "//! crate::top\npub fn g() { let top = \"crate::top\"; top::h(); }\n#[cfg(test)]\nmod tests { use crate::top::Door; }\n";
        assert_eq!(found(top, low, part, other), [""; 0]);
    }

    #[test]
    fn an_upward_use_is_refused_with_its_place_however_it_is_spelled() {
        let uses = [
            "use crate::top::Door;",
            "use super::super::{top};",
            "pub use crate::top::*;",
            "fn f() -> crate::top::Door { loop {} }",
            "fn f() { html! { (crate::top::door()) } }",
            "use crate::Door;",
            "use crate as c;\nfn f() { c::top::door(); }",
        ];
        for text in uses {
            let found = found("pub struct Door;", "", text, "");
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            let line = text.lines().count();
            assert!(
                found[0].starts_with(&format!("low/part.rs:{line}: `")),
                "{found:?}"
            );
            assert!(found[0].contains("`low` must not use `top`"), "{found:?}");
        }
    }

    #[test]
    fn a_cycle_is_refused_with_all_that_ties_it_and_seen_through_re_exports() {
        let part = "use super::other::Other;\npub struct Part;\n";
        for other in [
            "use super::part::Part;\npub struct Other;",
            "use crate::low::Part;\npub struct Other;",
            "pub struct Other;\nfn f(p: super::Renamed) {}",
        ] {
            let low = "pub use part::Part;\npub use part::Part as Renamed;\n";
            let found = found("", low, part, other);
            assert_eq!(found.len(), 1, "{other}: {found:?}");
            let named = ["low::part, low::other", "low/part.rs:1", "low/other.rs:"];
            assert!(named.iter().all(|name| found[0].contains(name)), "{found:?}");
        }
    }

    #[test]
    fn a_module_on_no_floor_and_a_floor_without_a_module_are_named() {
        let (folder, tree) = tree(&[("lib.rs", "mod low;\nmod new;\n"), ("low.rs", ""), ("new.rs", "")]);
        let found = Floors::parse(FLOORS).unwrap().problems(&tree, folder.path());
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("`new`") && found[1].contains("`top`"),
            "{found:?}"
        );
        assert!(Floors::parse("# A\n").is_err());
    }
}
