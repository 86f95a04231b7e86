//! Checks of modalities, and of the encoders that they build.

use std::path::Path;

use super::arbitrary::{self, MediaSize};
use super::built::Built;
use super::difference::{all_finite, same_array, same_text};
use super::halves;
use super::{Rule, Violation, config, flat, harness, registration};
use crate::array::Array;
use crate::error::Error;
use crate::fit::{FitContext, Fitted};
use crate::media::{Media, MediaKind};
use crate::modality::{BuildContext, Encoder, Modality};
use crate::pass::Pass;
use crate::role::Role;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Batch};

/// Pieces of media that the check wants.
const LEAST: usize = 3;

/// Checks a modality on these pieces of media: at least three that differ and are of one shape, such as
/// [`arbitrary::samples`] makes.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn modality(modality: &dyn Modality, media: &[Media]) -> Result<(), Violation> {
    harness::of_plugin(modality.typetag_name(), || {
        registration::check(Role::Modality, modality.typetag_name())?;
        config::survives_json::<_, Box<dyn Modality>>(modality.typetag_name(), modality)?;
        check_media(modality, media)?;
        let prepared = prepare(modality, media)?;
        refuses_other_media(modality)?;
        let fitted = fit(modality, &prepared)?;
        let applied = apply(modality, &prepared, &fitted)?;
        augment(modality, &applied)?;
        check_encoder(modality, &prepared, &applied, &fitted)
    })
}

fn check_media(modality: &dyn Modality, media: &[Media]) -> Result<(), Violation> {
    let rule = Rule::MediaFits;
    rule.holds(
        media.len() >= LEAST,
        format!("at least {LEAST} pieces of media"),
        media.len(),
    )?;
    let kinds: Vec<MediaKind> = media.iter().map(Media::kind).collect();
    let expected = format!("{} alone", modality.media());
    rule.holds(
        kinds.iter().all(|&kind| kind == modality.media()),
        expected,
        &kinds,
    )?;
    let shapes: Vec<Vec<usize>> = media.iter().map(shape).collect();
    rule.holds(
        shapes.iter().all(|shape| *shape == shapes[0]),
        "media of one shape",
        &shapes,
    )
}

fn shape(media: &Media) -> Vec<usize> {
    let sequence = match media {
        Media::Frames(frames) => frames.shape(),
        Media::Flow(fields) => fields.shape(),
        Media::Depth(maps) => maps.shape(),
        Media::Waveform(sound) => return vec![sound.sample_rate as usize, sound.samples.len()],
        Media::Array(array) => return array.shape().to_vec(),
        // Texts have no shape to differ in.
        Media::Text(_) => return Vec::new(),
    };
    vec![
        sequence.frames,
        sequence.height,
        sequence.width,
        sequence.channels,
    ]
}

fn prepare(modality: &dyn Modality, media: &[Media]) -> Result<Vec<Array>, Violation> {
    let mut prepared: Vec<Array> = Vec::with_capacity(media.len());
    for media in media {
        let sample = Rule::Prepares.works("preparing", modality.prepare(media))?;
        let again = Rule::Prepares.works("preparing again", modality.prepare(media))?;
        same_array(Rule::PreparesAlike, "what was prepared first", &sample, &again)?;
        finite_array(Rule::PreparesFinite, "a prepared sample", &sample)?;
        let first = prepared.first().unwrap_or(&sample).shape().to_vec();
        let expected = format!("the shape {first:?}");
        Rule::PreparesOneShape.holds(sample.shape() == first, expected, sample.shape())?;
        prepared.push(sample);
    }
    Ok(prepared)
}

fn finite_array(rule: Rule, what: &str, array: &Array) -> Result<(), Violation> {
    all_finite(rule, what, array.shape(), array.values())
}

fn refuses_other_media(modality: &dyn Modality) -> Result<(), Violation> {
    for kind in MediaKind::ALL
        .into_iter()
        .filter(|&kind| kind != modality.media())
    {
        let media = arbitrary::sample(kind, &MediaSize::default(), Seed::new(0));
        let media = Rule::CasesExist.works(format!("making {kind}"), media)?;
        Rule::OtherMediaRefused.refused(format!("media of the kind {kind}"), modality.prepare(&media))?;
    }
    Ok(())
}

fn fit(modality: &dyn Modality, prepared: &[Array]) -> Result<Fitted, Violation> {
    let read = |index: usize| {
        let sample: Option<&Array> = prepared.get(index);
        sample
            .cloned()
            .ok_or_else(|| Error::data(format!("sample {index}"), "is none of those that there are"))
    };
    let cx = FitContext::new(Path::new("."), prepared.len(), &read);
    let fitted = Rule::Fits.works("fitting", modality.fit(&cx))?;
    let again = Rule::Fits.works("fitting again", modality.fit(&cx))?;
    if fitted != again {
        let (fitted, again) = (format!("{fitted:?}"), format!("{again:?}"));
        same_text(Rule::FitsAlike, "what was fitted first,", &fitted, &again)?;
    }
    Ok(fitted)
}

fn apply(modality: &dyn Modality, prepared: &[Array], fitted: &Fitted) -> Result<Vec<Array>, Violation> {
    let mut applied: Vec<Array> = Vec::with_capacity(prepared.len());
    for sample in prepared {
        let apply = |fitted| Rule::Applies.works("applying", modality.apply(sample.clone(), fitted));
        let (one, other) = (apply(fitted)?, apply(fitted)?);
        same_array(
            Rule::AppliesAlike,
            "what was made of the sample first",
            &one,
            &other,
        )?;
        finite_array(Rule::AppliesFinite, "what is made of a sample", &one)?;
        let first = applied.first().unwrap_or(&one).shape().to_vec();
        let expected = format!("the shape {first:?}");
        Rule::AppliesOneShape.holds(one.shape() == first, expected, one.shape())?;
        applied.push(one);
    }
    // Whoever builds the network has no sample at hand.
    if let (Some(sample), Some(first)) = (prepared.first(), applied.first()) {
        let zeros = modality.apply(Array::zeros(sample.shape()), fitted);
        let zeros = Rule::Applies.works("applying to zeros", zeros)?;
        let expected = format!("the shape {:?}", first.shape());
        Rule::AppliesOneShape.holds(zeros.shape() == first.shape(), expected, zeros.shape())?;
    }
    Ok(applied)
}

fn augment(modality: &dyn Modality, prepared: &[Array]) -> Result<(), Violation> {
    for sample in prepared {
        for seed in (0..3).map(Seed::new) {
            let augment = || {
                let augmented = modality.augment(sample.clone(), &mut seed.rng());
                Rule::Augments.works("augmenting", augmented)
            };
            let (one, other) = (augment()?, augment()?);
            let what = format!("what came of {seed:?} first");
            same_array(Rule::AugmentsBySeed, what, &one, &other)?;
            let expected = format!("the shape {:?}", sample.shape());
            Rule::AugmentsInShape.holds(one.shape() == sample.shape(), expected, one.shape())?;
            finite_array(Rule::AugmentsFinite, "an augmented sample", &one)?;
        }
    }
    Ok(())
}

fn check_encoder(
    modality: &dyn Modality,
    prepared: &[Array],
    applied: &[Array],
    fitted: &Fitted,
) -> Result<(), Violation> {
    let device = AutoDevice::default();
    let prepared_shape = prepared.first().map(Array::shape).unwrap_or_default();
    let sample_shape = applied.first().map(Array::shape).unwrap_or_default();
    let build = |seed| {
        modality.build(&BuildContext {
            device: &device,
            sample_shape,
            fitted,
            seed,
        })
    };
    let batch = |samples: &[usize]| {
        let samples: Vec<&Array> = samples.iter().filter_map(|&sample| applied.get(sample)).collect();
        Batch::stack(&device, &samples)
    };
    let built = Built::<dyn Encoder> {
        build: &build,
        run: &|encoder, samples, pass| encoder.encode(&batch(samples)?, pass),
        length: &|encoder| encoder.feature_dim(),
        samples: applied.len(),
    };
    built.check()?;
    for value in flat::VALUES {
        let array = Array::new(prepared_shape, vec![value; prepared_shape.iter().product()]);
        let array = Rule::CasesExist.works("a flat sample", array)?;
        let sample = match modality.apply(array, fitted) {
            // A mask or a text of such values is none.
            Err(Error::Data { .. }) => continue,
            applied => Rule::Applies.works(format!("applying to a sample of {value:e} alone"), applied)?,
        };
        Built::<dyn Encoder> {
            build: &build,
            run: &|encoder, samples, pass| {
                encoder.encode(&Batch::stack(&device, &vec![&sample; samples.len()])?, pass)
            },
            length: &|encoder| encoder.feature_dim(),
            samples: prepared.len(),
        }
        .check_flat()
        .map_err(|violation| violation.with(&format_args!("samples of {value:e} alone")))?;
    }
    let mut encoder = Rule::Builds.works("building", build(Seed::new(1)))?;
    halves::check(&build, &batch, prepared.len())?;
    for shape in other_shapes(sample_shape) {
        let sample = Array::zeros(shape.clone());
        let batch = Batch::stack(&device, &[&sample, &sample]);
        let batch = Rule::CasesExist.works(format!("a batch of samples {shape:?}"), batch)?;
        let encoded = encoder.encode(&batch, &Pass::evaluate());
        let what = format!("samples of shape {shape:?} where it was built for {sample_shape:?}");
        Rule::OtherInputRefused.refused(what, encoded)?;
    }
    built.check_derivatives()
}

/// One longer along each axis, and of as many values but with other axes.
fn other_shapes(shape: &[usize]) -> Vec<Vec<usize>> {
    let longer = (0..shape.len()).map(|axis| {
        let mut longer = shape.to_vec();
        longer[axis] += 1;
        longer
    });
    let mut unsqueezed = shape.to_vec();
    unsqueezed.push(1);
    let flat = vec![shape.iter().product()];
    let others = longer.chain([unsqueezed, flat]);
    others.filter(|other| other != shape).collect()
}
