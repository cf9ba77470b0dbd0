//! A copy of the sources as they are now, committed or not. What is built of it shares the target
//! folder, and so what was built of other people's crates; our own are built anew.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::patch::Patch;
use crate::shell;

pub(super) struct Copy(PathBuf);

impl Copy {
    /// Brings the copy of the last time up to date: what has not changed need not be built again.
    pub(super) fn make() -> anyhow::Result<Self> {
        let root = shell::target().join("mutations/sources");
        fs::create_dir_all(&root)?;
        let wanted: BTreeSet<PathBuf> = shell::sources()?.into_iter().map(PathBuf::from).collect();
        for file in &wanted {
            let (from, to) = (shell::root().join(file), root.join(file));
            let content = fs::read(&from).with_context(|| from.display().to_string())?;
            if fs::read(&to).ok().as_ref() != Some(&content) {
                fs::create_dir_all(to.parent().unwrap_or(&root))?;
                fs::write(&to, content).with_context(|| to.display().to_string())?;
            }
        }
        remove_others(&root, Path::new(""), &wanted)?;
        Ok(Self(root))
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    /// Applies a patch, or takes it back. Whether that could be done.
    pub(super) fn apply(&self, patch: &Patch, back: bool) -> anyhow::Result<bool> {
        let mut git = shell::command("git");
        git.current_dir(&self.0)
            // The copy is no part of the repository that it may lie in.
            .env("GIT_CEILING_DIRECTORIES", self.0.parent().unwrap_or(&self.0))
            .arg("apply")
            .args(back.then_some("--reverse"))
            .arg(&patch.file);
        Ok(git.status().context("cannot start git")?.success())
    }
}

fn remove_others(root: &Path, folder: &Path, wanted: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(root, &path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
