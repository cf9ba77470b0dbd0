//! The SQLite file that the objects outlive the process in.

use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Key, Object};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS objects (
        resource TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        json BLOB NOT NULL,
        PRIMARY KEY (resource, namespace, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS version (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL);
";

pub(crate) struct File(Connection);

impl File {
    pub(crate) fn at(path: &Path) -> Result<Self, rusqlite::Error> {
        Self::with(Connection::open(path)?)
    }

    pub(crate) fn in_memory() -> Result<Self, rusqlite::Error> {
        Self::with(Connection::open_in_memory()?)
    }

    fn with(connection: Connection) -> Result<Self, rusqlite::Error> {
        connection.execute_batch(SCHEMA)?;
        Ok(Self(connection))
    }

    pub(super) fn version(&self) -> Result<u64, rusqlite::Error> {
        let version: Option<u64> =
            self.0.query_row("SELECT version FROM version", [], |row| row.get(0)).optional()?;
        Ok(version.unwrap_or(0))
    }

    pub(super) fn objects(&self) -> Result<Vec<(String, Key, Object)>, rusqlite::Error> {
        let mut select =
            self.0.prepare("SELECT resource, namespace, name, version, json FROM objects")?;
        let rows = select.query_map([], |row| {
            let key = Key {
                namespace: row.get::<_, String>(1)?.into(),
                name: row.get::<_, String>(2)?.into(),
            };
            let json: Vec<u8> = row.get(4)?;
            let value = serde_json::from_slice(&json).map_err(|error| {
                let blob = rusqlite::types::Type::Blob;
                rusqlite::Error::FromSqlConversionFailure(4, blob, Box::new(error))
            })?;
            Ok((row.get(0)?, key, Object { value, json: Bytes::from(json), version: row.get(3)? }))
        })?;
        rows.collect()
    }

    pub(super) fn put(
        &mut self,
        resource: &str,
        key: &Key,
        object: &Object,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self.0.transaction()?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)")?
            .execute(params![
                resource,
                &*key.namespace,
                &*key.name,
                object.version,
                &*object.json
            ])?;
        count(&transaction, object.version)?;
        transaction.commit()
    }

    pub(super) fn remove(
        &mut self,
        resource: &str,
        key: &Key,
        version: u64,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self.0.transaction()?;
        transaction
            .prepare_cached(
                "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?",
            )?
            .execute(params![resource, &*key.namespace, &*key.name])?;
        count(&transaction, version)?;
        transaction.commit()
    }
}

/// Deletions count too, and leave no row that would say so.
fn count(connection: &Connection, version: u64) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO version VALUES (1, ?)")?
        .execute([version])?;
    Ok(())
}
