//! Many short texts one after another, with little beside them.

/// Texts between two of which it is known where they begin.
const BLOCK: usize = 16;

/// Texts one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts {
    text: String,
    ends: Ends,
}

/// Where texts end.
#[derive(Clone, Debug, PartialEq)]
enum Ends {
    /// By their lengths in a byte each, and where every sixteenth begins.
    Short { lengths: Vec<u8>, starts: Vec<u32> },
    /// By themselves, where one is longer than a byte tells or all together are than four do.
    Any(Vec<u64>),
}

impl Default for Ends {
    fn default() -> Self {
        Self::Short {
            lengths: Vec::new(),
            starts: Vec::new(),
        }
    }
}

impl Texts {
    /// Adds one.
    pub(super) fn push(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.ends.push(start, text.len());
    }

    /// The one at a position; empty where there is none.
    pub(super) fn get(&self, position: usize) -> &str {
        let (start, end) = self.ends.of(position);
        self.text.get(start..end).unwrap_or_default()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match &self.ends {
            Ends::Short { lengths, .. } => lengths.len(),
            Ends::Any(ends) => ends.len(),
        }
    }

    /// What they take.
    pub(super) fn bytes(&self) -> usize {
        let ends = match &self.ends {
            Ends::Short { lengths, starts } => lengths.len() + size_of::<u32>() * starts.len(),
            Ends::Any(ends) => size_of::<u64>() * ends.len(),
        };
        self.text.len() + ends
    }

    /// Leaves no room for more.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        match &mut self.ends {
            Ends::Short { lengths, starts } => {
                lengths.shrink_to_fit();
                starts.shrink_to_fit();
            }
            Ends::Any(ends) => ends.shrink_to_fit(),
        }
    }
}

impl Ends {
    fn push(&mut self, start: usize, length: usize) {
        if let Self::Short { lengths, starts } = self {
            if let (Ok(start), Ok(length)) = (u32::try_from(start), u8::try_from(length)) {
                if lengths.len().is_multiple_of(BLOCK) {
                    starts.push(start);
                }
                return lengths.push(length);
            }
            let mut end = 0_u64;
            let ends = lengths.iter().map(|&length| {
                end += u64::from(length);
                end
            });
            *self = Self::Any(ends.collect());
        }
        if let Self::Any(ends) = self {
            ends.push((start + length) as u64);
        }
    }

    /// Where a text begins and ends; of one beyond the last, nothing.
    fn of(&self, position: usize) -> (usize, usize) {
        match self {
            Self::Short { lengths, starts } => {
                let Some(&length) = lengths.get(position) else {
                    return (0, 0);
                };
                let block = position / BLOCK;
                let before = lengths.get(block * BLOCK..position).unwrap_or_default();
                let before: usize = before.iter().map(|&length| usize::from(length)).sum();
                let start = starts.get(block).map_or(0, |&start| start as usize) + before;
                (start, start + usize::from(length))
            }
            Self::Any(ends) => match ends.get(position) {
                None => (0, 0),
                Some(&end) => {
                    let before = position.checked_sub(1).and_then(|before| ends.get(before));
                    (before.map_or(0, |&start| start as usize), end as usize)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_of_any_length_are_kept(
            lengths in proptest::collection::vec(prop_oneof![9 => 0_usize..20, 1 => 240_usize..300], 0..200),
        ) {
            let written: Vec<String> = lengths.iter().enumerate().map(|(row, &length)| format!("{row}").repeat(length)).collect();
            let mut texts = Texts::default();
            written.iter().for_each(|text| texts.push(text));
            texts.shrink();
            prop_assert_eq!(texts.len(), written.len());
            for (position, text) in written.iter().enumerate() {
                prop_assert_eq!(texts.get(position), text);
            }
            prop_assert_eq!(texts.get(written.len()), "");
            let long = written.iter().any(|text| text.len() > 255);
            prop_assert_eq!(matches!(texts.ends, Ends::Any(_)), long);
        }
    }

    #[test]
    fn texts_beyond_four_gigabytes_are_found() {
        let mut ends = Ends::default();
        for start in [0, 5, u32::MAX as usize, u32::MAX as usize + 5] {
            ends.push(start, 5);
        }
        assert!(matches!(ends, Ends::Any(_)));
        // Those before are counted from the beginning, as they lie.
        assert_eq!(ends.of(1), (5, 10));
        assert_eq!(ends.of(3), (15, u32::MAX as usize + 10));
        assert_eq!(ends.of(4), (0, 0));
    }
}
