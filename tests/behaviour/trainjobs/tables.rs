//! Tables of objects: a base, and one small change of it (an RFC 7396 merge patch) for each case.

mod initializer;
mod names;
mod patches;
mod runtimes;
mod torchtune;
mod trainer;
mod updates;

use serde_json::{Value, json};

/// What each case is about, and what it changes.
pub(super) type Changes = Vec<(&'static str, Value)>;

macro_rules! changes {
    ($($about:literal: $change:tt),* $(,)?) => {
        vec![$(($about, serde_json::json!($change))),*]
    };
}
use changes;

/// Objects of one kind, one a case.
pub(super) struct Table {
    /// The name of its snapshot.
    pub(super) name: &'static str,
    pub(super) resource: Resource,
    pub(super) write: Write,
    pub(super) base: Value,
    pub(super) changes: Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    TrainJobs,
    TrainingRuntimes,
    ClusterTrainingRuntimes,
}

/// What is rehearsed for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// The changed base is created; the server is asked to tell of unknown fields.
    Create,
    /// The changed base is created; the server is asked to refuse unknown fields.
    CreateStrictly,
    /// The change is a patch of the base, which is there.
    Update,
}

/// The runtimes that must be there for the tables of TrainJobs.
pub(super) fn runtimes() -> Vec<(Resource, Value)> {
    let mut runtimes: Vec<_> = runtimes::referred_to()
        .into_iter()
        .map(|(name, mut runtime)| {
            runtime["metadata"]["name"] = name.into();
            (Resource::TrainingRuntimes, runtime)
        })
        .collect();
    let mut deprecated = of_the_cluster(runtimes::base(), "deprecated");
    deprecated["metadata"]["labels"] = json!({"trainer.kubeflow.org/support": "deprecated"});
    runtimes.push((Resource::ClusterTrainingRuntimes, deprecated));
    runtimes
}

/// The plainest TrainJob of a runtime.
pub(super) fn job_of(runtime: &Value) -> Value {
    let mut job = names::base();
    job["spec"]["runtimeRef"] =
        json!({"name": runtime["metadata"]["name"], "kind": runtime["kind"]});
    job
}

pub(super) fn all() -> Vec<Table> {
    let created = |name, base: fn() -> Value, changes: fn() -> Changes| Table {
        name,
        resource: Resource::TrainJobs,
        write: Write::Create,
        base: base(),
        changes: changes(),
    };
    let mut suspended = updates::base();
    json_patch::merge(
        &mut suspended,
        &json!({"metadata": {"name": "paused"}, "spec": {"suspend": true}}),
    );
    let mut tables = vec![
        created("names", names::base, names::names),
        created("fields", names::base, names::fields),
        created("runtime-references", names::base, names::runtimes),
        created("trainer", names::base, trainer::trainer),
        created("resources", names::base, trainer::resources),
        created("environment", names::base, trainer::environment),
        created("reserved-variables", names::base, trainer::reserved),
        created("policies", names::base, trainer::policies),
        created("initializer", names::base, initializer::initializer),
        created("torchtune", torchtune::base, torchtune::torchtune),
        created("patches", patches::base, patches::patches),
        created("patched-pods", patches::base, patches::pods),
        Table {
            name: "fields-strictly",
            write: Write::CreateStrictly,
            ..created("", names::base, names::fields)
        },
        Table {
            name: "updates",
            write: Write::Update,
            ..created("", updates::base, updates::of_a_running_job)
        },
        Table {
            name: "updates-while-suspended",
            write: Write::Update,
            base: suspended,
            ..created("", updates::base, updates::of_a_suspended_job)
        },
    ];
    let of_runtimes: [(_, _, fn() -> Changes); 6] = [
        ("runtime-policies", Write::Create, runtimes::policies),
        ("runtime-templates", Write::Create, runtimes::templates),
        ("runtime-pods", Write::Create, runtimes::pods),
        ("runtime-updates", Write::Update, runtimes::updates),
        ("cluster-runtime-templates", Write::Create, runtimes::templates),
        ("cluster-runtime-updates", Write::Update, runtimes::updates),
    ];
    tables.extend(of_runtimes.map(|(name, write, changes)| {
        let base = runtimes::base();
        let (resource, base) = match name.starts_with("cluster-") {
            true => (Resource::ClusterTrainingRuntimes, of_the_cluster(base, name)),
            false => (Resource::TrainingRuntimes, base),
        };
        Table { name, resource, write, base, changes: changes() }
    }));
    tables
}

/// The runtime for the whole cluster, under a name that no other test's runtime has.
fn of_the_cluster(mut runtime: Value, name: &str) -> Value {
    runtime["kind"] = "ClusterTrainingRuntime".into();
    runtime["metadata"]["name"] = format!("NAMESPACE-{name}").into();
    runtime
}
