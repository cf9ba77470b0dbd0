//! What is installed in the cluster: the manifests that the Go modules ship, put together by their own
//! kustomizations, and with these the users of the tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{kubectl::Kubectl, modules::Module};
use crate::shell;

/// In the order in which they are installed.
pub(super) struct Manifests {
    /// Kinds, Namespaces, and what the controllers need to work.
    pub(super) base: Vec<Value>,
    pub(super) webhooks: Vec<Value>,
    /// Objects of the kinds of `base`.
    pub(super) runtimes: Vec<Value>,
}

/// Reads what is to be installed.
pub(super) fn read(
    kubectl: &Kubectl,
    folder: &Path,
    modules: &BTreeMap<String, Module>,
) -> anyhow::Result<Manifests> {
    let manifests = unpacked(folder, modules)?;
    let yaml = shell::output(kubectl.command("kustomize").arg(&manifests))?;
    let objects = serde_saphyr::from_multiple::<Value>(&yaml).context("the modules' manifests")?;
    Ok(sorted(objects))
}

/// The modules' manifests side by side. Trainer's name a release of JobSet on the web: here it is
/// the module that the controller is built from.
fn unpacked(folder: &Path, modules: &BTreeMap<String, Module>) -> anyhow::Result<PathBuf> {
    let manifests = folder.join("manifests");
    copy(&modules["trainer"].dir.join("manifests"), &manifests.join("trainer"))?;
    copy(&modules["jobset"].dir.join("config"), &manifests.join("jobset"))?;
    let kustomization = |path: &str, content: Value| {
        let file = manifests.join(path).join("kustomization.yaml");
        fs::write(&file, content.to_string()).with_context(|| file.display().to_string())
    };
    kustomization(
        "trainer/third-party/jobset",
        json!({
            "resources": ["../../../jobset/default"],
            "patches": [{
                "path": "patches/jobset_remove_namespace.yaml",
                "target": { "version": "v1", "kind": "Namespace" },
            }],
        }),
    )?;
    kustomization(
        "",
        json!({ "resources": [
            "trainer/overlays/manager",
            "trainer/overlays/runtimes",
            "trainer/overlays/kubeflow-platform/kubeflow-trainer-roles.yaml",
        ] }),
    )?;
    Ok(manifests)
}

/// The text of all files; Go's own copies may not be written to.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::write(target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn sorted(objects: Vec<Value>) -> Manifests {
    let mut manifests = Manifests { base: vec![], webhooks: vec![], runtimes: vec![] };
    for object in objects {
        match object["kind"].as_str().unwrap_or_default() {
            // The controllers run as processes of ours.
            "Deployment" => {}
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
                manifests.webhooks.push(object);
            }
            "ClusterTrainingRuntime" => manifests.runtimes.push(object),
            _ => manifests.base.push(object),
        }
    }
    manifests
}

/// Where the servers of webhooks are reached, and what makes them trusted.
pub(super) struct Reach<'a> {
    /// By the names of their Services.
    pub(super) ports: &'a BTreeMap<&'static str, u16>,
    /// The certificate of who signed theirs, as PEM.
    pub(super) authority: &'a str,
}

impl Manifests {
    /// Webhooks name a Service; where no Service leads anywhere, the API server calls their address.
    pub(super) fn reach_webhooks(&mut self, reach: &Reach<'_>) -> anyhow::Result<()> {
        for configuration in &mut self.webhooks {
            for webhook in configuration["webhooks"].as_array_mut().into_iter().flatten() {
                reach.rewrite(&mut webhook["clientConfig"])?;
            }
        }
        for object in &mut self.base {
            // A kind of several versions may have one, too.
            if let Some(client) = object.pointer_mut("/spec/conversion/webhook/clientConfig") {
                reach.rewrite(client)?;
            }
        }
        Ok(())
    }
}

impl Reach<'_> {
    fn rewrite(&self, client: &mut Value) -> anyhow::Result<()> {
        let service = &client["service"];
        let name = service["name"].as_str().unwrap_or_default();
        let Some(port) = self.ports.get(name) else {
            bail!("a webhook is served by \"{name}\", which does not run");
        };
        let path = service["path"].as_str().unwrap_or("/");
        let url = format!("https://127.0.0.1:{port}{path}");
        *client = json!({ "url": url, "caBundle": BASE64_STANDARD.encode(self.authority) });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{Manifests, Reach, sorted};

    fn configuration(service: &str) -> Value {
        json!({
            "kind": "ValidatingWebhookConfiguration",
            "webhooks": [{
                "name": "validator.trainjob",
                "clientConfig": { "service": { "name": service, "namespace": "n", "path": "/v" } },
                "failurePolicy": "Fail",
            }],
        })
    }

    fn reached(objects: Vec<Value>) -> anyhow::Result<Manifests> {
        let ports = BTreeMap::from([("trainer", 9443)]);
        let mut manifests = sorted(objects);
        manifests.reach_webhooks(&Reach { ports: &ports, authority: "PEM" })?;
        Ok(manifests)
    }

    #[test]
    fn a_webhook_is_called_at_its_port_and_keeps_its_policy() {
        assert_eq!(
            reached(vec![configuration("trainer")]).unwrap().webhooks[0]["webhooks"][0],
            json!({
                "name": "validator.trainjob",
                "clientConfig": { "url": "https://127.0.0.1:9443/v", "caBundle": "UEVN" },
                "failurePolicy": "Fail",
            })
        );
    }

    #[test]
    fn versions_of_a_kind_are_converted_at_the_same_address() {
        let client = configuration("trainer")["webhooks"][0]["clientConfig"].clone();
        let conversion = json!({ "strategy": "Webhook", "webhook": { "clientConfig": client } });
        let kind =
            json!({ "kind": "CustomResourceDefinition", "spec": { "conversion": conversion } });
        let manifests = reached(vec![kind]).unwrap();
        let client = &manifests.base[0]["spec"]["conversion"]["webhook"]["clientConfig"];
        assert_eq!(client["url"], "https://127.0.0.1:9443/v");
    }

    #[test]
    fn a_webhook_that_nobody_serves_is_an_error() {
        let error = reached(vec![configuration("other")]).err().unwrap();
        assert_eq!(error.to_string(), r#"a webhook is served by "other", which does not run"#);
    }

    #[test]
    fn what_is_installed_first_is_what_the_rest_needs() {
        let kinds = ["CustomResourceDefinition", "Deployment", "ClusterTrainingRuntime", "Role"];
        let objects = kinds.map(|kind| json!({ "kind": kind })).into_iter();
        let manifests = sorted(objects.chain([configuration("a")]).collect());
        let of = |objects: &[Value]| {
            objects.iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(&manifests.base), ["CustomResourceDefinition", "Role"]);
        assert_eq!(of(&manifests.webhooks), ["ValidatingWebhookConfiguration"]);
        assert_eq!(of(&manifests.runtimes), ["ClusterTrainingRuntime"]);
    }
}
