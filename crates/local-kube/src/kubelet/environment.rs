//! Virtual environments: one for each set of packages, made once and shared by the Pods that name the set.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use sha2::{Digest, Sha256};
use tokio::{process::Command, sync::OnceCell};

use super::python::Python;

pub(super) struct Environments {
    folder: PathBuf,
    python: OnceCell<Python>,
    /// What is being built, by digest, for all that wait for it.
    building: Mutex<HashMap<String, Build>>,
}

type Build = Shared<BoxFuture<'static, Result<PathBuf, String>>>;

impl Environments {
    pub(super) fn new(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { folder, python: OnceCell::new(), building: Mutex::default() })
    }

    pub(super) async fn python(&self) -> Result<&Python, String> {
        self.python.get_or_try_init(Python::find).await
    }

    /// The environment with these packages if there is one.
    pub(super) async fn existing(&self, packages: &[String]) -> Result<Option<PathBuf>, String> {
        let environment = self.folder.join(digest(self.python().await?, packages));
        Ok(complete(&environment).exists().then_some(environment))
    }

    /// Makes the environment with these packages, together with all that ask for it meanwhile.
    /// Once begun it is finished, also when nobody waits any more.
    pub(super) async fn make(self: &Arc<Self>, packages: &[String]) -> Result<PathBuf, String> {
        let python = self.python().await?.clone();
        let digest = digest(&python, packages);
        let build = {
            let mut building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
            building
                .entry(digest.clone())
                .or_insert_with(|| self.begin(python, digest, packages))
                .clone()
        };
        build.await
    }

    fn begin(self: &Arc<Self>, python: Python, digest: String, packages: &[String]) -> Build {
        let this = self.clone();
        let packages = packages.to_vec();
        let task = tokio::spawn(async move {
            let result = build(&this.folder.join(&digest), &python, &packages).await;
            this.building.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest);
            result
        });
        async move { task.await.unwrap_or_else(|error| Err(error.to_string())) }.boxed().shared()
    }
}

fn digest(python: &Python, packages: &[String]) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{} {:?}\n", python.executable.display(), python.version));
    hash.update(packages.join("\n"));
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The file that is written when an environment is complete.
fn complete(environment: &Path) -> PathBuf {
    environment.join("complete")
}

async fn build(
    environment: &Path,
    python: &Python,
    packages: &[String],
) -> Result<PathBuf, String> {
    let prepared = environment.to_owned();
    // Another kubelet may share the folder: the lock is held until the environment is complete.
    let _lock = tokio::task::spawn_blocking(move || prepare(&prepared))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("{} cannot be made: {error}", environment.display()))?;
    if complete(environment).exists() {
        return Ok(environment.to_owned());
    }
    let own_python = environment.join("bin/python");
    let uv = Command::new("uv").arg("--version").stdout(Stdio::null()).status().await.is_ok();
    if uv {
        let create: [&OsStr; 5] = [
            "venv".as_ref(),
            "--seed".as_ref(),
            "--python".as_ref(),
            python.executable.as_ref(),
            environment.as_ref(),
        ];
        installer("uv".as_ref(), &create).await?;
        if !packages.is_empty() {
            let install: [&OsStr; 5] = [
                "pip".as_ref(),
                "install".as_ref(),
                "--python".as_ref(),
                own_python.as_ref(),
                "--".as_ref(),
            ];
            installer("uv".as_ref(), &with(&install, packages)).await?;
        }
    } else {
        let create: [&OsStr; 3] = ["-m".as_ref(), "venv".as_ref(), environment.as_ref()];
        installer(python.executable.as_ref(), &create).await?;
        if !packages.is_empty() {
            let install = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input"];
            let install = install.iter().chain(&["--progress-bar=off", "--"]);
            let install: Vec<&OsStr> = install.map(|argument| argument.as_ref()).collect();
            installer(own_python.as_ref(), &with(&install, packages)).await?;
        }
    }
    fs::write(complete(environment), packages.join("\n")).map_err(|error| error.to_string())?;
    Ok(environment.to_owned())
}

/// Waits for the right to build, and clears away what an interrupted build has left.
fn prepare(environment: &Path) -> std::io::Result<fs::File> {
    fs::create_dir_all(environment.parent().unwrap_or(Path::new(".")))?;
    let lock = fs::File::create(environment.with_extension("lock"))?;
    lock.lock()?;
    if !complete(environment).exists() && environment.exists() {
        fs::remove_dir_all(environment)?;
    }
    Ok(lock)
}

fn with<'a>(arguments: &[&'a OsStr], packages: &'a [String]) -> Vec<&'a OsStr> {
    arguments.iter().copied().chain(packages.iter().map(OsStr::new)).collect()
}

/// Runs with the settings of the user (index, proxy, cache), which jobs do not see.
/// Its last words are the error.
async fn installer(program: &OsStr, arguments: &[&OsStr]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for misleading in
        ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"]
    {
        command.env_remove(misleading);
    }
    let output = command
        .output()
        .await
        .map_err(|error| format!("{} cannot be run: {error}", Path::new(program).display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(last_words(&String::from_utf8_lossy(&said)))
}

fn last_words(said: &str) -> String {
    let lines: Vec<&str> =
        said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n");
    let start = last.char_indices().rev().nth(1023).map_or(0, |(at, _)| at);
    last[start..].to_owned()
}
