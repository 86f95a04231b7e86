//! The shape that the samples of a modality have in common, and those that have another.
//!
//! No sample is the norm because it comes first: the norm is the shape that most can be brought to.

use std::collections::BTreeMap;
use std::ops::Range;

use gblend_core::{Array, MediaKind, Modality};

/// Shapes that may be the norm; where there are more, none of them is that of many.
const MOST_NORMS: usize = 16;
/// Shapes that are tried on others. Where there are more, it is a matter of settings.
const MOST_SHAPES: usize = 64;

/// The shapes of the samples of a segment.
pub(super) enum SegmentShapes {
    /// One for all, of these samples.
    Alike(Vec<usize>, Positions),
    /// One for each.
    Mixed(Vec<(usize, Vec<usize>)>),
}

impl SegmentShapes {
    /// Of samples by their positions in the dataset.
    pub(super) fn of<'a>(samples: impl Iterator<Item = (usize, &'a [usize])> + Clone) -> Self {
        let first = samples.clone().next().map_or(&[][..], |(_, shape)| shape);
        if samples.clone().all(|(_, shape)| shape == first) {
            return Self::Alike(first.to_vec(), samples.map(|(index, _)| index).collect());
        }
        Self::Mixed(samples.map(|(index, shape)| (index, shape.to_vec())).collect())
    }
}

/// Positions in the dataset, in the order in which they came. Those that follow each other take no more than one.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions(Vec<Range<usize>>);

impl Positions {
    fn push(&mut self, range: Range<usize>) {
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }

    fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    fn first(&self) -> Option<usize> {
        self.0.first().map(|range| range.start)
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().cloned().flatten()
    }
}

impl FromIterator<usize> for Positions {
    fn from_iter<T: IntoIterator<Item = usize>>(positions: T) -> Self {
        let mut gathered = Self::default();
        for position in positions {
            gathered.push(position..position + 1);
        }
        gathered
    }
}

/// Which samples have which shape.
#[derive(Default)]
pub(super) struct Shapes(BTreeMap<Vec<usize>, Positions>);

impl Shapes {
    pub(super) fn add(&mut self, segment: SegmentShapes) {
        match segment {
            SegmentShapes::Alike(shape, samples) => {
                // A segment without samples has no shape.
                for range in samples.0 {
                    self.0.entry(shape.clone()).or_default().push(range);
                }
            }
            SegmentShapes::Mixed(samples) => {
                for (index, shape) in samples {
                    self.0.entry(shape).or_default().push(index..index + 1);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The norm, and the samples that cannot be brought to it. Of shapes that as many can be brought to, it is the one that
    /// more have, and then that of the first sample.
    pub(super) fn settle(self, plugin: &dyn Modality) -> (Vec<usize>, Odd) {
        let fits = self.fits(plugin);
        let mut norms: Vec<(&Vec<usize>, &Positions)> = self.0.iter().collect();
        norms.sort_by_key(|(_, samples)| (std::cmp::Reverse(samples.len()), samples.first()));
        norms.truncate(MOST_NORMS);
        let reached = |norm: &[usize]| -> usize {
            let fitting = self.0.iter().filter(|(shape, _)| fits(shape, norm));
            fitting.map(|(_, samples)| samples.len()).sum()
        };
        let counted = norms.iter().map(|(norm, _)| (reached(norm), *norm));
        // The first of several that are as many, which `max_by_key` would pass over.
        let best = counted.reduce(|best, other| if other.0 > best.0 { other } else { best });
        let Some((fitting, norm)) = best else {
            return (Vec::new(), Odd::default());
        };
        let norm = norm.clone();
        let others = Others::AmongThese {
            fitting,
            total: self.0.values().map(Positions::len).sum(),
        };
        self.odd(plugin, norm, others)
    }

    /// The samples that cannot be brought to the shape that a model was trained on.
    pub(super) fn compare(self, plugin: &dyn Modality, trained: &[usize]) -> (Vec<usize>, Odd) {
        self.odd(plugin, trained.to_vec(), Others::Training)
    }

    fn fits<'a>(&self, plugin: &'a dyn Modality) -> impl Fn(&[usize], &[usize]) -> bool + use<'a> {
        let few = self.0.len() <= MOST_SHAPES;
        move |shape, norm| {
            shape == norm
                || few
                    && plugin
                        .in_shape(&Array::zeros(shape), norm)
                        .is_some_and(|shaped| shaped.shape() == norm)
        }
    }

    fn odd(self, plugin: &dyn Modality, norm: Vec<usize>, others: Others) -> (Vec<usize>, Odd) {
        let fits = self.fits(plugin);
        let strange = self.0.iter().filter(|(shape, _)| !fits(shape, &norm));
        let samples = strange.flat_map(|(shape, samples)| samples.iter().map(|index| (index, shape.clone())));
        let mut samples: Vec<(usize, Vec<usize>)> = samples.collect();
        samples.sort_unstable();
        let odd = Odd {
            samples,
            norm: norm.clone(),
            others,
        };
        (norm, odd)
    }
}

/// Samples of another shape than the norm.
#[derive(Default)]
pub(super) struct Odd {
    samples: Vec<(usize, Vec<usize>)>,
    norm: Vec<usize>,
    others: Others,
}

/// Those that the norm is the shape of.
enum Others {
    /// So many of so many.
    AmongThese { fitting: usize, total: usize },
    /// Those that a model was trained on.
    Training,
}

impl Default for Others {
    fn default() -> Self {
        Self::AmongThese { fitting: 0, total: 0 }
    }
}

impl Odd {
    /// Whether they are fewer than the others, so that these can do without them.
    pub(super) fn are_few(&self) -> bool {
        match self.others {
            Others::AmongThese { total, .. } => 2 * self.samples.len() < total,
            Others::Training => false,
        }
    }

    /// What is wrong with each, in the order of the dataset.
    pub(super) fn problems(&self, modality: &str, media: MediaKind) -> impl Iterator<Item = (usize, String)> {
        self.samples.iter().map(move |(index, shape)| {
            let problem = match self.others {
                Others::AmongThese { fitting, total } => format!(
                    "prepared to shape {shape:?}, expected {:?} as {fitting} of {total} samples; {}",
                    self.norm,
                    hint(modality, media, shape, &self.norm)
                ),
                Others::Training => format!(
                    "prepared to shape {shape:?}, expected {:?} as what the model was trained on",
                    self.norm
                ),
            };
            (*index, problem)
        })
    }
}

/// Which setting of a modality brings samples to one shape.
fn hint(modality: &str, media: MediaKind, found: &[usize], norm: &[usize]) -> String {
    let differs = |axis: usize| found.get(axis) != norm.get(axis);
    let pictures = matches!(media, MediaKind::Frames | MediaKind::Depth | MediaKind::Flow)
        && found.len() == 4
        && norm.len() == 4;
    let settings = match media {
        _ if pictures => {
            let all = [("size", differs(1) || differs(2)), ("frames", differs(3))];
            all.into_iter()
                .filter(|(_, helps)| *helps)
                .map(|(name, _)| name)
                .collect()
        }
        MediaKind::Waveform => vec!["seconds"],
        MediaKind::Array if norm.len() > 1 => vec!["length"],
        MediaKind::Array => {
            return "every sample of a vector has as many numbers; a series of any length is for kind = \"sequence\"".into();
        }
        _ => Vec::new(),
    };
    let keys: Vec<String> = settings
        .iter()
        .map(|name| format!("modality.{modality}.{name}"))
        .collect();
    match &keys[..] {
        [] => "no setting changes that".into(),
        keys => format!("{} brings samples to one shape", keys.join(" with ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_modalities::rgb::Rgb;
    use proptest::prelude::*;

    fn settled(shapes: &[&[usize]]) -> (Vec<usize>, Odd) {
        let mut all = Shapes::default();
        let samples: Vec<(usize, &[usize])> = shapes.iter().copied().enumerate().collect();
        for segment in samples.chunks(3) {
            all.add(SegmentShapes::of(segment.iter().copied()));
        }
        all.settle(&Rgb::default())
    }

    const GRAY: &[usize] = &[1, 4, 5, 2];
    const COLOR: &[usize] = &[3, 4, 5, 2];
    const LARGE: &[usize] = &[3, 8, 5, 2];

    #[test]
    fn gray_pictures_are_color_wherever_one_is() {
        for shapes in [
            &[GRAY, COLOR, COLOR][..],
            &[COLOR, COLOR, COLOR, COLOR, GRAY],
            &[GRAY, GRAY, GRAY, GRAY, GRAY, GRAY, COLOR],
        ] {
            let (norm, odd) = settled(shapes);
            assert_eq!((norm.as_slice(), odd.samples.len()), (COLOR, 0));
        }
        assert_eq!(settled(&[GRAY; 5]).0, GRAY);
    }

    #[test]
    fn the_odd_ones_are_those_that_are_few_wherever_they_are() {
        for odd_one in 0..7 {
            let mut shapes = [COLOR; 7];
            shapes[odd_one] = LARGE;
            shapes[(odd_one + 3) % 7] = GRAY;
            let (norm, odd) = settled(&shapes);
            assert_eq!(norm, COLOR);
            assert!(odd.are_few());
            let problems: Vec<(usize, String)> = odd.problems("camera", MediaKind::Frames).collect();
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].0, odd_one);
            let problem = &problems[0].1;
            for part in [
                "[3, 8, 5, 2]",
                "[3, 4, 5, 2] as 6 of 7 samples",
                "modality.camera.size brings",
            ] {
                assert!(problem.contains(part), "{problem}");
            }
        }
        assert!(!settled(&[COLOR, LARGE]).1.are_few());
    }

    #[test]
    fn the_hint_names_the_setting_that_helps() {
        let of = |media, found: &[usize], norm: &[usize]| hint("m", media, found, norm);
        let frames = of(MediaKind::Depth, &[1, 4, 4, 8], &[1, 4, 4, 9]);
        assert_eq!(frames, "modality.m.frames brings samples to one shape");
        let both = of(MediaKind::Flow, &[2, 4, 4, 8], &[2, 5, 4, 9]);
        assert_eq!(
            both,
            "modality.m.size with modality.m.frames brings samples to one shape"
        );
        assert!(of(MediaKind::Waveform, &[1, 8, 3, 1], &[1, 8, 4, 1]).starts_with("modality.m.seconds "));
        assert!(of(MediaKind::Array, &[8, 3], &[9, 3]).starts_with("modality.m.length "));
        assert!(of(MediaKind::Array, &[8], &[9]).contains("as many numbers"));
    }

    proptest! {
        #[test]
        fn every_sample_fits_or_is_odd(which in proptest::collection::vec(0_usize..3, 0..30)) {
            let shapes: Vec<&[usize]> = which.iter().map(|&which| [GRAY, COLOR, LARGE][which]).collect();
            let (norm, odd) = settled(&shapes);
            let plugin = Rgb::default();
            for (index, shape) in shapes.iter().enumerate() {
                let is_odd = odd.samples.iter().any(|(odd, _)| *odd == index);
                let fits = *shape == norm || plugin.in_shape(&Array::zeros(*shape), &norm).is_some();
                prop_assert!(fits != is_odd);
            }
            let Others::AmongThese { fitting, total } = odd.others else { unreachable!() };
            prop_assert_eq!((fitting + odd.samples.len(), total), (shapes.len(), shapes.len()));
        }
    }
}
