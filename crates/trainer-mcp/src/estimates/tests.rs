//! Estimates as an agent gets them.

use expect_test::expect;
use kubeflow_mcp_core::testing::Cluster;
use serde_json::json;

use super::*;
use crate::TOOL_SET;

#[tokio::test]
async fn each_line_has_its_formula() {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    let asked = json!({"model": "meta-llama/Llama-3.1-8B-Instruct", "method": "qlora", "batch_size": 2, "settings": {"trainer": "builtin"}});
    let told = cluster.call::<EstimateResources>(asked).await;
    expect![[r#"
        {
          "assumed": [
            "2 sequences of 2048 tokens a GPU, 1 GPUs",
            "precision bf16",
            "optimizer adamw",
            "lora_rank 8 on 6 matrices a layer",
            "with checkpointing, chunked_loss, flash_attention",
            "without compile, gradient_accumulation, optimizer_in_backward, offload_optimizer, offload_activations"
          ],
          "because": "shape and recipe are known; published measurements of such recipes lie within 20 %",
          "certainty": "high",
          "gpu": "16 GiB",
          "lines": [
            {
              "formula": "6.98B parameters of matrices × 0.516 bytes",
              "gib": 3.35,
              "what": "quantized weights"
            },
            {
              "formula": "1.05B parameters × 2 bytes",
              "gib": 1.96,
              "what": "other weights"
            },
            {
              "formula": "19.7M parameters × 2 bytes",
              "gib": 0.04,
              "what": "adapters"
            },
            {
              "formula": "19.7M parameters × 2 bytes",
              "gib": 0.04,
              "what": "gradients"
            },
            {
              "formula": "19.7M parameters × 4 bytes",
              "gib": 0.07,
              "what": "optimizer"
            },
            {
              "formula": "4096 tokens × 32 layers × 8192 bytes",
              "gib": 1.0,
              "what": "inputs of layers"
            },
            {
              "formula": "4096 tokens × 213K bytes",
              "gib": 0.81,
              "not_counted": "not there at the peak",
              "what": "one layer's activations"
            },
            {
              "formula": "4096 tokens × 128256 words × 7 bytes",
              "gib": 3.42,
              "what": "logits"
            },
            {
              "formula": "58.7M parameters × 2 bytes",
              "gib": 0.11,
              "not_counted": "not there at the peak",
              "what": "a matrix in use, not quantized"
            }
          ],
          "model": {
            "name": "meta-llama/Llama-3.1-8B-Instruct",
            "parameters": "8.03B",
            "shape": "32 layers, 4096 wide, 32 heads (8 of keys) of 128, 14336 intermediate, 128256 words",
            "trainable": "19.7M"
          },
          "needed_gib": 11.9,
          "peak": "when the loss is computed",
          "per_gpu_gib": 9.88,
          "savings": [
            {
              "change": "batch_size 1",
              "gib": 7.67
            }
          ]
        }"#]].assert_eq(&serde_json::to_string_pretty(&told).unwrap());
}

#[tokio::test]
async fn a_mistake_is_told_of_the_setting_that_it_is_in() {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    let mut told = String::new();
    for arguments in [
        json!({}),
        json!({"model": "Qwen/Qwen2.5-8B"}),
        json!({"model": "7B", "settings": {"shading": "zero3"}}),
        json!({"model": "7B", "settings": {"sharding": "zero4"}}),
        json!({"model": "7B", "settings": {"lora_rank": 0}}),
        json!({"model": "7B", "method": "dora"}),
        json!({"settings": {"trainer": "container"}}),
        json!({"runtime": "pyhton"}),
    ] {
        let error = cluster.call::<EstimateResources>(arguments).await;
        told += error["message"].as_str().unwrap_or_else(|| panic!("{error}"));
        told += "\n";
    }
    expect![[r#"
        argument "model" is required, unless the trainer is a container
        argument "model" is "Qwen/Qwen2.5-8B", not a model whose shape is known (did you mean "qwen2.5-7b"?); give the text of its config.json, or its number of parameters such as 7B
        argument "settings.shading" is not known (did you mean "sharding"?); known are trainer, precision, optimizer, sharding, checkpointing, compile, chunked_loss, flash_attention, gradient_accumulation, optimizer_in_backward, offload_optimizer, offload_activations, lora_rank, lora_modules
        argument "settings.sharding" cannot be read: unknown variant `zero4`, expected one of `ddp`, `none`, `zero1`, `zero2`, `fsdp`, `zero3`
        argument "settings.lora_rank" is 0, must be between 1 and 4096
        argument "method" is "dora", not one of "full", "lora", "qlora", "inference" (did you mean "lora"?)
        argument "runtime" is required where there is no model: what a container takes is only known from what its runtime gives it
        argument "runtime" names no runtime: "pyhton" (did you mean "python"?); there are python
    "#]].assert_eq(&told);
}

#[tokio::test]
async fn a_runtime_says_whose_code_it_is() {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    let told = cluster.call::<EstimateResources>(json!({"runtime": "python"})).await;
    assert_eq!(told["certainty"], "low", "{told}");
    assert!(told.get("per_gpu_gib").is_none(), "{told}");
    let told =
        cluster.call::<EstimateResources>(json!({"runtime": "python", "model": "gpt2"})).await;
    assert_eq!(told["certainty"], "medium", "{told}");
}

#[tokio::test]
async fn all_settings_are_known_by_the_names_that_are_told() {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    let settings = json!({"trainer": "custom", "precision": "bf16", "optimizer": "adamw_8bit", "sharding": "fsdp",
        "checkpointing": true, "compile": true, "chunked_loss": true, "flash_attention": false,
        "gradient_accumulation": false, "optimizer_in_backward": false, "offload_optimizer": true,
        "offload_activations": true, "lora_rank": 64, "lora_modules": ["q", "v"]});
    assert_eq!(settings.as_object().unwrap().len(), plan::SETTINGS.len());
    let asked =
        json!({"model": "Qwen/Qwen3-8B", "method": "lora", "num_workers": 8, "settings": settings});
    let told = cluster.call::<EstimateResources>(asked).await;
    expect![[r#"
        [
          "4 sequences of 2048 tokens a GPU, 8 GPUs",
          "precision bf16",
          "optimizer adamw_8bit",
          "sharding zero3",
          "lora_rank 64 on 2 matrices a layer",
          "with checkpointing, compile, chunked_loss, offload_optimizer, offload_activations",
          "without flash_attention, gradient_accumulation, optimizer_in_backward"
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&told["assumed"]).unwrap());
}
