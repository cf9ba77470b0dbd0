//! Names of workloads: those that Kubernetes takes, and that leave room for what others append.

use jiff::Timestamp;
use kubeflow_mcp_core::{Error, Result};
use sha2::{Digest as _, Sha256};

/// What a host name, and so a Pod's name, may be long.
const LONGEST: usize = 63;
/// `-abcde`, which the Job controller appends to a Pod's name.
const RANDOM: usize = 6;

/// What a workload is called, or what the names of several start with.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    pub given: &'a str,
    /// How many characters are appended to make the workload's: 9 in a trial's, `-` and eight letters.
    pub appended: usize,
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(given: &'a str) -> Self {
        Self { given, appended: 0 }
    }
}

/// A name that nobody has taken, by all odds; `prefix` says what it is of.
pub fn propose(prefix: &str, digest: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(digest);
    hash.update(Timestamp::now().as_nanosecond().to_be_bytes());
    let letters: String =
        hash.finalize().iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}-{letters}")
}

/// Only what has a name can be asked for again without making a second one.
pub fn missing(prefix: &str, digest: &str) -> Error {
    let problem = format!(
        "must be given to a confirmed call: take the preview's, or {:?}",
        propose(prefix, digest)
    );
    Error::argument("name", problem)
}

/// `jobs` are the runtime's, of which each makes Pods named after the TrainJob.
pub fn check(name: Name<'_>, jobs: &[&str], nodes: i32) -> Result<()> {
    let Name { given: name, appended } = name;
    let letters =
        name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    if !letters || !name.starts_with(|it: char| it.is_ascii_lowercase()) || name.ends_with('-') {
        let problem = format!(
            "must be lower-case letters, digits and '-', start with a letter and not end with '-', and is {name:?}"
        );
        return Err(Error::argument("name", problem));
    }
    // A Pod is called `<name>-<job>-0-<rank>-abcde`.
    let last_rank = nodes.saturating_sub(1).max(0).to_string().len();
    let suffix = |job: &&str| job.len() + "--0-".len() + last_rank + RANDOM;
    let longest = jobs.iter().map(suffix).max().unwrap_or_default() + appended;
    let room = LONGEST.saturating_sub(longest);
    if name.len() > room {
        let problem = format!(
            "with {} characters, must have at most {room}: names of Pods leave no more room with this runtime",
            name.len()
        );
        return Err(Error::value("name", name, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn names_leave_room_for_pods() {
        let fits = |length: usize, jobs: &[&str], nodes| {
            check(Name::from("a".repeat(length).as_str()), jobs, nodes).is_ok()
        };
        assert!(fits(48, &["node"], 10) && !fits(49, &["node"], 10));
        assert!(fits(47, &["node"], 11) && !fits(48, &["node"], 11));
        let initialized = ["dataset-initializer", "model-initializer", "node"];
        assert!(fits(33, &initialized, 1) && !fits(34, &initialized, 1));
        let error =
            check(Name::from("a".repeat(49).as_str()), &["node"], 1).unwrap_err().to_string();
        expect![[r#"argument "name" is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", with 49 characters, must have at most 48: names of Pods leave no more room with this runtime"#]].assert_eq(&error);
    }

    #[test]
    fn what_is_appended_takes_room_too() {
        let trials = |length: usize| {
            check(Name { given: &"a".repeat(length), appended: 9 }, &["node"], 1).is_ok()
        };
        assert!(trials(39) && !trials(40));
    }

    #[test]
    fn names_are_labels_that_start_with_a_letter() {
        for wrong in ["", "1st", "Mnist", "mn_ist", "mnist-", "-mnist", "mn.ist", "é"] {
            check(wrong.into(), &["node"], 1).expect_err(wrong);
        }
        check(propose("train", "abc").as_str().into(), &["node"], 1000).expect("a name of our own");
    }
}
