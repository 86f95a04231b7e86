//! Networks from the steps of sequences to feature vectors.

use std::num::NonZeroUsize;

use gblend_core::nn::{
    Activation, Gru, GruOptions, Linear, Normalization, PositionKind, Segments, StepResidualBlock,
    StepResidualOptions, StepWindow, Steps, TransformerEncoder, TransformerOptions, last_step, step_max,
    step_mean,
};
use gblend_core::tensor::Features;
use gblend_core::{BuildContext, Error, Module, ParamPath, ParamVisitor, Pass, Result, StepValues};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bert::BertOptions;
use super::features::FeatureVector;
use super::step_values::{StepCosts, residual_size};
use crate::range::{self, DEPTH, WIDTH, within};

/// The network between the steps of a sequence and its feature vector. Padding is never computed with, so that it changes
/// no bit of a result.
///
/// A key of another architecture is refused.
// Options tell a key that is not there from one with the default's value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepEncoderSettings {
    /// What the network is made of. Default: `convolution`, for texts `bag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StepArchitecture", default)]
    pub architecture: Option<StepArchitecture>,
    /// Convolution: features of each residual block. The last number is the length of the feature vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<usize>", default = "defaults::channels")]
    pub channels: Option<Vec<usize>>,
    /// Convolution: steps under a window, an odd number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::kernel")]
    pub kernel: Option<usize>,
    /// Convolution: steps from one window to the next in every block after the first, 1 or 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::stride")]
    pub stride: Option<usize>,
    /// Convolution: what follows each convolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Normalization", default = "defaults::normalization")]
    pub normalization: Option<Normalization>,
    /// Transformer and BERT: features of a step, a multiple of `heads`, and the length of the feature vector. Default: 64, and for
    /// texts the `width` of a token; of BERT 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Transformer and BERT: number of blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::depth")]
    pub depth: Option<usize>,
    /// Transformer and BERT: number of attention heads. Default of BERT: one for 64 features.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::heads")]
    pub heads: Option<usize>,
    /// Transformer and BERT: units of the hidden layer that each step passes in a block. Default of BERT: four times its width.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::hidden")]
    pub hidden: Option<usize>,
    /// BERT: tokens of the longest text that there are positions for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::positions")]
    pub positions: Option<usize>,
    /// GRU: features of a state. Both directions together are the feature vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::units")]
    pub units: Option<usize>,
    /// GRU: layers, each over the states of the one below.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::layers")]
    pub layers: Option<usize>,
    /// GRU: whether each layer reads the sequence from its end as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", default = "defaults::bidirectional")]
    pub bidirectional: Option<bool>,
    /// What becomes of the steps that the network leaves. Default: `mean`, and of a GRU `last`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StepPooling", default)]
    pub pooling: Option<StepPooling>,
    /// Length of the feature vector, by a fully connected layer with ReLU on what the network leaves. Default: no such
    /// layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Share of features dropped in training, 0 to below 1; within blocks and between layers as well.
    pub dropout: f32,
}

/// Defaults as the documentation shows them.
mod defaults {
    use super::Normalization;

    macro_rules! defaults {
        ($($key:ident: $kind:ty = $value:expr,)*) => {
            $(pub(super) fn $key() -> Option<$kind> {
                Some($value)
            })*
        };
    }
    defaults! {
        channels: Vec<usize> = vec![32, 64],
        kernel: usize = 5,
        stride: usize = 2,
        normalization: Normalization = Normalization::Batch,
        depth: usize = 2,
        heads: usize = 4,
        hidden: usize = 128,
        positions: usize = 512,
        units: usize = 64,
        layers: usize = 1,
        bidirectional: bool = false,
    }
}

/// What a network of steps is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepArchitecture {
    /// Nothing: the steps as they are, in any order.
    Bag,
    /// Residual blocks of two convolutions over time.
    Convolution,
    /// Self-attention between the steps, whose times are told by sines.
    Transformer,
    /// Gated recurrent units; by default the last state is the feature vector.
    Gru,
    /// BERT's network, whose blocks are normalized behind each part, with vectors of tokens, times and sentences of its own: to
    /// be loaded with parameters that were trained elsewhere. For texts with a `tokenizer`, whose tokens all have a vector.
    Bert,
}

impl StepArchitecture {
    fn name(self) -> &'static str {
        match self {
            Self::Bag => "bag",
            Self::Convolution => "convolution",
            Self::Transformer => "transformer",
            Self::Gru => "gru",
            Self::Bert => "bert",
        }
    }
}

/// From the steps that a network leaves to one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepPooling {
    /// Their mean.
    Mean,
    /// The greatest value of each feature.
    Max,
    /// The last step; of a GRU that reads from the end as well, the state of each direction when all has been read.
    Last,
}

impl StepPooling {
    pub(crate) fn forward(self, rows: Features, steps: &Steps) -> Result<Features> {
        match self {
            Self::Mean => step_mean(rows, steps),
            Self::Max => step_max(rows, steps),
            Self::Last => last_step(rows, steps),
        }
    }
}

/// What steps are before the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepInputs {
    /// Measured features, so many of them.
    Measured(usize),
    /// Learned vectors of this length.
    Learned(usize),
}

impl StepEncoderSettings {
    /// The sizes of BERT's network for so many tokens.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting is out of its range or of another architecture.
    pub(crate) fn bert(&self, vocabulary: usize) -> Result<BertOptions> {
        /// Features of a head where nothing says how many heads there are.
        const OF_HEAD: usize = 64;
        self.check_keys(StepArchitecture::Bert)?;
        let width = within("encoder.width", self.width.unwrap_or(128), WIDTH)?;
        let heads = self.heads.unwrap_or((width / OF_HEAD).max(1));
        within("encoder.heads", heads, WIDTH)?;
        if !width.is_multiple_of(heads) {
            let expected = format!("a multiple of encoder.heads, which is {heads}");
            return Err(Error::setting("encoder.width", width, expected));
        }
        let positions = self.positions.or_else(defaults::positions).unwrap_or_default();
        let positions = within("encoder.positions", positions, WIDTH)?;
        Ok(BertOptions {
            vocabulary,
            positions: NonZeroUsize::new(positions).unwrap_or(NonZeroUsize::MIN),
            width,
            depth: within(
                "encoder.depth",
                self.depth.or_else(defaults::depth).unwrap_or_default(),
                DEPTH,
            )?,
            heads,
            hidden: within("encoder.hidden", self.hidden.unwrap_or(4 * width), WIDTH)?,
            dropout: range::dropout("encoder.dropout", self.dropout)?,
        })
    }

    /// Refuses the first key that means nothing for this architecture.
    fn check_keys(&self, architecture: StepArchitecture) -> Result<()> {
        use StepArchitecture::{Bert, Convolution, Gru, Transformer};
        let text = |value: Option<usize>| value.map(|value| value.to_string());
        let debug =
            |value: Option<&dyn std::fmt::Debug>| value.map(|value| format!("{value:?}").to_lowercase());
        let keys: [(&str, &[StepArchitecture], Option<String>); 12] = [
            (
                "channels",
                &[Convolution],
                debug(self.channels.as_ref().map(|value| value as _)),
            ),
            ("kernel", &[Convolution], text(self.kernel)),
            ("stride", &[Convolution], text(self.stride)),
            (
                "normalization",
                &[Convolution],
                debug(self.normalization.as_ref().map(|value| value as _)),
            ),
            ("width", &[Transformer, Bert], text(self.width)),
            ("depth", &[Transformer, Bert], text(self.depth)),
            ("heads", &[Transformer, Bert], text(self.heads)),
            ("hidden", &[Transformer, Bert], text(self.hidden)),
            ("positions", &[Bert], text(self.positions)),
            ("units", &[Gru], text(self.units)),
            ("layers", &[Gru], text(self.layers)),
            (
                "bidirectional",
                &[Gru],
                self.bidirectional.map(|value| value.to_string()),
            ),
        ];
        for (key, of, value) in keys {
            if let Some(value) = value.filter(|_| !of.contains(&architecture)) {
                let name = architecture.name();
                let expected = format!("no such key where encoder.architecture is \"{name}\"");
                return Err(Error::setting(format!("encoder.{key}"), value, expected));
            }
        }
        Ok(())
    }
}

/// A network of steps as built.
#[derive(Debug)]
pub(crate) struct StepEncoder {
    network: Network,
    costs: StepCosts,
    pooling: StepPooling,
    features: FeatureVector,
}

#[derive(Debug)]
enum Network {
    Bag,
    /// Blocks, and which of them are recomputed together.
    Convolution(Vec<StepResidualBlock>, Segments),
    Transformer(Option<Linear>, Box<TransformerEncoder>),
    Gru(Box<Gru>),
}

impl StepEncoder {
    /// # Errors
    /// [`Error::Setting`] if a setting is out of its range or of another architecture, [`Error::Device`].
    pub(crate) fn new(
        settings: &StepEncoderSettings,
        default: StepArchitecture,
        inputs: StepInputs,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let architecture = settings.architecture.unwrap_or(default);
        settings.check_keys(architecture)?;
        let dropout = range::dropout("encoder.dropout", settings.dropout)?;
        let (StepInputs::Measured(width) | StepInputs::Learned(width)) = inputs;
        let given = StepCosts::of_inputs(width);
        let (network, costs, pooled) = match architecture {
            StepArchitecture::Bag => (Network::Bag, given, width),
            StepArchitecture::Convolution => convolution(settings, width, dropout, cx)?,
            StepArchitecture::Transformer => transformer(settings, inputs, dropout, cx)?,
            StepArchitecture::Bert => {
                let expected = "one for sequences of numbers; \"bert\" is for kind `text`";
                return Err(Error::setting("encoder.architecture", "\"bert\"", expected));
            }
            StepArchitecture::Gru => {
                let hidden = settings.units.or_else(defaults::units).unwrap_or_default();
                let layers = settings.layers.or_else(defaults::layers).unwrap_or_default();
                let options = GruOptions {
                    hidden: within("encoder.units", hidden, WIDTH)?,
                    layers: within("encoder.layers", layers, DEPTH)?,
                    bidirectional: settings.bidirectional.unwrap_or_default(),
                    dropout,
                };
                let gru = Gru::new(cx.device, width, &options, cx.seed.derive("gru"))?;
                let pooled = gru.width();
                let costs = given.with_recurrent(pooled.saturating_mul(layers));
                (Network::Gru(Box::new(gru)), costs, pooled)
            }
        };
        Ok(Self {
            network,
            costs,
            pooling: settings.pooling.unwrap_or(match architecture {
                StepArchitecture::Gru => StepPooling::Last,
                _ => StepPooling::Mean,
            }),
            features: FeatureVector::new(pooled, settings.features, settings.dropout, cx)?,
        })
    }

    /// The length of a feature vector.
    pub(crate) fn feature_dim(&self) -> usize {
        self.features.length()
    }

    /// What a training step takes for a sequence of so many steps, where blocks are recomputed or not.
    pub(crate) fn step_values(&self, steps: usize, recomputes: bool) -> StepValues {
        self.costs.of(steps, recomputes)
    }

    /// `[steps, inputs]` to `[batch, feature_dim]`; what a sequence without steps has is that of none.
    pub(crate) fn forward(&mut self, rows: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        let pooled = match &mut self.network {
            Network::Bag => self.pooling.forward(rows, steps)?,
            Network::Convolution(blocks, segments) => {
                let layer = |block: &mut StepResidualBlock, rows, steps: Steps, pass: &Pass| {
                    block.forward(rows, &steps, pass)
                };
                let all = 0..blocks.len();
                let (rows, steps) = segments.forward(blocks, all, (rows, steps.clone()), pass, layer)?;
                self.pooling.forward(rows, &steps)?
            }
            Network::Transformer(projection, encoder) => {
                let rows = match projection {
                    Some(projection) => projection.forward(rows)?,
                    None => rows,
                };
                self.pooling.forward(encoder.forward(rows, steps, pass)?, steps)?
            }
            Network::Gru(gru) => match self.pooling {
                // Both directions end there.
                StepPooling::Last => gru.forward_last(rows, steps, pass)?,
                pooling => pooling.forward(gru.forward(rows, steps, pass)?, steps)?,
            },
        };
        self.features.forward(pooled, pass)
    }
}

fn convolution(
    settings: &StepEncoderSettings,
    mut inputs: usize,
    dropout: f32,
    cx: &BuildContext<'_>,
) -> Result<(Network, StepCosts, usize)> {
    let channels = settings
        .channels
        .clone()
        .or_else(defaults::channels)
        .unwrap_or_default();
    within("encoder.channels", channels.len(), DEPTH)?;
    /// Longer windows than any network needs.
    const LONGEST: usize = 1023;
    let kernel = settings.kernel.or_else(defaults::kernel).unwrap_or_default();
    if !(1..=LONGEST).contains(&kernel) || kernel.is_multiple_of(2) {
        let expected = format!("an odd number of steps, 1 to {LONGEST}");
        return Err(Error::setting("encoder.kernel", kernel, expected));
    }
    let stride = settings.stride.or_else(defaults::stride).unwrap_or_default();
    within("encoder.stride", stride, 1..=2)?;
    let (mut blocks, mut sizes) = (
        Vec::with_capacity(channels.len()),
        Vec::with_capacity(channels.len()),
    );
    let (mut costs, mut halvings) = (StepCosts::of_inputs(inputs), 0);
    for (index, &outputs) in channels.iter().enumerate() {
        within("encoder.channels", outputs, WIDTH)?;
        let options = StepResidualOptions {
            window: StepWindow {
                kernel,
                dilation: 1,
                stride: if index == 0 { 1 } else { stride },
            },
            normalization: settings.normalization.unwrap_or(Normalization::Batch),
            activation: Activation::Relu,
            dropout,
        };
        let seed = cx.seed.derive("block").nth(index as u64);
        blocks.push(StepResidualBlock::new(
            cx.device, inputs, outputs, &options, seed,
        )?);
        halvings += u32::from(options.window.stride == 2);
        costs = costs.with_residual(halvings, outputs);
        sizes.push(residual_size(halvings, outputs));
        inputs = outputs;
    }
    let segments = Segments::of(&sizes);
    let costs = costs.recomputing(segments.clone());
    Ok((Network::Convolution(blocks, segments), costs, inputs))
}

fn transformer(
    settings: &StepEncoderSettings,
    inputs: StepInputs,
    dropout: f32,
    cx: &BuildContext<'_>,
) -> Result<(Network, StepCosts, usize)> {
    /// Features of a step where nothing says how many.
    const MEASURED: usize = 64;
    let (given, default) = match inputs {
        StepInputs::Measured(given) => (given, MEASURED),
        StepInputs::Learned(given) => (given, given),
    };
    let width = within("encoder.width", settings.width.unwrap_or(default), WIDTH)?;
    let heads = settings.heads.or_else(defaults::heads).unwrap_or_default();
    within("encoder.heads", heads, WIDTH)?;
    if !width.is_multiple_of(heads) {
        let expected = format!("a multiple of encoder.heads, which is {heads}");
        return Err(Error::setting("encoder.width", width, expected));
    }
    let options = TransformerOptions {
        width,
        depth: within(
            "encoder.depth",
            settings.depth.or_else(defaults::depth).unwrap_or_default(),
            DEPTH,
        )?,
        heads,
        hidden: within(
            "encoder.hidden",
            settings.hidden.or_else(defaults::hidden).unwrap_or_default(),
            WIDTH,
        )?,
        dropout,
        positions: PositionKind::Sinusoidal,
    };
    let projected = inputs != StepInputs::Learned(width);
    let projection = || Linear::new(cx.device, given, width, cx.seed.derive("input"));
    let encoder = TransformerEncoder::new(cx.device, &options, cx.seed.derive("transformer"))?;
    let network = Network::Transformer(projected.then(projection).transpose()?, Box::new(encoder));
    let costs = StepCosts::of_inputs(given).with_transformer(width, options.hidden, options.depth);
    Ok((network, costs, width))
}

impl Module for StepEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match &mut self.network {
            Network::Bag => {}
            Network::Convolution(blocks, _) => {
                for (index, block) in blocks.iter_mut().enumerate() {
                    block.visit_params(&path.join(format!("block{index}")), visitor)?;
                }
            }
            Network::Transformer(projection, encoder) => {
                if let Some(projection) = projection {
                    projection.visit_params(&path.join("input"), visitor)?;
                }
                encoder.visit_params(&path.join("transformer"), visitor)?;
            }
            Network::Gru(gru) => gru.visit_params(&path.join("gru"), visitor)?,
        }
        self.features.visit_params(path, visitor)
    }
}
