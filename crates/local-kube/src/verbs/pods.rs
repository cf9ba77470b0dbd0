//! What only Pods know: being bound to a Node, and being evicted.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Request, delete, lost};
use crate::{
    LocalKube, metadata,
    status::{self, Result, cause},
    store::Expect,
};

/// `POST pods/NAME/binding`, as schedulers do.
pub(crate) fn bind(kube: &LocalKube, request: &Request, body: &[u8]) -> Result<Answer> {
    let binding: Value =
        serde_json::from_slice(body).map_err(|error| status::bad_request(error.to_string()))?;
    let Some(node) = binding["target"]["name"].as_str().filter(|it| !it.is_empty()) else {
        let name = request.name.as_deref().unwrap_or_default();
        let causes = vec![cause::required("target.name", "")];
        return Err(status::invalid(request.kind.by_kind(), name, causes));
    };
    let (key, pod) = request.stored(kube)?;
    let refused = |why: String| status::conflict(request.kind.by_resource(), &key.name, &why);
    if !pod.value["metadata"]["deletionTimestamp"].is_null() {
        return Err(refused(format!(
            "pod {} is being deleted, cannot be assigned to a host",
            key.name
        )));
    }
    if let Some(bound) = pod.value["spec"]["nodeName"].as_str().filter(|it| !it.is_empty()) {
        return Err(refused(format!("pod {} is already assigned to node {bound:?}", key.name)));
    }
    let mut bound = pod.value.clone();
    bound["spec"]["nodeName"] = node.into();
    let mut conditions = bound["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|it| it["type"] != "PodScheduled");
    conditions.push(json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
                           "lastTransitionTime": metadata::now()}));
    bound["status"]["conditions"] = conditions.into();
    if !request.query.dry_run {
        let written = kube.store().put("pods", &key, bound, Expect::Version(pod.version));
        written.map_err(lost(&request.kind, &key.name))?;
    }
    Ok(Answer::Json(StatusCode::CREATED, success()))
}

/// `POST pods/NAME/eviction`: a deletion, since no disruption budgets are served.
pub(crate) async fn evict(kube: &LocalKube, request: &mut Request, body: &[u8]) -> Result<Answer> {
    let eviction: Value =
        serde_json::from_slice(body).map_err(|error| status::bad_request(error.to_string()))?;
    let options = match &eviction["deleteOptions"] {
        Value::Null => Vec::new(),
        options => options.to_string().into_bytes(),
    };
    delete(kube, request, &options).await?;
    Ok(Answer::Json(StatusCode::CREATED, success()))
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}
