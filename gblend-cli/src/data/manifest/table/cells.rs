//! The cells of a column in few bytes: a value that recurs is kept once, and a cell has its number.

use std::collections::HashMap;

use super::texts::Texts;

/// Different values up to which a column is taken to be one of few, whatever they are.
const FEW: usize = 1024;
/// Different values that a number of 16 bits tells apart.
const MOST: usize = 1 << 16;

/// The texts of a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cells {
    /// Empty cells ahead of those that are kept.
    ahead: usize,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq)]
enum Kept {
    /// Of each cell the number of its value.
    Numbered { numbers: Numbers, values: Texts },
    /// Of each cell its text.
    Texts(Texts),
}

impl Default for Kept {
    fn default() -> Self {
        Self::Numbered {
            numbers: Numbers::Byte(Vec::new()),
            values: Texts::default(),
        }
    }
}

impl Cells {
    /// The text of a cell; empty where there is none.
    pub(super) fn get(&self, row: usize) -> &str {
        let Some(cell) = row.checked_sub(self.ahead) else {
            return "";
        };
        match &self.kept {
            Kept::Numbered { numbers, values } => numbers.get(cell).map_or("", |value| values.get(value)),
            Kept::Texts(texts) => texts.get(cell),
        }
    }

    fn len(&self) -> usize {
        self.ahead
            + match &self.kept {
                Kept::Numbered { numbers, .. } => numbers.len(),
                Kept::Texts(texts) => texts.len(),
            }
    }

    fn bytes(&self) -> usize {
        match &self.kept {
            Kept::Numbered { numbers, values } => numbers.bytes() + values.bytes(),
            Kept::Texts(texts) => texts.bytes(),
        }
    }
}

/// Cells that are being gathered.
#[derive(Debug, Default)]
pub(super) struct CellsBuilder {
    cells: Cells,
    /// The number of each value, as long as cells have numbers.
    known: HashMap<Box<str>, usize>,
}

impl CellsBuilder {
    /// No cells yet but for empty ones, so many of them.
    pub(super) fn after(ahead: usize) -> Self {
        let mut builder = Self::default();
        builder.cells.ahead = ahead;
        builder
    }

    /// Sets the cell of a row beyond all that there are; those between are empty. Returns the bytes that it takes.
    pub(super) fn set(&mut self, row: usize, text: &str) -> usize {
        let before = self.cells.bytes();
        for _ in self.cells.len()..row {
            self.push("");
        }
        self.push(text);
        self.cells.bytes().saturating_sub(before)
    }

    fn push(&mut self, text: &str) {
        let (numbers, values) = match &mut self.cells.kept {
            Kept::Texts(texts) => return texts.push(text),
            Kept::Numbered { numbers, values } => (numbers, values),
        };
        if let Some(&number) = self.known.get(text) {
            return numbers.push(number);
        }
        let number = values.len();
        if number < FEW || number < MOST && 2 * number <= numbers.len() {
            numbers.push(number);
            values.push(text);
            self.known.insert(text.into(), number);
            return;
        }
        let mut texts = Texts::default();
        for cell in 0..numbers.len() {
            texts.push(numbers.get(cell).map_or("", |value| values.get(value)));
        }
        texts.push(text);
        self.cells.kept = Kept::Texts(texts);
        self.known = HashMap::new();
    }

    /// The cells, without room for more.
    pub(super) fn finish(mut self) -> Cells {
        match &mut self.cells.kept {
            Kept::Numbered { numbers, values } => {
                numbers.shrink();
                values.shrink();
            }
            Kept::Texts(texts) => texts.shrink(),
        }
        self.cells
    }
}

/// Numbers below [`MOST`], in a byte each as long as that is enough.
#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    Byte(Vec<u8>),
    Two(Vec<u16>),
}

impl Numbers {
    fn push(&mut self, number: usize) {
        if let Self::Byte(bytes) = self {
            match u8::try_from(number) {
                Ok(number) => return bytes.push(number),
                Err(_) => *self = Self::Two(bytes.iter().map(|&number| u16::from(number)).collect()),
            }
        }
        if let Self::Two(numbers) = self {
            debug_assert!(number < MOST);
            numbers.push(number as u16);
        }
    }

    fn get(&self, cell: usize) -> Option<usize> {
        match self {
            Self::Byte(numbers) => numbers.get(cell).map(|&number| usize::from(number)),
            Self::Two(numbers) => numbers.get(cell).map(|&number| usize::from(number)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Byte(numbers) => numbers.len(),
            Self::Two(numbers) => numbers.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Byte(numbers) => numbers.len(),
            Self::Two(numbers) => 2 * numbers.len(),
        }
    }

    fn shrink(&mut self) {
        match self {
            Self::Byte(numbers) => numbers.shrink_to_fit(),
            Self::Two(numbers) => numbers.shrink_to_fit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gathered(cells: &[String]) -> Cells {
        let mut builder = CellsBuilder::default();
        for (row, text) in cells.iter().enumerate() {
            builder.set(row, text);
        }
        builder.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn cells_are_kept_as_they_were_however_many_values_there_are(
            rows in 1_usize..6000, values in 1_usize..6000, ahead in 0_usize..3,
        ) {
            let text = |row: usize| match row * 7919 % values {
                0 => String::new(),
                value => format!("value {value}"),
            };
            let mut builder = CellsBuilder::after(ahead);
            let mut taken = 0;
            // Every third cell is not set.
            for row in (0..rows).filter(|row| row % 3 > 0) {
                taken += builder.set(ahead + row, &text(row));
            }
            let cells = builder.finish();
            prop_assert_eq!(taken > 0, rows > 1);
            for row in 0..rows + 2 {
                let expected = if row % 3 > 0 && row < rows { text(row) } else { String::new() };
                prop_assert_eq!(cells.get(ahead + row), expected);
            }
            prop_assert!((0..ahead).all(|row| cells.get(row).is_empty()));
        }
    }

    #[test]
    fn a_million_cells_of_few_values_take_a_byte_each_and_of_many_their_text() {
        let rows = 1_000_000_usize;
        let few: Vec<String> = (0..rows).map(|row| format!("class {}", row % 200)).collect();
        let some: Vec<String> = (0..rows).map(|row| format!("subject {}", row / 50)).collect();
        let each: Vec<String> = (0..rows).map(|row| format!("{row:08}")).collect();
        for (cells, most) in [(few, 1.01), (some, 2.5), (each, 9.6)] {
            let kept = gathered(&cells);
            let per_cell = kept.bytes() as f64 / rows as f64;
            assert!(per_cell <= most, "{per_cell} {}", cells[1]);
            assert_eq!(kept.get(777_777), cells[777_777]);
        }
    }
}
