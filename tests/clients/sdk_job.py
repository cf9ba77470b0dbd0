"""The Kubeflow SDK trains a function; with `delete`, it removes the job again."""

import logging
import os
import sys

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.trainer import CustomTrainer, TrainerClient
from kubeflow.trainer.options import Name


def learn():
    print("learned", flush=True)


def main():
    logging.disable(logging.CRITICAL)
    client = TrainerClient(KubernetesBackendConfig(namespace=os.environ["NAMESPACE"]))
    if sys.argv[1:] == ["delete"]:
        client.delete_job("shown")
        return
    assert "host" in [it.name for it in client.list_runtimes()]
    name = client.train(runtime="host", trainer=CustomTrainer(func=learn, num_nodes=2), options=[Name("shown")])
    job = client.wait_for_job_status(name, polling_interval=1, timeout=120)
    assert list(client.get_job_logs(name)) == ["learned"], list(client.get_job_logs(name))
    assert client.get_job_events(name)
    print(job.status)


main()
