//! What tools conclude from the words of a cluster, and how it is known that clusters say them.

/// A word of a cluster that something is concluded from, or the conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    pub name: &'static str,
    /// Where it stands written, if no test has seen a cluster say it.
    pub source: Option<&'static str>,
}

impl Sign {
    /// A test has a real cluster say it.
    pub const fn seen(name: &'static str) -> Self {
        Self { name, source: None }
    }

    /// The clusters of the tests cannot be brought to say it.
    pub const fn documented(name: &'static str, source: &'static str) -> Self {
        Self { name, source: Some(source) }
    }

    /// Whether one of them is meant.
    pub fn among(signs: &[Self], word: &str) -> bool {
        signs.iter().any(|it| it.name == word)
    }
}
