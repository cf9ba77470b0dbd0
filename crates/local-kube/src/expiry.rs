//! Forgets Events after an hour, as API servers do.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::{
    LocalKube,
    store::{Key, Lost, Object},
};

const EVENTS: &str = "events";
const KEPT: SignedDuration = SignedDuration::from_hours(1);
const LOOK_EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn run(kube: &LocalKube) {
    loop {
        forget(kube, Timestamp::now());
        sleep(LOOK_EVERY).await;
    }
}

fn forget(kube: &LocalKube, now: Timestamp) {
    for event in kube.store().all(EVENTS, None).iter().filter(|it| is_old(it, now)) {
        let removed =
            kube.store().remove(EVENTS, &Key::of(&event.value), event.value.clone(), event.version);
        match removed {
            // An event that is written again lives on.
            Ok(_) | Err(Lost::Race) => {}
            Err(error) => tracing::error!(%error, "could not remove an old event"),
        }
    }
}

/// Each writing of an event counts, and the last one is in one of these.
fn is_old(event: &Object, now: Timestamp) -> bool {
    let event = &event.value;
    let times = [
        &event["metadata"]["creationTimestamp"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["series"]["lastObservedTime"],
    ];
    let last = times.into_iter().filter_map(|it| it.as_str()?.parse::<Timestamp>().ok()).max();
    last.is_some_and(|last| now.duration_since(last) > KEPT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Options, store::Expect};

    #[test]
    fn an_event_lives_for_an_hour_after_its_last_writing() {
        let kube = LocalKube::open(Options::default()).unwrap();
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (name, last) in [("old", "2026-01-01T10:59:59Z"), ("young", "2026-01-01T11:00:01Z")] {
            let event = json!({"metadata": {"namespace": "default", "name": name,
                "creationTimestamp": "2026-01-01T10:00:00Z"}, "lastTimestamp": last});
            kube.store().put(EVENTS, &Key::of(&event), event, Expect::Absent).unwrap();
        }
        forget(&kube, now);
        let left = kube.store().all(EVENTS, None);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].value["metadata"]["name"], "young");
    }
}
