//! The processes of a real cluster, killed and started again one by one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::waiting::until;

/// Those of the cluster in one folder; `cargo xtask cluster up` has started them.
#[derive(Clone, Debug)]
pub struct Processes(PathBuf);

#[derive(Deserialize)]
struct Record {
    processes: Vec<Process>,
}

#[derive(Clone, Deserialize)]
struct Process {
    name: String,
    pid: Option<i32>,
    port: u16,
    ended: Option<String>,
}

impl Processes {
    pub fn of(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Whether the cluster has a process of that name.
    pub fn has(&self, name: &str) -> bool {
        self.read().processes.iter().any(|it| it.name == name)
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(&self, name: &str) {
        signal(&self.find(name), Signal::KILL);
        self.ended(name).await;
    }

    /// Lets it do nothing, as a process on a machine that hangs.
    pub fn pause(&self, name: &str) {
        signal(&self.find(name), Signal::STOP);
    }

    pub fn go_on(&self, name: &str) {
        signal(&self.find(name), Signal::CONT);
    }

    /// Has it started again as it was, and waits until it listens.
    pub async fn start(&self, name: &str) {
        // Who keeps the processes looks for such files, and removes them when it has started one.
        let request = self.0.join("start").join(name);
        fs::write(&request, "").expect("the cluster's folder");
        until(&format!("the start of {name}"), async || {
            if request.exists() { Err("it was not taken up".to_owned()) } else { Ok(()) }
        })
        .await;
        until(name, async || {
            let process = self.find(name);
            if let Some(how) = process.ended {
                return Err(format!("it has ended: {how}"));
            }
            let there = TcpStream::connect(("127.0.0.1", process.port)).await;
            there.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// The keeper notes the end of a process only when it has collected it.
    async fn ended(&self, name: &str) {
        until(&format!("the end of {name}"), async || {
            let process = self.find(name);
            let gone = process
                .pid
                .and_then(Pid::from_raw)
                .is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH));
            if gone || process.ended.is_some() { Ok(()) } else { Err("it lives".to_owned()) }
        })
        .await;
    }

    fn find(&self, name: &str) -> Process {
        let found = self.read().processes.into_iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("the cluster has no process {name}"))
    }

    fn read(&self) -> Record {
        let file = self.0.join("cluster.json");
        let text = fs::read_to_string(&file).expect("a cluster that is up");
        serde_json::from_str(&text).expect("what the cluster's keeper has written")
    }
}

fn signal(process: &Process, signal: Signal) {
    let pid = process.pid.filter(|_| process.ended.is_none()).and_then(Pid::from_raw);
    let pid = pid.unwrap_or_else(|| panic!("{} does not run", process.name));
    kill_process(pid, signal).expect("a process of the cluster");
}
