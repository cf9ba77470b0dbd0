"""A session of the Kubeflow SDK: good hyper-parameters of a function are searched, shown and removed."""

import logging
import os
import re
import time

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.optimizer import GridSearch, Objective, OptimizerClient, Search, TrialConfig
from kubeflow.trainer import CustomTrainer, TrainerClient, TrainJobTemplate

RUNTIME = "plain"


def learn(x, epochs):
    for epoch in range(epochs):
        print(f"loss={abs(float(x) - 0.25) + 1 / (epoch + 1):.3f} epoch={epoch}", flush=True)


def fail(x):
    raise SystemExit("there is no data")


def show(job):
    print(job.status, job.search_space, job.objectives, job.algorithm, job.trial_config)
    for trial in sorted(job.trials, key=lambda it: sorted(it.parameters.items())):
        assert re.fullmatch(f"{job.name}-[bcdfghjklmnpqrstvwxz2456789]{{8}}", trial.name), trial.name
        assert trial.trainjob.name == trial.name, trial
        print(trial.parameters, trial.trainjob.status, sorted(trial.metrics, key=lambda it: it.name))


def refused(call, *arguments, **named):
    try:
        print("not refused:", call(*arguments, **named))
    except Exception as error:
        cause = error.__cause__
        print(type(error).__name__, getattr(cause, "status", None), getattr(cause, "reason", None))


def left(client):
    """What is listed once all that was deleted is gone; it stays until its finalizers are gone."""
    for _ in range(240):
        try:
            if not client.list_jobs():
                break
        except RuntimeError:
            pass  # The client asks for the TrainJob of a trial that is just being deleted.
        time.sleep(0.5)
    return client.list_jobs()


def main():
    logging.disable(logging.CRITICAL)
    backend = KubernetesBackendConfig(namespace=os.environ["NAMESPACE"])
    client = OptimizerClient(backend)
    print(client.list_jobs())
    runtime = TrainerClient(backend).get_runtime(RUNTIME)
    trainer = CustomTrainer(func=learn, func_args={"epochs": 3})
    name = client.optimize(
        TrainJobTemplate(trainer=trainer, runtime=runtime),
        search_space={"x": Search.choice([0.0, 0.25, 1.0])},
        objectives=[Objective(metric="loss", direction="minimize"), Objective(metric="epoch")],
        algorithm=GridSearch(),
        trial_config=TrialConfig(num_trials=3, parallel_trials=2),
    )
    assert re.fullmatch("[a-z][0-9a-f]{11}", name), name
    seen = []
    job = client.wait_for_job_status(
        name, polling_interval=1, timeout=240, callbacks=[lambda it: seen.append(it.status)]
    )
    assert set(seen) <= {"Created", "Running", "Complete"}, seen
    show(job)
    best = client.get_best_results(name)
    print(best.parameters, sorted(best.metrics, key=lambda it: it.name))
    lines = [it for it in client.get_job_logs(name) if "loss=" in it]
    print([it.split("] ", 1)[-1] for it in lines if "epoch=" in it])
    for event in sorted({(it.involved_object_kind, it.reason) for it in client.get_job_events(name)}):
        print("event", *event)
    print([it.name == name for it in client.list_jobs()])

    uniform = client.optimize(
        TrainJobTemplate(trainer=CustomTrainer(func=learn, func_args={"epochs": 1}), runtime=runtime),
        search_space={"x": Search.uniform(0, 1)},
        trial_config=TrialConfig(num_trials=2, parallel_trials=2),
    )
    job = client.wait_for_job_status(uniform, polling_interval=1, timeout=240)
    print(job.status, job.algorithm, all(0 <= float(it.parameters["x"]) <= 1 for it in job.trials))

    failing = client.optimize(
        TrainJobTemplate(trainer=CustomTrainer(func=fail), runtime=runtime),
        search_space={"x": Search.choice(["a"])},
        trial_config=TrialConfig(num_trials=2, parallel_trials=1, max_failed_trials=1),
    )
    show(client.wait_for_job_status(failing, status={"Failed"}, polling_interval=1, timeout=240))
    print(client.get_best_results(failing))

    refused(client.get_job, "nothing")
    refused(client.delete_job, "nothing")
    for one in (name, uniform, failing):
        client.delete_job(one)
    print(left(client))


main()
