//! The certificates, the administrator's token and the port, in files that only the user can read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use tokio_rustls::rustls::{
    self,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::ListenError;

/// The file with the authority that clients trust.
pub const AUTHORITY: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const TOKEN: &str = "token";
const PORT: &str = "port";

/// The names by which the server may be called.
const NAMES: [&str; 4] =
    ["127.0.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

pub(super) struct Credentials {
    /// The certificate of the authority, as PEM.
    pub(super) authority: String,
    certificate: String,
    key: String,
    pub(super) token: String,
    /// The port of the last time.
    pub(super) port: Option<u16>,
}

impl Credentials {
    /// Those in the folder, or new ones, which are written there.
    pub(super) fn load_or_make(dir: &Path) -> Result<Self, ListenError> {
        make_private(dir)?;
        let port = read(dir, PORT)?.and_then(|port| port.trim().parse().ok());
        let kept = (read(dir, AUTHORITY)?, read(dir, CERTIFICATE)?, read(dir, KEY)?);
        let (authority, certificate, key) = match kept {
            (Some(authority), Some(certificate), Some(key)) => (authority, certificate, key),
            _ => {
                let (authority, certificate, key) = certify()?;
                write(dir, AUTHORITY, &authority)?;
                write(dir, CERTIFICATE, &certificate)?;
                write(dir, KEY, &key)?;
                (authority, certificate, key)
            }
        };
        let token = match read(dir, TOKEN)? {
            Some(token) if !token.trim().is_empty() => token.trim().to_owned(),
            _ => {
                let token = random_token();
                write(dir, TOKEN, &token)?;
                token
            }
        };
        Ok(Self { authority, certificate, key, token, port })
    }

    pub(super) fn tls(&self, dir: &Path) -> Result<rustls::ServerConfig, ListenError> {
        let unusable = |file: &str, why: String| ListenError::Tls { path: dir.join(file), why };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(CERTIFICATE, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|error| unusable(KEY, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| unusable(CERTIFICATE, error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// 244 random bits.
pub(crate) fn random_token() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// What a client needs to speak to the server as the token's holder, as YAML (of which JSON is a part).
pub(super) fn kubeconfig(addr: SocketAddr, authority: &str, token: &str) -> String {
    let authority = BASE64_STANDARD.encode(authority);
    format!(
        "\
apiVersion: v1
kind: Config
current-context: local
contexts:
- name: local
  context:
    cluster: local
    user: local
    namespace: default
clusters:
- name: local
  cluster:
    server: https://{addr}
    certificate-authority-data: {authority}
users:
- name: local
  user:
    token: {}
",
        json!(token)
    )
}

/// The next start takes the same port if it can, so that kubeconfigs stay good.
pub(super) fn remember_port(dir: &Path, port: u16) -> Result<(), ListenError> {
    write(dir, PORT, &port.to_string())
}

/// The authority, a certificate for the server, and its key, as PEM. The authority's own key is
/// forgotten: nothing else will ever be signed with it.
fn certify() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "local-kube");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(NAMES.map(String::from))?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    let certificate = server.signed_by(&key, &authority)?;
    Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
}

fn make_private(dir: &Path) -> Result<(), ListenError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| failed(dir, source))
}

fn read(dir: &Path, file: &str) -> Result<Option<String>, ListenError> {
    let path = dir.join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(&path, source)),
    }
}

/// Replaces the file in one step, readable by the user alone from its first moment.
fn write(dir: &Path, file: &str, text: &str) -> Result<(), ListenError> {
    let path = dir.join(file);
    let part = dir.join(format!(".{file}.part"));
    let written = || {
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        fs::rename(&part, &path)
    };
    written().map_err(|source| failed(&path, source))
}

fn failed(path: &Path, source: io::Error) -> ListenError {
    ListenError::File { path: path.into(), source }
}
