//! What there is to train on, and what training is going to take.

use gblend_core::LabelKind;
use gblend_core::params::parameter_count;

use crate::config::Objectives;
use crate::data::inspect::{
    Finding, StreamRange, class_counts, class_findings, coverage, group_counts, rare_classes, stream_ranges,
    training_findings,
};
use crate::data::{Splits, bind};
use crate::error::{Result, lines_by_kind};
use crate::network::Multimodal;
use crate::process::peak_rss_bytes;
use crate::records::{ClassWeight, Origins};
use crate::tables::{table, weighted_losses};
use crate::training::lone_values::lone_values;
use crate::training::session::Session;
use crate::training::step_room::settle_recompute;
use crate::training::trial::{Trial, trial};

/// What there is to train on and what training is going to take, by two steps that are tried: the model is of no use afterwards.
///
/// # Errors
/// Everything that training would end with before its first step, and in it.
pub(super) fn looked_at(
    session: &mut Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
    origins: &Origins,
    all: bool,
) -> Result<(Vec<String>, Trial)> {
    let config = session.config;
    let lone = lone_values(session, splits, model)?;
    let recompute = settle_recompute(session, splits, model)?;
    let session = &*session;
    let mut blend = config.start_blend(&session.heads)?;
    session.check_folds(splits, blend.as_ref())?;
    let trial = trial(session, splits, model, blend.as_mut())?;
    let joint = model.criteria().joint().class_weights();
    let weights = ClassWeight::of_each(joint, session.source.classes());
    let data = Inspected::new(session, splits, weights.is_empty())?;
    let mut lines = samples(session, splits, all);
    lines.push(data.counts(session, splits));
    lines.extend(weighted_losses(&weights));
    lines.extend(asked(
        &session.objectives,
        session.heads.names(),
        config.objective.is_some(),
    ));
    let from = origins.modalities.iter();
    lines.extend(from.map(|(modality, origin)| format!("{modality} starts from {origin}")));
    let modalities = config.modalities.iter().zip(session.sample_shapes()?);
    for (((modality, shape), fitted), range) in modalities.zip(&session.fitted).zip(&data.ranges) {
        let kind = modality.plugin.typetag_name();
        lines.push(format!(
            "modality {}: {kind}, samples of shape {shape:?}",
            modality.name
        ));
        lines.extend(values(range).map(|line| format!("  {line}")));
        lines.extend(fitted.summary().iter().map(|line| format!("  {line}")));
    }
    lines.push(format!("parameters: {}", parameter_count(model)?));
    lines.extend(recompute);
    lines.extend(expected(&trial));
    lines.extend(data.findings.iter().map(|finding| format!("warning: {finding}")));
    lines.extend(lone.iter().map(|told| format!("warning: {told}")));
    Ok((lines, trial))
}

/// How many samples there are, and what is wrong with others.
fn samples(session: &Session<'_>, splits: &Splits, all: bool) -> Vec<String> {
    let source = session.source.as_ref();
    let [train, held_out, validation, test] = splits.sizes();
    let mut lines = vec![format!(
        "samples: {train} training, {held_out} held out, {validation} validation, {test} test, such as {}",
        source.sample(0).id
    )];
    if session.skipped_samples > 0 {
        lines.push(format!("skipped: {} samples", session.skipped_samples));
        let problems = match all {
            true => session.skipped.iter().map(ToString::to_string).collect(),
            false => lines_by_kind(&session.skipped),
        };
        lines.extend(problems.iter().map(|problem| format!("  {problem}")));
    }
    if splits.unlabeled() > 0 {
        lines.push(format!(
            "without a label, and left out: {} samples",
            splits.unlabeled()
        ));
    }
    lines.push(match source.label_kind() {
        LabelKind::Number => "labels: numbers".to_owned(),
        _ if source.classes().is_empty() => "labels: none".to_owned(),
        _ => format!("classes: {}", source.classes().join(", ")),
    });
    lines
}

/// What was seen of the data.
struct Inspected {
    ranges: Vec<StreamRange>,
    findings: Vec<Finding>,
}

impl Inspected {
    /// `counted_alike`: whether nothing makes up for how frequent classes are.
    fn new(session: &Session<'_>, splits: &Splits, counted_alike: bool) -> Result<Self> {
        let (source, prepared) = (session.source.as_ref(), &session.prepared);
        let streams = bind(&session.config.modalities, source)?;
        let ranges = stream_ranges(source, prepared, splits, &streams)?;
        let mut findings = class_findings(source, prepared, splits);
        findings.extend(rare_classes(source, prepared, splits).filter(|_| counted_alike));
        findings.extend(training_findings(source, prepared, splits));
        findings.extend(ranges.iter().flat_map(|range| range.findings.iter().cloned()));
        Ok(Self { ranges, findings })
    }

    /// Samples, groups, modalities and classes of each split.
    fn counts(&self, session: &Session<'_>, splits: &Splits) -> String {
        let (source, prepared) = (session.source.as_ref(), &session.prepared);
        let row = |what: String, counts: [usize; 4]| {
            let counts = counts.iter().map(ToString::to_string);
            std::iter::once(what).chain(counts).collect::<Vec<String>>()
        };
        let mut rows = vec![row("samples".to_owned(), splits.sizes())];
        if let Some(groups) = group_counts(source, splits) {
            rows.push(row("groups".to_owned(), groups));
        }
        for (position, modality) in session.config.modalities.iter().enumerate() {
            let having = coverage(prepared, splits, position);
            rows.push(row(format!("with {}", modality.name), having));
        }
        let mut classes = class_counts(source, prepared, splits);
        let count = classes.len();
        if count > MOST_CLASSES {
            // The rarest ones, which are hardest to learn.
            classes.sort_by_key(|class| class.samples[0]);
            classes.truncate(MOST_CLASSES);
        }
        rows.extend(
            classes
                .into_iter()
                .map(|class| row(format!("class {}", class.name), class.samples)),
        );
        if count > MOST_CLASSES {
            let more = format!("and {} more frequent classes", count - MOST_CLASSES);
            rows.push(vec![more]);
        }
        table(&["", "training", "held out", "validation", "test"], 1, rows)
    }
}

/// Classes that have a row each.
const MOST_CLASSES: usize = 30;

/// The values of a stream, in words.
fn values(range: &StreamRange) -> impl Iterator<Item = String> {
    let between = |(least, most): (usize, usize), what: &str| match least == most {
        true => format!("{least} {what}"),
        false => format!("{least} to {most} {what}"),
    };
    let bytes = range
        .bytes
        .map(|bytes| format!("texts of {}", between(bytes, "bytes")));
    let lengths = range.lengths.filter(|(least, most)| least != most);
    let lengths = lengths.map(|lengths| format!("arrays of {}", between(lengths, "rows")));
    let missing = match range.missing {
        0 => String::new(),
        missing => format!("; {missing} of {} missing", missing + range.values),
    };
    let values = (range.values > 0).then(|| {
        format!(
            "values from {} to {}, {:.4} in the mean{missing}",
            range.least, range.greatest, range.mean
        )
    });
    bytes.into_iter().chain(lengths).chain(values)
}

/// Time and memory that training is going to take.
fn expected(trial: &Trial) -> Vec<String> {
    let step = match &trial.step {
        Ok(step) => step.as_secs_f64(),
        Err(diverged) => return vec![format!("warning: the first steps go wrong: {diverged}")],
    };
    let epoch = step * trial.steps_per_epoch as f64;
    let once = trial.once.as_secs_f64();
    let features = match once > 0.0 {
        true => format!(
            "{} for the features of frozen encoders, once, and ",
            duration(once)
        ),
        false => String::new(),
    };
    let mut lines = vec![format!(
        "time: about {features}{} for {} epochs of {} steps, {:.1} ms each; estimates, validation and the test come on top",
        duration(epoch * trial.epochs as f64),
        trial.epochs,
        trial.steps_per_epoch,
        1e3 * step
    )];
    lines.extend(
        peak_rss_bytes().map(|bytes| format!("memory: {} MiB so far, with two steps taken", bytes >> 20)),
    );
    lines
}

/// Seconds, roughly.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        0.0..100.0 => format!("{seconds:.0} s"),
        100.0..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// What heads are asked, where the configuration says so.
fn asked(objectives: &Objectives<'_>, names: &[String], joint: bool) -> Vec<String> {
    let heads = names.iter().enumerate();
    let named = heads.filter(|(head, _)| objectives.own(*head).is_some() || joint && head + 1 == names.len());
    named
        .map(|(head, name)| format!("objective of {name}: {}", objectives.of_head(head).typetag_name()))
        .collect()
}
