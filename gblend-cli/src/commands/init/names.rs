//! What a plugin's crate can be called.

use gblend_core::{Role, catalogue};

use crate::error::{Error, Result};

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

/// Whether `name` can be that of a crate and of a kind of this role.
pub(super) fn check(name: &str, role: Role) -> Result<()> {
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
    match catalogue()?.find(role, name) {
        Ok(plugin) => Err(Error::Usage(format!(
            "the {role} kind `{name}` is taken by {}; choose another name",
            plugin.origin()
        ))),
        Err(_) => Ok(()),
    }
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
            assert!(check(name, Role::Modality).is_err(), "{name}");
        }
        assert!(check("side-sonar2", Role::Modality).is_ok());
    }

    #[test]
    fn a_kind_is_taken_in_its_role_alone() {
        let error = check("rgb", Role::Modality).unwrap_err().to_string();
        assert!(error.contains("gblend-modalities"), "{error}");
        assert!(check("rgb", Role::Fusion).is_ok());
        assert!(check("film", Role::Fusion).is_err());
        assert!(check("equal", Role::Blend).is_err());
    }
}
