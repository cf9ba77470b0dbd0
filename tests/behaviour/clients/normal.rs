//! What a client prints, without what differs between two runs or two clusters and means nothing.

use std::{path::Path, sync::LazyLock};

use kubeflow_mcp_tests::namespace::Namespace;
use regex::Regex;

/// What is replaced after uids, times and addresses.
static PRINTED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"(?m)\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "TIME"),
        (r#"(resource ?[vV]ersion"?:\s+"?)\d+"#, "${1}VERSION"),
        (r"(Resource Version:\s+)\d+", "${1}VERSION"),
        (
            r"(^|[\s(])((\d+[dhm])*\d+(\.\d+)?m?s|\d+[mhd]\d*|<invalid>|<unknown>)([\s,)]|$)",
            "${1}AGE${5}",
        ),
        // The key of a Job is a digest of its namespace and name.
        (r"\b[0-9a-f]{40}\b", "DIGEST"),
        // What a server written in Go shows of an object that it refuses is its inner form.
        (r"Invalid value: \{.*\}: ", "Invalid value: {…}: "),
        (r#"Invalid value: "(map\[.*\]|\{.*\})": "#, "Invalid value: \"…\": "),
        // Columns are as wide as what they hold.
        (r"(\S)  +", "${1}  "),
        (r"-{4,}", "----"),
        (r"(?m) +$", ""),
        (r"kubectl-edit-\d+", "kubectl-edit-RANDOM"),
    ]
    .map(|(pattern, name)| (Regex::new(&format!("(?m){pattern}")).expect("a pattern"), name))
    .into()
});

pub(super) struct Normal {
    namespace: String,
    server: String,
    folder: String,
}

impl Normal {
    pub(super) fn of(namespace: &Namespace, folder: &Path) -> Self {
        let config = kube::config::Kubeconfig::read_from(namespace.kubeconfig());
        let config = config.expect("a kubeconfig");
        let mut servers =
            config.clusters.iter().filter_map(|it| it.cluster.as_ref()?.server.clone());
        let server = servers.next_back().expect("a kubeconfig names a server");
        Self {
            namespace: namespace.name().to_owned(),
            server,
            folder: folder.display().to_string(),
        }
    }

    pub(super) fn text(&self, printed: &str) -> String {
        let text = printed.replace(&self.server, "https://ADDRESS").replace(&self.folder, "FOLDER");
        let text = kubeflow_mcp_tests::normal::normalised(&text, &self.namespace);
        PRINTED
            .iter()
            .fold(text, |text, (varying, name)| varying.replace_all(&text, *name).into_owned())
    }
}
