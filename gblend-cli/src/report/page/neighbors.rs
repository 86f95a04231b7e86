//! What is near to some test samples, before training and after.

use maud::{Markup, html};

use crate::records::{NeighborSample, Neighborhood, Neighbors, Shown};

/// The nearest neighbors in each modality.
pub(super) fn section(found: &Neighbors) -> Markup {
    html! {
        h4 { "Nearest neighbors before and after" }
        p.note {
            "Test samples that are spread evenly over all " (found.among) " by their place, whatever they are like, and what is nearest to \
             each by its features, nearest first. Bold with a check mark is the class of a label that a neighbor shares with the sample."
        }
        @for (modality, tower) in found.towers.iter().enumerate() {
            @if !tower.queries.is_empty() {
                h4 { "By the features of " (tower.name) }
                @for query in &tower.queries { (neighborhood(found, modality, query)) }
            }
        }
    }
}

fn neighborhood(found: &Neighbors, modality: usize, query: &Neighborhood) -> Markup {
    let Some(sample) = found.samples.get(query.sample) else {
        return html! {};
    };
    html! {
        figure.neighbors {
            div.asked {
                p.name { "near to" }
                (shown(sample, modality))
                (classes(found, sample, None))
            }
            @for (state, nearest) in [("as training began", &query.initial), ("as trained", &query.trained)] {
                div.near {
                    p.name { (state) }
                    ol { @for other in nearest.iter().filter_map(|&place| found.samples.get(place)) {
                        li { (shown(other, modality)) (classes(found, other, Some(sample))) }
                    } }
                }
            }
            figcaption { (in_words(found, sample, query)) }
        }
    }
}

/// What there is to see of a sample, or its name.
fn shown(sample: &NeighborSample, modality: usize) -> Markup {
    let described = || {
        let classes: Vec<&str> = sample.labels.iter().flatten().map(String::as_str).collect();
        match classes.is_empty() {
            true => sample.id.clone(),
            false => format!("{}: {}", sample.id, classes.join(", ")),
        }
    };
    html! {
        @match sample.shown.get(modality).and_then(Option::as_ref) {
            Some(Shown::Picture(png)) => img src={ "data:image/png;base64," (png) } alt=(described()) title=(sample.id);,
            Some(Shown::Text(text)) => p.said title=(sample.id) { (text) },
            None => p.said { (sample.id) },
        }
    }
}

/// The classes of a sample, with those that it shares with `asked` marked.
fn classes(found: &Neighbors, sample: &NeighborSample, asked: Option<&NeighborSample>) -> Markup {
    let known = found.labels.iter().zip(&sample.labels).enumerate();
    let known = known.filter_map(|(place, (label, class))| {
        let class = class.as_ref()?;
        let shares = asked.is_some_and(|asked| asked.labels.get(place) == Some(&Some(class.clone())));
        Some((label, class, shares))
    });
    html! {
        ul.classes { @for (label, class, shares) in known {
            li title=(label) { @if shares { strong { "✓ " (class) } } @else { (class) } }
        } }
    }
}

/// `Of 5 neighbors share the look (ball) 1 as training began and 4 as trained.`
fn in_words(found: &Neighbors, sample: &NeighborSample, query: &Neighborhood) -> String {
    let told = found.labels.iter().zip(&sample.labels).enumerate();
    let told = told.filter_map(|(place, (label, class))| {
        let class = class.as_ref()?;
        let sharing = |nearest: &[usize]| {
            let others = nearest.iter().filter_map(|&other| found.samples.get(other));
            others
                .filter(|other| other.labels.get(place) == Some(&Some(class.clone())))
                .count()
        };
        Some(format!(
            "{label} ({class}) {} → {}",
            sharing(&query.initial),
            sharing(&query.trained)
        ))
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => format!("{} has no further label.", sample.id),
        false => format!(
            "Of {} neighbors of {}, those that share its class before and after training: {}.",
            query.trained.len(),
            sample.id,
            told.join(", ")
        ),
    }
}
