//! The cross entropy of similarities: how surprising it is that one is the most similar of all.

use gblend_core::Result;
use gblend_core::nn::{
    Candidates, Negatives, add, fork, inner_products, multiply, sum, surprises, transpose,
};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Dims1, Features, Logits, Loss, Plain};

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
        let candidates = Candidates::new(self.rights, self.negatives.clone());
        let surprises = surprises(similarities, &candidates)?;
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
