//! A cluster in the process, to call tools against.

use std::{ffi::OsString, path::Path};

use bytes::Bytes;
use http::{Request, Response};
use kube::{Client, client::Body, core::Status};
use serde_json::Value;
use tempfile::TempDir;
use tower::service_fn;

use crate::{Caller, Persona, Policy, Progress, Tool, ToolDef, ToolSet, local::LocalCluster};

/// A fresh cluster with the components of some tool sets, and a caller who may do anything in it.
pub struct Cluster {
    local: LocalCluster,
    caller: Caller,
    folder: Option<TempDir>,
}

impl Cluster {
    /// A cluster in which Pods stay pending: nothing runs them.
    pub async fn new(sets: &[&'static ToolSet]) -> Self {
        let local = LocalCluster::in_memory(sets).expect("a cluster in memory needs nothing");
        Self::over(local, sets, None)
    }

    /// A cluster whose Pods run, each under `supervisor`: a program that calls
    /// `local_kube::kubelet::supervise`, and its arguments.
    pub async fn with_pods(sets: &[&'static ToolSet], supervisor: Vec<OsString>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for Pods");
        let local = LocalCluster::in_memory_with_pods(sets, folder.path(), supervisor)
            .expect("a cluster in memory and a folder of its own");
        Self::over(local, sets, Some(folder))
    }

    fn over(local: LocalCluster, sets: &[&'static ToolSet], folder: Option<TempDir>) -> Self {
        let caller = Caller::new(local.client(), Policy::of(Persona::PlatformAdmin));
        Self { caller: caller.before(sets), local, folder }
    }

    /// What an agent gets for the call: the structured content, or code, message and hint. There
    /// is no gate before it, since nothing is kept from this caller; the fence is there.
    pub async fn call<T: Tool>(&self, arguments: Value) -> Value {
        call(&ToolDef::of::<T>(), arguments, &self.caller).await
    }

    /// A client that acts as the administrator, past all tools.
    pub fn client(&self) -> Client {
        self.local.client()
    }

    /// Where Pods keep what they need, if they run.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }
}

/// A client some of whose requests are answered by a test, by their path and query, with a code and a
/// body, and all others by the cluster.
pub fn answering(
    client: Client,
    answer: impl Fn(&str, &str) -> Option<(u16, String)> + Clone + Send + 'static,
) -> Client {
    let service = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        let answer = answer(request.uri().path(), request.uri().query().unwrap_or_default());
        async move {
            let Some((code, text)) = answer else { return client.send(request).await };
            let text = match code {
                200 => text,
                _ => serde_json::to_string(&Status::failure(&text, "").with_code(code))
                    .expect("a status"),
            };
            let body = Body::from(Bytes::from(text));
            Ok(Response::builder().status(code).body(body).expect("a response"))
        }
    });
    Client::new(service, "default")
}

/// What somebody gets who has come past the gate: the fence and the API server are what is left.
pub async fn call_past_gate(
    client: Client,
    policy: Policy,
    tool: &ToolDef,
    arguments: Value,
) -> Value {
    call(tool, arguments, &Caller::new(client, policy)).await
}

async fn call(tool: &ToolDef, arguments: Value, caller: &Caller) -> Value {
    let Value::Object(arguments) = arguments else {
        panic!("the arguments of {} are no object: {arguments}", tool.name);
    };
    let outcome = tool.call(arguments, caller, Progress::default()).await;
    outcome.map_or_else(|error| error.to_json(), |answer| answer.value)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ListParams;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::{Effect, Need, Resource, Result};

    /// Counts the settings of a namespace.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct CountSettings {
        /// The namespace to count in.
        namespace: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Count {
        settings: usize,
    }

    impl Tool for CountSettings {
        type Output = Count;

        const NAME: &str = "count_settings";
        const TITLE: &str = "Count settings";
        const EFFECT: Effect = Effect::Reads;
        const PERSONA: Persona = Persona::Readonly;
        const NEEDS: &[Need] = &[Need::to(&["list"], Resource::namespaced("", "configmaps"))];

        async fn call(self, caller: &Caller) -> Result<Count> {
            let maps = caller.api::<ConfigMap>(self.namespace.as_deref());
            Ok(Count { settings: maps.list(&ListParams::default()).await?.items.len() })
        }
    }

    static TOOLS: &[ToolDef] = &[ToolDef::of::<CountSettings>()];
    static SET: ToolSet =
        ToolSet { name: "settings", about: "Settings", guide: "", tools: &[TOOLS], local: None };

    #[tokio::test]
    async fn a_tool_is_called_as_by_an_agent() {
        let cluster = Cluster::new(&[&SET]).await;
        let counted = cluster.call::<CountSettings>(json!({})).await;
        expect![[r#"{"settings":0}"#]].assert_eq(&counted.to_string());
        let mistaken = cluster.call::<CountSettings>(json!({"namespac": "x"})).await;
        assert_eq!(mistaken["code"], "invalid_argument", "{mistaken}");
        for impossible in ["Bad Name", "a/../b", "a?b", "", "-a"] {
            let refused = cluster.call::<CountSettings>(json!({"namespace": impossible})).await;
            assert_eq!(refused["code"], "invalid_argument", "{impossible}: {refused}");
        }
    }
}
