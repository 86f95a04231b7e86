//! `gblend plugins`.

mod keys;

use clap::Args;
use gblend_core::registry::nearest;
use gblend_core::{Role, catalogue};
use serde::Serialize;

use keys::{Key, entries, keys_of};

use super::{print, print_json};
use crate::error::{Error, Result};
use crate::tables::{table, wrapped};

/// Letters of a line in the table's widest column.
const WIDTH: usize = 76;

/// Lists plugins with the keys of their settings: `key = default`, and a key alone where the default is to go without.
#[derive(Debug, Args)]
pub(super) struct Plugins {
    /// One role: data, modality, fusion, blend or optimizer.
    role: Option<String>,
    /// Prints JSON in place of the table, with the schema of each plugin's settings and what each key means.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Listed {
    role: Role,
    kind: &'static str,
    #[serde(rename = "crate")]
    crate_name: &'static str,
    version: &'static str,
    summary: String,
    keys: Vec<Key>,
    schema: schemars::Schema,
}

impl Plugins {
    pub(super) fn run(self) -> Result<()> {
        let wanted = self.role.as_deref().map(find_role).transpose()?;
        let plugins = catalogue()?.plugins().iter();
        let listed: Vec<Listed> = plugins
            .filter(|plugin| wanted.is_none_or(|role| plugin.role == role))
            .map(|plugin| {
                let schema = (plugin.schema)();
                Listed {
                    role: plugin.role,
                    kind: plugin.kind,
                    crate_name: plugin.crate_name,
                    version: plugin.crate_version,
                    summary: plugin.summary(),
                    keys: keys_of(schema.as_value()),
                    schema,
                }
            })
            .collect();
        if self.json {
            return print_json(&listed);
        }
        let rows = listed.into_iter().map(|plugin| {
            let origin = format!("{} {}", plugin.crate_name, plugin.version);
            let mut text = wrapped(plugin.summary.split_whitespace(), WIDTH);
            if !plugin.keys.is_empty() {
                text.push('\n');
                text.push_str(&wrapped(entries(&plugin.keys), WIDTH));
            }
            vec![plugin.role.to_string(), plugin.kind.to_owned(), text, origin]
        });
        print(&table(
            &["role", "kind", "what it is, and its keys", "from"],
            4,
            rows,
        ))
    }
}

fn find_role(name: &str) -> Result<Role> {
    let names = || Role::ALL.iter().map(|role| role.name());
    let found = Role::ALL.into_iter().find(|role| role.name() == name);
    found.ok_or_else(|| {
        let near = nearest(name, names()).into_iter().next();
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let known: Vec<&str> = names().collect();
        Error::Usage(format!(
            "unknown role `{name}`: {near}known roles: {}",
            known.join(", ")
        ))
    })
}
