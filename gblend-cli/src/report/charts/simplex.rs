//! The main figure over the simplex of blend weights.

use plotters::element::{Circle, PathElement, Polygon};

use gblend_core::{Better, MetricFormat, MetricKind};

use super::accuracy::{heading, scale};
use super::ink::Ink;
use super::plane::{HEIGHT, Plane, names, room};
use super::sheet::{LETTERS, Scale, Side, WIDTH, around, draw, letters, shortened, sized, write};
use super::units::units;
use super::{Chart, Drawing, Key, Table, of_kind};
use crate::error::Result;
use crate::records::{FigureDifference, Simplex, SimplexPoint};

/// The chart; without a drawing where there are neither two nor three heads.
pub(in crate::report) fn simplex(simplex: &Simplex, main: &MetricKind) -> Result<Option<Chart>> {
    let gain = |point: &SimplexPoint| main.better.gain(point.mean);
    let Some(best) = simplex.points.iter().max_by(|a, b| gain(a).total_cmp(&gain(b))) else {
        return Ok(None);
    };
    let range = around(
        simplex
            .points
            .iter()
            .chain([&simplex.estimate])
            .map(|point| point.mean),
    );
    let says = says(simplex, best, main);
    let fits = |point: &&SimplexPoint| {
        point
            .weights
            .iter()
            .all(|weight| (-1e-6..=1.0 + 1e-6).contains(weight))
            && (point.weights.iter().sum::<f64>() - 1.0).abs() < 1e-3
    };
    let drawable = simplex
        .points
        .iter()
        .chain([&simplex.estimate])
        .all(|point| fits(&point));
    let drawings = match (simplex.heads.len(), range) {
        (3, Some(range)) if drawable => vec![triangle(simplex, best, main, &range, says.clone())?],
        (2, Some(range)) if drawable => vec![line(simplex, best, main, &range, says.clone())?],
        _ => Vec::new(),
    };
    let regret = &simplex.regret;
    let figure = FigureDifference::new(regret.mean, main);
    let half = regret.ci95.map(|half| format!(" ± {}", figure.width(half)));
    let better = match main.format {
        MetricFormat::Percent => "percentage points more accurate",
        _ => "better",
    };
    let caption = format!(
        "{says} The best weights are {}{} {better} than the strategy’s, with the best ones \
         chosen by other seeds than they are judged by; {}.",
        figure.width(regret.mean),
        half.unwrap_or_default(),
        if regret.significant {
            "more than chance explains"
        } else {
            "chance explains as much"
        }
    );
    let mut table = Table::new(0, &[]);
    table.header = simplex
        .heads
        .iter()
        .map(|head| format!("weight of {head}"))
        .collect();
    table.header.push(format!("mean {}", main.label));
    for point in &simplex.points {
        let weights = point.weights.iter().map(|weight| format!("{weight:.3}"));
        table
            .rows
            .push(weights.chain([of_kind(point.mean, main)]).collect());
    }
    let legend = if drawings.is_empty() || simplex.heads.len() != 3 {
        Vec::new()
    } else {
        let means = match main.name.as_ref() {
            "accuracy" => [
                "the least accurate weights",
                "between",
                "the most accurate weights",
            ],
            _ => ["the worst weights", "between", "the best weights"],
        };
        let steps = [0, 5, 9].into_iter().zip(means);
        let key = |(step, means): (u8, &str)| Key::area(Ink::Heat(step), means);
        steps.map(key).collect()
    };
    Ok(Some(Chart {
        title: title(main),
        caption,
        legend,
        drawings,
        table,
    }))
}

fn title(main: &MetricKind) -> String {
    heading(main, "over all blend weights")
}

fn weights(simplex: &Simplex, point: &SimplexPoint) -> String {
    let parts = simplex.heads.iter().zip(&point.weights);
    let parts = parts.map(|(head, weight)| format!("{head} {weight:.2}"));
    parts.collect::<Vec<_>>().join(", ")
}

fn says(simplex: &Simplex, best: &SimplexPoint, main: &MetricKind) -> String {
    format!(
        "Networks trained with {} fixed weights. The best reach {} ({}); the strategy’s own weights ({}) reach {}.",
        simplex.points.len(),
        of_kind(best.mean, main),
        weights(simplex, best),
        weights(simplex, &simplex.estimate),
        of_kind(simplex.estimate.mean, main),
    )
}

fn triangle(
    simplex: &Simplex,
    best: &SimplexPoint,
    main: &MetricKind,
    range: &std::ops::Range<f64>,
    says: String,
) -> Result<Drawing> {
    let margin = 46;
    let side = WIDTH - 2 * margin;
    let rise = (f64::from(side) * 0.75_f64.sqrt()).round() as u32;
    let height = rise + 2 * margin;
    let place = |weights: &[f64]| {
        // The first head's corner is at the left, the second's at the right, the joint one's above.
        let [_, second, third] = [0, 1, 2].map(|head| weights.get(head).copied().unwrap_or(0.0));
        let across = f64::from(margin) + f64::from(side) * (second + third / 2.0);
        let down = f64::from(margin + rise) - f64::from(rise) * third;
        let scale = f64::from(super::units::SCALE);
        ((across * scale).round() as i32, (down * scale).round() as i32)
    };
    let step = |mean: f64| {
        let above = 9.0 * (mean - range.start) / (range.end - range.start);
        let strength = match main.better {
            Better::Higher => above,
            Better::Lower => 9.0 - above,
        };
        strength.round().clamp(0.0, 9.0) as u8
    };
    draw(title(main), says, (WIDTH, height), |area| {
        let corners = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|corner| place(&corner));
        area.draw(&PathElement::new(
            [corners[0], corners[1], corners[2], corners[0]],
            Ink::Muted.line(10),
        ))?;
        let radius =
            (units(side) / (2 * simplex.steps.clamp(2, 200) as i32)).clamp(units(2), units(20)) * 9 / 10;
        for point in &simplex.points {
            area.draw(&Circle::new(
                place(&point.weights),
                radius,
                Ink::Heat(step(point.mean)).fill(),
            ))?;
            if radius >= units(14) {
                let text = match main.format {
                    MetricFormat::Percent => format!("{:.0}", 100.0 * point.mean),
                    _ => of_kind(point.mean, main),
                };
                let style = sized(Ink::OnHeat(step(point.mean)), Side::Middle, LETTERS - 2);
                write(area, &text, place(&point.weights), style)?;
            }
        }
        area.draw(&Circle::new(
            place(&best.weights),
            radius + units(3),
            Ink::Text.line(20),
        ))?;
        let (x, y) = place(&simplex.estimate.weights);
        let arm = units(8);
        let diamond = vec![(x, y - arm), (x + arm, y), (x, y + arm), (x - arm, y)];
        let mut outline = diamond.clone();
        outline.push((x, y - arm));
        area.draw(&Polygon::new(diamond, Ink::Series(1).fill()))?;
        area.draw(&PathElement::new(outline, Ink::Paper.line(15)))?;
        let name = |head: usize| shortened(simplex.heads.get(head).map_or("", String::as_str), 130);
        let below = corners[0].1 + units(30);
        write(area, &name(0), (units(6), below), letters(Ink::Text, Side::Left))?;
        write(
            area,
            &name(1),
            (units(WIDTH - 6), below),
            letters(Ink::Text, Side::Right),
        )?;
        write(
            area,
            &name(2),
            (corners[2].0, units(12)),
            letters(Ink::Text, Side::Middle),
        )?;
        let marks = [units(14), units(34)];
        area.draw(&Circle::new((units(14), marks[0]), units(6), Ink::Text.line(20)))?;
        write(
            area,
            "best",
            (units(26), marks[0]),
            letters(Ink::Text, Side::Left),
        )?;
        let (x, y) = (units(14), marks[1]);
        let arm = units(6);
        let diamond = vec![(x, y - arm), (x + arm, y), (x, y + arm), (x - arm, y)];
        area.draw(&Polygon::new(diamond, Ink::Series(1).fill()))?;
        write(
            area,
            "estimate",
            (units(26), marks[1]),
            letters(Ink::Text, Side::Left),
        )
    })
}

fn line(
    simplex: &Simplex,
    best: &SimplexPoint,
    main: &MetricKind,
    range: &std::ops::Range<f64>,
    says: String,
) -> Result<Drawing> {
    let up = format!("test {}", main.label);
    let first = |point: &SimplexPoint| point.weights.first().copied().unwrap_or(0.0);
    let across = format!("weight of {}", simplex.heads.first().map_or("", String::as_str));
    let plane = Plane {
        x: 0.0..1.0,
        y: range.clone(),
        across: &across,
        up: &up,
        right: room(["estimate"]),
        across_as: Scale::Plain,
        up_as: scale(main),
    };
    let mut points: Vec<(f64, f64)> = simplex
        .points
        .iter()
        .map(|point| (first(point), point.mean))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    draw(title(main), says, (WIDTH, HEIGHT), |area| {
        let mut chart = plane.on(area)?;
        chart.draw_series([PathElement::new(points.clone(), Ink::Series(0).line(22))])?;
        let dots = points
            .iter()
            .map(|&point| Circle::new(point, units(3), Ink::Series(0).fill()));
        chart.draw_series(dots)?;
        let estimate = (first(&simplex.estimate), simplex.estimate.mean);
        let best = (first(best), best.mean);
        chart.draw_series([Circle::new(best, units(7), Ink::Text.line(20))])?;
        chart.draw_series([Circle::new(estimate, units(6), Ink::Series(1).fill())])?;
        let ends = [
            ("best".to_owned(), chart.backend_coord(&best).1),
            ("estimate".to_owned(), chart.backend_coord(&estimate).1),
        ];
        names(area, plane.right, &ends)
    })
}
