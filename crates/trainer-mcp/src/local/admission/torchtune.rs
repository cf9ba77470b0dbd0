//! What the Trainer's webhook demands of a TorchTune job.

use kube::core::response::StatusCause;
use serde_json::Value;

use super::wrong;
use crate::{
    local::{
        assembly,
        job_set::JobSetSpec,
        train_job::{TrainJob, Trainer},
    },
    torchtune::{LARGE, MODELS, OF_THE_RUNTIME, Plan, QWEN, model},
};

pub(super) fn faults(job: &TrainJob, trainer: &Trainer, template: &JobSetSpec) -> Vec<StatusCause> {
    let mut faults = Vec::new();
    let runtime = &job.spec.runtime_ref.name;
    let model = model(runtime);
    let nodes = trainer.num_nodes.unwrap_or(1);
    let plan = Plan {
        nodes,
        processes: trainer.num_proc_per_node.map(Into::into),
        gpus: assembly::gpus(&assembly::resources_per_node(job, template)),
        args: trainer.args.as_deref().unwrap_or_default(),
    };
    if !MODELS.contains(&model.as_str()) {
        let why =
            format!("must have a supported pretrained model, invalid model configured: {model}");
        faults.push(wrong("spec.runtimeRef.name", runtime, &why));
    }
    if nodes > 1 && model != LARGE {
        faults.push(wrong(
            "spec.trainer.numNodes",
            &nodes,
            &format!("must be 1 for {model} model"),
        ));
    }
    let (_, suffix) = plan.recipe();
    if suffix.contains("_qlora") {
        if model == QWEN {
            let why = format!("QLoRA is not supported for {model} model");
            faults.push(wrong("spec.runtimeRef.name", runtime, &why));
        }
        if plan.shares_quantized(&model) {
            let processes: Value = trainer.num_proc_per_node.map_or("auto".into(), Value::from);
            let why = format!("must be auto or 1 for {model} model when using QLoRA");
            faults.push(wrong("spec.trainer.numProcPerNode", &processes, &why));
            let why =
                format!("must have gpu resource with value 1 for {model} model when using QLoRA");
            let resources = &trainer.resources_per_node;
            faults.push(wrong("spec.trainer.resourcesPerNode", resources, &why));
        }
    }
    if nodes > 1 && (plan.lora() || plan.qlora()) {
        let why = "LoRA fine-tuning is not supported for multi-node training in TorchTune";
        faults.push(wrong("spec.trainer.numNodes", &nodes, why));
    }
    for (index, argument) in trainer.args.iter().flatten().enumerate() {
        let key = argument.split('=').next().unwrap_or_default();
        if OF_THE_RUNTIME.contains(&key) {
            let why = format!(
                "must not set immutable config {key:?} in trainer args; it is managed by the runtime"
            );
            faults.push(wrong(format!("spec.trainer.args[{index}]"), argument, &why));
        }
    }
    faults
}
