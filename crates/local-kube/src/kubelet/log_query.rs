//! What a request for a Pod's log may ask for, and which container it means.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::core::Status;

use super::log_entries::Wanted;
use crate::status::{self, Qualified, cause};

/// Go's name of the format.
const RFC_3339: &str = "2006-01-02T15:04:05Z07:00";

/// The query of a request to `pods/NAME/log`.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    pub container: Option<String>,
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<u64>,
    pub limit_bytes: Option<u64>,
    pub since: Option<Timestamp>,
}

impl LogQuery {
    /// From the decoded pairs of the URL's query; of each name the first counts. `pod` is whose log it is.
    pub fn parse<'a>(
        pod: &str,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Box<Status>> {
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            given.entry(name).or_insert(value);
        }
        let flag = |name| given.get(name).is_some_and(|value| flag(value));
        let number = |name| given.get(name).map(|value| number(value)).transpose();
        let (tail, limit) = (number("tailLines")?, number("limitBytes")?);
        let since_seconds = number("sinceSeconds")?;
        let since_time = given.get("sinceTime").map(|value| time(value)).transpose()?;
        let mut causes = Vec::new();
        let mut bounded = |field: &str, number: Option<i64>, least: i64, why: &str| {
            if let Some(number) = number.filter(|number| *number < least) {
                causes.push(cause::invalid(field, &number.into(), why));
            }
        };
        bounded("tailLines", tail, 0, "must be greater than or equal to 0");
        bounded("limitBytes", limit, 1, "must be greater than 0");
        if since_time.is_none() {
            bounded("sinceSeconds", since_seconds, 1, "must be greater than 0");
        }
        if since_seconds.and(since_time).is_some() {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            causes.push(cause::forbidden("[]", why));
        }
        if given.contains_key("stream") {
            causes.push(cause::forbidden("stream", "may not be specified"));
        }
        if !causes.is_empty() {
            let kind = Qualified { name: "PodLogOptions", group: "" };
            return Err(status::invalid(kind, pod, causes));
        }
        let ago = |seconds| {
            let ago = Timestamp::now().checked_sub(SignedDuration::from_secs(seconds));
            ago.unwrap_or(Timestamp::MIN)
        };
        let container = given.get("container").filter(|name| !name.is_empty());
        Ok(Self {
            container: container.map(|name| (*name).to_owned()),
            follow: flag("follow"),
            previous: flag("previous"),
            timestamps: flag("timestamps"),
            tail_lines: tail.map(i64::unsigned_abs),
            limit_bytes: limit.map(i64::unsigned_abs),
            since: since_time.or(since_seconds.map(ago)),
        })
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            since: self.since,
            tail_lines: self.tail_lines,
            limit_bytes: self.limit_bytes,
            timestamps: self.timestamps,
        }
    }

    /// The name of the container that is meant.
    pub(super) fn container(&self, pod: &Pod) -> Result<String, Box<Status>> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let containers = pod.spec.as_ref().map_or(&[][..], |spec| &spec.containers);
        let inits = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref());
        let inits = inits.unwrap_or_default();
        match &self.container {
            Some(asked) if containers.iter().chain(inits).any(|c| c.name == *asked) => {
                Ok(asked.clone())
            }
            Some(asked) => {
                Err(status::bad_request(format!("container {asked} is not valid for pod {name}")))
            }
            None if containers.len() == 1 => Ok(containers[0].name.clone()),
            None => {
                let names: Vec<&str> =
                    inits.iter().chain(containers).map(|it| it.name.as_str()).collect();
                Err(status::bad_request(format!(
                    "a container name must be specified for pod {name}, choose one of: [{}]",
                    names.join(" ")
                )))
            }
        }
    }
}

fn flag(value: &str) -> bool {
    !(value.eq_ignore_ascii_case("false") || value == "0")
}

fn number(value: &str) -> Result<i64, Box<Status>> {
    value.parse().map_err(|_| {
        status::bad_request(format!("strconv.ParseInt: parsing {value:?}: invalid syntax"))
    })
}

fn time(value: &str) -> Result<Timestamp, Box<Status>> {
    value.parse().map_err(|_| {
        status::bad_request(format!(
            "parsing time {value:?} as {RFC_3339:?}: cannot parse {value:?}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(query: &[(&str, &str)], expected: &Expect) {
        let refused = LogQuery::parse("talks", query.iter().copied()).unwrap_err();
        expected.assert_eq(&format!("{} {}", refused.code, refused.message));
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        check(
            &[("tailLines", "many")],
            &expect![[r#"400 strconv.ParseInt: parsing "many": invalid syntax"#]],
        );
        check(
            &[("tailLines", "-1"), ("limitBytes", "0")],
            &expect![[
                r#"422 PodLogOptions "talks" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: Invalid value: 0: must be greater than 0]"#
            ]],
        );
        check(
            &[("sinceSeconds", "1"), ("sinceTime", "2026-01-01T00:00:00Z")],
            &expect![[
                r#"422 PodLogOptions "talks" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"#
            ]],
        );
    }

    #[test]
    fn the_first_of_two_values_counts() {
        let pairs = [("tailLines", "1"), ("tailLines", "2"), ("follow", "0"), ("previous", "no")];
        let query = LogQuery::parse("talks", pairs).unwrap();
        assert_eq!((query.tail_lines, query.follow, query.previous), (Some(1), false, true));
    }
}
