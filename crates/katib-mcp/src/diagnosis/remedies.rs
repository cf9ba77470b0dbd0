//! What to do about each cause: calls of this server's tools, and what only a person can do.

use kube::ResourceExt as _;
use serde_json::{Map, Value, json};

use super::{
    finding::{Code, Finding},
    snapshot::Snapshot,
};
use crate::api::{INJECTION_LABEL, kind};

/// The steps for a finding, in the order in which they are worth trying. `namespace` is what calls must
/// be given, if anything.
pub(super) fn of(finding: &Finding, snapshot: &Snapshot, namespace: Option<&str>) -> Vec<String> {
    let call = |tool: &str, arguments: Value, why: &str| {
        let name = snapshot.experiment.name_any();
        let mut all = Map::from_iter([("name".to_owned(), name.into())]);
        all.extend(namespace.map(|it| ("namespace".to_owned(), it.into())));
        all.extend(arguments.as_object().cloned().unwrap_or_default());
        format!("{tool} {}: {why}", Value::Object(all))
    };
    let log = |why: &str| {
        let trial = finding.trials.first().map(|it| json!({"trial": it}));
        call("get_optimization_logs", trial.unwrap_or_default(), why)
    };
    let of_algorithm =
        || call("get_optimization_logs", json!({"trial": "suggestion"}), "shows what it prints");
    let events = || call("get_optimization_events", json!({}), "shows what happened");
    let anew = "an optimization job cannot be changed: start another one with optimize";
    let steps: Vec<String> = match finding.code {
        Code::NotReconciled => vec![controller("katib-controller")],
        Code::DeletionHangs => vec![
            controller("katib-db-manager and katib-controller"),
            "as a last resort an administrator removes the finalizers; rows in the database \
                stay"
                .to_owned(),
        ],
        Code::ParameterNotReferenced => {
            vec![
                "use the parameter in the trial template, or do not search it".to_owned(),
                anew.to_owned(),
            ]
        }
        Code::AlgorithmRefuses => vec!["correct what it names".to_owned(), anew.to_owned()],
        Code::AlgorithmOutOfMemory => vec![
            "an administrator raises the algorithm's memory in the ConfigMap katib-config and \
                deletes its Deployment"
                .to_owned(),
            "or start another one with a lighter algorithm, such as tpe or random".to_owned(),
        ],
        Code::AlgorithmCrashes | Code::AlgorithmNotReady => vec![of_algorithm(), events()],
        Code::NamespaceNotLabelled => vec![
            format!("an administrator labels the namespace {INJECTION_LABEL}=enabled"),
            anew.to_owned(),
        ],
        Code::CollectorMissing => vec![
            format!(
                "check the namespace's label {INJECTION_LABEL}=enabled and the Deployment \
                katib-controller"
            ),
            "delete the job, and start it again".to_owned(),
        ],
        Code::WebhookUnavailable => vec![controller("katib-controller and its certificate")],
        Code::PrimaryContainerMissing => vec![
            "name the container that trains: node for a TrainJob without initializers".to_owned(),
            anew.to_owned(),
        ],
        Code::CommandUnknown => vec![
            "give the container a command, or the image its registry and tag".to_owned(),
            anew.to_owned(),
        ],
        Code::WorkloadRefused => vec![
            "correct what it names in the trial \
            template"
                .to_owned(),
            anew.to_owned(),
        ],
        Code::TrialsNotStarting => vec![
            events(),
            "fewer parallel_trials or smaller ones need \
            less room"
                .to_owned(),
        ],
        Code::CollectorHangs => vec![
            "another sidecar may keep the Pod alive: set its label sidecar.istio.io/inject to \
                \"false\""
                .to_owned(),
            log("shows what the collector waits for"),
        ],
        Code::CollectorTooLate => {
            vec!["make the program take at least a few seconds".to_owned(), anew.to_owned()]
        }
        Code::DatabaseUnavailable => vec![controller("katib-db-manager and katib-mysql")],
        Code::WorkloadNotWatched => vec![
            "an administrator adds the kind to trialResources in the ConfigMap katib-config, \
                and restarts katib-controller"
                .to_owned(),
        ],
        Code::EarlyStoppingFails => vec![
            "start the program as one process, or leave early stopping out".to_owned(),
            anew.to_owned(),
        ],
        Code::MetricsNotPrinted => {
            let json = kind(snapshot.experiment.spec.metrics_collector_spec.as_ref()) == "File";
            let how = match json {
                true => "write the objective as it is expected",
                false => "print the objective as it is expected, on standard output",
            };
            vec![how.to_owned(), anew.to_owned(), log("shows all that it prints")]
        }
        Code::ObjectiveNotFinite => vec![
            "narrow the space where the program diverges, such as at high learning \
                rates"
                .to_owned(),
            log("shows when it diverges"),
        ],
        Code::TrialsFail => vec![log("shows the whole log"), anew.to_owned()],
        Code::TrialsOutliveIt => vec![
            "wait for them, or delete the job with \
            delete_optimization_job"
                .to_owned(),
        ],
        Code::ControllerError => vec![events()],
    };
    steps
}

fn controller(what: &str) -> String {
    format!("an administrator looks at {what} in Katib's namespace")
}
