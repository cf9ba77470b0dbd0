//! Ending a cluster: exactly what was started for it, whoever still lives of it.

use std::{fs, path::Path, time::Duration};

use anyhow::bail;

use super::{keeper, ready, record::Record};

/// Longer than a keeper needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the cluster of the folder, also where its keeper was killed, and removes the folder.
pub(crate) fn down(folder: &Path) -> anyhow::Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    if let Some(record) = Record::read(folder)? {
        if let Some(keeper) = record.keeper {
            keeper.end(PATIENCE);
        }
        // Read again: the keeper may have started one until its end.
        if let Some(record) = Record::read(folder)? {
            keeper::end(&record);
            if let Some(process) = record.processes.iter().find(|it| it.is_alive()) {
                bail!("{} does not end", process.name);
            }
        }
    }
    fs::remove_dir_all(folder)?;
    Ok(true)
}

/// Waits until a keeper whose starter has let go of it has ended everything.
pub(super) fn wait_for_end(folder: &Path) -> anyhow::Result<()> {
    let Some(record) = Record::read(folder)? else { return Ok(()) };
    let gone = || record.keeper.is_none_or(|keeper| !keeper.is_alive()).then_some(());
    ready::until(PATIENCE, gone);
    // Where it did not, we do.
    if let Some(record) = Record::read(folder)? {
        keeper::end(&record);
    }
    Ok(())
}
