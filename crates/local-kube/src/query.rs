//! The parameters of a request.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    selector::{Fields, Labels},
    status::{self, Result, cause},
    table::Include,
};

/// No name of a manager of fields is longer.
const LONGEST_MANAGER: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) dry_run: bool,
    pub(crate) field_manager: Option<String>,
    pub(crate) field_validation: FieldValidation,
    pub(crate) force: bool,
    pub(crate) labels: Labels,
    pub(crate) fields: Fields,
    /// 0 means no limit.
    pub(crate) limit: usize,
    pub(crate) continued: Option<String>,
    /// Empty means the most recent one.
    pub(crate) resource_version: String,
    pub(crate) resource_version_match: Option<String>,
    pub(crate) watch: bool,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: bool,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) grace_period_seconds: Option<u64>,
    pub(crate) propagation_policy: Option<String>,
    /// What the rows of a table hold.
    pub(crate) include: Include,
}

/// What becomes of fields that the schema does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

impl Query {
    pub(crate) fn parse(query: &str, method: &Method) -> Result<Self> {
        let mut parsed = Self::default();
        for (name, value) in pairs(query) {
            parsed.set(&name, &value, options(method))?;
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: &str, options: &str) -> Result<()> {
        let number = || {
            let number = value.parse::<i64>().map_err(|_| {
                status::bad_request(format!("strconv.ParseInt: parsing {value:?}: invalid syntax"))
            });
            number.map(|it| u64::try_from(it).unwrap_or(0))
        };
        match name {
            "dryRun" => match value {
                "" => {}
                "All" => self.dry_run = true,
                _ => return Err(status::invalid_options(options, cause::dry_run(value))),
            },
            "fieldManager" if value.len() > LONGEST_MANAGER => {
                let why = format!("Too long: may not be more than {LONGEST_MANAGER} bytes");
                let cause = cause::cause("FieldValueTooLong", "fieldManager", why);
                return Err(status::invalid_options(options, cause));
            }
            "fieldManager" => {
                self.field_manager = Some(value.to_owned()).filter(|it| !it.is_empty())
            }
            "fieldValidation" => {
                self.field_validation = match value {
                    "" | "Warn" => FieldValidation::Warn,
                    "Ignore" => FieldValidation::Ignore,
                    "Strict" => FieldValidation::Strict,
                    _ => {
                        let supported = ["", "Ignore", "Strict", "Warn"];
                        let value = Value::from(value);
                        let cause = cause::unsupported("fieldValidation", &value, &supported);
                        return Err(status::invalid_options(options, cause));
                    }
                }
            }
            "force" => self.force = flag(value),
            "labelSelector" => self.labels = Labels::parse(value)?,
            "fieldSelector" => self.fields = Fields::parse(value)?,
            "limit" => self.limit = usize::try_from(number()?).unwrap_or(usize::MAX),
            "continue" => self.continued = Some(value.to_owned()).filter(|it| !it.is_empty()),
            "resourceVersion" => value.clone_into(&mut self.resource_version),
            "resourceVersionMatch" => {
                self.resource_version_match = Some(value.to_owned()).filter(|it| !it.is_empty());
            }
            "watch" => self.watch = flag(value),
            "allowWatchBookmarks" => self.bookmarks = flag(value),
            "sendInitialEvents" => self.initial_events = flag(value),
            "timeoutSeconds" => self.timeout_seconds = Some(number()?),
            "gracePeriodSeconds" => self.grace_period_seconds = Some(number()?),
            "propagationPolicy" => self.propagation_policy = Some(value.to_owned()),
            "includeObject" => {
                self.include = match value {
                    "None" => Include::Nothing,
                    "Object" => Include::Object,
                    _ => Include::Metadata,
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The decoded names and values of a query string.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|it| !it.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (
            decoded(&name.replace('+', " ")).into_owned(),
            decoded(&value.replace('+', " ")).into_owned(),
        )
    })
}

pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// As Go reads a flag in a query.
fn flag(value: &str) -> bool {
    !matches!(value, "0" | "false" | "False" | "FALSE" | "f" | "F")
}

/// What Kubernetes calls the query of a request.
fn options(method: &Method) -> &'static str {
    match *method {
        Method::POST => "CreateOptions",
        Method::PUT => "UpdateOptions",
        Method::PATCH => "PatchOptions",
        Method::DELETE => "DeleteOptions",
        _ => "ListOptions",
    }
}
