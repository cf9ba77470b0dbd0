//! A job that notes each time that it runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

pub(crate) struct Job {
    pub(crate) name: &'static str,
    note: PathBuf,
    /// The number of its process.
    process: PathBuf,
    /// It ends when this file is there.
    end: PathBuf,
}

impl Job {
    /// A job that may end at once, or that waits for [`Job::end`].
    pub(crate) fn new(folder: &Path, name: &'static str, waits: bool) -> Self {
        let file = |what: &str| folder.join(format!("{name}-{what}"));
        let job = Self { name, note: file("note"), process: file("process"), end: file("end") };
        if !waits {
            job.end();
        }
        job
    }

    pub(crate) fn submission(&self) -> Value {
        let script = format!(
            r#"import os, time
def note(line):
    with open({note:?}, "a") as notes:
        print(line, file=notes)
with open({process:?}, "w") as file:
    print(os.getpid(), file=file)
note("begun")
while not os.path.exists({end:?}):
    time.sleep(0.02)
note("ended")
"#,
            process = self.process,
            note = self.note,
            end = self.end,
        );
        json!({"name": self.name, "runtime": "host", "script": script, "confirmed": true})
    }

    pub(crate) fn end(&self) {
        fs::write(&self.end, "").expect("a file in a folder of ours");
    }

    /// Kills its process, once it has begun.
    pub(crate) fn kill(&self) {
        let pid = fs::read_to_string(&self.process).expect("it has begun");
        let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process");
        kill_process(pid, Signal::KILL).expect("it runs");
    }

    /// How often it has begun, and ended.
    pub(crate) fn runs(&self) -> (usize, usize) {
        let notes = fs::read_to_string(&self.note).unwrap_or_default();
        let count = |word: &str| notes.lines().filter(|it| *it == word).count();
        (count("begun"), count("ended"))
    }
}
