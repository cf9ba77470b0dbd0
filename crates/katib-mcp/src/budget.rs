//! Changing how much a search may try: the only thing about it that Katib lets be changed.

use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Sign, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    api::{EXPERIMENTS, Experiment, condition},
    experiments::find,
    states::ExperimentState,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<UpdateOptimizationJob>()];

/// What the tool concludes something from.
pub const SIGNS: [Sign; 1] = [USED_UP];

/// Why a search has succeeded that may be continued.
const USED_UP: Sign = Sign::documented(
    "ExperimentMaxTrialsReached",
    "github.com/kubeflow/katib pkg/controller.v1beta1/experiment/util/status_util.go",
);

/// Changes an optimization job's budget, also after its last trial.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpdateOptimizationJob {
    /// The job.
    name: String,
    /// In all.
    #[schemars(range(min = 1))]
    max_trial_count: Option<i32>,
    /// At a time.
    #[schemars(range(min = 1))]
    parallel_trial_count: Option<i32>,
    /// Failed.
    #[schemars(range(min = 0))]
    max_failed_trial_count: Option<i32>,
    /// Yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Update {
    name: String,
    namespace: String,
    /// False when it was so already.
    changed: bool,
    /// Trials at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_trial_count: Option<i32>,
    /// Trials at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_trial_count: Option<i32>,
    /// Failed trials that end the search.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_failed_trial_count: Option<i32>,
    /// What becomes of the search.
    consequence: &'static str,
}

impl Tool for UpdateOptimizationJob {
    type Output = Update;
    const NAME: &str = "update_optimization_job";
    const TITLE: &str = "Change an optimization job's budget";
    const EFFECT: Effect = Effect::Changes;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[Need::to(&["get", "patch"], EXPERIMENTS)];

    async fn call(self, caller: &Caller) -> Result<Update> {
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let changes = self.changes(&experiment);
        if changes.is_empty() && self.is_empty() {
            let problem = "must be given, or parallel_trial_count, or max_failed_trial_count";
            return Err(Error::argument("max_trial_count", problem));
        }
        let changed = !changes.is_empty();
        if changed {
            self.check(&experiment)?;
            // The uid: a job of that name that was made meanwhile is another one.
            let patch = json!({"metadata": {"uid": experiment.uid()}, "spec": changes});
            let api = caller.api::<Experiment>(self.namespace.as_deref());
            api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        let spec = &experiment.spec;
        Ok(Update {
            namespace: experiment.namespace().unwrap_or_default(),
            changed,
            max_trial_count: self.max_trial_count.or(spec.max_trial_count),
            parallel_trial_count: self.parallel_trial_count.or(spec.parallel_trial_count),
            max_failed_trial_count: self.max_failed_trial_count.or(spec.max_failed_trial_count),
            consequence: match (changed, ExperimentState::of(&experiment).is_final()) {
                (false, _) => "none",
                (true, true) => "the search goes on where it ended",
                (true, false) => "the search goes on within the new budget",
            },
            name: self.name,
        })
    }
}

impl UpdateOptimizationJob {
    fn is_empty(&self) -> bool {
        let given = [self.max_trial_count, self.parallel_trial_count, self.max_failed_trial_count];
        given.iter().all(Option::is_none)
    }

    /// The fields that would have another value.
    fn changes(&self, experiment: &Experiment) -> Map<String, Value> {
        let spec = &experiment.spec;
        let fields = [
            ("maxTrialCount", self.max_trial_count, spec.max_trial_count),
            ("parallelTrialCount", self.parallel_trial_count, spec.parallel_trial_count),
            ("maxFailedTrialCount", self.max_failed_trial_count, spec.max_failed_trial_count),
        ];
        let other =
            fields.into_iter().filter(|(_, wanted, held)| wanted.is_some() && wanted != held);
        other.map(|(field, wanted, _)| (field.to_owned(), json!(wanted))).collect()
    }

    /// Whether Katib would take the change, and do what is meant.
    fn check(&self, experiment: &Experiment) -> Result<()> {
        self.check_state(experiment)?;
        let spec = &experiment.spec;
        let status = experiment.status.clone().unwrap_or_default();
        let most = self.max_trial_count.or(spec.max_trial_count);
        if let Some(most) = most.filter(|it| *it <= status.trials) {
            let problem = format!(
                "is {most}, and must be more than the {} trials that there are: with fewer, Katib changes no budget",
                status.trials
            );
            return Err(Error::argument("max_trial_count", problem));
        }
        let most = most.unwrap_or(i32::MAX);
        for (argument, wanted) in [
            ("parallel_trial_count", self.parallel_trial_count.or(spec.parallel_trial_count)),
            ("max_failed_trial_count", self.max_failed_trial_count.or(spec.max_failed_trial_count)),
        ] {
            if let Some(wanted) = wanted.filter(|it| *it > most) {
                let problem =
                    format!("is {wanted}, and must be at most max_trial_count, which is {most}");
                return Err(Error::argument(argument, problem));
            }
        }
        let active = status.trials_pending + status.trials_running;
        match self.parallel_trial_count {
            Some(wanted) if wanted < active => Err(Error::conflict(
                format!(
                    "{active} trials are active: lowered to {wanted} at a time, Katib would delete trials, and perhaps such as are done, with their results"
                ),
                "wait until fewer are active, or keep the number",
            )),
            _ => Ok(()),
        }
    }

    fn check_state(&self, experiment: &Experiment) -> Result<()> {
        let name = &self.name;
        let state = ExperimentState::of(experiment);
        if state == ExperimentState::Deleting {
            return Err(Error::conflict(
                format!("optimization job {name:?} is being deleted"),
                "start another one with optimize",
            ));
        }
        if !state.is_final() {
            return Ok(());
        }
        let conditions = experiment.status.as_ref().map_or(&[][..], |it| &it.conditions);
        let reason = condition(conditions, "Succeeded").and_then(|it| it.reason.as_deref());
        let policy = experiment.spec.resume_policy.as_deref().unwrap_or("Never");
        let why = match reason {
            _ if state == ExperimentState::Failed => "it has failed".to_owned(),
            Some(reason) if reason == USED_UP.name => match policy {
                "LongRunning" | "FromVolume" => return Ok(()),
                _ => format!("its resumePolicy is {policy}"),
            },
            _ => "it has reached its goal".to_owned(),
        };
        Err(Error::conflict(
            format!("optimization job {name:?} has ended for good, since {why}"),
            "start another one with optimize",
        ))
    }
}

#[cfg(all(test, feature = "local"))]
mod tests;
