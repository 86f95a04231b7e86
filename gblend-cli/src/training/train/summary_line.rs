//! An epoch in one line.

use crate::records::EpochMetrics;

/// `camera 1.234 (61 %), joint 0.987 (70 %)`: training loss and validation accuracy of the trained heads.
pub(super) fn summary_line(metrics: &EpochMetrics) -> String {
    let heads = metrics.heads.iter().filter_map(|head| {
        let train = head.train?;
        Some(match head.validation {
            Some(validation) => {
                format!(
                    "{} loss {:.3} val {:.1} %",
                    head.name,
                    train.loss,
                    100.0 * validation.accuracy
                )
            }
            None => format!("{} loss {:.3}", head.name, train.loss),
        })
    });
    heads.collect::<Vec<_>>().join(", ")
}
