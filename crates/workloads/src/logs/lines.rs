//! A byte stream as lines that people read: bounded in length, without control characters.

use std::collections::VecDeque;

/// What is kept of one line. A traceback's last line matters at both ends.
const HEAD: usize = 400;
const TAIL: usize = 100;
/// Bytes held of a line before it is cut by characters: escape codes and UTF-8 take their share.
const HELD: usize = 8;

/// Takes bytes as they come and gives lines; holds a bounded part of the current one.
#[derive(Default)]
pub(super) struct Lines {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    skipped: usize,
    /// A carriage return was seen: what follows on the line replaces what stands there.
    returned: bool,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|it| matches!(it, b'\n' | b'\r')) {
            self.add(&rest[..at]);
            match rest[at] {
                b'\n' => line(self.take()),
                _ => self.returned = true,
            }
            rest = &rest[at + 1..];
        }
        self.add(rest);
    }

    /// The last line, if it did not end with a line break.
    pub(super) fn finish(mut self, line: impl FnOnce(String)) {
        if !self.head.is_empty() {
            line(self.take());
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.returned) {
            self.clear();
        }
        let room = HEAD * HELD - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend(head);
        let (passed, tail) = rest.split_at(rest.len().saturating_sub(TAIL * HELD));
        let pushed_out = (self.tail.len() + tail.len()).saturating_sub(TAIL * HELD);
        self.tail.drain(..pushed_out);
        self.tail.extend(tail);
        self.skipped += passed.len() + pushed_out;
    }

    fn take(&mut self) -> String {
        let line = if self.skipped == 0 {
            self.head.extend(&self.tail);
            cut(&plain(&String::from_utf8_lossy(&self.head)))
        } else {
            let tail = self.tail.make_contiguous();
            let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(tail));
            join(&plain(&head), self.skipped, &plain(&tail))
        };
        self.clear();
        line
    }

    fn clear(&mut self) {
        (self.skipped, self.returned) = (0, false);
        self.head.clear();
        self.tail.clear();
    }
}

/// The line, without its middle when it is long.
fn cut(line: &str) -> String {
    let length = line.chars().count();
    match length.checked_sub(HEAD + TAIL) {
        None | Some(0) => line.to_owned(),
        Some(_) => join(line, 0, line),
    }
}

fn join(head: &str, skipped: usize, tail: &str) -> String {
    let kept: String = head.chars().take(HEAD).collect();
    let start = tail.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    // The middle is counted in bytes where it was never held.
    let middle = match skipped {
        0 => head.chars().count() - HEAD - TAIL,
        _ => skipped + head.len() - kept.len() + start,
    };
    format!("{kept} [… {middle} more …] {}", &tail[start..])
}

/// Text without terminal escape sequences and control characters.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                // A control sequence ends with a letter or another character from @ to ~.
                Some('[') => {
                    while characters.next().is_some_and(|it| !('@'..='~').contains(&it)) {}
                }
                // An operating system command ends with BEL or ESC \.
                Some(']') => while !matches!(characters.next(), None | Some('\u{7}' | '\\')) {},
                Some('(' | ')') => drop(characters.next()),
                _ => {}
            },
            '\t' => plain.push(character),
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| seen.push(line));
        }
        lines.finish(|line| seen.push(line));
        seen
    }

    #[test]
    fn lines_do_not_depend_on_how_the_bytes_arrive() {
        assert_eq!(lines(&[b"one\ntw", b"o\n", b"\nlast"]), ["one", "two", "", "last"]);
        assert_eq!(lines(&[b"gr\xc3", b"\xbcn\n"]), ["grün"]);
        assert_eq!(lines(&[b"bad \xff byte"]), ["bad \u{fffd} byte"]);
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn a_progress_bar_is_its_last_state() {
        assert_eq!(lines(&[b" 1%\r 50%\r100%\nnext\r\n"]), ["100%", "next"]);
    }

    #[test]
    fn escape_codes_and_control_characters_are_gone() {
        assert_eq!(lines(&[b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07a\tb\x00\x08c"]), ["red a\tbc"]);
    }

    #[test]
    fn a_long_line_keeps_both_ends() {
        let line = format!("start {} end", "x".repeat(1_000));
        let short = lines(&[line.as_bytes()]).remove(0);
        assert!(short.starts_with("start xxx") && short.ends_with("xxx end"), "{short}");
        assert!(short.contains(" [… 510 more …] "), "{short}");
        let mut huge = Lines::default();
        huge.push(b"start ", |_| unreachable!());
        for _ in 0..1_000 {
            huge.push(&[b'x'; 10_000], |_| unreachable!());
        }
        let held = huge.head.len() + huge.tail.len();
        assert!(held <= (HEAD + TAIL) * HELD, "{held} bytes held");
        huge.push(b" end\n", |line| {
            assert!(line.starts_with("start xxx") && line.ends_with("xxx end"), "{line}");
            assert!(line.contains("[… 9999510 more …]"), "{line}");
        });
    }
}
