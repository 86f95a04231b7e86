//! A plugin that is not found by its name: the kit says so, and no program starts with one.
//!
//! A program of its own, because what is registered here is wrong for everyone in it.
#![allow(clippy::unwrap_used)]

use gblend_core::conformance::{self, Rule};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::{
    Blend, BlendStrategy, BlendWeights, Error, Heads, Optimizer, OptimizerState, Result, Role, catalogue,
    typetag,
};

/// A strategy whose name is misspelt where it is registered.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Misspelt {}

#[typetag::serde(name = "halves-and-thirds")]
impl BlendStrategy for Misspelt {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        Ok(Box::new(Constant(BlendWeights::equal(heads.len())?)))
    }
}

gblend_core::register!(Blend, "halves-and-third" => Misspelt);

#[derive(Debug)]
struct Constant(BlendWeights);

impl Blend for Constant {
    fn weights(&self) -> &BlendWeights {
        &self.0
    }
}

/// An optimizer that nothing registers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "gblend_core::serde")]
struct Unregistered {}

#[typetag::serde(name = "unregistered")]
impl Optimizer for Unregistered {
    fn learning_rate(&self) -> f64 {
        0.1
    }

    fn start(&self) -> Result<Box<dyn OptimizerState>> {
        Err(Error::Device("it is never started".into()))
    }
}

#[test]
fn a_name_that_is_misspelt_where_it_is_registered_stops_the_program_as_it_starts() {
    let error = catalogue().unwrap_err();
    assert!(
        matches!(&error, Error::Misregistered { role: Role::Blend, kind, .. } if kind == "halves-and-third"),
        "{error}"
    );
    assert!(error.to_string().contains("only `halves-and-thirds`"), "{error}");
}

#[test]
fn the_kit_names_a_strategy_that_is_registered_under_another_name() {
    let violation = conformance::strategy(&Misspelt {}).unwrap_err();
    assert_eq!(violation.rule, Rule::RegisteredByName);
    let (expected, found) = (&violation.expected, &violation.found);
    assert!(
        expected.contains(r#"register!(Blend, "halves-and-thirds" => …)"#),
        "{violation}"
    );
    assert!(found.contains("`halves-and-third`"), "{violation}");
}

#[test]
fn the_kit_names_an_optimizer_that_is_not_registered() {
    let violation = conformance::optimizer(&Unregistered {}).unwrap_err();
    assert_eq!(violation.rule, Rule::RegisteredByName, "{violation}");
    assert_eq!(violation.found, "nothing that registers it");
}
