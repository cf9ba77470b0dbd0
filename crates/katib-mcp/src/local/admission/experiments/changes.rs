//! Which changes of an experiment are let through: those of its budget, while more trials may come.

use serde_json::Value;

use super::fields::{Fault, forbidden, invalid};

const BUDGET: [&str; 3] = ["maxFailedTrialCount", "maxTrialCount", "parallelTrialCount"];

pub(super) fn faults(spec: &Value, old: &Value) -> Vec<Fault> {
    let (before, status) = (&old["spec"], &old["status"]);
    if spec == before {
        // A finalizer may go at any time.
        return Vec::new();
    }
    let mut faults = Vec::new();
    if (holds(status, "Succeeded") || holds(status, "Failed")) && !may_go_on(before, status) {
        let why = "Experiment can be restarted if it is in succeeded state by reaching max trials \
                   and spec.resumePolicy = LongRunning or spec.resumePolicy = FromVolume, when \
                   experiment is completed";
        faults.push(invalid("spec.resumePolicy", &spec["resumePolicy"], why));
    }
    let trials = status["trials"].as_i64().unwrap_or_default();
    if spec["maxTrialCount"].as_i64().is_some_and(|it| it <= trials) {
        let why = "must be greater than status.trials count";
        faults.push(invalid("spec.maxTrialCount", &spec["maxTrialCount"], why));
    }
    if rest(spec) != rest(before) {
        let why = "only spec.parallelTrialCount, spec.maxTrialCount and spec.maxFailedTrialCount \
                   are editable";
        faults.push(forbidden("spec", why));
    }
    faults
}

fn holds(status: &Value, kind: &str) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|it| it["type"] == kind && it["status"] == "True")
}

fn may_go_on(spec: &Value, status: &Value) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let all_trials = conditions.any(|it| {
        it["type"] == "Succeeded"
            && it["status"] == "True"
            && it["reason"] == "ExperimentMaxTrialsReached"
    });
    all_trials && ["LongRunning", "FromVolume"].iter().any(|it| spec["resumePolicy"] == *it)
}

fn rest(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|key, _| !BUDGET.contains(&key.as_str()));
    }
    spec
}
