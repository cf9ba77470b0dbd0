//! What `estimate_resources` reckons, beside what others have measured and published.

mod published;

use std::fmt::Write as _;

use expect_test::expect_file;
use kubeflow_mcp_core::ToolSet;
use serde_json::Value;

use self::published::{Figure, Known, MISSED, Part, figures};
use crate::session::Session;

/// How far an estimate may be from a measurement.
const TOLERANCE: f64 = 0.2;

/// A figure, and ours.
struct Compared {
    figure: Figure,
    gib: f64,
}

impl Compared {
    fn off(&self) -> f64 {
        self.gib / self.figure.gib - 1.0
    }
}

#[tokio::test]
async fn generated_estimates_are_current() {
    let compared = compared().await;
    expect_file!["../../docs/estimates.md"].assert_eq(&document(&compared));
}

#[tokio::test]
async fn published_figures_are_met() {
    let compared = compared().await;
    for it in &compared {
        let Figure { what, .. } = &it.figure;
        let missed = missed(what).is_some();
        assert_eq!(it.off().abs() > TOLERANCE, missed, "{what}: {:.3} GiB", it.gib);
    }
    let met = |known| {
        let of_kind = compared.iter().filter(|it| it.figure.known == known);
        of_kind.filter(|it| it.off().abs() <= TOLERANCE).count()
    };
    assert!(met(Known::Before) >= 6 && met(Known::After) >= 4);
}

async fn compared() -> Vec<Compared> {
    let session = Session::through(&ToolSet::linked(), |client| client).await;
    let mut compared = Vec::new();
    for figure in figures() {
        let estimate = session.call("estimate_resources", figure.call.clone()).await;
        let gib = match figure.part {
            Part::Peak => estimate["per_gpu_gib"].as_f64().unwrap(),
            Part::Lines(names) => lines(&estimate, names),
        };
        compared.push(Compared { figure, gib });
    }
    compared
}

fn lines(estimate: &Value, names: &[&str]) -> f64 {
    let lines = estimate["lines"].as_array().unwrap().iter();
    let named = lines.filter(|it| names.contains(&it["what"].as_str().unwrap()));
    named.map(|it| it["gib"].as_f64().unwrap()).sum()
}

/// Why a figure is missed, if it is known to be.
fn missed(what: &str) -> Option<&'static str> {
    MISSED.iter().find(|(it, _)| *it == what).map(|(_, why)| *why)
}

fn document(compared: &[Compared]) -> String {
    let mut text = String::from(
        "# Estimates\n\nWritten by `cargo xtask generate`: what `estimate_resources` reckons for one GPU, beside what others\n\
         published. The formulas were written down from theory and compared with the figures of the first table; those\n\
         of the second were looked up after the formula was fixed. A test holds all of them within 20 %, except for those\n\
         that are named as missed.\n",
    );
    for (known, heading) in [
        (Known::Before, "Known when the formulas were written"),
        (Known::After, "Looked up after the formula was fixed"),
    ] {
        let rows: Vec<&Compared> = compared.iter().filter(|it| it.figure.known == known).collect();
        if rows.is_empty() {
            continue;
        }
        write!(
            text,
            "\n## {heading}\n\n| what | published | ours | off | source |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        for it in rows {
            let Figure { what, published, source, .. } = &it.figure;
            let missed = if missed(what).is_some() { ", **missed**" } else { "" };
            let off = it.off() * 100.0;
            writeln!(
                text,
                "| {what} | {published} | {:.1} GiB | {off:+.0} %{missed} | {source} |",
                it.gib
            )
            .unwrap();
        }
    }
    text.push_str("\n## Missed\n\n");
    for (what, why) in MISSED {
        writeln!(text, "- {what}: {why}.").unwrap();
    }
    text.push_str("\n## The calls\n\n");
    for it in compared {
        writeln!(text, "- {}: `{}`", it.figure.what, it.figure.call).unwrap();
    }
    text
}
