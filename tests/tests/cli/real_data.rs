//! Real data, if `GBLEND_DATA` names its folder.

use crate::playground;
use gblend_tests::real_data;

#[test]
fn avmnist_trains_on_the_real_files() {
    let Some(data) = real_data() else { return };
    let p = playground();
    let example = include_str!("../../../examples/avmnist.toml");
    p.write(
        "avmnist.toml",
        example.replace("${GBLEND_DATA}", data.to_str().unwrap()),
    );
    let small = [
        "--set",
        "data.train_samples=3000",
        "--set",
        "data.test_samples=500",
        "--set",
        "run.epochs=3",
    ];
    let run = |extra: &[&str]| {
        let arguments = [&["train", "avmnist.toml", "--quiet", "--json"][..], &small, extra].concat();
        let summary = p.json(&arguments);
        [0, 1, 2].map(|head: usize| summary["heads"][head]["test_accuracy"].as_f64().unwrap())
    };
    let [image, audio, joint] = run(&[]);
    // A tenth is chance.
    assert!(
        image > 0.3 && audio > 0.2 && joint > 0.3,
        "{image} {audio} {joint}"
    );
    // The benchmark's degradation makes the pictures harder.
    let [degraded, ..] = run(&["--set", "data.image_energy=0.25", "--set", "data.audio_snr=-1"]);
    assert!(degraded < image && degraded > 0.2, "{degraded} {image}");
}

#[test]
fn every_example_of_arrays_and_texts_learns_from_its_real_data() {
    let Some(data) = real_data() else { return };
    let p = playground();
    for (name, example, chance) in [
        ("wikipedia", include_str!("../../../examples/wikipedia.toml"), 0.1),
        ("htad", include_str!("../../../examples/htad.toml"), 0.15),
        ("wisdm51", include_str!("../../../examples/wisdm51.toml"), 0.06),
        ("fashion", include_str!("../../../examples/fashion.toml"), 0.25),
    ] {
        let config = format!("{name}.toml");
        p.write(&config, example.replace("${GBLEND_DATA}", data.to_str().unwrap()));
        let mut arguments = vec!["train", &config, "--quiet", "--json"];
        for set in ["run.epochs=6", "blend.kind=equal", "data.samples_per_class=100"] {
            arguments.extend(["--set", set]);
        }
        let summary = p.json(&arguments);
        let joint = summary["heads"].as_array().unwrap().last().unwrap();
        let accuracy = joint["test_accuracy"].as_f64().unwrap();
        assert!(accuracy > chance * 1.5, "{name}: {accuracy}");
    }
}
