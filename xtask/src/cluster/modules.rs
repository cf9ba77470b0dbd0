//! The Go modules that the cluster is built from, and the programs built from them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::processes::Programs;
use crate::shell;

/// A module, as Go has unpacked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Module {
    pub(super) version: String,
    pub(super) dir: PathBuf,
}

/// What the control plane is built from.
const CONTROL_PLANE: &str = "control-plane";
/// Which Trainer's controller runs and whose API is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Generation {
    /// With `runtimePatches`.
    #[value(name = "v2.3")]
    Newest,
    /// With `podTemplateOverrides`.
    #[value(name = "v2.1")]
    Older,
}

impl Generation {
    /// What its controller, and JobSet's of its time, are built from.
    fn controllers(self) -> Tools {
        match self {
            Self::Newest => Tools::in_folder("controllers", "the controllers"),
            Self::Older => Tools::in_folder("controllers-v2.1", "the older controllers"),
        }
    }
}

/// Whose version the control plane's programs say they are.
const KUBERNETES: &str = "k8s.io/kubernetes";
/// Whose manifests are installed.
const INSTALLED: [&str; 2] = ["github.com/kubeflow/trainer/v2", "sigs.k8s.io/jobset"];

/// Builds what is missing of the cluster's programs.
pub(super) fn programs(trainer: Generation) -> anyhow::Result<Programs> {
    Ok(Programs {
        control_plane: control_plane()?,
        controllers: trainer.controllers().built("")?,
        ours: ours()?,
    })
}

/// The folder with Kubernetes' own programs, built if need be.
pub(super) fn control_plane() -> anyhow::Result<PathBuf> {
    let tools = Tools::in_folder(CONTROL_PLANE, "Kubernetes' control plane and kubectl");
    tools.built(&version_flags(&tools.requires(KUBERNETES)?))
}

/// The folder with our kubelet, its supervisor and our components, built if need be.
fn ours() -> anyhow::Result<PathBuf> {
    for programs in [
        "local-kube --bin local-kube-kubelet --bin local-kube-supervisor",
        "kubeflow-mcp-tests --bin component",
    ] {
        shell::run(&mut shell::cargo(&format!("build --quiet --package {programs}")))?;
    }
    Ok(shell::target().join("debug"))
}

/// The modules whose manifests are installed.
pub(super) fn installed(trainer: Generation) -> anyhow::Result<BTreeMap<String, Module>> {
    trainer.controllers().modules(&INSTALLED)
}

/// Without them the programs say a version that no client can read.
fn version_flags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let flag = |name, value| format!("-X k8s.io/component-base/version.{name}={value}");
    [flag("gitVersion", version), flag("gitMajor", major), flag("gitMinor", minor)].join(" ")
}

/// A folder with a go.mod file whose tools are programs of the cluster.
struct Tools {
    folder: PathBuf,
    /// What its programs are, for the person who waits for them.
    about: &'static str,
}

impl Tools {
    fn in_folder(name: &str, about: &'static str) -> Self {
        Self { folder: shell::root().join("tests/real").join(name), about }
    }

    /// The folder with the programs, built if they are not there yet.
    fn built(&self, stamp: &str) -> anyhow::Result<PathBuf> {
        let wanted = self.hash()?;
        let folder = shell::target().join("real/bin").join(wanted);
        if folder.is_dir() {
            return Ok(folder);
        }
        println!("building {} (minutes, when Go's caches are empty)", self.about);
        let start = Instant::now();
        let part = folder.with_extension(format!("part-{}", std::process::id()));
        let flags = format!("-s -w {}", stamp);
        shell::run(
            shell::command("go")
                .current_dir(&self.folder)
                .env("CGO_ENABLED", "0")
                .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
                // With the slash, Go makes the folder.
                .arg(part.join(""))
                .arg("tool"),
        )
        .context("Go 1.24 or newer builds the real cluster's programs")?;
        // The name tells that it is whole; another call may have been faster.
        if fs::rename(&part, &folder).is_err() {
            fs::remove_dir_all(&part)?;
            ensure!(folder.is_dir(), "cannot make {}", folder.display());
        }
        println!("built in {:.1} s", start.elapsed().as_secs_f64());
        Ok(folder)
    }

    /// Where a module lies that these programs are built from, by the last word of its path.
    fn modules(&self, paths: &[&str]) -> anyhow::Result<BTreeMap<String, Module>> {
        let listed = shell::output(
            shell::command("go")
                .current_dir(&self.folder)
                .args(["mod", "download", "-json"])
                .args(paths),
        )?;
        let modules = read_modules(&listed)?;
        ensure!(modules.len() == paths.len(), "go knows not all of {}", paths.join(", "));
        Ok(modules)
    }

    fn hash(&self) -> anyhow::Result<String> {
        Ok(hash(&[&self.read("go.mod")?, &self.read("go.sum")?]))
    }

    /// The version of a module that its go.mod file states.
    fn requires(&self, module: &str) -> anyhow::Result<String> {
        let file = self.read("go.mod")?;
        let mut versions = file.lines().filter_map(|line| line.trim().strip_prefix(module));
        let version = versions.find_map(|rest| rest.strip_prefix(" v")?.split(' ').next());
        Ok(format!("v{}", version.with_context(|| format!("go.mod does not require {module}"))?))
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = self.folder.join(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }
}

/// Names what is built from these files: 16 hexadecimal digits.
fn hash(files: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(file.len().to_le_bytes());
        hasher.update(file);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn read_modules(listed: &str) -> anyhow::Result<BTreeMap<String, Module>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        path: String,
        version: String,
        dir: PathBuf,
    }
    serde_json::Deserializer::from_str(listed)
        .into_iter::<Listed>()
        .map(|module| {
            let Listed { path, version, dir } = module?;
            Ok((last_word(&path).to_owned(), Module { version, dir }))
        })
        .collect()
}

/// `trainer` of `github.com/kubeflow/trainer/v2`.
fn last_word(path: &str) -> &str {
    let major =
        |word: &str| word.starts_with('v') && word[1..].chars().all(|it| it.is_ascii_digit());
    path.rsplit('/').find(|word| !major(word)).unwrap_or(path)
}

/// The path as an argument.
pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::{hash, last_word, read_modules};

    #[test]
    fn the_hash_tells_any_change_in_either_file() {
        let of = |module: &str, sum: &str| hash(&[module, sum]);
        assert_eq!(of("a", "b"), of("a", "b"));
        assert_eq!(of("a", "b").len(), 16);
        for other in [of("a", "c"), of("c", "b"), of("ab", ""), of("", "ab")] {
            assert_ne!(of("a", "b"), other);
        }
    }

    #[test]
    fn modules_are_named_by_the_last_word_of_their_paths() {
        let listed = r#"{"Path": "github.com/kubeflow/trainer/v2", "Version": "v2.3.0", "Dir": "/t"}
            {"Path": "sigs.k8s.io/jobset", "Version": "v0.12.0", "Dir": "/j", "Sum": "x"}"#;
        let modules = read_modules(listed).unwrap();
        assert_eq!(modules["trainer"].version, "v2.3.0");
        assert_eq!(modules["jobset"].dir.to_str(), Some("/j"));
        assert_eq!(last_word("k8s.io/kubernetes"), "kubernetes");
    }
}
