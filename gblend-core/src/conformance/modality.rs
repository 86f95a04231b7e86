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
/// [`arbitrary::samples`] makes. The check makes others from them: of the same shape without any variation, and of other kinds.
///
/// An encoder sees nothing but what [`Modality::prepare`] makes of media, [`Modality::apply`] of that, and batches of other
/// shapes, which it has to refuse. Media without variation that `prepare` refuses are left out.
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
        let flat = check_flat(modality, &media[0], &prepared, &applied, &fitted)?;
        check_encoder(modality, &applied, &fitted, &flat)
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

/// An error as a run tells it, of the modality that is called `NAME`.
fn named(modality: &dyn Modality, error: Error) -> Error {
    error.of_plugin(modality, "modality.NAME")
}

fn prepare(modality: &dyn Modality, media: &[Media]) -> Result<Vec<Array>, Violation> {
    let mut prepared: Vec<Array> = Vec::with_capacity(media.len());
    for media in media {
        let prepare = || modality.prepare(media).map_err(|error| named(modality, error));
        let sample = Rule::Prepares.works("preparing", prepare())?;
        let again = Rule::Prepares.works("preparing again", prepare())?;
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
    let fitted = Rule::Fits.works("fitting", fitted_to(modality, prepared))?;
    let again = Rule::Fits.works("fitting again", fitted_to(modality, prepared))?;
    if fitted != again {
        let (fitted, again) = (format!("{fitted:?}"), format!("{again:?}"));
        same_text(Rule::FitsAlike, "what was fitted first,", &fitted, &again)?;
    }
    Ok(fitted)
}

fn fitted_to(modality: &dyn Modality, prepared: &[Array]) -> crate::Result<Fitted> {
    let read = |index: usize| {
        let sample: Option<&Array> = prepared.get(index);
        sample
            .cloned()
            .ok_or_else(|| Error::data(format!("sample {index}"), "is none of those that there are"))
    };
    let fitted = modality.fit(&FitContext::new(Path::new("."), prepared.len(), &read));
    fitted.map_err(|error| named(modality, error))
}

fn apply(modality: &dyn Modality, prepared: &[Array], fitted: &Fitted) -> Result<Vec<Array>, Violation> {
    let mut applied: Vec<Array> = Vec::with_capacity(prepared.len());
    for sample in prepared {
        let apply = |fitted| {
            let applied = modality.apply(sample.clone(), fitted);
            Rule::Applies.works("applying", applied.map_err(|error| named(modality, error)))
        };
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
                Rule::Augments.works("augmenting", augmented.map_err(|error| named(modality, error)))
            };
            let (one, other) = (augment()?, augment()?);
            let what = format!("what came of {seed:?} first");
            same_array(Rule::AugmentsBySeed, what, &one, &other)?;
            let expected = format!("the shape {:?}", sample.shape());
            Rule::AugmentsInShape.holds(one.shape() == sample.shape(), expected, one.shape())?;
            finite_array(Rule::AugmentsFinite, "an augmented sample", &one)?;
            if !modality.augments() {
                same_array(Rule::AugmentsIsTold, "the sample", sample, &one)?;
            }
        }
    }
    Ok(())
}

/// What becomes of media without variation, up to the encoder: a sample of each that can be used, and what it is of.
fn check_flat(
    modality: &dyn Modality,
    like: &Media,
    prepared: &[Array],
    applied: &[Array],
    fitted: &Fitted,
) -> Result<Vec<(String, Array)>, Violation> {
    let shape = |samples: &[Array]| samples.first().map(Array::shape).unwrap_or_default().to_vec();
    let check = |media: &Media| -> Result<Option<Array>, Violation> {
        // They may be unusable, as a text without a word is.
        let Ok(sample) = modality.prepare(media) else {
            return Ok(None);
        };
        finite_array(Rule::PreparesFinite, "a prepared sample", &sample)?;
        let expected = format!("the shape {:?}", shape(prepared));
        Rule::PreparesOneShape.holds(sample.shape() == shape(prepared), expected, sample.shape())?;
        let used = apply(modality, std::slice::from_ref(&sample), fitted)?;
        let expected = format!("the shape {:?}", shape(applied));
        Rule::AppliesOneShape.holds(shape(&used) == shape(applied), expected, shape(&used))?;
        augment(modality, &used)?;
        // Training samples may all be like this: a sensor that was never plugged in.
        let samples = vec![sample; LEAST];
        if fitted_to(modality, &samples).is_ok() {
            let fitted = fit(modality, &samples)?;
            apply(modality, &[prepared, &samples].concat(), &fitted)?;
        }
        Ok(used.into_iter().next())
    };
    let mut flat = Vec::new();
    for (what, media) in Rule::CasesExist.works("media without variation", flat::media(like))? {
        let sample = check(&media).map_err(|violation| violation.with(&format_args!("{what}")))?;
        flat.extend(sample.map(|sample| (what, sample)));
    }
    Ok(flat)
}

fn check_encoder(
    modality: &dyn Modality,
    applied: &[Array],
    fitted: &Fitted,
    flat: &[(String, Array)],
) -> Result<(), Violation> {
    let device = AutoDevice::default();
    let sample_shape = applied.first().map(Array::shape).unwrap_or_default();
    let build = |seed| {
        let built = modality.build(&BuildContext {
            device: &device,
            sample_shape,
            fitted,
            seed,
        });
        built.map_err(|error| named(modality, error))
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
    for (what, sample) in flat {
        Built::<dyn Encoder> {
            build: &build,
            run: &|encoder, samples, pass| {
                encoder.encode(&Batch::stack(&device, &vec![sample; samples.len()])?, pass)
            },
            length: &|encoder| encoder.feature_dim(),
            samples: applied.len(),
        }
        .check_finite(Rule::FiniteOnFlatInput)
        .map_err(|violation| violation.with(&format_args!("{what}")))?;
    }
    let mut encoder = Rule::Builds.works("building", build(Seed::new(1)))?;
    halves::check(&build, &batch, applied.len())?;
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
