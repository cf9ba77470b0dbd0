//! Fine-tuning up to the arguments of the Pods: nothing here could run what they name.

use expect_test::expect;
use k8s_openapi::api::core::v1::{Container, Pod, Secret};
use kube::api::{ListParams, PostParams};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, runtimes, waiting::until};
use serde_json::json;

use crate::training::TRAINER;

const MODEL: &str = "hf://meta-llama/Llama-3.2-1B-Instruct";

/// The container of the Pod of one of the job's steps, when there is one.
async fn container(namespace: &Namespace, step: &str) -> Container {
    let labels = format!(
        "jobset.sigs.k8s.io/jobset-name=tuned,jobset.sigs.k8s.io/replicatedjob-name={step}"
    );
    let wanted = ListParams::default().labels(&labels);
    until(step, async || {
        let pods = namespace.api::<Pod>().list(&wanted).await.map_err(|it| it.to_string())?;
        let pod = pods.items.into_iter().next().ok_or_else(|| "no Pod".to_owned())?;
        Ok(pod.spec.expect("a spec").containers.remove(0))
    })
    .await
}

/// What starts in a container, a line each.
fn started(namespace: &Namespace, container: &Container) -> String {
    let words = container.command.iter().chain(&container.args).flatten().cloned();
    let env = container.env.iter().flatten().map(|it| match &it.value_from {
        Some(source) => format!("{} from {}", it.name, json!(source)),
        None => format!("{}={}", it.name, it.value.clone().unwrap_or_default()),
    });
    namespace.normalised(&words.chain(env).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn a_model_is_fine_tuned_up_to_the_arguments_of_its_pods() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let image = "localhost/host-python";
    runtimes::add_torchtune(&cluster.admin(), namespace.name(), image).await;
    let secret: Secret = serde_json::from_value(
        json!({"metadata": {"name": "hf"}, "stringData": {"token": "hf_secret_of_the_test"}}),
    )
    .unwrap();
    namespace.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    let mut call = json!({
        "model": MODEL, "dataset": "hf://tatsu-lab/alpaca/data", "name": "tuned", "epochs": 3,
        "batch_size": 4, "lora": {"rank": 8, "alpha": 16, "quantize_base": true},
        "settings": {"dtype": "bf16", "optimizer.lr": 0.0003},
        "dataset_format": {"source": "parquet", "split": "train[:95%]"},
        "env": {"model": {"ACCESS_TOKEN": {"secret": "hf", "key": "token"}}, "node": {"NCCL_DEBUG": "WARN"}},
        "resources_per_node": {"gpu": 1}, "output": "pvc://models/tuned",
        "options": {"time_limit_seconds": 3600},
    });
    let preview = namespace.call("fine_tune", call.clone()).await;
    expect![[r#"
        {
          "command": "dtype=bf16 batch_size=4 epochs=3 dataset.data_dir=/workspace/dataset/data model.lora_rank=8 model.lora_alpha=16 model.quantize_base=True model.lora_attn_modules=[q_proj,v_proj,output_proj] dataset=torchtune.datasets.instruct_dataset dataset.source=parquet dataset.split=train[:95%] optimizer.lr=0.0003",
          "created": true,
          "image": "localhost/host-python",
          "name": "tuned",
          "namespace": "NAMESPACE",
          "nodes": 1,
          "output": "pvc://models/tuned",
          "preview": true,
          "recipe": "lora_finetune_single_device --config llama3_2/1B_qlora_single_device",
          "resources": {
            "nvidia.com/gpu": "1"
          },
          "runtime": "torchtune-llama3.2-1b",
          "runtime_chosen": "it is named after the model",
          "set_by_cluster": [
            "spec.managedBy = \"trainer.kubeflow.org/trainjob-controller\"",
            "spec.suspend = false"
          ],
          "time_limit_seconds": 3600
        }"#]]
        .assert_eq(&namespace.normalised(&serde_json::to_string_pretty(&preview).unwrap()));
    call["confirmed"] = json!(true);
    let made = namespace.call("fine_tune", call.clone()).await;
    assert_eq!(made["created"], true, "{made}");
    assert_eq!(namespace.call("fine_tune", call.clone()).await["created"], false);
    call["epochs"] = json!(4);
    let other = namespace.call("fine_tune", call).await;
    assert_eq!(other["code"], "conflict", "{other}");

    let model = container(&namespace, "model-initializer").await;
    expect![[r#"
        python
        -c
        import os; print(os.environ['STORAGE_URI'])
        STORAGE_URI=hf://meta-llama/Llama-3.2-1B-Instruct
        IGNORE_PATTERNS=*.msgpack,*.h5,*.bin,*.pt,*.pth
        ACCESS_TOKEN from {"secretKeyRef":{"key":"token","name":"hf"}}
        JOB_COMPLETION_INDEX from {"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.labels['batch.kubernetes.io/job-completion-index']"}}"#]].assert_eq(&started(&namespace, &model));
    let dataset = container(&namespace, "dataset-initializer").await;
    expect![[r#"
        python
        -c
        import os; print(os.environ['STORAGE_URI'])
        STORAGE_URI=hf://tatsu-lab/alpaca/data
        JOB_COMPLETION_INDEX from {"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.labels['batch.kubernetes.io/job-completion-index']"}}"#]].assert_eq(&started(&namespace, &dataset));
    // It is made when both have ended, and waits for a GPU then.
    let node = container(&namespace, "node").await;
    expect![[r#"
        tune
        run
        lora_finetune_single_device
        --config
        llama3_2/1B_qlora_single_device
        output_dir=/workspace/output
        tokenizer.path=/workspace/model/original/tokenizer.model
        checkpointer.checkpoint_dir=/workspace/model
        dtype=bf16
        batch_size=4
        epochs=3
        dataset.data_dir=/workspace/dataset/data
        model.lora_rank=8
        model.lora_alpha=16
        model.quantize_base=True
        model.lora_attn_modules=[q_proj,v_proj,output_proj]
        dataset=torchtune.datasets.instruct_dataset
        dataset.source=parquet
        dataset.split=train[:95%]
        optimizer.lr=0.0003
        NCCL_DEBUG=WARN
        PET_NNODES=1
        PET_NPROC_PER_NODE=auto
        PET_NODE_RANK from {"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
        JOB_COMPLETION_INDEX from {"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.labels['batch.kubernetes.io/job-completion-index']"}}"#]].assert_eq(&started(&namespace, &node));
    let shown = namespace.call("get_training_job", json!({"name": "tuned"})).await;
    assert_eq!(shown["output"], "pvc://models/tuned", "{shown}");
    let job = namespace.objects(TRAINER, "TrainJob").get("tuned").await.unwrap();
    let text = serde_json::to_string(&job).unwrap();
    assert!(!text.contains("hf_secret_of_the_test"), "{text}");
}

#[tokio::test]
async fn an_image_that_cannot_run_here_is_refused_in_the_preview() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let image = "ghcr.io/kubeflow/trainer/torchtune-trainer:v2.3.0";
    runtimes::add_torchtune(&cluster.admin(), namespace.name(), image).await;
    let call = json!({"model": MODEL, "dataset": "hf://tatsu-lab/alpaca", "name": "tuned"});
    let preview = namespace.call("fine_tune", call).await;
    if cluster.is_real() {
        assert_eq!(preview["preview"], true, "{preview}");
        return;
    }
    expect![[r#"
        {
          "code": "conflict",
          "hint": "start it on a cluster that runs containers, or run a script with run_custom_training",
          "message": "this cluster runs Pods as processes and cannot run the container image \"ghcr.io/kubeflow/trainer/torchtune-trainer:v2.3.0\"; it can run localhost/host-python"
        }"#]].assert_eq(&serde_json::to_string_pretty(&preview).unwrap());
}

#[tokio::test]
async fn what_the_recipes_rule_out_is_refused_before_the_webhook_is_asked() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    runtimes::add_torchtune(&cluster.admin(), namespace.name(), "localhost/host-python").await;
    for (changes, argument) in [
        (json!({"num_nodes": 2}), "num_nodes"),
        (json!({"lora": {"quantize_base": true}}), "resources_per_node"),
        (json!({"settings": {"output_dir": "/tmp"}}), "settings.output_dir"),
    ] {
        let mut call = json!({"model": MODEL, "dataset": "hf://tatsu-lab/alpaca", "name": "tuned"});
        json_patch::merge(&mut call, &changes);
        let refused = namespace.call("fine_tune", call).await;
        let message = refused["message"].as_str().unwrap_or_default();
        assert_eq!(refused["code"], "invalid_argument", "{refused}");
        assert!(message.starts_with(&format!("argument {argument:?}")), "{message}");
    }
}
