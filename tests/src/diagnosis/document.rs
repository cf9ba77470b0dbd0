//! `docs/diagnosis.md`: which causes there are, and how each is diagnosed.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;
use workloads::diagnosis::Code;

use super::{Outcome, Source};

const INTRODUCTION: &str = "\
# Diagnosis

Written by `cargo xtask generate`. `diagnose_training_job` reads a TrainJob and what was made for it, and names
what keeps it from succeeding: each cause with a stable code, its evidence, how sure it is, and what to do next.
That nothing is wrong is an answer.

";
const CONFUSION: &str = "
## Confusion table

Cases whose cause is known, and what was made of each. *Processes* are jobs whose programs run on the cluster of
the tests; *recorded* are objects and logs written after those of clusters with what the tests do not have: GPUs,
Kueue, registries. Of a case with several causes the first counts here; the tests compare all of them, in order.

";
/// What a case is called in which nothing is wrong.
const NOTHING: &str = "nothing wrong";

pub fn document(outcomes: &[Outcome]) -> String {
    let mut text = INTRODUCTION.to_owned();
    text += "## Causes\n\n| code | meaning |\n|---|---|\n";
    for (code, meaning) in meanings() {
        writeln!(text, "| `{code}` | {meaning} |").expect("a String takes everything");
    }
    text + CONFUSION + &table(outcomes)
}

/// A row for each cause: how many cases there are, and as what they were diagnosed.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text =
        "| cause | processes | recorded | diagnosed as |\n|---|---|---|---|\n".to_owned();
    let codes = meanings().into_iter().map(|(code, _)| code);
    for cause in codes.chain([NOTHING.to_owned()]) {
        let cases: Vec<&Outcome> =
            outcomes.iter().filter(|it| first(&it.causes) == cause).collect();
        let of = |source| cases.iter().filter(|it| it.source == source).count();
        let mut diagnosed: BTreeMap<&str, usize> = BTreeMap::new();
        for case in &cases {
            *diagnosed.entry(first(&case.diagnosed)).or_default() += 1;
        }
        let diagnosed: Vec<String> =
            diagnosed.into_iter().map(|(code, times)| format!("{code} {times}")).collect();
        let (processes, recorded) = (of(Source::Processes), of(Source::Recorded));
        writeln!(text, "| {cause} | {processes} | {recorded} | {} |", diagnosed.join(", "))
            .expect("a String takes everything");
    }
    text
}

fn first(codes: &[String]) -> &str {
    codes.first().map_or(NOTHING, String::as_str)
}

/// All codes, with what each means.
pub fn meanings() -> Vec<(String, String)> {
    let schema = Value::from(schemars::schema_for!(Code));
    let codes = schema["oneOf"].as_array().expect("an enum").iter();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    codes.map(|it| (text(&it["const"]), text(&it["description"]))).collect()
}
