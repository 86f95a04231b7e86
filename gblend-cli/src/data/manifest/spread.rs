//! Numbers that are one number in 32 bits, wherever they come from: columns and lists of a table, rows of an array file, series
//! in files of their own.

/// Numbers of 32 bits that numbers have to span to be told apart.
const FEWEST: f64 = 32.0;
/// Rounding in 64 bits, up to which numbers do not differ.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// What some numbers span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    least: f64,
    most: f64,
    /// The first row with a number that 32 bits round.
    rounded: Option<usize>,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            rounded: None,
        }
    }
}

impl Spread {
    /// Takes a number of a row; what is none counts for nothing.
    pub(super) fn add(&mut self, row: usize, number: f64) {
        if !number.is_finite() {
            return;
        }
        (self.least, self.most) = (self.least.min(number), self.most.max(number));
        if self.rounded.is_none() && f64::from(number as f32) != number {
            self.rounded = Some(row);
        }
    }

    fn largest(&self) -> f64 {
        self.least.abs().max(self.most.abs())
    }

    /// The row of the first number that is rounded, where the numbers lie so far from 0, beside how much they differ, that few
    /// of them are left apart in 32 bits: times in seconds since 1970, or identifiers. In a network they would be one value,
    /// which is called constant and dropped. More numbers may free them of that, and never the other way round.
    pub(super) fn lost(&self) -> Option<usize> {
        let (spread, largest) = (self.most - self.least, self.largest());
        let step = largest * f64::from(f32::EPSILON);
        self.rounded
            .filter(|_| spread > ROUNDING * largest && spread < FEWEST * step)
    }

    /// The same of numbers so large that 32 bits round whole ones, as those of a series are in times and identifiers alone: what
    /// hardly moves in one series may in the others.
    pub(super) fn lost_as_whole(&self) -> Option<usize> {
        /// 2^24.
        const WHOLE: f64 = 16_777_216.0;
        self.lost().filter(|_| self.largest() >= WHOLE)
    }

    /// What the numbers are, and what is left of them.
    pub(super) fn told(&self) -> String {
        let step = self.largest() * f64::from(f32::EPSILON);
        let (least, most) = (self.least, self.most);
        let step = match step {
            0.01.. => format!("{step:.2}"),
            _ => format!("{step:.1e}"),
        };
        format!("numbers from {least} to {most}, which 32 bits hold to the nearest {step}: many would be one")
    }
}

/// The first of some columns whose numbers would be one, and how many there are.
pub(super) fn first_lost(
    spreads: &[Spread],
    lost: impl Fn(&Spread) -> Option<usize>,
) -> Option<(usize, &Spread, usize)> {
    let mut found = spreads
        .iter()
        .enumerate()
        .filter(|(_, spread)| lost(spread).is_some());
    let (column, spread) = found.next()?;
    Some((column, spread, 1 + found.count()))
}

/// What is wrong with arrays of several columns.
pub(super) fn problem((column, spread, count): (usize, &Spread, usize)) -> String {
    let others = match count {
        1 => String::new(),
        _ => format!(" (and {} other columns)", count - 1),
    };
    format!(
        "column {column}{others}: {}; subtract the least of them, or save them as 32-bit floats if what lies between them means \
         nothing",
        spread.told()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: &[f64]) -> Spread {
        let mut spread = Spread::default();
        for (row, &number) in numbers.iter().enumerate() {
            spread.add(row, number);
        }
        spread
    }

    #[test]
    fn numbers_that_32_bits_cannot_tell_apart_are_found_and_no_others() {
        let spread = of(&[1_700_000_000.0, 1_700_000_003.0, 1_700_000_011.0]);
        assert_eq!(spread.lost(), Some(1));
        assert!(
            spread.told().contains("from 1700000000 to 1700000011"),
            "{}",
            spread.told()
        );
        // np.float32(1700000000001) == np.float32(1700000000002)
        assert_eq!(of(&[1_700_000_000_001.0, 1_700_000_000_002.0]).lost(), Some(0));
        assert_eq!(
            of(&[f64::NAN, 20_240_101_120_000.0, 20_240_101_120_001.0]).lost(),
            Some(1)
        );
        for numbers in [
            // A day.
            &[1_700_000_000.0, 1_700_086_401.0][..],
            &[0.1, 0.2, f64::NAN],
            &[16_777_216.0, 16_777_218.0],
            // One number, with the rounding of a sum.
            &[0.3, 0.300_000_000_000_000_04],
            &[0.1, 0.1],
            &[f64::INFINITY],
            &[],
        ] {
            assert_eq!(of(numbers).lost(), None, "{numbers:?}");
        }
    }

    #[test]
    fn small_numbers_that_hardly_move_are_no_times() {
        let spread = of(&[1.000_000_01, 1.000_000_02]);
        assert_eq!((spread.lost(), spread.lost_as_whole()), (Some(0), None));
        assert!(of(&[1_700_000_001.0, 1_700_000_002.0]).lost_as_whole().is_some());
    }

    proptest! {
        #[test]
        fn more_numbers_never_lose_those_that_were_told_apart(numbers in prop::collection::vec(-1e9..1e9_f64, 2..20), more: f64) {
            let apart = of(&numbers).lost().is_none() && of(&numbers).most > of(&numbers).least;
            let with_more = of(&[&numbers[..], &[more]].concat());
            prop_assert!(!apart || with_more.lost().is_none() || of(&numbers).rounded.is_none());
        }
    }
}
