//! Heads whose share of the blend is given, beside those that a strategy weighs.
//!
//! A loss that begins at its least, or that nobody asks, has nothing that a strategy could measure. So the strategy is shown the
//! other heads alone, as if there were no more, and what it decides is scaled to what the given shares leave.

use gblend_core::ogr::{Movements, Symmetric};
use gblend_core::{
    Advice, Blend, BlendReport, BlendStrategy, BlendWeights, BlendedGradient, ContestedGradient, Error,
    Estimate, EstimateRequest, Evidence, HeadReport, Heads, JointReach, Observation, Result, StepStart,
};

use super::Joint;

/// Starts a strategy among the heads that have no share given; `shares` has one entry per head, the joint one last.
///
/// A strategy that trains one head alone trains none beside it.
///
/// # Errors
/// What the strategy refuses; [`Error::Setting`] if the shares add up to 1 or more, or the strategy trains alone what has a
/// share, or nothing is left for it.
pub fn start_with_shares(
    strategy: &dyn BlendStrategy,
    heads: &Heads,
    shares: &[Option<f64>],
) -> Result<Box<dyn Blend>> {
    if shares.iter().all(Option::is_none) {
        return strategy.start(heads);
    }
    let given: f64 = shares.iter().flatten().sum();
    if !(0.0..1.0).contains(&given) {
        let expected = "less than 1 in all, as the other heads share what is left";
        return Err(Error::setting("share of the objectives", given, expected));
    }
    let free = heads.retaining(|head| shares.get(head).copied().flatten().is_none());
    if let Ok(whole) = strategy.start(heads)
        && whole.blended_heads() == 1
    {
        let trained = whole.weights().as_slice().iter().position(|&weight| weight > 0.0);
        return match trained {
            Some(head) if shares.get(head).copied().flatten().is_some() => {
                let expected = format!(
                    "one of the heads {}: the objective of this one is none to be trained with alone",
                    free.names().join(", ")
                );
                Err(Error::setting("head", &heads.names()[head], expected))
            }
            _ => Ok(whole),
        };
    }
    let unblended = free.len() == 1;
    let inner = match unblended {
        false => strategy.start(&free)?,
        true => {
            if let Ok(whole) = strategy.start(heads)
                && whole.weights().as_slice().last() == Some(&0.0)
            {
                let expected = "a strategy with a joint head, as no modality has an objective of its own that is weighed";
                return Err(Error::setting(
                    "kind",
                    format!("\"{}\"", strategy.typetag_name()),
                    expected,
                ));
            }
            Joint {}.start(&free)?
        }
    };
    let mut blend = FixedShares {
        weights: BlendWeights::equal(heads.len())?,
        shares: shares.to_vec(),
        names: heads.names().to_vec(),
        left: 1.0 - given,
        inner,
        unblended,
    };
    blend.update()?;
    Ok(Box::new(blend))
}

#[derive(Debug)]
struct FixedShares {
    inner: Box<dyn Blend>,
    weights: BlendWeights,
    shares: Vec<Option<f64>>,
    names: Vec<String>,
    /// What the given shares leave.
    left: f64,
    /// Whether the joint head is the only one without a share.
    unblended: bool,
}

impl FixedShares {
    /// Positions of the heads that the strategy sees.
    fn free(&self) -> impl Iterator<Item = usize> + '_ {
        let shares = self.shares.iter().enumerate();
        shares.filter(|(_, share)| share.is_none()).map(|(head, _)| head)
    }

    /// Those of the heads that the strategy sees; what is empty stays so.
    fn of_free<T: Clone>(&self, of_heads: &[T]) -> Vec<T> {
        self.free()
            .filter_map(|head| of_heads.get(head).cloned())
            .collect()
    }

    fn update(&mut self) -> Result<()> {
        let mut inner = self.inner.weights().as_slice().iter();
        let weights = self.shares.iter().map(|share| match share {
            Some(share) => *share,
            None => self.left * inner.next().copied().unwrap_or(0.0),
        });
        self.weights = BlendWeights::normalized(weights.collect::<Vec<f64>>())?;
        Ok(())
    }

    fn movements(&self, movements: &Movements) -> Movements {
        let free: Vec<usize> = self.free().collect();
        Movements {
            delta_o: self.of_free(&movements.delta_o),
            delta_g: self.of_free(&movements.delta_g),
            covariance: Symmetric::from_fn(free.len(), |row, column| {
                movements.covariance.get(free[row], free[column])
            }),
        }
    }

    /// The joint head's score for every subset of the modalities that the strategy sees, with the others always there.
    fn coalitions(&self, coalitions: &[f64]) -> Vec<f64> {
        let modalities = self.shares.len() - 1;
        let free: Vec<usize> = self.free().filter(|&head| head < modalities).collect();
        let always: usize = (0..modalities)
            .filter(|head| !free.contains(head))
            .map(|head| 1 << head)
            .sum();
        let place = |subset: usize| {
            let seen = free.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
            always + seen.map(|(_, head)| 1_usize << head).sum::<usize>()
        };
        (0..1_usize << free.len())
            .filter_map(|subset| coalitions.get(place(subset)).copied())
            .collect()
    }

    /// Shows the encoders of the modalities that the strategy sees to `show`, to be changed in place.
    fn each_free<T: Clone>(
        &mut self,
        encoders: &mut [T],
        show: impl FnOnce(&mut dyn Blend, &mut [T]) -> Result<()>,
    ) -> Result<()> {
        let mut seen = self.of_free(encoders);
        show(self.inner.as_mut(), &mut seen)?;
        let places: Vec<usize> = self.free().collect();
        for (place, changed) in places.into_iter().zip(seen) {
            encoders[place] = changed;
        }
        self.update()
    }
}

impl Blend for FixedShares {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn fixed_shares(&self) -> &[Option<f64>] {
        &self.shares
    }

    fn blended_heads(&self) -> usize {
        let given = self.shares.iter().flatten().filter(|&&share| share > 0.0);
        self.inner.blended_heads() + given.count()
    }

    fn joint_reach(&self) -> JointReach {
        self.inner.joint_reach()
    }

    fn evidence(&self) -> Evidence {
        self.inner.evidence()
    }

    fn begin_step(&mut self, start: StepStart) -> Result<()> {
        self.inner.begin_step(start)?;
        self.update()
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        self.inner.observe(&Observation {
            losses: self.of_free(&observation.losses),
            scores: self.of_free(&observation.scores),
            coalitions: self.coalitions(&observation.coalitions),
        })?;
        self.update()
    }

    fn modulate(&mut self, encoders: &mut [BlendedGradient]) -> Result<()> {
        self.each_free(encoders, |inner, encoders| inner.modulate(encoders))
    }

    fn combine(&mut self, encoders: &mut [ContestedGradient]) -> Result<()> {
        self.each_free(encoders, |inner, encoders| inner.combine(encoders))
    }

    fn observe_after(&mut self, losses: &[f64]) -> Result<()> {
        let losses = self.of_free(losses);
        self.inner.observe_after(&losses)?;
        self.update()
    }

    fn end_epoch(&mut self, losses: &[f64]) -> Result<()> {
        let losses = self.of_free(losses);
        self.inner.end_epoch(&losses)?;
        self.update()
    }

    fn estimate_due(&self, epoch: usize, epochs: usize) -> Option<EstimateRequest> {
        self.inner.estimate_due(epoch, epochs)
    }

    fn take_estimate(&mut self, epoch: usize, estimate: &Estimate) -> Result<BlendReport> {
        let of_free = Estimate {
            movements: self.movements(&estimate.movements),
            resampled: estimate
                .resampled
                .iter()
                .map(|moved| self.movements(moved))
                .collect(),
            ..estimate.clone()
        };
        let mut report = self.inner.take_estimate(epoch, &of_free)?;
        self.update()?;
        let mut measured = std::mem::take(&mut report.heads).into_iter();
        let heads = self
            .shares
            .iter()
            .zip(&self.names)
            .filter_map(|(share, name)| match share {
                None => measured.next().map(|head| HeadReport {
                    weight: self.left * head.weight,
                    weight_low: head.weight_low.map(|low| self.left * low),
                    weight_high: head.weight_high.map(|high| self.left * high),
                    ..head
                }),
                Some(share) => Some(HeadReport {
                    name: name.clone(),
                    delta_o: 0.0,
                    delta_g: 0.0,
                    ogr: None,
                    weight: *share,
                    delta_o_interval: None,
                    delta_g_interval: None,
                    ogr_interval: None,
                    weight_low: None,
                    weight_high: None,
                }),
            });
        report.heads = heads.collect();
        Ok(report)
    }

    fn releases_held_out(&self) -> bool {
        self.unblended || self.inner.releases_held_out()
    }

    fn advice(&self) -> Advice {
        self.inner.advice()
    }

    fn state(&self) -> serde_json::Value {
        self.inner.state()
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        self.inner.restore(state)?;
        self.update()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Dwa, Equal, Ogr, Unimodal, UnimodalEnsemble};
    use super::*;
    use gblend_core::Measurement;

    fn heads() -> Heads {
        Heads::new(["a", "b", "c"].map(str::to_owned)).unwrap()
    }

    fn weights(strategy: &dyn BlendStrategy, shares: [Option<f64>; 4]) -> Vec<f64> {
        let blend = start_with_shares(strategy, &heads(), &shares).unwrap();
        blend.weights().as_slice().to_vec()
    }

    fn close(found: &[f64], expected: &[f64]) {
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near && found.len() == expected.len(), "{found:?} {expected:?}");
    }

    #[test]
    fn a_given_share_stays_and_the_others_share_what_is_left() {
        close(
            &weights(&Equal {}, [None, Some(0.1), None, None]),
            &[0.3, 0.1, 0.3, 0.3],
        );
        close(
            &weights(&Equal {}, [Some(0.0), Some(0.1), Some(0.0), None]),
            &[0.0, 0.1, 0.0, 0.9],
        );
        close(
            &weights(&UnimodalEnsemble {}, [None, Some(0.2), None, None]),
            &[0.4, 0.2, 0.4, 0.0],
        );
    }

    #[test]
    fn without_given_shares_it_is_the_strategy_itself() {
        let blend = start_with_shares(&Equal {}, &heads(), &[None; 4]).unwrap();
        assert_eq!(blend.weights(), Equal {}.start(&heads()).unwrap().weights());
        assert!(blend.fixed_shares().is_empty());
    }

    #[test]
    fn a_strategy_of_one_head_trains_none_beside_it() {
        close(
            &weights(&Joint {}, [None, Some(0.1), None, None]),
            &[0.0, 0.0, 0.0, 1.0],
        );
        let alone = |head: &str| Unimodal {
            head: head.to_owned(),
        };
        close(
            &weights(&alone("c"), [None, Some(0.1), None, None]),
            &[0.0, 0.0, 1.0, 0.0],
        );
        let refused = start_with_shares(&alone("b"), &heads(), &[None, Some(0.1), None, None]);
        assert!(refused.unwrap_err().to_string().contains("a, c, joint"));
    }

    #[test]
    fn shares_that_leave_nothing_and_blends_without_a_head_are_refused() {
        let refused = |strategy: &dyn BlendStrategy, shares: [Option<f64>; 4]| {
            start_with_shares(strategy, &heads(), &shares)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&Equal {}, [Some(0.5), Some(0.5), None, None]).contains("less than 1"));
        let all = [Some(0.0), Some(0.1), Some(0.0), None];
        assert!(refused(&UnimodalEnsemble {}, all).contains("joint head"));
    }

    #[test]
    fn a_strategy_is_told_of_its_own_heads_alone() {
        let shares = [None, Some(0.1), None, None];
        let mut blend = start_with_shares(&Dwa::default(), &heads(), &shares).unwrap();
        let free = Heads::new(["a", "c"].map(str::to_owned)).unwrap();
        let mut alone = Dwa::default().start(&free).unwrap();
        for losses in [
            [1.0, f64::NAN, 2.0, 3.0],
            [0.9, f64::NAN, 1.0, 2.9],
            [0.5, f64::NAN, 0.9, 2.0],
        ] {
            blend.end_epoch(&losses).unwrap();
            alone.end_epoch(&[losses[0], losses[2], losses[3]]).unwrap();
        }
        let expected: Vec<f64> = alone
            .weights()
            .as_slice()
            .iter()
            .map(|weight| 0.9 * weight)
            .collect();
        let found = blend.weights().as_slice();
        close(&[found[0], found[2], found[3]], &expected);
        let mut resumed = start_with_shares(&Dwa::default(), &heads(), &shares).unwrap();
        resumed.restore(&blend.state()).unwrap();
        assert_eq!(resumed.weights(), blend.weights());
    }

    #[test]
    fn coalitions_are_those_of_the_modalities_that_are_weighed_with_the_others_there() {
        let blend = FixedShares {
            inner: Equal {}.start(&heads().retaining(|head| head != 1)).unwrap(),
            weights: BlendWeights::equal(4).unwrap(),
            shares: vec![None, Some(0.1), None, None],
            names: heads().names().to_vec(),
            left: 0.9,
            unblended: false,
        };
        let all: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(blend.coalitions(&all), [2.0, 3.0, 6.0, 7.0]);
        assert!(blend.coalitions(&[]).is_empty());
    }

    #[test]
    fn an_estimate_is_told_of_every_head_and_decides_among_those_that_are_weighed() {
        let mut blend = start_with_shares(&Ogr::default(), &heads(), &[None, Some(0.1), None, None]).unwrap();
        let estimate = Estimate {
            estimator: Measurement::Probe,
            probe_epochs: Some(2),
            gradients: None,
            movements: Movements {
                delta_o: vec![0.5, 0.0, 0.1, 0.3],
                delta_g: vec![0.1, 0.0, 0.4, 0.5],
                covariance: Symmetric::zeros(4),
            },
            resampled: Vec::new(),
            groups: None,
        };
        let report = blend.take_estimate(0, &estimate).unwrap();
        let names: Vec<&str> = report.heads.iter().map(|head| head.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "joint"]);
        let told: Vec<f64> = report.heads.iter().map(|head| head.weight).collect();
        close(&told, blend.weights().as_slice());
        assert_eq!(told[1], 0.1);
    }
}
