//! Trials that end well and whose objective is not known, or is no number.

use kube::ResourceExt as _;
use workloads::{diagnosis::Certainty, metrics};

use super::{quoted, trials_have};
use crate::{
    api::{MetricsCollector, Objective, Trial},
    diagnosis::{
        finding::{Code, Finding},
        snapshot::{Snapshot, TrialLog},
    },
    metrics::{DEFAULT_FORMAT, Format},
    states::TrialState,
};

/// How many lines show what a program prints instead.
const LINES: usize = 3;

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    [unprinted(snapshot), not_finite(snapshot)].into_iter().flatten().collect()
}

fn unprinted(snapshot: &Snapshot) -> Option<Finding> {
    let silent = snapshot.of_state(TrialState::MetricsUnavailable);
    let first = silent.first()?;
    let objective = snapshot.experiment.spec.objective.clone().unwrap_or_default();
    let metric = &objective.objective_metric_name;
    let collector = snapshot.experiment.spec.metrics_collector_spec.as_ref();
    let log = silent.iter().find_map(|it| snapshot.log_of(&it.name_any()));
    let (why, evidence) = match log {
        Some(log) => why(log, metric, collector),
        None => (format!("nothing has stated {metric:?} as expected"), Vec::new()),
    };
    let what = format!("{} ended well without its objective: {why}", trials_have(silent.len()));
    let at = first.status.as_ref().and_then(|it| it.completion_time.as_ref()).map(|it| it.0);
    let finding = Finding::certain(Code::MetricsNotPrinted, what).since(at);
    let finding = evidence.into_iter().fold(finding, Finding::shown_by);
    let finding = finding.shown_by(format!("expected: {}", expected(metric, collector)));
    Some(finding.of_trials(silent.iter().map(|it| it.name_any())))
}

/// What the log says instead, and the lines that show it.
fn why(
    log: &TrialLog,
    metric: &str,
    collector: Option<&MetricsCollector>,
) -> (String, Vec<String>) {
    let evidence = |lines: &[&str]| {
        let last = lines.iter().rev().take(LINES).rev();
        last.map(|it| format!("log of {}: {}", log.trial, quoted(it))).collect()
    };
    let named: Vec<&str> = log.printed().filter(|it| it.contains(metric)).collect();
    let format = Format::of(collector);
    let reads = |line: &&&str| !format.read(&[metric], line).is_empty();
    if named.iter().any(|it| reads(&it)) {
        let why = format!("{metric:?} is printed, and its value is none that Katib keeps");
        return (why, evidence(&named));
    }
    if !named.is_empty() {
        let why = match format {
            Format::Json => {
                format!("{metric:?} is printed, and not as a string in an object of its own line")
            }
            Format::Text(_) => {
                format!("{metric:?} is printed in another form than the expected one")
            }
        };
        return (why, evidence(&named));
    }
    let others: Vec<&str> = log.printed().filter(|it| !metrics::metrics(it).is_empty()).collect();
    let mut names: Vec<String> =
        others.iter().flat_map(|it| metrics::metrics(it)).map(|it| it.name).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        let lines = log.printed().filter(|it| !it.trim().is_empty()).count();
        return (
            format!("{metric:?} stands in none of the {lines} lines that it printed last"),
            Vec::new(),
        );
    }
    names.truncate(10);
    let why = format!("it prints no {metric:?}, but {}", names.join(", "));
    (why, evidence(&others))
}

fn expected(metric: &str, collector: Option<&MetricsCollector>) -> String {
    let given = collector.and_then(|it| it.source.as_ref()?.filter.as_ref());
    match (Format::of(collector), given) {
        (Format::Json, _) => format!(r#"one JSON object a line, such as {{"{metric}": "0.5"}}"#),
        (_, Some(filter)) if !filter.metrics_format.is_empty() => {
            format!("what {} matches", filter.metrics_format.join(" or "))
        }
        _ => format!("{metric}=0.5, which {DEFAULT_FORMAT} matches"),
    }
}

/// Katib keeps an empty value where a program prints `nan`, and may take that for the best.
fn not_finite(snapshot: &Snapshot) -> Option<Finding> {
    let objective = snapshot.experiment.spec.objective.clone().unwrap_or_default();
    let poisoned: Vec<&Trial> = (snapshot.of_state(TrialState::Succeeded).into_iter())
        .chain(snapshot.of_state(TrialState::EarlyStopped))
        .filter(|it| objective.value(it).is_none() && latest(&objective, it).is_some())
        .collect();
    let first = poisoned.first()?;
    let optimal = snapshot.experiment.status.as_ref().map(|it| &it.current_optimal_trial);
    let misled = optimal
        .is_some_and(|it| poisoned.iter().any(|trial| trial.name_any() == it.best_trial_name));
    let certainty = if misled { Certainty::Certain } else { Certainty::Likely };
    let metric = &objective.objective_metric_name;
    let mut what =
        format!("{} printed a {metric:?} that is no number", trials_have(poisoned.len()));
    if misled {
        what += ", and Katib takes one of them for the best; get_best_results does not";
    }
    let shown = latest(&objective, first).unwrap_or_default();
    let seen = format!("Trial/{}: latest {metric} is {shown:?}", first.name_any());
    let finding = Finding::new(Code::ObjectiveNotFinite, certainty, what).shown_by(seen);
    Some(finding.of_trials(poisoned.iter().map(|it| it.name_any())))
}

/// What was kept of the objective, if anything was.
fn latest<'a>(objective: &Objective, trial: &'a Trial) -> Option<&'a str> {
    let metrics = &trial.status.as_ref()?.observation.as_ref()?.metrics;
    let own = metrics.iter().find(|it| it.name == objective.objective_metric_name)?;
    Some(&own.latest)
}
