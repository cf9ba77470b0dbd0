//! Whose cluster it is that the server speaks to: a kubeconfig's context, or the Pod's own
//! ServiceAccount.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{
    Client, Config,
    config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError},
};

use crate::{connection, nearest::did_you_mean, proxy};

/// Long enough for a handshake across the world, short enough to wait for.
const CONNECT_TIME_LIMIT: Duration = Duration::from_secs(5);

/// A client of the cluster that the kubeconfig names, or of the one we run in. It connects when
/// it is first used; mistakes in the kubeconfig show here.
pub async fn client(file: Option<&Path>, context: Option<&str>) -> Result<Client, IdentityError> {
    Ok(connection::of_config(config(file, context).await?))
}

async fn config(file: Option<&Path>, context: Option<&str>) -> Result<Config, IdentityError> {
    let (paths, asked) = kubeconfigs(file);
    let present: Vec<PathBuf> =
        paths.iter().filter(|it| asked == Asked::Flag || it.exists()).cloned().collect();
    let mut config = if !present.is_empty() {
        from_files(&present, context).await?
    } else if asked == Asked::Variable {
        let paths = paths.iter().map(|it| it.display().to_string()).collect::<Vec<_>>();
        return Err(IdentityError::Variable(paths.join(", ")));
    } else if env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        from_pod()?
    } else {
        return Err(IdentityError::Nowhere);
    };
    // An answer that says "later" is asked again by whoever knows whether that is safe.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIME_LIMIT);
    Ok(config)
}

/// Who named the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Flag,
    Variable,
    Nobody,
}

fn kubeconfigs(file: Option<&Path>) -> (Vec<PathBuf>, Asked) {
    if let Some(file) = file {
        return (vec![file.to_owned()], Asked::Flag);
    }
    let named: Vec<PathBuf> = env::var_os("KUBECONFIG")
        .iter()
        .flat_map(env::split_paths)
        .filter(|it| !it.as_os_str().is_empty())
        .collect();
    if !named.is_empty() {
        return (named, Asked::Variable);
    }
    (env::home_dir().map(|it| it.join(".kube/config")).into_iter().collect(), Asked::Nobody)
}

async fn from_files(paths: &[PathBuf], context: Option<&str>) -> Result<Config, IdentityError> {
    let mut kubeconfig = Kubeconfig::default();
    for path in paths {
        let read = Kubeconfig::read_from(path).map_err(|it| IdentityError::of_file(path, &it))?;
        kubeconfig = kubeconfig.merge(read).map_err(|it| IdentityError::of_file(path, &it))?;
    }
    let file = paths.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ");
    let known = || kubeconfig.contexts.iter().map(|it| it.name.as_str());
    let Some(context) = context.or(kubeconfig.current_context.as_deref()) else {
        return Err(IdentityError::NoContext { file, known: list(known()) });
    };
    if !known().any(|it| it == context) {
        let (guess, known) = (did_you_mean(context, known()), list(known()));
        return Err(IdentityError::Context { file, context: context.to_owned(), guess, known });
    }
    for user in &mut kubeconfig.auth_infos {
        // Standard input belongs to the protocol, and nobody sits at it.
        if let Some(exec) = user.auth_info.as_mut().and_then(|it| it.exec.as_mut()) {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    let options =
        KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let own_proxy = own_proxy(&kubeconfig, context);
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|it| IdentityError::of_context(&file, &it))?;
    // kube asks NO_PROXY about the proxy and not about the cluster.
    config.proxy_url = match own_proxy {
        Some(url) => Some(proxy::parse(&url).map_err(|problem| IdentityError::Kubeconfig {
            file,
            problem: format!("proxy-url {problem}"),
        })?),
        None => proxy::from_environment(&config.cluster_url).map_err(IdentityError::Proxy)?,
    };
    Ok(config)
}

fn from_pod() -> Result<Config, IdentityError> {
    let mut config = Config::incluster().map_err(|it| IdentityError::InCluster(it.to_string()))?;
    config.proxy_url =
        proxy::from_environment(&config.cluster_url).map_err(IdentityError::Proxy)?;
    Ok(config)
}

/// The proxy that the kubeconfig itself names for the context's cluster.
fn own_proxy(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let context = kubeconfig.contexts.iter().find(|it| it.name == context)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|it| it.name == context.cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|it| !it.is_empty())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn problem(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::LoadClusterOfContext(cluster) => {
            format!("the context's cluster {cluster:?} is not in it")
        }
        KubeconfigError::LoadCertificateAuthority(LoadDataError::ReadFile(error, path)) => {
            format!("the certificate authority {} could not be read: {error}", path.display())
        }
        other => other.to_string(),
    }
}

/// Why there is no client, and so no server.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("could not read the kubeconfig {file}: {problem}")]
    Read { file: String, problem: String },
    #[error("{file}:{line}: not a kubeconfig: {problem}")]
    Syntax { file: String, line: u64, problem: String },
    #[error(
        "the kubeconfig {file} names no current context: choose one with --context, known are {known}"
    )]
    NoContext { file: String, known: String },
    #[error("context {context:?} is not in the kubeconfig {file}{guess}, known are {known}")]
    Context { file: String, context: String, guess: String, known: String },
    #[error("the kubeconfig {file} cannot be used: {problem}")]
    Kubeconfig { file: String, problem: String },
    #[error("KUBECONFIG names no file that exists: {0}")]
    Variable(String),
    #[error("the Pod's own ServiceAccount cannot be used: {0}")]
    InCluster(String),
    #[error("the proxy of the environment cannot be used: {0}")]
    Proxy(String),
    #[error(
        "NO_PROXY is {value:?}, which cannot be used beside a proxy: {problem}; write hosts, addresses and networks with one comma between two of them, and none at the end"
    )]
    NoProxy { value: String, problem: String },
    #[error(
        "no cluster: there is no kubeconfig at ~/.kube/config, KUBECONFIG is not set, and this is no Pod; name one with --kubeconfig FILE, or use --local"
    )]
    Nowhere,
}

impl IdentityError {
    fn of_context(file: &str, error: &KubeconfigError) -> Self {
        match error {
            // Not the file's mistake.
            KubeconfigError::ParseNoProxy(error) => Self::NoProxy {
                value: proxy::exceptions().unwrap_or_default(),
                problem: error.to_string(),
            },
            other => Self::Kubeconfig { file: file.to_owned(), problem: problem(other) },
        }
    }

    fn of_file(path: &Path, error: &KubeconfigError) -> Self {
        let file = path.display().to_string();
        match error {
            KubeconfigError::Parse(error) => {
                let text = error.without_snippet().to_string();
                let problem = text.rsplit_once(" at line ").map_or(&*text, |(it, _)| it);
                let line = error.location().map_or(1, |it| it.line());
                Self::Syntax { file, line, problem: problem.to_owned() }
            }
            KubeconfigError::ReadConfig(error, _) => {
                Self::Read { file, problem: error.to_string() }
            }
            other => Self::Kubeconfig { file, problem: other.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const SOUND: &str = "\
apiVersion: v1
kind: Config
current-context: dev
contexts:
- {name: dev, context: {cluster: near, user: me, namespace: team-a}}
- {name: production, context: {cluster: far, user: me}}
clusters:
- {name: near, cluster: {server: 'https://near.example:6443', proxy-url: 'http://gate.example:3128'}}
users:
- {name: me, user: {exec: {command: aws, interactiveMode: IfAvailable}}}
";

    async fn load(text: &str, context: Option<&str>) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, text).unwrap();
        let loaded = config(Some(&file), context).await;
        loaded.map_err(|it| it.to_string().replace(&*file.to_string_lossy(), "FILE"))
    }

    async fn check_mistake(text: &str, context: Option<&str>, expected: Expect) {
        expected.assert_eq(&load(text, context).await.unwrap_err());
    }

    #[tokio::test]
    async fn mistakes_are_named() {
        check_mistake(
            "apiVersion: v1\ncontexts: [\n- x",
            None,
            expect![[r#"FILE:3: not a kubeconfig: "-" is only valid inside a block"#]],
        )
        .await;
        check_mistake(
            "apiVersion: v1\nclusters: none\n",
            None,
            expect!["FILE:2: not a kubeconfig: expected sequence start"],
        )
        .await;
        check_mistake(SOUND, Some("prod"), expect![[r#"context "prod" is not in the kubeconfig FILE (did you mean "production"?), known are dev, production"#]]).await;
        check_mistake(
            SOUND,
            Some("production"),
            expect![[
                r#"the kubeconfig FILE cannot be used: the context's cluster "far" is not in it"#
            ]],
        )
        .await;
        check_mistake("", None, expect!["the kubeconfig FILE names no current context: choose one with --context, known are none"]).await;
        check_mistake(&SOUND.replace("https://near", "near:\\x"), None, expect!["the kubeconfig FILE cannot be used: failed to parse cluster url: invalid uri character"]).await;
        check_mistake(&SOUND.replace("http://gate", "gopher://gate"), None, expect![[r#"the kubeconfig FILE cannot be used: proxy-url has the scheme "gopher", known are http, https and socks5"#]]).await;
        let missing = config(Some(Path::new("/nowhere/config")), None).await.unwrap_err();
        expect![
            "could not read the kubeconfig /nowhere/config: No such file or directory (os error 2)"
        ]
        .assert_eq(&missing.to_string());
    }

    #[tokio::test]
    async fn a_context_is_loaded_with_its_proxy_and_nothing_that_asks_the_user() {
        let config = load(SOUND, None).await.unwrap();
        assert_eq!(config.default_namespace, "team-a");
        assert_eq!(config.proxy_url.unwrap(), "http://gate.example:3128");
        let exec = config.auth_info.exec.unwrap();
        assert_eq!(exec.interactive_mode, Some(ExecInteractiveMode::Never));
        assert!(!config.default_retry);
    }
}
