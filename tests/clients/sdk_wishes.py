"""What the Kubeflow SDK would send for some wishes, as JSON by the wish's name. Nothing is created."""

import json
import logging
import os

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.trainer import BuiltinTrainer, CustomTrainer, CustomTrainerContainer, Initializer, LoraConfig, TrainerClient
from kubeflow.trainer import TorchTuneConfig, TorchTuneInstructDataset
from kubeflow.trainer.options import ActiveDeadlineSeconds, Annotations, Labels, Name, TrainerArgs, TrainerCommand
from kubeflow.trainer.options import kubernetes as patches
from kubeflow.trainer.types import types

TUNE = "torchtune-llama3.2-1b"
LLAMA = "hf://meta-llama/Llama-3.2-1B-Instruct"


def learn(lr):
    print("learning with", lr)


def placed():
    pod = patches.PodSpecPatch(
        service_account_name="trainer",
        node_selector={"zone": "a"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        image_pull_secrets=[{"name": "registry"}],
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        containers=[patches.ContainerPatch(name="node", volume_mounts=[{"name": "data", "mountPath": "/data"}])],
    )
    template = patches.JobTemplatePatch(spec=patches.JobSpecPatch(template=patches.PodTemplatePatch(spec=pod)))
    jobs = patches.JobSetSpecPatch(replicated_jobs=[patches.ReplicatedJobPatch(name="node", template=template)])
    return patches.RuntimePatch(
        training_runtime_spec=patches.TrainingRuntimeSpecPatch(template=patches.JobSetTemplatePatch(spec=jobs))
    )


def wishes():
    queue = Labels({"kueue.x-k8s.io/queue-name": "team", "kueue.x-k8s.io/priority-class": "high"})
    yield "a script", {
        "runtime": "host",
        "trainer": CustomTrainer(func=learn, func_args={"lr": 0.1}),
    }
    yield "a script with everything", {
        "runtime": "host",
        "trainer": CustomTrainer(
            func=learn,
            func_args={"lr": 0.1},
            image="example.org/own:2",
            packages_to_install=["einops"],
            num_nodes=2,
            resources_per_node={"cpu": 2, "memory": "4Gi", "gpu": 1},
            env={"SEED": "1"},
        ),
        "options": [queue, Annotations({"purpose": "baseline"}), ActiveDeadlineSeconds(3600), placed()],
    }
    yield "an image", {
        "runtime": "host",
        "trainer": CustomTrainerContainer(
            image="example.org/own:2", num_nodes=2, resources_per_node={"memory": "4Gi"}, env={"SEED": "1"}
        ),
        "options": [
            TrainerCommand(["python", "/app/train.py"]),
            TrainerArgs(["--epochs=3", "$(SEED)"]),
            queue,
            ActiveDeadlineSeconds(3600),
            placed(),
        ],
    }
    yield "an image alone", {"runtime": "host", "trainer": CustomTrainerContainer(image="example.org/own:2")}
    yield "a model and a data set", {
        "runtime": TUNE,
        "initializer": Initializer(
            dataset=types.HuggingFaceDatasetInitializer(storage_uri="hf://tatsu-lab/alpaca"),
            model=types.HuggingFaceModelInitializer(storage_uri=LLAMA),
        ),
        "trainer": BuiltinTrainer(config=TorchTuneConfig()),
    }
    yield "adapters with everything", {
        "runtime": TUNE,
        "initializer": Initializer(
            dataset=types.HuggingFaceDatasetInitializer(
                storage_uri="hf://tatsu-lab/alpaca/data", ignore_patterns=["*.md"]
            ),
            model=types.HuggingFaceModelInitializer(storage_uri=LLAMA, access_token="the-token"),
        ),
        "trainer": BuiltinTrainer(
            config=TorchTuneConfig(
                dtype=types.DataType.BF16,
                batch_size=4,
                epochs=3,
                loss=types.Loss.CEWithChunkedOutputLoss,
                num_nodes=1,
                resources_per_node={"gpu": 1, "memory": "32Gi"},
                peft_config=LoraConfig(
                    apply_lora_to_mlp=True,
                    apply_lora_to_output=False,
                    lora_attn_modules=["q_proj", "k_proj", "v_proj", "output_proj"],
                    lora_rank=8,
                    lora_alpha=16,
                    lora_dropout=0.1,
                    quantize_base=True,
                    use_dora=False,
                ),
                dataset_preprocess_config=TorchTuneInstructDataset(
                    source=types.DataFormat.PARQUET,
                    split="train[:95%]",
                    train_on_input=True,
                    new_system_prompt="You are a helpful assistant.",
                    column_map={"input": "instruction", "output": "output"},
                ),
            )
        ),
        "options": [queue, ActiveDeadlineSeconds(3600)],
    }
    yield "a file, and usual adapters", {
        "runtime": TUNE,
        "initializer": Initializer(
            dataset=types.HuggingFaceDatasetInitializer(storage_uri="hf://tatsu-lab/alpaca/data/train.json"),
            model=types.HuggingFaceModelInitializer(storage_uri=LLAMA),
        ),
        "trainer": BuiltinTrainer(
            config=TorchTuneConfig(
                peft_config=LoraConfig(),
                dataset_preprocess_config=TorchTuneInstructDataset(source=types.DataFormat.JSON),
            )
        ),
    }
    yield "a store", {
        "runtime": TUNE,
        "initializer": Initializer(
            dataset=types.S3DatasetInitializer(storage_uri="s3://sets/alpaca", region="eu-1"),
            model=types.S3ModelInitializer(
                storage_uri="s3://models/llama",
                endpoint="https://s3.example.org",
                access_key_id="the-id",
                secret_access_key="the-secret",
                role_arn="arn:aws:iam::1:role/trainer",
            ),
        ),
        "trainer": BuiltinTrainer(
            config=TorchTuneConfig(
                dataset_preprocess_config=TorchTuneInstructDataset(source=types.DataFormat.PARQUET)
            )
        ),
    }


def main():
    logging.disable(logging.CRITICAL)
    client = TrainerClient(KubernetesBackendConfig(namespace=os.environ["NAMESPACE"]))
    sent = []
    client.backend.custom_api.create_namespaced_custom_object = lambda *arguments: sent.append(arguments[-1])
    for wish, arguments in wishes():
        options = [Name("job"), *arguments.pop("options", [])]
        client.train(**arguments, options=options)
    print(json.dumps(dict(zip((wish for wish, _ in wishes()), sent, strict=True))))


main()
