//! Cycles among the parts of a module.
//!
//! A module and its parts may use each other. The parts of one module must not use each other in a circle, whichever of
//! their own parts do it; so no two files do either, but for a folder's own `mod.rs` and what is in the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::tree::{Tree, Use};

/// Parts of one module that use each other in a circle.
#[derive(Debug)]
pub(crate) struct Cycle {
    parts: Vec<usize>,
    uses: Vec<Use>,
}

/// Every cycle of a crate.
pub(crate) fn cycles(tree: &Tree) -> Vec<Cycle> {
    let mut levels: BTreeMap<usize, BTreeMap<usize, BTreeSet<usize>>> = BTreeMap::new();
    let uses = tree.uses();
    for used in &uses {
        if let Some((outer, from, to)) = tree.sides(used) {
            levels
                .entry(outer)
                .or_default()
                .entry(from)
                .or_default()
                .insert(to);
        }
    }
    let mut found = Vec::new();
    for edges in levels.values() {
        let reached = |from: usize| {
            let mut reached = BTreeSet::new();
            let mut next = vec![from];
            while let Some(part) = next.pop() {
                let fresh = edges.get(&part).into_iter().flatten();
                next.extend(fresh.filter(|&&part| reached.insert(part)));
            }
            reached
        };
        let reached: BTreeMap<usize, BTreeSet<usize>> =
            edges.keys().map(|&part| (part, reached(part))).collect();
        let both = |a: usize, b: usize| {
            let to = |from: usize, to: usize| reached.get(&from).is_some_and(|reached| reached.contains(&to));
            to(a, b) && to(b, a)
        };
        for &part in edges.keys() {
            let parts: Vec<usize> = edges.keys().copied().filter(|&other| both(part, other)).collect();
            // Once, by its first part.
            if parts.first() != Some(&part) {
                continue;
            }
            let tie = |used: &&Use| {
                let sides = tree.sides(used);
                sides.is_some_and(|(_, from, to)| parts.contains(&from) && parts.contains(&to))
            };
            let uses = uses.iter().filter(tie).cloned().collect();
            found.push(Cycle { parts, uses });
        }
    }
    found
}

impl Cycle {
    /// The parts, and every use that ties them.
    pub(crate) fn text(&self, tree: &Tree, folder: &Path) -> String {
        let parts: Vec<String> = self.parts.iter().map(|&part| tree.name(part)).collect();
        let mut ties: Vec<String> = self.uses.iter().map(|used| tree.place(used, folder)).collect();
        ties.dedup();
        format!(
            "modules use each other in a circle, which no modules may: {}\n    {}",
            parts.join(", "),
            ties.join("\n    ")
        )
    }
}
