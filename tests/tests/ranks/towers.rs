//! Two towers: losses that compare the samples of a batch are those of all ranks' samples.

use gblend_tests::Playground;

use crate::{assert_equal_to_rounding, playground, train};

const TOWERS: &str = r#"
[run]
epochs = 2
batch_size = 18

[data]
kind = "scene"
captions = true
train_samples = 72
test_samples = 40
frames = 2
size = 12

[objective]
kind = "match"
width = 8
block = 16

[modality.camera]
kind = "rgb"
encoder = { channels = [4, 8], features = 6 }
augment = { crop = 0.6, contrast = 0.3 }

[modality.camera.objective]
kind = "views"
width = 8
hidden = [8]
block = 16

[modality.caption]
kind = "text"
length = 12
width = 8

[modality.caption.objective]
kind = "none"

[blend]
kind = "equal"

[optimizer]
kind = "sgd"
learning_rate = 0.05
"#;

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
            compare(&p, &[&own, &format!("blend.kind={strategy}")]);
        }
    }
}

#[test]
fn an_encoder_that_stays_near_another_normalizes_both_over_all_ranks() {
    let p = playground();
    p.write("tiny.toml", TOWERS);
    compare(
        &p,
        &["modality.camera.objective={ kind = \"anchor\", share = 0.3 }"],
    );
}

#[test]
fn batches_in_chunks_are_those_of_one_process() {
    let p = playground();
    let encoder = "encoder = { architecture = \"transformer\", patch = 4, width = 8, heads = 2, depth = 1 }";
    let towers = TOWERS.replace("encoder = { channels = [4, 8], features = 6 }", encoder);
    assert_ne!(towers, TOWERS);
    p.write("tiny.toml", towers);
    // Of 18 samples over 3 ranks each has 6, over 2 ranks 9.
    compare(&p, &["run.chunk=4"]);
    // The parts of a batch of 17 are on both sides of a chunk.
    compare(&p, &["run.chunk=8", "run.batch_size=17"]);
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
        compare(&p, &[&queue]);
        // A batch whose parts are not equally large, and ranks that normalize by themselves.
        compare(&p, &[&queue, "run.batch_size=17"]);
    }
}
