//! The rows of text under a bar.

use crate::records::Figure;

/// More heads than this are not shown one by one.
const MOST_HEADS: usize = 8;

/// Columns that a head's name may take.
const LONGEST_NAME: usize = 20;

/// How far one head is.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadProgress {
    /// Its name.
    pub name: String,
    /// The weight of its loss in the last step.
    pub weight: f64,
    /// The mean training loss over the epoch so far; `None` for a head that is not trained.
    pub loss: Option<f64>,
    /// The main figure on the validation samples after the last epoch, if there were any.
    pub validation: Option<Figure>,
}

/// A row for each head, the joint one last. Of many heads, those between the first ones and the joint one share a row.
pub(super) fn table(heads: &[HeadProgress]) -> Vec<String> {
    let names = heads.iter().map(|head| head.name.chars().count());
    let width = names.max().unwrap_or(0).clamp(1, LONGEST_NAME);
    let row = |head: &HeadProgress| {
        let name = cut(&head.name, width);
        format!("  {name:<width$}  {}", figures(head))
    };
    if heads.len() <= MOST_HEADS {
        return heads.iter().map(row).collect();
    }
    let (first, rest) = heads.split_at(MOST_HEADS - 2);
    let Some((joint, others)) = rest.split_last() else {
        return first.iter().map(row).collect();
    };
    let together = HeadProgress {
        name: String::new(),
        weight: others.iter().map(|head| head.weight).sum(),
        loss: mean(others.iter().map(|head| head.loss)),
        validation: mean_figure(others),
    };
    let count = others.len();
    let together = format!("  {count} others, as sum and means: {}", figures(&together));
    first
        .iter()
        .map(row)
        .chain([together])
        .chain([row(joint)])
        .collect()
}

/// All heads in one line, the joint one first: what does not fit is cut at the end.
pub(super) fn short(heads: &[HeadProgress]) -> String {
    let trained = heads.iter().rev().filter(|head| head.loss.is_some());
    let mut parts: Vec<String> = trained
        .map(|head| {
            let name = cut(&head.name, LONGEST_NAME);
            match (head.validation, head.loss) {
                (Some(figure), _) => format!("{name} {} ({:.2})", figure.brief(), head.weight),
                (None, loss) => format!("{name} {:.2} ({:.2})", loss.unwrap_or(f64::NAN), head.weight),
            }
        })
        .collect();
    // Behind the joint head, in the order of the configuration.
    if let Some(others) = parts.get_mut(1..) {
        others.reverse();
    }
    parts.join("  ")
}

fn figures(head: &HeadProgress) -> String {
    let mut text = format!("weight {:.3}", head.weight);
    match head.loss {
        Some(loss) => text += &format!("  loss {loss:.3}"),
        None => text += "  not trained",
    }
    if let Some(figure) = head.validation {
        text += &format!("  validation {}", figure.text());
    }
    text
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Of the heads that are asked what the first one is.
fn mean_figure(heads: &[HeadProgress]) -> Option<Figure> {
    let figures = || heads.iter().filter_map(|head| head.validation);
    let format = figures().next()?.format;
    let alike = figures().map(|figure| (figure.format == format).then_some(figure.value));
    mean(alike).map(|value| Figure { value, format })
}

fn cut(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    name.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use gblend_core::MetricFormat;
    use proptest::prelude::*;

    use super::*;

    fn head(name: &str, weight: f64, loss: Option<f64>, validation: Option<f64>) -> HeadProgress {
        HeadProgress {
            name: name.into(),
            weight,
            loss,
            validation: validation.map(|value| Figure {
                value,
                format: MetricFormat::Percent,
            }),
        }
    }

    #[test]
    fn a_row_says_weight_loss_and_accuracy_of_its_head() {
        let heads = [
            head("camera", 0.25, Some(1.5), Some(0.5)),
            head("eye", 0.0, None, None),
            head("joint", 0.75, Some(1.0), None),
        ];
        assert_eq!(
            table(&heads),
            [
                "  camera  weight 0.250  loss 1.500  validation 50.0 %",
                "  eye     weight 0.000  not trained",
                "  joint   weight 0.750  loss 1.000",
            ]
        );
        assert_eq!(short(&heads), "joint 1.00 (0.75)  camera 50 % (0.25)");
    }

    #[test]
    fn many_heads_share_a_row_with_the_sum_of_their_weights_and_the_means_of_the_rest() {
        let mut heads: Vec<_> = (0..9)
            .map(|number| head(&format!("m{number}"), 0.0625, Some(f64::from(number)), Some(0.5)))
            .collect();
        heads.push(head("joint", 0.4375, Some(1.0), None));
        let rows = table(&heads);
        assert_eq!(rows.len(), 8);
        assert_eq!(
            rows[6],
            "  3 others, as sum and means: weight 0.188  loss 7.000  validation 50.0 %"
        );
        assert!(rows[7].starts_with("  joint"), "{rows:?}");
    }

    proptest! {
        #[test]
        fn there_are_never_more_rows_than_fit_and_never_a_line_break(
            names in proptest::collection::vec("[a-zà-ÿ_]{1,40}", 0..40),
            loss: Option<f64>,
        ) {
            let heads: Vec<_> = names.iter().map(|name| head(name, 0.5, loss, loss)).collect();
            let rows = table(&heads);
            prop_assert_eq!(rows.len(), heads.len().min(MOST_HEADS));
            prop_assert!(rows.iter().chain([&short(&heads)]).all(|row| !row.contains('\n')));
        }
    }
}
