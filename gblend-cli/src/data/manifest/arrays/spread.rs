//! Numbers that are one number in 32 bits.

use gblend_core::{Error, Result};

use super::super::table::Table;

/// Refuses a column whose numbers lie so far from 0, beside how much they differ, that few of them are left apart in 32 bits:
/// times in seconds since 1970, or identifiers. As a column of one value it would be called constant, and be dropped.
///
/// # Errors
/// [`Error::Data`] with what the numbers are, and what is left of them.
pub(super) fn check_spread(table: &Table, column: usize) -> Result<()> {
    /// Numbers of 32 bits that a column has to span.
    const FEWEST: f64 = 32.0;
    /// Rounding in 64 bits, up to which numbers do not differ.
    const ROUNDING: f64 = 64.0 * f64::EPSILON;
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut rounded = None;
    for row in 0..table.len() {
        let number = table.value(row, column).parse::<f64>();
        let Some(number) = number.ok().filter(|number| number.is_finite()) else {
            continue;
        };
        (least, most) = (least.min(number), most.max(number));
        if f64::from(number as f32) != number {
            rounded.get_or_insert(row);
        }
    }
    let largest = least.abs().max(most.abs());
    let (spread, step) = (most - least, largest * f64::from(f32::EPSILON));
    match rounded {
        Some(row) if spread > ROUNDING * largest && spread < FEWEST * step => Err(Error::data(
            table.place(row),
            format!(
                "column `{}` has numbers from {least} to {most}, which 32 bits hold to the nearest {step:.2}: many would be \
                 one; subtract the least of them, or leave the column out",
                table.columns()[column]
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_that_32_bits_cannot_tell_apart_are_refused_and_no_others() {
        let checked = |cells: &[&str]| {
            let text: String = cells.iter().map(|cell| format!("{cell},1\n")).collect();
            check_spread(&Table::csv("t", format!("x,y\n{text}").as_bytes()).unwrap(), 0)
        };
        let error = checked(&["1700000000", "1700000003", "1700000011"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("from 1700000000 to 1700000011"), "{error}");
        assert!(checked(&["", "20240101120000", "20240101120001"]).is_err());
        for cells in [
            // A day.
            &["1700000000", "1700086401"][..],
            &["0.1", "0.2", "nan", "x"],
            &["16777216", "16777218"],
            // One number, with the rounding of a sum.
            &["0.3", "0.30000000000000004"],
            &["0.1", "0.1"],
            &[""],
        ] {
            assert!(checked(cells).is_ok(), "{cells:?}");
        }
    }
}
