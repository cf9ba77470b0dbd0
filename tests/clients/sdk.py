"""A session of the Kubeflow SDK: functions are trained, followed and removed."""

import logging
import os

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.trainer import CustomTrainer, TrainerClient
from kubeflow.trainer.options import Labels, Name

RUNTIME = "plain"


def learn(epochs: int):
    for epoch in range(epochs):
        print(f"epoch {epoch} loss {1 / (epoch + 1):.2f}", flush=True)


def fail():
    raise SystemExit("there is no data")


def show(job):
    steps = [f"{it.name} {it.status} {it.device} {it.device_count}" for it in job.steps]
    print(job.name, job.runtime.name, job.num_nodes, job.status, sorted(steps))


def refused(call, *arguments, **named):
    try:
        print("not refused:", call(*arguments, **named))
    except Exception as error:
        cause = error.__cause__
        print(type(error).__name__, error, "<-", getattr(cause, "status", None), getattr(cause, "reason", None))


def main():
    logging.disable(logging.CRITICAL)
    client = TrainerClient(KubernetesBackendConfig(namespace=os.environ["NAMESPACE"]))
    print([it for it in client.list_runtimes() if it.name == RUNTIME])
    runtime = client.get_runtime(RUNTIME)
    print(runtime)
    refused(client.get_runtime, "nothing")

    trainer = CustomTrainer(func=learn, func_args={"epochs": 3}, num_nodes=2, env={"SEED": "1"})
    name = client.train(runtime=runtime, trainer=trainer, options=[Name("lesson"), Labels({"team": "vision"})])
    print(name)
    show(client.wait_for_job_status(name, polling_interval=1, timeout=120))
    show(client.get_job(name))
    for step in ("node-0", "node-1"):
        print(step, list(client.get_job_logs(name, step=step)))
    print("followed", list(client.get_job_logs(name, follow=True)))
    for job in client.list_jobs(runtime=runtime):
        show(job)
    for event in sorted({(it.involved_object_kind, it.reason) for it in client.get_job_events(name)}):
        print("event", *event)

    failing = client.train(runtime=runtime, trainer=CustomTrainer(func=fail), options=[Name("failing")])
    show(client.wait_for_job_status(failing, status={"Failed"}, polling_interval=1, timeout=120))
    print(list(client.get_job_logs(failing)))
    refused(client.wait_for_job_status, failing, polling_interval=1, timeout=5)

    refused(client.train, runtime=runtime, trainer=CustomTrainer(func=learn), options=[Name("lesson")])
    refused(client.train, runtime=runtime, trainer=CustomTrainer(func=learn), options=[Name("No Name")])
    refused(client.get_job, "nothing")
    refused(client.delete_job, "nothing")
    for name in (name, failing):
        client.delete_job(name)
        refused(client.get_job, name)
    print(client.list_jobs())


main()
