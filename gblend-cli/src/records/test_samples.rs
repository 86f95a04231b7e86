//! `test_samples.csv`: the main figure of every test sample by each way of predicting.

use csv::{ReaderBuilder, StringRecord, Writer};

use super::{PredictionRule, SampleFigures};

/// What stands before the columns of rules.
const COLUMNS: [&str; 3] = ["sample", "group", "label"];

/// The main figure of a run, sample by sample: of classification whether a sample is right, of numbers the error.
///
/// A column `FIGURE.RULE`, as in `accuracy.joint`, has a number for each sample that the rule predicts and that has a label;
/// their mean is the figure in `summary.json`. Without such columns, the objective does not say what the figure is the mean of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestSamples {
    /// The key of the figure, such as `accuracy`; empty where there is none.
    pub figure: String,
    /// The ways of predicting.
    pub rules: Vec<PredictionRule>,
    /// The samples, in the order of the test.
    pub samples: Vec<TestSample>,
}

/// One test sample.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSample {
    /// Its name in the dataset.
    pub name: String,
    /// Its group, such as a subject.
    pub group: Option<String>,
    /// Its label, for people.
    pub label: String,
    /// Its figure by each rule; `None` where the rule has nothing to say.
    pub figures: Vec<Option<f64>>,
}

impl TestSamples {
    /// The name of the file.
    pub const FILE: &str = "test_samples.csv";

    /// The figures of one rule, if they are of this kind.
    pub fn of(&self, figure: &str, rule: PredictionRule) -> Option<SampleFigures> {
        let position = self.rules.iter().position(|other| *other == rule)?;
        let known = self.samples.iter().filter_map(|sample| {
            let value = sample.figures.get(position).copied().flatten()?;
            Some((sample.name.as_str(), sample.group.as_deref(), value))
        });
        (self.figure == figure)
            .then(|| SampleFigures::new(known))
            .flatten()
    }

    /// The text of the file.
    ///
    /// # Errors
    /// What the writer of the table says, which never fails in memory.
    pub fn to_text(&self) -> Result<Vec<u8>, String> {
        let mut table = Writer::from_writer(Vec::new());
        let rules = self
            .rules
            .iter()
            .map(|rule| format!("{}.{}", self.figure, rule.name()));
        let header: Vec<String> = COLUMNS.map(str::to_owned).into_iter().chain(rules).collect();
        table.write_record(&header).map_err(|error| error.to_string())?;
        for sample in &self.samples {
            let figures = sample.figures.iter();
            // As many digits as it takes to read the same number again.
            let figures = figures.map(|figure| figure.map_or_else(String::new, |figure| figure.to_string()));
            let row = [
                sample.name.clone(),
                sample.group.clone().unwrap_or_default(),
                sample.label.clone(),
            ];
            let row: Vec<String> = row.into_iter().chain(figures).collect();
            table.write_record(&row).map_err(|error| error.to_string())?;
        }
        table.into_inner().map_err(|error| error.to_string())
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().from_reader(bytes);
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let (figure, rules) = columns(&header)?;
        let mut samples = Vec::new();
        let mut record = StringRecord::new();
        while reader
            .read_record(&mut record)
            .map_err(|error| error.to_string())?
        {
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |position: usize| record.get(position).unwrap_or_default();
            let figures = record.iter().skip(COLUMNS.len()).map(|cell| match cell {
                "" => Ok(None),
                cell => match cell.parse::<f64>() {
                    Ok(figure) if figure.is_finite() => Ok(Some(figure)),
                    _ => Err(format!(
                        "line {line}: found `{cell}`, expected a number or nothing"
                    )),
                },
            });
            samples.push(TestSample {
                name: cell(0).to_owned(),
                group: Some(cell(1)).filter(|group| !group.is_empty()).map(str::to_owned),
                label: cell(2).to_owned(),
                figures: figures.collect::<Result<_, _>>()?,
            });
        }
        Ok(Self {
            figure,
            rules,
            samples,
        })
    }
}

/// The figure and the rules that a header names.
fn columns(header: &StringRecord) -> Result<(String, Vec<PredictionRule>), String> {
    let found = || header.iter().take(16).collect::<Vec<_>>().join(",");
    if header.len() < COLUMNS.len()
        || header
            .iter()
            .zip(COLUMNS)
            .any(|(found, expected)| found != expected)
    {
        return Err(format!(
            "found the columns `{}`, expected `{}` and one FIGURE.RULE for each way of predicting",
            found(),
            COLUMNS.join(",")
        ));
    }
    let mut figure: Option<&str> = None;
    let mut rules = Vec::new();
    for column in header.iter().skip(COLUMNS.len()) {
        let parts = column.rsplit_once('.').and_then(|(figure, rule)| {
            let rule = PredictionRule::ALL
                .into_iter()
                .find(|known| known.name() == rule)?;
            Some((figure, rule))
        });
        match parts {
            Some((name, rule)) if *figure.get_or_insert(name) == name && !rules.contains(&rule) => {
                rules.push(rule);
            }
            _ => {
                return Err(format!(
                    "found the column `{column}` in `{}`, expected one FIGURE.RULE for each way of predicting, all of the same figure",
                    found()
                ));
            }
        }
    }
    Ok((figure.unwrap_or_default().to_owned(), rules))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn samples() -> impl Strategy<Value = TestSamples> {
        let sample = (
            any::<String>(),
            proptest::option::of("[a-z,\"\n]{1,4}"),
            any::<String>(),
        );
        let number = proptest::option::of(prop_oneof![Just(0.0), Just(1.0), -1e300_f64..1e300]);
        let sample =
            (sample, proptest::collection::vec(number, 2)).prop_map(|((name, group, label), figures)| {
                TestSample {
                    name,
                    group,
                    label,
                    figures,
                }
            });
        proptest::collection::vec(sample, 0..6).prop_map(|samples| TestSamples {
            figure: "mae".into(),
            rules: vec![PredictionRule::Joint, PredictionRule::Pool],
            samples,
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(samples in samples()) {
            let text = samples.to_text().unwrap();
            prop_assert_eq!(TestSamples::parse(&text).unwrap(), samples);
        }

        #[test]
        fn whatever_is_in_the_file_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = TestSamples::parse(&bytes);
            let _ = TestSamples::parse(&[b"sample,group,label,mae.joint\n", &bytes[..]].concat());
        }
    }

    #[test]
    fn a_rule_has_the_figures_of_the_samples_that_it_predicts() {
        let text =
            b"sample,group,label,accuracy.joint,accuracy.mean\na,s1,cat,1,0\nb,s2,dog,,1\n\"c,d\",,dog,0,1\n";
        let found = TestSamples::parse(text).unwrap();
        assert_eq!((found.samples.len(), found.samples[2].name.as_str()), (3, "c,d"));
        assert_eq!(found.of("accuracy", PredictionRule::Joint).unwrap().mean(), 0.5);
        assert_eq!(found.of("mae", PredictionRule::Joint), None);
        assert_eq!(found.of("accuracy", PredictionRule::Pool), None);
        // Without a figure of samples the file names them alone.
        let none = TestSamples::parse(b"sample,group,label\na,,cat\n").unwrap();
        assert_eq!((none.rules.len(), none.samples.len()), (0, 1));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let refused = |text: &str| TestSamples::parse(text.as_bytes()).unwrap_err();
        assert!(refused("id,label\n").contains("found the columns `id,label`"));
        assert!(refused("sample,group,label,accuracy\n").contains("`accuracy`"));
        assert!(refused("sample,group,label,accuracy.joint,mae.mean\n").contains("`mae.mean`"));
        assert!(refused("sample,group,label,accuracy.joint,accuracy.joint\n").contains("FIGURE.RULE"));
        assert!(
            refused("sample,group,label,accuracy.joint\na,,x,1\nb,,x,right\n")
                .contains("line 3: found `right`")
        );
        assert!(refused("sample,group,label,accuracy.joint\na,,x,NaN\n").contains("`NaN`"));
        assert!(refused("sample,group,label,accuracy.joint\na,,x\n").contains("line: 2"));
    }
}
