//! The label, whatever its kind.

use gblend_core::label_objective::default_objective;
use gblend_core::{Criterion, Labels, Objective, ObjectiveContext, Result, Strata};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The label, as its kind asks for it: `single-label` for one class, `multi-label` for several, `regression` for a number. For a
/// modality's own head beside a joint one that matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Classify {}

#[typetag::serde(name = "classify")]
impl Objective for Classify {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        default_objective(cx.labels.kind())?.start(cx)
    }

    fn strata(&self, labels: &Labels) -> Strata {
        default_objective(labels.kind()).map_or(Strata::Whole, |objective| objective.strata(labels))
    }
}

gblend_core::register!(Objective, "classify" => Classify);
