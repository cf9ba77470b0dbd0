//! The listener, as a kube client and a plain TCP client see it.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use http_body_util::StreamBody;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use std::sync::Arc;

use super::*;

/// Answers with who asks, what path and how long a body; never ends on `/watch`.
async fn echo(user: UserInfo, request: Request<Bytes>) -> Response<EchoBody> {
    let path = request.uri().path();
    let line = format!("{} {path} {}\n", user.username, request.body().len());
    let first = futures::stream::iter([Ok(http_body::Frame::data(Bytes::from(line)))]);
    let body: EchoBody = match path {
        "/watch" => {
            StreamBody::new(Box::pin(futures::StreamExt::chain(first, futures::stream::pending())))
        }
        _ => StreamBody::new(Box::pin(first)),
    };
    Response::new(body)
}

type Frame = Result<http_body::Frame<Bytes>, std::convert::Infallible>;
type EchoBody = StreamBody<std::pin::Pin<Box<dyn futures::Stream<Item = Frame> + Send>>>;

async fn client(kubeconfig: &str) -> kube::Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

async fn get(kubeconfig: &str, path: &str) -> kube::Result<String> {
    client(kubeconfig).await.request_text(Request::get(path).body(Vec::new()).unwrap()).await
}

#[tokio::test]
async fn each_token_is_its_user_and_others_are_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let listener = listen(dir.path(), Arc::default(), echo).await.unwrap();
    assert!(listener.addr.ip().is_loopback());
    assert_eq!(get(&listener.kubeconfig, "/api").await.unwrap(), "kubernetes-admin /api 0\n");

    let ann = UserInfo { username: "ann".into(), ..UserInfo::default() };
    let token = listener.token(ann);
    assert_eq!(get(&listener.kubeconfig_for(&token), "/api").await.unwrap(), "ann /api 0\n");

    let refused = get(&listener.kubeconfig_for("guess"), "/api").await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));
}

#[tokio::test]
async fn a_restart_keeps_certificates_token_and_port() {
    let dir = tempfile::tempdir().unwrap();
    let first = listen(dir.path(), Arc::default(), echo).await.unwrap();
    let (kubeconfig, addr) = (first.kubeconfig.clone(), first.addr);
    drop(first);
    // The port is free once the accepting task has ended.
    while tokio::net::TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let second = listen(dir.path(), Arc::default(), echo).await.unwrap();
    assert_eq!(second.kubeconfig, kubeconfig);
    assert!(get(&kubeconfig, "/").await.is_ok());
    for file in ["token", "tls.key", "ca.crt"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_watch_arrives_before_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let listener = listen(dir.path(), Arc::default(), echo).await.unwrap();
    let request = Request::get("/watch").body(Vec::new()).unwrap();
    let lines = client(&listener.kubeconfig).await.request_stream(request).await.unwrap();
    let mut first = [0; 17];
    futures::AsyncReadExt::read_exact(&mut std::pin::pin!(lines), &mut first).await.unwrap();
    assert_eq!(&first, b"kubernetes-admin ");
}

#[tokio::test]
async fn too_large_a_body_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let listener = listen(dir.path(), Arc::default(), echo).await.unwrap();
    let request = Request::post("/api").body(vec![b'x'; MOST_BYTES + 1]).unwrap();
    let refused = client(&listener.kubeconfig).await.request_text(request).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!(status.code, 413);
}

#[tokio::test]
async fn without_tls_there_is_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let listener = listen(dir.path(), Arc::default(), echo).await.unwrap();
    let mut stream = TcpStream::connect(listener.addr).await.unwrap();
    stream.write_all(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended =
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok());
    assert!(!String::from_utf8_lossy(&answer).contains("200"));
}
