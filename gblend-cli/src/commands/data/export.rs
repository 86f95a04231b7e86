//! `gblend data export`.

use std::path::{Path, PathBuf};

use clap::Args;
use gblend_core::{OnBadSample, OpenContext, Seed};

use crate::commands::print;
use crate::commands::train::parse_overrides;
use crate::config::Config;
use crate::data::export::Written;
use crate::data::{bind, export};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::training::session::with_threads;

/// The name of the dataset that needs no configuration.
const SCENE: &str = "scene";

/// Writes a dataset as pictures, optical flow, depth, sound and arrays, with a table of the samples and a
/// configuration that trains on them.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// `scene`, the built-in world with the built-in configuration, or a configuration file.
    #[arg(value_name = "DATASET")]
    dataset: PathBuf,
    /// The folder to write, which must not be there or be empty.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Overrides a key of the configuration, as in --set data.train_samples=100.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Overrides run.seed, also in the configuration that is written.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<()> {
        let file = (self.dataset != Path::new(SCENE)).then_some(self.dataset.as_path());
        let config = Config::load(file, &parse_overrides(&self.set, self.seed)?)?;
        check_free(&self.folder)?;
        let reporter = Reporter::new(self.quiet);
        let threads = config.run.threads;
        let written = with_threads(threads, || write(config, &self.folder, &reporter))?;
        print(&format!(
            "wrote {} samples to {}; train with `gblend train {}`",
            written.samples,
            self.folder.display(),
            self.folder.join("config.toml").display()
        ))
    }
}

/// Writes the dataset of a configuration.
fn write(mut config: Config, folder: &Path, reporter: &Reporter) -> Result<Written> {
    let opened = config.open_data(&OpenContext {
        base: &config.base,
        seed: Seed::new(config.run.seed).derive("data"),
    });
    let source = opened.map_err(Error::from).map_err(Error::located(&config))?;
    let left_out = source.left_out();
    if source.on_bad_sample() == OnBadSample::Error && !left_out.is_empty() {
        return Err(Error::Usage(format!(
            "{} samples cannot be used, such as {}; `gblend check --all` lists all of them",
            left_out.len(),
            left_out[0]
        )));
    }
    // What is written has to be of use to the configuration beside it.
    bind(&config.modalities, source.as_ref())?;
    let export = export::Export::new(source.as_ref())?;
    config.data = Box::new(export.manifest());
    let config = format!(
        "# Trains on the files of this folder. Every key is described in docs/config.md.\n\n{}",
        config.to_portable_toml()?
    );
    std::fs::create_dir_all(folder).map_err(Error::write(folder))?;
    let written = export.write(folder, &config, &|done, total| reporter.prepared(done, total))?;
    reporter.finish();
    let skipped = source.left_out().iter().chain(&written.skipped);
    if let Some(first) = skipped.clone().next() {
        reporter.warn(&format!(
            "{} of {} samples are skipped, such as {first}; `gblend check --all` lists all of them",
            skipped.count(),
            source.len() + source.left_out().len()
        ));
    }
    Ok(written)
}

/// Refuses a folder that has something in it.
fn check_free(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let refuse = |problem: &str| {
        Err(Error::Usage(format!(
            "{} {problem}; name another folder, or remove this one",
            folder.display()
        )))
    };
    if !folder.is_dir() {
        return refuse("is there already and no folder");
    }
    let mut entries = std::fs::read_dir(folder).map_err(Error::read(folder))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => refuse("is not empty"),
    }
}
