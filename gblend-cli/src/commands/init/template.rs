//! The crate that a plugin starts from: a plugin of each role that is called `my-plugin`, and what all have in common.

use std::path::Path;

use clap::ValueEnum;
use gblend_core::Role;

/// What a plugin of one's own can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PluginRole {
    /// What becomes of one kind of media: a front end and an encoder.
    Modality,
    /// What the encoders' features become together.
    Fusion,
    /// How much each head's loss counts, and when; `blend` is the same.
    #[value(alias = "blend")]
    Strategy,
}

impl PluginRole {
    /// The role that it registers for.
    pub(super) fn role(self) -> Role {
        match self {
            Self::Modality => Role::Modality,
            Self::Fusion => Role::Fusion,
            Self::Strategy => Role::Blend,
        }
    }

    /// What such a plugin is in a sentence.
    fn words(self) -> &'static str {
        match self {
            Self::Modality => "modality",
            Self::Fusion => "fusion",
            Self::Strategy => "blend strategy",
        }
    }

    /// Paths and texts of the files that differ from role to role.
    fn own_files(self) -> [(&'static str, &'static str); 3] {
        macro_rules! of_role {
            ($folder:literal) => {
                [
                    (
                        "src/lib.rs",
                        include_str!(concat!("../../../builtin/plugin/", $folder, "/lib.rs")),
                    ),
                    (
                        "tests/conformance.rs",
                        include_str!(concat!(
                            "../../../builtin/plugin/",
                            $folder,
                            "/conformance.rs"
                        )),
                    ),
                    (
                        "my-plugin.toml",
                        include_str!(concat!(
                            "../../../builtin/plugin/",
                            $folder,
                            "/my-plugin.toml"
                        )),
                    ),
                ]
            };
        }
        match self {
            Self::Modality => of_role!("modality"),
            Self::Fusion => of_role!("fusion"),
            Self::Strategy => of_role!("strategy"),
        }
    }
}

/// Paths and texts of the files that every plugin has.
const SHARED: [(&str, &str); 5] = [
    // Not called as in the crate: a folder with a manifest would be left out of this crate's package.
    (
        "Cargo.toml",
        include_str!("../../../builtin/plugin/Cargo.toml.template"),
    ),
    (
        ".cargo/config.toml",
        include_str!("../../../builtin/plugin/cargo-config.toml"),
    ),
    (".gitignore", include_str!("../../../builtin/plugin/gitignore")),
    ("README.md", include_str!("../../../builtin/plugin/README.md")),
    ("src/main.rs", include_str!("../../../builtin/plugin/main.rs")),
];

/// Profiles of gblend's workspace: `cargo xtask gen` keeps them the same.
const PROFILES: &str = include_str!("../../../builtin/plugin/profiles.toml");

/// Paths and texts of all files of a crate called `name`, built against a repository or the released crates.
pub(super) fn files(name: &str, role: PluginRole, gblend: Option<&Path>) -> Vec<(String, String)> {
    let files = SHARED.into_iter().chain(role.own_files());
    let files = files.map(|(path, text)| {
        let text = match path {
            "Cargo.toml" => format!("{}\n{PROFILES}", manifest(text, gblend)),
            "README.md" => text
                .replace("ROLE", role.words())
                .replace("TABLE", role.role().name()),
            _ => text.to_owned(),
        };
        (renamed(path, name), renamed(&text, name))
    });
    files.collect()
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
    fn nothing_is_left_of_the_template() {
        for role in PluginRole::value_variants() {
            for (file, text) in files("side-sonar", *role, None) {
                for word in ["my-plugin", "my_plugin", "MyPlugin", "VERSION", "ROLE", "TABLE"] {
                    assert!(
                        !text.contains(word) && !file.contains(word),
                        "{role:?} {file}: {word}"
                    );
                }
            }
        }
    }

    #[test]
    fn dependencies_are_of_this_release_or_by_path() {
        let version = env!("CARGO_PKG_VERSION");
        let template = SHARED[0].1;
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

    #[test]
    fn every_plugin_has_the_profiles() {
        for role in PluginRole::value_variants() {
            let files = files("side-sonar", *role, Some(Path::new("/copy")));
            let (_, text) = files.iter().find(|(path, _)| path == "Cargo.toml").unwrap();
            let manifest: toml::Table = text.parse().unwrap();
            for profile in ["dev", "release"] {
                assert!(
                    manifest["profile"][profile]["package"]
                        .get("gblend-core")
                        .is_some()
                );
            }
        }
    }

    #[test]
    fn tests_need_gblend_core_alone() {
        let manifest: toml::Table = manifest(SHARED[0].1, None).parse().unwrap();
        assert_eq!(
            manifest["dependencies"]["gblend-cli"]["optional"].as_bool(),
            Some(true)
        );
        assert!(manifest["dev-dependencies"].get("gblend-cli").is_none());
        assert!(manifest["features"].get("default").is_none());
    }
}
