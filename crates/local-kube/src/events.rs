//! Events: what controllers and the kubelet say happened to an object. What is said again is counted.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{MicroTime, Time},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::mpsc;

/// After so many different events the counts begin anew.
const REMEMBERED: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Normal,
    Warning,
}

/// How a component writes its events.
#[derive(Clone, Debug)]
pub struct Source {
    pub component: &'static str,
    pub host: Option<String>,
    /// The scheduler writes the newer form: a time and an action in place of first and last occurrence.
    pub action: Option<&'static str>,
}

/// Writes events in the background, in the order in which they were said.
#[derive(Clone)]
pub struct Recorder(mpsc::UnboundedSender<Said>);

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    uid: Option<String>,
    field: Option<String>,
    kind: Kind,
    reason: &'static str,
    message: String,
}

struct Said {
    about: ObjectReference,
    key: Key,
    at: Timestamp,
}

impl Recorder {
    pub fn new(client: Client, source: Source) -> Self {
        let (sender, mut said) = mpsc::unbounded_channel::<Said>();
        tokio::spawn(async move {
            let mut written = HashMap::new();
            while let Some(said) = said.recv().await {
                if written.len() > REMEMBERED {
                    written.clear();
                }
                if let Err(error) = write(&client, &source, said, &mut written).await {
                    tracing::debug!(%error, "an event could not be written");
                }
            }
        });
        Self(sender)
    }

    pub fn say(
        &self,
        about: &ObjectReference,
        kind: Kind,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let key = Key {
            uid: about.uid.clone(),
            field: about.field_path.clone(),
            kind,
            reason,
            message: message.into(),
        };
        // The writer ends only with the runtime itself.
        let _ = self.0.send(Said { about: about.clone(), key, at: Timestamp::now() });
    }
}

async fn write(
    client: &Client,
    source: &Source,
    said: Said,
    written: &mut HashMap<Key, (String, i32)>,
) -> kube::Result<()> {
    let namespace = said.about.namespace.clone().unwrap_or_else(|| "default".into());
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    if source.action.is_none()
        && let Some((name, count)) = written.get_mut(&said.key)
    {
        *count += 1;
        let again = json!({ "count": *count, "lastTimestamp": Time(said.at) });
        match events.patch(name, &PatchParams::default(), &Patch::Merge(again)).await {
            // Events expire: then it is said for the first time again.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            result => return result.map(drop),
        }
    }
    let event = event(source, &namespace, &said);
    let name = event.metadata.name.clone().unwrap_or_default();
    events.create(&PostParams::default(), &event).await?;
    written.insert(said.key, (name, 1));
    Ok(())
}

fn event(source: &Source, namespace: &str, said: &Said) -> Event {
    let object = said.about.name.as_deref().unwrap_or_default();
    let newer = source.action.is_some();
    let occurred = (!newer).then_some(Time(said.at));
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{object}.{:x}", said.at.as_nanosecond())),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: said.about.clone(),
        type_: Some(format!("{:?}", said.key.kind)),
        reason: Some(said.key.reason.to_owned()),
        message: Some(said.key.message.clone()),
        action: source.action.map(str::to_owned),
        event_time: newer.then_some(MicroTime(said.at)),
        first_timestamp: occurred.clone(),
        last_timestamp: occurred,
        count: (!newer).then_some(1),
        source: (!newer).then(|| EventSource {
            component: Some(source.component.to_owned()),
            host: source.host.clone(),
        }),
        reporting_component: Some(source.component.to_owned()),
        reporting_instance: Some(
            source.host.clone().unwrap_or_else(|| source.component.to_owned()),
        ),
        ..Event::default()
    }
}
