//! Takes the entries of a container's log apart and shows those that are wanted.

use jiff::Timestamp;

#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) since: Option<Timestamp>,
    pub(super) tail_lines: Option<u64>,
    pub(super) limit_bytes: Option<u64>,
    pub(super) timestamps: bool,
}

pub(super) struct Entries {
    wanted: Wanted,
    /// The start of an entry whose end has not been written yet.
    unfinished: Vec<u8>,
    /// Whether the entry before was only a part of its line.
    in_line: bool,
}

impl Entries {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, unfinished: Vec::new(), in_line: false }
    }

    /// Whether the limit of bytes is reached.
    pub(super) fn exhausted(&self) -> bool {
        self.wanted.limit_bytes == Some(0)
    }

    /// What to show of all that has been written so far.
    pub(super) fn first(&mut self, content: &[u8]) -> Vec<u8> {
        let tail = self.wanted.tail_lines.map_or(content, |lines| tail(content, lines));
        self.shown(tail)
    }

    /// What to show of what was written next.
    pub(super) fn shown(&mut self, content: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        self.unfinished.extend_from_slice(content);
        let end = self.unfinished.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = self.unfinished.split_off(end);
        let whole = std::mem::replace(&mut self.unfinished, rest);
        for entry in whole.split_inclusive(|byte| *byte == b'\n').filter_map(Entry::parse) {
            let starts_line = !std::mem::replace(&mut self.in_line, entry.partial);
            if self.wanted.since.is_some_and(|since| entry.at() < Some(since)) {
                continue;
            }
            if self.wanted.timestamps && starts_line {
                shown.extend_from_slice(entry.time);
                shown.push(b' ');
            }
            shown.extend_from_slice(entry.content);
            if !entry.partial {
                shown.push(b'\n');
            }
        }
        if let Some(left) = &mut self.wanted.limit_bytes {
            shown.truncate((*left).try_into().unwrap_or(usize::MAX));
            *left -= shown.len() as u64;
        }
        shown
    }
}

struct Entry<'a> {
    time: &'a [u8],
    partial: bool,
    content: &'a [u8],
}

impl<'a> Entry<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (time, _stream, tag) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { time, partial: tag == b"P", content: parts.next()? })
    }

    fn at(&self) -> Option<Timestamp> {
        std::str::from_utf8(self.time).ok()?.parse().ok()
    }
}

/// The part of the log that holds its last lines.
fn tail(content: &[u8], lines: u64) -> &[u8] {
    let mut end = content.len();
    let mut left = lines;
    while end > 0 {
        let start = content[..end - 1].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if Entry::parse(&content[start..end]).is_some_and(|entry| !entry.partial) {
            if left == 0 {
                return &content[end..];
            }
            left -= 1;
        }
        end = start;
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:01.000000000Z stdout F one
2026-01-01T00:00:02.000000000Z stdout P tw
2026-01-01T00:00:02.500000000Z stdout F o
2026-01-01T00:00:03.000000000Z stderr F\u{20}
2026-01-01T00:00:04.000000000Z stdout F a b c
";

    fn shown(wanted: Wanted) -> String {
        String::from_utf8(Entries::new(wanted).first(LOG.as_bytes())).unwrap()
    }

    #[test]
    fn lines_come_out_as_they_were_printed() {
        assert_eq!(shown(Wanted::default()), "one\ntwo\n\na b c\n");
    }

    #[test]
    fn the_tail_counts_lines_and_not_parts() {
        let tail = |lines| shown(Wanted { tail_lines: Some(lines), ..Wanted::default() });
        assert_eq!(tail(0), "");
        assert_eq!(tail(1), "a b c\n");
        assert_eq!(tail(3), "two\n\na b c\n");
        assert_eq!(tail(9), "one\ntwo\n\na b c\n");
    }

    #[test]
    fn bytes_times_and_since_are_obeyed() {
        assert_eq!(shown(Wanted { limit_bytes: Some(5), ..Wanted::default() }), "one\nt");
        let since = Some("2026-01-01T00:00:03Z".parse().unwrap());
        assert_eq!(
            shown(Wanted { since, timestamps: true, ..Wanted::default() }),
            "2026-01-01T00:00:03.000000000Z \n2026-01-01T00:00:04.000000000Z a b c\n"
        );
    }

    #[test]
    fn an_entry_that_arrives_in_pieces_is_shown_once_whole() {
        let mut entries = Entries::new(Wanted::default());
        let (first, rest) = LOG.as_bytes().split_at(40);
        let mut all = entries.first(first);
        all.extend(entries.shown(rest));
        assert_eq!(String::from_utf8(all).unwrap(), "one\ntwo\n\na b c\n");
    }
}
