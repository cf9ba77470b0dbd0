//! A component's webhooks: which the API server asks when, and what it is answered.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::{Client, core::Status};
use local_kube::{Admission, Admit, Operation, Stage, UserInfo};
use serde::Deserialize;
use serde_json::{Value, json};

/// A webhook of a component, as its own manifests have it.
pub(super) struct Hook {
    name: &'static str,
    stage: Stage,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    operations: &'static [&'static str],
    /// The label that a Namespace must have for it to be asked.
    namespace: Option<(&'static str, &'static str)>,
}

/// The webhooks of a component, and how their configurations are called.
pub(super) struct Component {
    /// The name of its tool set.
    pub(super) set: &'static str,
    configurations: &'static str,
    hooks: &'static [Hook],
}

pub(super) static COMPONENTS: [Component; 1] =
    [Component { set: "katib", configurations: "katib.kubeflow.org", hooks: KATIB }];

const KATIB: &[Hook] = &[
    Hook {
        name: "defaulter.experiment.katib.kubeflow.org",
        stage: Stage::Mutating,
        group: "kubeflow.org",
        version: "v1beta1",
        resource: "experiments",
        operations: &["CREATE", "UPDATE"],
        namespace: None,
    },
    Hook {
        name: "mutator.pod.katib.kubeflow.org",
        stage: Stage::Mutating,
        group: "",
        version: "v1",
        resource: "pods",
        operations: &["CREATE"],
        namespace: Some(("katib.kubeflow.org/metrics-collector-injection", "enabled")),
    },
    Hook {
        name: "validator.experiment.katib.kubeflow.org",
        stage: Stage::Validating,
        group: "kubeflow.org",
        version: "v1beta1",
        resource: "experiments",
        operations: &["CREATE", "UPDATE"],
        namespace: None,
    },
];

/// The webhooks of one component, and who decides.
pub(super) struct Hooks {
    admit: Admit,
    component: &'static Component,
    client: Client,
    installed: AtomicBool,
}

impl Hooks {
    pub(super) fn new(admit: Admit, component: &'static Component, client: Client) -> Self {
        Self { admit, component, client, installed: AtomicBool::new(false) }
    }

    pub(super) fn are_installed(&self) {
        self.installed.store(true, Ordering::Relaxed);
    }

    pub(super) fn ready(&self) -> bool {
        self.installed.load(Ordering::Relaxed)
    }

    /// What tells the API server of them.
    pub(super) fn configurations(&self, port: u16, authority: &str) -> [Value; 2] {
        let authority = BASE64_STANDARD.encode(authority);
        let of = |stage, kind: &str| {
            let hooks = self.component.hooks.iter().filter(|it| it.stage == stage);
            let webhooks: Vec<_> = hooks.map(|it| it.configuration(port, &authority)).collect();
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": { "name": self.component.configurations },
                "webhooks": webhooks,
            })
        };
        [
            of(Stage::Mutating, "MutatingWebhookConfiguration"),
            of(Stage::Validating, "ValidatingWebhookConfiguration"),
        ]
    }

    /// The answer to an `AdmissionReview`, if there is such a webhook.
    pub(super) async fn answer(&self, name: &str, review: &[u8]) -> anyhow::Result<Option<Value>> {
        let Some(hook) = self.component.hooks.iter().find(|it| it.name == name) else {
            return Ok(None);
        };
        let Review { request } = serde_json::from_slice(review)?;
        let (uid, sent) = (request.uid.clone(), request.object.clone());
        let mut admission = request.into_admission(hook.stage);
        let verdict = (self.admit)(&mut admission, &self.client).await;
        let mut response = match verdict {
            Ok(()) => accepted(&sent, &admission.object),
            Err(denial) => json!({ "allowed": false, "status": hook.told(&denial.0) }),
        };
        response["uid"] = json!(uid);
        response["warnings"] = json!(admission.warnings);
        Ok(Some(json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response,
        })))
    }
}

fn accepted(sent: &Value, object: &Value) -> Value {
    if sent == object {
        return json!({ "allowed": true });
    }
    let patch = json_patch::diff(sent, object).to_string();
    json!({
        "allowed": true, "patchType": "JSONPatch", "patch": BASE64_STANDARD.encode(patch),
    })
}

impl Hook {
    fn configuration(&self, port: u16, authority: &str) -> Value {
        let selector = self
            .namespace
            .map_or(json!({}), |(key, value)| json!({ "matchLabels": { key: value } }));
        json!({
            "name": self.name,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 30,
            "clientConfig": {
                "url": format!("https://127.0.0.1:{port}/{}", self.name), "caBundle": authority,
            },
            "namespaceSelector": selector,
            "rules": [{
                "apiGroups": [self.group], "apiVersions": [self.version],
                "resources": [self.resource], "operations": self.operations,
            }],
        })
    }

    /// What the API server is to tell. It names the webhook itself.
    fn told(&self, status: &Status) -> Value {
        let prefix = format!("admission webhook {:?} denied the request: ", self.name);
        let message = status.message.strip_prefix(&prefix).unwrap_or(&status.message);
        json!({ "code": status.code, "message": message, "reason": status.reason })
    }
}

#[derive(Deserialize)]
struct Review {
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    resource: Resource,
    #[serde(default)]
    sub_resource: String,
    namespace: Option<String>,
    #[serde(default)]
    name: String,
    operation: String,
    user_info: User,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
struct Resource {
    group: String,
    version: String,
    resource: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
}

impl Request {
    fn into_admission(self, stage: Stage) -> Admission {
        let Resource { group, version, mut resource } = self.resource;
        if !self.sub_resource.is_empty() {
            resource = format!("{resource}/{}", self.sub_resource);
        }
        let User { username, uid, groups } = self.user_info;
        Admission {
            stage,
            operation: match self.operation.as_str() {
                "CREATE" => Operation::Create,
                "UPDATE" => Operation::Update,
                _ => Operation::Delete,
            },
            group,
            version,
            resource,
            namespace: self.namespace,
            name: self.name,
            object: self.object,
            old: self.old_object,
            user: UserInfo { username, uid, groups },
            dry_run: self.dry_run,
            warnings: Vec::new(),
            broken_rules: Vec::new(),
        }
    }
}
