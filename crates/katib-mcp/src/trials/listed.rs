//! The trials of an experiment without their workloads, page by page: a thousand are little to hold.

use kube::{
    ResourceExt as _,
    api::ListParams,
    core::{ObjectList, Request},
};
use kubeflow_mcp_core::{Caller, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{EXPERIMENT_LABEL, Experiment, GROUP, TRIALS, Trial, VERSION},
    objective::Ranked,
};

/// The most that one request asks for.
const CHUNK: u32 = 500;

/// Trials that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    pub(crate) all: Vec<Trial>,
    /// Whether these are all that there are.
    pub(crate) complete: bool,
    /// How many are written in a way that nothing is known of them.
    pub(crate) unreadable: usize,
}

/// One that is cut down as soon as it is read.
#[derive(Clone, Deserialize)]
#[serde(from = "Value")]
struct Slim(Option<Trial>);

impl Trials {
    /// Those of an experiment, in at most so many requests.
    pub(crate) async fn read(
        caller: &Caller,
        experiment: &Experiment,
        requests: usize,
    ) -> Result<Self> {
        let namespace = experiment.namespace().unwrap_or_default();
        let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{}", TRIALS.plural);
        let own = format!("{EXPERIMENT_LABEL}={}", experiment.name_any());
        let mut params = ListParams::default().labels(&own).limit(CHUNK);
        let mut trials = Self::default();
        for _ in 0..requests {
            let request =
                Request::new(path.clone()).list(&params).map_err(kube::Error::BuildRequest)?;
            let found: kube::Result<ObjectList<Slim>> = caller.client().request(request).await;
            let found = match found {
                Ok(found) => found,
                // The token of the next page has expired: what is known is better than nothing.
                Err(kube::Error::Api(status)) if status.code == 410 && !trials.all.is_empty() => {
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            for Slim(trial) in found.items {
                match trial {
                    Some(trial) if belongs(&trial, experiment) => trials.all.push(trial),
                    Some(_) => {}
                    None => trials.unreadable += 1,
                }
            }
            params.continue_token = found.metadata.continue_.filter(|it| !it.is_empty());
            if params.continue_token.is_none() {
                trials.complete = true;
                break;
            }
        }
        Ok(trials)
    }

    /// Those that have a number, the best first.
    pub(crate) fn ranked(&self, experiment: &Experiment) -> Vec<Ranked<'_>> {
        let objective = experiment.spec.objective.clone().unwrap_or_default();
        objective.ranked(&self.all)
    }
}

/// A former experiment of that name may have left trials behind.
pub(crate) fn belongs(trial: &Trial, experiment: &Experiment) -> bool {
    let mut owners = trial.owner_references().iter().filter(|it| it.kind == "Experiment");
    owners.all(|it| Some(&it.uid) == experiment.metadata.uid.as_ref())
}

/// Without what is long and looked at for one trial only.
pub(crate) fn slim(mut trial: Trial) -> Trial {
    let workload = |it: Value| json!({"apiVersion": it["apiVersion"], "kind": it["kind"]});
    trial.spec.run_spec = trial.spec.run_spec.map(workload);
    trial.spec.rest.clear();
    trial.metadata.managed_fields = None;
    trial.metadata.annotations = None;
    trial
}

impl From<Value> for Slim {
    fn from(object: Value) -> Self {
        Self(Trial::deserialize(object).ok().map(slim))
    }
}
