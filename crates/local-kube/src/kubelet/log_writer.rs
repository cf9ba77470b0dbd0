//! Writes what a process prints as the log files that container runtimes keep: `TIME STREAM F|P LINE`.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::run::Run;

/// A line longer than this is written in parts.
const LONGEST_PART: usize = 16 * 1024;

pub(super) struct LogWriter {
    run: Run,
    file: File,
    written: u64,
    limit: u64,
}

impl LogWriter {
    pub(super) fn open(run: &Run, limit: u64) -> io::Result<Self> {
        Ok(Self { run: run.clone(), file: open(run)?, written: 0, limit })
    }

    fn write(&mut self, entries: &[u8]) -> io::Result<()> {
        if self.written > 0 && self.written + entries.len() as u64 > self.limit {
            fs::rename(self.run.log(), self.run.earlier_log())?;
            self.file = open(&self.run)?;
            self.written = 0;
        }
        self.written += entries.len() as u64;
        self.file.write_all(entries)
    }
}

fn open(run: &Run) -> io::Result<File> {
    File::options().create(true).append(true).open(run.log())
}

/// Copies one stream of a process into its log until the stream ends.
/// It goes on reading when the disk is full: a process must not hang because of its log.
pub(super) fn pump(mut output: impl Read, stream: &str, log: &Arc<Mutex<LogWriter>>) {
    let mut line = Vec::new();
    let mut chunk = vec![0; LONGEST_PART];
    let mut entries = Vec::new();
    loop {
        let read = match output.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let now = Timestamp::now();
        for piece in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.last() == Some(&b'\n') {
                line.pop();
                entry(&mut entries, now, stream, 'F', &line);
                line.clear();
            }
            while line.len() >= LONGEST_PART {
                entry(&mut entries, now, stream, 'P', &line[..LONGEST_PART]);
                line.drain(..LONGEST_PART);
            }
            // Short lines grow by what is written before them: the limit is kept in small steps.
            if entries.len() >= LONGEST_PART {
                flush(&mut entries, log);
            }
        }
        flush(&mut entries, log);
    }
    if !line.is_empty() {
        entry(&mut entries, Timestamp::now(), stream, 'F', &line);
        flush(&mut entries, log);
    }
}

fn entry(entries: &mut Vec<u8>, at: Timestamp, stream: &str, tag: char, content: &[u8]) {
    entries.extend_from_slice(format!("{at:.9} {stream} {tag} ").as_bytes());
    entries.extend_from_slice(content);
    entries.push(b'\n');
}

fn flush(entries: &mut Vec<u8>, log: &Arc<Mutex<LogWriter>>) {
    if !entries.is_empty() {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk loses lines, not the job.
        let _ = log.write(entries);
        entries.clear();
    }
}
