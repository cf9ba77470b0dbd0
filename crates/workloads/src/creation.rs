//! Creating an object once, however often the same call is made.

use kube::{
    api::{GetParams, PostParams},
    client::Body,
    core::{Request, Status},
};
use kubeflow_mcp_core::{Caller, Error, Result, withhold};
use serde_json::{Value, json};

/// The annotation that tells which call made an object.
pub const REQUEST_DIGEST: &str = "mcp.kubeflow.org/request-digest";

/// What the API server stored, or would store.
#[derive(Debug)]
pub struct Creation {
    pub object: Value,
    /// False when the same call had made the object before.
    pub created: bool,
    /// What the API server warned of.
    pub warnings: Vec<String>,
}

/// Creates `object` in the collection at `path`, refusing fields that the API server does not know.
/// Whoever repeats a call, because its answer was lost, gets the object that it made.
pub async fn create(caller: &Caller, path: &str, mut object: Value) -> Result<Creation> {
    object["metadata"]["annotations"][REQUEST_DIGEST] = json!(caller.digest());
    let (answer, warnings) = send(caller, path, STRICT, &object).await?;
    let failure = match answer {
        Ok(object) => return Ok(Creation { object, created: true, warnings }),
        Err(failure) if failure.reason == "AlreadyExists" => failure,
        Err(failure) => return Err(Error::Kubernetes(failure)),
    };
    let existing = existing(caller, path, object["metadata"]["name"].as_str().unwrap_or_default());
    match existing.await? {
        Some(object) => Ok(Creation { object, created: false, warnings }),
        None => Err(Error::conflict(
            failure.message,
            "another request made it; choose another name, or delete it first",
        )),
    }
}

/// Asks what would become of `object`, which is not stored, not even in a confirmed call. The answer
/// has what the API server warns of.
pub async fn rehearse(caller: &Caller, path: &str, object: &Value) -> Result<Vec<String>> {
    let (answer, warnings) = send(caller, path, REHEARSED, object).await?;
    answer.map(|_| warnings).map_err(Error::Kubernetes)
}

const STRICT: &str = "fieldValidation=Strict";
const REHEARSED: &str = "fieldValidation=Strict&dryRun=All";

/// What the API server stored, or why it did not; and what it warned of.
async fn send(
    caller: &Caller,
    path: &str,
    query: &str,
    object: &Value,
) -> Result<(Result<Value, Box<Status>>, Vec<String>)> {
    let body = serde_json::to_vec(object).map_err(Error::Output)?;
    let request = Request::new(path).create(&PostParams::default(), body);
    let mut request = request.map_err(kube::Error::BuildRequest)?.map(Body::from);
    *request.uri_mut() =
        format!("{path}?{query}").parse().expect("the path has made a request already");
    let response = caller.client().send(request).await?;
    let warnings = response.headers().get_all("warning").iter();
    let warnings = warnings.filter_map(|it| warning(it.to_str().ok()?)).collect();
    let status = response.status();
    let body = response.into_body().collect_bytes().await?;
    if status.is_success() {
        let object = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
        return Ok((Ok(object), warnings));
    }
    let mut failure: Status = serde_json::from_slice(&body).unwrap_or_else(|_| {
        Status::failure(String::from_utf8_lossy(&body).trim(), "Unknown").with_code(status.as_u16())
    });
    // A policy's own words may repeat what was sent.
    withhold(object, &mut failure.message);
    let causes = failure.details.iter_mut().flat_map(|it| &mut it.causes);
    causes.for_each(|it| withhold(object, &mut it.message));
    Ok((Err(Box::new(failure)), warnings))
}

/// What admission has changed or added, as `path = value`; that it stamps patches says nothing.
pub fn set_by_cluster(sent: &Value, stored: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    compare("spec", &sent["spec"], &stored["spec"], &mut changes);
    for field in ["labels", "annotations"] {
        let mut added = stored["metadata"][field].clone();
        if let Some(annotations) = added.as_object_mut() {
            annotations.remove(REQUEST_DIGEST);
        }
        compare(field, &sent["metadata"][field], &added, &mut changes);
    }
    /// More would hide what matters.
    const MOST: usize = 20;
    let more = changes.len().saturating_sub(MOST);
    changes.truncate(MOST);
    if more > 0 {
        changes.push(format!("{more} more"));
    }
    changes
}

fn compare(path: &str, sent: &Value, stored: &Value, changes: &mut Vec<String>) {
    match (sent, stored) {
        (sent, stored) if sent == stored => {}
        (sent, Value::Object(fields)) if sent.is_object() || fields.len() < 4 => {
            for (field, value) in fields.iter().filter(|(field, _)| *field != "time") {
                compare(&format!("{path}.{field}"), &sent[field], value, changes);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                compare(&format!("{path}[{index}]"), item, other, changes);
            }
        }
        (_, Value::Null) => {}
        (_, stored) => {
            let text: String = stored.to_string().chars().take(100).collect();
            changes.push(format!("{path} = {text}"));
        }
    }
}

/// The object of that name, if this very call made it.
async fn existing(caller: &Caller, path: &str, name: &str) -> Result<Option<Value>> {
    let request = Request::new(path).get(name, &GetParams::default());
    let object = caller.client().request(request.map_err(kube::Error::BuildRequest)?).await;
    let ours = |it: &Value| it["metadata"]["annotations"][REQUEST_DIGEST] == caller.digest();
    match object {
        Ok(object) => Ok(Some(object).filter(ours)),
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The text of a header such as `299 - "is deprecated"`.
fn warning(header: &str) -> Option<String> {
    let text = header.split_once('"')?.1;
    let text = text.rsplit_once('"').map_or(text, |(text, _)| text);
    Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_lose_their_wrapping() {
        let text = warning(r#"299 - "runtime \"x\" is deprecated""#);
        assert_eq!(text.as_deref(), Some(r#"runtime "x" is deprecated"#));
        assert_eq!(warning("299"), None);
    }
}
