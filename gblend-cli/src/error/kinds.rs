//! Many problems of few kinds, a line for each kind.

use gblend_core::Error;

/// So many alike are listed each for itself.
const FEW: usize = 3;

/// As many lines as anyone reads.
const MOST: usize = 20;

/// Problems by kind, each with the first of it; all of them, where they are few. What is alike but for names, paths and
/// numbers is of one kind.
pub(crate) fn lines_by_kind(problems: &[Error]) -> Vec<String> {
    let mut kinds: Vec<(String, Vec<String>)> = Vec::new();
    for problem in problems {
        let kind = kind(problem);
        match kinds.iter().position(|(known, _)| *known == kind) {
            Some(known) => kinds[known].1.push(problem.to_string()),
            None if kinds.len() < MOST => kinds.push((kind, vec![problem.to_string()])),
            // The last line is for all others.
            None => kinds[MOST - 1].1.push(problem.to_string()),
        }
    }
    let mut folded = false;
    let mut lines = Vec::new();
    for (_, alike) in kinds {
        if alike.len() <= FEW {
            lines.extend(alike);
        } else {
            folded = true;
            lines.push(format!("{}, and {} more like it", alike[0], alike.len() - 1));
        }
    }
    if folded {
        lines.push("`gblend check --all` lists every one".to_owned());
    }
    lines
}

/// A problem without what is of one sample alone.
fn kind(problem: &Error) -> String {
    match problem {
        Error::Data { location, problem } => {
            let of = location.rsplit(", ").next();
            let of = of.filter(|of| of.starts_with("stream ") || of.starts_with("modality "));
            format!("{} {}", of.unwrap_or_default(), without_names(problem))
        }
        other => without_names(&other.to_string()),
    }
}

fn without_names(text: &str) -> String {
    // What stands in quotes, then what looks like a path, then digits.
    let plain: Vec<&str> = text.split('`').step_by(2).collect();
    let plain = plain.join("`");
    let words = plain.split_whitespace().map(|word| {
        let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
        match inner.contains(['/', '.', '\\']) {
            true => "/".to_owned(),
            false => word.chars().filter(|c| !c.is_ascii_digit()).collect(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(sample: usize) -> Error {
        Error::data(
            format!("t.csv:{sample}: sample s{sample}, stream camera"),
            format!("clips/c{sample}.png: not found in /data"),
        )
    }

    #[test]
    fn many_of_a_kind_are_one_line_with_their_number_and_the_first() {
        let mut problems: Vec<Error> = (2..322).map(missing).collect();
        problems.insert(
            7,
            Error::data("t.csv:9: sample s9", "unknown label `x`, expected one of: a, b"),
        );
        problems.push(Error::data(
            "t.csv:10: sample s10",
            "unknown label `y`, expected one of: a, b",
        ));
        let lines = lines_by_kind(&problems);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(
            lines[0].contains("sample s2") && lines[0].ends_with("and 319 more like it"),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains("`x`") && lines[2].contains("`y`"), "{lines:?}");
        assert!(lines[3].contains("check --all"), "{lines:?}");
    }

    #[test]
    fn a_few_are_listed_and_streams_are_told_apart() {
        let other = Error::data(
            "t.csv:5: sample s5, stream sound",
            "clips/c5.wav: not found in /data",
        );
        let problems = [missing(2), missing(3), missing(4), other];
        let lines = lines_by_kind(&problems);
        assert_eq!(lines, problems.map(|problem| problem.to_string()));
    }

    #[test]
    fn no_number_of_kinds_floods_the_screen() {
        let words = |number: usize| "x".repeat(number + 1);
        let problems: Vec<Error> = (0..500).map(|n| Error::data("a", words(n))).collect();
        assert!(lines_by_kind(&problems).len() <= MOST + 1);
    }
}
