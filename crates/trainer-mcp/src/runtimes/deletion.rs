//! Deleting a runtime, unless jobs still need it.

use kube::{
    api::ListParams,
    core::{ObjectList, Request},
};
use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::train_job::{
    GROUP, TRAIN_JOBS, TrainJob,
    catalogue::Kind,
    runtime::{CLUSTER_RUNTIMES, RUNTIMES},
};

use super::place::Place;

use kube::ResourceExt as _;

/// One page of jobs.
const PAGE: u32 = 500;
/// More pages are not looked at.
const PAGES: usize = 20;
/// How many jobs are named.
const NAMED: usize = 10;

/// Deletes a training runtime, unless jobs that are not over use it: then it says which.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteRuntime {
    /// Of the runtime.
    name: String,
    /// Default: cluster-wide.
    namespace: Option<String>,
    /// Although jobs use it.
    #[serde(default)]
    even_if_used: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Deleted {
    name: String,
    /// Of the namespace or of the whole cluster.
    kind: &'static str,
    /// Jobs that use it and are not over: they go on, but can no longer be suspended or resumed.
    used_by: Vec<String>,
    /// What could not be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<String>,
}

impl Tool for DeleteRuntime {
    type Output = Deleted;
    const NAME: &str = "delete_runtime";
    const TITLE: &str = "Delete a training runtime";
    const EFFECT: Effect = Effect::Deletes;
    const PERSONA: Persona = Persona::PlatformAdmin;
    const NEEDS: &[Need] = &[
        Need::to(&["get", "delete"], CLUSTER_RUNTIMES),
        Need::perhaps(&["get", "delete"], RUNTIMES),
        Need::perhaps(&["list"], TRAIN_JOBS),
    ];

    async fn call(self, caller: &Caller) -> Result<Deleted> {
        let namespace = self.namespace.as_deref();
        let place = Place::of(namespace, &self.name)?;
        let object = place.get(caller).await?;
        let users = users(caller, namespace, &self.name).await?;
        let what = format!("{} {:?}", place.kind.name(), self.name);
        let hint = "wait for them or delete them; even_if_used deletes it all the same";
        let mut unseen = Vec::new();
        match &users {
            Users::Seen { jobs, .. } if !jobs.is_empty() && !self.even_if_used => {
                let named: Vec<&str> = jobs.iter().take(NAMED).map(String::as_str).collect();
                let more = match jobs.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let message =
                    format!("{what} is used by jobs that are not over: {}{more}", named.join(", "));
                return Err(Error::conflict(message, hint));
            }
            Users::Seen { beyond: Some(looked_at), .. } => {
                unseen.push(format!("training jobs beyond the first {looked_at}"));
            }
            Users::Seen { .. } => {}
            Users::Unknown(_) if self.even_if_used => {
                unseen.push("training jobs: you may not list all that may use it".to_owned());
            }
            Users::Unknown(why) => {
                let message = format!("whether jobs use {what} cannot be seen: {why}");
                return Err(Error::conflict(message, "even_if_used deletes it all the same"));
            }
        }
        place.delete(caller, object["metadata"]["uid"].as_str()).await?;
        let mut used_by = match users {
            Users::Seen { jobs, .. } => jobs,
            Users::Unknown(_) => Vec::new(),
        };
        used_by.truncate(NAMED);
        Ok(Deleted { kind: place.kind.name(), used_by, unseen, name: self.name })
    }
}

enum Users {
    Seen {
        /// `namespace/name`.
        jobs: Vec<String>,
        /// How many were looked at, where there are more.
        beyond: Option<usize>,
    },
    /// They may not be listed.
    Unknown(String),
}

/// The jobs that use it and are not over.
async fn users(caller: &Caller, namespace: Option<&str>, name: &str) -> Result<Users> {
    let kind = if namespace.is_some() { Kind::Namespaced } else { Kind::Cluster };
    let path = match namespace {
        Some(namespace) => {
            format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{}", TRAIN_JOBS.plural)
        }
        None => format!("/apis/{GROUP}/v1alpha1/{}", TRAIN_JOBS.plural),
    };
    let mut params = ListParams::default().limit(PAGE);
    let (mut jobs, mut seen) = (Vec::new(), 0);
    for _ in 0..PAGES {
        let request =
            Request::new(path.clone()).list(&params).map_err(kube::Error::BuildRequest)?;
        let page: ObjectList<TrainJob> = match caller.client().request(request).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Ok(Users::Unknown(status.message));
            }
            Err(error) => return Err(error.into()),
        };
        seen += page.items.len();
        let uses = |job: &&TrainJob| {
            let reference = &job.spec.runtime_ref;
            let of_kind = reference.kind.as_deref().unwrap_or(Kind::Cluster.name()) == kind.name();
            of_kind && reference.name == name && job.end().is_none()
        };
        jobs.extend(
            page.items
                .iter()
                .filter(uses)
                .map(|it| format!("{}/{}", it.namespace().unwrap_or_default(), it.name_any())),
        );
        params.continue_token = page.metadata.continue_.filter(|it| !it.is_empty());
        if params.continue_token.is_none() {
            return Ok(Users::Seen { jobs, beyond: None });
        }
    }
    Ok(Users::Seen { jobs, beyond: Some(seen) })
}
