//! A Pod's own virtual environment: a thin one on top of a shared one, so that what a job installs is its own.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// Larger than any script that an installer writes for a package's entry point.
const LARGEST_SCRIPT: u64 = 64 * 1024;

/// Makes the environment `own` unless it is there. Its interpreter sees the packages of `shared`.
pub(super) fn lay(own: &Path, shared: &Path) -> io::Result<()> {
    if own.exists() {
        return Ok(());
    }
    let making = own.with_extension("making");
    if making.exists() {
        fs::remove_dir_all(&making)?;
    }
    let packages = site_packages(shared)?;
    let within = packages.strip_prefix(shared).map_err(io::Error::other)?;
    let (bin, shared_bin) = (making.join("bin"), shared.join("bin"));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(making.join(within))?;
    if shared.join("lib64").exists() {
        symlink("lib", making.join("lib64"))?;
    }
    fs::copy(shared.join("pyvenv.cfg"), making.join("pyvenv.cfg"))?;
    // `addsitedir` also obeys the .pth files that packages bring.
    let path = serde_json::to_string(&packages.to_string_lossy())?;
    fs::write(
        making.join(within).join("shared-environment.pth"),
        format!("import site; site.addsitedir({path})\n"),
    )?;
    let shared_interpreter = shared_bin.join("python");
    for entry in fs::read_dir(&shared_bin)? {
        let entry = entry?;
        let (source, target) = (entry.path(), bin.join(entry.file_name()));
        let metadata = fs::metadata(&source)?;
        let script = fs::symlink_metadata(&source)?.is_file() && metadata.len() <= LARGEST_SCRIPT;
        match script.then(|| fs::read_to_string(&source)).and_then(Result::ok) {
            Some(script) => {
                let (theirs, ours) = (shared_bin.to_string_lossy(), own.join("bin"));
                fs::write(&target, script.replace(&*theirs, &ours.to_string_lossy()))?;
                fs::set_permissions(
                    &target,
                    fs::Permissions::from_mode(metadata.permissions().mode()),
                )?;
            }
            None if entry.file_name().to_string_lossy().starts_with("python") => {
                symlink(&shared_interpreter, &target)?;
            }
            None => symlink(&source, &target)?,
        }
    }
    fs::rename(making, own)
}

fn site_packages(environment: &Path) -> io::Result<PathBuf> {
    let candidates = fs::read_dir(environment.join("lib"))?.flatten();
    let mut found =
        candidates.map(|entry| entry.path().join("site-packages")).filter(|p| p.is_dir());
    found.next().ok_or_else(|| {
        io::Error::other(format!("{} holds no site-packages", environment.display()))
    })
}
