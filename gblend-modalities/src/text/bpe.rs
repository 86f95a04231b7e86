//! Byte-pair encoding, learned from counted words.
//!
//! Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016,
//! <https://arxiv.org/abs/1508.07909>, section 3.2. The trainer of the crate `tokenizers` goes through hash tables whose
//! order is another one in each process; this one breaks ties by the numbers of the tokens.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

/// A token, by its number.
type Id = u32;
type Pair = (Id, Id);

/// Tokens in the order in which they were found, and the pairs that they were merged of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Learned {
    pub(super) tokens: Vec<String>,
    pub(super) merges: Vec<(String, String)>,
}

/// How often a pair has to occur to become a token.
const LEAST: u64 = 2;

/// Merges the pair that occurs most often, over and over, until there are `most` tokens. Words are texts of characters of
/// the alphabet, with their counts.
pub(super) fn learn(alphabet: &[String], words: &BTreeMap<Vec<String>, u64>, most: usize) -> Learned {
    let mut tokens: Vec<String> = alphabet.to_vec();
    let mut ids: HashMap<String, Id> = tokens.iter().cloned().zip(0..).collect();
    let mut counted: Vec<(Vec<Id>, u64)> = Vec::with_capacity(words.len());
    for (word, &count) in words {
        counted.push((
            word.iter().filter_map(|part| ids.get(part).copied()).collect(),
            count,
        ));
    }
    let mut pairs = Pairs::default();
    for (place, (word, count)) in counted.iter().enumerate() {
        pairs.add(place, word, *count);
    }
    let mut merges = Vec::new();
    while tokens.len() < most {
        let Some(pair) = pairs.pop() else { break };
        let (left, right) = (&tokens[pair.0 as usize], &tokens[pair.1 as usize]);
        let merged = format!("{left}{right}");
        merges.push((left.clone(), right.clone()));
        let next = tokens.len() as Id;
        let id = *ids.entry(merged.clone()).or_insert(next);
        if id == next {
            tokens.push(merged);
        }
        for place in pairs.places_of(pair) {
            let (word, count) = &mut counted[place];
            pairs.remove(word, *count);
            *word = merge(word, pair, id);
            pairs.add(place, word, *count);
        }
        pairs.finish(pair);
    }
    Learned { tokens, merges }
}

/// A word with one token for each time that the pair stands in it, from its beginning on.
fn merge(word: &[Id], pair: Pair, id: Id) -> Vec<Id> {
    let mut merged = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, others @ ..] = rest {
        if (Some(first), Some(&pair.1)) == (Some(&pair.0), others.first()) {
            merged.push(id);
            rest = &others[1..];
        } else {
            merged.push(*first);
            rest = others;
        }
    }
    merged
}

/// How often each pair of neighbors occurs, and in which words.
#[derive(Debug, Default)]
struct Pairs {
    counts: HashMap<Pair, u64>,
    places: HashMap<Pair, BTreeSet<usize>>,
    /// Pairs by their counts at some time, the most frequent and of these the lowest first.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
    merged: BTreeSet<Pair>,
}

impl Pairs {
    fn add(&mut self, place: usize, word: &[Id], count: u64) {
        for pair in word.windows(2).map(|pair| (pair[0], pair[1])) {
            let counts = self.counts.entry(pair).or_default();
            *counts += count;
            self.queue.push((*counts, Reverse(pair)));
            self.places.entry(pair).or_default().insert(place);
        }
    }

    fn remove(&mut self, word: &[Id], count: u64) {
        for pair in word.windows(2).map(|pair| (pair[0], pair[1])) {
            if let Some(counts) = self.counts.get_mut(&pair) {
                *counts = counts.saturating_sub(count);
                self.queue.push((*counts, Reverse(pair)));
            }
        }
    }

    /// The pair that occurs most often, unless none occurs often enough.
    fn pop(&mut self) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            if count < LEAST {
                return None;
            }
            if self.counts.get(&pair) == Some(&count) && !self.merged.contains(&pair) {
                return Some(pair);
            }
        }
        None
    }

    /// The words that a pair has been in, in order.
    fn places_of(&mut self, pair: Pair) -> BTreeSet<usize> {
        self.places.remove(&pair).unwrap_or_default()
    }

    /// A pair is merged once.
    fn finish(&mut self, pair: Pair) {
        self.merged.insert(pair);
        self.counts.remove(&pair);
        self.places.remove(&pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letters(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    fn learned(words: &[(&str, u64)], most: usize) -> Learned {
        let alphabet: BTreeSet<String> = words.iter().flat_map(|(word, _)| letters(word)).collect();
        let alphabet: Vec<String> = alphabet.into_iter().collect();
        let words = words
            .iter()
            .map(|&(word, count)| (letters(word), count))
            .collect();
        learn(&alphabet, &words, most)
    }

    #[test]
    fn the_example_of_the_paper_is_learned_as_the_paper_learns_it() {
        // Section 3.2, where `·` is the end of a word; which of two pairs that occur as often comes first is not said there.
        let words = [("low·", 5), ("lower·", 2), ("newest·", 6), ("widest·", 3)];
        let found = learned(&words, 21);
        assert_eq!(found.merges[0], ("e".to_owned(), "s".to_owned()));
        for token in ["est·", "lo", "low", "newest·"] {
            assert!(
                found.tokens.iter().any(|found| found == token),
                "{token}: {found:?}"
            );
        }
    }

    #[test]
    fn a_pair_that_occurs_once_is_no_token() {
        assert_eq!(learned(&[("ab", 1), ("cd", 1)], 99).merges, []);
        assert_eq!(learned(&[("ab", 2), ("cd", 1)], 99).merges.len(), 1);
        assert_eq!(learned(&[("aaaa", 1)], 99).merges.len(), 1);
    }

    proptest! {
        #[test]
        fn tokens_are_unique_and_each_is_what_it_was_merged_of(
            words in proptest::collection::btree_map("[abc]{1,8}", 1_u64..9, 1..20), most in 3_usize..40,
        ) {
            let pairs: Vec<(&str, u64)> = words.iter().map(|(word, &count)| (word.as_str(), count)).collect();
            let found = learned(&pairs, most);
            let unique: BTreeSet<&String> = found.tokens.iter().collect();
            prop_assert_eq!(unique.len(), found.tokens.len());
            for (left, right) in &found.merges {
                for token in [left.clone(), right.clone(), format!("{left}{right}")] {
                    prop_assert!(unique.contains(&token));
                }
            }
            let merges: BTreeSet<_> = found.merges.iter().collect();
            prop_assert_eq!(merges.len(), found.merges.len());
            prop_assert_eq!(learned(&pairs, most), found);
        }
    }
}
