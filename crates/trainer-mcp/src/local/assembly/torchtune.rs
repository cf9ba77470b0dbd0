//! How a `tune run` command is completed from a runtime's name and the job's arguments.

use crate::{
    local::{
        job_set::JobSetSpec,
        train_job::{NODE, TRAINER, Trainer},
    },
    torchtune::{OF_THE_RUNTIME, Plan, model},
};

/// Whether the command is the one that the Trainer completes.
pub(crate) fn starts(trainer: &Trainer) -> bool {
    trainer.command.as_deref().is_some_and(|command| command == ["tune", "run"])
}

/// The whole command line, up to the job's own arguments.
pub(super) fn command(
    plan: &Plan<'_>,
    runtime: &str,
    endpoint: &str,
    spec: &JobSetSpec,
) -> Vec<String> {
    let mut command = vec!["tune".to_owned(), "run".to_owned()];
    let several = plan.processes.map_or(plan.gpus > 1, |processes| processes > 1);
    if plan.nodes > 1 || several {
        command.push(format!("--rdzv_endpoint={endpoint}"));
    }
    let (recipe, suffix) = plan.recipe();
    command.extend([recipe.into(), "--config".into(), model(runtime) + suffix]);
    let of_runtime = spec.container_of(TRAINER, NODE).and_then(|it| it.command.as_ref());
    command.extend(of_runtime.into_iter().flatten().filter(|it| is_of_the_runtime(it)).cloned());
    command
}

fn is_of_the_runtime(argument: &str) -> bool {
    OF_THE_RUNTIME.contains(&argument.split('=').next().unwrap_or_default())
}
