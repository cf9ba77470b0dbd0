//! A training job in a list.

use kube::ResourceExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workloads::{
    pages,
    phase::{Phase, Standing},
    train_job::TrainJob,
};

/// A job in a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Value")]
pub(super) struct Row {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<i32>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// Why it cannot be read; get_training_job cannot either.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl pages::Row for Row {
    fn name(&self) -> &str {
        &self.name
    }

    fn created(&self) -> &str {
        &self.created
    }
}

impl From<Value> for Row {
    fn from(object: Value) -> Self {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let (name, created) =
            (text(&object["metadata"]["name"]), text(&object["metadata"]["creationTimestamp"]));
        match TrainJob::deserialize(object) {
            Ok(job) => Self::of(&job),
            Err(error) => {
                Self { name, created, problem: Some(error.to_string()), ..Self::default() }
            }
        }
    }
}

impl Row {
    fn of(job: &TrainJob) -> Self {
        let end = job.end();
        Self {
            name: job.name_any(),
            phase: Some(Standing::now(job, &[]).phase),
            runtime: Some(job.spec.runtime_ref.name.clone()),
            nodes: job.spec.trainer.as_ref().and_then(|it| it.num_nodes),
            created: job.creation_timestamp().map(|it| it.0.to_string()).unwrap_or_default(),
            ended: end.map(|it| it.last_transition_time.0.to_string()),
            problem: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_that_cannot_be_read_is_a_row_too() {
        let broken = json!({"metadata": {"name": "odd", "creationTimestamp": "2026-08-21T10:00:00Z"}, "spec": {"trainer": {"numNodes": "three"}}});
        let row = Row::from(broken);
        assert_eq!(row.name, "odd");
        assert!(row.problem.is_some_and(|it| it.contains("three")));
    }
}
