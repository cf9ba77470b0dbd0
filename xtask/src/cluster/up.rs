//! Bringing a cluster up: building, starting, installing, and waiting until all of it serves.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{
    down,
    keeper::{self, Hold},
    kubectl::Kubectl,
    manifests::{self, Reach},
    modules::{self, Generation},
    processes::{self, Plan},
    ready,
    record::Record,
    users,
};

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(180);

/// A cluster that serves. It is ended when this is dropped, or when this process ends.
pub(crate) struct Running(Hold);

impl Running {
    /// Lets the cluster outlive this process.
    pub(super) fn let_go(self) -> anyhow::Result<()> {
        self.0.let_go()
    }
}

/// Starts a cluster in a folder where none runs.
pub(super) fn up(folder: &Path, trainer: Generation) -> anyhow::Result<Running> {
    let programs = modules::programs(trainer)?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("logs"))?;
    let start = Instant::now();
    let plan = processes::plan(folder, &programs)?;
    users::write_kubeconfigs(&plan.authority, folder)?;
    let record = Record {
        folder: folder.into(),
        kubeconfig: plan.kubeconfig.clone(),
        kubectl: programs.control_plane.join("kubectl"),
        modules: modules::installed(trainer)?,
        keeper: None,
        processes: plan.processes.clone(),
    };
    record.write()?;
    let running = Running(keeper::spawn(folder)?);
    let starting = Starting { folder, kubectl: Kubectl::of(&record), start };
    if let Err(error) = starting.all(&plan, &record) {
        drop(running);
        down::wait_for_end(folder)?;
        let logs = folder.join("logs");
        return Err(error.context(format!("nothing is left running; logs in {}", logs.display())));
    }
    Ok(running)
}

struct Starting<'a> {
    folder: &'a Path,
    kubectl: Kubectl,
    start: Instant,
}

impl Starting<'_> {
    fn all(&self, plan: &Plan, record: &Record) -> anyhow::Result<()> {
        self.begin("etcd")?;
        self.serves("etcd")?;
        self.begin("kube-apiserver")?;
        // While it starts.
        let mut manifests = manifests::read(&self.kubectl, self.folder, &record.modules)?;
        manifests
            .reach_webhooks(&Reach { ports: &plan.webhooks, authority: &plan.authority.pem() })?;
        self.serves("kube-apiserver")?;
        self.begin("kube-controller-manager")?;
        self.begin("kube-scheduler")?;
        self.apply(&manifests.base)?;
        self.apply(&users::objects())?;
        self.kubectl("wait --for=condition=Established customresourcedefinitions --all")?;
        self.say("kinds, roles and users");
        self.begin("jobset")?;
        self.begin("trainer")?;
        self.begin("kubelet")?;
        self.begin("katib")?;
        for name in
            ["kube-controller-manager", "kube-scheduler", "jobset", "trainer", "kubelet", "katib"]
        {
            self.serves(name)?;
        }
        self.apply(&manifests.webhooks)?;
        self.apply(&manifests.runtimes)?;
        self.say("webhooks and runtimes");
        self.accepts_training_jobs()?;
        self.say("a TrainJob would be accepted");
        let ready = format!("wait --for=condition=Ready node/{} --timeout=180s", processes::NODE);
        self.kubectl(&ready)?;
        self.say("the Node is ready");
        Ok(())
    }

    fn begin(&self, name: &str) -> anyhow::Result<()> {
        keeper::start(self.folder, name)
    }

    fn serves(&self, name: &str) -> anyhow::Result<()> {
        serves(self.folder, name)?;
        self.say(name);
        Ok(())
    }

    fn apply(&self, objects: &[serde_json::Value]) -> anyhow::Result<()> {
        self.kubectl.with_objects("apply --server-side --force-conflicts", objects)
    }

    fn kubectl(&self, arguments: &str) -> anyhow::Result<()> {
        crate::shell::output(&mut self.kubectl.command(arguments)).map(drop)
    }

    /// Defaulting and validation answer, for an object like those of the tests.
    fn accepts_training_jobs(&self) -> anyhow::Result<()> {
        let job = json!({
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": { "name": "is-anybody-there", "namespace": "default" },
            "spec": { "runtimeRef": { "name": "torch-distributed" } },
        });
        let mut refused = None;
        let accepted = ready::until(PATIENCE, || {
            let answer =
                self.kubectl.with_objects("create --dry-run=server", std::slice::from_ref(&job));
            refused = answer.err();
            refused.is_none().then_some(())
        });
        match (accepted, refused) {
            (None, Some(error)) => Err(error.context("a TrainJob is refused")),
            _ => Ok(()),
        }
    }

    fn say(&self, what: &str) {
        println!("{:>6.1} s  {what}", self.start.elapsed().as_secs_f64());
    }
}

/// Waits until the process answers.
pub(super) fn serves(folder: &Path, name: &str) -> anyhow::Result<()> {
    let kubectl = Kubectl::of(&read(folder)?);
    let answer = ready::until(PATIENCE, || match alive(folder, name) {
        Ok(url) => ready::answers(&url, &kubectl).then_some(Ok(())),
        Err(error) => Some(Err(error)),
    });
    answer.unwrap_or_else(|| {
        let (seconds, lines) = (PATIENCE.as_secs(), read(folder)?.process(name)?.last_lines(10));
        bail!("{name} does not serve after {seconds} s; the last lines of its log:\n{lines}")
    })
}

/// Where a process that has not ended answers.
fn alive(folder: &Path, name: &str) -> anyhow::Result<String> {
    let record = read(folder)?;
    let process = record.process(name)?;
    if let Some(ended) = &process.ended {
        let lines = process.last_lines(10);
        bail!("{name} has ended ({ended}); the last lines of its log:\n{lines}");
    }
    Ok(process.ready.clone())
}

fn read(folder: &Path) -> anyhow::Result<Record> {
    Record::read(folder)?.context("the cluster was taken down")
}
