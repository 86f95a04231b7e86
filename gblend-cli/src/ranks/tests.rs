#![allow(clippy::unwrap_used)]
use super::*;
use gblend_core::Array;
use proptest::prelude::*;

/// Runs something on every rank of so many, and returns what came of it.
fn on_ranks<T: Send>(size: usize, work: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    let ranks = between_threads(size);
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = ranks
            .into_iter()
            .map(|ranks| scope.spawn(move || work(&ranks)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_sum_adds_the_terms_in_the_order_of_the_ranks_and_is_the_same_everywhere(
        size in 1_usize..5,
        // On both sides of the size from which a bucket is divided, and of that of a bucket.
        values in prop_oneof![0_usize..40, 1000_usize..1100, Just((1 << 18) + 7)],
        seed: u32,
    ) {
        let term = |rank: usize, at: usize| {
            let bits = (seed as usize).wrapping_mul(31).wrapping_add(rank * 7919 + at * 104_729) % 1_000_003;
            bits as f32 * 1e-3 - 400.0
        };
        let sums = on_ranks(size, |ranks| {
            let mut values: Vec<f32> = (0..values).map(|at| term(ranks.rank(), at)).collect();
            ranks.sum(&mut values).unwrap();
            values
        });
        let expected: Vec<f32> =
            (0..values).map(|at| (1..size).fold(term(0, at), |sum, rank| sum + term(rank, at))).collect();
        for sums in sums {
            prop_assert_eq!(&sums, &expected);
        }
    }

    #[test]
    fn rows_of_all_ranks_follow_each_other(counts in proptest::collection::vec(0_usize..4, 1..5), width in 1_usize..4) {
        let gathered = on_ranks(counts.len(), |ranks| {
            let rank = ranks.rank();
            let own = (counts[rank] > 0).then(|| {
                Array::new([counts[rank], width], vec![rank as f32; counts[rank] * width]).unwrap()
            });
            ranks.gather_rows(vec![None, own]).unwrap()
        });
        let expected: Vec<f32> =
            counts.iter().enumerate().flat_map(|(rank, &count)| vec![rank as f32; count * width]).collect();
        for rows in gathered {
            prop_assert!(rows[0].is_none());
            match &rows[1] {
                Some(rows) => {
                    prop_assert_eq!(rows.shape(), &[expected.len() / width, width]);
                    prop_assert_eq!(rows.values(), &expected[..]);
                }
                None => prop_assert!(expected.is_empty()),
            }
        }
    }

    #[test]
    fn every_task_is_done_once_and_all_ranks_know_what_came_of_it(size in 1_usize..5, tasks in 0_usize..12) {
        let results = on_ranks(size, |ranks| ranks.spread(tasks, |task| Ok(vec![task as u8; task])).unwrap());
        for results in results {
            prop_assert_eq!(results, (0..tasks).map(|task| vec![task as u8; task]).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_task_that_fails_ends_the_queue_on_every_rank_with_what_was_wrong() {
    let outcomes = on_ranks(3, |ranks| {
        let spread = ranks.spread(9, |task| match task {
            4 => Err(Error::Usage("the fifth is bad".into())),
            _ => Ok(Vec::new()),
        });
        spread.unwrap_err()
    });
    for error in outcomes {
        assert!(error.to_string().contains("the fifth is bad"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn ranks_that_have_something_else_are_named_with_what_it_is() {
    let outcomes = on_ranks(3, |ranks| {
        let of_rank = if ranks.rank() == 2 { "b" } else { "a" };
        let identity = Identity::default().with("gblend", "1").with("dataset", of_rank);
        ranks.agree(&identity).unwrap_err().to_string()
    });
    for error in outcomes {
        assert!(
            error.contains("rank 2 has another dataset than rank 0"),
            "{error}"
        );
    }
}

#[test]
fn sums_among_some_ranks_leave_the_others_alone() {
    let sums = on_ranks(3, |ranks| {
        let mut values = [1.0, ranks.rank() as f64];
        if ranks.rank() != 1 {
            ranks.sum_among(&[0, 2], &mut values).unwrap();
        }
        values
    });
    assert_eq!(sums, [[2.0, 2.0], [1.0, 1.0], [2.0, 2.0]]);
}

#[test]
fn a_rank_that_is_gone_is_an_error_for_whoever_waits_for_it() {
    let mut ranks = between_threads(2);
    let first = ranks.remove(0);
    drop(ranks);
    let error = first.gather(Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("rank 1"), "{error}");
}

#[test]
fn what_rank_0_makes_is_what_everybody_has() {
    let made = on_ranks(3, |ranks| {
        ranks.broadcast_json(|| Ok(vec![ranks.rank(), 7])).unwrap()
    });
    assert_eq!(made, vec![vec![0, 7]; 3]);
}

proptest! {
    #[test]
    fn parts_are_even_and_cover_everything(things in 0_usize..300, parts in 1_usize..9) {
        let bounds = bounds(things, parts);
        prop_assert_eq!((bounds[0], bounds[parts]), (0, things));
        let sizes = bounds.windows(2).map(|pair| pair[1] - pair[0]);
        let (least, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
        prop_assert!(most - least <= 1);
    }
}
