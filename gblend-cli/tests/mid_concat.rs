//! A fusion of maps in the whole network: what it leaves alone, what its loss reaches, and what strategies see of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gblend_cli::config::{Config, Override};
use gblend_cli::data::{Evaluable, Plan, Splits};
use gblend_cli::network::{ActiveHeads, Fused, Inputs, Multimodal};
use gblend_cli::progress::Reporter;
use gblend_cli::training::Learner;
use gblend_cli::training::session::Session;
use gblend_cli::training::step::step;
use gblend_core::nn::{add, backward};
use gblend_core::params::{Module, ParamPath, ParamVisitor, State, state_of};
use gblend_core::{Array, Logits, ParamMut, Pass, Result, Role, Seed, Targets, catalogue};
use gblend_optim::network::{Network, Part};
use gblend_optim::schedule::RunLength;

const LATE: &str = r#"
[run]
epochs = 1
batch_size = 1000
validation = 0.1

[data]
kind = "scene"
train_samples = 40
test_samples = 8
frames = 3
size = 12
seconds = 0.1

[modality.camera]
kind = "rgb"
encoder = { channels = [4, 6, 8], features = 5 }

[modality.motion]
kind = "flow"
limit = 4
encoder = { architecture = "factorized", channels = [4, 6], pooling = "flatten" }

[modality.microphone]
kind = "audio"
sample_rate = 8000
spectrogram = { n_fft = 64, hop_length = 40, win_length = 64, n_mels = 12 }
encoder = { architecture = "residual", channels = [4, 6], blocks = 2, dropout = 0.3 }

[fusion]
kind = "concat"
head = { hidden = [16], dropout = 0.2 }

[blend]
kind = "equal"
"#;

const MID: [&str; 3] = [
    "fusion.kind=mid-concat",
    "fusion.channels=[10]",
    "fusion.residual=true",
];

fn config(settings: &[&str]) -> Config {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mid-concat-{}", std::process::id()));
    let cache = format!("run.cache={}", cache.display());
    let settings = settings.iter().copied().chain([cache.as_str()]);
    let settings: Vec<Override> = settings.map(|setting| setting.parse().unwrap()).collect();
    Config::parse("mid-concat", LATE, PathBuf::from("."), &settings).unwrap()
}

fn with_session<T>(config: &Config, work: impl FnOnce(&Session<'_>, &Splits) -> T) -> T {
    let (session, splits) = Session::open(config, &Reporter::new(true)).unwrap();
    work(&session, &splits)
}

/// The training samples, and their classes.
fn batch(session: &Session<'_>, splits: &Splits) -> (Inputs, Targets) {
    let mut found = None;
    let plan = Plan::evaluation(splits.train.samples(), session.batch_size());
    let loader = session.loader(vec![true; 3]);
    let read = loader.for_each(&plan, |_, batch| -> Result<()> {
        let inputs = Inputs::new(&session.device, batch.samples.len(), batch.inputs)?;
        found = Some((inputs, batch.targets));
        Ok(())
    });
    read.unwrap();
    found.unwrap()
}

fn rows(logits: &[Option<Logits>]) -> Vec<Option<Array>> {
    let rows = logits
        .iter()
        .map(|logits| logits.as_ref().map(|logits| logits.to_array().unwrap()));
    rows.collect()
}

#[test]
fn the_modalities_own_heads_say_the_same_to_the_bit_under_either_fusion() {
    let said = |settings: &[&str], active: &ActiveHeads, pass: Pass| {
        with_session(&config(settings), |session, splits| {
            let (inputs, _) = batch(session, splits);
            let mut model = session.build_model().unwrap();
            rows(&model.forward(&inputs, &pass, active).unwrap())
        })
    };
    for pass in [Pass::evaluate(), Pass::train(Seed::new(4))] {
        let late = said(&[], &ActiveHeads::all(4), pass);
        let mid = said(&MID, &ActiveHeads::all(4), pass);
        assert_eq!(late[..3], mid[..3]);
        assert!(late[..3].iter().all(Option::is_some));
        assert_ne!(late[3], mid[3]);
        assert_eq!(said(&MID, &ActiveHeads::unimodal(4), pass)[..3], late[..3]);
        assert_eq!(said(&MID, &ActiveHeads::only(4, 3), pass)[3], mid[3]);
    }
}

/// The part of each parameter, and whether it has a gradient other than zeros.
type Reached = BTreeMap<String, (Part, bool)>;

/// What the losses of the active heads reach.
fn reached(model: &mut Multimodal, session: &Session<'_>, splits: &Splits, active: &ActiveHeads) -> Reached {
    let (inputs, targets) = batch(session, splits);
    let pass = Pass::train(Seed::new(4));
    let logits = model.forward(&inputs, &pass, active).unwrap();
    let losses = logits
        .into_iter()
        .enumerate()
        .filter_map(|(head, logits)| Some((head, logits?)));
    let loss = losses
        .map(|(head, logits)| model.loss(head, logits, &targets, None).unwrap())
        .reduce(|sum, loss| add(sum, loss).unwrap());
    let mut gradients = backward(loss.unwrap()).unwrap();
    let mut reached = Reached::new();
    let all = ActiveHeads::all(4);
    let mut visit = |part, path: &ParamPath, module: &mut dyn Module| {
        let mut each = Each(|path: &ParamPath, param: ParamMut<'_>| {
            let gradient = param.gradient(&mut gradients)?;
            let any = gradient.values().iter().any(|&value| value != 0.0);
            let before = reached.insert(path.to_string(), (part, any));
            assert!(before.is_none(), "{path} twice");
            Ok(())
        });
        module.visit_params(path, &mut each)
    };
    model.active(&all).visit_parts(&mut visit).unwrap();
    reached
}

struct Each<F>(F);

impl<F: FnMut(&ParamPath, ParamMut<'_>) -> Result<()>> ParamVisitor for Each<F> {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        (self.0)(path, param)
    }
}

#[test]
fn every_parameter_learns_and_each_part_from_the_losses_that_it_says() {
    with_session(&config(&MID), |session, splits| {
        let mut model = session.build_model().unwrap();
        let all = reached(&mut model, session, splits, &ActiveHeads::all(4));
        let without: Vec<_> = all.iter().filter(|(_, (_, any))| !any).collect();
        assert!(without.is_empty(), "{without:?}");
        // The stored model does not depend on how the network is divided into parts.
        let whole = state_of(&mut model).unwrap();
        assert!(all.keys().all(|path| whole.contains_key(path)));
        for (path, part) in [
            ("camera.encoder.block1.weight", Part::Encoder(0)),
            ("camera.encoder.block2.weight", Part::Head(0)),
            ("camera.encoder.projection.weight", Part::Head(0)),
            ("microphone.encoder.block1.first.weight", Part::Encoder(2)),
            ("microphone.encoder.block2.first.weight", Part::Head(2)),
        ] {
            assert_eq!(all[path].0, part, "{path}");
        }
        let joint = reached(&mut model, session, splits, &ActiveHeads::only(4, 3));
        for (path, (part, any)) in joint {
            assert_eq!(any, !matches!(part, Part::Head(_)), "{path}");
        }
        let own = reached(&mut model, session, splits, &ActiveHeads::unimodal(4));
        for (path, (part, any)) in own {
            assert_eq!(any, part != Part::Joint, "{path}");
        }
    });
}

#[test]
fn the_joint_head_is_the_same_from_maps_on_the_host_and_misses_those_that_are_left_out() {
    with_session(&config(&MID), |session, splits| {
        let (inputs, _) = batch(session, splits);
        let mut model = session.build_model().unwrap();
        let mut seen = Vec::new();
        let active = ActiveHeads::all(4);
        let mut see = |fused: Fused<'_>| seen.push(fused.to_host().unwrap());
        let logits = model.forward_seeing(&inputs, &Pass::evaluate(), &active, Some(&mut see));
        let logits = rows(&logits.unwrap());
        let ranks: Vec<usize> = seen.iter().map(|maps| maps.shape().len()).collect();
        assert_eq!(ranks, [4; 3]);
        let mut from = |present: [bool; 3]| model.joint_from(&seen, &present, &inputs).unwrap();
        let whole = from([true; 3]);
        assert_eq!(Some(&whole), logits[3].as_ref());
        for left_out in 0..3 {
            let mut present = [true; 3];
            present[left_out] = false;
            assert_ne!(from(present), whole, "{left_out}");
        }
        let vectors = vec![Array::zeros([2, 5]); 3];
        assert!(model.joint_from(&vectors, &[true; 3], &inputs).is_err());
    });
}

/// Parameters and running statistics before and after one step with all samples in one batch.
fn one_step(blend: &str) -> (State, State) {
    with_session(&config(&[&MID[..], &[blend]].concat()), |session, splits| {
        let mut model = session.build_model().unwrap();
        let before = state_of(&mut model).unwrap();
        let run = RunLength {
            steps_per_epoch: 1,
            epochs: 1,
        };
        let mut optimizer = session.optimizer(run, 0).unwrap();
        let mut blend = session.config.blend.plugin.start(&session.heads).unwrap();
        let samples = &splits.train.samples()[..24];
        let plan = Plan::training(samples, session.sampler(), session.batch_size(), Seed::new(1));
        assert_eq!(plan.len(), 1);
        let mut learner = Learner {
            model: &mut model,
            optimizer: &mut optimizer,
            blend: blend.as_mut(),
            momentum: None,
        };
        let context = session.step_context("train", "", 1);
        let loader = session.loader(vec![true; 3]);
        let trained = loader.for_each(&plan, |_, batch| step(&mut learner, batch, context).map(|_| ()));
        trained.unwrap();
        (before, state_of(&mut model).unwrap())
    })
}

#[test]
fn every_strategy_trains_the_fusion_and_the_encoders_and_counts_a_batch_once() {
    let (_, equal) = one_step("blend.kind=equal");
    let kinds = catalogue().unwrap().of(Role::Blend).map(|plugin| plugin.kind);
    let mut strategies = 0;
    // Heads without the joint one are no matter of fusion.
    for kind in kinds.filter(|kind| !kind.starts_with("unimodal")) {
        let blend = match kind {
            "fixed" => {
                "blend={kind=\"fixed\", weights={camera=1, motion=1, microphone=1, joint=2}}".to_owned()
            }
            kind => format!("blend.kind={kind}"),
        };
        let (before, after) = one_step(&blend);
        strategies += 1;
        let heads_learn = !["joint", "agm"].contains(&kind);
        let computed = |path: &str| kind != "joint" || after_the_stage(path).is_none();
        // Gradient-Blending holds samples out, so its batch is another one; it is the first of those that `auto` stands for.
        let same_batch = !["ogr", "auto"].contains(&kind);
        let statistics = after.iter().filter(|(path, _)| path.contains("running"));
        for (path, value) in statistics.filter(|_| same_batch) {
            let expected = if computed(path) {
                &equal[path]
            } else {
                &before[path]
            };
            // Two passes over a batch, for the gradient of each head, count once.
            assert!(value == expected, "{kind}: {path}");
        }
        let moved = |prefix: &str| {
            let mut paths = after.iter().filter(|(path, _)| path.starts_with(prefix));
            paths.any(|(path, value)| !path.contains("running") && value != &before[path])
        };
        for prefix in [
            "fusion.block0",
            "camera.encoder.block0",
            "microphone.encoder.block0",
        ] {
            assert!(moved(prefix), "{kind}: {prefix}");
        }
        // What comes after the stage has the modality's own loss alone.
        for prefix in [
            "camera.encoder.block2",
            "camera.encoder.projection",
            "camera.head",
        ] {
            assert_eq!(moved(prefix), heads_learn, "{kind}: {prefix}");
        }
    }
    assert!(strategies >= 14, "{strategies}");
    assert!(equal.contains_key("fusion.block0.first.running_mean"));
}

/// What is left of a path behind the name of a block that comes after its encoder's stage.
fn after_the_stage(path: &str) -> Option<&str> {
    [
        "camera.encoder.block2",
        "motion.encoder.block1",
        "microphone.encoder.block2",
        "microphone.encoder.block3",
    ]
    .iter()
    .find_map(|prefix| path.strip_prefix(prefix))
}

#[test]
fn a_stage_that_an_encoder_has_not_is_refused_with_the_stages_that_it_has() {
    with_session(&config(&[MID[0], "fusion.stage=3"]), |session, _| {
        let error = session.build_model().err().unwrap().to_string();
        assert_eq!(
            error,
            "fusion.stage = 3: expected 1 to 2, the stages of the encoder of modality `motion` (kind `flow`)"
        );
    });
    with_session(&config(&[MID[0], "fusion.stage=2"]), |session, _| {
        session.build_model().unwrap();
    });
}
