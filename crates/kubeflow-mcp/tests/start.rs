//! How a server starts, or says why it does not, and what it makes of lines that are no messages.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// A server that reads these lines, until its client hangs up.
fn serve(words: &[&str], lines: &[u8]) -> Output {
    let mut server = Command::new(env!("CARGO_BIN_EXE_kubeflow-mcp"))
        .arg("serve")
        .args(words)
        .env_remove("KUBECONFIG")
        .env("KUBEFLOW_MCP_LOG", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A server that has stopped already reads nothing more.
    let _ = server.stdin.take().unwrap().write_all(lines);
    server.wait_with_output().unwrap()
}

const KUBECONFIG: &str = "\
current-context: dev
contexts:
- {name: dev, context: {cluster: near, user: me}}
clusters:
- {name: near, cluster: {server: 'http://127.0.0.1:9'}}
users:
- {name: me, user: {}}
";

#[test]
fn a_mistake_in_what_it_is_given_stops_the_start_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let sound = write("sound", KUBECONFIG);
    let torn = write("torn", "apiVersion: v1\ncontexts: [\n- x");
    let policy = write("policy", "persona: readonly\ntool: {deny: ['delete_*']}\n");
    for (words, told) in [
        (vec!["--kubeconfig", &torn], vec!["torn:3: not a kubeconfig"]),
        (vec!["--kubeconfig", "/nowhere"], vec!["/nowhere", "No such file"]),
        (
            vec!["--kubeconfig", &sound, "--context", "deb"],
            vec!["context \"deb\"", "did you mean \"dev\"?"],
        ),
        (
            vec!["--kubeconfig", &sound, "--policy-file", &policy],
            vec!["policy:2", "unknown key \"tool\" (did you mean \"tools\"?)"],
        ),
        (vec!["--kubeconfig", &sound, "--persona", "admin"], vec!["platform-admin"]),
    ] {
        let output = serve(&words, b"");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{words:?}: {said}");
        for part in told {
            assert!(said.contains(part), "{words:?}: {part} is not in {said}");
        }
    }
    let output = serve(&["--kubeconfig", &sound], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn lines_that_are_no_messages_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    std::fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"}}})
    .to_string();
    let deep = "[".repeat(100_000);
    let lines: [&[u8]; 12] = [
        hello.as_bytes(),
        br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        b"",
        b"\xff\xfe\x00",
        br#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"#,
        br#"{"id":3}"#,
        br#"[1, null, {}]"#,
        br#"{"jsonrpc":"1.0","id":4,"method":"tools/list"}"#,
        br#"{"jsonrpc":"2.0","id":{"a":1},"method":"tools/list"}"#,
        br#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"health_check","arguments":[]}}"#,
        deep.as_bytes(),
        br#"{"jsonrpc":"2.0","id":6,"method":"ping"}"#,
    ];
    let mut input = lines.join(&b'\n');
    input.push(b'\n');
    let output = serve(&["--kubeconfig", kubeconfig.to_str().unwrap()], &input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answer = |id: u64| answers.iter().find(|it| it["id"] == id);
    assert_eq!(answer(1).unwrap()["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(answer(5).unwrap()["error"]["code"], -32602, "{answers:?}");
    assert_eq!(answer(6).unwrap()["result"], json!({}), "{answers:?}");
}
