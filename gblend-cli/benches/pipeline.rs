//! What a run is made of, on the built-in scene: a step, an estimate, a pass of the loader, and a whole small job.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gblend_cli::config::{Config, Override};
use gblend_cli::data::{Evaluable, LoadedBatch, Plan, Sampler, Splits};
use gblend_cli::process::Interrupt;
use gblend_cli::progress::Reporter;
use gblend_cli::ranks::Ranks;
use gblend_cli::run_folder::Destination;
use gblend_cli::training::Learner;
use gblend_cli::training::pipeline::{ProcessUse, Start, run};
use gblend_cli::training::probe::{StartingPoint, estimate};
use gblend_cli::training::session::Session;
use gblend_cli::training::step::step;
use gblend_core::params::state_of;
use gblend_core::{EstimateRequest, Estimator, ProbeLength, Seed};
use gblend_optim::schedule::RunLength;

/// The built-in configuration, smaller.
fn config(cache: &Path, memory: i64) -> Config {
    let cache = cache.display().to_string();
    let overrides = [
        Override::new(&["data", "train_samples"], 320),
        Override::new(&["data", "test_samples"], 64),
        Override::new(&["run", "epochs"], 2),
        Override::new(&["run", "cache"], cache),
        Override::new(&["run", "memory"], memory),
    ];
    Config::load(None, &overrides).unwrap()
}

fn open(config: &Config) -> (Session<'_>, Splits) {
    Session::open(config, &Reporter::new(true)).unwrap()
}

fn first_batch(session: &Session<'_>, splits: &Splits) -> LoadedBatch {
    let samples = &splits.train.samples()[..session.batch_size().get()];
    let plan = Plan::training(samples, Sampler::Shuffled, session.batch_size(), Seed::new(0));
    let mut first = None;
    session
        .loader(vec![true; session.heads.joint()])
        .for_each::<gblend_core::Error>(&plan, |_, batch| {
            first = Some(batch);
            Ok(())
        })
        .unwrap();
    first.unwrap()
}

fn training_step(criterion: &mut Criterion) {
    let cache = tempfile::tempdir().unwrap();
    let config = config(cache.path(), 2048);
    let (session, splits) = open(&config);
    let mut model = session.build_model().unwrap();
    let mut blend = config.blend.plugin.start(&session.heads).unwrap();
    let length = RunLength {
        steps_per_epoch: 1000,
        epochs: 1000,
    };
    let mut optimizer = session.optimizer(length, 0).unwrap();
    let mut learner = Learner {
        model: &mut model,
        optimizer: &mut optimizer,
        blend: blend.as_mut(),
        momentum: None,
    };
    let context = session.step_context("bench", "", 1);
    criterion.bench_function("training step", |bencher| {
        bencher.iter_batched(
            || first_batch(&session, &splits),
            |batch| step(&mut learner, batch, context).unwrap(),
            BatchSize::PerIteration,
        );
    });
}

fn estimates(criterion: &mut Criterion) {
    let cache = tempfile::tempdir().unwrap();
    let config = config(cache.path(), 2048);
    let (session, splits) = open(&config);
    let state = state_of(&mut session.build_model().unwrap()).unwrap();
    let live = StartingPoint {
        epoch: 0,
        schedule_step: 0,
    };
    let mut group = criterion.benchmark_group("estimate");
    for (name, estimator) in [
        (
            "probes of an epoch",
            Estimator::Probe {
                epochs: vec![1],
                length: ProbeLength::Joint,
            },
        ),
        ("gradients of 4 batches", Estimator::Gradient { batches: Some(4) }),
    ] {
        let request = EstimateRequest {
            estimator,
            resamples: 200,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                estimate(
                    &session,
                    &splits,
                    &state,
                    &request,
                    live,
                    None,
                    &Reporter::new(true),
                )
                .unwrap()
            });
        });
    }
    group.finish();
}

fn loader(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loader, an epoch of 320 samples");
    for (name, memory) in [("from memory", 2048), ("from the cache", 0)] {
        let cache = tempfile::tempdir().unwrap();
        let config = config(cache.path(), memory);
        let (session, splits) = open(&config);
        let plan = Plan::training(
            splits.train.samples(),
            Sampler::Shuffled,
            session.batch_size(),
            Seed::new(0),
        );
        let loader = session.loader(vec![true; session.heads.joint()]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                loader
                    .for_each::<gblend_core::Error>(&plan, |_, _| Ok(()))
                    .unwrap()
            });
        });
    }
    group.finish();
}

fn job(criterion: &mut Criterion) {
    criterion.bench_function("whole job, cold", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().unwrap(),
            |folder| {
                let config = config(&folder.path().join("cache"), 2048);
                let start = Start::New(Destination::Folder(folder.path().join("run")));
                let quiet = Reporter::new(true);
                run(
                    &config,
                    &start,
                    ProcessUse::Exclusive,
                    &Ranks::alone(),
                    &Interrupt::never(),
                    &quiet,
                )
                .unwrap();
                folder
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = training_step, estimates, loader, job
}
criterion_main!(benches);
