//! Training jobs outlive whoever is killed, and none is started twice.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, ObjectMeta, PostParams},
};
use kubeflow_mcp_core::client::{McpClient, Reply};
use serde_json::{Value, json};

use crate::home::{Home, kill, lives, until};

async fn serve(home: &Home) -> McpClient {
    let mut command = tokio::process::Command::from(home.command(&["serve", "--local"]));
    McpClient::start(&mut command).await.unwrap()
}

async fn answer(client: &McpClient, tool: &str, arguments: &Value) -> Reply {
    let arguments = arguments.as_object().unwrap().clone();
    client.call(tool, arguments, |_| {}).await.unwrap()
}

async fn call(client: &McpClient, tool: &str, arguments: Value) -> Value {
    let reply = answer(client, tool, &arguments).await;
    assert!(!reply.failed, "{tool} {arguments}: {}", reply.text);
    reply.value
}

async fn wait(client: &McpClient, name: &str) -> Value {
    let arguments = json!({"name": name, "timeout_seconds": 60});
    call(client, "wait_for_training", arguments).await
}

/// A job that notes its process in `started`, and ends with an exit code when it finds one in `end`.
struct Held {
    name: &'static str,
    runtime: &'static str,
    started: PathBuf,
    end: PathBuf,
}

impl Held {
    fn new(home: &Home, name: &'static str, runtime: &'static str) -> Self {
        let file = |what: &str| home.0.path().join(format!("{name}-{what}"));
        Self { name, runtime, started: file("started"), end: file("end") }
    }

    fn submission(&self) -> Value {
        let script = format!(
            r#"import os, sys, time
print("training", flush=True)
with open({started:?}, "a") as note:
    print(os.getpid(), file=note)
while not os.path.exists({end:?}):
    time.sleep(0.02)
print("accuracy=0.75")
sys.exit(int(open({end:?}).read()))
"#,
            started = self.started,
            end = self.end,
        );
        json!({"name": self.name, "runtime": self.runtime, "script": script, "confirmed": true})
    }

    async fn begin(&self, client: &McpClient) -> u32 {
        call(client, "run_custom_training", self.submission()).await;
        until("the job runs", async || read(&self.started).ends_with('\n')).await;
        read(&self.started).trim().parse().unwrap()
    }

    fn end(&self, code: i32) {
        // At once with its content: the job waits for the name.
        let draft = self.end.with_extension("draft");
        std::fs::write(&draft, code.to_string()).unwrap();
        std::fs::rename(draft, &self.end).unwrap();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn a_job_goes_on_when_its_client_leaves_and_another_server_finds_it() {
    let home = Home::new();
    let job = Held::new(&home, "digits", "python");
    let client = serve(&home).await;
    let process = job.begin(&client).await;
    client.close().await.unwrap();
    assert!(lives(process));

    let client = serve(&home).await;
    let found = call(&client, "get_training_job", json!({"name": "digits"})).await;
    assert_eq!(found["phase"], "Running", "{found}");
    job.end(0);
    let ended = wait(&client, "digits").await;
    assert_eq!(ended["phase"], "Succeeded", "{ended}");
    assert_eq!(ended["metrics"]["accuracy"], "0.75", "{ended}");
    client.close().await.unwrap();
}

/// Adds a runtime whose jobs fail at once, instead of trying again.
async fn add_strict_runtime(home: &Home) {
    let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "ClusterTrainingRuntime");
    let kind = ApiResource::from_gvk(&kind);
    let runtimes: Api<DynamicObject> = Api::all_with(home.client().await, &kind);
    let mut strict = runtimes.get("python").await.unwrap();
    strict.metadata = ObjectMeta {
        name: Some("strict".to_owned()),
        labels: strict.metadata.labels,
        ..ObjectMeta::default()
    };
    let job = &mut strict.data["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"];
    job["backoffLimit"] = json!(0);
    job["template"]["spec"]["restartPolicy"] = json!("Never");
    runtimes.create(&PostParams::default(), &strict).await.unwrap();
}

#[tokio::test]
async fn what_happened_while_the_daemon_was_dead_is_known_afterwards() {
    let home = Home::new();
    let long = Held::new(&home, "long", "strict");
    let short = Held::new(&home, "short", "strict");
    home.start();
    add_strict_runtime(&home).await;
    let client = serve(&home).await;
    let (long_process, short_process) = (long.begin(&client).await, short.begin(&client).await);
    client.close().await.unwrap();
    kill(home.serving().unwrap());
    short.end(3);
    until("the short job has ended", async || !lives(short_process)).await;
    assert!(lives(long_process));

    let client = serve(&home).await;
    let ended = wait(&client, "short").await;
    assert_eq!((&ended["phase"], &ended["pods"][0]["exit_code"]), (&json!("Failed"), &json!(3)));
    let log = call(&client, "get_training_logs", json!({"name": "short"})).await;
    assert_eq!(log["text"], "training\naccuracy=0.75", "{log}");
    let running = call(&client, "get_training_job", json!({"name": "long"})).await;
    assert_eq!(running["phase"], "Running", "{running}");
    assert_eq!(read(&long.started).trim(), long_process.to_string(), "it was started once");
    client.close().await.unwrap();
}

/// Counts the objects that belong to a job, kind by kind.
async fn parts(home: &Home, name: &str) -> Vec<usize> {
    let client = home.client().await;
    let mut counts = Vec::new();
    for (group, version, kind) in [
        ("trainer.kubeflow.org", "v1alpha1", "TrainJob"),
        ("jobset.x-k8s.io", "v1alpha2", "JobSet"),
        ("batch", "v1", "Job"),
        ("", "v1", "Pod"),
    ] {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &kind);
        let found = api.list(&ListParams::default()).await.unwrap().items;
        let named = |it: &&DynamicObject| it.metadata.name.as_deref().unwrap().starts_with(name);
        counts.push(found.iter().filter(named).count());
    }
    counts
}

/// A job that leaves a line each time that it runs.
fn noting(home: &Home, name: &str) -> (PathBuf, Value) {
    let note = home.0.path().join(name);
    let script = format!("with open({note:?}, \"a\") as note:\n    print(\"ran\", file=note)\n");
    (note, json!({"name": name, "script": script, "confirmed": true}))
}

async fn check_made_once(home: &Home, client: &McpClient, name: &str, note: &Path) {
    let ended = wait(client, name).await;
    assert_eq!(ended["phase"], "Succeeded", "{name}: {ended}");
    assert_eq!(read(note), "ran\n", "{name} ran once");
    assert_eq!(parts(home, name).await, [1, 1, 1, 1], "{name}");
}

/// Moments from before anything is done until after all is: more of them at first, when most is done.
fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    (0..10).map(move |part| whole * part * part / 64)
}

/// How long it takes here to start a server and submit a job, and how long the job then takes, so
/// that others can be killed in the middle.
async fn measured(home: &Home) -> (Duration, Duration) {
    home.start();
    let since = Instant::now();
    let client = serve(home).await;
    let (note, submission) = noting(home, "measured");
    call(&client, "run_custom_training", submission).await;
    let submitted = since.elapsed();
    check_made_once(home, &client, "measured", &note).await;
    client.close().await.unwrap();
    (submitted, since.elapsed() - submitted)
}

#[tokio::test]
async fn the_same_call_makes_one_job_wherever_its_server_was_killed() {
    let home = Home::new();
    let (submission, _) = measured(&home).await;
    for (index, moment) in moments(submission).enumerate() {
        let name = format!("server-{index}");
        let (note, submission) = noting(&home, &name);
        let mut server = home.command(&["serve", "--local"]);
        let mut server = server.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let messages = [
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "test", "version": "0"}}}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
                "params": {"name": "run_custom_training", "arguments": submission}}),
        ];
        let lines: String = messages.iter().map(|it| format!("{it}\n")).collect();
        server.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
        tokio::time::sleep(moment).await;
        server.kill().unwrap();
        server.wait().unwrap();

        let client = serve(&home).await;
        call(&client, "run_custom_training", submission).await;
        check_made_once(&home, &client, &name, &note).await;
        client.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_same_call_makes_one_job_wherever_the_daemon_was_killed() {
    let home = Home::new();
    let (_, job) = measured(&home).await;
    let client = serve(&home).await;
    for (index, moment) in moments(job).enumerate() {
        let name = format!("daemon-{index}");
        let (note, submission) = noting(&home, &name);
        let daemon = home.start();
        // It may succeed or fail: nobody can know what was carried out.
        let killed = async {
            tokio::time::sleep(moment).await;
            kill(daemon);
        };
        tokio::join!(answer(&client, "run_custom_training", &submission), killed);
        home.start();
        call(&client, "run_custom_training", submission).await;
        check_made_once(&home, &client, &name, &note).await;
    }
    client.close().await.unwrap();
}
