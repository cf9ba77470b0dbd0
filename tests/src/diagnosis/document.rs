//! `docs/diagnosis.md`: which causes there are, and how each is diagnosed.

use std::{collections::BTreeMap, fmt::Write as _};

use schemars::JsonSchema;
use serde_json::Value;
use workloads::diagnosis::Code;

use super::{Outcome, Source};

const INTRODUCTION: &str = "\
# Diagnosis

Written by `cargo xtask generate`. `diagnose_training_job` reads a TrainJob and what was made for it, and names
what keeps it from succeeding: each cause with a stable code, its evidence, how sure it is, and what to do next.
That nothing is wrong is an answer.

";
const OPTIMIZATION: &str = "
## Causes of optimization jobs

`diagnose_optimization_job` does the same for a Katib Experiment, its algorithm and its trials. Where a trial's
workload fails or does not start, it is diagnosed as above, with the codes of above.

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
    text += "## Causes\n\n";
    text += &glossary(&meanings());
    text += OPTIMIZATION;
    text += &glossary(&meanings_of::<katib_mcp::diagnosis::Code>());
    text + CONFUSION + &table(outcomes)
}

fn glossary(meanings: &[(String, String)]) -> String {
    let mut text = "| code | meaning |\n|---|---|\n".to_owned();
    for (code, meaning) in meanings {
        writeln!(text, "| `{code}` | {meaning} |").expect("a String takes everything");
    }
    text
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

/// All codes of workloads, with what each means.
pub fn meanings() -> Vec<(String, String)> {
    meanings_of::<Code>()
}

fn meanings_of<Codes: JsonSchema>() -> Vec<(String, String)> {
    let schema = Value::from(schemars::schema_for!(Codes));
    let codes = schema["oneOf"].as_array().expect("an enum").iter();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    codes.map(|it| (text(&it["const"]), text(&it["description"]))).collect()
}
