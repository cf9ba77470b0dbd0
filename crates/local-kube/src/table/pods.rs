//! What the cells of a Pod's row say.

use serde_json::Value;

use super::{
    columns::{or, text},
    since,
};

/// Containers that are ready, of all.
pub(super) fn ready(pod: &Value) -> Value {
    let ready =
        containers(pod).filter(|it| it["ready"] == true && !it["state"]["running"].is_null());
    format!("{}/{}", ready.count(), pod["spec"]["containers"].as_array().map_or(0, Vec::len)).into()
}

/// How often its containers were started anew, and when the last one had ended.
pub(super) fn restarts(pod: &Value) -> Value {
    let count: u64 = containers(pod).filter_map(|it| it["restartCount"].as_u64()).sum();
    let ended = containers(pod).map(|it| &it["lastState"]["terminated"]["finishedAt"]);
    match ended.filter(|it| it.is_string()).max_by_key(|it| text(it).to_owned()) {
        Some(last) if count > 0 => format!("{count} ({} ago)", since(last)).into(),
        _ => count.to_string().into(),
    }
}

fn containers(pod: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    list(&pod["status"]["containerStatuses"])
}

fn list(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The word that says most of a Pod's state: the reason of a container rather than the phase.
pub(super) fn status(pod: &Value) -> Value {
    let status = &pod["status"];
    let phase = text(&status["phase"]);
    if !pod["metadata"]["deletionTimestamp"].is_null() && !["Succeeded", "Failed"].contains(&phase)
    {
        return "Terminating".into();
    }
    initializing(pod).unwrap_or_else(|| of_containers(pod)).into()
}

/// What the first init container that has not succeeded does.
fn initializing(pod: &Value) -> Option<String> {
    let mut containers = list(&pod["status"]["initContainerStatuses"]).enumerate();
    let (index, container) =
        containers.find(|(_, it)| it["state"]["terminated"]["exitCode"] != 0)?;
    let (ended, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
    Some(match text(&waiting["reason"]) {
        _ if ended.is_object() => format!("Init:{}", end(ended)),
        "" | "PodInitializing" => {
            format!("Init:{index}/{}", list(&pod["spec"]["initContainers"]).count())
        }
        reason => format!("Init:{reason}"),
    })
}

fn of_containers(pod: &Value) -> String {
    let status = &pod["status"];
    let mut word = text(&or(&status["reason"], text(&status["phase"]))).to_owned();
    let gated = list(&status["conditions"]).any(|it| it["reason"] == "SchedulingGated");
    if gated {
        word = "SchedulingGated".to_owned();
    }
    let (mut failed, mut running) = (None, false);
    // The first container has the last word.
    for container in containers(pod).rev() {
        let state = &container["state"];
        let ended = &state["terminated"];
        if let Some(reason) = state["waiting"]["reason"].as_str() {
            word = reason.to_owned();
        } else if ended.is_object() {
            word = end(ended);
            if ended["exitCode"] != 0 {
                failed = Some(word.clone());
            }
        } else {
            running |= container["ready"] == true && state["running"].is_object();
        }
    }
    let ready =
        list(&status["conditions"]).any(|it| it["type"] == "Ready" && it["status"] == "True");
    match failed {
        _ if word != "Completed" => word,
        _ if running && ready => "Running".to_owned(),
        Some(failed) => failed,
        None if running => "NotReady".to_owned(),
        None => word,
    }
}

fn end(ended: &Value) -> String {
    match (text(&ended["reason"]), ended["signal"].as_i64().unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", ended["exitCode"]),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Readiness gates that are open, of all.
pub(super) fn gates(pod: &Value) -> Value {
    let gates: Vec<&Value> = list(&pod["spec"]["readinessGates"]).collect();
    let is_open = |gate: &&&Value| {
        list(&pod["status"]["conditions"])
            .any(|it| it["type"] == gate["conditionType"] && it["status"] == "True")
    };
    match gates.len() {
        0 => "<none>".into(),
        all => format!("{}/{all}", gates.iter().filter(is_open).count()).into(),
    }
}
