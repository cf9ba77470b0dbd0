//! What only Pods know: being bound to a Node, being evicted, and their logs.

use std::io;

use bytes::Bytes;
use futures::stream::BoxStream;
use http::StatusCode;
#[cfg(unix)]
use k8s_openapi::api::core::v1::Pod;
#[cfg(unix)]
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{Answer, Request, delete, lost};
use crate::{
    LocalKube, metadata,
    status::{self, Result, cause},
    store::Expect,
};
#[cfg(unix)]
use crate::{
    kubelet::{self, LogQuery},
    query,
};

pub(crate) type Log = BoxStream<'static, io::Result<Bytes>>;

/// `POST pods/NAME/binding`, as schedulers do.
pub(crate) fn bind(kube: &LocalKube, request: &Request, body: &[u8]) -> Result<Answer> {
    let binding: Value =
        serde_json::from_slice(body).map_err(|error| status::bad_request(error.to_string()))?;
    let Some(node) = binding["target"]["name"].as_str().filter(|it| !it.is_empty()) else {
        let name = request.name.as_deref().unwrap_or_default();
        let causes = vec![cause::required("target.name", "")];
        return Err(status::invalid(request.kind.by_kind(), name, causes));
    };
    if binding["metadata"]["name"].as_str() != request.name.as_deref() {
        return Err(status::bad_request("name in URL does not match name in Binding object"));
    }
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

/// `GET pods/NAME/log`, read from the kubelet's folder; a Pod without a node has none.
#[cfg(unix)]
pub(crate) async fn log(kube: &LocalKube, request: &Request, query: &str) -> Result<Option<Log>> {
    let pairs: Vec<(String, String)> = query::pairs(query).collect();
    let name = request.name.as_deref().unwrap_or_default();
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = LogQuery::parse(name, pairs)?;
    let (_, object) = request.stored(kube)?;
    let pod = Pod::deserialize(&object.value).map_err(status::internal)?;
    match kube.pods() {
        Some(folder) => kubelet::read_log(folder, &pod, &query).await,
        None => Err(status::internal("no kubelet of this cluster runs pods")),
    }
}

#[cfg(not(unix))]
pub(crate) async fn log(_: &LocalKube, _: &Request, _: &str) -> Result<Option<Log>> {
    Err(status::internal("pods do not run on this system"))
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}
