//! One runtime as an object of the API, where writing tools find it.

use kube::{
    api::{DeleteParams, GetParams, Preconditions},
    client::Body,
    core::Request,
};
use kubeflow_mcp_core::{Caller, Error, Result};
use serde_json::{Value, json};
use workloads::train_job::{GROUP, catalogue::Kind};

/// Where a runtime of that name is, or would be.
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Place<'a> {
    /// In a namespace where one is named, else of the whole cluster.
    pub(super) fn of(namespace: Option<&'a str>, name: &'a str) -> Result<Self> {
        let usual = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-.".contains(&it);
        if name.is_empty() || name.len() > 253 || !name.bytes().all(usual) {
            let problem = "must be lower-case letters, digits, '-' and '.', at most 253";
            return Err(Error::value("name", name, problem));
        }
        let kind = if namespace.is_some() { Kind::Namespaced } else { Kind::Cluster };
        Ok(Self { kind, namespace, name })
    }

    /// Of all objects of its kind there.
    pub(super) fn collection(&self) -> String {
        let plural = self.kind.resource().plural;
        match self.namespace {
            Some(namespace) => format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{plural}"),
            None => format!("/apis/{GROUP}/v1alpha1/{plural}"),
        }
    }

    pub(super) async fn get(&self, caller: &Caller) -> Result<Value> {
        let request = Request::new(self.collection()).get(self.name, &GetParams::default());
        let request = request.map_err(kube::Error::BuildRequest)?;
        caller.client().request(request).await.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => Error::conflict(
                format!("there is no {} {:?}{}", self.kind.name(), self.name, self.place()),
                match self.namespace {
                    Some(_) => "list_runtimes shows all; without namespace, the cluster's is meant",
                    None => "list_runtimes shows all; one of a namespace needs that namespace",
                },
            ),
            other => other.into(),
        })
    }

    /// Stores the object, unless somebody else has changed it meanwhile.
    pub(super) async fn replace(&self, caller: &Caller, object: &Value) -> Result<Value> {
        let body = serde_json::to_vec(object).map_err(Error::Output)?;
        let uri = format!("{}/{}?fieldValidation=Strict", self.collection(), self.name);
        let request = http::Request::put(uri)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(kube::Error::HttpError)?;
        Ok(caller.client().request(request).await?)
    }

    pub(super) async fn delete(&self, caller: &Caller, uid: Option<&str>) -> Result<()> {
        let preconditions = Preconditions { uid: uid.map(str::to_owned), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        let request = Request::new(self.collection()).delete(self.name, &params);
        let request = request.map_err(kube::Error::BuildRequest)?.map(Body::from);
        let response = caller.client().send(request).await?;
        let status = response.status();
        let body = response.into_body().collect_bytes().await?;
        if status.is_success() {
            return Ok(());
        }
        let failure = serde_json::from_slice(&body).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(&body);
            kube::core::Status::failure(text.trim(), "Unknown").with_code(status.as_u16())
        });
        Err(kube::Error::Api(Box::new(failure)).into())
    }

    pub(super) fn object(&self, labels: &Value, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("{GROUP}/v1alpha1"),
            "kind": self.kind.name(),
            "metadata": {"name": self.name, "labels": labels},
            "spec": spec,
        })
    }

    fn place(&self) -> String {
        self.namespace.map_or_else(String::new, |it| format!(" in namespace {it:?}"))
    }
}
