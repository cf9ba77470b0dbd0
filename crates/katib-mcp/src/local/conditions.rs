//! Katib's conditions: of one type there is one, and the one that changed last stands last.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::Condition;

/// Says `type_` to be `status`, unless that is said already for the same reason.
pub(super) fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
) {
    let now = Some(Time(Timestamp::now()));
    let old = conditions.iter().find(|it| it.type_ == type_).filter(|it| it.status == status);
    if old.is_some_and(|it| it.reason.as_deref() == Some(reason)) {
        return;
    }
    let since = old.map_or(&now, |it| &it.last_transition_time).clone();
    remove(conditions, type_);
    conditions.push(Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: now,
        last_transition_time: since,
    });
}

/// What runs no more says so with the reason it ran for.
pub(super) fn set_over(conditions: &mut Vec<Condition>, type_: &str, reason: &str, message: &str) {
    if let Some(running) = conditions.iter().find(|it| it.type_ == "Running").cloned() {
        let said = |it: &Option<String>| it.clone().unwrap_or_default();
        set(conditions, "Running", "False", &said(&running.reason), &said(&running.message));
    }
    set(conditions, type_, "True", reason, message);
}

pub(super) fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|it| it.type_ != type_);
}

/// Whether any of these types is `True`.
pub(super) fn any(conditions: &[Condition], types: &[&str]) -> bool {
    conditions.iter().any(|it| it.status == "True" && types.contains(&it.type_.as_str()))
}
