//! Training: from a configuration to a run folder.

mod alike;
mod contest;
mod evaluated;
mod feature_space;
mod frozen_features;
mod learner;
pub(crate) mod lone_values;
mod momentum;
mod opened;
pub mod pipeline;
mod predictor;
pub(crate) mod pretrained;
mod pretrained_on_test;
pub mod probe;
pub mod session;
mod shown_neighbors;
pub mod step;
pub mod step_room;
mod steps;
mod train;
mod trained_model;
pub mod trial;

pub use alike::agree_on_task;
pub use feature_space::{LookedAt, NEIGHBORS, SpaceModels};
pub use learner::Learner;
pub use momentum::Momentum;
pub use opened::open_together;
pub use predictor::{Predicted, Predictor, Unfamiliar, fitted_of, network_without_data};
pub use train::{Trained, train};
pub use trained_model::TrainedModel;
