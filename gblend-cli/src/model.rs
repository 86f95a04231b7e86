//! The network: one encoder and one linear head per modality, a fusion, and the joint head
//! (Wang et al., CVPR 2020, figure 2).

use gblend_core::nn::{Linear, Mlp, fork};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::{Features, Logits};
use gblend_core::{
    AutoDevice, Batch, BlendWeights, BuildContext, Encoder, Error, FusionContext, FusionModule, JOINT, Pass,
    Result, Seed,
};

use crate::config::Config;

/// Which heads are computed, the joint head last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveHeads(Vec<bool>);

impl ActiveHeads {
    /// Every one of `heads` heads.
    pub fn all(heads: usize) -> Self {
        Self(vec![true; heads])
    }

    /// Those whose loss has a weight.
    pub fn weighted(weights: &BlendWeights) -> Self {
        Self(weights.as_slice().iter().map(|&weight| weight > 0.0).collect())
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
        })
    }

    /// The number of heads, K+1.
    pub fn heads(&self) -> usize {
        self.branches.len() + 1
    }

    /// Class scores `[batch, classes]` of the active heads. Each encoder runs once, whatever number of
    /// heads reads its features.
    ///
    /// # Errors
    /// [`Error::Shape`] if a batch is missing or of another shape, [`Error::Device`].
    pub fn forward(
        &mut self,
        inputs: &[Option<Batch>],
        pass: &Pass,
        active: &ActiveHeads,
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
            let Some(Some(batch)) = inputs.get(head) else {
                let operation = format!("modality `{}`", branch.name);
                return Err(Error::shape(operation, "a batch of its samples", [0]));
            };
            let features = branch.encoder.encode(batch, pass)?;
            // The features' history goes with the joint head if there is one, else with their own.
            let own_features = match (own, joint) {
                (true, true) => {
                    let (to_joint, to_own) = fork(features);
                    fused.push(to_joint);
                    Some(to_own)
                }
                (true, false) => Some(features),
                (false, _) => {
                    fused.push(features);
                    None
                }
            };
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

    /// The parts that a blend with these active heads trains.
    pub fn active<'a>(&'a mut self, active: &'a ActiveHeads) -> impl Module + 'a {
        ActiveParts { model: self, active }
    }
}

impl Module for Multimodal {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let active = ActiveHeads::all(self.heads());
        self.active(&active).visit_params(path, visitor)
    }
}

struct ActiveParts<'a> {
    model: &'a mut Multimodal,
    active: &'a ActiveHeads,
}

impl Module for ActiveParts<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let joint = self.active.joint();
        for (head, branch) in self.model.branches.iter_mut().enumerate() {
            let path = path.join(&branch.name);
            let own = self.active.contains(head);
            if own || joint {
                branch.encoder.visit_params(&path.join("encoder"), visitor)?;
            }
            if own {
                branch.head.visit_params(&path.join("head"), visitor)?;
            }
        }
        if joint {
            self.model.fusion.visit_params(&path.join("fusion"), visitor)?;
            self.model.joint.visit_params(&path.join(JOINT), visitor)?;
        }
        Ok(())
    }
}
