//! The preparation of samples by several ranks, of those whose cache is in the same place.
//!
//! Each prepares some of the segments into the cache before anybody reads them all from there. That is a matter of time alone: what is
//! not in the cache afterwards, for whatever reason, everybody prepares for itself, and finds what is wrong with it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gblend_core::dataset::Source;
use rayon::prelude::*;

use super::{Storage, plans};
use crate::config::ModalityConfig;
use crate::data::cache::Cache;
use crate::error::Result;
use crate::ranks::Ranks;

/// The ranks that see the same cache.
#[derive(Debug, PartialEq, Eq)]
struct Sharers {
    count: usize,
    /// Which of them this rank is.
    place: usize,
}

impl Sharers {
    /// Those who find in their folder what each leaves in its own.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank).
    fn of(ranks: &Ranks, folder: &Path) -> Result<Self> {
        // In a folder that nothing can be written to everybody is alone.
        let mark = std::fs::create_dir_all(folder).and_then(|()| {
            let mut mark = tempfile::Builder::new();
            mark.prefix("rank-").tempfile_in(folder)
        });
        let mark = mark.ok();
        let name = mark.as_ref().and_then(|mark| mark.path().file_name()?.to_str());
        let marks = ranks.gather(name.unwrap_or_default().as_bytes().to_vec())?;
        let seen = |mark: &Vec<u8>| {
            let name = std::str::from_utf8(mark).unwrap_or_default();
            u8::from(!name.is_empty() && folder.join(name).exists())
        };
        let seen_by = ranks.gather(marks.iter().map(seen).collect())?;
        let sees = |one: usize, other: usize| seen_by[one].get(other) == Some(&1);
        let own = ranks.rank();
        let sharers = |other: &usize| *other == own || (sees(own, *other) && sees(*other, own));
        // Marks are gone when everybody has looked, which is why this comes last.
        drop(mark);
        Ok(Self {
            count: (0..ranks.size()).filter(sharers).count(),
            place: (0..own).filter(sharers).count(),
        })
    }
}

/// Prepares what the cache lacks, each rank a part of it. All of them call it with the same modalities and settings.
///
/// # Errors
/// [`Error::Rank`](crate::Error::Rank); that of a modality that is not registered. What is wrong with samples is left to whoever
/// [reads](super::Prepared::new) them.
pub fn prepare_shared_out(
    source: &Arc<dyn Source>,
    modalities: &[ModalityConfig],
    streams: &[usize],
    storage: &Storage<'_>,
    ranks: &Ranks,
) -> Result<()> {
    let Some(folder) = storage.cache.filter(|_| ranks.is_many()) else {
        return Ok(());
    };
    let source = source.as_ref();
    let sharers = Sharers::of(ranks, folder)?;
    let storage = Storage {
        // Told when all samples are read, and not found there.
        warn: &|_| {},
        ..*storage
    };
    let cache = Cache::new(folder);
    let plans = || plans(source, modalities, streams, &storage, &cache);
    // How large samples are is found out by one that is prepared, and remembered for the others.
    let of_first = match sharers.place {
        0 => Some(plans()?),
        _ => None,
    };
    ranks.meet()?;
    let plans = of_first.map_or_else(plans, Ok)?;
    let mut own = Vec::new();
    for plan in plans.iter().filter(|plan| !plan.direct) {
        let step = plan.per_segment();
        let starts = (0..source.len()).step_by(step).enumerate();
        let starts = starts.filter(|(number, _)| number % sharers.count == sharers.place);
        own.extend(starts.map(|(_, start)| (plan, start..(start + step).min(source.len()))));
    }
    let total = own.iter().map(|(_, range)| range.len()).sum();
    let done = AtomicUsize::new(0);
    own.into_par_iter().for_each(|(plan, range)| {
        let count = range.len();
        // Whoever reads them all finds what is wrong, in the order of the samples.
        let _ = plan.work(source, &cache, &storage).fill(range);
        (storage.progress)(done.fetch_add(count, Ordering::Relaxed) + count, total);
    });
    ranks.meet()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::path::PathBuf;

    use gblend_core::dataset::{Partition, Sample, Stream};
    use gblend_core::{Array, Error, Label, Media, MediaKind, Precision};
    use proptest::prelude::*;

    use super::super::{Faults, Prepared, SEGMENT};
    use super::*;
    use crate::config::Config;
    use crate::ranks::between_threads;

    const CLASSES: [&str; 1] = ["any"];

    /// Arrays that are counted as they are read, of which some are broken.
    #[derive(Debug)]
    struct Counted {
        streams: Vec<Stream>,
        classes: Vec<String>,
        broken: Vec<usize>,
        reads: Arc<Vec<AtomicUsize>>,
    }

    impl Source for Counted {
        fn classes(&self) -> &[String] {
            &self.classes
        }
        fn streams(&self) -> &[Stream] {
            &self.streams
        }
        fn len(&self) -> usize {
            self.reads.len()
        }
        fn sample(&self, index: usize) -> Sample {
            Sample {
                id: format!("s{index}"),
                label: Label::Class(0),
                group: None,
                partition: Partition::Train,
            }
        }
        fn read(&self, index: usize, _: usize) -> gblend_core::Result<Media> {
            self.reads[index].fetch_add(1, Ordering::Relaxed);
            if self.broken.contains(&index) {
                return Err(Error::data(format!("s{index}"), "it is broken"));
            }
            let values = (0..3).map(|value| (index * 3 + value) as f32 * 0.37);
            Ok(Media::Array(Array::new([3], values.collect())?))
        }
        fn fingerprint(&self, index: usize, _: usize) -> gblend_core::Result<String> {
            Ok(format!("of {index}"))
        }
    }

    /// The samples that a rank has, or what was wrong.
    type Had = Result<Vec<Option<Array>>, String>;

    /// How often each sample was read when so many ranks, each with its cache, had all of them; and what each had, or why not.
    fn prepared(
        caches: &[PathBuf],
        samples: usize,
        broken: &[usize],
        faults: Faults,
    ) -> (Vec<usize>, Vec<Had>) {
        let text = "[data]\nkind = \"scene\"\n[modality.a]\nkind = \"vector\"\n[blend]\nkind = \"equal\"\n";
        let config = Config::parse("test", text, PathBuf::new(), &[]).unwrap();
        let reads: Arc<Vec<AtomicUsize>> = Arc::new((0..samples).map(|_| AtomicUsize::new(0)).collect());
        let ranks = match caches.len() {
            1 => vec![Ranks::alone()],
            size => between_threads(size),
        };
        let source: Arc<dyn Source> = Arc::new(Counted {
            streams: vec![Stream {
                name: "a".to_owned(),
                media: MediaKind::Array,
            }],
            classes: CLASSES.map(str::to_owned).to_vec(),
            broken: broken.to_vec(),
            reads: Arc::clone(&reads),
        });
        let (config, source) = (&config, &source);
        let of_rank = move |ranks: &Ranks, cache: &Path| {
            let storage = Storage {
                cache: Some(cache),
                shapes: None,
                memory: 0,
                samples_as: Precision::F32,
                waiting: 0,
                progress: &|_, _| {},
                warn: &|told| assert_eq!(told, ""),
                faults,
                contents: false,
            };
            prepare_shared_out(source, &config.modalities, &[0], &storage, ranks).unwrap();
            let prepared = Prepared::new(source, &config.modalities, &[0], &storage);
            prepared
                .map(|prepared| (0..samples).map(|index| prepared.sample(0, index).ok()).collect())
                .map_err(|error| error.to_string())
        };
        let had = std::thread::scope(|scope| {
            let threads: Vec<_> = ranks
                .into_iter()
                .zip(caches)
                .map(|(ranks, cache)| scope.spawn(move || of_rank(&ranks, cache)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let reads = reads.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        (reads, had)
    }

    fn folders(count: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let of_rank = (0..count)
            .map(|rank| folder.path().join(format!("cache {rank}")))
            .collect();
        (folder, of_rank)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn ranks_that_share_a_cache_prepare_each_sample_once(ranks in 2_usize..6, segments in 0_usize..9, rest in 1_usize..SEGMENT) {
            let samples = segments * SEGMENT + rest;
            let (_folder, caches) = folders(2);
            let (alone, expected) = prepared(&caches[..1], samples, &[], Faults::Stop);
            let (reads, had) = prepared(&vec![caches[1].clone(); ranks], samples, &[], Faults::Stop);
            // One process reads the first sample twice: before the others it tells how large they are.
            prop_assert_eq!(&reads, &alone);
            prop_assert!(reads[1..].iter().all(|&times| times == 1));
            for had in had {
                prop_assert_eq!(&had, &expected[0]);
            }
            let marks = std::fs::read_dir(&caches[1]).unwrap();
            let marks = marks.filter(|entry| entry.as_ref().unwrap().path().is_file());
            prop_assert_eq!(marks.count(), 0);
            // Those who come later find all of it.
            let (again, _) = prepared(&vec![caches[1].clone(); ranks], samples, &[], Faults::Stop);
            prop_assert_eq!(again.iter().sum::<usize>(), 0);
        }
    }

    #[test]
    fn ranks_prepare_for_themselves_what_others_have_in_another_place() {
        let samples = 5 * SEGMENT;
        let (_folder, caches) = folders(3);
        let (alone, expected) = prepared(&caches[..1], samples, &[], Faults::Stop);
        // Two machines, of which one has two ranks.
        let places = [&caches[1], &caches[2], &caches[1]].map(Clone::clone);
        let (reads, had) = prepared(&places, samples, &[], Faults::Stop);
        assert_eq!(reads, alone.iter().map(|times| 2 * times).collect::<Vec<_>>());
        assert!(had.iter().all(|had| *had == expected[0]));
    }

    #[test]
    fn a_sample_that_is_broken_is_the_same_error_for_all_as_for_one() {
        let samples = 4 * SEGMENT;
        let broken = [SEGMENT + 7, 3 * SEGMENT + 1];
        let (_folder, caches) = folders(2);
        let (_, alone) = prepared(&caches[..1], samples, &broken, Faults::Stop);
        assert!(
            alone[0]
                .as_ref()
                .unwrap_err()
                .contains(&format!("s{}", broken[0]))
        );
        let (_, had) = prepared(&vec![caches[1].clone(); 3], samples, &broken, Faults::Stop);
        assert!(had.iter().all(|had| *had == alone[0]));
    }

    #[test]
    fn a_broken_sample_that_is_skipped_costs_nobody_the_others_of_its_segment() {
        let samples = 4 * SEGMENT;
        let broken = [SEGMENT + 7, 3 * SEGMENT + 1];
        let (_folder, caches) = folders(2);
        let (alone, expected) = prepared(&caches[..1], samples, &broken, Faults::Gather);
        let (reads, had) = prepared(&vec![caches[1].clone(); 3], samples, &broken, Faults::Gather);
        assert_eq!(reads, alone);
        assert!(had.iter().all(|had| *had == expected[0]));
        assert_eq!(
            had[0]
                .as_ref()
                .unwrap()
                .iter()
                .filter(|had| had.is_none())
                .count(),
            2
        );
    }
}
