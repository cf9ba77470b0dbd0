//! A client that connects when it is first used.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use http::{Request, Response, StatusCode};
use hyper_util::client::legacy;
use kube::{
    Client, Config, Error,
    client::{AuthError, Body, ClientBuilder},
};
use tokio::time::timeout;
use tower::service_fn;

/// Longer than a credential plugin takes that asks nobody, and shorter than any question for which a
/// client is needed: this is the better reason.
const TIME_LIMIT: Duration = Duration::from_secs(8);

/// Why there is no client, for each of those who wait for it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConnectError(pub(crate) String);

type Connecting = Shared<BoxFuture<'static, Result<Client, ConnectError>>>;

/// How to get a client, and the one that was got.
struct Connection {
    connect: Box<dyn Fn() -> BoxFuture<'static, Result<Client, ConnectError>> + Send + Sync>,
    current: Mutex<Option<Connecting>>,
}

/// A client of the cluster that `config` describes. Nothing is asked of the cluster, and no
/// credential plugin runs, before the first request.
pub(crate) fn of_config(config: Config) -> Client {
    let namespace = config.default_namespace.clone();
    let connect = move || {
        let config = config.clone();
        // A credential plugin blocks its thread, and nothing can stop it there: all who need the
        // client wait for this one run of it.
        let built = tokio::task::spawn_blocking(move || {
            ClientBuilder::try_from(config).map(ClientBuilder::build).map_err(|it| explain(&it))
        });
        async move { built.await.map_err(|it| ConnectError(it.to_string()))? }.boxed()
    };
    lazily(connect, namespace, false)
}

/// A client that is made by `connect` when it is first used, and again after a failure. With
/// `moves`, also when nobody listens any more where it was connected to.
pub(crate) fn lazily(
    connect: impl Fn() -> BoxFuture<'static, Result<Client, ConnectError>> + Send + Sync + 'static,
    namespace: String,
    moves: bool,
) -> Client {
    let connection = Arc::new(Connection { connect: Box::new(connect), current: Mutex::default() });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { connection.send(request, moves).await }
    });
    Client::new(service, namespace)
}

impl Connection {
    async fn send(&self, request: Request<Body>, moves: bool) -> Result<Response<Body>, Error> {
        let again = if moves { copy(&request) } else { None };
        let answer = self.client().await?.send(request).await;
        match (answer, again) {
            // Nothing was sent, so even a write may be sent again.
            (Err(error), Some(request)) if is_refused(&error) => {
                self.forget();
                self.client().await?.send(request).await
            }
            (Ok(answer), _) => {
                // A credential may end before its time: the next request begins with another.
                if answer.status() == StatusCode::UNAUTHORIZED {
                    self.forget();
                }
                Ok(answer)
            }
            (Err(error), _) => Err(bare(error)),
        }
    }

    async fn client(&self) -> Result<Client, Error> {
        let connecting = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            current.get_or_insert_with(|| (self.connect)().shared()).clone()
        };
        let failure = match timeout(TIME_LIMIT, connecting).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(ConnectError(problem))) => {
                self.forget();
                problem
            }
            // It may still come to its end, for whoever asks next.
            Err(_) => format!("no credentials within {} s", TIME_LIMIT.as_secs()),
        };
        Err(Error::Auth(AuthError::AuthExec(failure)))
    }

    fn forget(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Service(error)
        if error.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect))
}

/// What a plugin printed may hold credentials: of its failure only standard error is told.
fn bare(error: Error) -> Error {
    let told = match &error {
        Error::Auth(AuthError::AuthExecRun { .. }) => Some(explain(&error)),
        Error::Service(inner) => match inner.downcast_ref::<AuthError>() {
            Some(AuthError::AuthExecRun { out, .. }) => Some(failed_run(out)),
            _ => None,
        },
        _ => None,
    };
    told.map_or(error, |it| Error::Auth(AuthError::AuthExec(it.0)))
}

fn explain(error: &Error) -> ConnectError {
    match error {
        Error::Auth(AuthError::AuthExecRun { out, .. }) => failed_run(out),
        Error::Auth(AuthError::AuthExecStart(error)) => {
            ConnectError(format!("the credential plugin could not be started: {error}"))
        }
        other => ConnectError(other.to_string()),
    }
}

fn failed_run(output: &std::process::Output) -> ConnectError {
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.lines().last().unwrap_or_default().chars().take(300).collect();
    ConnectError(format!("the credential plugin failed with {}: {said}", output.status))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::config::{AuthInfo, ExecConfig};

    use super::*;

    fn with_plugin(script: &str) -> Client {
        let mut config = Config::new("http://127.0.0.1:9".parse().unwrap());
        let exec: ExecConfig = serde_json::from_value(serde_json::json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", script],
            "interactiveMode": "Never",
        }))
        .unwrap();
        config.auth_info = AuthInfo { exec: Some(exec), ..AuthInfo::default() };
        of_config(config)
    }

    #[tokio::test]
    async fn a_failing_plugin_is_told_by_its_last_words_and_not_by_its_output() {
        let client = with_plugin("echo secret-token; echo you are logged out >&2; exit 3");
        let error = client.apiserver_version().await.unwrap_err().to_string();
        assert!(error.contains("failed with exit status: 3: you are logged out"), "{error}");
        assert!(!error.contains("secret-token"), "{error}");
    }

    #[tokio::test]
    async fn a_plugin_reads_nothing_of_our_input() {
        // `read` fails at the end of the input; with ours it would wait, or take what is not its own.
        let client = with_plugin("read line && exit 4; echo nothing to read >&2; exit 5");
        let error = client.apiserver_version().await.unwrap_err().to_string();
        assert!(error.contains("exit status: 5: nothing to read"), "{error}");
    }

    #[tokio::test]
    async fn all_who_wait_share_one_attempt_and_a_failed_one_is_made_again() {
        static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);
        let connect = || {
            async {
                tokio::task::yield_now().await;
                ATTEMPTS.fetch_add(1, Ordering::SeqCst);
                Err(ConnectError("not yet".to_owned()))
            }
            .boxed()
        };
        let client = lazily(connect, "default".to_owned(), false);
        let (one, other) = tokio::join!(client.apiserver_version(), client.apiserver_version());
        assert!(one.is_err() && other.is_err());
        let before = ATTEMPTS.load(Ordering::SeqCst);
        assert!(client.apiserver_version().await.is_err());
        assert_eq!(ATTEMPTS.load(Ordering::SeqCst), before + 1);
    }
}
