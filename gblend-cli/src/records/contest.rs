//! How a blend strategy was chosen by validation samples.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// How a blend strategy was chosen among others before training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// Those that were tried, in the order of the configuration.
    pub contenders: Vec<Contender>,
    /// The position of the one that was chosen.
    pub chosen: usize,
    /// Validation samples that it was chosen by.
    pub samples: usize,
    /// What it took.
    pub seconds: f64,
}

/// A strategy that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contender {
    /// Its kind and its settings.
    pub strategy: serde_json::Value,
    /// What each of its trainings came to; the next one was longer.
    pub rounds: Vec<ContestRound>,
}

/// One training of a contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContestRound {
    /// The epochs that it had.
    pub epochs: usize,
    /// The loss on the validation samples of what predicts, in the best of them; absent where the training failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Contender {
    /// The strategy's kind.
    pub fn kind(&self) -> &str {
        self.strategy["kind"].as_str().unwrap_or_default()
    }
}

impl Contest {
    /// A line for people, the last round first.
    pub fn text(&self) -> String {
        let chosen = self.contenders.get(self.chosen).map_or("", Contender::kind);
        let mut text = format!(
            "blend `auto` chose `{chosen}` of {} by the loss of what predicts on {} validation samples",
            self.contenders.len(),
            self.samples
        );
        let rounds = self
            .contenders
            .iter()
            .map(|contender| contender.rounds.len())
            .max();
        for round in (0..rounds.unwrap_or(0)).rev() {
            let of_round = self.contenders.iter().filter_map(|contender| {
                let outcome = contender.rounds.get(round)?;
                let loss = outcome
                    .loss
                    .map_or_else(|| "failed".to_owned(), |loss| format!("{loss:.3}"));
                Some((outcome.epochs, format!("{} {loss}", contender.kind())))
            });
            let of_round: Vec<(usize, String)> = of_round.collect();
            let Some(&(epochs, _)) = of_round.first() else {
                continue;
            };
            let said: Vec<String> = of_round.into_iter().map(|(_, said)| said).collect();
            // Writing to a string does not fail.
            let _ = write!(text, "; of {epochs} epochs: {}", said.join(", "));
        }
        text
    }
}
