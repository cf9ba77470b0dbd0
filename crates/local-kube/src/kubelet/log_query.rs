//! What a request for a Pod's log may ask for, and which container it means.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::core::Status;

use super::log_entries::Wanted;
use crate::status;

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
    /// From the decoded pairs of the URL's query.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Box<Status>> {
        let mut query = Self::default();
        let mut since = [None, None];
        for (name, value) in pairs {
            match name {
                "container" => query.container = Some(value.to_owned()).filter(|n| !n.is_empty()),
                "follow" => query.follow = flag(value),
                "previous" => query.previous = flag(value),
                "timestamps" => query.timestamps = flag(value),
                "tailLines" => query.tail_lines = Some(number(name, value, 0)?),
                "limitBytes" => query.limit_bytes = Some(number(name, value, 1)?),
                "sinceSeconds" => {
                    let seconds = i64::try_from(number(name, value, 1)?).unwrap_or(i64::MAX);
                    let ago = Timestamp::now().checked_sub(SignedDuration::from_secs(seconds));
                    since[0] = Some(ago.unwrap_or(Timestamp::MIN));
                }
                "sinceTime" => {
                    let time = value.parse().map_err(|_| {
                        status::bad_request(format!("sinceTime is no RFC 3339 time: {value:?}"))
                    })?;
                    since[1] = Some(time);
                }
                _ => {}
            }
        }
        if since.iter().flatten().count() > 1 {
            return Err(invalid(
                "sinceTime: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
            ));
        }
        query.since = since[0].or(since[1]);
        Ok(query)
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
                let names = |containers: &[Container]| {
                    containers.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(" ")
                };
                let mut message = format!(
                    "a container name must be specified for pod {name}, choose one of: [{}]",
                    names(containers)
                );
                if !inits.is_empty() {
                    message += &format!(" or one of the init containers: [{}]", names(inits));
                }
                Err(status::bad_request(message))
            }
        }
    }
}

fn flag(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | "f")
}

fn number(name: &str, value: &str, least: i64) -> Result<u64, Box<Status>> {
    let number: i64 = value
        .parse()
        .map_err(|_| status::bad_request(format!("{name} is no whole number: {value:?}")))?;
    let bound = if least == 0 { "greater than or equal to 0" } else { "greater than 0" };
    u64::try_from(number)
        .ok()
        .filter(|_| number >= least)
        .ok_or_else(|| invalid(&format!("{name}: Invalid value: {number}: must be {bound}")))
}

fn invalid(why: &str) -> Box<Status> {
    status::plain(422, "Invalid", format!("PodLogOptions \"\" is invalid: {why}"))
}
