//! Names that are numbers: one number written in two ways is one class, and NaN is what is missing.

use std::collections::{HashMap, HashSet};

use gblend_core::{Error, Result};

use super::table::Table;

/// Whether a cell says that there is no number, as programs write it.
pub(super) fn is_nan(cell: &str) -> bool {
    cell.parse::<f64>().is_ok_and(f64::is_nan)
}

/// Whether every cell of a column that is filled is a number, if NaN is one, and some are.
pub(super) fn are_numbers(table: &Table, column: usize) -> bool {
    let cells = (0..table.len()).map(|row| table.value(row, column));
    let mut filled = cells.filter(|cell| !cell.is_empty()).peekable();
    let any = filled.peek().is_some();
    let mut numbers = 0;
    let all = filled.all(|cell| {
        let number = cell.parse::<f64>().is_ok_and(f64::is_finite);
        numbers += usize::from(number);
        number || is_nan(cell)
    });
    any && all && numbers > 0
}

/// Refuses a column that has one number written in two ways, such as `1` and `1.0`: as names they would be two, and nobody
/// means that. `cells` divides a cell into names; `advice` says what to do beside writing it in one way.
///
/// # Errors
/// [`Error::Data`] naming both, and where they stand.
pub(super) fn check_one_way<'t>(
    table: &'t Table,
    column: usize,
    names: impl Fn(&'t str) -> Vec<&'t str>,
    advice: &str,
) -> Result<()> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut first: HashMap<String, (&str, usize)> = HashMap::new();
    for row in 0..table.len() {
        for name in names(table.value(row, column)) {
            if !seen.insert(name) {
                continue;
            }
            let Some(number) = plain_number(name) else {
                continue;
            };
            let (written, at) = *first.entry(number).or_insert((name, row));
            if written != name {
                let problem = format!(
                    "column `{}` is `{name}`, and `{written}` at {}: one number, which would count as two different names; \
                     write it in one way{advice}",
                    table.columns()[column],
                    table.place(at)
                );
                return Err(Error::data(table.place(row), problem));
            }
        }
    }
    Ok(())
}

/// A decimal number as it is written shortest; exact, whatever its length. None for other text.
fn plain_number(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = match text.starts_with('-') && !(whole.is_empty() && fraction.is_empty()) {
        true => "-",
        false => "",
    };
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn checked(cells: &[&str]) -> Result<()> {
        let text = format!(
            "id,label\n{}",
            cells
                .iter()
                .enumerate()
                .map(|(row, cell)| format!("{row},{cell}\n"))
                .collect::<String>()
        );
        let table = Table::csv("t.csv", text.as_bytes()).unwrap();
        check_one_way(&table, 1, |cell| vec![cell], "")
    }

    #[test]
    fn one_number_in_two_ways_is_told_with_both_places() {
        for (cells, parts) in [
            (
                &["0", "1", "1.0", "0.0"][..],
                ["t.csv:4", "`1.0`, and `1` at t.csv:3"],
            ),
            (&["-0", "a", "0"], ["t.csv:4", "`0`, and `-0` at t.csv:2"]),
            (&["7", "", "007"], ["t.csv:4", "`007`"]),
        ] {
            let error = checked(cells).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        for cells in [
            &["0", "1", "1", "10"][..],
            &["a", "A", "1e1", "10", "0x1", "1"],
            // As floats these are one.
            &["12345678901234567890", "12345678901234567891"],
        ] {
            assert!(checked(cells).is_ok(), "{cells:?}");
        }
    }

    #[test]
    fn nan_is_missing_only_where_the_others_are_numbers() {
        let numbers =
            |cells: &str| are_numbers(&Table::csv("t", format!("a\n{cells}").as_bytes()).unwrap(), 0);
        assert!(numbers("0\nnan\n1.5\n") && numbers("1\nNaN\n"));
        assert!(!numbers("naan\nnan\nrice\n") && !numbers("nan\nNaN\n") && !numbers("1\ninf\n"));
    }

    proptest! {
        #[test]
        fn numbers_are_one_exactly_if_their_values_are(a in "-?[01]{1,3}(\\.[01]{0,2})?", b in "-?[01]{1,3}(\\.[01]{0,2})?") {
            let value = |text: &str| text.parse::<f64>().unwrap();
            prop_assert_eq!(plain_number(&a) == plain_number(&b), value(&a) == value(&b));
        }
    }
}
