//! How files are written: whole or not at all, by one process at a time; and how parts of them are read.

mod lock;
mod part;
mod safetensors;
mod whole;

pub(crate) use lock::FolderLock;
pub(crate) use part::{StillFile, read_at};
pub(crate) use safetensors::{floats_of, from_safetensors, to_safetensors};
pub(crate) use whole::{check_free, cut, make_readable, taken, to_json, write_whole, write_whole_by};
