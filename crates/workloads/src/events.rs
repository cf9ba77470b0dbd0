//! What Kubernetes has reported of a workload's objects, with repeats told once.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{Event, ObjectReference},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{Api, api::ListParams};
use kubeflow_mcp_core::{Caller, Resource, Result, without_variables};
use schemars::JsonSchema;
use serde::Serialize;

pub const EVENTS: Resource = Resource::namespaced("", "events");

/// The events that concern a workload, in no order.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub events: Vec<Event>,
    /// How many of the namespace were looked at.
    pub looked_at: usize,
    /// Whether these were all.
    pub complete: bool,
}

/// Something that happened, perhaps many times and to many objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Row {
    /// When it happened last.
    pub last: String,
    /// Normal or Warning.
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: String,
    /// The object it happened to, or the last of them.
    pub object: String,
    pub message: String,
    /// How many times in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
    /// When it happened first, if more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// To how many objects, if more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<usize>,
}

/// How much is read: the API server has no order by time, so what is meant may come last.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    pub size: u32,
    pub most: usize,
}

/// Beyond this, something is wrong with the namespace.
pub const ALL: Pages = Pages { size: 500, most: 20 };
/// As much in one request as an API server gives without effort, and seldom two of them.
pub const FEW_REQUESTS: Pages = Pages { size: 2_000, most: 2 };

const MESSAGE: usize = 300;

/// Reads the selected events of the namespace, of either flavour, and keeps those that concern the
/// workload.
pub async fn find(
    api: &Api<Event>,
    selected: ListParams,
    pages: Pages,
    concerns: impl Fn(&Event) -> bool,
) -> Result<Found> {
    let mut found = Found::default();
    let mut page = selected.limit(pages.size);
    for _ in 0..pages.most {
        let list = match api.list(&page).await {
            Ok(list) => list,
            // The token of the next page has expired: what is known is better than nothing.
            Err(kube::Error::Api(status)) if status.code == 410 && found.looked_at > 0 => break,
            Err(error) => return Err(error.into()),
        };
        found.looked_at += list.items.len();
        found.events.extend(list.items.into_iter().filter(&concerns));
        page.continue_token = list.metadata.continue_.filter(|it| !it.is_empty());
        if page.continue_token.is_none() {
            found.complete = true;
            break;
        }
    }
    Ok(found)
}

/// Events that tell something: without what happens to every workload, so that they can be found among
/// those of others.
pub async fn telling(
    caller: &Caller,
    namespace: Option<&str>,
    concerns: impl Fn(&Event) -> bool,
) -> Result<Found> {
    let others = ROUTINE.map(|it| format!("reason!={it}")).join(",");
    let selected = ListParams::default().fields(&others);
    find(&caller.api(namespace), selected, FEW_REQUESTS, concerns).await
}

/// What an event's reason is when nothing is the matter.
const ROUTINE: [&str; 9] = [
    "Completed",
    "Created",
    "Killing",
    "Pulled",
    "Pulling",
    "Scheduled",
    "Started",
    "SuccessfulCreate",
    "SuccessfulDelete",
];

/// Whether it happened to what was born then, and not to a former object of that name.
pub fn is_since(event: &Event, born: Option<Time>) -> bool {
    // Creation times are whole seconds, and clocks of a cluster are not exactly one.
    let slack = SignedDuration::from_secs(1);
    let born = born.and_then(|it| it.0.checked_sub(slack).ok());
    born.is_none_or(|born| when(event).is_none_or(|at| at >= born))
}

/// What follows `name-` in the name of a part.
pub(crate) fn part<'a>(name: &str, whole: &'a str) -> Option<&'a str> {
    whole.strip_prefix(name)?.strip_prefix('-')
}

/// When it happened last. Events of the newer API have no timestamps of the older one.
pub fn when(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|it| it.last_observed_time.as_ref());
    let exact = series.or(event.event_time.as_ref()).map(|it| it.0);
    let coarse =
        [&event.last_timestamp, &event.first_timestamp, &event.metadata.creation_timestamp];
    exact.or_else(|| coarse.into_iter().flatten().next().map(|it| it.0))
}

fn first(event: &Event) -> Option<Timestamp> {
    let exact = event.event_time.as_ref().map(|it| it.0);
    event.first_timestamp.as_ref().map(|it| it.0).or(exact).or_else(|| when(event))
}

fn count(event: &Event) -> i32 {
    event.series.as_ref().and_then(|it| it.count).or(event.count).unwrap_or(1)
}

/// Repeats as one row, the newest first.
pub fn rows(mut events: Vec<Event>) -> Vec<Row> {
    events.sort_by_key(|it| std::cmp::Reverse(when(it)));
    let mut groups: Vec<Vec<Event>> = Vec::new();
    let mut known: HashMap<[String; 4], usize> = HashMap::new();
    for event in events {
        match known.entry(sameness(&event)) {
            std::collections::hash_map::Entry::Occupied(at) => groups[*at.get()].push(event),
            std::collections::hash_map::Entry::Vacant(at) => {
                at.insert(groups.len());
                groups.push(vec![event]);
            }
        }
    }
    groups.iter().map(|it| row(it)).collect()
}

/// Events are repeats of each other when only names and numbers in their messages differ.
fn sameness(event: &Event) -> [String; 4] {
    let own = event.involved_object.name.as_deref().filter(|it| !it.is_empty());
    let differs = |word: &str| {
        word.contains(|it: char| it.is_ascii_digit()) || own.is_some_and(|own| word.contains(own))
    };
    let words = event.message.as_deref().unwrap_or_default().split_whitespace();
    let plain = words.map(|it| if differs(it) { "#" } else { it });
    [
        event.type_.clone().unwrap_or_default(),
        event.involved_object.kind.clone().unwrap_or_default(),
        event.reason.clone().unwrap_or_default(),
        plain.collect::<Vec<_>>().join(" "),
    ]
}

/// Of repeats, newest first and at least one.
fn row(events: &[Event]) -> Row {
    let newest = &events[0];
    let times: i32 = events.iter().map(count).fold(0, i32::saturating_add);
    let mut objects: Vec<_> = events.iter().map(|it| &it.involved_object.name).collect();
    objects.sort_unstable();
    objects.dedup();
    let repeated = times > 1;
    let message = without_variables(newest.message.as_deref().unwrap_or_default());
    Row {
        last: when(newest).map(text).unwrap_or_default(),
        kind: newest.type_.clone().unwrap_or_else(|| "Normal".to_owned()),
        reason: newest.reason.clone().unwrap_or_default(),
        object: name(&newest.involved_object),
        message: message.chars().filter(|it| !it.is_control()).take(MESSAGE).collect(),
        count: Some(times).filter(|_| repeated),
        first: events.iter().filter_map(first).min().map(text).filter(|_| repeated),
        objects: Some(objects.len()).filter(|it| *it > 1),
    }
}

fn name(object: &ObjectReference) -> String {
    let kind = object.kind.as_deref().unwrap_or("?");
    format!("{kind}/{}", object.name.as_deref().unwrap_or("?"))
}

/// To the second: events are no stop watch.
fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;

    fn event(fields: Value) -> Event {
        let mut event = json!({"metadata": {"creationTimestamp": "2026-08-21T09:00:00Z"},
            "involvedObject": {"kind": "Pod", "name": "mnist-node-0-0-abcde"},
            "type": "Normal", "reason": "Pulled", "message": "it happened"});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn every_flavour_has_a_time_and_a_count() {
        let check = |fields: Value, time: &str, times: i32| {
            let event = event(fields);
            assert_eq!(when(&event).map(text).as_deref(), Some(time));
            assert_eq!(count(&event), times);
        };
        check(json!({}), "2026-08-21T09:00:00Z", 1);
        check(json!({"firstTimestamp": "2026-08-21T10:00:00Z"}), "2026-08-21T10:00:00Z", 1);
        let legacy = json!({"firstTimestamp": "2026-08-21T10:00:00Z", "count": 3,
                            "lastTimestamp": "2026-08-21T10:01:00Z"});
        check(legacy, "2026-08-21T10:01:00Z", 3);
        let new = json!({"eventTime": "2026-08-21T10:02:00.000000Z", "firstTimestamp": null});
        check(new, "2026-08-21T10:02:00Z", 1);
        let series = json!({"eventTime": "2026-08-21T10:02:00.000000Z", "series":
            {"count": 9, "lastObservedTime": "2026-08-21T10:05:00.000000Z"}});
        check(series, "2026-08-21T10:05:00Z", 9);
    }

    #[test]
    fn repeats_are_one_row() {
        let pulled = |index: u32| {
            event(json!({"involvedObject": {"kind": "Pod", "name": format!("p-{index}")},
                "message": format!("pulled in {index}ms"),
                "lastTimestamp": format!("2026-08-21T10:00:{index:02}Z")}))
        };
        let mut all: Vec<Event> = (0..50).map(pulled).collect();
        all.extend(["tune-bcdfghjk", "tune-lmnpqrst"].map(|name| {
            event(json!({"involvedObject": {"kind": "Trial", "name": name}, "reason": "JobCreated",
                "message": format!("Job {name} has been created")}))
        }));
        all.push(event(json!({"type": "Warning", "reason": "BackOff", "count": 4,
            "message": "back-off \u{1b}[31mrestarting", "lastTimestamp": "2026-08-21T10:01:00Z",
            "firstTimestamp": "2026-08-21T10:00:00Z"})));
        let rows: Vec<String> =
            rows(all).iter().map(|it| serde_json::to_string(it).unwrap()).collect();
        expect![[r#"
            {"last":"2026-08-21T10:01:00Z","type":"Warning","reason":"BackOff","object":"Pod/mnist-node-0-0-abcde","message":"back-off [31mrestarting","count":4,"first":"2026-08-21T10:00:00Z"}
            {"last":"2026-08-21T10:00:49Z","type":"Normal","reason":"Pulled","object":"Pod/p-49","message":"pulled in 49ms","count":50,"first":"2026-08-21T10:00:00Z","objects":50}
            {"last":"2026-08-21T09:00:00Z","type":"Normal","reason":"JobCreated","object":"Trial/tune-bcdfghjk","message":"Job tune-bcdfghjk has been created","count":2,"first":"2026-08-21T09:00:00Z","objects":2}"#]]
        .assert_eq(&rows.join("\n"));
    }
}
