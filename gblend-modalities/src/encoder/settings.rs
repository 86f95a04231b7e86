//! The `encoder` table of a modality.

use gblend_core::{BuildContext, Encoder, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::convolution::Convolution;
use super::panns::{Panns, PannsDepth, PannsSettings};
use super::picture::{ConvolutionSettings, PictureEncoder, Pooling};
use super::resnet::{ResNet, ResNetDepth, ResNetSettings};
use super::transformer::{AttentionKind, TransformerSettings, VideoTransformer};

/// The network between a modality's front end and its feature vector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "EncoderTable", into = "EncoderTable")]
pub struct EncoderSettings {
    /// What it is made of.
    pub network: Network,
    /// Length of the feature vector, by a fully connected layer with ReLU. Default: what the network leaves.
    pub features: Option<usize>,
    /// Share of features dropped in training, 0 to below 1.
    pub dropout: f32,
}

/// What an encoder is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    /// Stages of convolutions.
    Convolution(ConvolutionSettings),
    /// Residual networks that there are trained parameters of.
    ResNet(ResNetSettings),
    /// Convolutions over spectrograms that there are trained parameters of.
    Panns(PannsSettings),
    /// Blocks of attention.
    Transformer(TransformerSettings),
}

impl Default for Network {
    fn default() -> Self {
        Self::Convolution(ConvolutionSettings::default())
    }
}

impl EncoderSettings {
    /// The encoder for samples `[channels, height, width, frames]`.
    ///
    /// # Errors
    /// As [`PictureEncoder::new`], [`ResNet::new`] or [`VideoTransformer::new`]; [`Error::Setting`] if it is a network of sounds.
    pub fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let (features, dropout) = (self.features, self.dropout);
        Ok(match &self.network {
            Network::Convolution(settings) => Box::new(PictureEncoder::new(settings, features, dropout, cx)?),
            Network::ResNet(settings) => Box::new(ResNet::new(settings, features, dropout, cx)?),
            Network::Panns(settings) => {
                let expected = "an architecture of pictures: this one hears, and is of kind \"audio\" alone";
                return Err(Error::setting(
                    "encoder.architecture",
                    settings.depth.name(),
                    expected,
                ));
            }
            Network::Transformer(settings) => {
                Box::new(VideoTransformer::new(settings, features, dropout, cx)?)
            }
        })
    }

    /// The encoder for spectrograms `[1, mels, time, 1]`.
    ///
    /// # Errors
    /// As [`build`](Self::build) for networks of pictures, or [`Panns::new`].
    pub fn build_for_sound(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        match &self.network {
            Network::Panns(settings) => Ok(Box::new(Panns::new(settings, self.features, self.dropout, cx)?)),
            _ => self.build(cx),
        }
    }
}

/// What a network is made of, as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Architecture {
    /// Plain 3 × 3 convolutions on each frame.
    #[default]
    Plain,
    /// Residual blocks on each frame.
    Residual,
    /// (2+1)D blocks: 3 × 3 within frames, then 3 over time.
    Factorized,
    /// R(2+1)D: residual blocks of two (2+1)D convolutions.
    R2plus1d,
    /// ResNet-18 on each frame, as torchvision has it: takes its trained parameters with `pretrained`.
    Resnet18,
    /// ResNet-34 on each frame, as torchvision has it.
    Resnet34,
    /// R(2+1)D-18, as torchvision has it: (2+1)D convolutions over all frames.
    #[allow(non_camel_case_types)] // It is called as torchvision calls it.
    R2plus1d_18,
    /// Cnn6 of PANNs, on spectrograms of kind `audio`: takes its trained parameters with `pretrained`.
    Cnn6,
    /// Cnn10 of PANNs, likewise.
    Cnn10,
    /// Self-attention over patches of all frames.
    Transformer,
}

/// The network between a modality's front end and its feature vector.
///
/// Convolutions have stages. Each halves the picture; the last one is averaged over frames, and by default over pixels.
/// `resnet18`, `resnet34` and `r2plus1d_18` have four stages after a first convolution: 512 features, the mean over pixels and
/// frames. `cnn6` and `cnn10` have four stages and 512 features of what is loudest and of the mean over time.
/// A transformer cuts clips into patches; what its last block makes of them is averaged. A key of the other kind of
/// network is refused.
// Options tell a key that is not there from one with the default's value.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct EncoderTable {
    /// What the network is made of: stages of convolutions, or a transformer.
    architecture: Architecture,
    /// Convolutions: channels of each stage. The last number is the length of the feature vector. Default of `resnet18`,
    /// `resnet34`, `r2plus1d_18`, `cnn6` and `cnn10`: `[64, 128, 256, 512]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<usize>", default = "defaults::channels")]
    channels: Option<Vec<usize>>,
    /// Convolutions: blocks of each stage. The first of them halves the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::blocks")]
    blocks: Option<usize>,
    /// Convolutions: what becomes of the last stage's maps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pooling", default = "defaults::pooling")]
    pooling: Option<Pooling>,
    /// Transformer: height and width of a patch in pixels. A picture that patches do not divide gets a border of zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::patch")]
    patch: Option<usize>,
    /// Transformer: frames of a patch. Where they do not divide a clip, its last frame is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::tubelet")]
    tubelet: Option<usize>,
    /// Transformer: length of a token, a multiple of `heads`, and of the feature vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::width")]
    width: Option<usize>,
    /// Transformer: number of blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::depth")]
    depth: Option<usize>,
    /// Transformer: number of attention heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::heads")]
    heads: Option<usize>,
    /// Transformer: units of the hidden layer that each token passes in a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", default = "defaults::hidden")]
    hidden: Option<usize>,
    /// Transformer: which tokens attend to which. Joint: each to all of the clip. Divided: each to those of its place in
    /// all frames, then to those of its frame, which takes less time from about 50 tokens on. The same where there is
    /// one frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AttentionKind", default = "defaults::attention")]
    attention: Option<AttentionKind>,
    /// Length of the feature vector, by a fully connected layer with ReLU on what the network leaves. Default: no such
    /// layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<usize>,
    /// Share of features dropped in training, 0 to below 1. In a transformer also of what each part of a block adds.
    dropout: f32,
}

/// Defaults as the documentation shows them.
mod defaults {
    use super::{AttentionKind, ConvolutionSettings, Pooling, TransformerSettings};

    macro_rules! default_of {
        ($settings:ty: $($key:ident: $kind:ty),*) => {
            $(pub(super) fn $key() -> Option<$kind> {
                Some(<$settings>::default().$key)
            })*
        };
    }
    default_of!(ConvolutionSettings: channels: Vec<usize>, blocks: usize, pooling: Pooling);
    default_of!(TransformerSettings: patch: usize, tubelet: usize, width: usize, depth: usize, heads: usize);
    default_of!(TransformerSettings: hidden: usize, attention: AttentionKind);
}

impl EncoderTable {
    /// Refuses the first of `keys` that the table has: it means nothing for this architecture.
    fn refuse(architecture: &str, instead: &str, keys: &[(&str, Option<String>)]) -> Result<()> {
        let present = keys
            .iter()
            .find_map(|(key, value)| value.as_ref().map(|value| (key, value)));
        let Some((key, value)) = present else {
            return Ok(());
        };
        let expected =
            format!("no such key where encoder.architecture is {architecture}, which has {instead}");
        Err(Error::setting(format!("encoder.{key}"), value, expected))
    }

    /// The keys of a transformer, with their values.
    fn transformer_keys(&self) -> [(&'static str, Option<String>); 7] {
        let number = |value: Option<usize>| value.map(|value| value.to_string());
        [
            ("patch", number(self.patch)),
            ("tubelet", number(self.tubelet)),
            ("width", number(self.width)),
            ("depth", number(self.depth)),
            ("heads", number(self.heads)),
            ("hidden", number(self.hidden)),
            ("attention", self.attention.map(name)),
        ]
    }

    /// The channels of an architecture of four stages.
    fn four_channels(self, architecture: Architecture, default: [usize; 4]) -> Result<[usize; 4]> {
        let architecture = name(architecture);
        let blocks = self.blocks.map(|blocks| blocks.to_string());
        let keys = [("blocks", blocks), ("pooling", self.pooling.map(name))];
        Self::refuse(&architecture, "channels", &keys)?;
        Self::refuse(&architecture, "channels", &self.transformer_keys())?;
        match self.channels {
            None => Ok(default),
            Some(channels) => <[usize; 4]>::try_from(channels).map_err(|channels| {
                let expected = format!("four numbers where encoder.architecture is {architecture}");
                Error::setting("encoder.channels", format!("{channels:?}"), expected)
            }),
        }
    }

    fn resnet(self, depth: ResNetDepth) -> Result<ResNetSettings> {
        let channels = self.four_channels(depth.into(), ResNetSettings::CHANNELS)?;
        Ok(ResNetSettings { depth, channels })
    }

    fn panns(self, depth: PannsDepth) -> Result<PannsSettings> {
        let channels = self.four_channels(depth.into(), PannsSettings::CHANNELS)?;
        Ok(PannsSettings { depth, channels })
    }

    fn convolution(self, convolution: Convolution) -> Result<ConvolutionSettings> {
        let architecture = name(Architecture::from(convolution));
        let keys = self.transformer_keys();
        Self::refuse(&architecture, "channels, blocks and pooling", &keys)?;
        let default = ConvolutionSettings::default();
        Ok(ConvolutionSettings {
            convolution,
            channels: self.channels.unwrap_or(default.channels),
            blocks: self.blocks.unwrap_or(default.blocks),
            pooling: self.pooling.unwrap_or(default.pooling),
        })
    }

    fn transformer(self) -> Result<TransformerSettings> {
        let keys = [
            ("channels", self.channels.map(|channels| format!("{channels:?}"))),
            ("blocks", self.blocks.map(|blocks| blocks.to_string())),
            ("pooling", self.pooling.map(name)),
        ];
        let instead = "patch, tubelet, width, depth, heads, hidden and attention";
        Self::refuse("\"transformer\"", instead, &keys)?;
        let default = TransformerSettings::default();
        Ok(TransformerSettings {
            patch: self.patch.unwrap_or(default.patch),
            tubelet: self.tubelet.unwrap_or(default.tubelet),
            width: self.width.unwrap_or(default.width),
            depth: self.depth.unwrap_or(default.depth),
            heads: self.heads.unwrap_or(default.heads),
            hidden: self.hidden.unwrap_or(default.hidden),
            attention: self.attention.unwrap_or(default.attention),
        })
    }
}

impl From<Convolution> for Architecture {
    fn from(convolution: Convolution) -> Self {
        match convolution {
            Convolution::Plain => Self::Plain,
            Convolution::Residual => Self::Residual,
            Convolution::Factorized => Self::Factorized,
            Convolution::FactorizedResidual => Self::R2plus1d,
        }
    }
}

impl From<ResNetDepth> for Architecture {
    fn from(depth: ResNetDepth) -> Self {
        match depth {
            ResNetDepth::ResNet18 => Self::Resnet18,
            ResNetDepth::ResNet34 => Self::Resnet34,
            ResNetDepth::R2Plus1d18 => Self::R2plus1d_18,
        }
    }
}

impl From<PannsDepth> for Architecture {
    fn from(depth: PannsDepth) -> Self {
        match depth {
            PannsDepth::Cnn6 => Self::Cnn6,
            PannsDepth::Cnn10 => Self::Cnn10,
        }
    }
}

/// A variant as it is written.
fn name(variant: impl std::fmt::Debug) -> String {
    format!("{:?}", format!("{variant:?}").to_lowercase())
}

impl TryFrom<EncoderTable> for EncoderSettings {
    type Error = Error;

    fn try_from(table: EncoderTable) -> Result<Self> {
        let (features, dropout) = (table.features, table.dropout);
        let network = match table.architecture {
            Architecture::Plain => Network::Convolution(table.convolution(Convolution::Plain)?),
            Architecture::Residual => Network::Convolution(table.convolution(Convolution::Residual)?),
            Architecture::Factorized => Network::Convolution(table.convolution(Convolution::Factorized)?),
            Architecture::R2plus1d => {
                Network::Convolution(table.convolution(Convolution::FactorizedResidual)?)
            }
            Architecture::Resnet18 => Network::ResNet(table.resnet(ResNetDepth::ResNet18)?),
            Architecture::Resnet34 => Network::ResNet(table.resnet(ResNetDepth::ResNet34)?),
            Architecture::R2plus1d_18 => Network::ResNet(table.resnet(ResNetDepth::R2Plus1d18)?),
            Architecture::Cnn6 => Network::Panns(table.panns(PannsDepth::Cnn6)?),
            Architecture::Cnn10 => Network::Panns(table.panns(PannsDepth::Cnn10)?),
            Architecture::Transformer => Network::Transformer(table.transformer()?),
        };
        Ok(Self {
            network,
            features,
            dropout,
        })
    }
}

impl From<EncoderSettings> for EncoderTable {
    fn from(settings: EncoderSettings) -> Self {
        let rest = Self {
            features: settings.features,
            dropout: settings.dropout,
            ..Self::default()
        };
        match settings.network {
            Network::Convolution(network) => Self {
                architecture: network.convolution.into(),
                channels: Some(network.channels),
                blocks: Some(network.blocks),
                pooling: Some(network.pooling),
                ..rest
            },
            Network::ResNet(network) => Self {
                architecture: network.depth.into(),
                channels: Some(network.channels.to_vec()),
                ..rest
            },
            Network::Panns(network) => Self {
                architecture: network.depth.into(),
                channels: Some(network.channels.to_vec()),
                ..rest
            },
            Network::Transformer(network) => Self {
                architecture: Architecture::Transformer,
                patch: Some(network.patch),
                tubelet: Some(network.tubelet),
                width: Some(network.width),
                depth: Some(network.depth),
                heads: Some(network.heads),
                hidden: Some(network.hidden),
                attention: Some(network.attention),
                ..rest
            },
        }
    }
}
