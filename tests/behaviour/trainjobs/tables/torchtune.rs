//! TrainJobs that start TorchTune.

use serde_json::{Value, json};

use super::{Changes, changes};

const LORA: &str = "model.lora_attn_modules=[q_proj]";
const QUANTIZED: &str = "model.quantize_base=True";

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "tune"},
        "spec": {
            "runtimeRef": {"name": "torchtune-llama3.2-1b", "kind": "TrainingRuntime"},
            "trainer": {"command": ["tune", "run"]},
        },
    })
}

pub(super) fn torchtune() -> Changes {
    changes! {
        "nothing changed": {},
        "a model that is not supported": {"spec": {"runtimeRef": {"name": "torchtune-gemma3-1b"}}},
        "a runtime whose name tells no model": {"spec": {"runtimeRef": {"name": "torch"}}},
        "a command that only resembles TorchTune's": {"spec": {"runtimeRef": {"name": "torch"}, "trainer": {"command": ["tune", "run", "x"]}}},
        "two nodes": {"spec": {"trainer": {"numNodes": 2}}},
        "two nodes of the large model": {"spec": {"runtimeRef": {"name": "torchtune-llama3.3-70b"}, "trainer": {"numNodes": 2}}},
        "LoRA on one node": {"spec": {"trainer": {"args": [LORA]}}},
        "LoRA on two nodes": {"spec": {"runtimeRef": {"name": "torchtune-llama3.3-70b"}, "trainer": {"numNodes": 2, "args": [LORA]}}},
        "LoRA on two nodes of a small model": {"spec": {"trainer": {"numNodes": 2, "args": [LORA]}}},
        "QLoRA on one GPU": {"spec": {"trainer": {"args": [LORA, QUANTIZED], "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}}}},
        "QLoRA on two GPUs": {"spec": {"trainer": {"args": [LORA, QUANTIZED], "resourcesPerNode": {"limits": {"nvidia.com/gpu": 2}}}}},
        "QLoRA on the runtime's GPUs": {"spec": {"trainer": {"args": [LORA, QUANTIZED]}}},
        "QLoRA with two processes": {"spec": {"trainer": {"args": [LORA, QUANTIZED], "numProcPerNode": 2}}},
        "QLoRA with one process": {"spec": {"trainer": {"args": [LORA, QUANTIZED], "numProcPerNode": 1}}},
        "QLoRA on two nodes": {"spec": {"runtimeRef": {"name": "torchtune-llama3.3-70b"}, "trainer": {"numNodes": 2, "args": [QUANTIZED]}}},
        "QLoRA switched off": {"spec": {"trainer": {"args": ["model.quantize_base=false"], "numProcPerNode": 2}}},
        "QLoRA with DoRA": {"spec": {"trainer": {"args": [LORA, QUANTIZED, "model.use_dora=true"], "numProcPerNode": 2}}},
        "QLoRA of a model without it": {"spec": {"runtimeRef": {"name": "torchtune-qwen2.5-1.5b"}, "trainer": {"args": [LORA, QUANTIZED], "numProcPerNode": 2}}},
        "QLoRA of a model without it on one GPU": {"spec": {"runtimeRef": {"name": "torchtune-qwen2.5-1.5b"}, "trainer": {"args": [LORA, QUANTIZED], "numProcPerNode": 1}}},
        "an argument of the runtime": {"spec": {"trainer": {"args": ["epochs=1", "output_dir=/tmp"]}}},
        "all arguments of the runtime": {"spec": {"trainer": {"args": ["output_dir=/tmp", "tokenizer.path=a", "tokenizer.merges_file=b", "checkpointer.checkpoint_dir=c"]}}},
        "an argument of the runtime without a value": {"spec": {"trainer": {"args": ["output_dir"]}}},
        "a data set with its initializer": {"spec": {"initializer": {"dataset": {"storageUri": "hf://tatsu-lab/alpaca"}, "model": {"storageUri": "hf://a/b"}}}},
    }
}
