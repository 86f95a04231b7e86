//! Evaluation by all ranks: each has a part of the samples, and all have the whole result.

use gblend_core::Array;

use super::session::Session;
use crate::data::{Evaluable, SampleIndex};
use crate::error::Result;
use crate::evaluation::{Evaluation, HeadOutput, evaluate};
use crate::network::{ActiveHeads, Multimodal};
use crate::ranks::{Reader, Writer};

/// Some of the samples of a split.
struct Selected<'a>(&'a [SampleIndex]);

impl Evaluable for Selected<'_> {
    fn samples(&self) -> &[SampleIndex] {
        self.0
    }
}

/// The active heads on these samples, in evaluation mode, divided among the ranks of the session.
///
/// # Errors
/// As [`evaluate`]; [`Error::Rank`](crate::Error::Rank).
pub(super) fn evaluate_together(
    session: &Session<'_>,
    model: &mut Multimodal,
    samples: &dyn Evaluable,
    active: &ActiveHeads,
) -> Result<Evaluation> {
    let loader = session.loader_for(model, active)?;
    let ranks = &session.ranks;
    let all = samples.samples();
    let bounds = ranks.bounds(all.len());
    let part = |rank: usize| &all[bounds[rank]..bounds[rank + 1]];
    let own = Selected(part(ranks.rank()));
    let size = session.batch_size();
    let evaluation = evaluate(model, &loader, &own, size, &session.device, active)?;
    if !ranks.is_many() {
        return Ok(evaluation);
    }
    let parts = ranks.gather(write(&evaluation))?;
    let mut whole: Option<Evaluation> = None;
    for (rank, message) in parts.iter().enumerate() {
        let samples: Vec<usize> = part(rank).iter().map(|&sample| sample as usize).collect();
        if samples.is_empty() {
            continue;
        }
        let of_rank = Evaluation {
            targets: session.prepared.targets(&samples)?,
            heads: read(message, evaluation.heads.len())?,
            samples,
        };
        match &mut whole {
            Some(whole) => whole.append(of_rank)?,
            none => *none = Some(of_rank),
        }
    }
    // Of no samples every part is the whole.
    Ok(whole.unwrap_or(evaluation))
}

fn write(evaluation: &Evaluation) -> Vec<u8> {
    let mut message = Writer::default();
    for head in &evaluation.heads {
        message.number(usize::from(head.is_some()));
        let Some(head) = head else { continue };
        message.number(head.rows.len());
        head.rows.iter().for_each(|&row| message.number(row));
        message.rows(Some(&head.output));
    }
    message.finish()
}

fn read(message: &[u8], heads: usize) -> Result<Vec<Option<HeadOutput>>> {
    let mut message = Reader::new(message);
    let heads = (0..heads).map(|_| {
        if message.number()? == 0 {
            return Ok(None);
        }
        let rows = (0..message.number()?)
            .map(|_| message.number())
            .collect::<Result<Vec<_>>>()?;
        let (values, count, width) = message.rows()?;
        let output = Array::new([count, width], values)?;
        Ok(Some(HeadOutput { rows, output }))
    });
    heads.collect()
}
