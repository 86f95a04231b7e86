//! Where an encoder's first parameters come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where an encoder's first parameters come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Pretrained {
    /// The run folder of a run whose encoder of the modality of the same name is taken.
    Run(PathBuf),
    /// A file of parameters.
    File(PretrainedFile),
}

/// A file of parameters, and which of them are the encoder's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainedFile {
    /// A safetensors file of parameters, such as a state dict of PyTorch; relative paths start from the configuration's
    /// folder.
    pub file: PathBuf,
    /// What the names of the encoder's parameters begin with in the file, such as `"backbone."`; others are left over.
    #[serde(default)]
    pub prefix: String,
    /// Names in the file without the prefix, or their beginnings up to a dot, and what the encoder has in their place: `{ stem =
    /// "conv1" }` makes `conv1.weight` of `stem.weight`.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// The least share of the encoder's values that the file must have, above 0 and up to 1. Where it is below 1, what is
    /// missing starts at random.
    #[serde(default = "all")]
    pub part: f64,
}

fn all() -> f64 {
    1.0
}

/// Endings of files that hold parameters, in one format or another. Anything else is a run folder.
const ENDINGS: [&str; 9] = [
    "safetensors",
    "pt",
    "pth",
    "bin",
    "ckpt",
    "pkl",
    "npz",
    "h5",
    "onnx",
];

impl Pretrained {
    /// What a path alone means.
    pub fn of_path(path: PathBuf) -> Self {
        match is_file_of_parameters(&path) {
            true => Self::File(PretrainedFile {
                file: path,
                prefix: String::new(),
                names: BTreeMap::new(),
                part: all(),
            }),
            false => Self::Run(path),
        }
    }

    /// The run folder or file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Run(path) => path,
            Self::File(file) => &file.file,
        }
    }

    /// What no value may be.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        match self {
            Self::File(PretrainedFile { part, .. }) if !(*part > 0.0 && *part <= 1.0) => {
                Err(("part", format!("found {part}, expected above 0 and at most 1")))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a path is that of a file of parameters, by its ending alone.
pub(super) fn is_file_of_parameters(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

impl Serialize for Pretrained {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Run(path) => path.serialize(serializer),
            Self::File(file) => file.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Pretrained {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Pretrained;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a run folder, a safetensors file, or a table as in `{ file = \"resnet18.safetensors\", part = 0.9 }`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Pretrained::of_path(PathBuf::from(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let table = de::value::MapAccessDeserializer::new(map);
                Ok(Pretrained::File(PretrainedFile::deserialize(table)?))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Pretrained {
    fn schema_name() -> Cow<'static, str> {
        "Pretrained".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let file = generator.subschema_for::<PretrainedFile>();
        json_schema!({ "oneOf": [{ "type": "string" }, file] })
    }
}
