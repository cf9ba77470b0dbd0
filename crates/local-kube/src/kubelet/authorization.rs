//! Who may ask the kubelet: whoever the API server lets `nodes/proxy`, known by a client certificate.

use http::{Method, StatusCode};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};
use x509_parser::prelude::{FromDer, X509Certificate};

const SUBRESOURCE: &str = "proxy";

/// An error is the answer that the client gets.
pub(super) async fn admit(
    client: &Client,
    node: &str,
    certificate: &[u8],
    method: &Method,
) -> Result<(), (StatusCode, String)> {
    let unknown = || (StatusCode::UNAUTHORIZED, "Unauthorized".to_owned());
    let subject = Subject::of(certificate).ok_or_else(unknown)?;
    let verb = match *method {
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(subject.user.clone()),
            groups: Some(subject.groups),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                version: Some("v1".to_owned()),
                resource: Some("nodes".to_owned()),
                subresource: Some(SUBRESOURCE.to_owned()),
                name: Some(node.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviewed = Api::all(client.clone()).create(&PostParams::default(), &review).await;
    let reviewed: SubjectAccessReview = reviewed.map_err(|error| {
        let user = subject.user.clone();
        let why =
            format!("Authorization error (user={user}, verb={verb}, resource=nodes): {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, why)
    })?;
    if reviewed.status.is_some_and(|status| status.allowed) {
        return Ok(());
    }
    let user = subject.user;
    let why = format!(
        "Forbidden (user={user}, verb={verb}, resource=nodes, subresource(s)=[{SUBRESOURCE}])\n"
    );
    Err((StatusCode::FORBIDDEN, why))
}

/// As whom the API server would know the holder of a certificate.
#[derive(Debug, PartialEq)]
struct Subject {
    user: String,
    groups: Vec<String>,
}

impl Subject {
    fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let subject = certificate.subject();
        let user = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
        let groups = subject.iter_organization().filter_map(|group| group.as_str().ok());
        let groups = groups.chain(["system:authenticated"]).map(str::to_owned).collect();
        Some(Self { user, groups })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn the_common_name_is_the_user_and_organizations_are_groups() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expected = Subject {
            user: "kube-apiserver".into(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
        };
        assert_eq!(Subject::of(certificate.der()), Some(expected));
        assert_eq!(Subject::of(b"no certificate"), None);
    }
}
