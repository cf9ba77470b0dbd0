//! What a user can do with a runtime: which tool starts jobs from it, and what of it a job changes.

use workloads::train_job::runtime::Runtime;

/// What the Trainer keeps of a recipe's command, whatever the job says.
const KEPT_OF_RECIPES: &str = "output_dir, tokenizer and checkpointer.checkpoint_dir";

/// The tools whose jobs it can carry out.
pub(super) fn used_by(runtime: &Runtime) -> Vec<&'static str> {
    match (runtime.trainer(), runtime.is_builtin()) {
        (None, _) => Vec::new(),
        (Some(_), true) => vec!["fine_tune"],
        (Some(_), false) => vec!["run_custom_training", "run_container_training"],
    }
}

/// What a job may set for itself.
pub(super) fn overridable(runtime: &Runtime) -> Vec<String> {
    let jobs = runtime.trainer_jobs().join(", ");
    let mut all = Vec::new();
    if runtime.trainer().is_some() {
        let of_container = match runtime.is_builtin() {
            true => format!("the recipe's arguments except for {KEPT_OF_RECIPES}"),
            false => "image, command and arguments of the container \"node\"".to_owned(),
        };
        all.push(of_container);
        all.push("environment and resources of the container \"node\"".to_owned());
        all.push(format!("the number of nodes, {} unless it says otherwise", runtime.nodes()));
    }
    if !jobs.is_empty() {
        all.push(format!(
            "node selector, tolerations, volumes and mounts, service account and pull secrets of the Pods of {jobs}"
        ));
    }
    let jobs = &runtime.spec.template.spec.replicated_jobs;
    let sources = ["dataset", "model"].into_iter();
    let sources =
        sources.filter(|it| jobs.iter().any(|job| job.name == format!("{it}-initializer")));
    let sources: Vec<&str> = sources.collect();
    if !sources.is_empty() {
        let sources = sources.join(" and the ");
        all.push(format!("where the {sources} is taken from, with its Secret"));
    }
    all
}

/// What no job changes: for something else, there must be another runtime.
pub(super) fn fixed(runtime: &Runtime) -> Vec<String> {
    let mut all = vec!["its Jobs, their order, and how often they are tried again".to_owned()];
    let policy = &runtime.spec.ml_policy;
    if policy.torch.is_some() {
        all.push("variables that start with PET_, which torchrun reads".to_owned());
    }
    if policy.mpi.is_some() {
        all.push("that mpirun starts the ranks, over SSH".to_owned());
    }
    if runtime.is_builtin() {
        all.push("the model's family and size, which its name says".to_owned());
    }
    if !runtime.spec.template.spec.volume_claim_policies.is_empty() {
        all.push("size and class of the volumes that are made for each job".to_owned());
    }
    all
}
