//! Names of TrainJobs: those that Kubernetes takes, and that leave room for what it appends.

use jiff::Timestamp;
use kubeflow_mcp_core::{Error, Result};
use sha2::{Digest as _, Sha256};

/// What a host name, and so a Pod's name, may be long.
const LONGEST: usize = 63;
/// `-abcde`, which the Job controller appends to a Pod's name.
const RANDOM: usize = 6;

/// A name that nobody has taken, by all odds.
pub(super) fn propose(digest: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(digest);
    hash.update(Timestamp::now().as_nanosecond().to_be_bytes());
    let letters: String =
        hash.finalize().iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("train-{letters}")
}

/// Only a job that has a name can be asked for again without making a second one.
pub(super) fn missing(digest: &str) -> Error {
    let problem =
        format!("must be given to a confirmed call: take the preview's, or {:?}", propose(digest));
    Error::argument("name", problem)
}

/// `jobs` are the runtime's, of which each makes Pods named after the TrainJob.
pub(super) fn check(name: &str, jobs: &[&str], nodes: i32) -> Result<()> {
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
    let room = LONGEST - jobs.iter().map(suffix).max().unwrap_or_default().min(LONGEST);
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
        let fits =
            |length: usize, jobs: &[&str], nodes| check(&"a".repeat(length), jobs, nodes).is_ok();
        assert!(fits(48, &["node"], 10) && !fits(49, &["node"], 10));
        assert!(fits(47, &["node"], 11) && !fits(48, &["node"], 11));
        let initialized = ["dataset-initializer", "model-initializer", "node"];
        assert!(fits(33, &initialized, 1) && !fits(34, &initialized, 1));
        let error = check(&"a".repeat(49), &["node"], 1).unwrap_err().to_string();
        expect![[r#"argument "name" is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", with 49 characters, must have at most 48: names of Pods leave no more room with this runtime"#]].assert_eq(&error);
    }

    #[test]
    fn names_are_labels_that_start_with_a_letter() {
        for wrong in ["", "1st", "Mnist", "mn_ist", "mnist-", "-mnist", "mn.ist", "é"] {
            check(wrong, &["node"], 1).expect_err(wrong);
        }
        check(&propose("abc"), &["node"], 1000).expect("a name of our own");
    }
}
