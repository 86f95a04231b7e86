//! The cross entropy of similarities: how surprising it is that one is the most similar of all.

use gblend_core::Result;
use gblend_core::nn::{Candidates, add, fork, inner_products, multiply, sum, surprises, transpose};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Dims1, Features, Logits, Loss, Plain};

/// Which of the others one may be taken for wrongly.
#[derive(Clone, Debug)]
pub(in crate::objective) struct Negatives {
    /// Numbers that those share which are the same; none if each is itself alone.
    identities: Option<Vec<u64>>,
    /// Whether each is among the others itself, where it is a candidate for nothing.
    among_others: bool,
}

impl Negatives {
    /// Of pairs of which those are the same that share a number.
    pub(in crate::objective) fn of_pairs(identities: Option<Vec<u64>>) -> Self {
        Self {
            identities,
            among_others: false,
        }
    }

    /// Of vectors that are compared with each other, themselves among them.
    pub(in crate::objective) fn of_each_other(identities: Option<Vec<u64>>) -> Self {
        Self {
            identities,
            among_others: true,
        }
    }

    /// Whether `other` is left out where `right` is looked for in the place of `one`.
    pub(in crate::objective) fn leave_out(&self, one: usize, right: usize, other: usize) -> bool {
        if other == right {
            return false;
        }
        let same = |identities: &Vec<u64>| identities.get(one) == identities.get(other);
        (self.among_others && one == other) || self.identities.as_ref().is_some_and(same)
    }

    /// What may be taken for each of these.
    fn candidates(&self, rights: &[usize]) -> Candidates {
        Candidates::new(rights)
            .without_same(self.identities.as_deref())
            .without_itself(self.among_others)
    }
}

/// How surprising it is, on the tape, that each is the nearest of all to its own counterpart.
pub(in crate::objective) struct Contrast<'a> {
    /// Of each, which of the others is right.
    pub(in crate::objective) rights: &'a [usize],
    pub(in crate::objective) negatives: &'a Negatives,
    /// How much each counts; the loss is the sum of weight times surprise.
    pub(in crate::objective) weights: &'a [f32],
}

impl Contrast<'_> {
    /// The loss of rows among others, `[count, width]` and `[others, width]`; one of the two is divided by the temperature.
    ///
    /// # Errors
    /// [`Error::Shape`](gblend_core::Error::Shape), [`Error::Device`](gblend_core::Error::Device).
    pub(in crate::objective) fn loss(&self, rows: Features, others: Features) -> Result<Loss> {
        let similarities = inner_products(rows, others)?;
        self.surprise(similarities)
    }

    /// The loss of rows among others and of those among these, added up.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    pub(in crate::objective) fn loss_both_ways(&self, rows: Features, others: Features) -> Result<Loss> {
        let similarities = inner_products(rows, others)?;
        let (there, back) = fork(similarities);
        add(self.surprise(there)?, self.surprise(transpose(back)?)?)
    }

    fn surprise(&self, similarities: Logits) -> Result<Loss> {
        let device = similarities.device();
        let surprises = surprises(similarities, &self.negatives.candidates(self.rights))?;
        let weights = Plain::<Dims1>::new(&device, (self.weights.len(),), self.weights.to_vec())?;
        sum(multiply(surprises, weights.enter(Recorder::for_data()))?)
    }
}

/// The same of one, on the host: from its cosines to all.
pub(in crate::objective) fn surprise(
    cosines: &[f64],
    temperature: f64,
    one: usize,
    right: usize,
    negatives: &Negatives,
) -> f64 {
    let counted = || {
        let all = cosines.iter().enumerate();
        all.filter(|&(other, _)| !negatives.leave_out(one, right, other))
            .map(|(_, cosine)| cosine / temperature)
    };
    let largest = counted().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = counted().map(|similarity| (similarity - largest).exp()).sum();
    largest + sum.ln() - cosines[right] / temperature
}
