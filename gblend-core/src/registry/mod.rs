//! The catalogue of plugins that this binary was linked with.
//!
//! `typetag` finds an implementation by its tag, but it cannot list them with their settings, and it
//! reports two crates that claim one tag only when that tag is read. So each plugin also registers here,
//! and the catalogue is checked as a whole before any configuration is read: against itself, and against
//! the tags that `typetag` has.

mod tags;

use std::sync::OnceLock;

use crate::error::{Error, Result};
pub use crate::role::Role;
pub use tags::tags;

/// The trait that a plugin of each role implements, under the role's name.
pub mod implemented {
    pub use crate::dataset::Dataset as Data;
    pub use crate::fusion::Fusion;
    pub use crate::modality::Modality;
    pub use crate::objective::Objective;
    pub use crate::optimizer::Optimizer;
    pub use crate::strategy::BlendStrategy as Blend;
}

/// A registered plugin; made by [`register!`](crate::register).
#[derive(Debug)]
pub struct Plugin {
    /// What it is.
    pub role: Role,
    /// The `kind = "…"` that selects it.
    pub kind: &'static str,
    /// The crate that it comes from.
    pub crate_name: &'static str,
    /// That crate's version.
    pub crate_version: &'static str,
    /// The JSON schema of its settings; the type's documentation is the summary.
    pub schema: fn() -> schemars::Schema,
    /// The names of all implementations of its role, as [`tags()`] tells them.
    pub tags: fn() -> &'static [&'static str],
}

impl Plugin {
    /// `crate 1.2.3`.
    pub fn origin(&self) -> String {
        format!("{} {}", self.crate_name, self.crate_version)
    }

    /// The first sentence of the settings' documentation.
    pub fn summary(&self) -> String {
        let schema = (self.schema)();
        let text = schema
            .get("description")
            .and_then(|text| text.as_str())
            .unwrap_or_default();
        let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        match paragraph.split_once(". ") {
            Some((sentence, _)) => format!("{sentence}."),
            None => paragraph,
        }
    }

    /// Whether an implementation has the name that it is registered under.
    pub(crate) fn is_implemented(&self) -> bool {
        (self.tags)().contains(&self.kind)
    }
}

inventory::collect!(Plugin);

/// Announces a plugin: `register!(Modality, "sonar" => Sonar);`.
///
/// The role is a variant of [`Role`], and the type implements its trait; the kind must be the name in
/// `#[typetag::serde(name = "…")]`, which is checked as the program starts; the type must implement
/// `schemars::JsonSchema`, and its documentation describes the plugin to users.
#[macro_export]
macro_rules! register {
    ($role:ident, $kind:literal => $type:ty) => {
        const _: fn(&$type) -> &dyn $crate::registry::implemented::$role = |plugin| plugin;
        $crate::inventory::submit! {
            $crate::registry::Plugin {
                role: $crate::registry::Role::$role,
                kind: $kind,
                crate_name: env!("CARGO_PKG_NAME"),
                crate_version: env!("CARGO_PKG_VERSION"),
                schema: || $crate::schemars::schema_for!($type),
                tags: $crate::registry::tags::<dyn $crate::registry::implemented::$role>,
            }
        }
    };
}

/// Every plugin that this binary was linked with, ordered by role and kind.
#[derive(Debug)]
pub struct Catalogue {
    plugins: Vec<&'static Plugin>,
}

impl Catalogue {
    /// Orders plugins, and checks that no two claim one kind and that each is implemented under the name that it is
    /// registered by.
    ///
    /// # Errors
    /// [`Error::DuplicateKind`] naming both crates; [`Error::Misregistered`] naming the kind; [`Error::EmptyRegistry`]
    /// if there is no plugin.
    pub fn new(plugins: impl IntoIterator<Item = &'static Plugin>) -> Result<Self> {
        let mut plugins: Vec<_> = plugins.into_iter().collect();
        if plugins.is_empty() {
            return Err(Error::EmptyRegistry);
        }
        // inventory promises no order.
        plugins.sort_by_key(|plugin| (plugin.role, plugin.kind, plugin.crate_name));
        for pair in plugins.windows(2) {
            if let &[first, second] = pair
                && (first.role, first.kind) == (second.role, second.kind)
            {
                return Err(Error::DuplicateKind {
                    role: first.role,
                    kind: first.kind.to_owned(),
                    first: first.origin(),
                    second: second.origin(),
                });
            }
        }
        let catalogue = Self { plugins };
        match catalogue.plugins.iter().find(|plugin| !plugin.is_implemented()) {
            None => Ok(catalogue),
            Some(plugin) => Err(Error::Misregistered {
                role: plugin.role,
                kind: plugin.kind.to_owned(),
                origin: plugin.origin(),
                nearest: nearest(plugin.kind, catalogue.unregistered(plugin.role)),
            }),
        }
    }

    /// All plugins, ordered by role and kind.
    pub fn plugins(&self) -> &[&'static Plugin] {
        &self.plugins
    }

    /// The plugins of one role, ordered by kind.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &'static Plugin> + '_ {
        self.plugins
            .iter()
            .copied()
            .filter(move |plugin| plugin.role == role)
    }

    /// The plugin of this role and kind.
    ///
    /// # Errors
    /// [`Error::UnknownKind`] with the kinds that there are, the nearest first; [`Error::Unregistered`] if there is an
    /// implementation of that name that nothing registers.
    pub fn find(&self, role: Role, kind: &str) -> Result<&'static Plugin> {
        self.of(role).find(|plugin| plugin.kind == kind).ok_or_else(|| {
            if self.unregistered(role).any(|tag| tag == kind) {
                return Error::Unregistered {
                    role,
                    kind: kind.to_owned(),
                };
            }
            let known: Vec<String> = self.of(role).map(|plugin| plugin.kind.to_owned()).collect();
            Error::UnknownKind {
                role,
                kind: kind.to_owned(),
                nearest: nearest(kind, known.iter().map(String::as_str)),
                known,
            }
        })
    }

    /// Names of implementations of a role that no plugin is registered under.
    fn unregistered(&self, role: Role) -> impl Iterator<Item = &'static str> + '_ {
        let tags = self.of(role).next().map_or(&[][..], |plugin| (plugin.tags)());
        let registered = move |tag: &str| self.of(role).any(|plugin| plugin.kind == tag);
        tags.iter().copied().filter(move |tag| !registered(tag))
    }
}

/// The catalogue of this binary.
///
/// # Errors
/// As [`Catalogue::new`].
pub fn catalogue() -> Result<&'static Catalogue> {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    if let Some(catalogue) = CATALOGUE.get() {
        return Ok(catalogue);
    }
    let catalogue = Catalogue::new(inventory::iter::<Plugin>)?;
    Ok(CATALOGUE.get_or_init(|| catalogue))
}

/// The candidates that are spelled much like `word`, the nearest first.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    /// Below this Jaro–Winkler similarity two words are no misspellings of each other.
    const ALIKE: f64 = 0.75;
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|&(score, _)| score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored
        .into_iter()
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Listens under water. It needs a hydrophone.
    #[derive(schemars::JsonSchema)]
    struct Sonar;

    const fn sonar(kind: &'static str, crate_name: &'static str) -> Plugin {
        Plugin {
            role: Role::Modality,
            kind,
            crate_name,
            crate_version: "1.0.0",
            schema: || schemars::schema_for!(Sonar),
            tags: || &["radar", "side-sonar", "sonar"],
        }
    }
    static SONAR: Plugin = sonar("sonar", "first");
    static SONAR_AGAIN: Plugin = sonar("sonar", "second");
    static RADAR: Plugin = sonar("radar", "first");

    #[test]
    fn two_crates_that_claim_one_kind_are_both_named() {
        let error = Catalogue::new([&SONAR, &SONAR_AGAIN]).unwrap_err().to_string();
        assert!(
            error.contains("first 1.0.0") && error.contains("second 1.0.0"),
            "{error}"
        );
    }

    #[test]
    fn a_kind_that_nothing_implements_is_named_with_what_is_spelled_like_it() {
        static MISSPELT: Plugin = sonar("side-sonr", "first");
        let error = Catalogue::new([&SONAR, &MISSPELT]).unwrap_err();
        assert!(matches!(error, Error::Misregistered { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("`side-sonr` is registered by first 1.0.0") && text.contains("only `side-sonar`"),
            "{text}"
        );
    }

    #[test]
    fn a_kind_that_is_implemented_but_not_registered_is_said_to_be() {
        let catalogue = Catalogue::new([&SONAR]).unwrap();
        let error = catalogue.find(Role::Modality, "radar").unwrap_err().to_string();
        assert!(error.contains("register!(Modality, \"radar\" => …)"), "{error}");
        let error = catalogue.find(Role::Modality, "lidar").unwrap_err();
        assert!(matches!(error, Error::UnknownKind { .. }), "{error}");
    }

    #[test]
    fn an_empty_registry_is_an_error_that_says_what_to_do() {
        let error = Catalogue::new([]).unwrap_err().to_string();
        assert!(error.contains("use my_plugin as _;"), "{error}");
    }

    #[test]
    fn the_order_does_not_depend_on_the_linker() {
        let kinds = |plugins: [&'static Plugin; 2]| -> Vec<_> {
            Catalogue::new(plugins)
                .unwrap()
                .plugins()
                .iter()
                .map(|p| p.kind)
                .collect()
        };
        assert_eq!(kinds([&SONAR, &RADAR]), kinds([&RADAR, &SONAR]));
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_nearest() {
        let catalogue = Catalogue::new([&SONAR, &RADAR]).unwrap();
        let error = catalogue.find(Role::Modality, "sonra").unwrap_err().to_string();
        assert!(
            error.contains("did you mean `sonar`?") && error.contains("radar"),
            "{error}"
        );
    }

    #[test]
    fn the_summary_is_the_first_sentence_of_the_documentation() {
        assert_eq!(SONAR.summary(), "Listens under water.");
    }
}
