//! What is compared: ways of training, each as overrides of one configuration.

use gblend_core::{Role, catalogue};

use crate::config::{Config, Override};
use crate::error::{Error, Result};
use crate::records::Row;

/// A way of training.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// One modality alone, without the others.
    Single(String),
    /// The joint loss alone: naive late fusion (Wang et al., CVPR 2020, equation 2).
    Joint,
    /// The joint loss alone with half of the joint head's hidden units dropped in training (ibid., table 2).
    Dropout,
    /// The joint loss alone from encoders that were trained alone (ibid., table 2).
    Pretrained,
    /// The joint loss with features that stay near those of encoders that were trained alone: uni-modal teachers (Du et al., "On
    /// Uni-Modal Feature Learning in Supervised Multi-Modal Learning", ICML 2023).
    Umt,
    /// The joint loss alone until the validation figure gets no better, with the best parameters (ibid., table 2).
    EarlyStop,
    /// The same weight for every head.
    Equal,
    /// The same weight for every head, and the joint head alone predicts and selects the epoch.
    EqualJoint,
    /// Gradient-Blending with one estimate before training (ibid., algorithm 2).
    Ogr,
    /// Gradient-Blending with an estimate in every super-epoch (ibid., algorithm 3).
    OgrOnline,
    /// A blend strategy by its kind, with the settings that the configuration has for it.
    Strategy(String),
    /// A name and overrides of the user's.
    Variant(String, Vec<Override>),
    /// Fixed weights of the heads, the joint one last.
    Fixed(Vec<f64>),
}

/// What a comparison runs if no methods are named; `single` stands for every modality.
pub const DEFAULT_METHODS: [&str; 8] = [
    "single",
    "joint",
    "dropout",
    "pretrained",
    "early-stop",
    "equal",
    "ogr",
    "ogr-online",
];

/// Epochs without a better validation figure after which early stopping stops, as a share of all epochs.
const PATIENCE: usize = 4;

/// Keys that a comparison sets for every run.
pub(super) const KEYS_OF_A_COMPARISON: [&str; 3] = ["run.seed", "run.fold", "run.fold_seed"];

impl Method {
    /// The methods of a name: `single` is one for each modality.
    ///
    /// # Errors
    /// [`Error::Usage`] with the names that there are.
    pub fn parse(name: &str, modalities: &[String]) -> Result<Vec<Self>> {
        Ok(vec![match name {
            "single" => return Ok(modalities.iter().cloned().map(Self::Single).collect()),
            "joint" => Self::Joint,
            "dropout" => Self::Dropout,
            "pretrained" => Self::Pretrained,
            "umt" => Self::Umt,
            "early-stop" => Self::EarlyStop,
            "equal" => Self::Equal,
            "equal-joint" => Self::EqualJoint,
            "ogr" => Self::Ogr,
            "ogr-online" => Self::OgrOnline,
            other => match catalogue()?.find(Role::Blend, other) {
                Ok(_) => Self::Strategy(other.to_owned()),
                Err(_) => return Err(unknown(other)?),
            },
        }])
    }

    /// `NAME KEY=VALUE KEY=VALUE …`: a method of the user's own.
    ///
    /// # Errors
    /// [`Error::Usage`] if the name is missing or cannot be a folder's; what an override has wrong.
    pub fn parse_variant(argument: &str) -> Result<Self> {
        let mut words = argument.split_whitespace();
        let name = words.next().unwrap_or_default();
        let allowed = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || !name.chars().all(allowed) || !name.starts_with(char::is_alphanumeric) {
            return Err(Error::Usage(format!(
                "--variant {argument:?}: found the name {name:?}, expected letters, digits, `-`, `_` and `.`, as in \
                 --variant \"adam optimizer.kind=adam optimizer.learning_rate=0.002\""
            )));
        }
        let overrides = words.map(str::parse).collect::<Result<Vec<Override>, _>>()?;
        if overrides.is_empty() {
            return Err(Error::Usage(format!(
                "--variant {argument:?}: found a name and no key, so that it would be the configuration as it is; expected \
                 \"NAME KEY=VALUE …\", as in --variant \"{name} optimizer.learning_rate=0.002\""
            )));
        }
        let own = KEYS_OF_A_COMPARISON.into_iter().find(|key| {
            let path: Vec<&str> = key.split('.').collect();
            overrides.iter().any(|change| change.is_of(&path))
        });
        if let Some(key) = own {
            return Err(Error::Usage(format!(
                "--variant {argument:?}: {key} is what a comparison sets itself, for all methods alike; --set is for all of them"
            )));
        }
        Ok(Self::Variant(name.to_owned(), overrides))
    }

    /// Its name in tables and results.
    pub fn name(&self) -> String {
        match self {
            Self::Single(modality) => format!("{}{modality}", Row::SINGLE),
            Self::Joint => "joint".into(),
            Self::Dropout => "dropout".into(),
            Self::Pretrained => "pretrained".into(),
            Self::Umt => "umt".into(),
            Self::EarlyStop => "early-stop".into(),
            Self::Equal => "equal".into(),
            Self::EqualJoint => "equal-joint".into(),
            Self::Ogr => "ogr".into(),
            Self::OgrOnline => "ogr-online".into(),
            Self::Strategy(kind) => kind.clone(),
            Self::Variant(name, _) => name.clone(),
            Self::Fixed(weights) => {
                let weights: Vec<String> = weights.iter().map(|weight| format!("{weight:.4}")).collect();
                format!("fixed:{}", weights.join("-"))
            }
        }
    }

    /// What it changes in a configuration. `single` gives the run folder of a modality that was trained alone.
    pub(super) fn overrides(&self, base: &Config, single: impl Fn(&str) -> String) -> Vec<Override> {
        let blend = |kind: &str| Override::new(&["blend", "kind"], kind);
        // What one head predicts is selected by how often it is right, as those do it who train one head.
        let alone = || Override::new(&["blend", "predict"], "joint");
        // The modalities that there are runs of.
        let alone_before = || {
            let modalities = base.modalities.iter();
            let trained = modalities.filter(|modality| modality.is_trained_alone());
            trained.map(|modality| modality.name.as_str())
        };
        match self {
            Self::Single(modality) => vec![
                blend("unimodal"),
                alone(),
                Override::new(&["blend", "head"], modality.as_str()),
            ],
            Self::Joint => vec![blend("joint"), alone()],
            Self::Dropout => vec![
                blend("joint"),
                alone(),
                Override::new(&["fusion", "head", "dropout"], 0.5),
            ],
            Self::Pretrained => {
                let encoders =
                    alone_before().map(|name| Override::new(&["modality", name, "pretrained"], single(name)));
                [blend("joint"), alone()].into_iter().chain(encoders).collect()
            }
            Self::Umt => {
                // One of each head's share, as of equal weights, so that the joint loss counts once and each teacher as much.
                let share = 1.0 / (base.modalities.len() + 1) as f64;
                let teachers = alone_before().map(|name| {
                    let to = toml::Table::from_iter([("run".to_owned(), single(name).into())]);
                    let anchor: [(String, toml::Value); 3] = [
                        ("kind".to_owned(), "anchor".into()),
                        ("share".to_owned(), share.into()),
                        ("to".to_owned(), to.into()),
                    ];
                    Override::new(&["modality", name, "objective"], toml::Table::from_iter(anchor))
                });
                [blend("equal"), alone()].into_iter().chain(teachers).collect()
            }
            Self::EarlyStop => {
                let patience = base.run.epochs.div_ceil(PATIENCE).min(i64::MAX as usize) as i64;
                let mut overrides = vec![
                    blend("joint"),
                    alone(),
                    Override::new(&["run", "select"], "best"),
                    Override::new(&["run", "patience"], patience),
                ];
                if base.run.validation == 0.0 {
                    // There is nothing to watch without; a dataset with validation samples of its own keeps to them.
                    overrides.push(Override::new(&["run", "validation"], 0.1));
                }
                overrides
            }
            Self::Equal => vec![blend("equal")],
            Self::EqualJoint => vec![blend("equal"), alone()],
            Self::Ogr => vec![blend("ogr"), Override::new(&["blend", "schedule"], "offline")],
            Self::OgrOnline => {
                let mut overrides = vec![blend("ogr"), Override::new(&["blend", "schedule"], "online")];
                // The strategy's own lengths are for runs of 20 epochs and more; a configuration that has the strategy
                // has its lengths too.
                let own = base.blend.plugin.typetag_name() == "ogr";
                let epochs = base.run.epochs;
                if !own && epochs < 20 {
                    let share = |part: usize| (epochs / part).max(1) as i64;
                    overrides.push(Override::new(&["blend", "warmup"], share(2)));
                    overrides.push(Override::new(&["blend", "super_epoch"], share(4)));
                }
                overrides
            }
            Self::Strategy(kind) => vec![blend(kind)],
            Self::Variant(_, overrides) => overrides.clone(),
            Self::Fixed(weights) => {
                let names = base.modalities.iter().map(|modality| modality.name.as_str());
                let names = names.chain([gblend_core::JOINT]);
                let weights = names
                    .zip(weights)
                    .map(|(name, &weight)| (name.to_owned(), weight));
                let weights: toml::Table = weights.map(|(name, weight)| (name, weight.into())).collect();
                vec![blend("fixed"), Override::new(&["blend", "weights"], weights)]
            }
        }
    }

    /// Whether a cell of `other` has to be done before one of this method.
    pub(super) fn needs(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Pretrained | Self::Umt, Self::Single(_)))
    }
}

fn unknown(name: &str) -> Result<Error> {
    let strategies = catalogue()?.of(Role::Blend).map(|plugin| plugin.kind);
    let named = DEFAULT_METHODS.into_iter().chain(["equal-joint", "umt"]);
    let known: Vec<&str> = named.clone().chain(strategies).collect();
    let nearest = gblend_core::registry::nearest(name, known.iter().copied());
    let hint = nearest
        .first()
        .map_or_else(String::new, |nearest| format!(", did you mean `{nearest}`?"));
    Ok(Error::Usage(format!(
        "--methods: unknown method `{name}`{hint}; known are {}, and the blend kinds {}",
        known[..named.clone().count()].join(", "),
        known[named.count()..].join(", ")
    )))
}
