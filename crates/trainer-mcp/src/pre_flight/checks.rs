//! What each thing that was looked up means for the job.

use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt as _;
use kubeflow_mcp_core::{Error, Refusal, Rehearsal, Sign};
use local_kube::HOST_PYTHON;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use workloads::image::is_pinned;

use super::{
    cluster::{Cluster, Look},
    shape::Shape,
};

/// What is concluded from beside answers and numbers.
pub(crate) const SIGNS: [Sign; 3] = [ENFORCED, DEFAULT_CLASS, ACTIVE];

/// The label by which a namespace's Pods are held to a standard.
const ENFORCED: Sign = Sign::documented(
    "pod-security.kubernetes.io/enforce",
    "k8s.io/pod-security-admission api/constants.go",
);
const DEFAULT_CLASS: Sign = Sign::documented(
    "storageclass.kubernetes.io/is-default-class",
    "k8s.io/kubernetes pkg/volume/util/storageclass.go",
);
/// The condition of a Kueue queue that takes work.
const ACTIVE: Sign =
    Sign::documented("Active", "sigs.k8s.io/kueue apis/kueue/v1beta1/localqueue_types.go");

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Check {
    /// What was looked at.
    check: &'static str,
    /// What came out.
    pub(super) verdict: Verdict,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Pass,
    /// It may run, but not at once, or not as is meant; or that could not be seen.
    Warn,
    Fail,
}

impl Check {
    pub(super) fn pass(check: &'static str, finding: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Pass, finding: Some(finding.into()), fix: None }
    }

    pub(super) fn warn(
        check: &'static str,
        finding: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let (finding, fix) = (Some(finding.into()), Some(fix.into()));
        Self { check, verdict: Verdict::Warn, finding, fix }
    }

    pub(super) fn fail(
        check: &'static str,
        finding: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let (finding, fix) = (Some(finding.into()), Some(fix.into()));
        Self { check, verdict: Verdict::Fail, finding, fix }
    }

    /// What could not be looked at, or did not have to be.
    fn unseen<T>(check: &'static str, what: &str, look: &Look<T>) -> Option<Self> {
        let why = match look {
            Look::Seen(_) | Look::Needless => return None,
            Look::Forbidden => "you may not see them",
            Look::Missing => "the cluster has no such thing",
            Look::Skipped => "other checks have used up the requests",
        };
        Some(Self::warn(check, format!("{what}: {why}"), "look at them yourself, or ask who may"))
    }
}

/// What the rehearsed submission tells.
pub(super) fn submission(tool: &str, rehearsal: &Rehearsal) -> Vec<Check> {
    let mut checks = Vec::new();
    match &rehearsal.refusal {
        Some(refusal @ Refusal::Forbidden { .. }) => {
            checks.push(Check::fail("rights", refusal.to_string(), refusal.hint()));
        }
        Some(refusal) => {
            let who = "somebody to whom it is offered can submit the job";
            checks.push(Check::warn("rights", format!("{tool}: {refusal}"), who));
        }
        None => checks.push(Check::pass("rights", format!("{tool} is offered to you here"))),
    }
    checks.push(match &rehearsal.outcome {
        Err(error) => Check::fail("dry_run", error.to_string(), hint(error)),
        Ok(preview) => {
            let warnings = preview["warnings"].as_array().into_iter().flatten();
            let warnings: Vec<&str> = warnings.filter_map(Value::as_str).collect();
            if warnings.is_empty() {
                Check::pass("dry_run", "the API server and its webhooks take the job")
            } else {
                Check::warn("dry_run", warnings.join("; "), "change the arguments, or mind it")
            }
        }
    });
    checks
}

fn hint(error: &Error) -> String {
    error.hint().unwrap_or_else(|| "change the argument that it names".to_owned())
}

/// What the API server says of the Pods, which nobody makes before the job is there.
pub(super) fn pods(cluster: &Cluster) -> Check {
    match &cluster.pod {
        Look::Seen(Ok(warnings)) if warnings.is_empty() => {
            Check::pass("pods", "the namespace's rules take such Pods")
        }
        Look::Seen(Ok(warnings)) => {
            Check::warn("pods", warnings.join("; "), "it runs, but change what is named")
        }
        Look::Seen(Err(error)) => Check::fail("pods", error.to_string(), hint(error)),
        _ => {
            let fix = "only a submitted job shows whether its Pods may be made";
            match &cluster.namespace {
                Look::Seen(namespace) => match namespace.labels().get(ENFORCED.name) {
                    Some(level) if level != "privileged" => Check::warn(
                        "pods",
                        format!(
                            "the namespace holds Pods to the standard {level:?}, and you may not create any to try"
                        ),
                        fix,
                    ),
                    _ => Check::pass(
                        "pods",
                        "the namespace holds Pods to no standard; none could be tried",
                    ),
                },
                _ => Check::warn(
                    "pods",
                    "you may neither create Pods nor see the namespace's standard",
                    fix,
                ),
            }
        }
    }
}

pub(super) fn image(shape: &Shape) -> Check {
    let floating: Vec<&str> = shape
        .images
        .iter()
        .map(String::as_str)
        .filter(|it| *it != HOST_PYTHON && !is_pinned(it))
        .collect();
    if shape.images.is_empty() {
        let fix = "give image, or have the runtime name one";
        return Check::fail("image", "the runtime names no image", fix);
    }
    match floating[..] {
        [] => {
            let images: Vec<&str> = shape.images.iter().map(String::as_str).collect();
            Check::pass(
                "image",
                format!("{}; only a node can tell whether it is there", images.join(", ")),
            )
        }
        _ => Check::warn(
            "image",
            format!("without tag or digest: {}", floating.join(", ")),
            "name a version, since `latest` may differ between nodes",
        ),
    }
}

pub(super) fn secrets(shape: &Shape, cluster: &Cluster) -> Option<Check> {
    let Look::Seen(there) = &cluster.secrets else {
        let names: Vec<&str> = shape.secrets.iter().map(String::as_str).collect();
        let what = format!("Secrets {}", names.join(", "));
        return Check::unseen("secrets", &what, &cluster.secrets);
    };
    let missing: Vec<&str> =
        shape.secrets.iter().filter(|it| !there.contains(it)).map(String::as_str).collect();
    Some(if missing.is_empty() {
        Check::pass("secrets", "all are there; their keys were not looked at")
    } else {
        let finding = format!("missing in the namespace: {}", missing.join(", "));
        Check::fail("secrets", finding, "create them: until then the containers wait")
    })
}

pub(super) fn storage(shape: &Shape, cluster: &Cluster) -> Vec<Check> {
    let mut checks = Vec::new();
    match &cluster.claims {
        Look::Seen(there) => {
            let named = |name: &String| there.iter().find(|it| it.name_any() == *name);
            let missing = shape.claims.iter().find(|it| named(it).is_none());
            let lost = |it: &&String| {
                let phase = named(it).and_then(|it| it.status.as_ref()?.phase.clone());
                phase.as_deref() == Some("Lost")
            };
            checks.push(match (missing, shape.claims.iter().find(lost)) {
                (Some(name), _) => Check::fail(
                    "volumes",
                    format!("no PersistentVolumeClaim {name:?} in the namespace"),
                    "create it, or name another",
                ),
                (None, Some(name)) => Check::fail(
                    "volumes",
                    format!("PersistentVolumeClaim {name:?} has lost its volume"),
                    "restore the volume, or name another claim",
                ),
                (None, None) => Check::pass("volumes", "all claims are there"),
            });
        }
        look => checks.extend(Check::unseen("volumes", "PersistentVolumeClaims", look)),
    }
    match &cluster.classes {
        Look::Seen(there) => checks.push(class(shape, there)),
        look => checks.extend(Check::unseen("storage_class", "StorageClasses", look)),
    }
    checks
}

fn class(shape: &Shape, there: &[StorageClass]) -> Check {
    let default = there
        .iter()
        .any(|it| it.annotations().get(DEFAULT_CLASS.name).is_some_and(|it| it == "true"));
    let missing = shape.classes.iter().find(|wanted| match wanted {
        Some(name) => !name.is_empty() && !there.iter().any(|it| it.name_any() == *name),
        None => !default,
    });
    match missing {
        None => Check::pass("storage_class", "there is one for each volume that is made"),
        Some(None) => Check::fail(
            "storage_class",
            "the runtime has volumes made of the default StorageClass, and there is none",
            "have an administrator mark one as default, or name one in the runtime",
        ),
        Some(Some(name)) => Check::fail(
            "storage_class",
            format!("the runtime has volumes made of StorageClass {name:?}, which is not there"),
            "have an administrator create it, or name another in the runtime",
        ),
    }
}

pub(super) fn queue(shape: &Shape, cluster: &Cluster) -> Option<Check> {
    let name = shape.queue.as_deref()?;
    Some(match &cluster.queue {
        Look::Seen(queue) => {
            let conditions = queue["status"]["conditions"].as_array().into_iter().flatten();
            let closed =
                conditions.clone().find(|it| it["type"] == ACTIVE.name && it["status"] == "False");
            let pending = queue["status"]["pendingWorkloads"].as_u64().unwrap_or(0);
            match (closed, pending) {
                (Some(why), _) => Check::fail(
                    "queue",
                    format!(
                        "LocalQueue {name:?} takes nothing: {}",
                        why["message"].as_str().unwrap_or("no reason is given")
                    ),
                    "use another queue, or ask its administrator",
                ),
                (None, 0) => {
                    Check::pass("queue", format!("LocalQueue {name:?} takes work, and none waits"))
                }
                (None, _) => Check::warn(
                    "queue",
                    format!("{pending} workloads wait in LocalQueue {name:?} already"),
                    "it starts when its turn has come and quota is free",
                ),
            }
        }
        Look::Missing => Check::fail(
            "queue",
            format!("there is no LocalQueue {name:?} in the namespace, or no Kueue"),
            "leave the label out, or name a queue: get_cluster_resources lists them",
        ),
        look => Check::unseen("queue", "LocalQueues", look)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn volumes_that_are_made_need_a_class() {
        let of = |classes: Value, wanted: Option<&str>| {
            let there: Vec<StorageClass> = serde_json::from_value(classes).unwrap();
            let classes = [wanted.map(str::to_owned)].into();
            class(&Shape { classes, ..Shape::default() }, &there).verdict
        };
        let class = |name: &str, default: &str| json!({"metadata": {"name": name, "annotations": {DEFAULT_CLASS.name: default}}, "provisioner": "x"});
        assert_eq!(of(json!([class("a", "true")]), None), Verdict::Pass);
        assert_eq!(of(json!([class("a", "false")]), None), Verdict::Fail);
        assert_eq!(of(json!([class("a", "false")]), Some("a")), Verdict::Pass);
        assert_eq!(of(json!([]), Some("a")), Verdict::Fail);
    }
}
