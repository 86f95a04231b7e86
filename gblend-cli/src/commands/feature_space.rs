//! `gblend evaluate --feature-space`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::data::Evaluable;
use crate::error::Result;
use crate::records::FeatureSpace;
use crate::run_folder::TrainedRun;
use crate::training::{NEIGHBORS, TrainedModel};

/// Whether feature spaces are looked at, and how.
#[derive(Debug, Args)]
pub(super) struct FeatureSpaceOptions {
    /// Also tells what the features of each modality tell, beside those that training began with: nearest neighbors and a linear
    /// probe on labels that no head was asked for, retrieval, and how modalities find each other.
    #[arg(long, conflicts_with_all = ["table", "shards"])]
    feature_space: bool,
    /// The labels to read, of those that the dataset has beside its own (`data.further_labels`). Default: all.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LABELS",
        requires = "feature_space"
    )]
    labels: Vec<String>,
    /// How many nearest neighbors are asked.
    #[arg(long, value_name = "COUNT", requires = "feature_space")]
    neighbors: Option<NonZeroUsize>,
    /// A run whose modality was trained alone, for a comparison; may be given for each modality.
    #[arg(long, value_name = "RUN", requires = "feature_space")]
    alone: Vec<PathBuf>,
}

impl FeatureSpaceOptions {
    /// What the features of these samples tell, if that is asked.
    ///
    /// # Errors
    /// As [`TrainedModel::look_at`] and [`LookedAt::measure`](crate::training::LookedAt::measure); what is wrong with a run.
    pub(super) fn measure(
        &self,
        trained: &mut TrainedModel<'_>,
        samples: &dyn Evaluable,
    ) -> Result<Option<FeatureSpace>> {
        if !self.feature_space {
            return Ok(None);
        }
        let alone = self.alone.iter().map(|run| TrainedRun::open(run));
        let alone: Vec<TrainedRun> = alone.collect::<Result<_>>()?;
        let neighbors = self.neighbors.map_or(NEIGHBORS, NonZeroUsize::get);
        let seen = trained.look_at(samples, &self.labels, &alone)?;
        seen.measure(neighbors).map(Some)
    }
}
