//! A folder of ordinary files, which paths of the table must not leave.

use std::path::{Component, Path, PathBuf};

use super::blob::{Blob, FileFault, Found};
use super::hidden::is_hidden;
use super::order::natural;

/// A folder with its true path.
#[derive(Debug)]
pub(super) struct Folder {
    given: PathBuf,
    resolved: PathBuf,
}

impl Folder {
    /// A folder that must exist.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let resolved = path.canonicalize()?;
        if !resolved.is_dir() {
            return Err(std::io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            given: std::path::absolute(path)?,
            resolved,
        })
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

    /// The true path, if it is inside.
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
        let resolved = self
            .resolved
            .join(path_)
            .canonicalize()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => format!("not found in {}", self.given.display()),
                _ => format!("cannot be read: {error}"),
            })
            .map_err(|problem| FileFault::new(path, problem))?;
        if resolved.starts_with(&self.resolved) {
            Ok(resolved)
        } else {
            Err(outside())
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
        let folder = Folder::open(root.path()).unwrap();
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
        let folder = Folder::open(root.path()).unwrap();
        let name = outside.path().file_name().unwrap().to_str().unwrap();
        for path in [
            "../x.png",
            "clip/../../x.png",
            &format!("../{name}/secret.png"),
            secret.to_str().unwrap(),
            "link.png",
            "folder/secret.png",
            "clip",
        ] {
            let problem = folder.find(path, &["png"]).unwrap_err().to_string();
            assert!(problem.contains("leads out of"), "{path}: {problem}");
        }
        let inside = root.path().join("clip/a.png");
        for path in ["clip/a.png", "clip/../clip/a.png", inside.to_str().unwrap()] {
            assert!(folder.find(path, &["png"]).is_ok(), "{path}");
        }
    }
}
