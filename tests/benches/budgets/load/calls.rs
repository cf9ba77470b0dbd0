//! What each reading call asks of the cluster, and how much longer it takes than the cluster itself.

use std::{collections::BTreeSet, time::Instant};

use anyhow::Context as _;
use kubeflow_mcp_core::{Caller, Persona, Policy, Progress, Server, ToolSet};
use kubeflow_mcp_tests::runtimes;
use serde_json::{Value, json};

use super::{
    FEW, Load, MANY, REAL, hollow,
    objects::{self, State},
    recording::{Recording, ask_again},
    served,
};
use crate::{Binary, Row, milliseconds};

const TIMES: usize = 21;
/// How much one request asks for.
const PAGE: usize = 500;
/// How many Pods `get_cluster_resources` looks at.
const MOST_PODS: usize = 20_000;

/// A server whose requests are written down.
pub(super) struct Measured<'a> {
    pub(super) load: &'a Load,
    pub(super) server: Server,
    pub(super) recording: Recording,
}

/// A call, and what it may cost.
struct Call {
    tool: &'static str,
    arguments: Value,
    requests: (&'static str, f64),
    time: (&'static str, f64),
}

pub(super) async fn measure(binary: &Binary, load: &Load) -> anyhow::Result<Vec<Row>> {
    let measured = Measured::new(load);
    measured.run_real_jobs().await?;
    measured.expect_no_log().await?;
    let mut rows = Vec::new();
    for call in calls(&measured).await? {
        rows.extend(measured.measure(binary, &call).await.context(call.requests.0)?);
    }
    rows.extend(measured.wait().await?);
    rows.extend(measured.diagnose(binary).await?);
    Ok(rows)
}

async fn calls(measured: &Measured<'_>) -> anyhow::Result<Vec<Call>> {
    let all = json!({"namespace": MANY, "limit": 100});
    let mut later = all.clone();
    later["cursor"] = measured.walk(&all).await?;
    let failed = json!({"namespace": MANY, "limit": 100, "status": "Failed",
                        "runtime": "torch-distributed"});
    let job = |name: &str| json!({"namespace": MANY, "name": name});
    let (running, suspended) = (job(&objects::name(0)), job(&objects::name(3)));
    let real = job(REAL);
    // Beside the job itself; what the cluster has told by itself may begin a page.
    let event_pages = measured.load.jobs / 2 / PAGE + 1;
    // Beside nodes and quotas.
    let pod_pages = measured.load.pods().min(MOST_PODS).div_ceil(PAGE);
    let call = |tool, arguments: &Value, requests, time| Call {
        tool,
        arguments: arguments.clone(),
        requests,
        time,
    };
    Ok(vec![
        call(
            "list_training_jobs",
            &all,
            ("first page of all jobs", 1.0),
            ("first page of all jobs, beyond the API's own time", 50.0),
        ),
        call(
            "list_training_jobs",
            &later,
            ("a later page", 1.0),
            ("a later page, beyond the API's own time", 50.0),
        ),
        call(
            "list_training_jobs",
            &failed,
            ("a page of failed jobs", 1.0),
            ("a page of failed jobs, beyond the API's own time", 50.0),
        ),
        call(
            "get_training_job",
            &running,
            ("a running job", 3.0),
            ("a running job, beyond the API's own time", 50.0),
        ),
        call(
            "get_training_job",
            &suspended,
            ("a suspended job", 3.0),
            ("a suspended job, beyond the API's own time", 50.0),
        ),
        call(
            "get_training_logs",
            &real,
            ("a log", 3.0),
            ("a log, beyond the API's own time", 50.0),
        ),
        call(
            "get_training_events",
            &real,
            ("events of a job, one of each page", 1.0 + event_pages as f64),
            ("events of a job, beyond the API's own time", 250.0),
        ),
        call(
            "get_cluster_resources",
            &json!({"namespace": MANY}),
            ("what the cluster has free, one of each page", 2.0 + pod_pages as f64),
            ("what the cluster has free, beyond the API's own time", 1_000.0),
        ),
    ])
}

impl<'a> Measured<'a> {
    pub(super) fn new(load: &'a Load) -> Self {
        let recording = Recording::default();
        let caller =
            Caller::new(recording.client(load.client()), Policy::of(Persona::PlatformAdmin));
        Self { load, server: Server::new(caller, &ToolSet::linked()), recording }
    }

    pub(super) async fn call(&self, tool: &str, arguments: &Value) -> anyhow::Result<Value> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        Ok(self.server.call(tool, arguments, Progress::default()).await?.value)
    }

    /// Jobs that really run, so that there are logs and events that nobody made up.
    async fn run_real_jobs(&self) -> anyhow::Result<()> {
        for namespace in [FEW, MANY] {
            runtimes::add_host(&self.load.client(), namespace).await;
            let job = json!({
                "namespace": namespace, "name": REAL, "runtime": "host",
                "script": "print('accuracy=0.93')", "confirmed": true,
            });
            self.call("run_custom_training", &job).await?;
            let wait = json!({"namespace": namespace, "name": REAL});
            let ended = self.call("wait_for_training", &wait).await?;
            anyhow::ensure!(ended["phase"] == "Succeeded", "a real job: {ended}");
        }
        Ok(())
    }

    /// The log of a Pod whose node nobody reaches.
    async fn expect_no_log(&self) -> anyhow::Result<()> {
        let job = json!({"namespace": MANY, "name": objects::name(0)});
        let answer = self.call("get_training_logs", &job).await?;
        let told = answer["notes"].to_string().contains("cannot read it from the Pod's node");
        anyhow::ensure!(told && answer["text"] == "", "{answer}");
        Ok(())
    }

    /// Reads all pages, expects every job once, and gives the cursor of the page in the middle.
    async fn walk(&self, all: &Value) -> anyhow::Result<Value> {
        let (mut page, mut cursors, mut seen) = (all.clone(), Vec::new(), BTreeSet::new());
        loop {
            let listed = self.call("list_training_jobs", &page).await?;
            for job in listed["jobs"].as_array().context("jobs")? {
                let name = job["name"].as_str().context("a name")?.to_owned();
                anyhow::ensure!(seen.insert(name), "{job} is on two pages");
            }
            let Some(cursor) = listed.get("next_cursor") else { break };
            cursors.push(cursor.clone());
            page["cursor"] = cursor.clone();
        }
        // The real one too.
        anyhow::ensure!(seen.len() == self.load.jobs + 1, "{} jobs were listed", seen.len());
        Ok(cursors.swap_remove(cursors.len() / 2))
    }

    /// Its requests; and how much longer a client waits for the served binary than for the same
    /// requests alone just before, as the median of many.
    async fn measure(&self, binary: &Binary, call: &Call) -> anyhow::Result<[Row; 2]> {
        // The first call may have to learn what the cluster serves.
        self.call(call.tool, &call.arguments).await?;
        self.recording.take();
        self.check(call, &self.call(call.tool, &call.arguments).await?)?;
        let requests = self.recording.take();
        let client = self.load.client();
        let mut server = served::start(binary, self.load)?;
        served::call(&mut server, call.tool, &call.arguments)?;
        let mut beyond = Vec::new();
        for _ in 0..TIMES {
            let begin = Instant::now();
            ask_again(&client, &requests).await?;
            let alone = milliseconds(begin.elapsed());
            let begin = Instant::now();
            served::call(&mut server, call.tool, &call.arguments)?;
            beyond.push(milliseconds(begin.elapsed()) - alone);
        }
        beyond.sort_by(f64::total_cmp);
        let (what, budget) = call.requests;
        let (what_time, budget_time) = call.time;
        Ok([
            Row { what, figure: requests.len() as f64, budget, unit: "requests" },
            Row {
                what: what_time,
                figure: beyond[TIMES / 2].max(0.0),
                budget: budget_time,
                unit: "ms",
            },
        ])
    }

    /// A quick answer that is wrong is none.
    fn check(&self, call: &Call, answer: &Value) -> anyhow::Result<()> {
        let right = match call.tool {
            "list_training_jobs" => {
                let jobs = answer["jobs"].as_array().context("jobs")?;
                let failed = call.arguments["status"] == "Failed";
                !jobs.is_empty() && (!failed || jobs.iter().all(|it| it["phase"] == "Failed"))
            }
            "get_training_job" if call.arguments["name"] == objects::name(3) => {
                answer["phase"] == format!("{:?}", State::Suspended)
            }
            "get_training_job" => {
                answer["phase"] == "Running"
                    && answer["steps"].as_array().is_some_and(|it| it.len() == objects::RANKS)
            }
            "get_training_logs" => answer["text"] == "accuracy=0.93",
            "get_training_events" => answer["events"].as_array().is_some_and(|it| it.len() >= 3),
            "get_cluster_resources" => {
                let told = answer["unseen"].to_string().contains("Pods beyond");
                let pods = self.load.pods();
                let free = hollow::free_cpus(pods.min(MOST_PODS));
                let nodes = answer["nodes"].as_array().context("nodes")?;
                let hollow = nodes.iter().find(|it| it["instance_type"] == hollow::KIND);
                told == (pods > MOST_PODS) && hollow.is_some_and(|it| it["free"]["cpu"] == free)
            }
            _ => false,
        };
        anyhow::ensure!(right, "{answer}");
        Ok(())
    }
}
