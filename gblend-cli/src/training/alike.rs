//! What all ranks of a job must have alike before they begin.

use crate::config::{Config, task_differences};
use crate::error::{Error, Result};
use crate::ranks::{Identity, Ranks};

/// Makes sure that all ranks are the same program and are asked for the same. Where their files are may differ.
///
/// # Errors
/// [`Error::Usage`] that names the first rank that has something else than rank 0, and what; the same on all ranks.
pub fn agree_on_task(config: &Config, ranks: &Ranks) -> Result<()> {
    if !ranks.is_many() {
        return Ok(());
    }
    ranks.agree(&Identity::default().with_program()?)?;
    let all = ranks.gather(config.to_portable_toml()?.into_bytes())?;
    let all = all.iter().map(|text| String::from_utf8_lossy(text));
    let all: Vec<_> = all.collect();
    for (rank, other) in all.iter().enumerate() {
        let keys = task_differences(&all[0], other);
        if !keys.is_empty() {
            return Err(Error::Usage(format!(
                "{} has another configuration than {} ({}): all ranks of a job need the same; name a file that all of them see",
                ranks.name(rank),
                ranks.name(0),
                keys.join(", ")
            )));
        }
    }
    Ok(())
}
