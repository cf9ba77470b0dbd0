//! Reading one object, and lists in pages.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Request};
use crate::{
    LocalKube,
    status::{self, Result, cause},
    store::{Key, Past},
};

const OPTIONS: &str = "ListOptions";

pub(crate) fn get(kube: &LocalKube, request: &Request) -> Result<Answer> {
    let (_, object) = request.stored(kube)?;
    Ok(Answer::Object(StatusCode::OK, object))
}

pub(crate) fn list(kube: &LocalKube, request: &Request) -> Result<Answer> {
    let query = &request.query;
    query.fields.check(&request.kind)?;
    if query.initial_events {
        let cause =
            cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        return Err(status::invalid_options(OPTIONS, cause));
    }
    let begun = query.continued.as_deref().map(Begun::read).transpose()?;
    let pinned = match &begun {
        Some(_) if !["", "0"].contains(&query.resource_version.as_str()) => {
            let why = "specifying resource version is not allowed when using continue";
            return Err(status::bad_request(why));
        }
        Some(begun) => begun.version,
        None => exact(kube, request)?,
    };
    let now = kube.store().version();
    let past = begun.as_ref().map(|it| &it.after);
    let past = (past.is_some() || pinned.is_some())
        .then(|| Past { version: pinned.unwrap_or(now), after: past });
    let limit = match query.limit {
        0 => usize::MAX,
        limit => limit,
    };
    let wanted = |object: &Value| query.labels.select(object) && query.fields.select(object);
    let namespace = request.namespace.as_deref();
    let page = kube.store().page(&request.kind.resource, namespace, past, limit, &wanted);
    let Some(page) = page else { return Err(forgotten(begun)) };
    let continued = match &page.last {
        Some(last) if page.remaining > 0 => {
            Some(Begun { version: Some(page.version), after: last.clone() }.write())
        }
        _ => None,
    };
    Ok(Answer::List { page, continued })
}

/// The one version that may be answered with, if the client insists on one.
fn exact(kube: &LocalKube, request: &Request) -> Result<Option<u64>> {
    let query = &request.query;
    let version = version(kube, &query.resource_version, false)?;
    let refused = |why: &str| {
        let cause = cause::forbidden("resourceVersionMatch", why);
        Err(status::invalid_options(OPTIONS, cause))
    };
    match (query.resource_version_match.as_deref(), version) {
        (None, _) => Ok(None),
        (Some(_), None) => {
            refused("resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        (Some("NotOlderThan"), _) => Ok(None),
        (Some("Exact"), Some(0)) => {
            refused(r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#)
        }
        (Some("Exact"), version) => Ok(version),
        (Some(other), _) => {
            let supported = ["Exact", "NotOlderThan", ""];
            let cause = cause::unsupported("resourceVersionMatch", &json!(other), &supported);
            Err(status::invalid_options(OPTIONS, cause))
        }
    }
}

/// Reads a resource version and refuses those that no write has reached.
pub(crate) fn version(kube: &LocalKube, text: &str, watched: bool) -> Result<Option<u64>> {
    if text.is_empty() {
        return Ok(None);
    }
    let version = number(text).map_err(|why| {
        let why = format!("resourceVersion: Invalid value: {text:?}: {why}");
        match watched {
            true => status::plain(500, "", why),
            false => status::bad_request(format!("invalid resource version: {why}")),
        }
    })?;
    let now = kube.store().version();
    if version > now {
        return Err(status::too_large_version(version, now));
    }
    Ok(Some(version))
}

/// Versions are numbers, which clients do not need to know.
pub(super) fn number(version: &str) -> Result<u64, String> {
    version.parse().map_err(|_| format!("strconv.ParseUint: parsing {version:?}: invalid syntax"))
}

/// Where a list goes on: a `continue` token, opaque to clients.
struct Begun {
    /// `None` for a list that goes on with the present, because its past is forgotten.
    version: Option<u64>,
    after: Key,
}

impl Begun {
    fn write(&self) -> String {
        let Key { namespace, name } = &self.after;
        BASE64_URL_SAFE_NO_PAD.encode(json!([self.version, **namespace, **name]).to_string())
    }

    fn read(token: &str) -> Result<Self> {
        let read = || {
            let json = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
            let (version, namespace, name) =
                serde_json::from_slice::<(Option<u64>, String, String)>(&json).ok()?;
            Some(Self { version, after: Key { namespace: namespace.into(), name: name.into() } })
        };
        read()
            .ok_or_else(|| status::bad_request("invalid continue token: continue key is not valid"))
    }
}

/// The past of a list is forgotten; its rest can be had at the present.
fn forgotten(begun: Option<Begun>) -> Box<kube::core::Status> {
    let Some(begun) = begun else {
        return status::expired("the resourceVersion for the provided list is too old");
    };
    let mut expired = status::expired(
        "the provided continue parameter is too old to display a consistent list result: start a new \
         list without it, or use the continue token of this answer to get the rest as it is now",
    );
    let rest = Begun { version: None, ..begun }.write();
    expired.metadata = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta {
        continue_: Some(rest),
        ..Default::default()
    });
    expired
}
