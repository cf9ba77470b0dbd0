//! Python packages as their users name them, before pip reads them.

use kubeflow_mcp_core::{Error, Result};

use super::requirement;

pub(super) fn check_packages(packages: &[String]) -> Result<()> {
    for (index, package) in packages.iter().enumerate() {
        let argument = format!("packages[{index}]");
        check_for_credentials(&argument, package)?;
        requirement::check(package).map_err(|problem| {
            let problem = format!(
                "not a requirement as pip reads it: {problem}; allowed are \"numpy\", \"ray[train]>=2.9,<3\", \"a @ https://host/a.whl\", each perhaps with \"; python_version < '3.13'\""
            );
            Error::value(&argument, package.as_str(), problem)
        })?;
    }
    Ok(())
}

pub(super) fn check_index_urls(urls: &[String]) -> Result<()> {
    for (index, url) in urls.iter().enumerate() {
        let argument = format!("pip_index_urls[{index}]");
        check_for_credentials(&argument, url)?;
        let http = url.starts_with("https://") || url.starts_with("http://");
        if !http || url.chars().any(|it| it.is_whitespace() || it.is_control()) {
            return Err(Error::value(argument, url.as_str(), "must be an http or https URL"));
        }
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
