//! A folder of ordinary files, which paths of the table must not leave.

use std::path::{Component, Path, PathBuf};

use super::blob::{Blob, FileFault, Found};
use super::hidden::is_hidden;
use super::misspelled::misspelled;
use super::order::natural;

/// A folder with its true path.
#[derive(Debug)]
pub(super) struct Folder {
    given: PathBuf,
    resolved: PathBuf,
    /// Whether links in it may lead out of it.
    follow_links: bool,
}

impl Folder {
    /// A folder that must exist, in which links lead where they will if `follow_links` says so.
    pub(super) fn open(path: &Path, follow_links: bool) -> std::io::Result<Self> {
        let resolved = path.canonicalize()?;
        if !resolved.is_dir() {
            return Err(std::io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            given: std::path::absolute(path)?,
            resolved,
            follow_links,
        })
    }

    /// The folder that a path from the root of the file system lies in.
    pub(super) fn around(path: &str) -> Result<Self, FileFault> {
        let folder = Path::new(path).parent().unwrap_or(Path::new(path));
        Self::open(folder, true)
            .map_err(|error| FileFault::new(path, format!("its folder cannot be read: {error}")))
    }

    /// The file at `path`, or the files with one of these extensions in the folder there.
    pub(super) fn find(&self, path: &str, members: &[&str]) -> Result<Found, FileFault> {
        let resolved = self.resolve(path)?;
        if !resolved.is_dir() {
            return Blob::file(path.to_owned(), resolved).map(Found::One);
        }
        let failed = |error: std::io::Error| FileFault::new(path, format!("cannot be listed: {error}"));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&resolved).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let extension = name
                .rsplit_once('.')
                .map(|(_, extension)| extension.to_ascii_lowercase());
            if extension.is_some_and(|extension| members.contains(&extension.as_str())) && !is_hidden(name) {
                names.push(name.to_owned());
            }
        }
        if names.is_empty() {
            let problem = match members {
                [] => "is a folder, expected a file".to_owned(),
                _ => format!(
                    "found no file in this folder that ends in one of: {}",
                    members.join(", ")
                ),
            };
            return Err(FileFault::new(path, problem));
        }
        names.sort_by(|a, b| natural(a, b));
        let blob = |name: &String| {
            // A file of the folder may be a link itself.
            let path = format!("{}/{name}", path.trim_end_matches('/'));
            let resolved = self.resolve(&path)?;
            Blob::file(path, resolved)
        };
        names
            .iter()
            .map(blob)
            .collect::<Result<_, _>>()
            .map(Found::Sequence)
    }

    /// The files of the folder and of those in it, by their paths in natural order; links and hidden files are none.
    pub(super) fn names(&self) -> Vec<String> {
        /// Folders below each other, and files in all.
        const DEEPEST: usize = 3;
        const MOST: usize = 500_000;
        let mut names = Vec::new();
        let mut folders = vec![(self.resolved.clone(), String::new(), 0)];
        while let Some((folder, before, depth)) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else {
                    continue;
                };
                if is_hidden(name) || names.len() >= MOST {
                    continue;
                }
                if kind.is_file() {
                    names.push(format!("{before}{name}"));
                } else if kind.is_dir() && depth < DEEPEST {
                    folders.push((entry.path(), format!("{before}{name}/"), depth + 1));
                }
            }
        }
        names.sort_by(|a, b| natural(a, b));
        names
    }

    /// A path from the folder without `..`, by its text alone; none if it leads outside.
    fn normalized(&self, path: &Path) -> Option<PathBuf> {
        let inside = match path.is_absolute() {
            true => path
                .strip_prefix(&self.given)
                .or_else(|_| path.strip_prefix(&self.resolved))
                .ok()?,
            false => path,
        };
        let mut normalized = PathBuf::new();
        for component in inside.components() {
            match component {
                Component::Normal(name) => normalized.push(name),
                Component::ParentDir => normalized.pop().then_some(())?,
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        Some(normalized)
    }

    /// The true path, if it is inside, or a link inside leads there and may.
    fn resolve(&self, path: &str) -> Result<PathBuf, FileFault> {
        let outside = || {
            let problem = format!(
                "leads out of {}; paths have to stay inside, or `root` has to name a folder that has them all",
                self.given.display()
            );
            FileFault::new(path, problem)
        };
        let path_ = Path::new(path);
        let mut depth = 0_usize;
        // Before anything is looked up, so that the message does not tell what is outside.
        if path_.is_absolute() {
            if !path_.starts_with(&self.given) && !path_.starts_with(&self.resolved) {
                return Err(outside());
            }
        } else {
            for component in path_.components() {
                match component {
                    Component::Normal(_) => depth += 1,
                    Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(outside)?,
                    Component::CurDir => {}
                    Component::RootDir | Component::Prefix(_) => return Err(outside()),
                }
            }
        }
        // Behind a link `..` would lead to what lies beside its target.
        let wanted = match self.follow_links {
            true => self.normalized(path_).ok_or_else(outside)?,
            false => path_.to_owned(),
        };
        let resolved = self
            .resolved
            .join(wanted)
            .canonicalize()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    let is_there = |path: &str| self.resolved.join(path).exists();
                    format!(
                        "not found in {}{}",
                        self.given.display(),
                        misspelled(path, is_there)
                    )
                }
                _ => format!("cannot be read: {error}"),
            })
            .map_err(|problem| FileFault::new(path, problem))?;
        if self.follow_links || resolved.starts_with(&self.resolved) {
            return Ok(resolved);
        }
        match self.normalized(path_) {
            None => Err(outside()),
            Some(_) => {
                let problem = format!(
                    "is, or is behind, a link that leads out of {}; `data.follow_links = true` lets links lead elsewhere, or \
                     `root` names a folder that has both",
                    self.given.display()
                );
                Err(FileFault::new(path, problem))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sequences_are_in_natural_order_and_other_files_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("clip")).unwrap();
        for name in ["f10.png", "f9.png", "notes.txt", ".f1.png"] {
            std::fs::write(root.path().join("clip").join(name), b"x").unwrap();
        }
        let folder = Folder::open(root.path(), false).unwrap();
        let Found::Sequence(blobs) = folder.find("clip/", &["png"]).unwrap() else {
            unreachable!()
        };
        let names: Vec<&str> = blobs.iter().map(Blob::name).collect();
        assert_eq!(names, ["clip/f9.png", "clip/f10.png"]);
        assert!(folder.find("clip", &["flo"]).is_err());
        let fault = folder.find("clip", &[]).unwrap_err();
        assert!(fault.to_string().contains("expected a file"));
    }

    #[test]
    #[cfg(unix)]
    fn no_path_leads_outside() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret.png");
        std::fs::write(&secret, b"x").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("clip")).unwrap();
        std::fs::write(root.path().join("clip/a.png"), b"x").unwrap();
        std::os::unix::fs::symlink(&secret, root.path().join("link.png")).unwrap();
        std::os::unix::fs::symlink(&secret, root.path().join("clip/b.png")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("folder")).unwrap();
        let folder = Folder::open(root.path(), false).unwrap();
        let name = outside.path().file_name().unwrap().to_str().unwrap();
        for path in [
            "../x.png",
            "clip/../../x.png",
            &format!("../{name}/secret.png"),
            secret.to_str().unwrap(),
        ] {
            let problem = folder.find(path, &["png"]).unwrap_err().to_string();
            assert!(
                problem.contains("leads out of") && !problem.contains("follow_links"),
                "{path}: {problem}"
            );
        }
        let links = ["link.png", "folder/secret.png", "clip"];
        for path in links {
            let problem = folder.find(path, &["png"]).unwrap_err().to_string();
            assert!(
                problem.contains("`data.follow_links = true`"),
                "{path}: {problem}"
            );
        }
        let following = Folder::open(root.path(), true).unwrap();
        for path in links {
            assert!(following.find(path, &["png"]).is_ok(), "{path}");
        }
        // What links lead to is theirs to say, and not the table's: nothing beside it, and nothing by `..`.
        std::fs::write(outside.path().join("other.png"), b"x").unwrap();
        let absolute = format!("{}/../{name}/secret.png", root.path().display());
        let paths = [
            "../x.png",
            "clip/../../x.png",
            "folder/../../x.png",
            secret.to_str().unwrap(),
            &absolute,
        ];
        for path in paths {
            let problem = following.find(path, &["png"]).unwrap_err().to_string();
            assert!(problem.contains("leads out of"), "{path}: {problem}");
        }
        let beside = following.find(&format!("folder/../{name}/other.png"), &[]);
        assert!(beside.unwrap_err().to_string().contains("not found"));
        let inside = root.path().join("clip/a.png");
        for path in ["clip/a.png", "clip/../clip/a.png", inside.to_str().unwrap()] {
            assert!(folder.find(path, &["png"]).is_ok(), "{path}");
        }
    }
}
