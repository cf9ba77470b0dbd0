//! What Katib's webhooks make of experiments: defaults for what is left out, and what is refused.

mod changes;
mod collector;
mod defaults;
mod fields;
mod reading;
mod space;
mod template;

use k8s_openapi::api::core::v1::{Namespace, PersistentVolume};
use kube::{Api, Client, core::Status};
use local_kube::{Admission, Operation, Stage, status};
use serde_json::Value;

use self::fields::{Fault, invalid, required};
use crate::{algorithms, api::INJECTION_LABEL};

type Verdict = Result<(), Box<Status>>;

const DEFAULTER: &str = "defaulter.experiment.katib.kubeflow.org";
const VALIDATOR: &str = "validator.experiment.katib.kubeflow.org";
/// The label's value where metrics are collected.
const INJECTED: &str = "enabled";
/// As long as the names of its trials allow.
const LONGEST_NAME: usize = 40;

/// Admits the creation or the change of an experiment.
pub(super) async fn admit(admission: &mut Admission, client: &Client) -> Verdict {
    match admission.stage {
        Stage::Mutating => {
            let read = reading::read(&mut admission.object);
            read.map_err(|why| denied(DEFAULTER, 400, &why))?;
            defaults::fill(&mut admission.object["spec"]);
            Ok(())
        }
        Stage::Rules => Ok(()),
        Stage::Validating if admission.operation == Operation::Delete => Ok(()),
        Stage::Validating => {
            labelled(admission, client).await?;
            let faults = faults(admission, client).await;
            if let Some(why) = fields::told(&faults) {
                return Err(denied(VALIDATOR, 400, &why));
            }
            free_volume(admission, client).await
        }
    }
}

/// Katib collects no metrics where its label is not.
async fn labelled(admission: &Admission, client: &Client) -> Verdict {
    let namespace = admission.namespace.as_deref().unwrap_or_default();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces.get(namespace).await;
    let found = found.map_err(|error| denied(VALIDATOR, 500, &error.to_string()))?;
    let label = found.metadata.labels.unwrap_or_default().remove(INJECTION_LABEL);
    if label.as_deref() == Some(INJECTED) {
        return Ok(());
    }
    let name = admission.object["metadata"]["name"].as_str().unwrap_or_default();
    let why = format!(
        "Cannot create the Experiment {name:?} in namespace {namespace:?}: the namespace lacks \
         label \"{INJECTION_LABEL}: {INJECTED}\""
    );
    Err(denied(VALIDATOR, 400, &why))
}

/// What stands against it, in Katib's order.
async fn faults(admission: &Admission, client: &Client) -> Vec<Fault> {
    let spec = &admission.object["spec"];
    let mut faults = name(&admission.object);
    faults.extend(counts(spec));
    if admission.operation == Operation::Update {
        faults.extend(changes::faults(spec, &admission.old));
    }
    let objective = objective(&spec["objective"]);
    if !objective.is_empty() {
        // Katib looks no further.
        faults.extend(objective);
        return faults;
    }
    faults.extend(algorithm(&spec["algorithm"]));
    faults.extend(early_stopping(&spec["earlyStopping"]));
    let policy = spec["resumePolicy"].as_str().unwrap_or_default();
    if !["", "Never", "LongRunning", "FromVolume"].contains(&policy) {
        faults.push(invalid("spec.resumePolicy", &policy.into(), "invalid ResumePolicyType"));
    }
    faults.extend(template::faults(spec, client).await);
    faults.extend(space::faults(spec));
    faults.extend(collector::faults(&spec["metricsCollectorSpec"]));
    faults
}

fn name(object: &Value) -> Vec<Fault> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name.starts_with(|it: char| it.is_ascii_lowercase()) && name.len() <= LONGEST_NAME {
        return Vec::new();
    }
    let why = "name must consist of lower case alphanumeric characters or '-', start with an \
               alphabetic character, and end with an alphanumeric character (e.g. 'my-name', or \
               'abc-123', regex used for validation is '^[a-z]([-a-z0-9]*[a-z0-9])?)') and may not \
               be longer than 40 characters. ";
    vec![invalid("metadata.name", &name.into(), why)]
}

fn counts(spec: &Value) -> Vec<Fault> {
    let count = |field: &str| spec[field].as_i64();
    let (parallel, max, failed) =
        (count("parallelTrialCount"), count("maxTrialCount"), count("maxFailedTrialCount"));
    let fault = |field: &str, why| invalid(&format!("spec.{field}"), &spec[field], why);
    let above = |one: Option<i64>| one.zip(max).is_some_and(|(one, max)| one > max);
    let (positive, within) =
        ("must be greater than 0", "should be less than or equal to spec.maxTrialCount");
    [
        (failed.is_some_and(|it| it < 0), "maxFailedTrialCount", "should not be less than 0"),
        (max.is_some_and(|it| it <= 0), "maxTrialCount", positive),
        (parallel.is_some_and(|it| it <= 0), "parallelTrialCount", positive),
        (above(failed), "maxFailedTrialCount", within),
        (above(parallel), "parallelTrialCount", within),
    ]
    .into_iter()
    .filter_map(|(wrong, field, why)| wrong.then(|| fault(field, why)))
    .collect()
}

fn objective(objective: &Value) -> Vec<Fault> {
    const FIELD: &str = "spec.objective";
    if objective.is_null() {
        return vec![required(FIELD, "must be specified")];
    }
    let mut faults = Vec::new();
    let direction = objective["type"].as_str().unwrap_or_default();
    if !["minimize", "maximize"].contains(&direction) {
        let field = format!("{FIELD}.type");
        faults.push(invalid(&field, &direction.into(), "must be minimize or maximize"));
    }
    let metric = objective["objectiveMetricName"].as_str().unwrap_or_default();
    if metric.is_empty() {
        faults.push(required(&format!("{FIELD}.objectiveMetricName"), "must be specified"));
    }
    let additional = &objective["additionalMetricNames"];
    if additional.as_array().is_some_and(|names| names.iter().any(|it| it == metric)) {
        let field = format!("{FIELD}.additionalMetricNames");
        let why = "should not contain spec.objective.objectiveMetricName";
        faults.push(invalid(&field, additional, why));
    }
    faults
}

fn algorithm(algorithm: &Value) -> Vec<Fault> {
    const FIELD: &str = "spec.algorithm";
    if algorithm.is_null() {
        return vec![required(FIELD, "must be specified")];
    }
    named(FIELD, algorithm, "Suggestion", |name| match (name, algorithms::known(name)) {
        ("pbt", _) => Some(
            "a local cluster does not have it: its trials hand their checkpoints on by a volume \
             that many of them mount at once"
                .to_owned(),
        ),
        (_, Ok(_)) => None,
        (_, Err(_)) => Some(unknown("suggestion config for algorithm", name)),
    })
}

fn early_stopping(stopping: &Value) -> Vec<Fault> {
    if stopping.is_null() {
        return Vec::new();
    }
    named("spec.earlyStopping", stopping, "EarlyStopping", |name| {
        let known = name == algorithms::MEDIAN_STOP.name;
        (!known).then(|| unknown("early stopping config for algorithm", name))
    })
}

/// The faults of something that is looked up by the name of its algorithm.
fn named(
    field: &str,
    object: &Value,
    what: &str,
    missing: impl Fn(&str) -> Option<String>,
) -> Vec<Fault> {
    let field = format!("{field}.algorithmName");
    let name = object["algorithmName"].as_str().unwrap_or_default();
    let mut faults = Vec::new();
    if name.is_empty() {
        faults.push(required(&field, "must be specified"));
    }
    if let Some(why) = missing(name) {
        let why = format!("unable to get {what} config data for algorithm {name}: {why}");
        faults.push(invalid(&field, &name.into(), &why));
    }
    faults
}

/// As of a configuration that lacks the name.
fn unknown(what: &str, name: &str) -> String {
    format!("failed to find {what}: {name} in ConfigMap: katib-config")
}

/// An earlier experiment of the name may have left its volume.
async fn free_volume(admission: &Admission, client: &Client) -> Verdict {
    let (object, spec) = (&admission.object, &admission.object["spec"]);
    if spec["resumePolicy"] != "FromVolume" || admission.operation != Operation::Create {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (name, algorithm) =
        (text(&object["metadata"]["name"]), text(&spec["algorithm"]["algorithmName"]));
    let namespace = admission.namespace.as_deref().unwrap_or_default();
    let volume = format!("{name}-{algorithm}-{namespace}");
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let why = match volumes.get(&volume).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => format!("error: {error}"),
        Ok(_) => format!("PV: {volume} is not deleted"),
    };
    let why = format!("Cannot create the Experiment: {name} in namespace: {namespace}, {why}");
    Err(denied(VALIDATOR, 400, &why))
}

/// What a webhook answers that could not do its work, or finds fault with what it was given.
fn denied(webhook: &str, code: u16, why: &str) -> Box<Status> {
    status::plain(code, "", format!("admission webhook {webhook:?} denied the request: {why}"))
}
