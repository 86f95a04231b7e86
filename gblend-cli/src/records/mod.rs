//! What a run, a comparison and a checkpoint say, as plain data that is written and read again.
//!
//! Nothing here computes on a network or touches a file.

mod begun;
mod calibration;
mod class_weight;
mod comparison;
mod contest;
mod counts;
mod epoch;
mod feature_space;
mod figure;
mod fitted;
mod format;
mod interval_words;
mod membership;
mod metrics;
mod model;
mod neighbors;
mod objective;
mod origins;
mod pool;
mod prediction;
mod probe;
mod selection;
mod statistics;
mod strategy_advice;
mod summary;
mod test_details;
mod test_samples;
mod tuning;

pub use begun::Begun;
pub use calibration::{Calibration, CalibrationBin};
pub use class_weight::ClassWeight;
pub use comparison::{
    COMPARISON_FORMAT, Comparison, Folds, LeftOut, OtherSamples, Row, SeedsAlone, Simplex, SimplexPoint,
    SpaceRow,
};
pub use contest::{Contender, Contest, ContestRound};
pub use counts::{EpochCounts, Tally};
pub use epoch::{EpochMetrics, HeadMetrics};
pub use feature_space::{Against, FeatureSpace, LabelReading, PairSpace, States, TowerSpace};
pub use figure::{Figure, FigureDifference, three_digits};
pub use fitted::FittedModalities;
pub use interval_words::settled_by;
pub use membership::{Member, Membership, SplitName};
pub use metrics::{Metrics, Score};
pub use model::{ModelDescription, ModelModality};
pub use neighbors::{NeighborSample, Neighborhood, Neighbors, Shown, TowerNeighbors};
pub use objective::ObjectiveDescription;
pub use origins::{NamedShape, Origin, Origins};
pub use pool::{FittedPool, SubsetPool};
pub use prediction::PredictionRule;
pub use probe::{ProbeLosses, SampleLosses};
pub use selection::{SelectedBy, Selection};
pub use statistics::{
    Difference, Estimate, LEAST_SEEDS, Measured, SampleFigures, Settles, TestedOn, VarianceParts, difference,
    estimate, mean_and_ci95, most_seeds,
};
pub use strategy_advice::StrategyAdvice;
pub use summary::{HeadSummary, PredictionSummary, Seconds, Summary};
pub use test_details::{ClassCounts, Confusion, Counts, SubsetScore, TestDetails};
pub use test_samples::{TestSample, TestSamples};
pub use tuning::{Tuned, TunedPoint};
