//! What a fusion is built for in a check, and inputs of that kind.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::fusion::{Fusion, FusionContext, FusionInputs, FusionModule};
use crate::params::ParamMut;
use crate::pass::Pass;
use crate::recorder::Recorder;
use crate::role::Role;
use crate::seed::Seed;
use crate::stage::StageShape;
use crate::tensor::{AutoDevice, Dims2, Dims4, Plain};

/// What each modality gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shapes<'a> {
    /// Feature vectors of these lengths.
    Lengths(&'a [usize]),
    /// Maps of these shapes.
    Stages(&'a [StageShape]),
}

impl Shapes<'_> {
    pub(super) fn build(self, fusion: &dyn Fusion, seed: Seed) -> Result<Box<dyn FusionModule>> {
        // The feature vectors of encoders with stages are of no account.
        let channels: Vec<usize>;
        let (feature_dims, stages): (&[usize], &[StageShape]) = match self {
            Self::Lengths(lengths) => (lengths, &[]),
            Self::Stages(stages) => {
                channels = stages.iter().map(|stage| stage.channels).collect();
                (&channels, stages)
            }
        };
        let built = fusion.build(&FusionContext {
            device: &AutoDevice::default(),
            feature_dims,
            stages,
            seed,
        });
        built.map_err(|error| error.of_plugin(fusion, Role::Fusion.name()))
    }

    /// The number of values of one sample of each modality.
    pub(super) fn elements(self) -> Vec<usize> {
        match self {
            Self::Lengths(lengths) => lengths.to_vec(),
            Self::Stages(stages) => {
                let elements = |stage: &StageShape| {
                    let (channels, height, width, frames) = stage.of_batch(1);
                    channels * height * width * frames
                };
                stages.iter().map(elements).collect()
            }
        }
    }

    /// In words, for messages.
    pub(super) fn described(self) -> String {
        match self {
            Self::Lengths(lengths) => format!("features of lengths {lengths:?}"),
            Self::Stages(stages) => {
                let shape = |stage: &StageShape| stage.of_batch(1);
                let shapes: Vec<_> = stages.iter().map(shape).collect();
                format!("maps of shapes {shapes:?}")
            }
        }
    }

    /// All samples of `arrays`, `[samples, elements of a sample]` each, as tensors with a gradient.
    pub(super) fn leaves(self, arrays: &[Array]) -> Result<Vec<Leaf>> {
        let count = arrays.first().map_or(0, |array| array.shape()[0]);
        self.chosen(arrays, &(0..count).collect::<Vec<_>>())
    }

    /// Some samples of every modality, as data.
    pub(super) fn inputs(self, arrays: &[Array], samples: &[usize], pass: &Pass) -> Result<FusionInputs> {
        Ok(Leaf::data(self.chosen(arrays, samples)?, pass))
    }

    fn chosen(self, arrays: &[Array], samples: &[usize]) -> Result<Vec<Leaf>> {
        let batch = samples.len();
        let modalities = self.elements().into_iter().zip(arrays).enumerate();
        let leaves = modalities.map(|(modality, (elements, array))| {
            let at = |sample: usize, element: usize| array.values()[sample * elements + element];
            match self {
                Self::Lengths(_) => {
                    let rows = samples.iter();
                    let values =
                        rows.flat_map(|&sample| (0..elements).map(move |element| at(sample, element)));
                    Leaf::new(values.collect(), &[batch, elements])
                }
                // The batch is innermost.
                Self::Stages(stages) => {
                    let elements = 0..elements;
                    let values =
                        elements.flat_map(|element| samples.iter().map(move |&sample| at(sample, element)));
                    let (channels, height, width, columns) = stages[modality].of_batch(batch);
                    Leaf::new(values.collect(), &[channels, height, width, columns])
                }
            }
        });
        leaves.collect()
    }

    /// Shapes of tensors, one list per batch, that a fusion built for these must refuse.
    pub(super) fn others(self, samples: usize) -> Vec<Vec<Vec<usize>>> {
        let given: Vec<Vec<usize>> = match self {
            Self::Lengths(lengths) => lengths.iter().map(|&length| vec![samples, length]).collect(),
            Self::Stages(stages) => {
                let shape = |stage: &StageShape| {
                    let (channels, height, width, columns) = stage.of_batch(samples);
                    vec![channels, height, width, columns]
                };
                stages.iter().map(shape).collect()
            }
        };
        let mut others = vec![
            given[1..].to_vec(),
            [given.clone(), vec![given[0].clone()]].concat(),
        ];
        for modality in 0..given.len() {
            // All axes of a sample but the frames: twice the frames may be twice the samples.
            let (axes, batch, step) = match self {
                Self::Lengths(_) => (1..2, 0, 1),
                Self::Stages(stages) => (0..3, 3, stages[modality].frames),
            };
            for axis in axes {
                let mut longer = given.clone();
                longer[modality][axis] += 1;
                others.push(longer);
            }
            if given.len() > 1 {
                let mut fewer = given.clone();
                fewer[modality][batch] -= step;
                others.push(fewer);
            }
            if step > 1 {
                let mut torn = given.clone();
                torn[modality][batch] -= 1;
                others.push(torn);
            }
        }
        others
    }

    /// Inputs of these shapes, all ones.
    pub(super) fn ones(shapes: &[Vec<usize>], pass: &Pass) -> Result<FusionInputs> {
        let leaves = shapes
            .iter()
            .map(|shape| Leaf::new(vec![1.0; shape.iter().product()], shape));
        Ok(Leaf::data(leaves.collect::<Result<_>>()?, pass))
    }
}

/// One modality's input, which can have a gradient.
pub(super) enum Leaf {
    Features(Plain<Dims2>),
    Maps(Plain<Dims4>),
}

impl Leaf {
    pub(super) fn new(values: Vec<f32>, shape: &[usize]) -> Result<Self> {
        let device = AutoDevice::default();
        let leaf = match *shape {
            [a, b] => Self::Features(Plain::new(&device, (a, b), values)?),
            [a, b, c, d] => Self::Maps(Plain::new(&device, (a, b, c, d), values)?),
            _ => return Err(Error::shape("an input of a fusion", "2 or 4 axes", shape)),
        };
        Ok(leaf)
    }

    /// Inputs whose gradients are wanted, as those of encoders are.
    pub(super) fn inputs(leaves: &[Self]) -> FusionInputs {
        let mut inputs = FusionInputs::default();
        for leaf in leaves {
            match leaf {
                Self::Features(tensor) => inputs.features.push(tensor.enter(Recorder::default())),
                Self::Maps(tensor) => inputs.stages.push(tensor.enter(Recorder::default())),
            }
        }
        inputs
    }

    fn data(leaves: Vec<Self>, pass: &Pass) -> FusionInputs {
        let mut inputs = FusionInputs::default();
        for leaf in leaves {
            match leaf {
                Self::Features(tensor) => inputs.features.push(tensor.enter(pass.recorder())),
                Self::Maps(tensor) => inputs.stages.push(tensor.enter(pass.recorder())),
            }
        }
        inputs
    }

    pub(super) fn param(&mut self) -> ParamMut<'_> {
        match self {
            Self::Features(tensor) => tensor.into(),
            Self::Maps(tensor) => tensor.into(),
        }
    }
}
