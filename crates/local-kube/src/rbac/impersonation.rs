//! Acting as somebody else, as far as the roles allow it.

use http::HeaderMap;
use kube::core::Status;

use super::{Action, Grants};
use crate::{UserInfo, status};

const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Who the request is made as: the user itself, or whom its headers name. Extra fields must be
/// allowed like everything else, and are then dropped: nothing here reads them.
pub fn acting_as(
    grants: &Grants,
    user: UserInfo,
    headers: &HeaderMap,
) -> Result<UserInfo, Box<Status>> {
    let all = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let username = all("impersonate-user").into_iter().next().unwrap_or_default();
    let mut groups = all("impersonate-group");
    let uid = all("impersonate-uid").into_iter().next().unwrap_or_default();
    let extras: Vec<&str> =
        headers.keys().filter_map(|name| name.as_str().strip_prefix(EXTRA)).collect();
    if username.is_empty() {
        if groups.is_empty() && uid.is_empty() && extras.is_empty() {
            return Ok(user);
        }
        return Err(status::bad_request(
            "requested groups, a uid or extras to impersonate without a user",
        ));
    }
    let allowed = |action: Action<'_>| grants.check(&user, &action);
    match service_account(&username) {
        Some((namespace, name)) => {
            allowed(impersonate("", "serviceaccounts", "", namespace, name))?;
            if groups.is_empty() {
                groups.push("system:serviceaccounts".into());
                groups.push(format!("system:serviceaccounts:{namespace}"));
            }
        }
        None => allowed(impersonate("", "users", "", "", &username))?,
    }
    for group in &all("impersonate-group") {
        allowed(impersonate("", "groups", "", "", group))?;
    }
    if !uid.is_empty() {
        allowed(impersonate(AUTHENTICATION, "uids", "", "", &uid))?;
    }
    for key in extras {
        for value in &all(&format!("{EXTRA}{key}")) {
            allowed(impersonate(AUTHENTICATION, "userextras", key, "", value))?;
        }
    }
    let authenticated = match username.as_str() {
        "system:anonymous" => "system:unauthenticated",
        _ => "system:authenticated",
    };
    if !groups.iter().any(|group| group == authenticated) {
        groups.push(authenticated.into());
    }
    Ok(UserInfo { username, uid, groups })
}

fn impersonate<'a>(
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
) -> Action<'a> {
    Action::Resource { verb: "impersonate", group, resource, subresource, namespace, name }
}

fn service_account(username: &str) -> Option<(&str, &str)> {
    username.strip_prefix("system:serviceaccount:")?.split_once(':')
}
