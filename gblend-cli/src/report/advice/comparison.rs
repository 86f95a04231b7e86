//! What the table of a comparison suggests.

use gblend_core::{Advice, Better, Finding, MetricFormat, MetricKind, WeightSource};

use super::learning::Learning;
use super::remedy;
use crate::config::settings_beside;
use crate::records::{Difference, FigureDifference, LEAST_SEEDS, Row, difference, settled_by};
use crate::report::charts::of_kind;
use crate::report::reading::{Compared, label};

/// As many settings as a sentence bears.
const MOST_SETTINGS: usize = 5;

/// What the rows suggest; nothing if nothing stands out.
pub(in crate::report) fn of_comparison(compared: &Compared) -> Vec<String> {
    let Compared { result, .. } = compared;
    let mut advice = Vec::new();
    for (position, row) in result.rows.iter().enumerate() {
        let strategy = compared.run(position).map(|run| &run.advice);
        let blends = strategy.filter(|strategy| strategy.weights != WeightSource::Given);
        if let Some(strategy) = blends.filter(|_| compared.has_all(row)) {
            advice.extend(of_blend(compared, row, strategy));
        }
    }
    let few = result.rows.iter().map(|row| row.seeds.len()).min().unwrap_or(0);
    if few < LEAST_SEEDS {
        advice.push(format!(
            "Methods have as few seeds as {few}: with fewer than {LEAST_SEEDS} no difference is marked; compare with five (--seeds 5)."
        ));
    }
    advice.extend(fewer_modalities(compared));
    if let Some(simplex) = &result.simplex
        && beyond_chance(
            &simplex.regret,
            simplex.estimate.figures(&result.main().name).len(),
        )
        && simplex.regret.mean > 0.0
    {
        let shown = compared
            .representative()
            .and_then(|position| compared.run(position));
        let strategy = shown.map(|run| &run.advice);
        advice.push(format!(
            "The best fixed weights are {}{} better than the strategy’s, beyond chance. {}",
            size(&simplex.regret, result.main()),
            match result.main().format {
                MetricFormat::Percent => " points",
                _ => "",
            },
            remedy(strategy.unwrap_or(&Advice::default()), Finding::BelowFixed)
        ));
    }
    if !result.left_out.is_empty() {
        advice.push(format!(
            "Runs without a result: {}; the list below the table says why.",
            result.left_out.len()
        ));
    }
    advice
}

/// A row whose weights were found, beside the best single modality and what else has every modality.
fn of_blend(compared: &Compared, row: &Row, strategy: &Advice) -> Vec<String> {
    let result = &compared.result;
    let main = result.main();
    let gain = |difference: &Difference| main.better.gain(difference.mean);
    let name = label(row, result);
    let mut advice = Vec::new();
    let below = row
        .paired_difference_to_best_single
        .as_ref()
        .filter(|one| gain(one) < 0.0);
    let others = || {
        let rows = result.rows.iter();
        rows.filter(|other| compared.has_all(other) && *other != row && other.single().is_none())
    };
    // What shows that the modalities add something.
    let above = others().filter_map(|other| {
        let found = other.paired_difference_to_best_single.as_ref()?;
        (gain(found) > 0.0 && beyond_chance(found, other.seeds.len())).then_some((other, found))
    });
    let above = above.max_by(|(a, _), (b, _)| by_mean(a, b, main));
    if let Some(below) = below {
        advice.push(below_single(compared, row, strategy, below, above));
    }
    let equal = row.paired_difference_to_equal.as_ref();
    if let Some(equal) = equal.filter(|one| gain(one) < 0.0 && beyond_chance(one, row.seeds.len())) {
        advice.push(format!(
            "{name} {} equal weights, beyond chance. {}",
            is_below(equal, main),
            remedy(strategy, Finding::BelowEqual)
        ));
    }
    let told = |other: &Row| {
        let named = label(other, result);
        equal.is_some_and(|equal| equal.to == named) || below.and(above).is_some_and(|(row, _)| row == other)
    };
    let better = others().filter(|other| !told(other)).filter_map(|other| {
        let (found, seeds) = paired(compared, other, row)?;
        (gain(&found) > 0.0 && beyond_chance(&found, seeds)).then_some((other, found))
    });
    if let Some((other, found)) = better.max_by(|(a, _), (b, _)| by_mean(a, b, main)) {
        advice.push(format!(
            "{} {} {name}, beyond chance{}",
            label(other, result),
            is_above(&found, main),
            how(compared, other, row)
        ));
    }
    advice
}

/// A blend below the best single modality: what it means depends on whether anything else is above it.
fn below_single(
    compared: &Compared,
    row: &Row,
    strategy: &Advice,
    below: &Difference,
    above: Option<(&Row, &Difference)>,
) -> String {
    let result = &compared.result;
    let main = result.main();
    let (name, single, is_below) = (label(row, result), &below.to, is_below(below, main));
    let remedy = remedy(strategy, Finding::BelowSingle);
    if let Some((other, found)) = above {
        return format!(
            "{name} {is_below} {single}, while {} {} it, beyond chance: the modalities do add to \
             each other, and {name} loses it{} {remedy}",
            label(other, result),
            is_above(found, main),
            how(compared, other, row)
        );
    }
    if !beyond_chance(below, row.seeds.len()) {
        let told = settled_by(below, main);
        let told = told.unwrap_or_else(|| "more seeds (--seeds) or test samples would tell".to_owned());
        return format!("{name} {is_below} {single}, which chance explains as well; {told}.");
    }
    let shown = compared
        .representative()
        .and_then(|position| compared.run(position));
    let unfinished = if shown.is_some_and(|run| Learning::of(run).is_unfinished()) {
        " Training had not come to its end in the run below, so longer training comes first."
    } else {
        ""
    };
    let found = match strategy.weights {
        WeightSource::Estimated => "the estimate is off",
        WeightSource::Given | WeightSource::Adapted => "the weights are off",
    };
    format!(
        "{name} {is_below} {single}, beyond chance, and nothing with every modality is above it beyond chance: the \
         modalities have little to add to each other here, or {found}. {remedy}{unfinished}"
    )
}

/// Networks of some of the modalities that are better than those of all.
fn fewer_modalities(compared: &Compared) -> Option<String> {
    let result = &compared.result;
    let main = result.main();
    let best = |wanted: &dyn Fn(&Row) -> bool| {
        let rows = result.rows.iter().filter(|row| wanted(row));
        rows.max_by(|a, b| by_mean(a, b, main))
    };
    let some = best(&|row| !compared.has_all(row) && row.single().is_none())?;
    let whole = best(&|row| compared.has_all(row))?;
    let (found, seeds) = paired(compared, some, whole)?;
    let gains = main.better.gain(found.mean) > 0.0;
    (gains && beyond_chance(&found, seeds)).then(|| {
        format!(
            "{} reaches {}, {} {} than {} with every modality ({}), beyond chance: a modality does more harm than \
             good; leave it out, or give it a smaller encoder.",
            label(some, result),
            of_kind(some.mean, main),
            size(&found, main),
            match (main.format, main.better) {
                (MetricFormat::Percent, Better::Higher) => "points more",
                (MetricFormat::Percent, Better::Lower) => "points less",
                (_, Better::Higher) => "more",
                (_, Better::Lower) => "less",
            },
            label(whole, result),
            of_kind(whole.mean, main)
        )
    })
}

/// Whether so many seeds leave a difference out of chance's reach.
fn beyond_chance(difference: &Difference, seeds: usize) -> bool {
    difference.significant && seeds >= LEAST_SEEDS
}

/// The difference of two rows over the seeds that both have, and how many these are.
fn paired(compared: &Compared, row: &Row, other: &Row) -> Option<(Difference, usize)> {
    let pairs = compared.pairs(row, other);
    let seeds = pairs.len();
    Some((
        difference(
            &other.method,
            pairs,
            compared.result.main(),
            compared.result.tested_on(),
        )?,
        seeds,
    ))
}

/// Which of two rows is better as a mean.
fn by_mean(a: &Row, b: &Row, main: &MetricKind) -> std::cmp::Ordering {
    main.better.gain(a.mean).total_cmp(&main.better.gain(b.mean))
}

/// `3.4 ± 1.0`, without its sign; shares in percentage points.
fn size(difference: &Difference, main: &MetricKind) -> String {
    let figure = FigureDifference::new(difference.mean, main);
    let mean = figure.width(difference.mean.abs());
    match difference.ci95 {
        Some(half) => format!("{mean} ± {}", figure.width(half)),
        None => mean,
    }
}

/// `is 3.4 ± 1.0 points below`, or in words for figures of which less is better.
fn is_below(difference: &Difference, main: &MetricKind) -> String {
    match (main.format, main.better) {
        (MetricFormat::Percent, Better::Higher) => format!("is {} points below", size(difference, main)),
        _ => format!("is {} worse in {} than", size(difference, main), main.label),
    }
}

/// As [`is_below`], the other way round.
fn is_above(difference: &Difference, main: &MetricKind) -> String {
    match (main.format, main.better) {
        (MetricFormat::Percent, Better::Higher) => format!("is {} points above", size(difference, main)),
        _ => format!("is {} better in {} than", size(difference, main), main.label),
    }
}

/// The end of a sentence, and what the configuration of a row has where that of another has something else.
fn how(compared: &Compared, row: &Row, other: &Row) -> String {
    let run = |wanted: &Row| {
        let position = compared.result.rows.iter().position(|row| row == wanted)?;
        compared.run(position)
    };
    let (Some(run), Some(beside)) = (run(row), run(other)) else {
        return ".".to_owned();
    };
    let settings = settings_beside(&run.config, &beside.config);
    let more = settings.len().saturating_sub(MOST_SETTINGS);
    let rest = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match settings.as_slice() {
        [] => ".".to_owned(),
        settings => {
            let shown = &settings[..settings.len() - more];
            format!(". It has {}{rest}.", shown.join(", "))
        }
    }
}
