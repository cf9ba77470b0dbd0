//! The Pod that an algorithm's service runs in: made once, and ready when its log names its port.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, LogParams, PostParams},
};
use local_kube::{HOST_PYTHON, PYTHON_PACKAGES};
use serde_json::json;

use super::super::SuggestError;
use crate::{api::Suggestion, local::control::owned_by};

const SERVICE: &str = include_str!("service.py");

/// What the service prints once it can be asked.
const LISTENING: &str = "listening on port ";

/// The port of the service, which is begun where there is none.
pub(super) async fn ready(
    client: &Client,
    suggestion: &Suggestion,
    algorithm: &str,
    packages: &[&str],
) -> Result<u16, SuggestError> {
    let namespace = suggestion.namespace().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let wanted = described(suggestion, algorithm, packages);
    let name = wanted.name_any();
    let Some(pod) = pods.get_opt(&name).await.map_err(failed)? else {
        pods.create(&PostParams::default(), &wanted).await.map_err(failed)?;
        return Err(SuggestError::NotReady(format!("Pod {name} is being started")));
    };
    if pod.metadata.deletion_timestamp.is_some() {
        return Err(SuggestError::NotReady(format!("Pod {name} is being deleted")));
    }
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref()).unwrap_or_default();
    if pod.owner_references() != wanted.owner_references()
        || matches!(phase, "Failed" | "Succeeded")
    {
        // Of a Suggestion that is gone, or put off the node: another takes its place.
        pods.delete(&name, &DeleteParams::default()).await.map_err(failed)?;
        return Err(SuggestError::NotReady(format!("Pod {name} is being replaced")));
    }
    let container = pod.status.as_ref().and_then(|it| it.container_statuses.as_ref()?.first());
    if container.and_then(|it| it.state.as_ref()?.running.as_ref()).is_none() {
        return Err(SuggestError::NotReady(waiting(&name, container)));
    }
    let beginning = LogParams { limit_bytes: Some(16_384), ..LogParams::default() };
    let log = pods.logs(&name, &beginning).await.map_err(failed)?;
    let port = log.lines().find_map(|it| it.strip_prefix(LISTENING)?.parse().ok());
    port.ok_or_else(|| SuggestError::NotReady(format!("Pod {name} does not listen yet")))
}

fn failed(error: kube::Error) -> SuggestError {
    SuggestError::Failed(match error {
        kube::Error::Api(status) => status.message,
        other => other.to_string(),
    })
}

/// Why a container does not run, as its Pod says it.
fn waiting(name: &str, container: Option<&ContainerStatus>) -> String {
    let ended = |state: &ContainerState| {
        let ended = state.terminated.as_ref()?;
        let reason = ended.reason.as_deref().unwrap_or("Error");
        Some(format!("its process ended with code {} ({reason})", ended.exit_code))
    };
    let waits = |state: &ContainerState| {
        let waiting = state.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let message = waiting.message.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        Some(format!("{reason}{message}"))
    };
    let said = container.map(|it| {
        let (now, before) = (it.state.as_ref(), it.last_state.as_ref());
        [before.and_then(ended), now.and_then(ended), now.and_then(waits)]
    });
    let said: Vec<_> = said.into_iter().flatten().flatten().collect();
    if said.is_empty() {
        return format!("Pod {name} waits for a node");
    }
    format!("Pod {name}: {}", said.join(", "))
}

fn described(suggestion: &Suggestion, algorithm: &str, packages: &[&str]) -> Pod {
    let experiment = suggestion.name_any();
    let name = format!("{experiment}-{algorithm}");
    let pod = json!({
        "metadata": {
            "name": name,
            "labels": {
                "katib.kubeflow.org/deployment": name,
                "katib.kubeflow.org/experiment": experiment,
                "katib.kubeflow.org/suggestion": experiment,
                "sidecar.istio.io/inject": "false",
            },
            "annotations": {PYTHON_PACKAGES: packages.join("\n")},
            "ownerReferences": owned_by(suggestion),
        },
        "spec": {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "suggestion",
                "image": HOST_PYTHON,
                "command": ["python", "-u", "-c", SERVICE, algorithm],
                // Threads for matrices this small cost many times what they gain.
                "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            }],
        },
    });
    serde_json::from_value(pod).expect("a Pod written by hand")
}
