//! The Python of this machine that jobs run with.

use std::{io::ErrorKind, path::PathBuf};

use serde::Deserialize;
use tokio::process::Command;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Python {
    /// The interpreter itself: no shim, and not that of a virtual environment.
    pub(super) executable: PathBuf,
    pub(super) version: (u32, u32, u32),
}

const OLDEST: (u32, u32) = (3, 9);

const ASK: &str = "import json, sys; print(json.dumps({'executable': \
                   getattr(sys, '_base_executable', None) or sys.executable, 'version': sys.version_info[:3]}))";

impl Python {
    /// `python3` on the PATH of this process.
    pub(super) async fn find() -> Result<Self, String> {
        let answer = Command::new("python3").args(["-c", ASK]).output().await;
        let answer = answer.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "there is no python3 on the PATH: install Python 3, then start the local cluster anew"
                    .to_owned()
            }
            _ => format!("python3 cannot be run: {error}"),
        })?;
        if !answer.status.success() {
            let why = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(format!("python3 cannot be run: {why}"));
        }
        let python: Self = serde_json::from_slice(&answer.stdout)
            .map_err(|error| format!("python3 does not say what it is: {error}"))?;
        let (major, minor, _) = python.version;
        if (major, minor) < OLDEST {
            return Err(format!(
                "python3 is {major}.{minor}, and jobs need at least {}.{}",
                OLDEST.0, OLDEST.1
            ));
        }
        Ok(python)
    }

    /// The PATH of a job, after its environment's programs.
    pub(super) fn path(&self) -> String {
        let own = self.executable.parent().map(|folder| folder.display().to_string());
        let system =
            ["/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];
        let system = system.into_iter().filter(|path| std::path::Path::new(path).is_dir());
        own.into_iter().chain(system.map(str::to_owned)).collect::<Vec<_>>().join(":")
    }
}
