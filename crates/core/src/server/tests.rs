//! The server as its clients see it, in both eras, with a cluster that is well or is not.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use expect_test::expect;
use rmcp::{
    ClientHandler, ClientServiceExt as _, RoleClient,
    model::{
        CallToolRequestParams, CallToolResult, PaginatedRequestParams, ProgressNotificationParam,
        ProtocolVersion, SubscriptionFilter,
    },
    service::{ClientLifecycleMode, NotificationContext, RunningService},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    Server,
    fake::{Fake, Mood, TOYS},
};
use crate::Persona;

const SETS: &[&crate::ToolSet] = &[&crate::TOOL_SET, &TOYS];
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
enum Era {
    Legacy,
    Modern,
}

/// A client that keeps what it is told.
#[derive(Clone)]
struct Told {
    changed: mpsc::UnboundedSender<()>,
    progress: mpsc::UnboundedSender<ProgressNotificationParam>,
}

impl ClientHandler for Told {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.changed.send(());
    }

    async fn on_progress(
        &self,
        step: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.progress.send(step);
    }
}

struct Session {
    client: RunningService<RoleClient, Told>,
    changed: mpsc::UnboundedReceiver<()>,
    progress: mpsc::UnboundedReceiver<ProgressNotificationParam>,
    served: tokio::task::JoinHandle<()>,
}

impl Session {
    async fn new(fake: &Fake, era: Era) -> Self {
        let server = Server::new(fake.caller(Persona::DataScientist), SETS);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(theirs);
        let served = tokio::spawn(async move { server.serve_client(input, output).await.unwrap() });
        let ((changed, changes), (progress, steps)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let told = Told { changed, progress };
        let lifecycle = match era {
            Era::Legacy => ClientLifecycleMode::Initialize,
            Era::Modern => {
                let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
                ClientLifecycleMode::Discover { preferred_versions }
            }
        };
        let client = told.serve_with_lifecycle(ours, lifecycle).await.unwrap();
        Self { client, changed: changes, progress: steps, served }
    }

    async fn names(&self) -> Vec<String> {
        let tools = self.client.list_all_tools().await.unwrap();
        tools.into_iter().map(|it| it.name.into_owned()).collect()
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let arguments = arguments.as_object().unwrap().clone();
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        self.client.call_tool(call).await.unwrap()
    }

    /// The error that the agent reads.
    async fn fails(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!((result.is_error, &result.structured_content), (Some(true), &None));
        serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap()
    }
}

const ALL: [&str; 5] = ["health_check", "list_widgets", "make_widgets", "panic", "wait"];
const NEEDING_NOTHING: [&str; 3] = ["health_check", "panic", "wait"];

#[tokio::test]
async fn clients_of_both_eras_list_and_call() {
    for era in [Era::Legacy, Era::Modern] {
        let session = Session::new(&Fake::default(), era).await;
        assert_eq!(session.names().await, ALL, "{era:?}");
        let result = session.call("list_widgets", json!({})).await;
        assert_eq!(result.structured_content, Some(json!({"count": 0})), "{era:?}");
        assert_eq!(result.content[0].as_text().unwrap().text, "count: 0");
        let info = session.client.peer_info().unwrap();
        let server = serde_json::to_value(&*info).unwrap();
        assert!(server.to_string().contains("kubeflow-mcp"), "{server}");
    }
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol() {
    let session = Session::new(&Fake::default(), Era::Legacy).await;
    let error = session.client.call_tool(CallToolRequestParams::new("list_widget")).await;
    expect![[r#"Mcp error: -32602: no tool named "list_widget" (did you mean "list_widgets"?)"#]]
        .assert_eq(&error.unwrap_err().to_string());
}

#[tokio::test]
async fn what_is_not_confirmed_is_rehearsed() {
    let fake = Fake::default();
    let session = Session::new(&fake, Era::Modern).await;
    let preview = session.call("make_widgets", json!({"name": "w"})).await;
    let content = preview.structured_content.unwrap();
    assert_eq!((&content["name"], &content["preview"]), (&json!("w"), &json!(true)));
    let text = &preview.content[0].as_text().unwrap().text;
    assert!(
        text.contains(
            r#"call make_widgets with the same arguments, "name": "w" and "confirmed": true"#
        ),
        "{text}"
    );

    let done = session.call("make_widgets", json!({"name": "w", "confirmed": true})).await;
    let done = done.structured_content.unwrap();
    assert_eq!(done["preview"], json!(false));
    assert_eq!(done["digest"], content["digest"], "confirming does not change what is asked for");
    let other = session.call("make_widgets", json!({"name": "x"})).await;
    assert_ne!(other.structured_content.unwrap()["digest"], content["digest"]);
    let path = "POST /apis/toys.kubeflow.org/v1/namespaces/team/widgets?";
    assert_eq!(
        *fake.asked.lock().unwrap(),
        [
            format!("{path}&dryRun=All"),
            // A tool that makes several objects is rehearsed as a whole before it is done.
            format!("{path}&dryRun=All"),
            path.to_owned(),
            format!("{path}&dryRun=All"),
        ]
    );
    let wrong = session.fails("make_widgets", json!({"name": "w", "confirmed": "yes"})).await;
    assert_eq!(wrong["code"], "invalid_argument");
}

#[tokio::test]
async fn a_hidden_tool_says_why() {
    let fake = Fake::default();
    *fake.verbs.lock().unwrap() = vec!["list"];
    let session = Session::new(&fake, Era::Legacy).await;
    assert_eq!(session.names().await, ["health_check", "list_widgets", "panic", "wait"]);
    expect![[r#"{"code":"forbidden","hint":"ask a cluster administrator for a role that grants it","message":"you may not create widgets.toys.kubeflow.org in team"}"#]]
        .assert_eq(&session.fails("make_widgets", json!({"name": "a"})).await.to_string());
    let health = session.call("health_check", json!({})).await.structured_content.unwrap();
    assert_eq!(
        health["hidden"],
        json!([{"why": "you may not create widgets.toys.kubeflow.org in team", "tools": ["make_widgets"]}])
    );
    assert_eq!(health["components"], json!([{"name": "toys", "installed": true, "version": "v1"}]));
    assert_eq!(health["user"], "ann");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_hangs_keeps_no_list_waiting() {
    let fake = Fake::default();
    fake.set(Mood::Hangs);
    let session = Session::new(&fake, Era::Modern).await;
    let asked = Instant::now();
    assert_eq!(session.names().await, NEEDING_NOTHING);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_begins_to_hang_leaves_what_was_known() {
    let fake = Fake::default();
    let session = Session::new(&fake, Era::Legacy).await;
    assert_eq!(session.names().await, ALL);
    fake.set(Mood::Hangs);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = Instant::now();
    assert_eq!(session.names().await, ALL);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_made_up_cursor_is_refused() {
    let session = Session::new(&Fake::default(), Era::Modern).await;
    let page = PaginatedRequestParams::default().with_cursor(Some("made-up".to_owned()));
    let error = session.client.list_tools(Some(page)).await.unwrap_err().to_string();
    assert!(error.contains("-32602") && error.contains("cursor"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_cluster_is_told() {
    for (mood, expected) in [
        (Mood::Fails(500), "told to fail with 500"),
        (Mood::Fails(401), "told to fail with 401"),
        (Mood::Closes, "the API server cannot be reached: connection reset"),
        (Mood::Starts, "its API server is not ready"),
    ] {
        let fake = Fake::default();
        fake.set(mood);
        let session = Session::new(&fake, Era::Legacy).await;
        assert_eq!(session.names().await, NEEDING_NOTHING, "{mood:?}");
        let health = session.call("health_check", json!({})).await.structured_content.unwrap();
        assert_eq!(health["problem"], expected);
        assert_eq!(health["components"], json!([{"name": "toys"}]));
        assert_eq!(session.fails("list_widgets", json!({})).await["code"], "unreachable");
        fake.set(Mood::Well);
        let widgets = session.call("list_widgets", json!({})).await.structured_content;
        assert_eq!(widgets, Some(json!({"count": 0})), "{mood:?}");
    }
}

#[tokio::test]
async fn a_read_survives_a_stumble_and_a_write_is_never_sent_twice() {
    let fake = Fake::default();
    let session = Session::new(&fake, Era::Modern).await;
    assert_eq!(session.names().await, ALL);
    fake.set(Mood::Stumbles(2));
    let result = session.call("list_widgets", json!({})).await;
    assert_eq!(result.structured_content, Some(json!({"count": 0})));
    assert_eq!(fake.asked.lock().unwrap().len(), 3);

    fake.asked.lock().unwrap().clear();
    fake.set(Mood::Fails(503));
    let error = session.fails("make_widgets", json!({"name": "w", "confirmed": true})).await;
    assert_eq!(error["code"], "unavailable");
    assert_eq!(fake.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn clients_are_told_when_their_tools_change() {
    let fake = Fake::default();
    let mut legacy = Session::new(&fake, Era::Legacy).await;
    let modern = Session::new(&fake, Era::Modern).await;
    let mut stream = modern
        .client
        .listen(SubscriptionFilter::builder().tools_list_changed().build())
        .await
        .unwrap();
    assert_eq!(legacy.names().await, ALL);
    assert_eq!(modern.names().await, ALL);
    fake.widgets.send_replace(false);
    timeout(PATIENCE, legacy.changed.recv()).await.expect("the legacy client is told");
    let told = timeout(PATIENCE, stream.next()).await.expect("the modern client is told");
    assert!(matches!(told, Ok(Some(_))), "{told:?}");
    assert_eq!(legacy.names().await, NEEDING_NOTHING);
    assert_eq!(modern.names().await, NEEDING_NOTHING);
    let error = modern.fails("list_widgets", json!({})).await;
    assert_eq!(error["message"], "widgets.toys.kubeflow.org is not installed in this cluster");
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_watch_definitions_is_told_by_and_by() {
    let fake = Fake::default();
    fake.secretive.store(true, Ordering::Relaxed);
    let mut session = Session::new(&fake, Era::Legacy).await;
    assert_eq!(session.names().await, ALL);
    fake.widgets.send_replace(false);
    timeout(Duration::from_secs(70), session.changed.recv()).await.expect("a minute is enough");
    assert_eq!(session.names().await, NEEDING_NOTHING);
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let session = Session::new(&Fake::default(), Era::Modern).await;
    assert_eq!(session.fails("panic", json!({})).await["code"], "internal");
    assert_eq!(session.names().await, ALL);
}

#[tokio::test]
async fn long_work_is_told_and_ends_when_the_client_hangs_up() {
    let fake = Fake::default();
    let mut session = Session::new(&fake, Era::Legacy).await;
    let peer = session.client.peer().clone();
    let call =
        tokio::spawn(async move { peer.call_tool(CallToolRequestParams::new("wait")).await });
    let first = timeout(PATIENCE, session.progress.recv()).await.unwrap().unwrap();
    assert_eq!(first.message.as_deref(), Some("HF_TOKEN=[redacted] waits"));
    let second = timeout(PATIENCE, session.progress.recv()).await.unwrap().unwrap();
    assert!(second.progress > first.progress);
    session.client.cancel().await.unwrap();
    timeout(PATIENCE, session.served).await.unwrap().unwrap();
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn a_cancelled_call_lets_go_of_the_cluster_at_once() {
    for era in [Era::Legacy, Era::Modern] {
        let fake = Fake::default();
        let session = Session::new(&fake, era).await;
        assert_eq!(session.names().await, ALL);
        fake.set(Mood::Hangs);
        let peer = session.client.peer().clone();
        let call = tokio::spawn(async move {
            peer.call_tool(CallToolRequestParams::new("list_widgets")).await
        });
        let waiting = async |count| {
            while fake.waiting.receiver_count() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, waiting(1)).await.expect("the call waits");
        call.abort();
        timeout(Duration::from_secs(5), waiting(0)).await.expect("the call waits no more");
        fake.set(Mood::Well);
        assert_eq!(session.names().await, ALL);
    }
}

#[tokio::test]
async fn malformed_messages_are_answered_or_skipped_and_the_server_goes_on() {
    let server = Server::new(Fake::default().caller(Persona::Readonly), SETS);
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(theirs);
    let served = tokio::spawn(async move { server.serve_client(input, output).await });
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {},
        "clientInfo": {"name": "old", "version": "0"}}});
    let lines = [
        hello.to_string(),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        "this is not JSON".to_owned(),
        r#"{"jsonrpc":"2.0","id":2,"method":"no/such/method"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":4,"method":"prompts/list"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#.to_owned(),
    ];
    ours.write_all((lines.join("\n") + "\n").as_bytes()).await.unwrap();
    ours.shutdown().await.unwrap();
    let mut said = String::new();
    timeout(PATIENCE, ours.read_to_string(&mut said)).await.unwrap().unwrap();
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
    let mut answers: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.sort_by_key(|it| it["id"].as_u64());
    let code = |id: u64| answers.iter().find(|it| it["id"] == id).map(|it| &it["error"]["code"]);
    assert_eq!(
        answers.iter().find(|it| it["id"] == 1).unwrap()["result"]["protocolVersion"],
        "2024-11-05"
    );
    assert_eq!(code(2), Some(&json!(-32601)));
    assert_eq!(code(3), Some(&json!(-32602)));
    assert_eq!(code(4), Some(&json!(-32601)));
    let list = &answers.iter().find(|it| it["id"] == 5).unwrap()["result"];
    assert_eq!(list["tools"].as_array().unwrap().len(), 4);
    assert_eq!((&list["ttlMs"], &list["resultType"]), (&Value::Null, &Value::Null));
}

/// What must not happen: that a client which leaves breaks what it has begun.
#[tokio::test]
async fn a_confirmed_write_is_carried_through_when_the_client_leaves() {
    let fake = Fake::default();
    let session = Session::new(&fake, Era::Legacy).await;
    assert_eq!(session.names().await, ALL);
    fake.set(Mood::Hangs);
    let peer = session.client.peer().clone();
    tokio::spawn(async move {
        let arguments = json!({"name": "w", "confirmed": true}).as_object().unwrap().clone();
        peer.call_tool(CallToolRequestParams::new("make_widgets").with_arguments(arguments)).await
    });
    let asked = Arc::clone(&fake.asked);
    timeout(PATIENCE, async {
        while asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    session.client.cancel().await.unwrap();
    fake.set(Mood::Well);
    timeout(PATIENCE, session.served).await.unwrap().unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked[0].ends_with("dryRun=All") && asked[1].ends_with("widgets?"), "{asked:?}");
}
