//! Changes to inputs, the same ones in every run.
//!
//! Beside the usual flips, cuts and splices these write extreme numbers, binary and decimal, where a file may
//! keep its sizes. libFuzzer, which is guided by coverage, finds more; this needs nothing but a stable compiler.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The longest input in bytes.
const LONGEST: usize = 1 << 16;

/// Accepted inputs that are kept beside the corpus, to go on from.
const KEPT: usize = 256;

/// A stream of inputs for one target.
#[derive(Debug)]
pub struct Inputs {
    corpus: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
    seed: u64,
}

impl Inputs {
    /// Inputs from a corpus that has at least one; other seeds give other inputs.
    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        Self {
            corpus,
            kept: Vec::new(),
            seed,
        }
    }

    /// The input of this number.
    pub fn get(&self, number: u64, repair: Option<fn(&mut [u8])>) -> Vec<u8> {
        let mut rng = self.rng(number);
        let mut bytes = if rng.random_ratio(1, 64) {
            let mut bytes = vec![0; rng.random_range(0..256)];
            rng.fill_bytes(&mut bytes);
            bytes
        } else {
            self.any(&mut rng).to_vec()
        };
        for _ in 0..1 << rng.random_range(0..4) {
            self.change(&mut bytes, &mut rng);
        }
        bytes.truncate(LONGEST);
        if let Some(repair) = repair
            && rng.random_ratio(7, 8)
        {
            repair(&mut bytes);
        }
        bytes
    }

    /// Tells of an input that was accepted.
    pub fn keep(&mut self, number: u64, bytes: Vec<u8>) {
        if self.kept.len() < KEPT {
            self.kept.push(bytes);
        } else {
            let place = (number as usize).wrapping_mul(31) % KEPT;
            self.kept[place] = bytes;
        }
    }

    fn rng(&self, number: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        rng
    }

    fn any(&self, rng: &mut ChaCha8Rng) -> &[u8] {
        let pool = if self.kept.is_empty() || rng.random() {
            &self.corpus
        } else {
            &self.kept
        };
        &pool[rng.random_range(0..pool.len())]
    }

    fn change(&self, bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
        match rng.random_range(0..10) {
            0 => {
                if let Some(byte) = pick(bytes, rng) {
                    *byte ^= 1 << rng.random_range(0..8);
                }
            }
            1 => {
                if let Some(byte) = pick(bytes, rng) {
                    *byte = rng.random();
                }
            }
            2 | 3 => write_number(bytes, rng),
            4 => write_decimal(bytes, rng),
            5 => bytes.truncate(rng.random_range(0..=bytes.len())),
            6 => {
                let range = range(bytes, rng);
                bytes.drain(range);
            }
            7 => {
                let copy = bytes[range(bytes, rng)].to_vec();
                insert(bytes, &copy, rng);
            }
            8 => {
                let other = self.any(rng);
                let copy = other[range(other, rng)].to_vec();
                insert(bytes, &copy, rng);
            }
            _ => {
                // The beginning of one and the end of another.
                let other = self.any(rng);
                let tail = &other[rng.random_range(0..=other.len())..];
                bytes.truncate(rng.random_range(0..=bytes.len()));
                bytes.extend(tail);
            }
        }
    }
}

fn pick<'a>(bytes: &'a mut [u8], rng: &mut ChaCha8Rng) -> Option<&'a mut u8> {
    if bytes.is_empty() {
        return None;
    }
    let at = rng.random_range(0..bytes.len());
    bytes.get_mut(at)
}

fn range(bytes: &[u8], rng: &mut ChaCha8Rng) -> std::ops::Range<usize> {
    let start = rng.random_range(0..=bytes.len());
    let most = (bytes.len() - start).min(1 << rng.random_range(0..12));
    start..start + rng.random_range(0..=most)
}

fn insert(bytes: &mut Vec<u8>, inserted: &[u8], rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=bytes.len());
    bytes.splice(at..at, inserted.iter().copied());
}

/// A number at the edge of something, or close to it.
fn extreme(length: usize, rng: &mut ChaCha8Rng) -> u64 {
    let edge = match rng.random_range(0..6) {
        0 => 0,
        1 => length as u64,
        2 => u64::MAX,
        // Products of two or three of these are near 2^64.
        3 => 1 << rng.random_range(0..64),
        4 => u64::MAX >> rng.random_range(0..64),
        _ => rng.random(),
    };
    edge.wrapping_add(rng.random_range(0..5)).wrapping_sub(2)
}

fn write_number(bytes: &mut [u8], rng: &mut ChaCha8Rng) {
    let width = [1, 2, 4, 8][rng.random_range(0..4)];
    if bytes.len() < width {
        return;
    }
    // Headers are at the beginning.
    let end = if rng.random() {
        bytes.len()
    } else {
        bytes.len().min(64 + width)
    };
    let at = rng.random_range(0..=end - width);
    let number = extreme(bytes.len(), rng);
    let place = &mut bytes[at..at + width];
    if rng.random() {
        place.copy_from_slice(&number.to_le_bytes()[..width]);
    } else {
        place.copy_from_slice(&number.to_be_bytes()[8 - width..]);
    }
}

/// Puts an extreme number where a number is written in digits.
fn write_decimal(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let start = rng.random_range(0..=bytes.len());
    let Some(offset) = bytes[start..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let start = start + offset;
    let digits = bytes[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let mut number = extreme(bytes.len(), rng).to_string();
    if rng.random_ratio(1, 8) {
        number.insert(0, '-');
    }
    bytes.splice(start..start + digits, number.into_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_input_and_another_one_another() {
        let inputs = || Inputs::new(vec![b"width 12 height 3".to_vec(), vec![7; 100]], 5);
        let all = |inputs: Inputs| (0..200).map(|i| inputs.get(i, None)).collect::<Vec<_>>();
        assert_eq!(all(inputs()), all(inputs()));
        let mut different = all(inputs());
        different.sort();
        different.dedup();
        assert!(different.len() > 150, "{}", different.len());
    }
}
