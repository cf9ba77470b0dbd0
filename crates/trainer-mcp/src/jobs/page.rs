//! One page of training jobs, for one request to the API server.

use kube::{
    ResourceExt as _,
    api::ListParams,
    core::{ObjectList, Request},
};
use kubeflow_mcp_core::{Caller, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TrainingJobs;
use crate::{
    api::{GROUP, TRAIN_JOBS, TrainJob},
    phase::{Phase, Standing},
};

/// The most that one request asks for: memory stays the same however many jobs there are.
const CHUNK: u32 = 500;

/// A job in a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Value")]
pub(super) struct Row {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<i32>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// Why it cannot be read; get_training_job cannot either.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    NewestFirst,
    /// There are too many to sort them by time.
    ByName,
}

pub(super) struct Page {
    rows: Vec<Row>,
    cursor: Option<Cursor>,
    /// Where the API server goes on, if it has more.
    token: Option<String>,
    remaining: Option<i64>,
}

/// Where a page starts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    /// After the job of this time and name, newest first.
    After { created: String, name: String },
    /// At this row of the chunk that the token leads to.
    Chunk { skip: usize, token: Option<String> },
}

impl Page {
    pub(super) async fn read(
        caller: &Caller,
        namespace: &str,
        cursor: Option<&str>,
    ) -> Result<Self> {
        let given = cursor.unwrap_or_default();
        let cursor = cursor.map(Cursor::parse).transpose()?;
        let mut params = ListParams::default().limit(CHUNK);
        if let Some(Cursor::Chunk { token: Some(token), .. }) = &cursor {
            params = params.continue_token(token);
        }
        let path = format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{}", TRAIN_JOBS.plural);
        let request = Request::new(path).list(&params).map_err(kube::Error::BuildRequest)?;
        let found: Result<ObjectList<Row>, _> = caller.client().request(request).await;
        let found = match found {
            Err(kube::Error::Api(status))
                if params.continue_token.is_some() && [400, 410].contains(&status.code) =>
            {
                return Err(Cursor::stale(given));
            }
            found => found?,
        };
        let token = found.metadata.continue_.filter(|it| !it.is_empty());
        if token.is_some() && matches!(cursor, Some(Cursor::After { .. })) {
            return Err(Cursor::stale(given)); // meanwhile there are too many to sort
        }
        Ok(Self {
            rows: found.items,
            cursor,
            token,
            remaining: found.metadata.remaining_item_count,
        })
    }

    pub(super) fn answer(self, wanted: impl Fn(&Row) -> bool, limit: usize) -> TrainingJobs {
        match (&self.cursor, &self.token) {
            (Some(Cursor::Chunk { .. }), _) | (None, Some(_)) => self.by_name(wanted, limit),
            (Some(Cursor::After { .. }) | None, _) => self.newest_first(wanted, limit),
        }
    }

    fn newest_first(mut self, wanted: impl Fn(&Row) -> bool, limit: usize) -> TrainingJobs {
        self.rows.retain(wanted);
        let total = self.rows.len();
        // Times as the API server writes them are of equal length, and so in order as text.
        self.rows.sort_by(|one, other| {
            other.created.cmp(&one.created).then_with(|| one.name.cmp(&other.name))
        });
        if let Some(Cursor::After { created, name }) = &self.cursor {
            self.rows
                .retain(|it| it.created < *created || it.created == *created && it.name > *name);
        }
        let more = self.rows.len() > limit;
        self.rows.truncate(limit);
        let next = self.rows.last().filter(|_| more);
        let next =
            next.map(|it| Cursor::After { created: it.created.clone(), name: it.name.clone() });
        TrainingJobs {
            next_cursor: next.map(|it| it.to_string()),
            jobs: self.rows,
            order: Order::NewestFirst,
            total: Some(total),
            looked_at: None,
            remaining: None,
        }
    }

    fn by_name(self, wanted: impl Fn(&Row) -> bool, limit: usize) -> TrainingJobs {
        let (skip, token) = match self.cursor {
            Some(Cursor::Chunk { skip, token }) => (skip, token),
            _ => (0, None),
        };
        let size = self.rows.len();
        let mut jobs = Vec::new();
        let mut next = None;
        for (index, row) in self.rows.into_iter().enumerate().skip(skip) {
            if jobs.len() == limit {
                next = Some(Cursor::Chunk { skip: index, token: token.clone() });
                break;
            }
            jobs.extend(Some(row).filter(&wanted));
        }
        let seen = next.as_ref().map_or(size, |it| match it {
            Cursor::Chunk { skip, .. } => *skip,
            Cursor::After { .. } => size,
        });
        let unseen = i64::try_from(size - seen).unwrap_or_default();
        let next = next.or(self.token.map(|it| Cursor::Chunk { skip: 0, token: Some(it) }));
        TrainingJobs {
            jobs,
            order: Order::ByName,
            total: None,
            looked_at: Some(seen.saturating_sub(skip)),
            remaining: self.remaining.or((unseen > 0).then_some(0)).map(|it| it + unseen),
            next_cursor: next.map(|it| it.to_string()),
        }
    }
}

impl From<Value> for Row {
    fn from(object: Value) -> Self {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let (name, created) =
            (text(&object["metadata"]["name"]), text(&object["metadata"]["creationTimestamp"]));
        match TrainJob::deserialize(object) {
            Ok(job) => Self::of(&job),
            Err(error) => {
                Self { name, created, problem: Some(error.to_string()), ..Self::default() }
            }
        }
    }
}

impl Row {
    fn of(job: &TrainJob) -> Self {
        let end = job.end();
        Self {
            name: job.name_any(),
            phase: Some(Standing::now(job, &[]).phase),
            runtime: Some(job.spec.runtime_ref.name.clone()),
            nodes: job.spec.trainer.as_ref().and_then(|it| it.num_nodes),
            created: job.creation_timestamp().map(|it| it.0.to_string()).unwrap_or_default(),
            ended: end.map(|it| it.last_transition_time.0.to_string()),
            problem: None,
        }
    }
}

impl Cursor {
    fn parse(text: &str) -> Result<Self> {
        let parsed = match text.split_once('/') {
            Some(("after", rest)) => rest.split_once('/').map(|(created, name)| Self::After {
                created: created.to_owned(),
                name: name.to_owned(),
            }),
            Some(("chunk", rest)) => rest.split_once('/').and_then(|(skip, token)| {
                let skip = skip.parse().ok().filter(|it| *it < CHUNK as usize)?;
                let token = Some(token).filter(|it| !it.is_empty()).map(str::to_owned);
                Some(Self::Chunk { skip, token })
            }),
            _ => None,
        };
        parsed.ok_or_else(|| {
            Error::value("cursor", text, "must be the next_cursor of an earlier page, unchanged")
        })
    }

    fn stale(given: &str) -> Error {
        Error::value("cursor", given, "which is too old: start again without it")
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::After { created, name } => write!(formatter, "after/{created}/{name}"),
            Self::Chunk { skip, token } => {
                write!(formatter, "chunk/{skip}/{}", token.as_deref().unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests;
