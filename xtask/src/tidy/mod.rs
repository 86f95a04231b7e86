//! `cargo xtask tidy`: the architecture's rules that a compiler does not check.

mod dependencies;
mod facade;
mod files;
mod modules;

use clap::Args;

use crate::Result;
use crate::metadata::Metadata;
use crate::process::workspace;

/// Check who depends on whom, which modules use which, what files say, and that the engine stays behind gblend-core.
#[derive(Debug, Default, Args)]
pub(crate) struct Tidy {
    /// Print which modules use which, and the number of cycles, in place of the checks.
    #[arg(long)]
    graph: bool,
}

impl Tidy {
    pub(crate) fn run(&self) -> Result {
        let root = workspace();
        let metadata = Metadata::read()?;
        if self.graph {
            println!("{}", modules::graph(&root, &metadata)?);
            return Ok(());
        }
        let problems = [
            dependencies::problems(&metadata),
            modules::problems(&root, &metadata)?,
            files::problems(&root)?,
            facade::problems(&root, &metadata)?,
            dependencies::unexplained(&root)?,
        ];
        let problems = problems.concat();
        if problems.is_empty() {
            println!("tidy");
            return Ok(());
        }
        Err(problems.join("\n").into())
    }
}
