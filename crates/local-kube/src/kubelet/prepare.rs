//! What a Pod needs before its first container starts, and what each container's process is started with.

use std::{collections::BTreeMap, fs, os::unix::fs::DirBuilderExt, path::PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod};

use super::{
    Kubelet, folder, layer,
    peers::Peers,
    ports,
    run::{Order, Run},
    variables::{self, Variables},
    volumes,
};
use crate::{PYTHON_PACKAGES, quantity::Quantity};

/// Where a container tells why it ended, unless it says otherwise.
const TOLD: &str = "/dev/termination-log";

pub(super) struct Prepared {
    volumes: BTreeMap<String, PathBuf>,
    environment: PathBuf,
    path: String,
}

/// Why a Pod's containers cannot be started yet.
pub(super) struct Unready {
    /// Of the containers' waiting state; a volume that cannot be mounted is told by its event alone.
    pub(super) reason: Option<&'static str>,
    pub(super) event: &'static str,
    pub(super) message: String,
}

impl From<tokio::task::JoinError> for Unready {
    fn from(error: tokio::task::JoinError) -> Self {
        Self { reason: Some("CreateContainerError"), event: "Failed", message: error.to_string() }
    }
}

/// The requirement specifiers that the Pod names.
pub(super) fn packages(pod: &Pod) -> Vec<String> {
    let named = pod.metadata.annotations.as_ref().and_then(|all| all.get(PYTHON_PACKAGES));
    let lines = named.map(String::as_str).unwrap_or_default().lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Makes folders, volumes and the environment. Doing it again changes nothing.
pub(super) async fn prepare(kubelet: &Kubelet, pod: &Pod) -> Result<Prepared, Unready> {
    let mount = |message| Unready { reason: None, event: "FailedMount", message };
    let create =
        |message| Unready { reason: Some("CreateContainerError"), event: "Failed", message };
    let own = folder::pod(&kubelet.options.dir, uid(pod));
    for name in ["home", "tmp", "work", "containers"] {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(own.join(name));
        made.map_err(|error| create(format!("{}: {error}", own.display())))?;
    }
    let volumes = volumes::prepare(kubelet, pod).await.map_err(mount)?;
    let packages = packages(pod);
    let shared = kubelet.environments.existing(&packages).await.map_err(create)?;
    let shared = match shared {
        Some(shared) => shared,
        None => kubelet.environments.make(&packages).await.map_err(|why| {
            create(format!(
                "the virtual environment with {} could not be made: {why}",
                listed(&packages)
            ))
        })?,
    };
    let environment = own.join("environment");
    layer::lay(&environment, &shared)
        .map_err(|error| create(format!("the virtual environment could not be made: {error}")))?;
    let path = kubelet.environments.python().await.map_err(create)?.path();
    Ok(Prepared { volumes, environment, path })
}

pub(super) fn listed(packages: &[String]) -> String {
    if packages.is_empty() { "no packages".to_owned() } else { packages.join(", ") }
}

/// What a container's supervisor is told; an error is the reason and message of its waiting state.
pub(super) async fn order(
    kubelet: &Kubelet,
    pod: &Pod,
    container: &Container,
    prepared: &Prepared,
    run: &Run,
) -> Result<Order, (&'static str, String)> {
    let config = |message| ("CreateContainerConfigError", message);
    if container.restart_policy.as_deref() == Some("Always") {
        return Err(config("the local cluster runs no restartable init containers".into()));
    }
    let mut variables = variables::resolve(&kubelet.client, pod, container, &kubelet.allocatable)
        .await
        .map_err(config)?;
    let given = container.command.iter().flatten().chain(container.args.iter().flatten());
    let mut argv: Vec<String> = given.map(|text| variables.expand(text)).collect();
    if argv.is_empty() {
        let image = container.image.as_deref().unwrap_or_default();
        return Err((
            "RunContainerError",
            format!("no command specified: {image:?} has no command of its own"),
        ));
    }
    let mut mounts = volumes::mounts(container, &prepared.volumes, |text| variables.expand(text))
        .map_err(config)?;
    let told = container.termination_message_path.clone();
    mounts.insert(0, (told.unwrap_or_else(|| TOLD.to_owned()), run.termination_message()));
    for (_, value) in variables.iter_mut() {
        *value = volumes::rewrite(value, &mounts);
    }
    for argument in &mut argv {
        *argument = volumes::rewrite(argument, &mounts);
    }
    let peers = Peers::of(pod, container);
    let wanted = peers.wanted(&variables, &argv);
    if !wanted.is_empty() {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let ports = ports::allocate(&kubelet.client, namespace, wanted);
        let ports = ports.await.map_err(|why| ("CreateContainerError", why))?;
        peers.rewrite(&ports, &mut variables, &mut argv);
    }
    let own = folder::pod(&kubelet.options.dir, uid(pod));
    let directory = match container.working_dir.as_deref().filter(|path| !path.is_empty()) {
        None => own.join("work"),
        Some(path) => match volumes::rewrite(path, &mounts) {
            rewritten if rewritten != path => rewritten.into(),
            path => volumes::within(&own.join("work"), path.trim_start_matches('/'))
                .map_err(|error| config(error.to_string()))?,
        },
    };
    fs::create_dir_all(&directory)
        .map_err(|error| ("CreateContainerError", format!("{}: {error}", directory.display())))?;
    surroundings(&mut variables, pod, prepared, &own);
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let memory = limits.and_then(|limits| Quantity::parse(&limits.get("memory")?.0));
    Ok(Order {
        argv,
        environment: variables.into_pairs(),
        directory,
        memory_limit: memory.and_then(|bytes| bytes.units().try_into().ok()),
        log_limit: kubelet.options.log_limit,
    })
}

/// What an image would bring, where the Pod does not say otherwise.
fn surroundings(variables: &mut Variables, pod: &Pod, prepared: &Prepared, own: &std::path::Path) {
    let spec = pod.spec.as_ref();
    let hostname = spec.and_then(|spec| spec.hostname.clone()).or(pod.metadata.name.clone());
    let shown = |path: PathBuf| path.to_string_lossy().into_owned();
    let bin = shown(prepared.environment.join("bin"));
    for (name, value) in [
        ("PATH", format!("{bin}:{}", prepared.path)),
        ("VIRTUAL_ENV", shown(prepared.environment.clone())),
        ("PYTHONUSERBASE", shown(own.join("home/.local"))),
        ("HOME", shown(own.join("home"))),
        ("TMPDIR", shown(own.join("tmp"))),
        ("HOSTNAME", hostname.unwrap_or_default()),
        ("LANG", "C.UTF-8".to_owned()),
    ] {
        if variables.get(name).is_none() {
            variables.set(name, value);
        }
    }
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}
