//! How well causes are told apart: cases whose cause is known, and what is made of each.

mod document;
mod processes;
mod recorded;
mod scenarios;

use serde_json::Value;

pub use self::{
    document::{document, meanings, table},
    processes::by_processes,
    recorded::recorded,
};

/// A case, and what was made of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: String,
    pub source: Source,
    /// Codes of what is wrong, the first first; none where nothing is.
    pub causes: Vec<String>,
    pub diagnosed: Vec<String>,
    /// The whole answer, as an agent gets it.
    pub answer: Value,
}

/// Where a case comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A job whose processes ran on the cluster under test.
    Processes,
    /// Objects and logs written after those of clusters that the tests cannot have.
    Recorded,
}

impl Outcome {
    pub fn is_right(&self) -> bool {
        self.causes == self.diagnosed
    }

    /// What is not right about it.
    pub fn problem(&self) -> String {
        let Self { name, causes, diagnosed, answer, .. } = self;
        format!("{name} has {causes:?} and is diagnosed as {diagnosed:?}: {answer}")
    }
}

/// The codes of an answer's causes.
fn codes(answer: &Value) -> Vec<String> {
    let causes = answer["causes"].as_array().into_iter().flatten();
    causes.filter_map(|it| it["code"].as_str().map(str::to_owned)).collect()
}
