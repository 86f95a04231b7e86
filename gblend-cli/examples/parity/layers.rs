//! Layers that have more to them than one operation.

use gblend_core::nn::{
    AttentionBranch, BatchNorm, Conv2d, ConvNorm, Dropout, Extents, FactorizedBlock, FactorizedResidualBlock,
    FactorizedStrides, LayerNorm, Linear, Mlp, MlpBranch, ResidualBlock, SelfAttention, SpaceTimeEmbedding,
    TemporalConvNorm, Window, adaptive_average_pool, frame_average, gelu, gelu_erf, global_average_pool,
    mask_rows, pixel_rows, scatter_maps, scatter_rows,
};
use gblend_core::params::{Module, State};
use gblend_core::tensor::{Dims2, Dims4, Features, Maps, Plain, Shape, Taped};
use gblend_core::{Array, AutoDevice, Batch, Pass, Result, Seed};

use crate::Case;
use crate::outcome::{Outcome, draw, tensor};

const MAPS: Dims4 = (4, 8, 8, 12);
const FRAMES: usize = 3;
const TOKENS: Dims2 = (12, 8);
const SEED: Seed = Seed::new(9);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = on_maps();
    cases.extend(on_rows());
    cases.extend(batches());
    cases
}

fn on_maps() -> Vec<Case> {
    let train = || Pass::train(SEED);
    vec![
        Case::new("Conv2d", |device| {
            let layer = Conv2d::new(device, MAPS.0, 6, Window::square(3, 2, 1), SEED)?;
            maps(device, layer, |layer, maps| Outcome::of(layer.forward(maps)?))
        }),
        Case::new("ConvNorm", move |device| {
            let layer = ConvNorm::new(device, MAPS.0, 6, Window::square(3, 2, 1), true, SEED)?;
            maps(device, layer, |layer, maps| {
                Outcome::of(layer.forward(maps, &train())?)
            })
        }),
        Case::new("BatchNorm", move |device| {
            let layer = BatchNorm::new(device, MAPS.0, true)?;
            maps(device, layer, |layer, maps| {
                Outcome::of(layer.forward(maps, &train())?)
            })
        }),
        Case::new("BatchNorm in evaluation", |device| {
            let layer = BatchNorm::new(device, MAPS.0, true)?;
            let pass = Pass::differentiate();
            maps(device, layer, |layer, maps| {
                Outcome::of(layer.forward(maps, &pass)?)
            })
        }),
        Case::new("ResidualBlock", move |device| {
            let layer = ResidualBlock::new(device, MAPS.0, 6, 2, SEED)?;
            maps(device, layer, |layer, maps| {
                Outcome::of(layer.forward(maps, &train())?)
            })
        }),
        Case::new("TemporalConvNorm", move |device| {
            let layer = TemporalConvNorm::new(device, MAPS.0, 6, 3, 1, SEED)?;
            maps(device, layer, |layer, maps| {
                Outcome::of(layer.forward(maps, FRAMES, &train())?.0)
            })
        }),
        Case::new("FactorizedBlock", move |device| {
            let strides = FactorizedStrides {
                spatial: 2,
                temporal: 1,
            };
            let layer = FactorizedBlock::new(device, MAPS.0, 6, strides, SEED)?;
            maps(device, layer, |layer, maps| {
                Outcome::of(layer.forward(maps, FRAMES, &train())?.0)
            })
        }),
        Case::new("FactorizedResidualBlock", move |device| {
            let strides = FactorizedStrides {
                spatial: 2,
                temporal: 2,
            };
            let layer = FactorizedResidualBlock::new(device, MAPS.0, 6, strides, SEED)?;
            maps(device, layer, |layer, maps| {
                Outcome::of(layer.forward(maps, FRAMES, &train())?.0)
            })
        }),
        Case::new("global_average_pool", |device| {
            maps(device, Nothing, |_, maps| {
                Outcome::of(global_average_pool(maps, FRAMES)?)
            })
        }),
        Case::new("frame_average", |device| {
            let input = tensor(device, "frames", (MAPS.0, 1, 1, MAPS.3), (-1.0, 1.0))?;
            on(&input, Nothing, |_, maps| {
                Outcome::of(frame_average(maps, FRAMES)?)
            })
        }),
        Case::new("adaptive_average_pool", |device| {
            let to = Extents {
                height: 3,
                width: 5,
                frames: 2,
            };
            maps(device, Nothing, |_, maps| {
                Outcome::of(adaptive_average_pool(maps, FRAMES, to)?)
            })
        }),
        Case::new("pixel_rows", |device| {
            maps(device, Nothing, |_, maps| Outcome::of(pixel_rows(maps, FRAMES)?))
        }),
        Case::new("scatter_maps", |device| {
            maps(device, Nothing, |_, maps| {
                Outcome::of(scatter_maps(maps, &[3, 0, 5, 1], 6)?)
            })
        }),
    ]
}

fn on_rows() -> Vec<Case> {
    let (rows_per, width) = (4, TOKENS.1);
    let train = || Pass::train(SEED);
    vec![
        Case::new("Linear", move |device| {
            let layer = Linear::new(device, width, 5, SEED)?;
            rows(device, layer, |layer, rows| Outcome::of(layer.forward(rows)?))
        }),
        Case::new("Mlp", move |device| {
            let layer = Mlp::new(device, &[width, 16, 5], 0.25, SEED)?;
            rows(device, layer, |layer, rows| {
                Outcome::of(layer.forward(rows, &train())?)
            })
        }),
        Case::new("Dropout", move |device| {
            let layer = Dropout::new(0.4, SEED)?;
            rows(device, Nothing, |_, rows| {
                Outcome::of(layer.forward(rows, &train())?)
            })
        }),
        Case::new("gelu", |device| {
            rows(device, Nothing, |_, rows| Outcome::of(gelu(rows)?))
        }),
        Case::new("gelu_erf", |device| {
            rows(device, Nothing, |_, rows| Outcome::of(gelu_erf(rows)?))
        }),
        Case::new("LayerNorm", move |device| {
            let layer = LayerNorm::new(device, width)?;
            rows(device, layer, |layer, rows| Outcome::of(layer.forward(rows)?))
        }),
        Case::new("SelfAttention", move |device| {
            let layer = SelfAttention::new(device, width, 2, SEED)?;
            rows(device, layer, |layer, rows| {
                Outcome::of(layer.forward(rows, rows_per)?)
            })
        }),
        Case::new("SelfAttention of interleaved sequences", move |device| {
            let layer = SelfAttention::new(device, width, 2, SEED)?;
            rows(device, layer, |layer, rows| {
                Outcome::of(layer.forward_interleaved(rows, rows_per / 2, 2)?)
            })
        }),
        Case::new("AttentionBranch", move |device| {
            let layer = AttentionBranch::new(device, width, 2, 0.1, SEED)?;
            rows(device, layer, |layer, rows| {
                Outcome::of(layer.forward(rows, rows_per, &train())?)
            })
        }),
        Case::new("MlpBranch", move |device| {
            let layer = MlpBranch::new(device, width, 16, 0.1, SEED)?;
            rows(device, layer, |layer, rows| {
                Outcome::of(layer.forward(rows, &train())?)
            })
        }),
        Case::new("SpaceTimeEmbedding", move |device| {
            let layer = SpaceTimeEmbedding::new(device, 2, 3, width, SEED)?;
            rows(device, layer, |layer, rows| Outcome::of(layer.forward(rows)?))
        }),
        Case::new("scatter_rows", |device| {
            let places: Vec<usize> = (0..TOKENS.0).map(|row| row * 5 % 17).collect();
            rows(device, Nothing, |_, rows| {
                Outcome::of(scatter_rows(rows, &places, 17)?)
            })
        }),
        Case::new("mask_rows", |device| {
            let present: Vec<bool> = (0..TOKENS.0).map(|row| row % 3 != 0).collect();
            rows(device, Nothing, |_, rows| {
                Outcome::of(mask_rows(rows, &present.into())?)
            })
        }),
    ]
}

/// What a batch of samples looks like to an encoder.
fn batches() -> Vec<Case> {
    let batch = |device: &AutoDevice| -> Result<Batch> {
        let samples =
            (0..3).map(|sample| Array::new([2, 3, 4, 5], draw(&format!("sample {sample}"), 120, -1.0, 1.0)));
        let samples = samples.collect::<Result<Vec<_>>>()?;
        Batch::stack(device, &samples.iter().collect::<Vec<_>>())
    };
    // Data has no gradient: a product with a parameter makes one that the data shows up in.
    vec![
        Case::new("Batch::maps", move |device| {
            let maps = batch(device)?.maps(Pass::train(SEED).recorder())?;
            let mut layer = Conv2d::new(device, 2, 3, Window::square(1, 1, 0), SEED)?;
            Ok(Outcome::of(layer.forward(maps)?)?.module(&mut layer)?.state())
        }),
        Case::new("Batch::rows", move |device| {
            let rows = batch(device)?.rows(Pass::train(SEED).recorder())?;
            let mut layer = Linear::new(device, 120, 3, SEED)?;
            Ok(Outcome::of(layer.forward(rows)?)?.module(&mut layer)?.state())
        }),
    ]
}

/// A module without a parameter, for functions.
struct Nothing;

impl Module for Nothing {
    fn visit_params(
        &mut self,
        _: &gblend_core::ParamPath,
        _: &mut dyn gblend_core::ParamVisitor,
    ) -> Result<()> {
        Ok(())
    }
}

fn maps<M: Module>(
    device: &AutoDevice,
    module: M,
    run: impl FnOnce(&mut M, Maps) -> Result<Outcome>,
) -> Result<State> {
    on(&tensor(device, "maps", MAPS, (-1.0, 2.0))?, module, run)
}

fn rows<M: Module>(
    device: &AutoDevice,
    module: M,
    run: impl FnOnce(&mut M, Features) -> Result<Outcome>,
) -> Result<State> {
    on(&tensor(device, "rows", TOKENS, (-1.0, 2.0))?, module, run)
}

/// Runs a module on an input, and collects every gradient.
fn on<S: Shape, M: Module>(
    input: &Plain<S>,
    mut module: M,
    run: impl FnOnce(&mut M, Taped<S>) -> Result<Outcome>,
) -> Result<State> {
    let outcome = run(&mut module, input.parameter())?;
    Ok(outcome.gradient("input", input)?.module(&mut module)?.state())
}
