//! Samples that are the same: a test sample that was trained on, and one thing with two labels.

use gblend_core::{Label, MediaKind, Source};

use super::Finding;
use crate::data::position::SampleIndex;
use crate::data::prepared::{Prepared, short_hash};
use crate::data::repeated::repeated;
use crate::data::split::{Splits, hash_label};

pub(super) fn findings(source: &dyn Source, prepared: &Prepared<'_>, splits: &Splits) -> Vec<Finding> {
    let Some(contents) = prepared.contents() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let whole = |sample: SampleIndex| whole(contents, sample as usize);
    findings.extend(shared(source, splits, None, &whole));
    // Short texts and a few numbers are the same again and again; a picture or a recording is not.
    for modality in prepared.names_of(|media| !matches!(media, MediaKind::Array | MediaKind::Text)) {
        let (position, name) = modality;
        let one = |sample: SampleIndex| Some(contents[position][sample as usize]).filter(|&hash| hash != 0);
        let found = shared(source, splits, Some(name), &one);
        // Told already, if the samples are the same as a whole.
        findings.extend(
            found
                .into_iter()
                .filter(|found| !covers(&findings, found))
                .collect::<Vec<_>>(),
        );
    }
    findings.extend(contradiction(source, prepared, splits, &whole));
    findings
}

/// Whether whole samples of the same split are shared as often.
fn covers(findings: &[Finding], found: &Finding) -> bool {
    let Finding::SharedContents { split, count, .. } = found else {
        return false;
    };
    findings.iter().any(|other| {
        matches!(other, Finding::SharedContents { modality: None, split: of, count: known, .. } if of == split && known >= count)
    })
}

/// A hash of a sample's label and of all that it is made of; `None` where nothing is known of contents, or there are none.
pub fn content_of(prepared: &Prepared<'_>, sample: SampleIndex, label: &Label) -> Option<u64> {
    let contents = whole(prepared.contents()?, sample as usize)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&contents.to_le_bytes());
    hash_label(label, &mut hasher);
    Some(short_hash(&hasher.finalize()))
}

/// One hash of all contents of a sample; none if it has none.
fn whole(contents: &[Vec<u64>], sample: usize) -> Option<u64> {
    let mut hasher = blake3::Hasher::new();
    let mut any = 0;
    for modality in contents {
        any |= modality[sample];
        hasher.update(&modality[sample].to_le_bytes());
    }
    (any != 0).then(|| short_hash(&hasher.finalize()))
}

/// Samples of validation and test whose contents are those of a sample that is trained on or held out.
fn shared(
    source: &dyn Source,
    splits: &Splits,
    modality: Option<&str>,
    hash: &dyn Fn(SampleIndex) -> Option<u64>,
) -> Vec<Finding> {
    let [train, held_out, validation, test] = splits.parts();
    // Of those that are trained on there may be millions, so they are only passed by.
    let mut twins: Vec<(u64, Option<SampleIndex>)> = Vec::with_capacity(validation.1.len() + test.1.len());
    let evaluated = validation.1.iter().chain(test.1);
    twins.extend(evaluated.filter_map(|&sample| Some((hash(sample)?, None))));
    twins.sort_unstable();
    twins.dedup();
    for &sample in train.1.iter().chain(held_out.1) {
        let Some(hash) = hash(sample) else { continue };
        if let Ok(at) = twins.binary_search_by_key(&hash, |&(other, _)| other) {
            let twin = &mut twins[at].1;
            *twin = Some(twin.map_or(sample, |known| known.min(sample)));
        }
    }
    let findings = [validation, test].into_iter().filter_map(|(split, samples)| {
        let twin = |&sample: &SampleIndex| {
            let hash = hash(sample)?;
            let at = twins.binary_search_by_key(&hash, |&(other, _)| other).ok()?;
            Some((sample, twins[at].1?))
        };
        let mut twins = samples.iter().filter_map(twin);
        let (one, other) = twins.next()?;
        Some(Finding::SharedContents {
            modality: modality.map(str::to_owned),
            split,
            count: 1 + twins.count(),
            example: (id(source, one), id(source, other)),
        })
    });
    findings.collect()
}

/// Samples of any split that are the same and have different labels.
fn contradiction(
    source: &dyn Source,
    prepared: &Prepared<'_>,
    splits: &Splits,
    hash: &dyn Fn(SampleIndex) -> Option<u64>,
) -> Option<Finding> {
    let samples = || {
        let parts = splits.parts().into_iter();
        parts.flat_map(|(_, samples)| samples.iter().copied())
    };
    let repeated = repeated(samples().filter_map(hash), samples().count());
    let mut hashes: Vec<(u64, SampleIndex)> = samples()
        .filter_map(|sample| Some((hash(sample)?, sample)))
        .filter(|(hash, _)| repeated.binary_search(hash).is_ok())
        .collect();
    hashes.sort_unstable();
    let labels = prepared.labels();
    let mut found: Option<(usize, (SampleIndex, SampleIndex))> = None;
    for same in hashes.chunk_by(|one, other| one.0 == other.0) {
        let first = same[0].1;
        let label = labels.get(first as usize);
        for &(_, sample) in &same[1..] {
            if labels.get(sample as usize) != label {
                let (count, _) = found.get_or_insert((0, (sample, first)));
                *count += 1;
            }
        }
    }
    let (count, (one, other)) = found?;
    Some(Finding::Contradiction {
        count,
        example: (id(source, one), id(source, other)),
    })
}

fn id(source: &dyn Source, sample: SampleIndex) -> String {
    source.sample(sample as usize).id
}
