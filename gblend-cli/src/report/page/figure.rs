//! A chart as a figure: pictures with text alternatives, and the table behind them.

use maud::{Markup, PreEscaped, html};

use crate::report::charts::{Chart, Drawing, Key, Stroke, Table};

/// The width up to which a drawing shrinks with the page, in pixels.
const NARROW: u32 = 480;

/// Names for the parts of a page, no two alike.
#[derive(Debug, Default)]
pub(super) struct Names(usize);

impl Names {
    /// The next name.
    pub(super) fn next(&mut self, kind: &str) -> String {
        self.0 += 1;
        format!("{kind}-{}", self.0)
    }
}

/// A figure. A chart that cannot be drawn is its table alone.
pub(super) fn figure(names: &mut Names, chart: &Chart) -> Markup {
    let one = matches!(chart.drawings.as_slice(), [only] if only.pixels.0 <= NARROW);
    html! {
        figure.one[one] {
            h4 { (chart.title) }
            @if !chart.legend.is_empty() {
                ul.legend { @for key in &chart.legend { li { (swatch(key)) (key.means) } } }
            }
            @if chart.drawings.is_empty() {
                (table(&chart.table))
            } @else {
                div.drawings {
                    @for drawing in &chart.drawings { (picture(names, drawing, one)) }
                }
            }
            div.words {
                figcaption { (chart.caption) }
                @if !chart.drawings.is_empty() {
                    details {
                        summary { "The figures behind it" }
                        (table(&chart.table))
                    }
                }
            }
        }
    }
}

fn picture(names: &mut Names, drawing: &Drawing, one: bool) -> Markup {
    let (title, says) = (names.next("title"), names.next("says"));
    let view = format!("0 0 {} {}", drawing.size.0, drawing.size.1);
    // Small drawings shrink with the page; large ones are scrolled, or nobody could read them.
    let wide = drawing.pixels.0 > NARROW;
    let width = format!("--width:{}px", drawing.pixels.0);
    html! {
        div.picture.wide[wide] style=(width) {
            @if !one { p.name aria-hidden="true" { (drawing.title) } }
            div.scroll {
                svg viewBox=(view) role="img" aria-labelledby=(format!("{title} {says}")) {
                    title id=(title) { (drawing.title) }
                    desc id=(says) { (drawing.says) }
                    (PreEscaped(&drawing.svg))
                }
            }
        }
    }
}

fn swatch(key: &Key) -> Markup {
    let color = format!("var({})", key.ink.variable());
    html! {
        svg.swatch viewBox="0 0 24 12" aria-hidden="true" {
            @match key.stroke {
                Stroke::Line => line x1="1" y1="6" x2="23" y2="6" stroke=(color) stroke-width="3" {},
                Stroke::Area => rect x="4" y="0.5" width="16" height="11" fill=(color) stroke="var(--muted)" stroke-width="0.5" {},
            }
        }
    }
}

/// A table that scrolls by itself where the page is narrow.
pub(super) fn table(table: &Table) -> Markup {
    let number = |column: usize| (column >= table.words).then_some("number");
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { @for (column, name) in table.header.iter().enumerate() { th scope="col" class=[number(column)] { (name) } } } }
                tbody {
                    @for row in &table.rows {
                        tr { @for (column, cell) in row.iter().enumerate() { td class=[number(column)] { (cell) } } }
                    }
                }
            }
        }
    }
}
