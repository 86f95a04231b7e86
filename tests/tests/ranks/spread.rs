//! What is independent is spread over ranks, and comes to the same bits as on one.

use gblend_cli::compare::{Method, Scope, Workers, compare, serve};
use gblend_cli::config::{Config, Override};
use gblend_cli::process::Interrupt;
use gblend_cli::progress::{Board, Reporter};
use gblend_cli::training::open_together;
use gblend_cli::training::probe::{StartingPoint, estimate};
use gblend_cli::training::session::with_threads;
use gblend_core::params::state_of;
use serde_json::Value;

use gblend_tests::Playground;

use crate::{on_ranks, playground};

#[test]
fn an_estimate_of_several_ranks_is_that_of_one_to_the_bit_on_all_of_them() {
    let p = playground();
    for estimator in ["probe", "gradient"] {
        let set = [
            "blend.kind=ogr".to_owned(),
            format!("blend.estimator={estimator}"),
            "blend.resamples=20".to_owned(),
            format!("run.cache={}", p.path("cache").display()),
        ];
        let overrides: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
        let estimates = |size: usize| {
            on_ranks(size, |ranks| {
                let config = Config::load(Some(&p.path("tiny.toml")), &overrides).unwrap();
                with_threads(1, || {
                    let reporter = Reporter::new(true).muted();
                    let fitted = Default::default();
                    let (session, splits) = open_together(&config, &fitted, ranks, &reporter)?;
                    let blend = config.start_blend(&session.heads)?;
                    let request = blend.estimate_due(0, 2).unwrap();
                    let state = state_of(&mut session.initial_model()?)?;
                    let live = StartingPoint {
                        epoch: 0,
                        schedule_step: 0,
                    };
                    estimate(&session, &splits, &state, &request, live, None, &reporter)
                })
                .unwrap()
            })
        };
        let one = estimates(1).remove(0);
        for size in [2, 3] {
            for of_rank in estimates(size) {
                assert!(of_rank == one, "{estimator}, {size} ranks");
            }
        }
    }
}

/// Without what depends on when and where it was measured.
fn without_timings(mut comparison: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !name.contains("seconds"));
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut comparison);
    comparison
}

/// A task that ranks compare two methods on.
struct Comparisons {
    p: Playground,
    overrides: Vec<Override>,
}

impl Comparisons {
    fn new() -> Self {
        let p = playground();
        let overrides = [
            "data.train_samples=40".to_owned(),
            "run.epochs=1".to_owned(),
            "run.threads=1".to_owned(),
            format!("run.cache={}", p.path("cache").display()),
        ]
        .iter()
        .map(|set| set.parse().unwrap())
        .collect();
        Self { p, overrides }
    }

    /// What so many ranks write into a folder of this name.
    fn compared(&self, size: usize, folder: &str) -> Value {
        let out = self.p.path(folder);
        let outcomes = on_ranks(size, |ranks| {
            let config = Config::load(Some(&self.p.path("tiny.toml")), &self.overrides).unwrap();
            let interrupt = Interrupt::never();
            if !ranks.is_first() {
                serve(&config, ranks, &interrupt).unwrap();
                return None;
            }
            let board = Board::new(true);
            let scope = Scope {
                folds: None,
                methods: vec![Method::Joint, Method::Equal],
                seeds: 2,
                subsets: false,
                fusions: false,
                simplex: None,
            };
            let comparison = compare(
                &config,
                &out,
                &scope,
                None,
                Workers { jobs: None, ranks },
                &interrupt,
                &board,
            );
            Some(comparison.unwrap())
        });
        let written = std::fs::read_to_string(out.join("compare.json")).unwrap();
        let written: Value = serde_json::from_str(&written).unwrap();
        assert!(outcomes[0].is_some());
        without_timings(written)
    }
}

#[test]
fn a_comparison_of_several_ranks_is_that_of_one_to_the_bit() {
    let comparisons = Comparisons::new();
    let compared = |size: usize| comparisons.compared(size, &format!("compared by {size}"));
    let one = compared(1);
    assert!(one["rows"].as_array().unwrap().len() >= 5, "{one}");
    for size in [2, 3] {
        assert_eq!(compared(size), one, "{size} ranks");
    }
}

#[test]
fn ranks_prepare_samples_for_a_comparison_only_where_something_of_it_is_left_to_do() {
    let comparisons = Comparisons::new();
    let cache = comparisons.p.path("cache");
    let first = comparisons.compared(2, "compared");
    assert!(cache.is_dir());
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(comparisons.compared(2, "compared"), first);
    assert!(
        !cache.exists(),
        "samples of a comparison that was done were prepared"
    );
}
