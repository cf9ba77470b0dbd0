//! What is kept of a log as it streams by: its end, or what a search finds, within a bound.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};

/// Lines shown around a match: what led to it, and what followed, which of a traceback is more.
const BEFORE: usize = 2;
const AFTER: usize = 4;
const GAP: &str = "--";

/// The end of what was pushed, in at most so many lines and characters.
pub(super) struct Excerpt<'a> {
    search: Option<&'a Regex>,
    lines: usize,
    characters: usize,
    kept: VecDeque<String>,
    size: usize,
    pub(super) seen: usize,
    pub(super) matches: usize,
    /// Lines that were to be shown and did not fit.
    pub(super) dropped: usize,
    before: VecDeque<String>,
    /// How many of the next lines belong to the last match.
    after: usize,
}

/// What a search means: a regular expression where it is one, else plain text; in either case.
pub fn pattern(search: &str) -> Regex {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern).case_insensitive(true).size_limit(1 << 20).build()
    };
    build(search)
        .or_else(|_| build(&regex::escape(search)))
        .unwrap_or_else(|_| Regex::new("$^").expect("a short pattern that is never too large"))
}

impl<'a> Excerpt<'a> {
    pub(super) fn new(search: Option<&'a Regex>, lines: usize, characters: usize) -> Self {
        Self {
            search,
            lines,
            characters,
            kept: VecDeque::new(),
            size: 0,
            seen: 0,
            matches: 0,
            dropped: 0,
            before: VecDeque::new(),
            after: 0,
        }
    }

    pub(super) fn push(&mut self, line: String) {
        self.seen += 1;
        let Some(search) = self.search else { return self.keep(line) };
        if search.is_match(&line) {
            self.matches += 1;
            if self.after == 0 && !self.kept.is_empty() {
                self.keep(GAP.to_owned());
            }
            for line in std::mem::take(&mut self.before) {
                self.keep(line);
            }
            self.keep(line);
            self.after = AFTER;
        } else if self.after > 0 {
            self.after -= 1;
            self.keep(line);
        } else {
            if self.before.len() == BEFORE {
                self.before.pop_front();
            }
            self.before.push_back(line);
        }
    }

    fn keep(&mut self, line: String) {
        self.size += line.chars().count() + 1;
        self.kept.push_back(line);
        // The last line stays, however long: it is bounded itself.
        while self.kept.len() > 1 && (self.kept.len() > self.lines || self.size > self.characters) {
            if let Some(line) = self.kept.pop_front() {
                self.size -= line.chars().count() + 1;
                self.dropped += usize::from(line != GAP);
            }
        }
    }

    pub(super) fn shown(&self) -> usize {
        self.kept.iter().filter(|it| *it != GAP).count()
    }

    pub(super) fn text(mut self) -> String {
        while self.kept.front().is_some_and(|it| it == GAP) {
            self.kept.pop_front();
        }
        Vec::from(self.kept).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(search: Option<&str>, lines: usize, characters: usize) -> (String, usize, usize) {
        let search = search.map(pattern);
        let mut excerpt = Excerpt::new(search.as_ref(), lines, characters);
        for number in 1..=1_000 {
            excerpt.push(format!("line {number}"));
        }
        let (matches, dropped) = (excerpt.matches, excerpt.dropped);
        (excerpt.text().replace('\n', "|"), matches, dropped)
    }

    #[test]
    fn the_end_is_kept() {
        assert_eq!(excerpt(None, 2, 1_000), ("line 999|line 1000".to_owned(), 0, 998));
        assert_eq!(excerpt(None, 100, 20), ("line 999|line 1000".to_owned(), 0, 998));
        assert_eq!(excerpt(None, 100, 1), ("line 1000".to_owned(), 0, 999));
    }

    #[test]
    fn a_match_has_its_surroundings() {
        let shown = "line 498|line 499|line 500|line 501|line 502|line 503|line 504";
        assert_eq!(excerpt(Some("LINE 500$"), 50, 1_000), (shown.to_owned(), 1, 0));
        let (two, matches, _) = excerpt(Some("line (3|9)$"), 50, 1_000);
        assert_eq!(matches, 2);
        let shown = "line 1|line 2|line 3|line 4|line 5|line 6|line 7";
        assert_eq!(two, format!("{shown}|--|line 8|line 9|line 10|line 11|line 12|line 13"));
        assert_eq!(excerpt(Some("nothing"), 50, 1_000), (String::new(), 0, 0));
    }

    #[test]
    fn what_is_no_expression_is_plain_text() {
        assert!(pattern("loss=(nan").is_match("epoch=1 Loss=(NaN)"));
        assert!(!pattern("a{1000}{1000}{1000}").is_match("aaaa"));
    }
}
