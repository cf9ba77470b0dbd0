//! Jobs that go wrong, or only look like it, and what is the matter with each.

use serde_json::{Value, json};

/// A job, and what is wrong with it.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Codes, the first first.
    pub(super) causes: &'static [&'static str],
    /// How the job is started.
    pub(super) start: Start,
    /// Before it is judged that nothing is wrong.
    pub(super) until: Until,
}

pub(super) enum Start {
    /// Arguments of `run_custom_training`, beside name and script.
    Script(&'static str, Value),
    /// A TrainJob of a runtime, with this spec.
    Object(&'static str, Value),
    /// In the namespace whose quota is used up.
    Refused,
    /// A Job that stands for itself, with this spec, there or in the namespace whose quota is used up.
    Job { spec: Value, refused: bool },
}

pub(super) enum Until {
    /// The causes are named.
    Named,
    /// It runs, and has printed this.
    Printed(&'static str),
    Succeeded,
    /// It has failed, and the causes are named.
    Over,
}

fn fails(name: &'static str, cause: &'static [&'static str], script: &'static str) -> Scenario {
    with(name, cause, script, json!({}))
}

fn with(
    name: &'static str,
    causes: &'static [&'static str],
    script: &'static str,
    more: Value,
) -> Scenario {
    Scenario { name, causes, start: Start::Script(script, more), until: Until::Named }
}

fn object(
    name: &'static str,
    causes: &'static [&'static str],
    runtime: &'static str,
    spec: Value,
) -> Scenario {
    Scenario { name, causes, start: Start::Object(runtime, spec), until: Until::Named }
}

fn healthy(name: &'static str, script: &'static str, until: Until) -> Scenario {
    Scenario { name, causes: &[], start: Start::Script(script, json!({})), until }
}

/// Longer than any name may be, with what is named after the job.
const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(super) fn all() -> Vec<Scenario> {
    [programs(), clusters(), unaccused(), jobs()].into_iter().flatten().collect()
}

/// What a program does to itself.
fn programs() -> Vec<Scenario> {
    vec![
        fails(
            "raises",
            &["python_exception"],
            "def train():\n    raise ValueError('boom')\ntrain()\n",
        ),
        fails("syntax-at-run", &["python_exception"], "exec('for x in')\n"),
        fails("no-module", &["module_not_found"], "import no_such_module\n"),
        fails("no-file", &["file_not_found"], "open('/nowhere/data.csv')\n"),
        fails(
            "not-allowed",
            &["permission_denied"],
            "import os\nif os.getuid() == 0:\n    os.setuid(65534)\nopen('/etc/passwd', 'a')\n",
        ),
        fails(
            "full-disk",
            &["disk_full"],
            "with open('/dev/full', 'w') as file:\n    file.write('x')\n",
        ),
        with(
            "argument",
            &["bad_arguments"],
            "import argparse\nargparse.ArgumentParser().parse_args()\n",
            json!({"func_args": {"epochs": 3}}),
        ),
        fails("exits", &["program_failed"], "import sys\nprint('no luck')\nsys.exit(3)\n"),
        fails(
            "crashes",
            &["program_crashed"],
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
        ),
        fails("killed", &["program_failed"], "import os\nos.kill(os.getpid(), 9)\n"),
        fails(
            "nobody-listens",
            &["connection_failed"],
            "import socket\nsocket.create_connection(('127.0.0.1', 1))\n",
        ),
        with(
            "hungry",
            &["out_of_memory"],
            "hog = [bytearray(1 << 20) for _ in range(2000)]\n",
            json!({"resources_per_node": {"memory": "96Mi"}}),
        ),
        with(
            "caught-then-failed",
            &["python_exception"],
            "import time, traceback\ntry:\n    raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')\n\
             except RuntimeError:\n    traceback.print_exc()\ntime.sleep(4)\nprint('smaller batch')\nraise KeyError('label')\n",
            json!({}),
        ),
        with(
            "again-and-again",
            &["python_exception"],
            "raise ValueError('boom')\n",
            json!({"runtime": "host"}),
        ),
        with(
            "two-causes",
            &["module_not_found", "python_exception"],
            "import os, time\nrank = int(os.environ['JOB_COMPLETION_INDEX'])\nif rank == 1:\n    import no_such_module\n\
             time.sleep(3)\nraise ValueError('boom')\n",
            json!({"runtime": "host", "num_nodes": 2}),
        ),
        with(
            "lost-its-peer",
            &["python_exception"],
            "import os, socket, time\nif os.environ['JOB_COMPLETION_INDEX'] == '0':\n    raise ValueError('boom')\n\
             time.sleep(2)\nsocket.create_connection(('127.0.0.1', 1))\n",
            json!({"runtime": "host", "num_nodes": 2}),
        ),
        fails(
            "not-a-number",
            &["loss_not_finite"],
            "import time\nfor step in range(3):\n    print(f'step={step} loss={0.5 if step < 2 else float(\"nan\")}', flush=True)\ntime.sleep(600)\n",
        ),
        fails(
            "on-cpus",
            &["gpu_not_used"],
            "import time\nprint('CUDA available: False', flush=True)\ntime.sleep(600)\n",
        ),
    ]
}

/// What the cluster does not give, or takes away.
fn clusters() -> Vec<Scenario> {
    vec![
        object(
            "no-command",
            &["command_not_found"],
            "once",
            json!({"trainer": {"command": ["sh", "-c", "no-such-command"]}}),
        ),
        with(
            "no-image",
            &["image_not_present"],
            "print()\n",
            json!({"image": "example.com/none:1"}),
        ),
        with(
            "no-secret",
            &["secret_missing"],
            "print()\n",
            json!({"env": {"TOKEN": {"secret": "none", "key": "token"}}}),
        ),
        with(
            "no-secret-volume",
            &["secret_missing"],
            "print()\n",
            json!({"options": {"volumes": [{"name": "token", "secret": {"secretName": "none"}}],
                "volume_mounts": [{"name": "token", "mountPath": "/token"}]}}),
        ),
        with(
            "no-claim",
            &["volume_unbound"],
            "print()\n",
            json!({"options": {
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "none"}}],
                "volume_mounts": [{"name": "data", "mountPath": "/data"}]}}),
        ),
        with(
            "too-large",
            &["insufficient_resources"],
            "print()\n",
            json!({"resources_per_node": {"cpu": 4096}}),
        ),
        with(
            "no-gpu",
            &["no_such_resource"],
            "print()\n",
            json!({"resources_per_node": {"nvidia.com/gpu": 1}}),
        ),
        with(
            "nowhere",
            &["nodes_excluded"],
            "print()\n",
            json!({"options": {"node_selector": {"example.com/zone": "none"}}}),
        ),
        object("gated", &["scheduling_gated"], "gated", json!({})),
        object("accountless", &["service_account_missing"], "accountless", json!({})),
        object(LONG, &["name_too_long"], "once", json!({})),
        object("paused", &["suspended"], "once", json!({"suspend": true})),
        object(
            "left-alone",
            &["runtime_missing", "suspended"],
            "deleted",
            json!({"suspend": true}),
        ),
        object(
            "too-long",
            &["time_limit"],
            "once",
            json!({"activeDeadlineSeconds": 2, "trainer": {"command": ["sleep", "600"]}}),
        ),
        Scenario {
            until: Until::Over,
            ..object(
                "given-up",
                &["retries_exhausted"],
                "impatient",
                json!({"trainer": {"command": ["false"]}}),
            )
        },
        Scenario {
            name: "refused",
            causes: &["quota_exceeded"],
            start: Start::Refused,
            until: Until::Named,
        },
    ]
}

/// What looks like a failure and is none.
fn unaccused() -> Vec<Scenario> {
    vec![
        healthy(
            "trains",
            "import time\nfor step in range(6000):\n    print(f'step={step} loss=0.5', flush=True)\n    time.sleep(0.1)\n",
            Until::Printed("step=9"),
        ),
        healthy("trained", "print('accuracy=0.97')\n", Until::Succeeded),
        healthy(
            "speaks-of-memory",
            "import time\nprint('handles CUDA out of memory by a smaller batch', flush=True)\n\
             print('begun', flush=True)\ntime.sleep(600)\n",
            Until::Printed("begun"),
        ),
        healthy(
            "caught",
            "import time, traceback\ntry:\n    open('/nowhere')\nexcept OSError:\n    traceback.print_exc()\n\
             print('begun', flush=True)\ntime.sleep(600)\n",
            Until::Printed("begun"),
        ),
        healthy(
            "caught-and-done",
            "import traceback\ntry:\n    raise ValueError('once')\nexcept ValueError:\n    traceback.print_exc()\n",
            Until::Succeeded,
        ),
        healthy("slow", "import time\ntime.sleep(600)\n", Until::Printed("")),
    ]
}

/// Jobs that nothing but Kubernetes knows of.
fn jobs() -> Vec<Scenario> {
    let job = |name, causes, until, pod: Value, more: Value| {
        let mut template = json!({"restartPolicy": "Never", "containers": [
            {"name": "main", "image": local_kube::HOST_PYTHON, "command": ["python", "-c", "print()"]}]});
        json_patch::merge(&mut template, &pod);
        let mut spec = json!({"backoffLimit": 0, "template": {"spec": template}});
        json_patch::merge(&mut spec, &more);
        Scenario { name, causes, start: Start::Job { spec, refused: name == "job-refused" }, until }
    };
    let container = |more: Value| {
        let mut container = json!({"name": "main", "image": local_kube::HOST_PYTHON});
        json_patch::merge(&mut container, &more);
        json!({"containers": [container]})
    };
    let program = |code: &str| container(json!({"command": ["python", "-c", code]}));
    let nothing = || json!({});
    let secret = json!({"name": "T", "valueFrom": {"secretKeyRef": {"name": "none", "key": "t"}}});
    vec![
        job("job-done", &[], Until::Succeeded, nothing(), nothing()),
        job(
            "job-raises",
            &["python_exception"],
            Until::Over,
            program("def train():\n    raise ValueError('boom')\ntrain()\n"),
            json!({"backoffLimit": 1}),
        ),
        job(
            "job-hungry",
            &["out_of_memory"],
            Until::Over,
            container(json!({"resources": {"limits": {"memory": "96Mi"}},
                "command": ["python", "-c", "hog = [bytearray(1 << 20) for _ in range(2000)]"]})),
            nothing(),
        ),
        job(
            "job-no-image",
            &["image_not_present"],
            Until::Named,
            container(json!({"image": "example.com/none:1", "imagePullPolicy": "Never"})),
            nothing(),
        ),
        job(
            "job-no-secret",
            &["secret_missing"],
            Until::Named,
            container(json!({"env": [secret]})),
            nothing(),
        ),
        job(
            "job-too-large",
            &["insufficient_resources"],
            Until::Named,
            container(json!({"resources": {"requests": {"cpu": "4096"}}})),
            nothing(),
        ),
        job("job-refused", &["quota_exceeded"], Until::Named, nothing(), nothing()),
        job("job-paused", &["suspended"], Until::Named, nothing(), json!({"suspend": true})),
        job(
            "job-too-long",
            &["time_limit"],
            Until::Over,
            container(json!({"command": ["sleep", "600"]})),
            json!({"activeDeadlineSeconds": 2}),
        ),
        job(
            "job-given-up",
            &["retries_exhausted"],
            Until::Over,
            json!({"restartPolicy": "OnFailure", "containers": [{"name": "main",
                "image": local_kube::HOST_PYTHON, "command": ["false"]}]}),
            nothing(),
        ),
    ]
}
