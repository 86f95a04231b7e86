//! Which samples of a batch can be matched in which modalities.

use gblend_core::{Array, Error, Result};

/// Two modalities, and the samples that have both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) modalities: [usize; 2],
    pub(super) samples: Vec<usize>,
}

/// Every two modalities of a batch.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    pub(super) samples: usize,
    pub(super) modalities: usize,
    pub(super) pairs: Vec<Pair>,
    /// In how many pairs each sample is.
    pub(super) of_sample: Vec<usize>,
}

impl Pairs {
    /// Those of an output of projections, side by side. A projection of zeros stands for a modality that a sample lacks.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is none of at least two projections.
    pub(super) fn of(output: &Array, width: usize) -> Result<Self> {
        let &[samples, length] = output.shape() else {
            let expected = format!("[batch, modalities × {width}]");
            return Err(Error::shape("an output to match", expected, output.shape()));
        };
        let modalities = modalities(samples, length, width)?;
        let rows = output.values().chunks_exact(length);
        let has: Vec<Vec<bool>> = rows
            .map(|row| {
                let projections = row.chunks_exact(width);
                projections
                    .map(|values| values.iter().any(|&value| value != 0.0))
                    .collect()
            })
            .collect();
        let mut of_sample = vec![0; samples];
        let mut pairs = Vec::new();
        for a in 0..modalities {
            for b in a + 1..modalities {
                let both: Vec<usize> = (0..samples)
                    .filter(|&sample| has[sample][a] && has[sample][b])
                    .collect();
                both.iter().for_each(|&sample| of_sample[sample] += 1);
                pairs.push(Pair {
                    modalities: [a, b],
                    samples: both,
                });
            }
        }
        Ok(Self {
            samples,
            modalities,
            pairs,
            of_sample,
        })
    }
}

/// How many projections stand side by side in rows of this length.
fn modalities(samples: usize, length: usize, width: usize) -> Result<usize> {
    if width > 0 && length >= 2 * width && length.is_multiple_of(width) {
        return Ok(length / width);
    }
    let expected = format!("[batch, modalities × {width}] of at least two modalities");
    Err(Error::shape("an output to match", expected, [samples, length]))
}
