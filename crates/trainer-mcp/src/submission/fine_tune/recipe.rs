//! What TorchTune's recipes can and cannot do, said before the cluster says it.

use kubeflow_mcp_core::{Error, Problem, Result};
use workloads::{
    output::Output,
    train_job::{choice::Chosen, plan::Plan, runtime::Runtime},
};

use super::lacks_initializer;
use crate::torchtune::{self, LARGE, MODELS, QWEN};

/// A runtime has to bring what fetches the model and the data set.
pub(super) fn check_initializers(chosen: &Chosen) -> Result<()> {
    let Some(missing) = lacks_initializer(&chosen.runtime) else { return Ok(()) };
    let problem = format!("which has no job {missing:?} to fetch what is trained");
    Err(Error::value("runtime", chosen.reference.name.as_str(), problem))
}

/// The recipe that the Trainer starts, with its configuration.
pub(super) fn name(plan: &Plan) -> String {
    let model = torchtune::model(&plan.chosen.reference.name);
    let (recipe, suffix) = decisive(plan).recipe();
    format!("{recipe} --config {model}{suffix}")
}

/// All rules at once, each in terms of the argument that breaks it.
pub(super) fn check(plan: &Plan) -> Result<()> {
    let runtime = &plan.chosen.reference.name;
    let model = torchtune::model(runtime);
    let decisive = decisive(plan);
    let mut problems = Vec::new();
    let mut report = |argument: &str, problem: String| {
        problems.push(Problem { argument: argument.to_owned(), problem });
    };
    if !MODELS.contains(&model.as_str()) {
        report(
            "runtime",
            format!(
                "is {runtime:?}, from whose name the Trainer cannot tell the model: it must be torchtune-FAMILY-SIZE and one of {}",
                MODELS.join(", ")
            ),
        );
    }
    let adapts = decisive.lora() || decisive.qlora();
    if plan.nodes > 1 && model != LARGE {
        report(
            "num_nodes",
            format!("is {}, must be 1: TorchTune trains {model} on one node", plan.nodes),
        );
    } else if plan.nodes > 1 && adapts {
        report(
            "num_nodes",
            format!(
                "is {}, must be 1 with lora: TorchTune trains adapters on one node",
                plan.nodes
            ),
        );
    }
    if decisive.qlora() && model == QWEN {
        report("lora.quantize_base", format!("is true, but TorchTune cannot quantize {model}"));
    }
    if plan.nodes == 1 && decisive.shares_quantized(&model) {
        report(
            "resources_per_node",
            format!(
                "must be for one GPU, as in {{\"gpu\": 1}}, where lora.quantize_base is true: TorchTune trains quantized {model} on one device"
            ),
        );
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Arguments(problems)) }
}

/// Has the model land on a claim, mounted where the recipe writes; else it stays on the job's own volume.
pub(super) fn land(mut plan: Plan, output: Option<&Output>, folder: Option<&str>) -> Result<Plan> {
    let Some(output) = output else {
        plan.output = folder.and_then(|folder| own_volume(&plan, folder));
        return Ok(plan);
    };
    match (output, folder) {
        (Output::Claim { .. }, Some(_)) => plan.land(Some(output), folder),
        (Output::Claim { .. }, None) => {
            let problem = "but the runtime does not say where its program writes";
            Err(Error::value("output", output.address(), problem))
        }
        _ => {
            let problem =
                "must be pvc://CLAIM/PATH: TorchTune writes to a volume and uploads nothing";
            Err(Error::value("output", output.address(), problem))
        }
    }
}

/// Where the runtime has TorchTune write.
pub(super) fn output_folder(runtime: &Runtime) -> Option<&str> {
    let command = runtime.trainer()?.command.as_ref()?;
    command.iter().find_map(|it| it.strip_prefix("output_dir="))
}

/// The folder on the volume that is made for each job.
fn own_volume(plan: &Plan, folder: &str) -> Option<String> {
    let runtime = &plan.chosen.runtime;
    let claims: Vec<&str> = runtime.claims().collect();
    let mounts = runtime.trainer()?.volume_mounts.as_ref()?;
    let mount = mounts
        .iter()
        .find(|it| folder.starts_with(&it.mount_path) && claims.contains(&it.name.as_str()))?;
    let path = folder.strip_prefix(&mount.mount_path)?.trim_matches('/');
    Some(format!("pvc://{}-{}/{path}", mount.name, plan.name))
}

/// What the Trainer decides by.
fn decisive(plan: &Plan) -> torchtune::Plan<'_> {
    let asked = if plan.own_resources.is_empty() { &plan.resources } else { &plan.own_resources };
    let gpus = asked.iter().filter(|(name, _)| name.to_lowercase().contains("gpu"));
    torchtune::Plan {
        nodes: plan.nodes,
        processes: plan.processes.map(i64::from),
        gpus: gpus.filter_map(|(_, count)| count.parse::<i64>().ok()).sum(),
        args: &plan.program.args,
    }
}
