//! The environment variables that a Pod's specification gives a container.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    time::{Duration, Instant},
};

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{Api, Client};
use serde::de::DeserializeOwned;

use super::{expansion::expand, fields};

/// In the order of their definition, each name once.
#[derive(Debug, Default)]
pub(super) struct Variables(Vec<(String, String)>);

impl Variables {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(super) fn expand(&self, text: &str) -> String {
        expand(text, |name| self.get(name))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut String)> {
        self.0.iter_mut().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// What cannot be resolved is the message of `CreateContainerConfigError`.
pub(super) async fn resolve(
    client: &Client,
    pod: &Pod,
    container: &Container,
    allocatable: &BTreeMap<String, Quantity>,
) -> Result<Variables, String> {
    let mut sources = Sources::new(client, pod);
    let mut variables = Variables::default();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let data = if let Some(map) = &from.config_map_ref {
            sources.config_map(&map.name, map.optional).await?
        } else if let Some(secret) = &from.secret_ref {
            sources.secret(&secret.name, secret.optional).await?
        } else {
            None
        };
        for (key, value) in data.into_iter().flatten() {
            variables.set(&format!("{prefix}{key}"), text(value)?);
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(source) => sources.value(pod, container, source, allocatable).await?,
            None => Some(variables.expand(variable.value.as_deref().unwrap_or_default())),
        };
        if let Some(value) = value {
            variables.set(&variable.name, value);
        }
    }
    Ok(variables)
}

type Data = BTreeMap<String, Vec<u8>>;

/// ConfigMaps and Secrets of the Pod's namespace, each read once.
pub(super) struct Sources {
    namespace: String,
    config_maps: Api<ConfigMap>,
    secrets: Api<Secret>,
    read: HashMap<(&'static str, String), Option<Data>>,
}

impl Sources {
    pub(super) fn new(client: &Client, pod: &Pod) -> Self {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        Self {
            config_maps: Api::namespaced(client.clone(), &namespace),
            secrets: Api::namespaced(client.clone(), &namespace),
            namespace,
            read: HashMap::new(),
        }
    }

    pub(super) async fn config_map(
        &mut self,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<&Data>, String> {
        let key = ("configmap", name.to_owned());
        if !self.read.contains_key(&key) {
            let found = get(&self.config_maps, name).await?;
            let data = found.map(|map| {
                let texts = map.data.unwrap_or_default().into_iter();
                let texts = texts.map(|(key, text)| (key, text.into_bytes()));
                texts.chain(bytes(map.binary_data)).collect()
            });
            self.read.insert(key.clone(), data);
        }
        self.found(&key, optional)
    }

    pub(super) async fn secret(
        &mut self,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<&Data>, String> {
        let key = ("secret", name.to_owned());
        if !self.read.contains_key(&key) {
            let found = get(&self.secrets, name).await?;
            self.read.insert(key.clone(), found.map(|secret| bytes(secret.data).collect()));
        }
        self.found(&key, optional)
    }

    fn found(
        &self,
        key: &(&'static str, String),
        optional: Option<bool>,
    ) -> Result<Option<&Data>, String> {
        match self.read.get(key).and_then(Option::as_ref) {
            None if optional != Some(true) => Err(format!("{} {:?} not found", key.0, key.1)),
            data => Ok(data),
        }
    }

    async fn value(
        &mut self,
        pod: &Pod,
        container: &Container,
        source: &EnvVarSource,
        allocatable: &BTreeMap<String, Quantity>,
    ) -> Result<Option<String>, String> {
        let namespace = self.namespace.clone();
        let (kind, name, key, optional, data) = if let Some(field) = &source.field_ref {
            return fields::field(pod, &field.field_path).map(Some);
        } else if let Some(resource) = &source.resource_field_ref {
            return fields::resource(pod, container, resource, allocatable).map(Some);
        } else if let Some(map) = &source.config_map_key_ref {
            let data = self.config_map(&map.name, map.optional).await?;
            ("ConfigMap", &map.name, &map.key, map.optional, data)
        } else if let Some(secret) = &source.secret_key_ref {
            let data = self.secret(&secret.name, secret.optional).await?;
            ("Secret", &secret.name, &secret.key, secret.optional, data)
        } else {
            return Err(
                "a variable's valueFrom names a source that this kubelet does not know".into()
            );
        };
        match data.and_then(|data| data.get(key)) {
            Some(value) => text(value).map(Some),
            None if optional == Some(true) => Ok(None),
            None => Err(format!("couldn't find key {key} in {kind} {namespace}/{name}")),
        }
    }
}

fn bytes(data: Option<BTreeMap<String, ByteString>>) -> impl Iterator<Item = (String, Vec<u8>)> {
    data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0))
}

/// A variable can hold neither arbitrary bytes nor NUL.
fn text(value: &[u8]) -> Result<String, String> {
    std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.contains('\0'))
        .map(str::to_owned)
        .ok_or_else(|| "a variable's value is no text".to_owned())
}

/// An API server lets a node read what its Pods name once it has seen that they are the node's, which
/// may be a moment after the node has.
const ADMITTED_WITHIN: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(200);

async fn get<K>(api: &Api<K>, name: &str) -> Result<Option<K>, String>
where
    K: Clone + DeserializeOwned + Debug,
{
    let begin = Instant::now();
    loop {
        match api.get_opt(name).await {
            Ok(found) => return Ok(found),
            Err(kube::Error::Api(status)) => {
                let early = status.code == 403 && status.message.contains("no relationship found");
                if !early || begin.elapsed() > ADMITTED_WITHIN {
                    return Err(status.message);
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
