//! A strategy from outside says itself what the report should know of a run.

use gblend_cli::config::Config;
use gblend_cli::process::Interrupt;
use gblend_cli::progress::Reporter;
use gblend_cli::ranks::Ranks;
use gblend_cli::run_folder::Destination;
use gblend_cli::training::pipeline::{ProcessUse, Start, run};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, Evidence, Finding, Heads, Observation, Result, WeightSource,
    typetag,
};

use super::{Playground, playground};

/// Leaves the first head nearly dry.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields)]
#[schemars(crate = "gblend_core::schemars")]
struct Tide {
    /// The weight that the first head is left, of the others'.
    ebb: f64,
}

#[typetag::serde(name = "tide")]
impl BlendStrategy for Tide {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        let mut weights = vec![1.0; heads.len()];
        weights[0] = self.ebb;
        Ok(Box::new(Flowing {
            ebb: self.ebb,
            weights: BlendWeights::normalized(weights)?,
            losses: Vec::new(),
            steps: 0,
        }))
    }
}

gblend_core::register!(Blend, "tide" => Tide);

#[derive(Debug)]
struct Flowing {
    ebb: f64,
    weights: BlendWeights,
    losses: Vec<f64>,
    steps: usize,
}

impl Blend for Flowing {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            losses: true,
            ..Evidence::default()
        }
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        self.steps += 1;
        self.losses.clone_from(&observation.losses);
        Ok(())
    }

    fn advice(&self) -> Advice {
        Advice::of(WeightSource::Adapted)
            .against(
                Finding::StarvedHead,
                format!("Wait for the flood, with a blend.ebb above {}.", self.ebb),
            )
            .with_figures("level of the last step", &self.losses)
            .with_remark(format!("The tide ran through all of the {} steps.", self.steps))
    }
}

/// Trains with the strategy, here where it is known, and returns the page that the binary makes, where it is not.
fn page(p: &Playground, change: impl Fn(&std::path::Path)) -> String {
    let text = gblend_tests::TINY.replace("kind = \"equal\"", "kind = \"tide\"\nebb = 0.01");
    let config = Config::parse("tide.toml", &text, p.path(""), &[]).unwrap();
    let folder = p.path("run");
    let start = Start::New(Destination::Folder(folder.clone()));
    let interrupt = Interrupt::never();
    run(
        &config,
        &start,
        ProcessUse::Shared,
        &Ranks::alone(),
        &interrupt,
        &Reporter::new(true),
    )
    .unwrap();
    change(&folder);
    let page = super::report(p, &["run"]);
    std::fs::read_to_string(page).unwrap()
}

#[test]
fn a_strategy_from_outside_has_its_own_sentences_and_figures_on_the_page() {
    let p = playground();
    // Two epochs teach next to nothing, and without the classes of the test samples nobody knows what guessing is worth.
    let page = page(&p, |folder| {
        std::fs::remove_file(folder.join("test.json")).unwrap();
    });
    for part in [
        "such a head hardly learns. Wait for the flood, with a blend.ebb above 0.01.",
        "The tide ran through all of the 8 steps.",
        "What the strategy <code>tide</code> has found out",
        "level of the last step",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("blend.smoothing"));
}

#[test]
fn without_what_it_said_a_strategy_that_nobody_knows_is_spoken_for() {
    let p = playground();
    let page = page(&p, |folder| {
        std::fs::remove_file(folder.join("test.json")).unwrap();
        std::fs::remove_file(folder.join("advice.json")).unwrap();
    });
    assert!(page.contains("such a head hardly learns. Compare with blend.kind"));
    assert!(!page.contains("The tide"));
}
