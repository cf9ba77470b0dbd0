//! The webhooks of Experiments.

mod collector;
mod parameters;
mod template;

use k8s_openapi::api::core::v1::{Namespace, PersistentVolume};
use kube::{Api, Client, ResourceExt as _};
use local_kube::{Admission, Stage, status};
use serde_json::{Value, json};

use super::{Verdict, defaults, denied, faults::Faults, shape};
use crate::{
    api::{Algorithm, Experiment, ExperimentSpec, INJECTION_LABEL, Objective},
    local::{conditions::any, experiment_controller::is_restartable},
};

const DEFAULTER: &str = "defaulter.experiment.katib.kubeflow.org";
const VALIDATOR: &str = "validator.experiment.katib.kubeflow.org";

/// The algorithms that a standalone installation of Katib has.
const ALGORITHMS: [&str; 11] = [
    "random",
    "tpe",
    "grid",
    "hyperband",
    "bayesianoptimization",
    "cmaes",
    "sobol",
    "multivariate-tpe",
    "enas",
    "darts",
    "pbt",
];
const EARLY_STOPPING: [&str; 1] = ["medianstop"];

pub(super) async fn admit(admission: &mut Admission, client: &Client) -> Verdict {
    match admission.stage {
        Stage::Mutating => {
            let spec = &mut admission.object["spec"];
            shape::fit(spec).map_err(|why| denied(DEFAULTER, 400, &why))?;
            defaults::fill(spec);
            Ok(())
        }
        Stage::Rules => Ok(()),
        Stage::Validating => validate(admission, client).await,
    }
}

async fn validate(admission: &Admission, client: &Client) -> Verdict {
    let read = |object: &Value| -> Result<Experiment, _> {
        serde_json::from_value(object.clone()).map_err(|error| {
            status::bad_request(format!("the object could not be decoded: {error}"))
        })
    };
    let experiment = read(&admission.object)?;
    let old = if admission.old.is_null() { None } else { Some(read(&admission.old)?) };
    let (name, namespace) = (experiment.name_any(), admission.namespace.as_deref());
    let namespace = namespace.unwrap_or_default();
    if !is_labelled(namespace, client).await? {
        let why = format!(
            "Cannot create the Experiment {name:?} in namespace {namespace:?}: \
             the namespace lacks label \"{INJECTION_LABEL}: enabled\""
        );
        return Err(denied(VALIDATOR, 400, &why));
    }
    let faults = faults(&experiment, old.as_ref(), client).await;
    if let Some(text) = faults.text() {
        return Err(denied(VALIDATOR, 400, &text));
    }
    if old.is_none() && experiment.spec.resume_policy.as_deref() == Some("FromVolume") {
        let algorithm = experiment.spec.algorithm.as_ref().map_or("", |it| &it.algorithm_name);
        let volume = format!("{name}-{algorithm}-{namespace}");
        let volumes: Api<PersistentVolume> = Api::all(client.clone());
        if volumes.get_opt(&volume).await.map_err(status::internal)?.is_some() {
            let why = format!(
                "Cannot create the Experiment: {name} in namespace: {namespace}, PV: {volume} is not deleted"
            );
            return Err(denied(VALIDATOR, 400, &why));
        }
    }
    Ok(())
}

async fn is_labelled(namespace: &str, client: &Client) -> Result<bool, Box<kube::core::Status>> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match namespaces.get(namespace).await {
        Ok(namespace) => {
            Ok(namespace.labels().get(INJECTION_LABEL).is_some_and(|it| it == "enabled"))
        }
        Err(kube::Error::Api(status)) => Err(denied(VALIDATOR, 500, &status.message)),
        Err(error) => Err(denied(VALIDATOR, 500, &error.to_string())),
    }
}

async fn faults(experiment: &Experiment, old: Option<&Experiment>, client: &Client) -> Faults {
    let (mut faults, spec) = (Faults::default(), &experiment.spec);
    named(&mut faults, &experiment.name_any());
    counted(&mut faults, spec);
    if let Some(old) = old {
        changed(&mut faults, experiment, old);
    }
    if !aims(&mut faults, spec.objective.as_ref()) {
        return faults;
    }
    search(&mut faults, spec.algorithm.as_ref());
    stopping(&mut faults, spec.early_stopping.as_ref());
    let policy = spec.resume_policy.as_deref().unwrap_or_default();
    if !["", "Never", "LongRunning", "FromVolume"].contains(&policy) {
        faults.invalid("spec.resumePolicy", &policy, "invalid ResumePolicyType");
    }
    template::judge(&mut faults, experiment, client).await;
    match (spec.parameters.is_empty(), spec.nas_config.is_some()) {
        (true, false) => {
            faults.required("spec", "spec.parameters or spec.nasConfig must be specified");
        }
        (false, true) => {
            let why = "only one of spec.parameters and spec.nasConfig can be specified";
            faults.invalid("spec", spec, why);
        }
        _ => {}
    }
    parameters::judge(&mut faults, &spec.parameters);
    collector::judge(&mut faults, spec.metrics_collector_spec.as_ref());
    faults
}

fn named(faults: &mut Faults, name: &str) {
    if name.len() > 40 || !name.starts_with(|it: char| it.is_ascii_lowercase()) {
        let why = "name must consist of lower case alphanumeric characters or '-', \
                   start with an alphabetic character, and end with an alphanumeric character \
                   (e.g. 'my-name', or 'abc-123', regex used for validation is '^[a-z]([-a-z0-9]*[a-z0-9])?)') \
                   and may not be longer than 40 characters. ";
        faults.invalid("metadata.name", &name, why);
    }
}

fn counted(faults: &mut Faults, spec: &ExperimentSpec) {
    let (max, parallel) = (spec.max_trial_count, spec.parallel_trial_count);
    let failed = spec.max_failed_trial_count;
    let at_least = |least: i32| move |it: &i32| *it < least;
    if let Some(failed) = failed.filter(at_least(0)) {
        faults.invalid("spec.maxFailedTrialCount", &failed, "should not be less than 0");
    }
    if let Some(max) = max.filter(at_least(1)) {
        faults.invalid("spec.maxTrialCount", &max, "must be greater than 0");
    }
    if let Some(parallel) = parallel.filter(at_least(1)) {
        faults.invalid("spec.parallelTrialCount", &parallel, "must be greater than 0");
    }
    for (field, count) in [("maxFailedTrialCount", failed), ("parallelTrialCount", parallel)] {
        if let (Some(count), Some(max)) = (count, max)
            && count > max
        {
            let why = "should be less than or equal to spec.maxTrialCount";
            faults.invalid(&format!("spec.{field}"), &count, why);
        }
    }
}

/// Of an experiment that is there only the budget may change, and that not always.
fn changed(faults: &mut Faults, experiment: &Experiment, old: &Experiment) {
    let (spec, before) = (&experiment.spec, json!(old.spec));
    if json!(spec) == before {
        return;
    }
    let status = old.status.clone().unwrap_or_default();
    if any(&status.conditions, &["Succeeded", "Failed"]) && !is_restartable(old) {
        let why = "Experiment can be restarted if it is in succeeded state by reaching max trials and \
                   spec.resumePolicy = LongRunning or spec.resumePolicy = FromVolume, when experiment is completed";
        faults.invalid("spec.resumePolicy", &spec.resume_policy, why);
    }
    if let Some(max) = spec.max_trial_count.filter(|max| *max <= status.trials) {
        faults.invalid("spec.maxTrialCount", &max, "must be greater than status.trials count");
    }
    let rest = ExperimentSpec {
        max_failed_trial_count: spec.max_failed_trial_count,
        max_trial_count: spec.max_trial_count,
        parallel_trial_count: spec.parallel_trial_count,
        ..old.spec.clone()
    };
    if json!(spec) != json!(rest) {
        let why = "only spec.parallelTrialCount, spec.maxTrialCount and spec.maxFailedTrialCount are editable";
        faults.forbidden("spec", why);
    }
}

/// Whether the objective is right: without it nothing else is looked at.
fn aims(faults: &mut Faults, objective: Option<&Objective>) -> bool {
    let Some(objective) = objective else {
        faults.required("spec.objective", "must be specified");
        return false;
    };
    let name = &objective.objective_metric_name;
    let direction = ["minimize", "maximize"].contains(&objective.type_.as_str());
    if !direction {
        faults.invalid("spec.objective.type", &objective.type_, "must be minimize or maximize");
    }
    if name.is_empty() {
        faults.required("spec.objective.objectiveMetricName", "must be specified");
    }
    let twice = objective.additional_metric_names.contains(name);
    if twice {
        let why = "should not contain spec.objective.objectiveMetricName";
        let names = &objective.additional_metric_names;
        faults.invalid("spec.objective.additionalMetricNames", names, why);
    }
    direction && !name.is_empty() && !twice
}

fn search(faults: &mut Faults, algorithm: Option<&Algorithm>) {
    let field = "spec.algorithm.algorithmName";
    let Some(algorithm) = algorithm else {
        faults.required("spec.algorithm", "must be specified");
        return;
    };
    let name = algorithm.algorithm_name.as_str();
    if name.is_empty() {
        faults.required(field, "must be specified");
    }
    if !ALGORITHMS.contains(&name) {
        let why = format!(
            "unable to get Suggestion config data for algorithm {name}: \
             failed to find suggestion config for algorithm: {name} in ConfigMap: katib-config"
        );
        faults.invalid(field, &name, &why);
    }
    let lacks = match name {
        "pbt" => "its trials share a volume that many Pods write to",
        "enas" | "darts" => "it searches architectures, with a service of its own",
        _ => return,
    };
    faults.lacks(field, name, &format!("does not have this algorithm: {lacks}"));
}

fn stopping(faults: &mut Faults, stopping: Option<&Algorithm>) {
    let Some(name) = stopping.map(|it| it.algorithm_name.as_str()) else { return };
    let field = "spec.earlyStopping.algorithmName";
    if name.is_empty() {
        faults.required(field, "must be specified");
    }
    if !EARLY_STOPPING.contains(&name) {
        let why = format!(
            "unable to get EarlyStopping config data for algorithm {name}: \
             failed to find early stopping config for algorithm: {name} in ConfigMap: katib-config"
        );
        faults.invalid(field, &name, &why);
    }
}
