//! The floors of gblend-cli: each of its modules uses those below it alone.

use std::path::Path;

use super::tree::Tree;

/// The heading in ARCHITECTURE.md over the table of floors.
const HEADING: &str = "## Floors";

/// The modules at the root of a crate, from the top floor down.
#[derive(Debug)]
pub(crate) struct Floors(Vec<String>);

impl Floors {
    /// Reads the table of ARCHITECTURE.md: the first cell of each row names a module.
    ///
    /// # Errors
    /// If there is no such table.
    pub(crate) fn parse(architecture: &str) -> Result<Self, String> {
        let section = architecture.lines().skip_while(|line| *line != HEADING).skip(1);
        let section = section.take_while(|line| !line.starts_with("## "));
        let first_cells = section.filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let names: Vec<String> = first_cells.map(|(name, _)| name.to_owned()).collect();
        if names.is_empty() {
            return Err(format!(
                "ARCHITECTURE.md has no table of floors under `{HEADING}`"
            ));
        }
        Ok(Self(names))
    }

    /// Every module that is on no floor, every floor without a module, and every use of a module on a higher floor.
    pub(crate) fn problems(&self, tree: &Tree, folder: &Path) -> Vec<String> {
        let floor = |name: &str| self.0.iter().position(|floor| floor == name);
        let mut problems = Vec::new();
        let root = &tree.modules[0];
        let root_file = root.file.strip_prefix(folder).unwrap_or(&root.file).display();
        for name in root.children.keys().filter(|name| floor(name).is_none()) {
            problems.push(format!(
                "{root_file}: module `{name}` is on none of the floors in ARCHITECTURE.md"
            ));
        }
        for name in self.0.iter().filter(|name| !root.children.contains_key(*name)) {
            problems.push(format!(
                "ARCHITECTURE.md: floor `{name}` is no module of {root_file}"
            ));
        }
        for used in tree.uses() {
            let Some((0, from, to)) = tree.sides(&used) else {
                continue;
            };
            let (from, to) = (&tree.modules[from].name, &tree.modules[to].name);
            if let (Some(lower), Some(upper)) = (floor(from), floor(to))
                && upper < lower
            {
                problems.push(format!(
                    "{}: `{from}` must not use `{to}`, which stands above it; the floors in ARCHITECTURE.md have the order",
                    tree.place(&used, folder)
                ));
            }
        }
        problems.dedup();
        problems
    }
}
