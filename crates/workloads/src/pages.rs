//! One page of a list of objects, for one request to the API server.

use kube::{
    Client,
    api::ListParams,
    core::{ObjectList, Request},
};
use kubeflow_mcp_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

/// The most that one request asks for: memory stays the same however many objects there are.
const CHUNK: u32 = 500;

/// An object in a list.
pub trait Row: Clone + DeserializeOwned {
    fn name(&self) -> &str;
    /// As the API server writes it: of equal length, and so in order as text.
    fn created(&self) -> &str;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    NewestFirst,
    /// There are too many to sort them by time.
    ByName,
}

/// What was read for a page.
pub struct Page<R> {
    rows: Vec<R>,
    cursor: Option<Cursor>,
    /// Where the API server goes on, if it has more.
    token: Option<String>,
    remaining: Option<i64>,
}

/// What is shown of it.
#[derive(Debug)]
pub struct Listed<R> {
    pub rows: Vec<R>,
    /// How all pages are sorted.
    pub order: Order,
    /// How many match, where all could be looked at.
    pub total: Option<usize>,
    /// How many were looked at for this page, where there are more.
    pub looked_at: Option<usize>,
    /// How many come after those, as the API server estimates it.
    pub remaining: Option<i64>,
    pub next_cursor: Option<String>,
}

/// Where a page starts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    /// After the object of this time and name, newest first.
    After { created: String, name: String },
    /// At this row of the chunk that the token leads to.
    Chunk { skip: usize, token: Option<String> },
}

impl<R: Row> Page<R> {
    /// `path` is that of the kind in its namespace.
    pub async fn read(client: &Client, path: String, cursor: Option<&str>) -> Result<Self> {
        let given = cursor.unwrap_or_default();
        let cursor = cursor.map(Cursor::parse).transpose()?;
        let mut params = ListParams::default().limit(CHUNK);
        if let Some(Cursor::Chunk { token: Some(token), .. }) = &cursor {
            params = params.continue_token(token);
        }
        let request = Request::new(path).list(&params).map_err(kube::Error::BuildRequest)?;
        let found: Result<ObjectList<R>, _> = client.request(request).await;
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

    pub fn answer(self, wanted: impl Fn(&R) -> bool, limit: usize) -> Listed<R> {
        match (&self.cursor, &self.token) {
            (Some(Cursor::Chunk { .. }), _) | (None, Some(_)) => self.by_name(wanted, limit),
            (Some(Cursor::After { .. }) | None, _) => self.newest_first(wanted, limit),
        }
    }

    fn newest_first(mut self, wanted: impl Fn(&R) -> bool, limit: usize) -> Listed<R> {
        self.rows.retain(wanted);
        let total = self.rows.len();
        self.rows.sort_by(|one, other| {
            other.created().cmp(one.created()).then_with(|| one.name().cmp(other.name()))
        });
        if let Some(Cursor::After { created, name }) = &self.cursor {
            let (created, name) = (created.as_str(), name.as_str());
            self.rows
                .retain(|it| it.created() < created || it.created() == created && it.name() > name);
        }
        let more = self.rows.len() > limit;
        self.rows.truncate(limit);
        let next = self.rows.last().filter(|_| more);
        let next = next.map(|it| Cursor::After {
            created: it.created().to_owned(),
            name: it.name().to_owned(),
        });
        Listed {
            next_cursor: next.map(|it| it.to_string()),
            rows: self.rows,
            order: Order::NewestFirst,
            total: Some(total),
            looked_at: None,
            remaining: None,
        }
    }

    fn by_name(self, wanted: impl Fn(&R) -> bool, limit: usize) -> Listed<R> {
        let (skip, token) = match self.cursor {
            Some(Cursor::Chunk { skip, token }) => (skip, token),
            _ => (0, None),
        };
        let size = self.rows.len();
        let mut rows = Vec::new();
        let mut next = None;
        for (index, row) in self.rows.into_iter().enumerate().skip(skip) {
            if rows.len() == limit {
                next = Some(Cursor::Chunk { skip: index, token: token.clone() });
                break;
            }
            rows.extend(Some(row).filter(&wanted));
        }
        let seen = next.as_ref().map_or(size, |it| match it {
            Cursor::Chunk { skip, .. } => *skip,
            Cursor::After { .. } => size,
        });
        let unseen = i64::try_from(size - seen).unwrap_or_default();
        let next = next.or(self.token.map(|it| Cursor::Chunk { skip: 0, token: Some(it) }));
        Listed {
            rows,
            order: Order::ByName,
            total: None,
            looked_at: Some(seen.saturating_sub(skip)),
            remaining: self.remaining.or((unseen > 0).then_some(0)).map(|it| it + unseen),
            next_cursor: next.map(|it| it.to_string()),
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
