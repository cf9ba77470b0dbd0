//! `$(NAME)` in environment variables, commands and arguments, as Kubernetes expands it.

/// Unknown names stay as they are written, and `$$` stands for `$`.
pub(super) fn expand<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            match value(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_expanded_as_kubernetes_does() {
        let value = |name: &str| (name == "A").then_some("1");
        for (text, expected) in [
            ("$(A)-$(A)", "1-1"),
            ("$$(A)", "$(A)"),
            ("$(B) $A ${A} $(A", "$(B) $A ${A} $(A"),
            ("$$$(A)$", "$1$"),
            ("é$(A)é", "é1é"),
        ] {
            assert_eq!(expand(text, value), expected, "{text}");
        }
    }
}
