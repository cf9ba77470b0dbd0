//! The known name that a misspelt one was probably meant to be.

/// The most similar of `known`, if one is similar enough to be worth a question.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|it| (similarity(&given, &it.to_lowercase()), it))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, it)| it)
}

fn similarity(one: &str, other: &str) -> f64 {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    // `nodes` means `num_nodes` rather than `code`.
    let part = if short.len() > 2 && long.contains(short) { 0.9 } else { 0.0 };
    strsim::jaro_winkler(one, other).max(part)
}

/// The same as the end of a sentence: ` (did you mean "delete_runtime"?)`, or nothing.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, known).map_or_else(String::new, |it| format!(" (did you mean {it:?}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_a_stranger_is_not() {
        let known = ["namespaces", "persona", "readOnly", "tools"];
        assert_eq!(nearest("namespace", known), Some("namespaces"));
        assert_eq!(nearest("readonly", known), Some("readOnly"));
        assert_eq!(nearest("xyz", known), None);
        assert_eq!(nearest("nodes", ["code", "num_nodes"]), Some("num_nodes"));
    }
}
