//! Sums over ranks, in the order of the ranks.
//!
//! Values go in buckets of a fixed size. Each bucket is divided among the ranks: everybody sends everybody else its part, adds up
//! the terms of the part that is its own, and sends the sums. So a rank sends and receives about twice what it has, however many
//! there are, and every rank gets the same bits: each sum is computed in one place. Nobody waits for a bucket before all of them
//! are on their way.

use super::bytes::of_bytes;
use super::{Kind, Ranks, bounds};
use crate::error::{Error, Result};

/// Values of a bucket.
const BUCKET: usize = 1 << 18;

/// Fewer values than this go whole to everybody, and are added up everywhere: one message each way in place of two.
const SMALL: usize = 1 << 10;

/// A number that is added up.
trait Value: Copy + Default {
    const BYTES: usize;

    fn write(self, to: &mut Vec<u8>);

    fn add_all(sums: &mut [Self], terms: &[u8]);

    fn read_all(bytes: &[u8], to: &mut [Self]);
}

impl Value for f32 {
    const BYTES: usize = 4;

    fn write(self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_le_bytes());
    }

    fn add_all(sums: &mut [Self], terms: &[u8]) {
        sums.iter_mut()
            .zip(of_bytes(terms))
            .for_each(|(sum, term)| *sum += term);
    }

    fn read_all(bytes: &[u8], to: &mut [Self]) {
        to.iter_mut()
            .zip(of_bytes(bytes))
            .for_each(|(value, read)| *value = read);
    }
}

/// The values that these are the bytes of, with twice as many digits.
fn wide(bytes: &[u8]) -> impl Iterator<Item = f64> + '_ {
    let values = bytes.chunks_exact(8);
    values.map(|bytes| f64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()))
}

impl Value for f64 {
    const BYTES: usize = 8;

    fn write(self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_le_bytes());
    }

    fn add_all(sums: &mut [Self], terms: &[u8]) {
        sums.iter_mut()
            .zip(wide(terms))
            .for_each(|(sum, term)| *sum += term);
    }

    fn read_all(bytes: &[u8], to: &mut [Self]) {
        to.iter_mut()
            .zip(wide(bytes))
            .for_each(|(value, read)| *value = read);
    }
}

fn to_bytes<V: Value>(values: &[V]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * V::BYTES);
    values.iter().for_each(|value| value.write(&mut bytes));
    bytes
}

impl Ranks {
    /// Adds to each value the same one of every other rank.
    ///
    /// # Errors
    /// [`Error::Rank`].
    pub fn sum(&self, values: &mut [f32]) -> Result<()> {
        let everybody: Vec<usize> = (0..self.size()).collect();
        self.sum_of(&everybody, values)
    }

    /// As [`sum`](Self::sum), over some of the ranks, this one among them, which know the same of each other.
    ///
    /// # Errors
    /// [`Error::Rank`].
    pub fn sum_among(&self, members: &[usize], values: &mut [f64]) -> Result<()> {
        self.sum_of(members, values)
    }

    fn sum_of<V: Value>(&self, members: &[usize], values: &mut [V]) -> Result<()> {
        if members.len() < 2 || values.is_empty() {
            return Ok(());
        }
        let own = members.iter().position(|&member| member == self.rank());
        let own = own.ok_or_else(|| Error::Internal("a sum over ranks without this one".into()))?;
        if values.len() < SMALL {
            return self.sum_small(members, own, values);
        }
        let buckets: Vec<Vec<usize>> = values
            .chunks(BUCKET)
            .map(|bucket| bounds(bucket.len(), members.len()))
            .collect();
        for (bucket, bounds) in values.chunks(BUCKET).zip(&buckets) {
            for (part, &member) in members.iter().enumerate().filter(|&(part, _)| part != own) {
                let terms = &bucket[bounds[part]..bounds[part + 1]];
                self.send(member, Kind::Terms, &to_bytes(terms))?;
            }
        }
        for (bucket, bounds) in values.chunks_mut(BUCKET).zip(&buckets) {
            let part = &mut bucket[bounds[own]..bounds[own + 1]];
            self.add_in_order(members, own, Kind::Terms, part)?;
            let sums = to_bytes(part);
            for &member in members.iter().filter(|&&member| member != self.rank()) {
                self.send(member, Kind::Sums, &sums)?;
            }
        }
        for (bucket, bounds) in values.chunks_mut(BUCKET).zip(&buckets) {
            for (part, &member) in members.iter().enumerate().filter(|&(part, _)| part != own) {
                let sums = self.receive(member, Kind::Sums)?;
                let part = &mut bucket[bounds[part]..bounds[part + 1]];
                self.check(member, sums.len(), part.len() * V::BYTES)?;
                V::read_all(&sums, part);
            }
        }
        Ok(())
    }

    fn sum_small<V: Value>(&self, members: &[usize], own: usize, values: &mut [V]) -> Result<()> {
        let terms = to_bytes(values);
        for &member in members.iter().filter(|&&member| member != self.rank()) {
            self.send(member, Kind::Sums, &terms)?;
        }
        self.add_in_order(members, own, Kind::Sums, values)
    }

    /// Replaces the values by the sum of everybody's, added up from the first member to the last.
    fn add_in_order<V: Value>(
        &self,
        members: &[usize],
        own: usize,
        kind: Kind,
        values: &mut [V],
    ) -> Result<()> {
        let mut sums: Option<Vec<V>> = None;
        for (part, &member) in members.iter().enumerate() {
            let terms = match part == own {
                true => to_bytes(values),
                false => self.receive(member, kind)?,
            };
            self.check(member, terms.len(), values.len() * V::BYTES)?;
            match &mut sums {
                Some(sums) => V::add_all(sums, &terms),
                // The first term and not 0, to which -0 would be added as 0.
                none => {
                    let mut first = vec![V::default(); values.len()];
                    V::read_all(&terms, &mut first);
                    *none = Some(first);
                }
            }
        }
        values.copy_from_slice(&sums.unwrap_or_default());
        Ok(())
    }

    fn check(&self, member: usize, found: usize, expected: usize) -> Result<()> {
        match found == expected {
            true => Ok(()),
            false => Err(self.astray(member)),
        }
    }
}
