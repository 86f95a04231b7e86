//! The network: one encoder and one linear head per modality, a fusion, and the joint head
//! (Wang et al., CVPR 2020, figure 2).

use std::collections::BTreeMap;

use gblend_core::batch_parts;
use gblend_core::graph::{is_tracing, within};
use gblend_core::nn::{Mlp, detach, fork, mask_maps, mask_rows, scatter_maps, scatter_rows};
use gblend_core::params::{Module, ParamPath, ParamVisitor, State, state_of};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Features, Logits, Loss, Maps, Plain, Shape, Taped};
use gblend_core::{
    Array, AutoDevice, Batch, BlendWeights, BuildContext, Encoder, EncoderHalf, Error, Fitted, FusionContext,
    FusionInputs, FusionModule, JOINT, JointReach, Keys, ParamMut, Pass, PresenceMask, Result, Role, Seed,
    StageRequest, StageShape, StepValues, Targets,
};

use gblend_optim::network::{Network, Part};

use super::batch_norms::{fewest_values, has_batch_norm};
use super::criteria::{Criteria, LabelContext};
use super::freezing::{Freezing, Frozen, Trained};
use super::own_head::{OwnHead, rows};
use crate::config::{Config, FusionConfig, ModalityConfig, Objectives};
use crate::network::Inputs;

/// The name under which a head shows the parameters of its loss.
const OBJECTIVE: &str = "objective";

/// Which heads are computed, the joint head last, and what the joint one's loss moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveHeads {
    heads: Vec<bool>,
    joint_reach: JointReach,
}

impl ActiveHeads {
    fn of(heads: impl IntoIterator<Item = bool>) -> Self {
        Self {
            heads: heads.into_iter().collect(),
            joint_reach: JointReach::default(),
        }
    }

    /// Every one of `heads` heads.
    pub fn all(heads: usize) -> Self {
        Self::of((0..heads).map(|_| true))
    }

    /// Head `head` of `heads` alone.
    pub fn only(heads: usize, head: usize) -> Self {
        Self::of((0..heads).map(|k| k == head))
    }

    /// The heads of the modalities, without the joint one.
    pub fn unimodal(heads: usize) -> Self {
        Self::of((0..heads).map(|k| k + 1 < heads))
    }

    /// Those whose loss has a weight.
    pub fn weighted(weights: &BlendWeights) -> Self {
        Self::trained(weights.as_slice())
    }

    /// Those that were trained with these weights.
    pub fn trained(weights: &[f64]) -> Self {
        Self::of(weights.iter().map(|&weight| weight > 0.0))
    }

    /// Those of these heads for which `keep` holds.
    #[must_use]
    pub fn retaining(&self, keep: impl Fn(usize) -> bool) -> Self {
        let heads = self.heads.iter().enumerate();
        Self::of(heads.map(|(head, &active)| active && keep(head))).reaching(self.joint_reach)
    }

    /// The same, of a blend whose joint loss moves that.
    #[must_use]
    pub fn reaching(self, joint_reach: JointReach) -> Self {
        Self { joint_reach, ..self }
    }

    /// Without those that have no loss on a batch although they see it: one that needs labels has none where there are none.
    #[must_use]
    pub fn with_loss(&self, counted: &[usize], seen: impl Fn(usize) -> usize) -> Self {
        self.retaining(|head| counted[head] > 0 || seen(head) == 0)
    }

    /// Whether head `head` is computed.
    pub fn contains(&self, head: usize) -> bool {
        self.heads[head]
    }

    /// Whether the joint head is computed.
    pub fn joint(&self) -> bool {
        self.heads.last().copied().unwrap_or(false)
    }

    /// Which modalities' encoders are needed: that of each head, and all for the joint one.
    pub fn encoders(&self) -> Vec<bool> {
        let joint = self.joint();
        let unimodal = &self.heads[..self.heads.len().saturating_sub(1)];
        unimodal.iter().map(|&head| head || joint).collect()
    }
}

struct Branch {
    name: String,
    encoder: Box<dyn Encoder>,
    head: OwnHead,
    /// The stage that the fusion takes maps from, and their shape; none if it takes feature vectors.
    stage: Option<(usize, StageShape)>,
    freezing: Freezing,
}

impl Branch {
    /// Runs a part of the encoder, which a trace calls by the name of the modality.
    fn named<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let part = is_tracing().then(|| format!("modality `{}`", self.name));
        within(|| part.unwrap_or_default(), || run(self))
    }

    /// The whole encoder: `[batch, feature_dim]`; of what it has given before, nothing.
    fn features(&mut self, batch: &Batch, encoded: bool, pass: &Pass) -> Result<Features> {
        if encoded {
            return match batch.sample_shape() {
                &[width] if width == self.encoder.feature_dim() => batch.rows(pass.recorder()),
                other => {
                    let expected = format!("samples of shape [{}]", self.encoder.feature_dim());
                    Err(Error::shape("features of a frozen encoder", expected, other))
                }
            };
        }
        match self.freezing.at_hand(pass) {
            Frozen::Nothing => self.encoder.encode(batch, pass),
            Frozen::Whole => {
                let features = self.encoder.encode(batch, &Pass::evaluate())?;
                Ok(features.into_data(pass.recorder()))
            }
            Frozen::UpTo(stage) => {
                let maps = self.encoder.encode_up_to(stage, batch, &Pass::evaluate())?;
                let maps = maps.into_data(pass.recorder());
                self.encoder.encode_after(stage, maps, pass)
            }
        }
    }

    /// The maps of the stage that the fusion takes.
    fn maps(&mut self, stage: usize, batch: &Batch, pass: &Pass) -> Result<Maps> {
        match self.freezing.at_hand(pass) {
            Frozen::Nothing => self.encoder.encode_up_to(stage, batch, pass),
            // No more than what the fusion takes is frozen, and no less.
            Frozen::Whole | Frozen::UpTo(_) => {
                let maps = self.encoder.encode_up_to(stage, batch, &Pass::evaluate())?;
                Ok(maps.into_data(pass.recorder()))
            }
        }
    }

    /// What comes after that stage.
    fn after(&mut self, stage: usize, maps: Maps, pass: &Pass) -> Result<Features> {
        match self.freezing.at_hand(pass) {
            Frozen::Nothing | Frozen::UpTo(_) => self.encoder.encode_after(stage, maps, pass),
            Frozen::Whole => {
                let maps = maps.into_data(Recorder::off());
                let features = self.encoder.encode_after(stage, maps, &Pass::evaluate())?;
                Ok(features.into_data(pass.recorder()))
            }
        }
    }
}

/// What the fusion reads of a modality.
#[derive(Clone, Copy, Debug)]
pub enum Fused<'a> {
    /// `[batch, feature_dim]`.
    Features(&'a Features),
    /// `[channels, height, width, frames × batch]`.
    Stage(&'a Maps),
}

impl Fused<'_> {
    /// A copy on the host.
    ///
    /// # Errors
    /// None that a tensor of that rank could cause.
    pub fn to_host(self) -> Result<Array> {
        match self {
            Self::Features(features) => features.to_array(),
            Self::Stage(maps) => maps.to_array(),
        }
    }
}

/// What makes the joint head's output of what all modalities give.
enum JointHead {
    /// The configured fusion, and fully connected layers.
    Fused {
        fusion: Box<dyn FusionModule>,
        layers: Mlp,
    },
    /// One that the objective brings.
    Own(Box<dyn FusionModule>),
}

impl JointHead {
    fn forward(&mut self, inputs: FusionInputs, pass: &Pass) -> Result<Logits> {
        match self {
            Self::Fused { fusion, layers } => layers.forward(fusion.fuse(inputs, pass)?, pass),
            Self::Own(head) => head.fuse(inputs, pass),
        }
    }
}

/// The whole network, and what its heads are asked.
pub struct Multimodal {
    branches: Vec<Branch>,
    joint: JointHead,
    criteria: Criteria,
    device: AutoDevice,
}

impl Multimodal {
    /// Builds the network of a configuration for samples of these shapes and what was fitted to them, one per modality.
    ///
    /// # Errors
    /// What the objectives, the encoders, the fusion and the heads refuse, with the modality it is about.
    pub fn build(
        config: &Config,
        objectives: &Objectives<'_>,
        sample_shapes: &[Vec<usize>],
        fitted: &[Fitted],
        labels: LabelContext<'_>,
        device: &AutoDevice,
        seed: Seed,
    ) -> Result<Self> {
        let criteria = Criteria::start(config, objectives, labels, device, seed)?;
        let mut branches = Vec::new();
        let modalities = config
            .modalities
            .iter()
            .zip(sample_shapes)
            .zip(fitted)
            .enumerate();
        for (head, ((modality, sample_shape), fitted)) in modalities {
            let criterion = criteria.of(head).get();
            let seed = seed.derive(&modality.name);
            let cx = BuildContext {
                device,
                sample_shape,
                fitted,
                seed: seed.derive("encoder"),
            };
            let encoder = modality.build(&cx)?;
            let look = objectives.of_head(head).look();
            let (length, seed) = (encoder.feature_dim(), seed.derive("head"));
            let head = OwnHead::new(
                modality,
                look,
                criterion,
                length,
                &cx,
                seed,
                config.run.chunk.is_some(),
            )?;
            branches.push(Branch {
                name: modality.name.clone(),
                freezing: Freezing::new(modality, encoder.as_ref())?,
                encoder,
                head,
                stage: None,
            });
        }
        let feature_dims: Vec<usize> = branches
            .iter()
            .map(|branch| branch.encoder.feature_dim())
            .collect();
        let cx = FusionContext {
            device,
            feature_dims: &feature_dims,
            stages: &[],
            seed: seed.derive("fusion"),
        };
        let own = criteria
            .joint()
            .get()
            .joint_head(&cx)
            .map_err(|error| error.of_plugin(objectives.joint(), Role::Objective.name()));
        if objectives.joint().queue().is_some() && config.run.chunk.is_some() {
            let expected =
                "none beside run.chunk: either has samples found among more than fit in memory at once";
            return Err(Error::setting("objective.queue", "{}", expected));
        }
        let joint = match own? {
            Some(head) => JointHead::Own(head),
            None => {
                for (branch, modality) in branches.iter_mut().zip(&config.modalities) {
                    branch.stage = stage_of(config, modality, branch.encoder.as_ref())?;
                    branch
                        .freezing
                        .check_stage(modality, branch.stage.map(|(stage, _)| stage))?;
                    if branch.stage.is_some() && config.run.chunk.is_some() {
                        let expected = "a fusion of feature vectors, such as \"concat\", as run.chunk has encoders run apart";
                        let fusion = config.fusion.plugin.typetag_name();
                        return Err(Error::setting(
                            FusionConfig::key("kind"),
                            format!("\"{fusion}\""),
                            expected,
                        ));
                    }
                    if branch.stage.is_some() && branch.head.compares_augmentations() {
                        let expected = "a fusion of feature vectors, such as \"concat\", as a modality's own objective compares \
                                        two augmentations of each sample";
                        let fusion = config.fusion.plugin.typetag_name();
                        return Err(Error::setting(
                            FusionConfig::key("kind"),
                            format!("\"{fusion}\""),
                            expected,
                        ));
                    }
                }
                let stages = branches.iter().filter_map(|branch| Some(branch.stage?.1));
                let stages: Vec<StageShape> = stages.collect();
                let fusion = config.fusion.build(&FusionContext {
                    stages: &stages,
                    ..cx
                })?;
                let head = &config.fusion.pipeline.head;
                let mut sizes = vec![fusion.fused_dim()];
                sizes.extend(&head.hidden);
                sizes.push(criteria.joint().get().width());
                let layers = Mlp::new(device, &sizes, head.dropout, seed.derive(JOINT));
                let layers = layers.map_err(|error| config.fusion.of_head(error))?;
                JointHead::Fused { fusion, layers }
            }
        };
        let mut model = Self {
            branches,
            joint,
            criteria,
            device: device.clone(),
        };
        model.begin_epoch(1)?;
        Ok(model)
    }

    /// Freezes what is frozen in an epoch, counted from 1, and nothing else. A network that was built is in its first.
    ///
    /// # Errors
    /// Never: looking for the parameters has nothing to refuse.
    pub fn begin_epoch(&mut self, epoch: usize) -> Result<()> {
        for branch in &mut self.branches {
            let path = ParamPath::root().join(&branch.name).join("encoder");
            branch
                .freezing
                .begin_epoch(epoch, branch.encoder.as_mut(), &path)?;
        }
        Ok(())
    }

    /// A hash of the parameters and statistics of a modality's encoder, if all of it is frozen in the epoch at hand and nothing but
    /// its feature vectors is read: then it makes the same of a sample whenever it sees it.
    ///
    /// # Errors
    /// Never: an encoder shows its parameters.
    pub fn frozen_encoder(&mut self, modality: usize) -> Result<Option<blake3::Hash>> {
        let Some(branch) = self.branches.get_mut(modality) else {
            return Ok(None);
        };
        match branch.stage.is_none() && branch.freezing.is_whole() {
            true => branch.freezing.fingerprint(branch.encoder.as_mut()).map(Some),
            false => Ok(None),
        }
    }

    /// Length of the feature vectors of a modality.
    pub fn feature_dim(&self, modality: usize) -> usize {
        self.branches
            .get(modality)
            .map_or(0, |branch| branch.encoder.feature_dim())
    }

    /// The feature vectors `[batch, feature_dim]` of a modality's samples, in evaluation mode.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batch is of another shape or there is no such modality, [`Error::Device`].
    pub fn encode(&mut self, modality: usize, batch: &Batch) -> Result<Array> {
        let branch = self.branches.get_mut(modality);
        let branch = branch.ok_or_else(|| Error::shape("a modality", "one of the network's", [modality]))?;
        branch.encoder.encode(batch, &Pass::evaluate())?.to_array()
    }

    /// What each head is asked.
    pub fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// The length of what a joint head of the objective's own says of a sample, if there is one.
    pub fn own_joint_width(&self) -> Option<usize> {
        match &self.joint {
            JointHead::Own(head) => Some(head.fused_dim()),
            JointHead::Fused { .. } => None,
        }
    }

    /// Whether the joint head is one that the objective brings, in the place of the configured fusion.
    pub fn has_own_joint_head(&self) -> bool {
        matches!(self.joint, JointHead::Own(_))
    }

    /// What a step takes for a sample of a modality, as its encoder gets it, where stages are run again or not.
    pub fn step_values(&self, modality: usize, sample: &Array, recomputes: bool) -> StepValues {
        let branch = self.branches.get(modality);
        branch
            .map(|branch| branch.encoder.step_values(sample, recomputes))
            .unwrap_or_default()
    }

    /// The modalities whose batch normalization sees one value of a channel where it sees one sample of these shapes.
    ///
    /// # Errors
    /// Never: looking has nothing to refuse.
    pub fn normalized_alone(&mut self, sample_shapes: &[Vec<usize>]) -> Result<Vec<String>> {
        let mut alone = Vec::new();
        for (branch, shape) in self.branches.iter_mut().zip(sample_shapes) {
            let encoder = branch.encoder.as_mut();
            if branch.freezing.is_whole() {
                continue;
            }
            if fewest_values(encoder, shape) == Some(1) && has_batch_norm(encoder)? {
                alone.push(branch.name.clone());
            }
        }
        Ok(alone)
    }

    /// Whether a parameter is of a loss, and not of the network. Every rank computes the losses of a whole batch, and so the gradients
    /// of such parameters.
    pub fn is_of_loss(path: &ParamPath) -> bool {
        let mut names = path.as_str().split('.');
        names.nth(1) == Some(OBJECTIVE)
    }

    /// Whether losses have parameters of their own, so that one that is computed again after a step is another.
    ///
    /// # Errors
    /// Never: counting has nothing to refuse.
    pub fn learns_losses(&mut self) -> Result<bool> {
        self.criteria.learn()
    }

    /// The mean loss of a head's output, on the tape; among keys if there are some.
    ///
    /// # Errors
    /// As [`Criterion::loss`](gblend_core::Criterion::loss).
    pub fn loss(
        &mut self,
        head: usize,
        output: Logits,
        targets: &Targets,
        keys: Option<&Keys>,
    ) -> Result<Loss> {
        self.criteria.of_mut(head).loss(output, targets, keys)
    }

    /// The number of heads, K+1.
    pub fn heads(&self) -> usize {
        self.branches.len() + 1
    }

    /// Outputs `[samples, width]` of the active heads: of the samples that a head sees, in the order of
    /// [`Inputs::rows`], and `None` if it sees none. Each encoder runs once, whatever number of heads reads its
    /// features.
    ///
    /// # Errors
    /// [`Error::Shape`] if a batch is missing or of another shape, [`Error::Device`].
    pub fn forward(
        &mut self,
        inputs: &Inputs,
        pass: &Pass,
        active: &ActiveHeads,
    ) -> Result<Vec<Option<Logits>>> {
        self.forward_seeing(inputs, pass, active, None)
    }

    /// As [`forward`](Self::forward), and shows to `see` what the fusion reads, or would read, of every modality that
    /// is computed, in order; of samples that lack it, that is zeros.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_seeing(
        &mut self,
        inputs: &Inputs,
        pass: &Pass,
        active: &ActiveHeads,
        see: Option<&mut dyn FnMut(Fused<'_>)>,
    ) -> Result<Vec<Option<Logits>>> {
        self.forward_from(Vec::new(), inputs, pass, active, see)
    }

    /// The feature vectors of a batch of a modality, as [`forward`](Self::forward) computes them.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn features_of(
        &mut self,
        modality: usize,
        batch: &Batch,
        encoded: bool,
        pass: &Pass,
    ) -> Result<Features> {
        let branch = self.branches.get_mut(modality);
        let branch = branch.ok_or_else(|| Error::shape("a modality", "one of the network's", [modality]))?;
        branch.named(|branch| branch.features(batch, encoded, pass))
    }

    /// As [`forward_seeing`](Self::forward_seeing), with feature vectors of modalities that are known: an encoder of which they
    /// are does not run.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_from(
        &mut self,
        mut given: Vec<Option<Features>>,
        inputs: &Inputs,
        pass: &Pass,
        active: &ActiveHeads,
        mut see: Option<&mut dyn FnMut(Fused<'_>)>,
    ) -> Result<Vec<Option<Logits>>> {
        let joint = active.joint();
        let mut logits = Vec::with_capacity(self.heads());
        let mut fused = FusionInputs::default();
        for (head, branch) in self.branches.iter_mut().enumerate() {
            let own = active.contains(head);
            if !own && !joint {
                logits.push(None);
                continue;
            }
            let Some(input) = inputs.modality(head) else {
                let operation = format!("modality `{}`", branch.name);
                return Err(Error::shape(operation, "a batch of its samples", [0]));
            };
            let samples = inputs.samples();
            let readers = Readers {
                own,
                joint,
                joint_reach: active.joint_reach,
                seen: see.is_some(),
            };
            let copies = input.copies();
            let own_features = match branch.stage {
                None => {
                    let (for_all, own) = match input.present() {
                        None => {
                            let shape = (samples, branch.encoder.feature_dim());
                            (Some(zeros(&self.device, shape, pass)?), None)
                        }
                        Some((batch, rows)) => {
                            let encoded = input.is_encoded();
                            let features = match given.get_mut(head).and_then(Option::take) {
                                Some(features) => features,
                                None => batch_parts::within(inputs.parts(head), || {
                                    branch.named(|branch| branch.features(batch, encoded, pass))
                                })?,
                            };
                            let (for_all, own) = readers.divide(features)?;
                            let present = rows.map_or(samples, <[usize]>::len);
                            let scatter = |features: Features| {
                                let features = match copies {
                                    1 => features,
                                    _ => self::rows(&self.device, features, 0, present)?,
                                };
                                match (rows, input.told()) {
                                    (Some(rows), _) => scatter_rows(features, rows, samples),
                                    (None, Some(told)) => mask_rows(features, told),
                                    (None, None) => Ok(features),
                                }
                            };
                            (for_all.map(scatter).transpose()?, own)
                        }
                    };
                    if let (Some(see), Some(features)) = (&mut see, &for_all) {
                        see(Fused::Features(features));
                    }
                    fused.features.extend(for_all.filter(|_| joint));
                    own
                }
                Some((stage, shape)) => {
                    let (for_all, own) = match input.present() {
                        None => {
                            let shape = (shape.channels, shape.height, shape.width, shape.frames * samples);
                            (Some(zeros(&self.device, shape, pass)?), None)
                        }
                        Some((batch, rows)) => {
                            let maps = batch_parts::within(inputs.parts(head), || {
                                branch.named(|branch| branch.maps(stage, batch, pass))
                            })?;
                            let (for_all, own) = readers.divide(maps)?;
                            let scatter = |maps| match (rows, input.told()) {
                                (Some(rows), _) => scatter_maps(maps, rows, samples),
                                (None, Some(told)) => mask_maps(maps, told),
                                (None, None) => Ok(maps),
                            };
                            (for_all.map(scatter).transpose()?, own)
                        }
                    };
                    if let (Some(see), Some(maps)) = (&mut see, &for_all) {
                        see(Fused::Stage(maps));
                    }
                    fused.stages.extend(for_all.filter(|_| joint));
                    let after = own.map(|maps| {
                        batch_parts::within(inputs.parts(head), || {
                            branch.named(|branch| branch.after(stage, maps, pass))
                        })
                    });
                    after.transpose()?
                }
            };
            if joint {
                fused.present.push(inputs.mask(head));
            }
            let batch = input.present().map(|(batch, _)| batch);
            logits.push(
                own_features
                    .map(|features| {
                        batch_parts::within(inputs.parts(head), || {
                            branch.head.forward(features, copies, batch, pass)
                        })
                    })
                    .transpose()?,
            );
        }
        logits.push(if joint {
            let part = || "the joint head".to_owned();
            let forward = || within(part, || self.joint.forward(fused, pass));
            Some(batch_parts::within(inputs.parts(self.branches.len()), forward)?)
        } else {
            None
        });
        Ok(logits)
    }

    /// The output `[batch, width]` of the joint head in evaluation mode, from what the fusion reads of each
    /// modality, as [`forward_seeing`](Self::forward_seeing) shows it. For the modalities that `present` leaves out
    /// it reads zeros; which samples have the others, `inputs` knows.
    ///
    /// # Errors
    /// [`Error::Shape`] if a modality's are missing or of another shape, [`Error::Device`].
    pub fn joint_from(&mut self, fused: &[Array], present: &[bool], inputs: &Inputs) -> Result<Array> {
        let pass = Pass::evaluate();
        let device = &self.device;
        let mut read = FusionInputs::default();
        let branches = self.branches.iter().zip(fused).zip(present).enumerate();
        for (modality, ((branch, array), &present)) in branches {
            read.present.push(if present {
                inputs.mask(modality)
            } else {
                Some(PresenceMask::new(vec![false; inputs.samples()]))
            });
            match (branch.stage, array.shape()) {
                (None, &[batch, width]) => {
                    let features = on_device(array, present, (batch, width), device, &pass)?;
                    read.features.push(features);
                }
                (Some(_), &[channels, height, width, columns]) => {
                    let shape = (channels, height, width, columns);
                    read.stages.push(on_device(array, present, shape, device, &pass)?);
                }
                (None, other) => return Err(Error::shape("features", "[batch, feature_dim]", other)),
                (Some(_), other) => {
                    let expected = "[channels, height, width, frames × batch]";
                    return Err(Error::shape("maps of a stage", expected, other));
                }
            }
        }
        self.joint.forward(read, &pass)?.to_array()
    }

    /// All parameters but those of encoders that are frozen from the first epoch to the last: what a checkpoint keeps.
    pub fn changing(&mut self) -> impl Module + '_ {
        let active = ActiveHeads::all(self.heads());
        Changing { model: self, active }
    }

    /// The same of the parts that these heads need.
    pub fn changing_of(&mut self, active: &ActiveHeads) -> impl Module + '_ {
        Changing {
            model: self,
            active: active.clone(),
        }
    }

    /// The parameters of the encoders that [`changing`](Self::changing) leaves out.
    ///
    /// # Errors
    /// Never: an encoder shows its parameters.
    pub fn constant_state(&mut self) -> Result<State> {
        if !self.branches.iter().any(|branch| branch.freezing.is_constant()) {
            return Ok(State::default());
        }
        let changing = state_of(&mut self.changing())?;
        let mut constant = state_of(self)?;
        constant.retain(|path, _| !changing.contains_key(path));
        Ok(constant)
    }

    /// Hashes of the encoders that [`changing`](Self::changing) leaves out, by modality.
    ///
    /// # Errors
    /// Never: an encoder shows its parameters.
    pub fn constant_encoders(&mut self) -> Result<BTreeMap<String, String>> {
        let constant = self
            .branches
            .iter_mut()
            .filter(|branch| branch.freezing.is_constant());
        let hashes = constant.map(|branch| {
            let hash = branch.freezing.fingerprint(branch.encoder.as_mut())?;
            Ok((branch.name.clone(), hash.to_hex().to_string()))
        });
        hashes.collect()
    }

    /// The parts that a blend with these active heads trains. As a [`Network`], without what is frozen in the epoch at hand;
    /// as a [`Module`], with it.
    pub fn active<'a>(&'a mut self, active: &'a ActiveHeads) -> impl Module + Network + 'a {
        ActiveParts { model: self, active }
    }
}

impl Module for Multimodal {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let active = ActiveHeads::all(self.heads());
        self.active(&active).visit_params(path, visitor)
    }
}

/// The stage that the configured fusion takes of a modality's encoder, if it takes any.
fn stage_of(
    config: &Config,
    modality: &ModalityConfig,
    encoder: &dyn Encoder,
) -> Result<Option<(usize, StageShape)>> {
    let fusion = config.fusion.plugin.as_ref();
    let Some(request) = fusion.stage() else {
        return Ok(None);
    };
    let stages = encoder.stages().len();
    let shape = |stage: usize| encoder.stages().get(stage.checked_sub(1)?).copied();
    let (name, kind) = (&modality.name, modality.plugin.typetag_name());
    match (
        request
            .among(stages)
            .and_then(|stage| Some((stage, shape(stage)?))),
        request,
    ) {
        (Some(stage), _) => Ok(Some(stage)),
        (None, StageRequest::Number(number)) if stages > 0 => {
            let expected =
                format!("1 to {stages}, the stages of the encoder of modality `{name}` (kind `{kind}`)");
            Err(Error::setting(FusionConfig::key("stage"), number, expected))
        }
        (None, _) => {
            let expected = format!(
                "encoders with stages, which that of modality `{name}` (kind `{kind}`) has not: give it another \
                 encoder or kind, or take a fusion of feature vectors, such as \"concat\""
            );
            Err(Error::setting(
                FusionConfig::key("kind"),
                format!("\"{}\"", fusion.typetag_name()),
                expected,
            ))
        }
    }
}

/// What the fusion reads, and what the own head does.
type Divided<S> = (Option<Taped<S>>, Option<Taped<S>>);

/// Who reads what an encoder gives.
#[derive(Clone, Copy)]
struct Readers {
    own: bool,
    joint: bool,
    joint_reach: JointReach,
    seen: bool,
}

impl Readers {
    /// What goes to the fusion or to be seen, and what goes to the modality's own head. The history goes with the joint
    /// head if its loss moves encoders, else with the own one.
    fn divide<S: Shape>(self, tensor: Taped<S>) -> Result<Divided<S>> {
        Ok(match (self.joint || self.seen, self.own) {
            (false, _) => (None, Some(tensor)),
            (true, own) if self.joint && self.joint_reach == JointReach::JointHead => {
                (Some(detach(&tensor)?), own.then_some(tensor))
            }
            (true, true) => {
                let (history, branch) = fork(tensor);
                if self.joint {
                    (Some(history), Some(branch))
                } else {
                    (Some(branch), Some(history))
                }
            }
            (true, false) => (Some(tensor), None),
        })
    }
}

/// What the fusion reads of a modality that no sample has.
fn zeros<S: Shape>(device: &AutoDevice, shape: S, pass: &Pass) -> Result<Taped<S>> {
    Ok(Plain::filled(device, shape, 0.0)?.enter(pass.recorder()))
}

/// An array on the device, or as many zeros.
fn on_device<S: Shape>(
    array: &Array,
    present: bool,
    shape: S,
    device: &AutoDevice,
    pass: &Pass,
) -> Result<Taped<S>> {
    let values = if present {
        array.values().to_vec()
    } else {
        vec![0.0; array.len()]
    };
    Ok(Plain::new(device, shape, values)?.enter(pass.recorder()))
}

/// An encoder, as a part of the network.
struct Whole<'a>(&'a mut dyn Encoder);

impl Module for Whole<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.0.visit_params(path, visitor)
    }
}

/// The running statistics of an encoder whose parameters stay.
struct Statistics<'a>(&'a mut dyn Encoder);

impl Module for Statistics<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        struct Buffers<'a>(&'a mut dyn ParamVisitor);
        impl ParamVisitor for Buffers<'_> {
            fn param(&mut self, _: &ParamPath, _: ParamMut<'_>) -> Result<()> {
                Ok(())
            }

            fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
                self.0.buffer(path, buffer)
            }
        }
        self.0.visit_params(path, &mut Buffers(visitor))
    }
}

/// One half of an encoder, as a part of the network.
struct Half<'a> {
    encoder: &'a mut dyn Encoder,
    half: EncoderHalf,
}

impl Module for Half<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.encoder.visit_half(self.half, path, visitor)
    }
}

struct ActiveParts<'a> {
    model: &'a mut Multimodal,
    active: &'a ActiveHeads,
}

/// A network without encoders that a run never changes.
struct Changing<'a> {
    model: &'a mut Multimodal,
    active: ActiveHeads,
}

impl Module for Changing<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let mut parts = ActiveParts {
            model: self.model,
            active: &self.active,
        };
        parts.visit_parts_at(path, Asked::Changing, &mut |_, path, module| {
            module.visit_params(path, visitor)
        })
    }
}

/// Which parameters are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    All,
    /// Without those of encoders that a run never changes.
    Changing,
    /// Without those that are frozen in the epoch at hand.
    Trained,
}

impl Network for ActiveParts<'_> {
    fn visit_parts(
        &mut self,
        visit: &mut dyn FnMut(Part, &ParamPath, &mut dyn Module) -> Result<()>,
    ) -> Result<()> {
        self.visit_parts_at(&ParamPath::root(), Asked::Trained, visit)
    }
}

impl Module for ActiveParts<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.visit_parts_at(path, Asked::All, &mut |_, path, module| {
            module.visit_params(path, visitor)
        })
    }
}

impl ActiveParts<'_> {
    /// Shows the parts that are asked for.
    fn visit_parts_at(
        &mut self,
        path: &ParamPath,
        asked: Asked,
        visit: &mut dyn FnMut(Part, &ParamPath, &mut dyn Module) -> Result<()>,
    ) -> Result<()> {
        let joint = self.active.joint();
        let mut criteria = self.model.criteria.iter_mut();
        for (modality, branch) in self.model.branches.iter_mut().enumerate() {
            let criterion = criteria.next();
            let path = path.join(&branch.name);
            let own = self.active.contains(modality);
            let constant = branch.freezing.is_constant();
            if asked == Asked::All {
                // Whoever sees a parameter may change it.
                branch.freezing.forget_fingerprint();
            }
            let encoder = branch.encoder.as_mut();
            let freezing = &branch.freezing;
            let mut show = |part: Part, module: &mut dyn Module| {
                let path = path.join("encoder");
                match freezing.frozen() {
                    _ if asked == Asked::Changing && constant => Ok(()),
                    Some(_) if asked == Asked::Trained && freezing.is_whole() => Ok(()),
                    Some(frozen) if asked == Asked::Trained => {
                        visit(part, &path, &mut Trained { module, frozen })
                    }
                    _ => visit(part, &path, module),
                }
            };
            match branch.stage {
                None if own || joint => show(Part::Encoder(modality), &mut Whole(encoder))?,
                Some((stage, _)) if own || joint => {
                    let half = EncoderHalf::UpTo(stage);
                    show(Part::Encoder(modality), &mut Half { encoder, half })?;
                    if own {
                        let half = EncoderHalf::After(stage);
                        let encoder = branch.encoder.as_mut();
                        show(Part::Head(modality), &mut Half { encoder, half })?;
                    }
                }
                _ => {}
            }
            if own {
                if let Some(reference) = branch.head.reference() {
                    let path = path.join("reference");
                    match asked {
                        Asked::Trained => visit(Part::Head(modality), &path, &mut Statistics(reference))?,
                        _ => visit(Part::Head(modality), &path, &mut Whole(reference))?,
                    }
                }
                visit(Part::Head(modality), &path.join("head"), &mut branch.head)?;
                if let Some(criterion) = criterion {
                    visit(Part::Head(modality), &path.join(OBJECTIVE), criterion)?;
                }
            }
        }
        if joint {
            let of_joint = path.join(JOINT);
            match &mut self.model.joint {
                JointHead::Fused { fusion, layers } => {
                    visit(Part::Joint, &path.join("fusion"), fusion.as_mut())?;
                    visit(Part::Joint, &of_joint, layers)?;
                }
                JointHead::Own(head) => visit(Part::Joint, &of_joint, head.as_mut())?,
            }
            if let Some(criterion) = criteria.next() {
                visit(Part::Joint, &of_joint.join(OBJECTIVE), criterion)?;
            }
        }
        Ok(())
    }
}
