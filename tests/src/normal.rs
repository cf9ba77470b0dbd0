//! What differs between two runs, or two clusters, without meaning anything.

use std::sync::LazyLock;

use regex::Regex;

/// Random parts, in the order in which they are replaced.
static RANDOM: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "TIME"),
        (r#"(resourceVersion"?:\s*)"[0-9]+""#, r#"${1}"VERSION""#),
        (r"(current: |version: \d+ \(|in record \()\d+", "${1}VERSION"),
        (r"\b127\.0\.0\.1:\d+\b", "ADDRESS"),
        // What generateName and the controllers append: no vowels, so that it spells nothing.
        (r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-RANDOM"),
        // A local cluster prepares every namespace for Katib, as a platform does those of its users.
        (r"\n\s+katib\.kubeflow\.org/metrics-collector-injection: enabled", ""),
        (r"katib\.kubeflow\.org/metrics-collector-injection=enabled\n\s+", ""),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).expect("a pattern"), name))
    .into()
});

/// The text with the namespace, uids, times, versions, addresses and random suffixes by their names.
pub fn normalised(text: &str, namespace: &str) -> String {
    let text = text.replace(namespace, "NAMESPACE");
    RANDOM.iter().fold(text, |text, (random, name)| random.replace_all(&text, *name).into_owned())
}
