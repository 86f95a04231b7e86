//! `tensorboard/`: the figures of a run for TensorBoard.

mod event;
mod record;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gblend_core::BlendReport;
use prost::Message;

use super::Sink;
use super::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::files::cut;
use crate::records::{EpochMetrics, Summary};
use event::Event;
use record::framed;

const FOLDER: &str = "tensorboard";

/// An event file that is being written. TensorBoard may read along: every event is written whole, at once.
///
/// Steps are epochs. Values are single-precision, as TensorBoard's scalars are.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
}

impl TensorBoard {
    /// Begins an event file in `RUN/tensorboard`.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn create(run: &Path) -> Result<Self> {
        let folder = run.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        let now = wall_time();
        // TensorBoard knows event files by the first part of their name, and reads them in the order of the rest.
        let path = folder.join(format!("events.out.tfevents.{:010}.gblend", now as u64));
        let file = File::create_new(&path).map_err(Error::write(&path))?;
        let mut this = Self { path, file };
        this.write(&Event::version(now))?;
        Ok(this)
    }

    /// Goes on with the event file that a checkpoint knows of; begins one if it knows of none.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn resume(run: &Path, logs: &BTreeMap<String, u64>) -> Result<Self> {
        let known = logs.iter().find(|(name, _)| name.starts_with(FOLDER));
        let Some((name, &bytes)) = known else {
            return Self::create(run);
        };
        let path = run.join(name);
        let file = cut(&path, bytes).map_err(Error::write(&path))?;
        Ok(Self { path, file })
    }

    /// Writes the figures of each head on the test set: the accuracy, if there is one, and further ones.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn test(&mut self, summary: &Summary) -> Result<()> {
        let heads = summary.heads.iter();
        let scalars = heads.flat_map(|head| {
            let figures = figures(head.test_accuracy, &head.test_metrics);
            figures.map(|(figure, value)| (format!("test/{figure}/{}", head.name), value))
        });
        self.scalars(summary.selected_epoch, scalars)
    }

    fn scalars(&mut self, epoch: usize, scalars: impl IntoIterator<Item = (String, f64)>) -> Result<()> {
        self.write(&Event::scalars(wall_time(), epoch, scalars))
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        let record = framed(&event.encode_to_vec());
        self.file.write_all(&record).map_err(Error::write(&self.path))
    }
}

impl Sink for TensorBoard {
    fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        // Its curves are of the run that found the epoch; where that trains once more, the epochs are the same ones again.
        match metrics.refit {
            true => Ok(()),
            false => self.scalars(metrics.epoch, of_epoch(metrics)),
        }
    }

    fn blend(&mut self, report: &BlendReport, _: f64) -> Result<()> {
        self.scalars(report.epoch, of_blend(report))
    }

    fn logs(&mut self) -> Result<BTreeMap<String, u64>> {
        let bytes = self.file.metadata().map_err(Error::read(&self.path))?.len();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Ok(BTreeMap::from([(format!("{FOLDER}/{name}"), bytes)]))
    }

    fn checkpoint(&mut self, _: Arc<Checkpoint>) -> Result<()> {
        Ok(())
    }
}

fn of_epoch(metrics: &EpochMetrics) -> Vec<(String, f64)> {
    let mut scalars = vec![("learning_rate".to_owned(), metrics.learning_rate)];
    for head in &metrics.heads {
        let mut add = |what: &str, value: f64| scalars.push((format!("{what}/{}", head.name), value));
        add("weight", head.weight);
        if let Some(train) = head.train {
            add("train/loss", train.loss);
            if let Some(accuracy) = train.accuracy {
                add("train/accuracy", accuracy);
            }
        }
        if let Some(validation) = &head.validation {
            add("validation/loss", validation.loss);
            for (figure, value) in figures(validation.accuracy, &validation.metrics) {
                add(&format!("validation/{figure}"), value);
            }
        }
    }
    scalars
}

/// The accuracy and further figures, as far as there are any, by name.
fn figures(accuracy: Option<f64>, others: &BTreeMap<String, f64>) -> impl Iterator<Item = (&str, f64)> {
    let others = others.iter().map(|(name, &value)| (name.as_str(), value));
    accuracy
        .map(|accuracy| ("accuracy", accuracy))
        .into_iter()
        .chain(others)
}

fn of_blend(report: &BlendReport) -> Vec<(String, f64)> {
    let mut scalars = Vec::new();
    for head in &report.heads {
        let mut add =
            |what: &str, value: f64| scalars.push((format!("estimate/{what}/{}", head.name), value));
        add("delta_o", head.delta_o);
        add("delta_g", head.delta_g);
        if let Some(ogr) = head.ogr {
            add("ogr", ogr);
        }
        add("weight", head.weight);
    }
    scalars
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
