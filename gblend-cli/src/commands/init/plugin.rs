//! A crate with a plugin, to start from: it builds, passes the conformance kit and trains as it is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use gblend_core::{Role, catalogue};

use super::write_new;
use crate::error::{Error, Result};

/// The files, of a plugin that is called `my-plugin`.
const FILES: [(&str, &str); 7] = [
    // Not called as in the crate: a folder with a manifest would be left out of this crate's package.
    (
        "Cargo.toml",
        include_str!("../../../builtin/plugin/Cargo.toml.template"),
    ),
    ("README.md", include_str!("../../../builtin/plugin/README.md")),
    (".gitignore", include_str!("../../../builtin/plugin/gitignore")),
    (
        "my-plugin.toml",
        include_str!("../../../builtin/plugin/my-plugin.toml"),
    ),
    ("src/lib.rs", include_str!("../../../builtin/plugin/lib.rs")),
    ("src/main.rs", include_str!("../../../builtin/plugin/main.rs")),
    (
        "tests/conformance.rs",
        include_str!("../../../builtin/plugin/conformance.rs"),
    ),
];

/// Crates that a crate cannot be called like and still name them, and words that are no names.
const TAKEN: [&str; 64] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gblend",
    "gblend-cli",
    "gblend-core",
    "gblend-modalities",
    "gblend-optim",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
];

/// Writes the crate into a new folder called `name`. `gblend` is the folder of a repository to build against.
pub(super) fn write(name: &str, gblend: Option<&Path>) -> Result<()> {
    check(name)?;
    let gblend = gblend.map(repository).transpose()?;
    let folder = Path::new(name);
    std::fs::create_dir(folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error::Usage(format!("{name} is there already; choose another name")),
        _ => Error::write(folder)(error),
    })?;
    for inner in ["src", "tests"] {
        let path = folder.join(inner);
        std::fs::create_dir(&path).map_err(Error::write(&path))?;
    }
    for (file, text) in FILES {
        let text = match file {
            "Cargo.toml" => manifest(text, gblend.as_deref()),
            _ => text.to_owned(),
        };
        write_new(&folder.join(renamed(file, name)), &renamed(&text, name))?;
    }
    Ok(())
}

/// Whether `name` can be that of a crate and of a modality's kind.
fn check(name: &str) -> Result<()> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = name
        .split('-')
        .all(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    if !words || !name.chars().all(letters) {
        return Err(Error::Usage(format!(
            "`{name}` cannot be the name of a plugin: expected words of lower-case letters and digits, with hyphens \
             between them, as in `side-sonar`"
        )));
    }
    if TAKEN.contains(&name) {
        return Err(Error::Usage(format!(
            "`{name}` cannot be the name of a crate; choose another name"
        )));
    }
    match catalogue()?.find(Role::Modality, name) {
        Ok(plugin) => Err(Error::Usage(format!(
            "the modality kind `{name}` is taken by {}; choose another name",
            plugin.origin()
        ))),
        Err(_) => Ok(()),
    }
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

/// The manifest with dependencies of this release, or by path.
fn manifest(template: &str, gblend: Option<&Path>) -> String {
    let lines = template.lines().map(|line| {
        let line = line.replace("VERSION", env!("CARGO_PKG_VERSION"));
        match (gblend, line.split_once(" = { ")) {
            (Some(folder), Some((name, source))) if name.starts_with("gblend-") => {
                let path = toml::Value::from(folder.join(name).display().to_string());
                format!("{name} = {{ path = {path}, {source}\n")
            }
            _ => line + "\n",
        }
    });
    lines.collect()
}

/// The text of a plugin called `name`.
fn renamed(text: &str, name: &str) -> String {
    let camel: String = name
        .split('-')
        .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
        .collect();
    text.replace("MyPlugin", &camel)
        .replace("my_plugin", &name.replace('-', "_"))
        .replace("my-plugin", name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_that_no_crate_or_kind_can_have_is_refused() {
        for name in [
            "",
            "-",
            "a-",
            "Sonar",
            "so nar",
            "9lives",
            "../up",
            "fn",
            "core",
            "gblend-core",
            "my_plugin",
        ] {
            assert!(check(name).is_err(), "{name}");
        }
        let error = check("rgb").unwrap_err().to_string();
        assert!(error.contains("gblend-modalities"), "{error}");
        assert!(check("side-sonar2").is_ok());
    }

    #[test]
    fn nothing_is_left_of_the_template() {
        for (file, text) in FILES {
            let text = renamed(&manifest(text, None), "side-sonar");
            for word in ["my-plugin", "my_plugin", "MyPlugin", "VERSION"] {
                assert!(!text.contains(word), "{file}: {word}");
            }
        }
    }

    #[test]
    fn dependencies_are_of_this_release_or_by_path() {
        let template = FILES[0].1;
        let version = env!("CARGO_PKG_VERSION");
        let released: toml::Table = manifest(template, None).parse().unwrap();
        for table in ["dependencies", "dev-dependencies"] {
            let core = &released[table]["gblend-core"];
            assert_eq!(core["version"].as_str(), Some(version));
            assert!(core.get("path").is_none());
        }
        let local: toml::Table = manifest(template, Some(Path::new("/VERSION \"quoted\"")))
            .parse()
            .unwrap();
        let cli = &local["dependencies"]["gblend-cli"];
        assert_eq!(cli["version"].as_str(), Some(version));
        let path = Path::new(cli["path"].as_str().unwrap());
        assert_eq!(path, Path::new("/VERSION \"quoted\"/gblend-cli"));
    }
}
