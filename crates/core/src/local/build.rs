//! Which program a daemon runs, and whether another should take its place.

use std::{path::PathBuf, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::ToolSet;

/// A binary, as far as the local cluster depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Build {
    pub(crate) version: String,
    pub(crate) program: PathBuf,
    /// When the program was built, in seconds: two of one version may differ.
    built: u64,
    sets: Vec<String>,
}

impl Build {
    /// The binary that we are.
    pub(crate) fn own(sets: &[&'static ToolSet]) -> std::io::Result<Self> {
        let program = std::env::current_exe()?;
        let built = std::fs::metadata(&program)?.modified()?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program,
            built: built.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |it| it.as_secs()),
            sets: sets.iter().map(|set| set.name.to_owned()).collect(),
        })
    }

    /// Whether a daemon of this binary should take the place of `other`'s: it brings components
    /// that the other lacks, or it is newer. One that would lose components never does, so that two
    /// binaries do not oust each other in turn.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        let has_all_of = |one: &Self, two: &Self| two.sets.iter().all(|it| one.sets.contains(it));
        if !has_all_of(self, other) {
            return false;
        }
        !has_all_of(other, self) || self.age() > other.age()
    }

    fn age(&self) -> (Vec<u64>, u64) {
        let numbers = self.version.split(['.', '-', '+']).map_while(|it| it.parse().ok());
        (numbers.collect(), self.built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(version: &str, built: u64, sets: &[&str]) -> Build {
        let sets = sets.iter().map(|it| (*it).to_owned()).collect();
        Build { version: version.to_owned(), program: PathBuf::new(), built, sets }
    }

    #[test]
    fn the_newer_takes_over_and_the_richer_but_never_the_poorer() {
        let check = |one: &Build, other: &Build, expected| {
            assert_eq!(one.supersedes(other), expected, "{one:?} over {other:?}");
        };
        let trainer = build("0.1.0", 5, &["trainer"]);
        let all = build("0.1.0", 3, &["katib", "trainer"]);
        check(&trainer, &trainer, false);
        check(&all, &trainer, true);
        check(&trainer, &all, false);
        check(&build("0.1.0", 4, &["katib", "trainer"]), &all, true);
        check(&build("0.10.0", 1, &["katib", "trainer"]), &build("0.9.0", 9, &["trainer"]), true);
        check(&build("0.9.0", 9, &["trainer"]), &build("0.10.0", 1, &["trainer"]), false);
    }
}
