//! Profiles of plugin crates, which are workspaces of their own: as the workspace has them, so that gblend is built in
//! minutes there too.

use std::path::PathBuf;

use crate::Result;
use crate::process::workspace;

/// What follows this line in a manifest is copied from here.
const MARK: &str = "# Profiles as in gblend's repository: which crates are worth optimizing decides how long a build takes.\n";

/// Files that have the workspace's profiles, with what they should say.
pub(crate) fn files() -> Result<Vec<(PathBuf, String)>> {
    let read = |path: &str| {
        let path = workspace().join(path);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let profiles = [
        from_line(&read(".cargo/config.toml")?, "[profile.dev]")?.to_owned(),
        from_line(&read("Cargo.toml")?, "[profile.release]")?.to_owned(),
    ]
    .join("\n");
    let example = "examples/plugin-inertial/Cargo.toml";
    let manifest = read(example)?;
    let (own, _) = manifest
        .split_once(MARK)
        .ok_or_else(|| format!("{example}: no line `{}`", MARK.trim_end()))?;
    Ok(vec![
        (
            workspace().join("gblend-cli/builtin/plugin/profiles.toml"),
            format!("{MARK}{profiles}"),
        ),
        (workspace().join(example), format!("{own}{MARK}{profiles}")),
    ])
}

/// The text from this line to the end.
fn from_line<'a>(text: &'a str, line: &str) -> Result<&'a str> {
    text.find(&format!("{line}\n"))
        .map(|start| &text[start..])
        .ok_or_else(|| format!("found no line `{line}` to copy profiles from").into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_have_the_profiles_of_tests_and_of_what_users_build() {
        for (path, text) in files().unwrap() {
            let table: toml::Table = text.parse().unwrap();
            for (file, profile) in [(".cargo/config.toml", "dev"), ("Cargo.toml", "release")] {
                let own = std::fs::read_to_string(workspace().join(file)).unwrap();
                let own: toml::Table = own.parse().unwrap();
                assert_eq!(
                    table["profile"][profile],
                    own["profile"][profile],
                    "{}",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn a_file_without_the_profile_is_an_error() {
        assert!(from_line("[profile.dev]\n", "[profile.release]").is_err());
    }
}
