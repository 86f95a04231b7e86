//! Encoders that use what no built-in one does, so that every operation has been carried out by ONNX Runtime.

use std::num::NonZeroUsize;

use gblend_core::nn::{
    BatchNorm, Normalization, PositionKind, RowIndex, RowNorm, StepConv, StepPositions, StepWindow, Window,
    abs, add, average_pool, concat_channels, concatenate, divide, exp, fork, frame_average,
    global_average_pool, inner_products, last_step, ln, log_softmax, matmul, matmul_of_each, max_pool,
    mean_axis, multiply, offset, permute, powi, repeat, scale, sqrt, square, step_max, step_mean, steps_of,
    subtract, sum, take_rows, tanh, transpose,
};
use gblend_core::rand::RngExt;
use gblend_core::tensor::{Dims1, Dims2, Dims3, Features, Plain, Taped, reshape};
use gblend_core::{
    Array, Batch, BuildContext, Encoder, Media, MediaKind, Modality, Module, ParamPath, ParamVisitor, Pass,
    Result, Seed,
};
use gblend_core::{schemars::JsonSchema, serde, typetag};

/// Numbers as maps of two channels, 4 × 3 pixels and two frames.
#[derive(Debug, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct MapOperations {}

/// Numbers as five steps of two features and a mask.
#[derive(Debug, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct StepOperations {}

/// What media are as `shape`; missing values are repeated.
fn shaped(media: &Media, shape: &[usize]) -> Result<Array> {
    let values = match media {
        Media::Array(array) => array.values().to_vec(),
        _ => Vec::new(),
    };
    let count = shape.iter().product();
    Array::new(shape, values.into_iter().cycle().take(count).collect())
}

#[typetag::serde(name = "map-operations")]
impl Modality for MapOperations {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        shaped(media, &[2, 4, 3, 2])
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let parameter = |shape, name| random(cx, shape, cx.seed.derive(name));
        Ok(Box::new(Maps {
            norm: BatchNorm::new(cx.device, 4, false)?,
            bias: Plain::filled(cx.device, (12,), 0.25)?,
            square: parameter((12, 12), "square")?,
            rows: parameter((3, 12), "rows")?,
            order: RowIndex::new(cx.device, vec![7, 0, 7, 3])?,
        }))
    }
}

gblend_core::register!(Modality, "map-operations" => MapOperations);

fn random(cx: &BuildContext<'_>, shape: Dims2, seed: Seed) -> Result<Plain<Dims2>> {
    let mut rng = seed.rng();
    let values = (0..shape.0 * shape.1).map(|_| rng.random_range(-0.5..0.5));
    Plain::new(cx.device, shape, values.collect())
}

#[derive(Debug)]
struct Maps {
    norm: BatchNorm,
    bias: Plain<Dims1>,
    square: Plain<Dims2>,
    rows: Plain<Dims2>,
    order: RowIndex,
}

impl Encoder for Maps {
    fn feature_dim(&self) -> usize {
        12 + 12 + 3 + 4 + 3 + 4 + 1 + 4
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        let samples = batch.len();
        let (maps, again) = fork(batch.maps(pass.recorder())?);
        let (again, third) = fork(again);
        let largest = max_pool(maps, Window::square(3, 2, 1))?;
        let inside = average_pool(again, Window::square(3, 2, 1), false)?;
        let all = average_pool(third, Window::square(3, 2, 1), true)?;
        let both = concat_channels(vec![subtract(largest, all)?, inside])?;
        let (normed, whole) = fork(self.norm.forward(both, pass)?);
        let means = global_average_pool(normed, 2)?;
        // Of 4 × 2 × 2, the first 12.
        let places = frame_average(whole, 2)?;
        let index = RowIndex::new(&places.device(), (0..12).collect())?;
        let x = transpose(take_rows(transpose(places)?, &index)?)?;
        let (x, for_bent) = fork(x);
        let y = tanh(for_bent)?;
        let (y, for_exp) = fork(y);
        let (y, for_ln) = fork(y);
        let (y, for_sqrt) = fork(y);
        let grown = exp(scale(for_exp, 0.5)?)?;
        let shrunk = ln(offset(square(for_ln)?, 1.0)?)?;
        let rooted = sqrt(offset(abs(for_sqrt)?, 0.1)?)?;
        let t = divide(subtract(grown, shrunk)?, offset(rooted, 1.0)?)?;
        let biased = add(powi(y, 3)?, repeat(self.bias.parameter(), 0, samples)?)?;
        let (t, for_square) = fork(t);
        let (t, for_rows) = fork(t);
        let (t, for_cubes) = fork(t);
        let squared = matmul(for_square, self.square.parameter())?;
        let products = inner_products(for_rows, self.rows.parameter())?;
        let (cubes, turned) = fork(reshape(for_cubes, (samples, 4, 3))?);
        let cubes: Taped<Dims3> = matmul_of_each(cubes, permute(turned, [0, 2, 1])?)?;
        let (of_rows, cubes) = fork(cubes);
        let of_rows = mean_axis(of_rows, 2)?;
        let shares = log_softmax(reshape(cubes, (samples, 16))?, 1)?;
        let shares = mean_axis(reshape(shares, (samples, 4, 4))?, 1)?;
        let picked = transpose(take_rows(transpose(t)?, &self.order)?)?;
        let total = repeat(repeat(sum(self.bias.parameter())?, 0, 1)?, 0, samples)?;
        let first = RowIndex::new(&x.device(), vec![1, 5, 9])?;
        let some = transpose(take_rows(transpose(x)?, &first)?)?;
        concatenate(vec![
            biased,
            squared,
            products,
            of_rows,
            some,
            multiply(shares, means)?,
            total,
            picked,
        ])
    }
}

impl Module for Maps {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.norm.visit_params(&path.join("norm"), visitor)?;
        visitor.param(&path.join("bias"), (&mut self.bias).into())?;
        visitor.param(&path.join("square"), (&mut self.square).into())?;
        visitor.param(&path.join("rows"), (&mut self.rows).into())
    }
}

#[typetag::serde(name = "step-operations")]
impl Modality for StepOperations {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let mut steps = shaped(media, &[3, 5])?;
        // Of the first steps one in three is missing, of others none.
        for (step, there) in steps.values_mut()[10..].iter_mut().enumerate() {
            *there = f32::from(step != 2 || *there > 0.0);
        }
        Ok(steps)
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let window = |kernel, dilation, stride| StepWindow {
            kernel,
            dilation,
            stride,
        };
        let times = NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN);
        Ok(Box::new(Steps {
            positions: StepPositions::new(
                cx.device,
                PositionKind::Learned(times),
                2,
                cx.seed.derive("times"),
            )?,
            wide: StepConv::new(cx.device, 2, 4, window(3, 2, 1), cx.seed.derive("wide"))?,
            norm: RowNorm::new(cx.device, Normalization::Batch, 4)?,
            slow: StepConv::without_bias(cx.device, 4, 3, window(3, 1, 3), cx.seed.derive("slow"))?,
        }))
    }
}

gblend_core::register!(Modality, "step-operations" => StepOperations);

#[derive(Debug)]
struct Steps {
    positions: StepPositions,
    wide: StepConv,
    norm: RowNorm,
    slow: StepConv,
}

impl Encoder for Steps {
    fn feature_dim(&self) -> usize {
        4 + 3 + 3
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        let (rows, steps) = steps_of(batch, pass)?;
        let rows = self.positions.forward(rows, &steps, pass)?;
        let (rows, steps) = self.wide.forward(rows, &steps)?;
        let rows = self.norm.forward_steps(rows, &steps, pass)?;
        let (rows, for_slow) = fork(rows);
        let largest = step_max(rows, &steps)?;
        let (slow, slower) = self.slow.forward(for_slow, &steps)?;
        let (mean, last) = fork(slow);
        concatenate(vec![
            largest,
            step_mean(mean, &slower)?,
            last_step(last, &slower)?,
        ])
    }
}

impl Module for Steps {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.positions.visit_params(&path.join("positions"), visitor)?;
        self.wide.visit_params(&path.join("wide"), visitor)?;
        self.norm.visit_params(&path.join("norm"), visitor)?;
        self.slow.visit_params(&path.join("slow"), visitor)
    }
}
