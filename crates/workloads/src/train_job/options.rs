//! What every job can be given besides its program: a place in a queue, a time limit, nodes, volumes.

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Error, Result, read_fields};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::phase::QUEUE_LABEL;

/// Where Kueue reads a job's priority.
const PRIORITY_LABEL: &str = "kueue.x-k8s.io/priority-class";

/// The fields of the argument `options`, which its description names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    queue: Option<String>,
    priority: Option<String>,
    #[schemars(range(min = 1))]
    pub time_limit_seconds: Option<i64>,
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Map<String, Value>>,
    pub affinity: Map<String, Value>,
    pub volumes: Vec<Map<String, Value>>,
    pub volume_mounts: Vec<Map<String, Value>>,
    pub service_account_name: Option<String>,
    pub image_pull_secrets: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Options {
    pub fn read(given: &Map<String, Value>) -> Result<Self> {
        let mut options: Self = read_fields("options", given)?;
        for (argument, label, value) in [
            ("options.queue", QUEUE_LABEL, options.queue.take()),
            ("options.priority", PRIORITY_LABEL, options.priority.take()),
        ] {
            let Some(value) = value else { continue };
            if options.labels.get(label).is_some_and(|it| *it != value) {
                let problem = format!("contradicts the label {label}");
                return Err(Error::value(argument, value, problem));
            }
            options.labels.insert(label.to_owned(), value);
        }
        if options.labels.contains_key(PRIORITY_LABEL) && !options.labels.contains_key(QUEUE_LABEL)
        {
            let problem = "has a meaning in a queue only: give options.queue too; the priority class of Pods is the runtime's";
            return Err(Error::argument("options.priority", problem));
        }
        Ok(options)
    }

    /// The Kueue queue that it waits in.
    pub fn queue(&self) -> Option<&String> {
        self.labels.get(QUEUE_LABEL)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(given: Value) -> Result<Options> {
        Options::read(given.as_object().unwrap())
    }

    #[test]
    fn a_queue_is_a_label() {
        let options = read(json!({"queue": "team", "priority": "high"})).unwrap();
        assert_eq!(json!(options.labels), json!({QUEUE_LABEL: "team", PRIORITY_LABEL: "high"}));
        let contradiction = json!({"queue": "team", "labels": {QUEUE_LABEL: "other"}});
        let error = read(contradiction).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"argument "options.queue" is "team", contradicts the label kueue.x-k8s.io/queue-name"#
        );
        read(json!({"priority": "high"})).expect_err("a priority without a queue");
    }

    #[test]
    fn a_misspelt_option_is_told() {
        let error = read(json!({"nodeselector": {"a": "b"}})).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"argument "options.nodeselector" is not known (did you mean "node_selector"?)"#
        );
    }
}
