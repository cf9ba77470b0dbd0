//! Lets go what is deleted: namespaces and CustomResourceDefinitions that it empties first, claims and
//! volumes that nobody uses.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
    client::Client,
};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    LocalKube,
    kinds::{CLEANUP, CRDS, Kind},
    metadata, protection,
    store::{Key, Lost, Object},
};

/// When to look again at what could not be done.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) async fn run(kube: &LocalKube) {
    let client = kube.client();
    let mut writes = kube.store().any_write();
    loop {
        writes.mark_unchanged();
        let outcome = look(kube, &client).await;
        let waiting = writes.changed();
        if let Err(error) = outcome {
            tracing::debug!(%error, "emptying what is being deleted");
            // A write may be what is waited for; else time is.
            let _ = timeout(RETRY, waiting).await;
        } else if waiting.await.is_err() {
            return;
        }
    }
}

async fn look(kube: &LocalKube, client: &Client) -> kube::Result<()> {
    for namespace in kube.store().all("namespaces", None) {
        let name = text(&namespace.value["metadata"]["name"]);
        if is_deleted(&namespace) {
            end_namespace(kube, client, &namespace, name).await?;
        } else {
            default_service_account(kube, client, name).await?;
            if let Some(authority) = kube.authority() {
                trusted_authority(kube, client, name, authority).await?;
            }
        }
    }
    for definition in kube.store().all(CRDS, None).into_iter().filter(|it| is_deleted(it)) {
        end_definition(kube, client, &definition).await?;
    }
    protection::look(kube, client).await
}

async fn end_namespace(
    kube: &LocalKube,
    client: &Client,
    namespace: &Object,
    name: &str,
) -> kube::Result<()> {
    let mut empty = true;
    for kind in kube.kinds().resources().filter(|kind| kind.namespaced) {
        let contents = kube.store().all(&kind.resource, Some(name));
        empty &= contents.is_empty();
        delete_all(client, kind, &contents).await?;
    }
    if empty {
        let mut last = namespace.value.clone();
        metadata::remove(&mut last["spec"], "finalizers");
        finish(kube, "namespaces", namespace, last);
    }
    Ok(())
}

async fn end_definition(
    kube: &LocalKube,
    client: &Client,
    definition: &Object,
) -> kube::Result<()> {
    let resource = text(&definition.value["metadata"]["name"]);
    let contents = kube.store().all(resource, None);
    let kinds = kube.kinds();
    if let Some(kind) = kinds.resources().find(|kind| kind.resource == resource) {
        delete_all(client, kind, &contents).await?;
    }
    if contents.is_empty() {
        let mut last = definition.value.clone();
        if let Some(finalizers) = last["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|it| it != CLEANUP);
        }
        finish(kube, CRDS, definition, last);
    }
    Ok(())
}

async fn delete_all(client: &Client, kind: &Kind, contents: &[Arc<Object>]) -> kube::Result<()> {
    for object in contents.iter().filter(|it| !is_deleted(it)) {
        let key = Key::of(&object.value);
        let api = kind.api(client, &key.namespace);
        match api.delete(&key.name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            result => drop(result?),
        }
    }
    Ok(())
}

/// Removes the object, unless finalizers of others keep it. Whoever lost a race is asked again.
fn finish(kube: &LocalKube, resource: &str, object: &Object, last: Value) {
    let finalizers = last["metadata"]["finalizers"].as_array();
    if finalizers.is_some_and(|it| !it.is_empty()) {
        return;
    }
    match kube.store().remove(resource, &Key::of(&object.value), last, object.version) {
        Ok(_) => kube.written(resource),
        Err(Lost::Race) => {}
        Err(error) => tracing::error!(%error, resource, "could not remove what was deleted"),
    }
}

/// Pods run as the account `default` unless they name another.
async fn default_service_account(
    kube: &LocalKube,
    client: &Client,
    namespace: &str,
) -> kube::Result<()> {
    let key = Key { namespace: namespace.into(), name: "default".into() };
    if kube.store().get("serviceaccounts", &key).is_some() {
        return Ok(());
    }
    let mut account = ServiceAccount::default();
    account.metadata.name = Some("default".to_owned());
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    made(api.create(&PostParams::default(), &account).await)
}

/// What Pods need to trust the API server, in every namespace.
async fn trusted_authority(
    kube: &LocalKube,
    client: &Client,
    namespace: &str,
    authority: &str,
) -> kube::Result<()> {
    const NAME: &str = "kube-root-ca.crt";
    let key = Key { namespace: namespace.into(), name: NAME.into() };
    if kube.store().get("configmaps", &key).is_some() {
        return Ok(());
    }
    let mut trusted = ConfigMap::default();
    trusted.metadata.name = Some(NAME.to_owned());
    trusted.data = Some([("ca.crt".to_owned(), authority.to_owned())].into());
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    made(api.create(&PostParams::default(), &trusted).await)
}

fn made<K>(result: kube::Result<K>) -> kube::Result<()> {
    match result {
        // Another may have made it, or the namespace may just be going.
        Err(kube::Error::Api(status)) if [403, 404, 409].contains(&status.code) => Ok(()),
        result => result.map(|_| ()),
    }
}

fn is_deleted(object: &Object) -> bool {
    !object.value["metadata"]["deletionTimestamp"].is_null()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
