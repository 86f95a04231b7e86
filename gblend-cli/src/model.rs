//! The network: one encoder and one linear head per modality, a fusion, and the joint head
//! (Wang et al., CVPR 2020, figure 2).

use dfdx::prelude::{HasShape, PutTape, TensorFromVec};
use gblend_core::nn::{Linear, Mlp, fork, scatter_rows};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::{Features, Logits};
use gblend_core::{
    Array, AutoDevice, BlendWeights, BuildContext, Encoder, Error, FusionContext, FusionModule, JOINT, Pass,
    Result, Seed,
};

use gblend_optim::network::{Network, Part};

use crate::config::Config;
use crate::inputs::Inputs;

/// Which heads are computed, the joint head last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveHeads(Vec<bool>);

impl ActiveHeads {
    /// Every one of `heads` heads.
    pub fn all(heads: usize) -> Self {
        Self(vec![true; heads])
    }

    /// Head `head` of `heads` alone.
    pub fn only(heads: usize, head: usize) -> Self {
        Self((0..heads).map(|k| k == head).collect())
    }

    /// The heads of the modalities, without the joint one.
    pub fn unimodal(heads: usize) -> Self {
        Self((0..heads).map(|k| k + 1 < heads).collect())
    }

    /// Those whose loss has a weight.
    pub fn weighted(weights: &BlendWeights) -> Self {
        Self::trained(weights.as_slice())
    }

    /// Those that were trained with these weights.
    pub fn trained(weights: &[f64]) -> Self {
        Self(weights.iter().map(|&weight| weight > 0.0).collect())
    }

    /// Whether head `head` is computed.
    pub fn contains(&self, head: usize) -> bool {
        self.0[head]
    }

    fn joint(&self) -> bool {
        self.0.last().copied().unwrap_or(false)
    }

    /// Which modalities' encoders are needed: that of each head, and all for the joint one.
    pub fn encoders(&self) -> Vec<bool> {
        let joint = self.joint();
        let unimodal = &self.0[..self.0.len().saturating_sub(1)];
        unimodal.iter().map(|&head| head || joint).collect()
    }
}

struct Branch {
    name: String,
    encoder: Box<dyn Encoder>,
    head: Linear,
}

/// The whole network.
pub struct Multimodal {
    branches: Vec<Branch>,
    fusion: Box<dyn FusionModule>,
    joint: Mlp,
    device: AutoDevice,
}

impl Multimodal {
    /// Builds the network of a configuration for samples of these shapes, one per modality.
    ///
    /// # Errors
    /// What the encoders, the fusion and the heads refuse, with the modality it is about.
    pub fn build(
        config: &Config,
        sample_shapes: &[Vec<usize>],
        classes: usize,
        device: &AutoDevice,
        seed: Seed,
    ) -> Result<Self> {
        let mut branches = Vec::new();
        for (modality, sample_shape) in config.modalities.iter().zip(sample_shapes) {
            let seed = seed.derive(&modality.name);
            let cx = BuildContext {
                device,
                sample_shape,
                seed: seed.derive("encoder"),
            };
            let encoder = modality.plugin.build(&cx).map_err(|error| match error {
                Error::Setting { key, value, expected } => {
                    Error::setting(format!("modality.{}.{key}", modality.name), value, expected)
                }
                other => other,
            })?;
            let head = Linear::new(device, encoder.feature_dim(), classes, seed.derive("head"))?;
            branches.push(Branch {
                name: modality.name.clone(),
                encoder,
                head,
            });
        }
        let feature_dims: Vec<usize> = branches
            .iter()
            .map(|branch| branch.encoder.feature_dim())
            .collect();
        let cx = FusionContext {
            device,
            feature_dims: &feature_dims,
            seed: seed.derive("fusion"),
        };
        let fusion = config.fusion.plugin.build(&cx)?;
        let head = &config.fusion.pipeline.head;
        let mut sizes = vec![fusion.fused_dim()];
        sizes.extend(&head.hidden);
        sizes.push(classes);
        let joint = Mlp::new(device, &sizes, head.dropout, seed.derive(JOINT))?;
        Ok(Self {
            branches,
            fusion,
            joint,
            device: device.clone(),
        })
    }

    /// The number of heads, K+1.
    pub fn heads(&self) -> usize {
        self.branches.len() + 1
    }

    /// Class scores `[samples, classes]` of the active heads: of the samples that a head sees, in the order of
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

    /// As [`forward`](Self::forward), and shows the features `[batch, feature_dim]` of every modality that is
    /// computed to `see`, in order; those of samples that lack it are zeros.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_seeing(
        &mut self,
        inputs: &Inputs,
        pass: &Pass,
        active: &ActiveHeads,
        mut see: Option<&mut dyn FnMut(&Features)>,
    ) -> Result<Vec<Option<Logits>>> {
        let joint = active.joint();
        let mut logits = Vec::with_capacity(self.heads());
        let mut fused: Vec<Features> = Vec::new();
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
            let (features, own_features) = match input.present() {
                None => {
                    let features =
                        absent(&self.device, inputs.samples(), branch.encoder.feature_dim(), pass)?;
                    (Some(features), None)
                }
                Some((batch, rows)) => {
                    let features = branch.encoder.encode(batch, pass)?;
                    let for_all = joint || see.is_some();
                    // The features' history goes with the joint head if there is one, else with their own.
                    let (for_all, own) = match (for_all, own) {
                        (true, true) => {
                            let (history, branch) = fork(features);
                            let (for_all, own) = if joint {
                                (history, branch)
                            } else {
                                (branch, history)
                            };
                            (Some(for_all), Some(own))
                        }
                        (true, false) => (Some(features), None),
                        (false, _) => (None, Some(features)),
                    };
                    let for_all = match (for_all, rows) {
                        (Some(features), Some(rows)) => Some(scatter_rows(features, rows, inputs.samples())?),
                        (features, _) => features,
                    };
                    (for_all, own)
                }
            };
            if let (Some(see), Some(features)) = (&mut see, &features) {
                see(features);
            }
            if joint {
                fused.extend(features);
            }
            logits.push(
                own_features
                    .map(|features| branch.head.forward(features))
                    .transpose()?,
            );
        }
        logits.push(if joint {
            let fused = self.fusion.fuse(fused, pass)?;
            Some(self.joint.forward(fused, pass)?)
        } else {
            None
        });
        Ok(logits)
    }

    /// Class scores `[batch, classes]` of the joint head in evaluation mode, from features `[batch, feature_dim]`
    /// of which those of the modalities that `present` leaves out are zeros.
    ///
    /// # Errors
    /// [`Error::Shape`] if features are missing or of another shape, [`Error::Device`].
    pub fn joint_from(&mut self, features: &[Array], present: &[bool], device: &AutoDevice) -> Result<Array> {
        let pass = Pass::evaluate();
        let fused = features.iter().zip(present).map(|(features, &present)| {
            let &[batch, width] = features.shape() else {
                return Err(Error::shape("features", "[batch, feature_dim]", features.shape()));
            };
            let values = if present {
                features.values().to_vec()
            } else {
                vec![0.0; batch * width]
            };
            let tensor = device
                .try_tensor_from_vec(values, (batch, width))
                .map_err(Error::device)?;
            Ok(tensor.put_tape(pass.recorder()))
        });
        let fused = fused.collect::<Result<Vec<Features>>>()?;
        let fused = self.fusion.fuse(fused, &pass)?;
        to_host(&self.joint.forward(fused, &pass)?)
    }

    /// The parts that a blend with these active heads trains.
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

/// The features `[batch, width]` of a modality that no sample has: zeros.
fn absent(device: &AutoDevice, batch: usize, width: usize, pass: &Pass) -> Result<Features> {
    let zeros = device
        .try_tensor_from_vec(vec![0.0; batch * width], (batch, width))
        .map_err(Error::device)?;
    Ok(zeros.put_tape(pass.recorder()))
}

/// A copy of `[batch, width]` on the host.
///
/// # Errors
/// None that a tensor of that rank could cause.
pub fn to_host(tensor: &Features) -> Result<Array> {
    let &(batch, width) = tensor.shape();
    Array::new([batch, width], tensor.as_vec())
}

struct ActiveParts<'a> {
    model: &'a mut Multimodal,
    active: &'a ActiveHeads,
}

impl Network for ActiveParts<'_> {
    fn visit_parts(
        &mut self,
        visit: &mut dyn FnMut(Part, &ParamPath, &mut dyn Module) -> Result<()>,
    ) -> Result<()> {
        self.visit_parts_at(&ParamPath::root(), visit)
    }
}

impl Module for ActiveParts<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.visit_parts_at(path, &mut |_, path, module| module.visit_params(path, visitor))
    }
}

impl ActiveParts<'_> {
    fn visit_parts_at(
        &mut self,
        path: &ParamPath,
        visit: &mut dyn FnMut(Part, &ParamPath, &mut dyn Module) -> Result<()>,
    ) -> Result<()> {
        let joint = self.active.joint();
        for (modality, branch) in self.model.branches.iter_mut().enumerate() {
            let path = path.join(&branch.name);
            let own = self.active.contains(modality);
            if own || joint {
                visit(
                    Part::Encoder(modality),
                    &path.join("encoder"),
                    branch.encoder.as_mut(),
                )?;
            }
            if own {
                visit(Part::Head(modality), &path.join("head"), &mut branch.head)?;
            }
        }
        if joint {
            visit(Part::Joint, &path.join("fusion"), self.model.fusion.as_mut())?;
            visit(Part::Joint, &path.join(JOINT), &mut self.model.joint)?;
        }
        Ok(())
    }
}
