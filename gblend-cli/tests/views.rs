//! Samples of several views through the whole network.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use gblend_cli::Result;
use gblend_cli::config::Config;
use gblend_cli::data::{Evaluable, LoadedBatch, Plan, Sampler, Splits};
use gblend_cli::evaluation::evaluate;
use gblend_cli::network::{ActiveHeads, Inputs};
use gblend_cli::progress::Reporter;
use gblend_cli::training::session::Session;
use gblend_core::nn::softmax_of_each;
use gblend_core::tensor::StackedSamples;
use gblend_core::{Pass, Seed};

const CONFIG: &str = r#"
[run]
epochs = 1
batch_size = 16
validation = 0.1

[data]
kind = "scene"
train_samples = 80
test_samples = 16
frames = 6
size = 12
seconds = 0.1

[modality.camera]
kind = "rgb"
sampling = "clip"
frames = 2
clips = 3
encoder.channels = [4, 6]

[modality.motion]
kind = "flow"
sampling = "clip"
frames = 2
clips = 3
encoder.channels = [4, 6]

[modality.microphone]
kind = "audio"
sample_rate = 8000
spectrogram = { n_fft = 128, hop_length = 80, win_length = 128, n_mels = 12 }
encoder.channels = [4, 6]

[fusion]
kind = "concat"

[blend]
kind = "equal"

[optimizer]
kind = "sgd"
learning_rate = 0.05
"#;

fn with_session(work: impl FnOnce(&Session<'_>, &Splits)) {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("views-{}", std::process::id()));
    let cache = format!("run.cache={}", cache.display()).parse().unwrap();
    let config = Config::parse("views", CONFIG, PathBuf::from("."), &[cache]).unwrap();
    let (session, splits) = Session::open(&config, &Reporter::new(true)).unwrap();
    work(&session, &splits);
}

#[test]
fn evaluation_takes_the_mean_probability_of_all_clips() {
    with_session(|session, splits| {
        assert_eq!(session.prepared.sample_shape(0), [3, 12, 12, 6]);
        assert_eq!(session.sample_shapes().unwrap()[0], [3, 12, 12, 2]);
        let mut model = session.build_model().unwrap();
        let active = ActiveHeads::all(4);
        let loader = session.loader(active.encoders());
        let size = NonZeroUsize::new(7).unwrap();
        let split: &dyn Evaluable = &splits.validation;
        let whole = evaluate(&mut model, &loader, split, size, &session.device, &active).unwrap();
        let mut sums = vec![Vec::new(); 4];
        for view in 0..3 {
            let plan = Plan::evaluation(split.samples(), split.samples().len().try_into().unwrap());
            let read = loader.for_each(&plan.of_view(view), |_, batch: LoadedBatch| -> Result<()> {
                let inputs = Inputs::new(&session.device, batch.samples.len(), batch.inputs)?;
                let logits = model.forward(&inputs, &Pass::evaluate(), &active)?;
                for (sum, logits) in sums.iter_mut().zip(logits) {
                    let logits = logits.unwrap().to_array()?;
                    let rows = softmax_of_each(&logits)?.concat();
                    sum.resize(rows.len(), 0.0);
                    sum.iter_mut().zip(rows).for_each(|(sum, p)| *sum += p);
                }
                Ok(())
            });
            read.unwrap();
        }
        for (head, sum) in sums.into_iter().enumerate() {
            let found = whole.scores(model.criteria(), head).unwrap();
            let found: Vec<f64> = found.into_iter().flatten().flatten().collect();
            assert_eq!(found.len(), sum.len());
            for (found, sum) in found.into_iter().zip(sum) {
                assert!(
                    (found - sum / 3.0).abs() < 1e-5,
                    "head {head}: {found} {}",
                    sum / 3.0
                );
            }
        }
    });
}

#[test]
fn training_draws_clips_by_the_seed_of_the_epoch_and_the_same_one_in_every_modality() {
    with_session(|session, splits| {
        let samples = splits.train.samples();
        let drawn = |seed: u64| {
            let size = NonZeroUsize::new(1).unwrap();
            let plan = Plan::training(samples, Sampler::Shuffled, size, Seed::new(seed));
            let mut drawn = vec![[0; 2]; session.source.len()];
            for (sample, clips) in clips(session, &plan) {
                drawn[sample] = clips;
            }
            drawn
        };
        let first = drawn(1);
        assert!(first.iter().all(|[camera, motion]| camera == motion));
        for clip in 1..=3 {
            assert!(first.iter().filter(|drawn| drawn[0] == clip).count() > 5);
        }
        assert_eq!(drawn(1), first);
        assert_ne!(drawn(2), first);
    });
}

/// Which of its clips each sample of a plan with batches of one shows, counted from 1, for camera and motion.
fn clips(session: &Session<'_>, plan: &Plan<'_>) -> Vec<(usize, [usize; 2])> {
    let loader = session.loader(vec![true; 3]);
    let mut shown = Vec::new();
    loader
        .for_each(plan, |_, batch: LoadedBatch| -> Result<()> {
            let sample = batch.samples[0];
            let mut clips = [0; 2];
            for (modality, slot) in clips.iter_mut().enumerate() {
                let plugin = session.config.modalities[modality].plugin.as_ref();
                let whole = session.prepared.sample(modality, sample)?;
                let seen = batch.inputs[modality].as_ref().unwrap();
                let seen = seen.samples.as_ref().unwrap();
                let views = (0..3).map(|view| plugin.view(whole.clone(), view).unwrap());
                let mut stacked = views.map(|clip| StackedSamples::new(&[&clip]).unwrap());
                *slot = 1 + stacked.position(|clip| clip == *seen).unwrap();
            }
            shown.push((sample, clips));
            Ok(())
        })
        .unwrap();
    shown
}

#[test]
fn a_sample_that_is_drawn_again_shows_another_clip_and_the_same_one_in_every_modality() {
    with_session(|session, splits| {
        let labels = session.prepared.labels();
        let class = |sample: usize| labels.classes(sample).next();
        let all = splits.train.samples();
        let rare = all[0];
        let of_another = |&&sample: &&u32| class(sample as usize) == class(all[1] as usize);
        assert_ne!(class(rare as usize), class(all[1] as usize));
        let mut samples = vec![rare];
        samples.extend(all.iter().filter(of_another));
        let count = samples.len();
        let size = NonZeroUsize::new(1).unwrap();
        let plan = Plan::training(&samples, Sampler::Balanced(labels), size, Seed::new(1));
        let shown = clips(session, &plan);
        assert_eq!(shown.len(), count);
        assert!(shown.iter().all(|(_, [camera, motion])| camera == motion));
        let of_rare = shown.iter().filter(|(sample, _)| *sample == rare as usize);
        let of_rare: Vec<usize> = of_rare.map(|(_, clips)| clips[0]).collect();
        assert!(of_rare.len() >= count / 2, "{of_rare:?} of {count}");
        assert!(of_rare.iter().any(|clip| *clip != of_rare[0]), "{of_rare:?}");
    });
}
