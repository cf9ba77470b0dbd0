//! Where things stand in the kubelet's folder.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// One folder for each Pod, gone with the Pod.
pub(super) fn pods(dir: &Path) -> PathBuf {
    dir.join("pods")
}

pub(super) fn pod(dir: &Path, uid: &str) -> PathBuf {
    pods(dir).join(uid)
}

pub(super) fn runs(dir: &Path, uid: &str, container: &str) -> PathBuf {
    pod(dir, uid).join("containers").join(container)
}

pub(super) fn run(dir: &Path, uid: &str, container: &str, attempt: u32) -> PathBuf {
    runs(dir, uid, container).join(attempt.to_string())
}

/// One folder for each PersistentVolumeClaim, gone with the claim.
pub(super) fn claims(dir: &Path) -> PathBuf {
    dir.join("claims")
}

/// What a folder holds, nothing if it does not exist.
pub(super) fn names(folder: &Path) -> HashSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
