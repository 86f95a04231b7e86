//! From a dataset to batches: streams bound to modalities, typed splits, prepared samples, loader threads.
//!
//! It reads bytes that nobody vouches for, so each of its readers has a fuzz target, and it knows nothing of networks or
//! runs. The datasets that gblend brings along are here too, one folder each.

pub mod avmnist;
mod binding;
pub(crate) mod cache;
mod deal;
mod encoded;
pub mod export;
mod folds;
mod groups;
mod identities;
pub mod inspect;
mod kept_sample;
#[cfg(test)]
mod known;
mod loader;
pub mod manifest;
mod one_of_folds;
mod part;
mod position;
mod prepared;
mod rare_classes;
mod remembered;
mod repeated;
mod sampler;
pub mod scene;
mod seen_before;
mod shapes;
mod skipped;
mod split;
mod stratify;
mod wav;
mod whole;

pub use binding::bind;
pub use encoded::{EncodedSamples, Encoding};
pub use folds::{Fold, FoldTraining, LeftOut, folds};
pub use groups::units;
pub use identities::{tell_apart, tell_each};
pub(crate) use inspect::content_of;
pub use kept_sample::as_kept;
pub use loader::{LoadedBatch, LoadedInput, Loader, Plan};
pub use one_of_folds::OneOfFolds;
pub use part::Part;
pub use position::SampleIndex;
pub use prepared::{Faults, Prepared, Storage, prepare_shared_out};
pub use rare_classes::RareClasses;
pub use remembered::{Differences, Found, remembered, write_membership};
pub use sampler::{Drawn, Sampler};
pub use seen_before::seen_before;
pub use skipped::too_many_skipped;
pub use split::{
    Division, Evaluable, HeldOutSplit, LabelUse, RefitSplit, Shares, Splits, TestSplit, TrainSplit,
    TrainSubset, ValidationSplit,
};
pub use whole::WholeBatch;
