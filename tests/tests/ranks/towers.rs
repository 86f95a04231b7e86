//! Two towers: losses that compare the samples of a batch are those of all ranks' samples.

use gblend_tests::Playground;
use gblend_tests::towers::{TOWERS, towers_by_themselves};

use crate::{assert_equal_to_rounding, playground, train};

/// Batches that go into three parts, and an optimizer that keeps rounding small.
const SET: [&str; 3] = [
    "run.batch_size=18",
    "optimizer.kind=sgd",
    "optimizer.learning_rate=0.05",
];

fn compare(p: &Playground, more: &[&str]) {
    let set: Vec<String> = more.iter().map(|&set| set.to_owned()).collect();
    train(p, 1, "one", &set);
    for size in [2, 3] {
        train(p, size, "many", &set);
        let what = format!("{more:?}, {size} ranks");
        assert_equal_to_rounding(&p.path("one"), &p.path("many"), 1e-3, &what);
        std::fs::remove_dir_all(p.path("many")).unwrap();
    }
    std::fs::remove_dir_all(p.path("one")).unwrap();
}

/// The same of two towers.
fn compare_towers(p: &Playground, more: &[&str]) {
    compare(p, &[&SET[..], more].concat());
}

#[test]
fn matching_and_what_each_tower_knows_alone_are_those_of_one_process() {
    let p = playground();
    p.write("tiny.toml", TOWERS);
    for own in [
        "{ kind = \"none\" }",
        "{ kind = \"anchor\", share = 0.2 }",
        "{ kind = \"classify\" }",
    ] {
        let own = format!("modality.caption.objective={own}");
        for strategy in ["equal", "ogr", "gradnorm", "mmpareto"] {
            compare_towers(&p, &[&own, &format!("blend.kind={strategy}")]);
        }
    }
}

#[test]
fn an_encoder_that_stays_near_another_normalizes_both_over_all_ranks() {
    let p = playground();
    p.write("tiny.toml", TOWERS);
    compare_towers(
        &p,
        &["modality.camera.objective={ kind = \"anchor\", share = 0.3 }"],
    );
}

#[test]
fn batches_in_chunks_are_those_of_one_process() {
    let p = playground();
    p.write("tiny.toml", towers_by_themselves());
    // Of 18 samples over 3 ranks each has 6, over 2 ranks 9.
    compare_towers(&p, &["run.chunk=4"]);
    // The parts of a batch of 17 are on both sides of a chunk.
    compare_towers(&p, &["run.chunk=8", "run.batch_size=17"]);
}

#[test]
fn a_strategy_that_validation_chooses_is_the_same_on_every_rank() {
    let p = playground();
    let among = "blend={kind=\"auto\",among=[{kind=\"joint\"},{kind=\"equal\"}]}";
    let set = [
        among,
        "run.validation=0.3",
        "run.epochs=4",
        "fusion.head={ hidden = [16] }",
        "optimizer.kind=sgd",
    ];
    compare(&p, &set);
}

#[test]
fn the_keys_of_all_ranks_enter_the_queue_in_their_order() {
    let p = playground();
    p.write("tiny.toml", TOWERS);
    for queue in ["{ size = 30, momentum = 0.9 }", "{ size = 7, momentum = 0 }"] {
        let queue = format!("objective.queue={queue}");
        compare_towers(&p, &[&queue]);
        // A batch whose parts are not equally large.
        compare_towers(&p, &[&queue, "run.batch_size=17"]);
    }
}
