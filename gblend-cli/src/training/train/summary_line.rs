//! An epoch in one line.

use crate::network::Criteria;
use crate::records::{EpochMetrics, Figure, Metrics};

/// `camera loss 1.234 val 61.0 %, joint loss 0.987 val 70.2 %`: training loss and main validation figure of the trained
/// heads.
pub(super) fn summary_line(metrics: &EpochMetrics, criteria: &Criteria) -> String {
    let heads = metrics.heads.iter().enumerate().filter_map(|(position, head)| {
        let loss = head.train?.loss;
        let validation = main_figure(criteria, position, head.validation.as_ref());
        Some(match validation {
            Some(figure) => format!("{} loss {loss:.3} val {}", head.name, figure.text()),
            None => format!("{} loss {loss:.3}", head.name),
        })
    });
    heads.collect::<Vec<_>>().join(", ")
}

/// The main figure of a head.
pub(super) fn main_figure(criteria: &Criteria, head: usize, metrics: Option<&Metrics>) -> Option<Figure> {
    let main = criteria.of(head).get().metric_kinds().first()?;
    Some(Figure::new(metrics?.get(&main.name)?, main))
}
