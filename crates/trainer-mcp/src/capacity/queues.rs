//! Kueue's queues of a namespace, where the cluster has them.

use kube::core::{ObjectList, Request};
use kubeflow_mcp_core::{Caller, Resource};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub(crate) const LOCAL_QUEUES: Resource = Resource::namespaced("kueue.x-k8s.io", "localqueues");

/// What can be seen of one queue without the cluster's own.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Queue {
    name: String,
    /// That it draws from.
    cluster_queue: String,
    /// Workloads that wait.
    pending: u64,
    /// Workloads that run.
    admitted: u64,
    /// What the running ones take of each flavor: `flavor resource: amount`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taken: Vec<String>,
}

/// Nothing where no Kueue is installed.
pub(super) async fn of(caller: &Caller, namespace: &str) -> kube::Result<Vec<Queue>> {
    let Some(version) = caller.version_of(LOCAL_QUEUES).await else { return Ok(Vec::new()) };
    let path = format!(
        "/apis/{}/{version}/namespaces/{namespace}/{}",
        LOCAL_QUEUES.group, LOCAL_QUEUES.plural
    );
    let request =
        Request::new(path).list(&Default::default()).map_err(kube::Error::BuildRequest)?;
    let found: ObjectList<Value> = caller.client().request(request).await?;
    Ok(found.items.iter().map(Queue::of).collect())
}

impl Queue {
    fn of(queue: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let status = &queue["status"];
        let number = |name: &str| status[name].as_u64().unwrap_or(0);
        // Older Kueues call it so.
        let usage = [&status["flavorsUsage"], &status["flavorUsage"]];
        let flavors = usage.into_iter().find_map(Value::as_array).into_iter().flatten();
        let taken = flavors.flat_map(|flavor| {
            let resources = flavor["resources"].as_array().into_iter().flatten();
            let used = resources.filter(|it| it["total"] != "0" && !it["total"].is_null());
            used.map(|it| {
                format!("{} {}: {}", text(&flavor["name"]), text(&it["name"]), text(&it["total"]))
            })
        });
        Self {
            name: text(&queue["metadata"]["name"]),
            cluster_queue: text(&queue["spec"]["clusterQueue"]),
            pending: number("pendingWorkloads"),
            admitted: number("admittedWorkloads"),
            taken: taken.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_says_what_waits_and_what_runs() {
        let queue = json!({"metadata": {"name": "team"}, "spec": {"clusterQueue": "all"},
            "status": {"pendingWorkloads": 2, "admittedWorkloads": 1, "flavorsUsage": [{"name": "a100",
                "resources": [{"name": "nvidia.com/gpu", "total": "8"}, {"name": "cpu", "total": "0"}]}]}});
        let expected = Queue {
            name: "team".to_owned(),
            cluster_queue: "all".to_owned(),
            pending: 2,
            admitted: 1,
            taken: vec!["a100 nvidia.com/gpu: 8".to_owned()],
        };
        assert_eq!(Queue::of(&queue), expected);
    }
}
