//! A crate with a plugin, to start from: it builds, passes the conformance kit and trains as it is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::template::{self, PluginRole};
use super::{names, write_new};
use crate::error::{Error, Result};

/// Writes the crate into a new folder called `name`. `gblend` is the folder of a repository to build against.
pub(super) fn write(name: &str, role: PluginRole, gblend: Option<&Path>) -> Result<()> {
    names::check(name, role.role())?;
    let gblend = gblend.map(repository).transpose()?;
    let folder = Path::new(name);
    std::fs::create_dir(folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error::Usage(format!("{name} is there already; choose another name")),
        _ => Error::write(folder)(error),
    })?;
    for (path, text) in template::files(name, role, gblend.as_deref()) {
        let path = folder.join(path);
        if let Some(inner) = path.parent() {
            std::fs::create_dir_all(inner).map_err(Error::write(inner))?;
        }
        write_new(&path, &text)?;
    }
    Ok(())
}

/// What to do with the crate that was written.
pub(super) fn next_steps(name: &str, gblend: Option<&Path>) -> String {
    let steps =
        format!("go there, test it with `cargo test`, and train with `cargo gblend train {name}.toml`");
    if gblend.is_some() {
        return format!("wrote {name}; {steps}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let copy = match built_from() {
        Some(folder) => format!(", such as {}, which this gblend was built from", folder.display()),
        None => String::new(),
    };
    format!(
        "wrote {name}, which takes gblend-core and gblend-cli {version} from cargo's registry: whether they are there was \
         not looked up. Where they are not, cargo finds `no matching package`; then remove {name} and write it with \
         `--gblend FOLDER`, a copy of gblend's repository{copy}. Where they are, {steps}"
    )
}

/// The repository that this binary was built from, if it is still there.
fn built_from() -> Option<&'static Path> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    repository(folder).is_ok().then_some(folder)
}

/// The absolute path of a repository of gblend's.
fn repository(folder: &Path) -> Result<PathBuf> {
    let manifest = folder.join("gblend-core/Cargo.toml");
    if !manifest.is_file() {
        return Err(Error::Usage(format!(
            "{} is no folder of gblend's repository: {} is not there",
            folder.display(),
            manifest.display()
        )));
    }
    folder.canonicalize().map_err(|source| Error::Read {
        path: folder.to_owned(),
        source,
    })
}
