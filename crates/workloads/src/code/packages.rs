//! Python packages as their users name them, before pip reads them.

use std::sync::LazyLock;

use kubeflow_mcp_core::{Error, Result};
use regex::Regex;

/// A requirement specifier: a name, perhaps extras, then versions or a URL, perhaps a marker.
static REQUIREMENT: LazyLock<Regex> = LazyLock::new(|| {
    let version = r"(?:===|==|~=|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+";
    let pattern = format!(
        r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?: *\[[A-Za-z0-9, ._-]*\])?(?: *{version}(?: *, *{version})*| *@ *[a-z+]+://[^\s;$#\\]+)?(?: *;[^$#\\\r\n]+)?$"
    );
    Regex::new(&pattern).expect("the pattern is constant")
});

pub(super) fn check_packages(packages: &[String]) -> Result<()> {
    for package in packages {
        if !REQUIREMENT.is_match(package) {
            let problem = format!(
                "holds {package:?}, which is not a requirement such as \"scikit-learn==1.5.*\" or \"torch>=2.4,<3\""
            );
            return Err(Error::argument("packages", problem));
        }
        check_for_credentials("packages", package)?;
    }
    Ok(())
}

pub(super) fn check_index_urls(urls: &[String]) -> Result<()> {
    for url in urls {
        let http = url.starts_with("https://") || url.starts_with("http://");
        if !http || url.chars().any(|it| it.is_whitespace() || it.is_control()) {
            let problem = format!("holds {url:?}, which is not an http or https URL");
            return Err(Error::argument("pip_index_urls", problem));
        }
        check_for_credentials("pip_index_urls", url)?;
    }
    Ok(())
}

/// Whoever may read the job would read them.
fn check_for_credentials(argument: &str, text: &str) -> Result<()> {
    let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    match authority {
        Some(authority) if authority.contains('@') => Err(Error::argument(
            argument,
            "must not hold credentials: set PIP_INDEX_URL in env from a Secret instead",
        )),
        _ => Ok(()),
    }
}
