//! Labels of samples beside the one that heads learn.

/// A label that no head is asked for: what a feature space is judged by, or what says which samples are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherLabel {
    /// Its name, that of its column.
    pub name: String,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// The class of each sample, if it has one.
    pub of_samples: Vec<Option<u32>>,
}

impl FurtherLabel {
    /// The label called `name` of samples with these values, of which empty ones are none. Classes are in the order of their
    /// names.
    pub fn of_values<'v>(name: impl Into<String>, values: impl IntoIterator<Item = &'v str> + Clone) -> Self {
        let mut classes: Vec<&str> = values
            .clone()
            .into_iter()
            .filter(|value| !value.is_empty())
            .collect();
        classes.sort_unstable();
        classes.dedup();
        let of_samples = values.into_iter().map(|value| {
            let class = classes.binary_search(&value).ok().filter(|_| !value.is_empty());
            class.and_then(|class| u32::try_from(class).ok())
        });
        Self {
            name: name.into(),
            of_samples: of_samples.collect(),
            classes: classes.into_iter().map(str::to_owned).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_the_values_in_order_and_an_empty_one_is_none() {
        let label = FurtherLabel::of_values("color", ["red", "", "blue", "red"]);
        assert_eq!(label.classes, ["blue", "red"]);
        assert_eq!(label.of_samples, [Some(1), None, Some(0), Some(1)]);
    }
}
