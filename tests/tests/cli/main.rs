//! The binary, as users run it.
#![allow(clippy::unwrap_used)]

mod activations_as;
mod arrays;
mod auto;
mod bad_input;
mod blend;
mod commands;
mod compare;
mod compare_data;
mod compare_intervals;
mod determinism;
mod device;
mod dry_run;
mod estimate_groups;
mod every_path;
mod export;
mod faults;
mod folds;
mod frozen_features;
mod imbalance;
mod independent;
mod init_from;
mod inspect;
#[cfg(unix)]
mod interrupt;
mod manifest;
mod matching;
mod media_files;
mod memory;
mod missing_modality;
mod multi_label;
mod new_samples;
mod onnx;
mod pool;
mod pretrained;
mod protobuf;
mod real_data;
mod recompute;
mod regression;
mod resume;
mod run_folder;
mod runs;
mod samples_as;
mod sequence;
mod settings;
mod splits;
mod step_memory;
mod stopped;
mod tensorboard;
mod text;
mod towers;
mod train_further;
mod true_reasons;
mod tune;
mod untested;
mod vector;
mod wrong_turns;

use gblend_tests::Playground;

fn playground() -> Playground {
    Playground::new(env!("CARGO_BIN_EXE_gblend-under-test"))
}
