//! What can go wrong in a plugin, told so that the user can act on it.

mod argument;
mod blend;

use std::fmt;
use std::sync::Arc;

use crate::role::Role;

pub use blend::BlendError;

/// The result of everything fallible in gblend's libraries.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a modality, fusion, strategy, optimizer, dataset or layer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that had to agree do not.
    #[error("{operation}: expected {expected}, found {}", ShapeDisplay(found))]
    Shape {
        /// The operation or input that was given the shape.
        operation: String,
        /// The shape or rule that was asked for.
        expected: String,
        /// The shape that was found.
        found: Vec<usize>,
    },
    /// A setting has a value that it must not have.
    #[error("{key} = {value}: expected {expected}")]
    Setting {
        /// The key as the user wrote it.
        key: String,
        /// The value that was found.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A layer was asked for something that it cannot be; made by [`Error::argument`].
    #[error("{layer}: {argument} = {value}: expected {expected}")]
    Argument {
        /// The layer.
        layer: String,
        /// What it calls what it was given.
        argument: String,
        /// The value that was given.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// No plugin of this role has the kind that was asked for.
    #[error("unknown {role} kind `{kind}`: {}", KnownKinds { nearest, known })]
    UnknownKind {
        /// The role that the plugin should have filled.
        role: Role,
        /// The kind that was asked for.
        kind: String,
        /// Kinds spelled much like it, nearest first.
        nearest: Vec<String>,
        /// Every kind of this role.
        known: Vec<String>,
    },
    /// Two plugins claim one kind.
    #[error("the {role} kind `{kind}` is registered twice: by {first} and by {second}; rename one of them")]
    DuplicateKind {
        /// The role that both plugins fill.
        role: Role,
        /// The kind that both claim.
        kind: String,
        /// The crate of one of them, with its version.
        first: String,
        /// The crate of the other, with its version.
        second: String,
    },
    /// A kind is registered under a name that its implementation does not have.
    #[error(
        "the {role} kind `{kind}` is registered by {origin}, but no implementation is called so{}; `register!` and \
         `#[typetag::serde(name = \"…\")]` must have the same name",
        Nearest(nearest)
    )]
    Misregistered {
        /// The role that the plugin fills.
        role: Role,
        /// The name that it is registered under.
        kind: String,
        /// The crate that registers it, with its version.
        origin: String,
        /// Names of implementations that are spelled much like it, nearest first.
        nearest: Vec<String>,
    },
    /// A kind is linked but not registered.
    #[error(
        "the {role} kind `{kind}` is there but not registered: its crate must say `gblend_core::register!({role:?}, \
         \"{kind}\" => …);`"
    )]
    Unregistered {
        /// The role that the plugin fills.
        role: Role,
        /// The name of its implementation.
        kind: String,
    },
    /// Nothing was registered: plugin crates are linked only if something names them.
    #[error("no plugin is registered: the binary must name every plugin crate, as in `use my_plugin as _;`")]
    EmptyRegistry,
    /// A media file or sample cannot be used.
    #[error("{location}: {problem}")]
    Data {
        /// The file, sample or line at fault.
        location: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// A sample lacks a stream, which shows only when its file is read: a video without a sound track. Where the stream is
    /// optional that is no fault.
    #[error("{location}: {problem}")]
    Absent {
        /// The sample and its file.
        location: String,
        /// What is not in it.
        problem: String,
    },
    /// A value that has to be finite is not.
    #[error("{location}: found {value}, expected a finite number")]
    NonFinite {
        /// Where it appeared.
        location: String,
        /// The value.
        value: f64,
    },
    /// Stored parameters do not fit the model.
    #[error("parameter `{path}`: {problem}")]
    Parameter {
        /// The parameter's path.
        path: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// There is no optimal blend.
    #[error(transparent)]
    Blend(#[from] BlendError),
    /// A strategy got a state that is none of its own, or a call that it did not ask for.
    #[error("blend strategy: {0}")]
    Strategy(String),
    /// The weights of a blend are not a point of the simplex.
    #[error(transparent)]
    Weights(#[from] crate::weights::WeightsError),
    /// The engine failed: out of memory, a driver error.
    #[error("the device failed: {0}")]
    Device(String),
    /// The machine has no memory or thread left for something.
    #[error(
        "the machine has no room for {0}; run.batch_size, run.memory and run.threads decide how much a run needs"
    )]
    NoRoom(String),
    /// An error of a plugin's own.
    #[error(transparent)]
    Plugin(Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A shape that breaks a rule.
    pub fn shape(
        operation: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<Vec<usize>>,
    ) -> Self {
        Self::Shape {
            operation: operation.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// A setting out of its range. A plugin gives the key as it stands in its table, as in `width` or `encoder.width`;
    /// whoever knows the table puts it before, see [`in_table`](Self::in_table).
    pub fn setting(key: impl Into<String>, value: impl fmt::Display, expected: impl Into<String>) -> Self {
        Self::Setting {
            key: key.into(),
            value: value.to_string(),
            expected: expected.into(),
        }
    }

    /// The same of a plugin that the table `table` configures: `fusion.width` where the plugin said `width`. A key that
    /// has the table already stays. What layers complain of gets the table too, and other errors stay as they are.
    #[must_use]
    pub fn in_table(self, table: &str) -> Self {
        match self {
            Self::Setting { key, value, expected } if relative(&key, table).is_none() => Self::Setting {
                key: format!("{table}.{key}"),
                value,
                expected,
            },
            Self::Argument {
                layer,
                argument,
                value,
                expected,
            } => Self::Argument {
                layer: format!("{table}: {layer}"),
                argument,
                value,
                expected,
            },
            Self::Shape {
                operation,
                expected,
                found,
            } => Self::Shape {
                operation: format!("{table}: {operation}"),
                expected,
                found,
            },
            other => other,
        }
    }

    /// A file or sample that cannot be used.
    pub fn data(location: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::Data {
            location: location.to_string(),
            problem: problem.to_string(),
        }
    }

    /// An error of a plugin's own type.
    pub fn plugin(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Plugin(Arc::new(error))
    }

    /// An error of the engine's device, whose types are `Debug + Display` only.
    pub(crate) fn device(error: impl fmt::Debug) -> Self {
        Self::Device(format!("{error:?}"))
    }
}

/// What stands behind the table in a key that has it.
fn relative<'a>(key: &'a str, table: &str) -> Option<&'a str> {
    key.strip_prefix(table)?.strip_prefix('.')
}

/// `[2, 3, 4]`; a list that is no shape, such as the lengths of all samples, is cut off.
struct ShapeDisplay<'a>(&'a [usize]);

impl fmt::Display for ShapeDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        match self.0.get(..SHOWN) {
            Some(first) if first.len() < self.0.len() => {
                let shown: Vec<String> = first.iter().map(ToString::to_string).collect();
                write!(f, "[{}, … {} in all]", shown.join(", "), self.0.len())
            }
            _ => write!(f, "{:?}", self.0),
        }
    }
}

/// `, only …`, if there is any.
struct Nearest<'a>(&'a [String]);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first() {
            Some(nearest) => write!(f, ", only `{nearest}`"),
            None => Ok(()),
        }
    }
}

/// `did you mean …? Known kinds: …`.
struct KnownKinds<'a> {
    nearest: &'a [String],
    known: &'a [String],
}

impl fmt::Display for KnownKinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nearest) = self.nearest.first() {
            write!(f, "did you mean `{nearest}`? ")?;
        }
        write!(f, "known kinds: {}", self.known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_in_place_of_a_shape_is_cut_off() {
        let of = |found: Vec<usize>| Error::shape("rows", "others", found).to_string();
        assert_eq!(of(vec![2, 3]), "rows: expected others, found [2, 3]");
        let text = of((0..500).collect());
        assert!(
            text.ends_with("14, 15, … 500 in all]") && text.len() < 120,
            "{text}"
        );
    }

    #[test]
    fn a_key_gets_its_table_once() {
        let of = |key: &str| {
            let error = Error::setting(key, 0, "at least 1").in_table("fusion");
            // Another floor may pass it on.
            error.in_table("fusion").to_string()
        };
        assert_eq!(of("width"), "fusion.width = 0: expected at least 1");
        assert_eq!(of("fusion.width"), "fusion.width = 0: expected at least 1");
        assert_eq!(of("fusion_width"), "fusion.fusion_width = 0: expected at least 1");
        let other = Error::Strategy("a state".into());
        assert_eq!(
            other.in_table("blend").to_string(),
            Error::Strategy("a state".into()).to_string()
        );
    }
}
