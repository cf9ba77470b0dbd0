//! What is written down about a running cluster: `cluster.json` in its folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{identity::Identity, modules::Module};

const FILE: &str = "cluster.json";

/// All that `down`, `status`, `start` and the tests need to know.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Everything of the cluster lies here.
    pub(super) folder: PathBuf,
    /// The administrator's.
    pub(super) kubeconfig: PathBuf,
    pub(super) kubectl: PathBuf,
    /// Where the Go modules lie, by the last word of their paths.
    pub(super) modules: BTreeMap<String, Module>,
    /// Who holds the processes.
    pub(super) keeper: Option<Identity>,
    /// In the order in which they start.
    pub(super) processes: Vec<Process>,
}

/// A process of the cluster, with all that is needed to start it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) name: String,
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// Added to the environment of who starts it.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: PathBuf,
    pub(super) port: u16,
    /// What answers 200 once it serves.
    pub(super) ready: String,
    /// Ends what it has left running, where it leaves anything: a program and its arguments.
    pub(super) clear: Vec<String>,
    #[serde(flatten)]
    pub(super) identity: Option<Identity>,
    /// How it ended, where it did.
    pub(super) ended: Option<String>,
}

impl Record {
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// That of the folder, if a cluster was ever started there.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(folder);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).with_context(|| path.display().to_string()).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// In one step: who reads it meanwhile sees the old or the new one.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let path = Self::path(&self.folder);
        let part = path.with_extension("part");
        fs::write(&part, serde_json::to_string_pretty(self)?)
            .and_then(|()| fs::rename(&part, &path))
            .with_context(|| path.display().to_string())
    }

    pub(super) fn process(&self, name: &str) -> anyhow::Result<&Process> {
        self.processes.iter().find(|it| it.name == name).with_context(|| {
            let names: Vec<_> = self.processes.iter().map(|it| it.name.as_str()).collect();
            format!("\"{name}\" is not a process of the cluster, whose are {}", names.join(", "))
        })
    }

    pub(super) fn process_mut(&mut self, name: &str) -> Option<&mut Process> {
        self.processes.iter_mut().find(|it| it.name == name)
    }
}

impl Process {
    pub(super) fn is_alive(&self) -> bool {
        self.identity.is_some_and(|it| it.is_alive())
    }

    /// The last lines of its log, for the person who asks why it ended.
    pub(super) fn last_lines(&self, number: usize) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(number)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    const WRITTEN: &str = r#"{
        "folder": "/c", "kubeconfig": "/c/kubeconfig", "kubectl": "/bin/kubectl",
        "modules": { "trainer": { "version": "v2.3.0", "dir": "/m/trainer" } },
        "keeper": { "pid": 7, "started": 1000 },
        "processes": [
            { "name": "etcd", "command": ["/bin/etcd", "--data-dir=/c/etcd"], "environment": {},
              "log": "/c/etcd.log", "port": 2379, "ready": "http://127.0.0.1:2379/health",
              "clear": [],
              "pid": 8, "started": 1001, "ended": null },
            { "name": "jobset", "command": ["/bin/jobset"], "environment": { "TMPDIR": "/c/t" },
              "log": "/c/jobset.log", "port": 9443, "ready": "http://127.0.0.1:8081/readyz",
              "clear": [],
              "ended": null }
        ]
    }"#;

    #[test]
    fn what_is_written_is_read_again() {
        let record = Record::parse(WRITTEN).unwrap();
        let again = Record::parse(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(record, again);
        assert_eq!(record.process("etcd").unwrap().identity.unwrap().pid, 8);
        assert_eq!(record.process("jobset").unwrap().identity, None, "never started");
    }

    #[test]
    fn an_unknown_process_is_answered_with_those_there_are() {
        let error = Record::parse(WRITTEN).unwrap().process("etc").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""etc" is not a process of the cluster, whose are etcd, jobset"#
        );
    }

    #[test]
    fn a_record_that_is_cut_off_is_an_error() {
        assert!(Record::parse(&WRITTEN[..WRITTEN.len() / 2]).is_err());
    }
}
