//! What the API server's own admission makes of a new Pod where other objects say it: whether its
//! account is there, and what priority it has.

use serde_json::{Value, json};

use crate::{
    LocalKube,
    kinds::Kind,
    status::{self, Result},
    store::Key,
};

const CLASSES: &str = "priorityclasses.scheduling.k8s.io";
const PREEMPTS: &str = "PreemptLowerPriority";

/// The classes that every cluster has.
pub(crate) fn priority_classes() -> [Value; 2] {
    let class = |name: &str, value: i64, why: &str| {
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": why})
    };
    [
        class(
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        class(
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ]
}

pub(super) fn admit(kube: &LocalKube, kind: &Kind, name: &str, pod: &mut Value) -> Result<()> {
    let refused = |why: String| Err(status::forbidden(kind.by_resource(), name, &why));
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    let key = Key { namespace: namespace.into(), name: account.into() };
    // The default one comes with the namespace, a moment later.
    if !["", "default"].contains(&account) && kube.store().get("serviceaccounts", &key).is_none() {
        return refused(format!(
            "error looking up service account {namespace}/{account}: serviceaccount {account:?} not found"
        ));
    }
    let asked = pod["spec"]["priorityClassName"].as_str().unwrap_or_default().to_owned();
    let class = match asked.as_str() {
        "" => {
            let classes = kube.store().all(CLASSES, None);
            classes.into_iter().find(|it| it.value["globalDefault"] == true)
        }
        name => {
            let found = kube.store().get(CLASSES, &Key { namespace: "".into(), name: name.into() });
            if found.is_none() {
                return refused(format!("no PriorityClass with name {name} was found"));
            }
            found
        }
    };
    let spec = &mut pod["spec"];
    let (mut priority, mut preemption) = (Value::from(0), Value::from(PREEMPTS));
    if let Some(class) = class {
        spec["priorityClassName"] = class.value["metadata"]["name"].clone();
        priority = class.value["value"].clone();
        preemption = class.value["preemptionPolicy"].clone();
    }
    if !spec["priority"].is_null() && spec["priority"] != priority {
        return refused(format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name",
            spec["priority"]
        ));
    }
    spec["priority"] = priority;
    if spec["preemptionPolicy"].is_null() {
        spec["preemptionPolicy"] = preemption;
    }
    Ok(())
}
