//! The proxy on the way to a cluster.

use std::env;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The proxy that the environment names for `cluster`, by the rules of curl: `HTTPS_PROXY` or
/// `HTTP_PROXY`, else `ALL_PROXY`, unless `NO_PROXY` excepts the cluster.
pub(crate) fn from_environment(cluster: &Uri) -> Result<Option<Uri>, String> {
    chosen(cluster, variable)
}

/// The hosts that are reached without a proxy, as the environment lists them.
pub(crate) fn exceptions() -> Option<String> {
    variable("NO_PROXY")
}

fn variable(name: &str) -> Option<String> {
    [name.to_owned(), name.to_lowercase()]
        .into_iter()
        .find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()))
}

/// A proxy as it is written: `http://user:password@host:port`, `socks5://…`, or `host:port`.
pub(crate) fn parse(text: &str) -> Result<Uri, String> {
    // The text may hold a password, so it is not repeated.
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = text
        .replacen("socks5h://", "socks5://", 1)
        .parse()
        .map_err(|error| format!("is no URL: {error}"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(uri),
        other => Err(format!(
            "has the scheme {:?}, known are http, https and socks5",
            other.unwrap_or_default()
        )),
    }
}

fn chosen(cluster: &Uri, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Uri>, String> {
    let own = if cluster.scheme_str() == Some("https") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let Some((name, proxy)) =
        [own, "ALL_PROXY"].into_iter().find_map(|name| Some((name, variable(name)?)))
    else {
        return Ok(None);
    };
    if is_loopback(cluster) || is_excepted(cluster, &variable("NO_PROXY").unwrap_or_default()) {
        return Ok(None);
    }
    parse(&proxy).map(Some).map_err(|problem| format!("{name} {problem}"))
}

fn is_excepted(cluster: &Uri, exceptions: &str) -> bool {
    // Go, and so kubectl, knows `*.example.org` where curl knows `.example.org`.
    let exceptions = exceptions.replace("*.", ".");
    Matcher::builder().all("http://proxy").no(exceptions).build().intercept(cluster).is_none()
}

fn is_loopback(cluster: &Uri) -> bool {
    let host = cluster.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cluster: &str, environment: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
        let variable = |name: &str| {
            environment.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        };
        let chosen = chosen(&cluster.parse().unwrap(), variable);
        let chosen = chosen.map(|it| it.map(|it| it.to_string()));
        let expected = expected.map(|it| it.map(str::to_owned)).map_err(str::to_owned);
        assert_eq!(chosen, expected, "{cluster} with {environment:?}");
    }

    #[test]
    fn the_environment_is_obeyed() {
        let cluster = "https://kube.example.org:6443";
        check(cluster, &[], Ok(None));
        check(
            cluster,
            &[("HTTPS_PROXY", "http://me:pw@gate:3128")],
            Ok(Some("http://me:pw@gate:3128/")),
        );
        check(cluster, &[("HTTPS_PROXY", "gate:3128")], Ok(Some("http://gate:3128/")));
        check(cluster, &[("HTTP_PROXY", "http://gate:3128")], Ok(None));
        check(cluster, &[("ALL_PROXY", "socks5h://gate:1080")], Ok(Some("socks5://gate:1080/")));
        let proxy = ("HTTPS_PROXY", "http://gate:3128");
        check(cluster, &[proxy, ("NO_PROXY", "localhost,.example.org")], Ok(None));
        check(cluster, &[proxy, ("NO_PROXY", "*.example.org")], Ok(None));
        check(cluster, &[proxy, ("NO_PROXY", "*")], Ok(None));
        check(cluster, &[proxy, ("NO_PROXY", "other.org,")], Ok(Some("http://gate:3128/")));
        check("https://10.1.2.3:6443", &[proxy, ("NO_PROXY", "10.0.0.0/8")], Ok(None));
        check("https://127.0.0.1:6443", &[proxy], Ok(None));
    }

    #[test]
    fn a_proxy_of_no_known_kind_is_refused_without_its_password() {
        check(
            "https://kube.example.org",
            &[("HTTPS_PROXY", "gopher://me:pw@gate")],
            Err(r#"HTTPS_PROXY has the scheme "gopher", known are http, https and socks5"#),
        );
    }
}
