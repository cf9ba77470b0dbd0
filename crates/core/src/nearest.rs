//! The known name that a misspelt one was probably meant to be.

/// The most similar of `known`, if one is similar enough to be worth a question.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|it| (strsim::jaro_winkler(&given, &it.to_lowercase()), it))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, it)| it)
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
    }
}
