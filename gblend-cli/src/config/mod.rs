//! The configuration: a TOML file, overridden from the command line, resolved into plugins.

mod checkpoint;
mod device;
mod document;
mod earlier;
mod environment;
mod error;
mod fold;
mod freeze;
mod log;
mod objectives;
mod overrides;
mod pipeline_keys;
mod pool;
mod pretrained;
mod run;
mod schema;
mod section;
mod task;

use std::path::{Path, PathBuf};

use gblend_core::{
    Array, Blend, BlendStrategy, BuildContext, Dataset, Encoder, FitContext, Fitted, Fusion, FusionContext,
    FusionModule, GradientEvidence, Heads, JOINT, Media, Modality, Objective, OpenContext, Optimizer, Role,
    SampleRng, Source,
};
use gblend_optim::blend::start_with_shares;
use gblend_optim::schedule::{RunLength, Schedule};
use gblend_optim::{Apply, BlendedOptimizer, BlendedSettings, Scale};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::records::PredictionRule;
pub use checkpoint::CheckpointConfig;
pub use device::{DeviceChoice, UnknownDevice};
use document::Document;
pub use error::ConfigError;
pub use fold::{LEAST_FOLDS, NoFold, TestFold};
pub use freeze::{Freeze, FrozenPart};
pub use log::LogConfig;
pub use objectives::Objectives;
pub use overrides::Override;
pub use pool::PoolSamples;
pub use pretrained::{Pretrained, PretrainedFile};
pub use run::{BatchNormOver, Recompute, RunConfig, Sampling, Select};
pub use schema::json_schema;
use section::Section;
pub use task::{settings_beside, task_differences};

/// The configuration that `gblend train` uses without a file, and `gblend init` writes.
pub const BUILTIN: &str = include_str!("../../builtin/scene.toml");

/// Larger multiples of a learning rate are a slip.
const MOST_SCALE: f64 = 1e6;

/// The tables that a configuration may have, in the order of the documentation.
const TABLES: [&str; 9] = [
    "run",
    "data",
    "modality",
    "fusion",
    "objective",
    "blend",
    "optimizer",
    "log",
    "checkpoint",
];

/// A configuration with every plugin chosen and every setting checked.
#[derive(Debug)]
pub struct Config {
    /// `[run]`.
    pub run: RunConfig,
    /// `[data]`.
    pub data: Box<dyn Dataset>,
    /// `[modality.NAME]`, in the order of the file.
    pub modalities: Vec<ModalityConfig>,
    /// `[fusion]`.
    pub fusion: FusionConfig,
    /// `[objective]`; without one, it follows from the labels of the dataset.
    pub objective: Option<Box<dyn Objective>>,
    /// `[blend]`.
    pub blend: BlendConfig,
    /// `[optimizer]`.
    pub optimizer: OptimizerConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[checkpoint]`.
    pub checkpoint: CheckpointConfig,
    /// The folder that relative paths start from.
    pub base: PathBuf,
    /// Where each key stands.
    document: Document,
}

/// One `[modality.NAME]` table.
#[derive(Debug)]
pub struct ModalityConfig {
    /// The instance's name, which is its head's name too.
    pub name: String,
    /// What the pipeline reads of the table.
    pub pipeline: ModalityPipeline,
    /// What the plugin reads of it.
    pub plugin: Box<dyn Modality>,
    /// `[modality.NAME.objective]`, that of its own head; without one, it is that of the joint head.
    pub objective: Option<Box<dyn Objective>>,
}

impl ModalityConfig {
    /// Whether its own head can be trained alone: one that is asked nothing, or only to stay where it is, has nothing to learn.
    pub fn is_trained_alone(&self) -> bool {
        let objective = self.objective.as_ref();
        objective.is_none_or(|objective| objective.share().is_none())
    }

    /// The table that configures it.
    pub fn table(&self) -> String {
        format!("{}.{}", Role::Modality, self.name)
    }

    /// A key of that table, as the user writes it.
    pub fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.table())
    }

    /// Builds the encoder.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn build(&self, cx: &BuildContext<'_>) -> gblend_core::Result<Box<dyn Encoder>> {
        self.plugin.build(cx).map_err(|error| self.named(error))
    }

    /// Turns media into what the encoder reads.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn prepare(&self, media: &Media) -> gblend_core::Result<Array> {
        self.plugin.prepare(media).map_err(|error| self.named(error))
    }

    /// What the training samples have to tell before the encoder is built.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn fit(&self, cx: &FitContext<'_>) -> gblend_core::Result<Fitted> {
        self.plugin.fit(cx).map_err(|error| self.named(error))
    }

    /// A prepared sample with what was fitted applied.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn apply(&self, sample: Array, fitted: &Fitted) -> gblend_core::Result<Array> {
        self.plugin
            .apply(sample, fitted)
            .map_err(|error| self.named(error))
    }

    /// Positions of the values of a prepared sample that are unlike any of the training samples.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn unfamiliar(&self, sample: &Array, fitted: &Fitted) -> gblend_core::Result<Vec<usize>> {
        let unfamiliar = self.plugin.unfamiliar(sample, fitted);
        unfamiliar.map_err(|error| self.named(error))
    }

    /// One view of a prepared sample.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn view(&self, sample: Array, view: usize) -> gblend_core::Result<Array> {
        self.plugin.view(sample, view).map_err(|error| self.named(error))
    }

    /// A view of a sample with random changes.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn augment(&self, sample: Array, rng: &mut SampleRng) -> gblend_core::Result<Array> {
        self.plugin
            .augment(sample, rng)
            .map_err(|error| self.named(error))
    }

    /// An error of the plugin, with the user's key where it is about a setting.
    fn named(&self, error: gblend_core::Error) -> gblend_core::Error {
        error.of_plugin(&self.plugin, &self.table())
    }
}

/// Keys of every `[modality.NAME]` table, whatever its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModalityPipeline {
    /// The dataset's stream that feeds this modality. Default: the stream of the same name, else the only
    /// stream with media that the modality takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the encoder starts from: a run folder, whose encoder of the modality of the same name is taken, or a safetensors
    /// file of parameters, such as a state dict of PyTorch; relative paths start from the configuration's folder. A table says
    /// more: `{ file = "resnet18.safetensors", prefix = "backbone." }`. Default: random initial parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<Pretrained>,
    /// Whether the encoder stays as it is: `true`, a number of epochs from the first on, or a table as in `{ stages = 2,
    /// from = 1, epochs = 5 }`. What is frozen computes as in evaluation: nothing is dropped in it, and normalization keeps
    /// its running statistics and goes by them.
    #[serde(skip_serializing_if = "Freeze::is_never")]
    pub freeze: Freeze,
    /// The encoder's learning rate, as a multiple of the optimizer's. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate_scale: Option<f64>,
    /// The learning rate of the modality's own head, as a multiple of the optimizer's. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate_scale: Option<f64>,
}

/// The `[fusion]` table.
#[derive(Debug)]
pub struct FusionConfig {
    /// What the pipeline reads of the table.
    pub pipeline: FusionPipeline,
    /// What the plugin reads of it.
    pub plugin: Box<dyn Fusion>,
}

impl FusionConfig {
    /// A key of the table that configures it, as the user writes it.
    pub fn key(key: &str) -> String {
        format!("{}.{key}", Role::Fusion)
    }

    /// Builds the fusion.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn build(&self, cx: &FusionContext<'_>) -> gblend_core::Result<Box<dyn FusionModule>> {
        let built = self.plugin.build(cx);
        built.map_err(|error| error.of_plugin(&self.plugin, Role::Fusion.name()))
    }

    /// An error of the joint head's layers, with the user's key where it is about a setting.
    pub fn of_head(&self, error: gblend_core::Error) -> gblend_core::Error {
        error.of_plugin(&self.pipeline, Role::Fusion.name())
    }
}

/// Keys of every `[fusion]` table, whatever its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FusionPipeline {
    /// The joint head on the fused vector.
    pub head: JointHeadConfig,
    /// The learning rate of the fusion and the joint head, as a multiple of the optimizer's. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate_scale: Option<f64>,
}

/// The joint head: fully connected layers with ReLU between them, then one unit per class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JointHeadConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Share of hidden units dropped in training, 0 to below 1.
    pub dropout: f32,
}

impl Default for JointHeadConfig {
    fn default() -> Self {
        Self {
            hidden: vec![128, 128],
            dropout: 0.0,
        }
    }
}

/// The `[blend]` table.
#[derive(Debug)]
pub struct BlendConfig {
    /// What the pipeline reads of the table.
    pub pipeline: BlendPipeline,
    /// What the plugin reads of it.
    pub plugin: Box<dyn BlendStrategy>,
}

/// Keys of every `[blend]` table, whatever its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlendPipeline {
    /// What a prediction is taken from. Results are given for every rule; this one decides which epoch is best
    /// and what `gblend predict` says.
    pub predict: PredictionRule,
    /// How shares become weights: `heads`, times the number of heads, so that equal shares are plain losses and a head
    /// learns as fast with any number of others; `sum`, as they are, which add up to 1, as in the paper. Strategies that
    /// train one head alone have the plain loss under both.
    pub scale: Scale,
    /// The samples that the pool of the heads is fitted on.
    pub pool: PoolSamples,
}

impl Default for BlendPipeline {
    fn default() -> Self {
        Self {
            predict: PredictionRule::Pool,
            scale: Scale::Heads,
            pool: PoolSamples::Validation,
        }
    }
}

impl BlendConfig {
    /// The `[blend]` table of a configuration's text, whatever the rest of it says: for those who read what a run left
    /// and do not train.
    ///
    /// # Errors
    /// As [`Config::parse`], as far as the table is concerned.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ConfigError> {
        Self::of(&Document::parse(origin, text)?)
    }

    /// Starts the strategy with these heads, of which some may have shares given.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    fn start(&self, heads: &Heads, shares: &[Option<f64>]) -> gblend_core::Result<Box<dyn Blend>> {
        start_with_shares(self.plugin.as_ref(), heads, shares)
            .map_err(|error| error.of_plugin(&self.plugin, Role::Blend.name()))
    }

    fn of(document: &Document) -> Result<Self, ConfigError> {
        let section = Section::with_default(document, Role::Blend, &["blend"], "ogr")?;
        Ok(Self {
            pipeline: section.pipeline()?,
            plugin: section.plugin()?,
        })
    }
}

/// The `[optimizer]` table.
#[derive(Debug)]
pub struct OptimizerConfig {
    /// What the pipeline reads of the table.
    pub pipeline: OptimizerPipeline,
    /// What the plugin reads of it.
    pub plugin: Box<dyn Optimizer>,
}

/// Keys of every `[optimizer]` table, whatever its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerPipeline {
    /// The learning rate's course over the run.
    pub schedule: Schedule,
    /// The largest norm that the gradient of all parameters together may have; longer ones are scaled
    /// down to it. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// What the blend weights are applied to. Optimizers such as Adam undo weights on losses, because their
    /// update does not depend on the scale of a gradient; weights on updates mean the same under any optimizer.
    pub apply: Apply,
}

impl OptimizerConfig {
    /// The optimizer with the blend applied, its shares scaled like this, for a run of this length that begins at `first_step` of the schedule.
    ///
    /// # Errors
    /// What the optimizer or the schedule refuses, with the table before the key of a setting.
    pub fn start(
        &self,
        scale: Scale,
        run: RunLength,
        first_step: u64,
    ) -> gblend_core::Result<BlendedOptimizer> {
        let settings = BlendedSettings {
            schedule: self.pipeline.schedule,
            clip_norm: self.pipeline.clip_norm,
            apply: self.pipeline.apply,
            scale,
            run,
            first_step,
        };
        BlendedOptimizer::new(self.plugin.as_ref(), settings)
            .map_err(|error| error.of_plugin(&self.plugin, Role::Optimizer.name()))
    }
}

impl Config {
    /// Reads a configuration file, or the built-in one, and applies overrides.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and key, what was expected and what was found.
    pub fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Self, ConfigError> {
        match file {
            Some(path) => {
                let (text, base) = Self::read(path)?;
                Self::parse(&path.display().to_string(), &text, base, overrides)
            }
            None => Self::parse(
                "the built-in configuration",
                BUILTIN,
                PathBuf::from("."),
                overrides,
            ),
        }
    }

    /// Reads a configuration from its text. `origin` names the text in messages; relative paths start from
    /// `base`, unless the text says otherwise.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(
        origin: &str,
        text: &str,
        base: PathBuf,
        overrides: &[Override],
    ) -> Result<Self, ConfigError> {
        Self::parse_with(origin, text, base, |document| {
            overrides.iter().try_for_each(|change| document.apply(change))
        })
    }

    /// As [`parse`](Self::parse), with changes that are not overrides alone.
    fn parse_with(
        origin: &str,
        text: &str,
        base: PathBuf,
        change: impl FnOnce(&mut Document) -> Result<(), ConfigError>,
    ) -> Result<Self, ConfigError> {
        // Before any kind is looked up: two plugins of one kind must be reported as such.
        gblend_core::catalogue().map_err(|error| ConfigError::Plugins(error.to_string()))?;
        let mut document = Document::parse(origin, text)?;
        change(&mut document)?;
        document.expand_environment()?;
        document.check_tables(&TABLES)?;

        let run: RunConfig = document.plain("run")?;
        let log: LogConfig = document.plain("log")?;
        let checkpoint: CheckpointConfig = document.plain("checkpoint")?;
        let base = run.base.clone().unwrap_or(base);
        let data = Section::required(&document, Role::Data, &["data"])?.plugin()?;

        let mut modalities = Vec::new();
        for name in document.table_names("modality")? {
            let section = Section::required(&document, Role::Modality, &["modality", &name])?;
            let objective = ["modality", &name, "objective"];
            let objective = Section::optional(&document, Role::Objective, &objective)?;
            modalities.push(ModalityConfig {
                pipeline: section.pipeline()?,
                plugin: section.plugin()?,
                objective: objective.map(|section| section.plugin()).transpose()?,
                name,
            });
        }
        Heads::new(modalities.iter().map(|modality| modality.name.clone()))
            .map_err(|error| document.invalid(&["modality"], error.to_string()))?;

        let section = Section::with_default(&document, Role::Fusion, &["fusion"], "concat")?;
        let fusion = FusionConfig {
            pipeline: section.pipeline()?,
            plugin: section.plugin()?,
        };
        let objective = Section::optional(&document, Role::Objective, &["objective"])?;
        let objective = objective.map(|section| section.plugin()).transpose()?;
        let blend = BlendConfig::of(&document)?;
        let section = Section::with_default(&document, Role::Optimizer, &["optimizer"], "sgd")?;
        let optimizer = OptimizerConfig {
            pipeline: section.pipeline()?,
            plugin: section.plugin()?,
        };
        let config = Self {
            run,
            data,
            modalities,
            fusion,
            objective,
            blend,
            optimizer,
            log,
            checkpoint,
            base,
            document,
        };
        config.check()?;
        Ok(config)
    }

    /// The heads of this configuration.
    ///
    /// # Errors
    /// Never for a configuration that was read; see [`Heads::new`].
    pub fn heads(&self) -> gblend_core::Result<Heads> {
        Heads::new(self.modalities.iter().map(|modality| modality.name.clone()))
    }

    /// Multiples of the learning rate, by the path of their key.
    fn learning_rate_scales(&self) -> Vec<(Vec<&str>, f64)> {
        let of_modalities = self.modalities.iter().flat_map(|modality| {
            let pipeline = &modality.pipeline;
            let keys = [
                ("learning_rate_scale", pipeline.learning_rate_scale),
                ("head_learning_rate_scale", pipeline.head_learning_rate_scale),
            ];
            keys.map(|(key, scale)| (vec!["modality", modality.name.as_str(), key], scale))
        });
        let of_fusion = self.fusion.pipeline.learning_rate_scale;
        let of_fusion = (vec!["fusion", "learning_rate_scale"], of_fusion);
        let all = of_modalities.chain([of_fusion]);
        all.filter_map(|(path, scale)| Some((path, scale?))).collect()
    }

    /// Multiples of the learning rate, by what the paths of the parameters begin with that they are for.
    pub fn rate_scales(&self) -> Vec<(String, f64)> {
        let mut scales = Vec::new();
        let mut add = |part: String, scale: Option<f64>| {
            scales.extend(scale.filter(|&scale| scale != 1.0).map(|scale| (part, scale)));
        };
        for ModalityConfig { name, pipeline, .. } in &self.modalities {
            add(format!("{name}.encoder."), pipeline.learning_rate_scale);
            for part in ["head", "objective"] {
                add(format!("{name}.{part}."), pipeline.head_learning_rate_scale);
            }
        }
        for part in ["fusion", JOINT] {
            add(format!("{part}."), self.fusion.pipeline.learning_rate_scale);
        }
        scales
    }

    /// Whether a run is tested: neither its own settings nor those of the dataset go without.
    pub fn is_tested(&self) -> bool {
        self.run.test && (self.run.fold.is_some() || self.data.has_test())
    }

    /// Opens the dataset.
    ///
    /// # Errors
    /// The plugin's, with the table before the key of a setting.
    pub fn open_data(&self, cx: &OpenContext<'_>) -> gblend_core::Result<Box<dyn Source>> {
        self.data
            .open(cx)
            .map_err(|error| error.in_table(Role::Data.name()))
    }

    /// Says where the setting stands that a plugin refused after the configuration was read.
    pub(crate) fn located(&self, refused: gblend_core::Error) -> ConfigError {
        let path: Vec<&str> = match &refused {
            gblend_core::Error::Setting { key, .. } => key.split('.').collect(),
            _ => Vec::new(),
        };
        ConfigError::Refused {
            place: self.document.place_of(&path),
            refused,
        }
    }

    /// Ranges that no single plugin can check.
    fn check(&self) -> Result<(), ConfigError> {
        let document = &self.document;
        self.run
            .check()
            .map_err(|(key, problem)| document.invalid(&["run", key], problem))?;
        self.checkpoint
            .check()
            .map_err(|(key, problem)| document.invalid(&["checkpoint", key], problem))?;
        let dropout = self.fusion.pipeline.head.dropout;
        if !(0.0..1.0).contains(&dropout) {
            let problem = format!("found {dropout}, expected 0 to below 1");
            return Err(document.invalid(&["fusion", "head", "dropout"], problem));
        }
        for modality in &self.modalities {
            let invalid = |key: &[&str], problem: String| {
                document.invalid(&[&["modality", modality.name.as_str()], key].concat(), problem)
            };
            if let Some(pretrained) = &modality.pipeline.pretrained {
                let checked = pretrained.check();
                checked.map_err(|(key, problem)| invalid(&["pretrained", key], problem))?;
            }
            let share = modality
                .objective
                .as_ref()
                .and_then(|objective| objective.share());
            if let Some(share) = share.filter(|share| !(0.0..1.0).contains(share)) {
                let problem = format!("found {share}, expected a share above 0 and below 1");
                return Err(invalid(&["objective", "share"], problem));
            }
            let checked = modality.pipeline.freeze.check();
            checked.map_err(|(key, problem)| invalid(&["freeze", key], problem))?;
        }
        for (path, scale) in self.learning_rate_scales() {
            if !(scale > 0.0 && scale <= MOST_SCALE) {
                let problem = format!(
                    "found {scale}, expected above 0 and at most {MOST_SCALE}; freeze = true keeps an encoder as it is"
                );
                return Err(document.invalid(&path, problem));
            }
        }
        let located = |role: Role| move |error: gblend_core::Error| document.refused(role.name(), error);
        let heads = self
            .heads()
            .map_err(|error| document.invalid(&["modality"], error.to_string()))?;
        let blend = self.start_blend(&heads).map_err(located(Role::Blend))?;
        if self.run.chunk.is_some() && blend.evidence().gradients != GradientEvidence::None {
            let strategy = self.blend.plugin.typetag_name();
            let problem = format!(
                "found {}, expected none: strategy `{strategy}` looks into gradients, which are not there before encoders ran again",
                self.run.chunk.unwrap_or_default()
            );
            return Err(document.invalid(&["run", "chunk"], problem));
        }
        let run = RunLength {
            steps_per_epoch: 1,
            epochs: 1,
        };
        self.optimizer
            .start(self.blend.pipeline.scale, run, 0)
            .map_err(located(Role::Optimizer))?;
        Ok(())
    }

    /// Starts the blend strategy with these heads, those of [`heads`](Self::heads).
    ///
    /// # Errors
    /// The strategy's, with the table before the key of a setting.
    pub fn start_blend(&self, heads: &Heads) -> gblend_core::Result<Box<dyn Blend>> {
        let own = self
            .modalities
            .iter()
            .map(|modality| modality.objective.as_ref()?.share());
        let shares: Vec<Option<f64>> = own.chain([None]).collect();
        self.blend.start(heads, &shares)
    }

    /// The configuration with every default written out, as it is kept in the run folder.
    ///
    /// # Errors
    /// [`ConfigError::Unwritable`] if a plugin has a setting that TOML cannot express.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        self.written_out(Some(self.base.clone()))
    }

    /// As [`to_toml`](Self::to_toml), but relative paths start from wherever the file is put.
    ///
    /// # Errors
    /// As [`to_toml`](Self::to_toml).
    pub fn to_portable_toml(&self) -> Result<String, ConfigError> {
        self.written_out(None)
    }

    fn written_out(&self, base: Option<PathBuf>) -> Result<String, ConfigError> {
        let mut run = self.run.clone();
        run.base = base;
        let mut document = toml::Table::new();
        document.insert("run".into(), section::to_value("run", &run)?);
        document.insert("data".into(), section::to_value("data", &self.data)?);
        let mut modalities = toml::Table::new();
        for modality in &self.modalities {
            let mut table = section::merge(&modality.name, &modality.plugin, &modality.pipeline)?;
            if let (toml::Value::Table(table), Some(objective)) = (&mut table, &modality.objective) {
                table.insert("objective".into(), section::to_value("objective", objective)?);
            }
            modalities.insert(modality.name.clone(), table);
        }
        document.insert("modality".into(), toml::Value::Table(modalities));
        let fusion = section::merge("fusion", &self.fusion.plugin, &self.fusion.pipeline)?;
        document.insert("fusion".into(), fusion);
        // What follows from the labels is not written out: the labels are not known here.
        if let Some(objective) = &self.objective {
            document.insert("objective".into(), section::to_value("objective", objective)?);
        }
        let blend = section::merge("blend", &self.blend.plugin, &self.blend.pipeline)?;
        document.insert("blend".into(), blend);
        let optimizer = section::merge("optimizer", &self.optimizer.plugin, &self.optimizer.pipeline)?;
        document.insert("optimizer".into(), optimizer);
        document.insert("log".into(), section::to_value("log", &self.log)?);
        document.insert(
            "checkpoint".into(),
            section::to_value("checkpoint", &self.checkpoint)?,
        );
        toml::to_string(&document).map_err(|error| ConfigError::Unwritable {
            table: "the configuration".into(),
            problem: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
