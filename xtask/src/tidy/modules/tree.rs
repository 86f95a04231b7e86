//! The modules of a crate, and which of them each one uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::source::{Declared, Named, Source};
use crate::Result;

/// Re-exports that lead to re-exports, at most.
const LONGEST_CHAIN: usize = 8;

/// A crate's modules; the first one is its root.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
}

/// A module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    source: Source,
}

/// One module uses another, neither of which holds the other.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) path: Named,
}

impl Tree {
    /// Reads a crate from its root file on.
    ///
    /// # Errors
    /// A module without a file, or a file that cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self { modules: Vec::new() };
        let folder = root.parent().unwrap_or(Path::new(""));
        let source = read(root)?;
        tree.add("crate".into(), root, folder, None, source)?;
        Ok(tree)
    }

    /// Adds a module and what it declares; the files of the latter are in `folder`.
    fn add(
        &mut self,
        name: String,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
        mut source: Source,
    ) -> Result<usize> {
        let declared = std::mem::take(&mut source.modules);
        let module = self.modules.len();
        self.modules.push(Module {
            name,
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            source,
        });
        for Declared { name, line, inline } in declared {
            let below = folder.join(&name);
            let child = match inline {
                Some(source) => self.add(name.clone(), file, &below, Some(module), source)?,
                None => {
                    let files = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
                    let Some(found) = files.into_iter().find(|file| file.is_file()) else {
                        return Err(format!("{}:{line}: module `{name}` has no file", file.display()).into());
                    };
                    let source = read(&found)?;
                    self.add(name.clone(), &found, &below, Some(module), source)?
                }
            };
            self.modules[module].children.insert(name, child);
        }
        Ok(module)
    }

    /// Every use of a module by another one. A use that goes by a re-export is one of the module that is named, and one of
    /// the module that defines the name.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (from, module) in self.modules.iter().enumerate() {
            let imports = module.source.imports.iter().map(|import| &import.path);
            for path in imports.chain(&module.source.paths) {
                let mut reached = Vec::new();
                self.resolve(from, &path.segments, &mut reached, 0);
                reached.dedup();
                let apart = |&to: &usize| !self.holds(to, from) && !self.holds(from, to);
                uses.extend(reached.into_iter().filter(apart).map(|to| Use {
                    from,
                    to,
                    path: path.clone(),
                }));
            }
        }
        uses
    }

    /// The modules that a path leads to, each re-export's on the way among them; nothing if it leads out of the crate.
    fn resolve(&self, module: usize, path: &[String], reached: &mut Vec<usize>, chain: usize) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if chain > LONGEST_CHAIN {
            return;
        }
        let begin = match first.as_str() {
            "crate" => Some(0),
            "self" => Some(module),
            "super" => self.modules[module].parent,
            name => match self.modules[module].children.get(name) {
                Some(&child) => Some(child),
                None => {
                    if let Some(import) = self.import(module, name, chain)
                        && import.segments.first() != Some(first)
                    {
                        let path = [&import.segments, rest].concat();
                        self.resolve(module, &path, reached, chain + 1);
                    }
                    return;
                }
            },
        };
        if let Some(begin) = begin {
            self.descend(begin, rest, reached, chain);
        }
    }

    /// As [`resolve`](Self::resolve), from inside a module.
    fn descend(&self, module: usize, path: &[String], reached: &mut Vec<usize>, chain: usize) {
        let Some((name, rest)) = path.split_first() else {
            reached.push(module);
            return;
        };
        let here = &self.modules[module];
        if let ("super", Some(parent)) = (name.as_str(), here.parent) {
            self.descend(parent, rest, reached, chain);
        } else if let Some(&child) = here.children.get(name) {
            self.descend(child, rest, reached, chain);
        } else {
            reached.push(module);
            if let Some(import) = self.import(module, name, chain) {
                let path = [&import.segments, rest].concat();
                self.resolve(module, &path, reached, chain + 1);
            }
        }
    }

    /// Where a module has a name from that it does not define.
    fn import(&self, module: usize, name: &str, chain: usize) -> Option<Named> {
        let source = &self.modules[module].source;
        if source.items.contains(name) {
            return None;
        }
        let imports = || source.imports.iter();
        if let Some(import) = imports().find(|import| import.name.as_deref() == Some(name)) {
            return Some(import.path.clone());
        }
        let mut all = imports().filter(|import| import.name.is_none());
        all.find_map(|import| {
            let mut reached = Vec::new();
            self.resolve(module, &import.path.segments, &mut reached, chain + 1);
            let &last = reached.last()?;
            let last = &self.modules[last];
            let named = last
                .source
                .imports
                .iter()
                .any(|import| import.name.as_deref() == Some(name));
            if !named && !last.source.items.contains(name) && !last.children.contains_key(name) {
                return None;
            }
            let mut path = import.path.clone();
            path.segments.push(name.to_owned());
            Some(path)
        })
    }

    /// Whether `outer` is `inner`, or is around it.
    fn holds(&self, outer: usize, inner: usize) -> bool {
        self.around(inner).any(|module| module == outer)
    }

    /// A module, and those around it, the root last.
    fn around(&self, module: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(module), |&module| self.modules[module].parent)
    }

    /// The innermost module around both ends of a use, and which of its children each end is in.
    pub(crate) fn sides(&self, used: &Use) -> Option<(usize, usize, usize)> {
        let around = |module| {
            let mut around: Vec<usize> = self.around(module).collect();
            around.reverse();
            around
        };
        let (from, to) = (around(used.from), around(used.to));
        let shared = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
        let outer = *from.get(shared.checked_sub(1)?)?;
        Some((outer, *from.get(shared)?, *to.get(shared)?))
    }

    /// `file:line: path`, with the file as seen from `folder`.
    pub(crate) fn place(&self, used: &Use, folder: &Path) -> String {
        let file = &self.modules[used.from].file;
        let file = file.strip_prefix(folder).unwrap_or(file).display();
        format!("{file}:{}: `{}`", used.path.line, used.path.segments.join("::"))
    }

    /// The name of a module from the root on, as in `data::export`; `crate` for the root.
    pub(crate) fn name(&self, module: usize) -> String {
        let mut names: Vec<&str> = self
            .around(module)
            .map(|module| self.modules[module].name.as_str())
            .collect();
        names.reverse();
        match names.split_first() {
            Some((_, inner)) if !inner.is_empty() => inner.join("::"),
            _ => "crate".into(),
        }
    }
}

fn read(file: &Path) -> Result<Source> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Source::parse(&text).map_err(|problem| format!("{}: {problem}", file.display()))?)
}
