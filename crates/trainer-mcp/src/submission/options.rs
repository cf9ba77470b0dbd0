//! What every job can be given besides its program: a place in a queue, a time limit, nodes, volumes.

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Error, Result, read_fields};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::phase::QUEUE_LABEL;

/// Where Kueue reads a job's priority.
const PRIORITY_LABEL: &str = "kueue.x-k8s.io/priority-class";

/// The fields of the argument `options`, which its description names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    queue: Option<String>,
    priority: Option<String>,
    #[schemars(range(min = 1))]
    pub(super) time_limit_seconds: Option<i64>,
    pub(super) node_selector: BTreeMap<String, String>,
    pub(super) tolerations: Vec<Map<String, Value>>,
    pub(super) affinity: Map<String, Value>,
    pub(super) volumes: Vec<Map<String, Value>>,
    pub(super) volume_mounts: Vec<Map<String, Value>>,
    pub(super) service_account_name: Option<String>,
    pub(super) image_pull_secrets: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Options {
    pub(super) fn read(given: &Map<String, Value>) -> Result<Self> {
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
    pub(super) fn queue(&self) -> Option<&String> {
        self.labels.get(QUEUE_LABEL)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::TOOL_SET;

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

    #[test]
    fn every_submitting_tool_names_all_options() {
        let fields = read_fields::<Options>("options", json!({"?": 1}).as_object().unwrap());
        let fields = fields.unwrap_err().to_string();
        let known = fields.split("known are ").nth(1).expect("a list of fields");
        let mut described = 0;
        for tool in TOOL_SET.tools().map(|it| it.describe()) {
            let options = &tool.input_schema["properties"]["options"];
            let Some(description) = options["description"].as_str() else { continue };
            described += 1;
            for field in known.split(", ") {
                assert!(description.contains(field), "{}: {description} lacks {field}", tool.name);
            }
        }
        assert_eq!(described, 3);
    }
}
