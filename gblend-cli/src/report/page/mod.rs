//! The page.

mod comparison;
mod feature_space;
mod figure;
mod neighbors;
mod run;
mod side_by_side;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::error::Result;
use crate::report::reading::{Run, Source};
use figure::Names;

/// Nothing is fetched, and nothing is run: pictures are in the page.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// The page about these sources.
pub(super) fn of(sources: &[Source]) -> Result<String> {
    let mut names = Names::default();
    let mut sections = Vec::new();
    let runs: Vec<&Run> = sources
        .iter()
        .filter_map(|source| match source {
            Source::Run(run) => Some(&**run),
            Source::Comparison(_) => None,
        })
        .collect();
    if runs.len() > 1 {
        sections.push((
            "Side by side".to_owned(),
            side_by_side::section(&mut names, &runs)?,
        ));
    }
    for source in sources {
        sections.push(match source {
            Source::Run(run) => (format!("Run {}", run.name), run::section(&mut names, run)?),
            Source::Comparison(compared) => (
                format!("Comparison {}", compared.name),
                comparison::section(&mut names, compared)?,
            ),
        });
    }
    let title = match sections.as_slice() {
        [(only, _)] => only.clone(),
        _ => format!("{} runs and comparisons", sources.len()),
    };
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – gblend" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header {
                    p.brand { "gblend " (env!("CARGO_PKG_VERSION")) }
                    h1 { (title) }
                }
                main {
                    @if sections.len() > 1 {
                        nav aria-label="Contents" {
                            ul { @for (index, (name, _)) in sections.iter().enumerate() {
                                li { a href=(format!("#section-{index}")) { (name) } }
                            } }
                        }
                    }
                    @for (index, (name, section)) in sections.iter().enumerate() {
                        section id=(format!("section-{index}")) {
                            @if sections.len() > 1 { h2 { (name) } }
                            (section)
                        }
                    }
                }
            }
        }
    }
    .into_string())
}

/// What to try next, under what it is about where that is not the whole section.
fn advice(groups: &[(Option<String>, Vec<String>)]) -> Markup {
    html! {
        div.advice {
            h3 { "What to try next" }
            @if groups.iter().all(|(_, advice)| advice.is_empty()) {
                p { "Nothing stands out: no figure here gives a reason to change a setting." }
            }
            @for (about, advice) in groups.iter().filter(|(_, advice)| !advice.is_empty()) {
                @if let Some(about) = about { p { (about) } }
                ul { @for one in advice { li { (one) } } }
            }
        }
    }
}

/// A few figures to begin with.
fn facts(facts: &[(impl AsRef<str>, String)]) -> Markup {
    html! {
        dl.facts { @for (name, fact) in facts { div { dt { (name.as_ref()) } dd { (fact) } } } }
    }
}

/// The configuration.
fn config(text: &str) -> Markup {
    html! {
        details.config {
            summary { "The configuration" }
            pre { code { (text) } }
        }
    }
}
