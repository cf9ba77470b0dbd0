//! Tokens of ServiceAccounts: asked for, and told whose they are.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Request};
use crate::{
    LocalKube, UserInfo,
    http::random_token,
    metadata,
    status::{self, Qualified, Result, cause},
};

/// Whom tokens are for unless they are asked for somebody else: the API server.
const AUDIENCE: &str = "https://kubernetes.default.svc";

const SHORTEST: i64 = 600;
const USUAL: i64 = 3600;

/// Gives out a token of the account that the path names. It is known until it ends or the process
/// does.
pub(crate) fn token(kube: &LocalKube, request: &Request, body: &[u8]) -> Result<Answer> {
    let mut asked: Value = serde_json::from_slice(body)
        .map_err(|error| status::bad_request(format!("the token request: {error}")))?;
    let (key, account) = request.stored(kube)?;
    let seconds = asked["spec"]["expirationSeconds"].as_i64().unwrap_or(USUAL);
    if seconds < SHORTEST {
        let why = "may not specify a duration less than 10 minutes";
        let cause = cause::invalid("spec.expirationSeconds", &seconds.into(), why);
        let kind = Qualified { name: "TokenRequest", group: "authentication.k8s.io" };
        return Err(status::invalid(kind, "", vec![cause]));
    }
    let audiences = match asked["spec"]["audiences"].as_array() {
        Some(audiences) if !audiences.is_empty() => audiences.clone(),
        _ => vec![AUDIENCE.into()],
    };
    let until = Timestamp::now() + SignedDuration::from_secs(seconds);
    let user = UserInfo {
        username: format!("system:serviceaccount:{}:{}", key.namespace, key.name),
        uid: account.value["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        groups: vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{}", key.namespace),
        ],
    };
    let token = written(&user, &audiences, until);
    if audiences.contains(&AUDIENCE.into()) {
        kube.users().add(&token, user, Some(until));
    }
    asked["apiVersion"] = "authentication.k8s.io/v1".into();
    asked["kind"] = "TokenRequest".into();
    asked["metadata"] = json!({"name": &*key.name, "namespace": &*key.namespace, "creationTimestamp": metadata::now()});
    asked["spec"]["audiences"] = audiences.into();
    asked["spec"]["expirationSeconds"] = seconds.into();
    let end = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    asked["status"] = json!({"token": token, "expirationTimestamp": end});
    Ok(Answer::Json(StatusCode::CREATED, asked))
}

/// A token that says what it is for, and ends in what only its holder knows: nothing signs it.
fn written(user: &UserInfo, audiences: &[Value], until: Timestamp) -> String {
    let claims = json!({"aud": audiences, "exp": until.as_second(), "iat": Timestamp::now().as_second(),
        "iss": AUDIENCE, "sub": user.username});
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(json!({"alg": "none"})), part(claims), random_token())
}

/// Whose token it is.
pub(super) fn review(kube: &LocalKube, mut review: Value) -> Value {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    let wanted = review["spec"]["audiences"].as_array().cloned().unwrap_or_default();
    let audiences = if wanted.is_empty() { vec![Value::from(AUDIENCE)] } else { wanted };
    review["status"] = match kube.users().of_token(token) {
        Some(UserInfo { username, uid, groups }) if audiences.contains(&AUDIENCE.into()) => {
            let groups = groups.iter().map(String::as_str).chain(["system:authenticated"]);
            let groups: Vec<&str> = groups.collect();
            let user = json!({"username": username, "uid": uid, "groups": groups});
            json!({"authenticated": true, "user": user, "audiences": [AUDIENCE]})
        }
        _ => json!({"user": {}, "error": "[invalid bearer token, unknown]"}),
    };
    review
}
