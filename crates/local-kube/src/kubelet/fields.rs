//! What a Pod tells its containers of itself: `fieldRef` and `resourceFieldRef`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceFieldSelector},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::quantity;

/// The address of every Pod and of the Node: all processes share the machine's loopback.
pub(super) const ADDRESS: &str = "127.0.0.1";

pub(super) fn field(pod: &Pod, path: &str) -> Result<String, String> {
    let (meta, spec) = (&pod.metadata, pod.spec.as_ref());
    let of = |map: &Option<BTreeMap<String, String>>, key: &str| {
        map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default()
    };
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return match map {
            "metadata.labels" => Ok(of(&meta.labels, key)),
            "metadata.annotations" => Ok(of(&meta.annotations, key)),
            _ => Err(unsupported(path)),
        };
    }
    Ok(match path {
        "metadata.name" => meta.name.clone().unwrap_or_default(),
        "metadata.namespace" => meta.namespace.clone().unwrap_or_default(),
        "metadata.uid" => meta.uid.clone().unwrap_or_default(),
        "metadata.labels" => listed(&meta.labels),
        "metadata.annotations" => listed(&meta.annotations),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
        "spec.serviceAccountName" => {
            spec.and_then(|spec| spec.service_account_name.clone()).unwrap_or_default()
        }
        "status.hostIP" | "status.podIP" | "status.hostIPs" | "status.podIPs" => ADDRESS.to_owned(),
        _ => return Err(unsupported(path)),
    })
}

fn unsupported(path: &str) -> String {
    format!("unsupported fieldPath: {path}")
}

fn listed(map: &Option<BTreeMap<String, String>>) -> String {
    let lines = map.iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// `limits.cpu`, `requests.memory` …, in units of the divisor, rounded up. What has no limit may use the machine.
pub(super) fn resource(
    pod: &Pod,
    container: &Container,
    selector: &ResourceFieldSelector,
    allocatable: &BTreeMap<String, Quantity>,
) -> Result<String, String> {
    let named = selector.container_name.as_deref().filter(|name| !name.is_empty());
    let all = pod.spec.iter().flat_map(|spec| &spec.containers);
    let container = match named {
        Some(name) => all
            .into_iter()
            .find(|container| container.name == name)
            .ok_or_else(|| format!("container {name} not found"))?,
        None => container,
    };
    let unsupported = || format!("unsupported container resource: {}", selector.resource);
    let (list, name) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let limit = limits.and_then(|limits| limits.get(name));
    let amount = match list {
        "limits" => limit.or_else(|| allocatable.get(name)),
        "requests" => {
            let requests = resources.and_then(|resources| resources.requests.as_ref());
            requests.and_then(|requests| requests.get(name)).or(limit)
        }
        _ => return Err(unsupported()),
    };
    let millis = |quantity: &Quantity| quantity::Quantity::parse(&quantity.0).map(|q| q.millis());
    let amount = amount.map_or(Some(0), millis).ok_or_else(unsupported)?;
    let divisor = selector.divisor.as_ref().and_then(millis).filter(|divisor| *divisor > 0);
    let divisor = divisor.unwrap_or(1000);
    Ok(((amount + divisor - 1) / divisor).to_string())
}
