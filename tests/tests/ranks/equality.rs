//! N ranks that share batches have the losses of one process with the same batches, to rounding, whatever blends and whatever
//! moves the parameters.

use gblend_core::{Role, catalogue};
use gblend_tests::Playground;

use crate::{assert_equal_to_rounding, model, playground, train, try_train};

/// Nothing is dropped at random, and batches do not go evenly into three parts.
const SET: [&str; 4] = [
    "fusion.head={ hidden = [16] }",
    "run.batch_size=13",
    "data.train_samples=60",
    "data.test_samples=21",
];

fn set(more: &[&str]) -> Vec<String> {
    SET.iter().chain(more).map(|&set| set.to_owned()).collect()
}

/// Trains with one process and with several, and compares.
fn compare(p: &Playground, sizes: &[usize], more: &[&str], share: f64) {
    let set = set(more);
    let what = more.join(" ");
    let name = |size: usize| format!("{size} {}", what.replace('/', "-"));
    train(p, 1, &name(1), &set);
    for &size in sizes {
        train(p, size, &name(size), &set);
        let (one, many) = (p.path(&name(1)), p.path(&name(size)));
        assert_equal_to_rounding(&one, &many, share, &format!("{what}, {size} ranks"));
        std::fs::remove_dir_all(many).unwrap();
    }
    std::fs::remove_dir_all(p.path(&name(1))).unwrap();
}

#[test]
fn under_every_strategy() {
    let p = playground();
    for strategy in p.strategies() {
        let settings = strategy
            .iter()
            .map(String::as_str)
            .filter(|&word| word != "--set");
        let mut settings: Vec<&str> = settings.collect();
        settings.extend(["optimizer.kind=sgd", "optimizer.learning_rate=0.02"]);
        compare(&p, &[2], &settings, 1e-3);
    }
}

#[test]
fn under_every_optimizer_with_three_ranks() {
    let p = playground();
    let optimizers = catalogue().unwrap().of(Role::Optimizer);
    let kinds: Vec<String> = optimizers
        .map(|plugin| format!("optimizer.kind={}", plugin.kind))
        .collect();
    assert!(kinds.len() >= 4, "{kinds:?}");
    for kind in kinds {
        // Rules that divide by the size of a gradient turn rounding of small ones into steps.
        let settings = [&*kind, "optimizer.clip_norm=0.5", "optimizer.learning_rate=0.001"];
        compare(&p, &[3], &settings, 2e-2);
    }
}

#[test]
fn with_maps_that_fuse_rows_that_normalize_and_losses_that_match() {
    let p = playground();
    for settings in [
        &["fusion.kind=mid-concat", "fusion.channels=[6]"][..],
        &["modality.camera.encoder={ architecture = \"residual\", channels = [4, 6] }"],
        &[
            "objective.kind=info-nce",
            "objective.block=4",
            "modality.camera.objective={ kind = \"single-label\" }",
            "modality.motion.objective={ kind = \"single-label\" }",
            "modality.microphone.objective={ kind = \"single-label\" }",
        ],
        &["run.sampler=balanced"],
        &["run.refit=true", "blend.pool=cross"],
    ] {
        let mut settings = settings.to_vec();
        settings.extend(["optimizer.kind=sgd", "optimizer.learning_rate=0.02"]);
        compare(&p, &[2, 3], &settings, 1e-3);
    }
}

#[test]
fn the_same_number_of_ranks_gives_the_same_bits_whatever_is_dropped_and_another_seed_gives_others() {
    let p = playground();
    let set = |more: &[&str]| more.iter().map(|&set| set.to_owned()).collect::<Vec<_>>();
    for batch_norm in ["run.batch_norm=all_ranks", "run.batch_norm=each_rank"] {
        for (out, seed) in [("a", "run.seed=0"), ("b", "run.seed=0"), ("c", "run.seed=1")] {
            train(&p, 3, out, &set(&[batch_norm, seed]));
        }
        assert!(model(&p.path("a")) == model(&p.path("b")), "{batch_norm}");
        assert!(model(&p.path("a")) != model(&p.path("c")), "{batch_norm}");
        for out in ["a", "b", "c"] {
            std::fs::remove_dir_all(p.path(out)).unwrap();
        }
    }
}

#[test]
fn normalization_of_each_rank_for_itself_is_another_one() {
    let p = playground();
    let set = |over: &str| set(&[&format!("run.batch_norm={over}")]);
    train(&p, 2, "all", &set("all_ranks"));
    train(&p, 2, "each", &set("each_rank"));
    assert!(model(&p.path("all")) != model(&p.path("each")));
    // For one process there is no difference.
    train(&p, 1, "one all", &set("all_ranks"));
    train(&p, 1, "one each", &set("each_rank"));
    assert!(model(&p.path("one all")) == model(&p.path("one each")));
}

#[test]
fn batches_with_less_than_a_sample_for_each_rank_are_refused_on_all_of_them() {
    let p = playground();
    for ran in try_train(&p, 3, "run", &set(&["run.batch_size=2"])) {
        let error = ran.unwrap_err();
        assert!(
            error.to_string().contains("cannot be divided among 3 ranks"),
            "{error}"
        );
        assert_eq!(error.exit_code(), 2);
    }
}

/// Numbers in columns, of which most samples lack some: in many batches a rank has nothing of a modality, and the others normalize
/// without it.
#[test]
fn where_samples_lack_modalities_and_some_rank_has_none() {
    let p = playground();
    let mut table = "id,label,split,a1,a2,b1,b2\n".to_owned();
    let mut state = 1_u64;
    let mut number = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    for row in 0..60 {
        let label = ["up", "down"][row % 2];
        let split = if row >= 44 { "test" } else { "train" };
        let shift = if row % 2 == 0 { 0.4 } else { -0.4 };
        // The first has its numbers in every fifth sample alone.
        let a = match row % 5 == 0 {
            true => format!("{},{}", number() + shift, number()),
            false => ",".to_owned(),
        };
        table += &format!("s{row},{label},{split},{a},{},{}\n", number() + shift, number());
    }
    p.write("table.csv", table);
    let config = r#"
[run]
epochs = 3
batch_size = 6
validation = 0.2

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"

[data.streams.a]
media = "array"
columns = ["a1", "a2"]
optional = true

[data.streams.b]
media = "array"
columns = ["b1", "b2"]

[modality.a]
kind = "vector"
encoder = { dropout = 0, normalization = "batch" }

[modality.b]
kind = "vector"
encoder = { dropout = 0, normalization = "batch" }

[blend]
kind = "equal"

[optimizer]
kind = "sgd"
learning_rate = 0.05
"#;
    p.write("tiny.toml", config);
    let train_both = |strategy: &str| {
        let set = vec![strategy.to_owned()];
        train(&p, 1, "one", &set);
        for size in [2, 3] {
            train(&p, size, "many", &set);
            assert_equal_to_rounding(&p.path("one"), &p.path("many"), 1e-3, strategy);
            std::fs::remove_dir_all(p.path("many")).unwrap();
        }
        std::fs::remove_dir_all(p.path("one")).unwrap();
    };
    for strategy in ["equal", "ogm-ge", "mmpareto", "gradnorm"] {
        train_both(&format!("blend.kind={strategy}"));
    }
}
