//! The cluster's certificates and the kubeconfigs made of them, new for every cluster.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;

/// The names under which the servers are reached.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "kubernetes.default.svc"];

/// Signs every certificate of one cluster. Its key is never written down.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    server: String,
}

impl Authority {
    /// With the folder's `pki` for its files and the address of the API server for its kubeconfigs.
    pub(super) fn new(folder: &Path, server: String) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kubeflow-mcp-tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let authority = Self { issuer, folder: folder.join("pki"), server };
        write(&authority.file("ca.crt"), &authority.issuer.pem())?;
        Ok(authority)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The certificate that clients trust, as PEM.
    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// `NAME.crt` and `NAME.key` of a server on loopback.
    pub(super) fn serving(&self, name: &str) -> anyhow::Result<()> {
        let (certificate, key) = self.certify(name, None, &NAMES)?;
        write(&self.file(&format!("{name}.crt")), &certificate)?;
        write(&self.file(&format!("{name}.key")), &key)
    }

    /// `NAME.crt` and `NAME.key` of a client.
    pub(super) fn client(&self, name: &str, group: &str) -> anyhow::Result<()> {
        let (certificate, key) = self.certify(name, Some(group), &[])?;
        write(&self.file(&format!("{name}.crt")), &certificate)?;
        write(&self.file(&format!("{name}.key")), &key)
    }

    /// `NAME.key` and `NAME.pub` that ServiceAccount tokens are signed and read with.
    pub(super) fn token_keys(&self, name: &str) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        write(&self.file(&format!("{name}.key")), &key.serialize_pem())?;
        write(&self.file(&format!("{name}.pub")), &key.public_key_pem())
    }

    /// What the user, who is in the group, needs to speak to the cluster.
    pub(super) fn kubeconfig(
        &self,
        path: &Path,
        user: &str,
        group: Option<&str>,
        namespace: &str,
    ) -> anyhow::Result<()> {
        let (certificate, key) = self.certify(user, group, &[])?;
        let encode = |text: &str| BASE64_STANDARD.encode(text);
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "contexts": [{ "name": "real", "context": {
                "cluster": "real", "user": user, "namespace": namespace,
            } }],
            "clusters": [{ "name": "real", "cluster": {
                "server": self.server, "certificate-authority-data": encode(&self.pem()),
            } }],
            "users": [{ "name": user, "user": {
                "client-certificate-data": encode(&certificate), "client-key-data": encode(&key),
            } }],
        });
        write(path, &serde_json::to_string_pretty(&kubeconfig)?)
    }

    fn certify(
        &self,
        name: &str,
        group: Option<&str>,
        servers: &[&str],
    ) -> anyhow::Result<(String, String)> {
        let names: Vec<_> = servers.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

/// Readable by the user alone from its first moment; folders are made on the way.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut open = fs::OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    written().with_context(|| path.display().to_string())
}
