//! `gblend estimate`.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use gblend_core::ogr::Movements;
use gblend_core::params::state_of;
use gblend_core::{BlendReport, BlendWeights, Estimate as Estimated, HeadReport, JOINT, Measurement};
use gblend_optim::blend::ogr::{Covariance, NoGain, Policy, PolicySettings, Smoothing, named_report};
use serde::Serialize;

use super::device::DeviceOption;
use super::distributed::DistributedOption;
use super::train::parse_overrides;
use super::{print, print_json};
use crate::commands::curves::Curves;
use crate::config::{Config, Override};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::ranks::Ranks;
use crate::records::FittedModalities;
use crate::tables::{blend_table, estimate_table};
use crate::training::open_together;
use crate::training::probe::{MadeEstimate, StartingPoint, estimate};
use crate::training::session::{threads_of_rank, with_threads};

/// Estimates blend weights, from a configuration's network or from loss curves, and trains nothing.
#[derive(Debug, Args)]
pub(super) struct Estimate {
    /// The configuration file. Without one, and without curves, the built-in scene is used.
    config: Option<PathBuf>,
    /// Loss curves in place of a configuration: a CSV file with the columns head,epoch,train_loss,val_loss.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "set", "seed", "device", "distributed"])]
    curves: Option<PathBuf>,
    /// The epoch of the curves to start from. Default: the first.
    #[arg(long, value_name = "EPOCH", requires = "curves")]
    from: Option<u64>,
    /// The epoch of the curves to end with. Default: the last.
    #[arg(long, value_name = "EPOCH", requires = "curves")]
    to: Option<u64>,
    /// Where the defaults of the options below come from. Default: the configuration's, or robust.
    #[arg(long, value_enum)]
    policy: Option<PolicyArgument>,
    /// What is assumed of the heads' overfitting.
    #[arg(long, value_enum)]
    covariance: Option<CovarianceArgument>,
    /// What to do if no head gains.
    #[arg(long, value_enum)]
    no_gain: Option<NoGainArgument>,
    /// Least |ΔO| of a head as a share of the largest.
    #[arg(long, value_name = "SHARE")]
    floor: Option<f64>,
    /// Least weight of the joint head, the one called `joint`.
    #[arg(long, value_name = "WEIGHT")]
    joint_floor: Option<f64>,
    /// Largest weight of any head.
    #[arg(long, value_name = "WEIGHT")]
    cap: Option<f64>,
    /// Share of equal weights in the blend.
    #[arg(long, value_name = "SHARE")]
    smoothing: Option<f64>,
    /// Overrides a key of the configuration, as in --set blend.estimator=gradient.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Overrides run.seed.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    distributed: DistributedOption,
    /// Prints JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

/// An option with the names of one of the strategy's settings.
macro_rules! argument {
    ($argument:ident for $setting:ident { $($variant:ident = $name:literal),* }) => {
        #[derive(Clone, Copy, Debug, ValueEnum)]
        enum $argument {
            $(#[allow(missing_docs)] $variant,)*
        }

        impl $argument {
            fn setting(self) -> $setting {
                match self {
                    $(Self::$variant => $setting::$variant,)*
                }
            }

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}
argument!(PolicyArgument for Policy { Paper = "paper", Robust = "robust" });
argument!(CovarianceArgument for Covariance { Diagonal = "diagonal", Full = "full" });
argument!(NoGainArgument for NoGain { Keep = "keep", Equal = "equal", Error = "error" });

/// An error of a setting, as one of the option that has it.
fn as_option(error: gblend_core::Error) -> gblend_core::Error {
    match error {
        gblend_core::Error::Setting { key, value, expected } => {
            gblend_core::Error::setting(format!("--{}", key.replace('_', "-")), value, expected)
        }
        other => other,
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Output {
    estimator: Measurement,
    policy: String,
    from: u64,
    /// Absent for the gradient estimator, which does not train.
    to: Option<u64>,
    heads: Vec<HeadReport>,
    ogr_blend: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Estimate {
    pub(super) fn run(self) -> Result<()> {
        let reporter = Reporter::new(self.quiet);
        match &self.curves {
            Some(path) => self.estimate_curves(&Curves::read(path)?, &reporter),
            None => self.distributed.run(|ranks| {
                let reporter = match ranks.is_first() {
                    true => reporter,
                    false => reporter.muted(),
                };
                self.estimate_network(ranks, &reporter)
            }),
        }
    }

    fn estimate_curves(&self, curves: &Curves, reporter: &Reporter) -> Result<()> {
        let span = curves.between(self.from, self.to)?;
        let names = curves.heads();
        let settings = PolicySettings {
            policy: self.policy.map(PolicyArgument::setting).unwrap_or_default(),
            covariance: self
                .covariance
                .map(CovarianceArgument::setting)
                .unwrap_or_default(),
            no_gain: self.no_gain.map(NoGainArgument::setting).unwrap_or_default(),
            floor: self.floor,
            joint_floor: self.joint_floor,
            cap: self.cap,
            smoothing: self.smoothing.map(Smoothing::Share),
        };
        let estimate = Estimated {
            estimator: Measurement::Curves,
            probe_epochs: None,
            gradients: None,
            movements: Movements::between(&span.before, &span.after),
            resampled: Vec::new(),
            groups: None,
        };
        let joint = names.iter().position(|name| name == JOINT);
        let equal = BlendWeights::equal(names.len()).map_err(gblend_core::Error::from)?;
        let rule = settings.rule(names.len()).map_err(as_option)?;
        let (_, mut report) = named_report(&rule, names, joint, &estimate, 0, &equal)?;
        if joint.is_none() {
            report.warnings.push(format!(
                "no head is called `{JOINT}`, so that all of them ({}) are taken for modalities alone, and no least weight is \
                 kept for a joint one; call the head of the joint network `{JOINT}` if there is one",
                names.join(", ")
            ));
        }
        let policy = match settings.policy {
            Policy::Paper => "paper",
            Policy::Robust => "robust",
        };
        self.show(
            report,
            policy.to_owned(),
            span.from,
            Some(span.to),
            None,
            reporter,
        )
    }

    fn estimate_network(&self, ranks: &Ranks, reporter: &Reporter) -> Result<()> {
        let config = self.config()?;
        let threads = threads_of_rank(config.run.threads, ranks);
        let (report, policy, elapsed) = with_threads(threads, || {
            let began = Instant::now();
            let (session, splits) = open_together(&config, &FittedModalities::default(), ranks, reporter)?;
            let mut blend = config.start_blend(&session.heads)?;
            let epochs = config.run.epochs;
            let Some(request) = blend.estimate_due(0, epochs) else {
                let kind = config.blend.plugin.typetag_name();
                return Err(Error::Usage(format!(
                    "the strategy `{kind}` asks for no estimate before training; --set blend.kind=ogr does"
                )));
            };
            let live = StartingPoint {
                epoch: 0,
                schedule_step: 0,
            };
            let state = state_of(&mut session.initial_model()?)?;
            let MadeEstimate { estimate, warning } =
                estimate(&session, &splits, &state, &request, live, None, reporter)?;
            let mut report = blend.take_estimate(0, &estimate)?;
            report.warnings.extend(warning);
            // Strategies other than `ogr` have no policy by that name.
            let settings = serde_json::to_value(&config.blend.plugin).unwrap_or_default();
            let policy = settings["policy"]
                .as_str()
                .unwrap_or(config.blend.plugin.typetag_name());
            Ok((report, policy.to_owned(), began.elapsed()))
        })
        .map_err(Error::located(&config))?;
        reporter.finish();
        if !ranks.is_first() {
            return Ok(());
        }
        let to = report.probe_epochs.map(|epochs| epochs as u64);
        self.show(report, policy, 0, to, Some(elapsed), reporter)
    }

    /// The configuration with the options applied; one whose strategy estimates nothing gets `ogr`.
    fn config(&self) -> Result<Config> {
        let path = self.config.as_deref();
        let mut overrides = parse_overrides(&self.set, self.seed)?;
        overrides.extend(self.device.overrides());
        let options = self.blend_overrides();
        let plain = Config::load(path, &overrides)?;
        let blend = plain.start_blend(&plain.heads()?)?;
        let estimates = blend.estimate_due(0, plain.run.epochs).is_some();
        if !estimates && !overrides.iter().any(|one| one.is_of(&["blend", "kind"])) {
            overrides.push(Override::new(&["blend", "kind"], "ogr"));
        }
        overrides.extend(options);
        Ok(Config::load(path, &overrides)?)
    }

    fn blend_overrides(&self) -> Vec<Override> {
        let text = [
            ("policy", self.policy.map(PolicyArgument::name)),
            ("covariance", self.covariance.map(CovarianceArgument::name)),
            ("no_gain", self.no_gain.map(NoGainArgument::name)),
        ];
        let numbers = [
            ("floor", self.floor),
            ("joint_floor", self.joint_floor),
            ("cap", self.cap),
            ("smoothing", self.smoothing),
        ];
        let text = text
            .into_iter()
            .filter_map(|(key, value)| Some(Override::new(&["blend", key], value?)));
        let numbers = numbers.into_iter();
        let numbers = numbers.filter_map(|(key, value)| Some(Override::new(&["blend", key], value?)));
        text.chain(numbers).collect()
    }

    fn show(
        &self,
        report: BlendReport,
        policy: String,
        from: u64,
        to: Option<u64>,
        elapsed: Option<std::time::Duration>,
        reporter: &Reporter,
    ) -> Result<()> {
        for warning in &report.warnings {
            reporter.warn(warning);
        }
        if !self.json {
            let table = match elapsed {
                Some(elapsed) => blend_table(&report, elapsed),
                None => estimate_table(&report),
            };
            let span = to.map_or(String::new(), |to| format!(", epoch {from} to {to}"));
            return print(&format!("{table}\npolicy {policy}{span}"));
        }
        print_json(&Output {
            estimator: report.estimator,
            policy,
            from,
            to,
            heads: report.heads,
            ogr_blend: report.ogr_blend,
            warnings: report.warnings,
        })
    }
}
