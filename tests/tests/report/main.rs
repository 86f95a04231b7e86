//! Pages about runs, in a real browser.
#![allow(clippy::unwrap_used, clippy::panic)]

mod browser;
mod strategy;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use browser::Browser;
use gblend_tests::Playground;
use serde_json::json;

/// Estimates before every epoch, each as short as can be.
const ONLINE: [&str; 10] = [
    "--set",
    "blend.kind=ogr",
    "--set",
    "blend.schedule=online",
    "--set",
    "blend.warmup=1",
    "--set",
    "blend.super_epoch=1",
    "--set",
    "blend.probe_epochs=1",
];

fn playground() -> Playground {
    Playground::new(env!("CARGO_BIN_EXE_gblend-under-test"))
}

fn train(p: &Playground, out: &str, more: &[&str]) {
    let mut arguments = vec!["train", "tiny.toml", "--quiet", "--out", out];
    arguments.extend(more);
    p.succeed(&arguments);
}

/// The page about these folders.
fn report(p: &Playground, folders: &[&str]) -> PathBuf {
    let mut arguments = vec!["report"];
    arguments.extend(folders);
    let out = p.succeed(&arguments);
    p.path(out.trim())
}

/// Everything that a page has to be, on a desk and on a telephone.
fn check(browser: &Browser, page: &Path, charts: usize) {
    assert_eq!(browser.console(page), Vec::<String>::new());
    for found in browser.look(page, &[360, 1200]) {
        let width = found["width"].as_f64().unwrap();
        let scrolled = found["scrolled"].as_f64().unwrap();
        assert!(scrolled <= width, "{scrolled} pixels on a page of {width}");
        assert_eq!(found["figures"], found["tables"], "a figure has no table");
        // The figure that a table is about is seen without scrolling.
        let leading = found["leading"].as_array().unwrap();
        assert!(!leading.is_empty());
        for table in leading {
            let right = table["right"].as_f64().unwrap();
            assert!(right <= width, "{table} at {width}");
        }
        let drawn = found["charts"].as_array().unwrap();
        assert!(drawn.len() >= charts, "{} charts at {width}", drawn.len());
        for chart in drawn {
            let number = |name: &str| chart[name].as_f64().unwrap();
            assert!(
                number("width") > 200.0 && number("height") > 40.0,
                "{chart} at {width}"
            );
            assert!(
                number("marks") >= 3.0 && number("colors") >= 2.0,
                "{chart} at {width}"
            );
            assert_eq!(chart["clipped"], json!([]), "{chart} at {width}");
            assert!(chart["says"].as_str().unwrap().len() > 20, "{chart}");
        }
    }
}

#[test]
fn a_run_is_a_page_that_a_browser_shows_without_complaint() {
    let p = playground();
    let more = [&["--set", "run.epochs=3"], &ONLINE[..]].concat();
    train(&p, "run", &more);
    let page = report(&p, &["run"]);
    assert_eq!(page, p.path("run/report.html"));
    let Some(browser) = Browser::find() else { return };
    // Losses and confusions of four heads, four figures of an estimate, five charts of one drawing.
    check(&browser, &page, 4 + 4 + 4 + 5);
    let [light, dark] = [false, true].map(|dark| browser.screenshot(&page, dark));
    for picture in [&light, &dark] {
        let colors: HashSet<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
        assert!(colors.len() > 20, "{} colors", colors.len());
    }
    let [light, dark] = [&light, &dark].map(|picture| picture.get_pixel(2, 2).0.map(u32::from));
    let sum = |color: [u32; 3]| color.iter().sum::<u32>();
    assert!(sum(light) > 700 && sum(dark) < 120, "{light:?} {dark:?}");
    let paper = browser.pdf(&page);
    assert!(
        paper.starts_with(b"%PDF") && paper.len() > 20_000,
        "{} bytes",
        paper.len()
    );
}

#[test]
fn a_comparison_is_a_page_with_the_figures_of_its_table_that_a_browser_shows_without_complaint() {
    let p = playground();
    // Two modalities have three heads, whose weights are a triangle.
    let config = gblend_tests::TINY.replace(
        "[modality.motion]\nkind = \"flow\"\nlimit = 4\nencoder.channels = [4, 8]\n",
        "",
    );
    p.write("two.toml", config);
    let mut arguments = vec![
        "compare", "two.toml", "--quiet", "--json", "--out", "compared", "--seeds", "2",
    ];
    arguments.extend(["--methods", "joint,ogr", "--subsets", "--simplex", "2"]);
    arguments.extend(["--set", "run.epochs=1"]);
    arguments.extend(["--set", "blend.kind=ogr", "--set", "blend.probe_epochs=1"]);
    let comparison = p.json(&arguments);
    assert_eq!(comparison["simplex"]["heads"].as_array().unwrap().len(), 3);
    let page = report(&p, &["compared"]);
    let text = std::fs::read_to_string(&page).unwrap();
    for row in comparison["rows"].as_array().unwrap() {
        let [mean, ci95] = ["mean", "ci95"].map(|name| row[name].as_f64().unwrap());
        let figures = format!("data-mean=\"{mean}\" data-ci95=\"{ci95}\"");
        assert!(text.contains(&figures), "{figures}");
    }
    let Some(browser) = Browser::find() else { return };
    // Losses and confusions of three heads, four figures of an estimate, seven charts of one drawing.
    check(&browser, &page, 3 + 3 + 4 + 7);
}

#[test]
fn a_browser_that_finds_fault_is_heard() {
    let p = playground();
    p.write(
        "bad.html",
        "<!DOCTYPE html><html><body style=\"width: 500px\"><script>console.error(\"wrong\")</script>\
         <figure><div class=\"picture\"><svg viewBox=\"0 0 9 9\" width=\"9\"><text x=\"7\" y=\"50\">outside</text></svg></div></figure></body></html>",
    );
    let Some(browser) = Browser::find() else { return };
    let page = p.path("bad.html");
    assert!(browser.console(&page)[0].contains("wrong"));
    let found = &browser.look(&page, &[360])[0];
    assert!(found["scrolled"].as_f64().unwrap() >= 500.0, "{found}");
    assert_eq!(found["charts"][0]["marks"], 0);
    assert_eq!(found["charts"][0]["clipped"], json!(["outside"]));
    assert_eq!(found["tables"], 0);
}

#[test]
fn what_is_no_finished_run_has_no_page() {
    let p = playground();
    p.refuse(&["report", "nowhere"], &["nowhere", "config.toml"]);
    p.refuse(&["report"], &["RUN"]);
    train(&p, "run", &["--set", "run.epochs=1"]);
    std::fs::remove_file(p.path("run/summary.json")).unwrap();
    std::fs::remove_dir_all(p.path("run/checkpoints")).unwrap();
    p.refuse_after_run(&["report", "run"], "did not end");
    assert!(!p.path("run/report.html").exists());
}

#[test]
fn the_page_is_where_out_says_and_several_runs_share_one() {
    let p = playground();
    train(&p, "a", &["--set", "run.epochs=1"]);
    train(&p, "b", &["--set", "run.epochs=1", "--seed", "1"]);
    assert_eq!(
        p.succeed(&["report", "a", "b", "--out", "both.html"]).trim(),
        "both.html"
    );
    let page = std::fs::read_to_string(p.path("both.html")).unwrap();
    for part in ["Side by side", "Run a", "Run b"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!p.path("a/report.html").exists());
    let Some(browser) = Browser::find() else { return };
    check(&browser, &p.path("both.html"), 1);
}
