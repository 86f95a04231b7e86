//! Maps that a step keeps in 16 bits.

use gblend_tests::Playground;

use crate::playground;

/// Residual blocks and plain convolutions.
const NETWORK: [&str; 5] = [
    "modality.camera.encoder.architecture=residual",
    "modality.camera.encoder.channels=[8, 8]",
    "modality.camera.encoder.blocks=2",
    "modality.microphone.encoder.channels=[8, 8, 16]",
    "run.recompute=none",
];

fn trained(p: &Playground, out: &str, more: &[&str]) -> Vec<u8> {
    let mut arguments = vec!["train", "tiny.toml", "--quiet", "--out", out];
    let sets = NETWORK.iter().chain(more);
    arguments.extend(sets.flat_map(|set| ["--set", *set]));
    p.succeed(&arguments);
    std::fs::read(p.path(out).join("model.safetensors")).unwrap()
}

#[test]
fn steps_on_rounded_maps_are_the_same_to_the_bit_at_any_number_of_threads_and_where_stages_run_again() {
    let p = playground();
    let exact = trained(&p, "exact", &[]);
    assert!(trained(&p, "f32", &["run.activations_as=f32"]) == exact);
    for precision in ["bf16", "f16"] {
        let set = format!("run.activations_as={precision}");
        let run = |name: &str, more: &[&str]| {
            trained(
                &p,
                &format!("{precision}-{name}"),
                &[&[set.as_str()], more].concat(),
            )
        };
        let kept = run("kept", &[]);
        assert!(kept != exact, "{precision}: nothing was rounded");
        for (name, more) in [
            ("one", &["run.threads=1"][..]),
            ("four", &["run.threads=4"]),
            ("again", &["run.recompute=stages"]),
            ("both", &["run.recompute=stages", "run.threads=3"]),
        ] {
            assert!(run(name, more) == kept, "{precision}, {name}: parameters differ");
        }
    }
}

#[test]
fn chunks_and_estimates_by_gradients_take_rounded_maps_too() {
    let p = playground();
    for more in [
        &["run.chunk=5"][..],
        &["blend.kind=ogr", "blend.estimator=gradient", "blend.resamples=10"],
    ] {
        let run = |precision: &str, number: usize| {
            let set = format!("run.activations_as={precision}");
            let out = format!("{}-{precision}-{number}", more[0]);
            trained(&p, &out, &[&[set.as_str()], more].concat())
        };
        let rounded = run("bf16", 0);
        assert!(rounded != run("f32", 0) && rounded == run("bf16", 1), "{more:?}");
    }
}
