//! The kubectl that is built with the cluster.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use super::record::Record;
use crate::shell;

pub(super) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    /// Its own, since what another cluster served at the same port must not be remembered.
    cache: PathBuf,
}

impl Kubectl {
    /// As the administrator of the cluster.
    pub(super) fn of(record: &Record) -> Self {
        Self {
            program: record.kubectl.clone(),
            kubeconfig: record.kubeconfig.clone(),
            cache: record.folder.join("kubectl-cache"),
        }
    }

    pub(super) fn command(&self, arguments: &str) -> Command {
        let mut command = shell::command(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", &self.cache)
            .args(arguments.split_whitespace());
        command
    }

    /// Whether an address of the cluster answers 200.
    pub(super) fn get_raw(&self, url: &str) -> bool {
        let Some((host, path)) = url.strip_prefix("https://").and_then(|it| it.split_once('/'))
        else {
            return false;
        };
        let arguments = format!("get --raw /{path} --server https://{host} --request-timeout 5s");
        self.command(&arguments).output().is_ok_and(|output| output.status.success())
    }

    /// Hands it the objects, a JSON document each.
    pub(super) fn with_objects(
        &self,
        arguments: &str,
        objects: &[serde_json::Value],
    ) -> anyhow::Result<()> {
        let mut process = self
            .command(arguments)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let mut input = process.stdin.take().context("its input is piped")?;
        // Where it does not read to the end, it says below why.
        let _ = input.write_all(list.to_string().as_bytes());
        drop(input);
        let output = process.wait_with_output()?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("`kubectl {arguments}`: {}", complaint.trim());
        }
        Ok(())
    }
}
