//! Faults of fields, in the words in which Kubernetes' own programs tell them.

use serde::Serialize;

/// What is wrong with an object; each fault is said once.
#[derive(Default)]
pub(super) struct Faults {
    faults: Vec<String>,
    /// What Katib would take, and a local cluster cannot carry out.
    lacking: Vec<String>,
}

impl Faults {
    pub(super) fn invalid(&mut self, field: &str, value: &impl Serialize, why: &str) {
        let value = serde_json::to_string(value).unwrap_or_default();
        self.say(format!("{field}: Invalid value: {value}: {why}"));
    }

    /// Not wrong, but more than a local cluster has.
    pub(super) fn lacks(&mut self, field: &str, value: &str, why: &str) {
        self.lacking.push(format!("{field}: Invalid value: {value:?}: a local cluster {why}"));
    }

    pub(super) fn required(&mut self, field: &str, why: &str) {
        self.say(format!("{field}: Required value: {why}"));
    }

    pub(super) fn forbidden(&mut self, field: &str, why: &str) {
        self.say(format!("{field}: Forbidden: {why}"));
    }

    fn say(&mut self, fault: String) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// All of them in one text; nothing where there is none. What is lacking is said of what is right.
    pub(super) fn text(&self) -> Option<String> {
        let said = if self.faults.is_empty() { &self.lacking } else { &self.faults };
        match said.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(format!("[{}]", many.join(", "))),
        }
    }
}
