//! The Python exception that ended a program, told apart from those that it caught or passed on.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::logs::Line;

/// An exception that nothing caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    pub at: Option<Timestamp>,
    /// As Python names it: `ValueError`, `torch.OutOfMemoryError`.
    pub kind: String,
    pub message: String,
    /// Where in the user's own code: `train.py line 12: loss.backward()`.
    pub place: Option<String>,
    /// All that was printed of it and of those that led to it.
    pub text: String,
}

const BEGIN: &str = "Traceback (most recent call last):";
/// What torchrun raises itself once a process of it has failed.
const PASSED_ON: &str = "ChildFailedError";
/// What another stream printed meanwhile may stand within a traceback.
const WITHIN: usize = 8;
/// A message may go on for some lines; so many, or so long a time after it, are a program that goes on.
const MESSAGE_LINES: usize = 14;
const GOES_ON_AFTER: SignedDuration = SignedDuration::from_secs(3);

static PREFIX: LazyLock<Regex> = LazyLock::new(|| regex(r"^\[(?:rank|default|node)[\d:]*\]:\s?"));
/// Exceptions are classes, or are named with their module; `done` and `loss: 0.5` are neither.
static RAISED: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(?P<kind>[A-Z]\w*|[A-Za-z_]\w*(?:\.\w+)+)(?:: (?P<message>.*))?$"));
static FRAME: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)"#));
static SYNTAX: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(?:SyntaxError|IndentationError|TabError): "));
static LINKED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(?:During handling of the above exception|The above exception was the direct cause)\b.*:$",
    )
});
/// What launchers and libraries print once it is over.
static EPILOGUE: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"^(?:[EWI]\d{4} |wandb: |\[rank\d+\]:\[|terminate called|  what\(\)|ERROR conda|",
        r"Root Cause|Failures:|={8,}|-{8,}|\[\d\]:$|  (?:time|host|rank|exitcode|error_file|traceback)\b|",
        r".*\.py FAILED$|\s*<NO_OTHER_FAILURES>|.*resource_tracker|.*elastic)"
    ))
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is our own, and a test uses it")
}

/// A run of lines that Python printed of one exception.
struct Block<'a> {
    begin: usize,
    end: usize,
    exception: Exception,
    /// It led to the next.
    links: bool,
    lines: Vec<&'a str>,
}

/// The exception that ended the program whose log this is, if it was one: the program printed nothing
/// of its own any more afterwards. Of several processes, the first.
pub(super) fn uncaught(lines: &[Line<'_>]) -> Option<Exception> {
    let plain: Vec<&str> = lines.iter().map(|it| without_prefix(it.text)).collect();
    let blocks = blocks(lines, &plain);
    // Without a launcher there is one process, and what it raised last is what ended it.
    let launched = blocks.iter().any(|it| it.exception.kind.ends_with(PASSED_ON));
    let mut first: Option<Exception> = None;
    let mut chain: Vec<String> = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let next = blocks.get(number + 1).map_or(plain.len(), |it| it.begin);
        let after = &lines[block.end..next];
        chain.push(block.lines.join("\n"));
        if block.links {
            continue;
        }
        let own: Vec<&Line<'_>> = after.iter().filter(|it| is_own(it.text)).collect();
        let later = |it: &&&Line<'_>| match (it.at, block.exception.at) {
            (Some(at), Some(raised)) => at.duration_since(raised) > GOES_ON_AFTER,
            _ => false,
        };
        let chain = std::mem::take(&mut chain);
        if own.len() > MESSAGE_LINES || own.iter().any(|it| later(&it)) {
            first = None;
        } else if (first.is_none() || !launched) && !block.exception.kind.ends_with(PASSED_ON) {
            let rest = own.iter().map(|it| it.text.to_owned());
            let text = chain.into_iter().chain(rest).collect::<Vec<_>>().join("\n");
            first = Some(Exception { text, ..block.exception.clone() });
        }
    }
    first
}

/// A line without what launchers put before it.
fn without_prefix(line: &str) -> &str {
    let prefix = PREFIX.find(line).map_or(0, |it| it.end());
    &line[prefix..]
}

/// Whether the program itself printed it.
fn is_own(line: &str) -> bool {
    !line.trim().is_empty() && !EPILOGUE.is_match(line)
}

fn blocks<'a>(lines: &[Line<'_>], plain: &[&'a str]) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'a>> = Vec::new();
    let (mut begin, mut others) = (None, 0);
    for (at, line) in plain.iter().enumerate() {
        if line.trim_end() == BEGIN {
            (begin, others) = (Some(at), 0);
        } else if LINKED.is_match(line) {
            blocks.iter_mut().last().into_iter().for_each(|it| it.links = true);
        } else if begin.is_none() && SYNTAX.is_match(line) {
            let start = plain[..at].iter().rposition(|it| FRAME.is_match(it)).unwrap_or(at);
            blocks.extend(block(lines, plain, start, at));
        } else if let Some(start) = begin.filter(|_| !line.starts_with([' ', '\t'])) {
            let block = block(lines, plain, start, at);
            others += 1;
            if block.is_some() || others > WITHIN {
                begin = None;
            }
            blocks.extend(block);
        }
    }
    blocks
}

/// The block whose last line names the exception.
fn block<'a>(lines: &[Line<'_>], plain: &[&'a str], begin: usize, at: usize) -> Option<Block<'a>> {
    let raised = RAISED.captures(plain[at].trim_end())?;
    let text = |name: &str| raised.name(name).map_or("", |it| it.as_str()).to_owned();
    let exception = Exception {
        at: lines[at].at,
        kind: text("kind"),
        message: text("message"),
        place: place(&plain[begin..at]),
        text: String::new(),
    };
    let lines = plain[begin..=at].to_vec();
    Some(Block { begin, end: at + 1, exception, links: false, lines })
}

/// The last frame in the user's own code.
fn place(lines: &[&str]) -> Option<String> {
    let foreign = ["site-packages", "dist-packages", "/lib/python", "<frozen", "/torch/"];
    let mut frames =
        lines.iter().enumerate().rev().filter_map(|(at, it)| Some((at, FRAME.captures(it)?)));
    let own = |file: &str| !foreign.iter().any(|it| file.contains(it));
    let (at, frame) = frames.find(|(_, it)| own(&it["file"]))?;
    let file = frame["file"].rsplit('/').next().unwrap_or_default();
    let code = lines.get(at + 1).map(|it| it.trim()).filter(|it| !it.starts_with("File "));
    let code = code.filter(|it| !it.is_empty() && !it.starts_with(['^', '~']));
    let place = format!("{file} line {}", &frame["line"]);
    Some(code.map_or_else(|| place.clone(), |code| format!("{place}: {code}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &str, expected: &str) {
        let lines: Vec<Line<'_>> = log
            .lines()
            .map(|it| match it.split_once("s|") {
                Some((second, text)) => {
                    let at = format!("2026-08-21T10:00:{second:0>2}Z").parse().ok();
                    Line { at, text }
                }
                None => Line { at: None, text: it },
            })
            .collect();
        let seen = uncaught(&lines).map_or_else(String::new, |it| {
            let place = it.place.unwrap_or_default();
            format!("{}: {} at {place}", it.kind, it.message)
        });
        assert_eq!(seen, expected, "{log}");
    }

    const RAISED: &str = "Traceback (most recent call last):\n  File \"/tmp/x/train.py\", line 12, in <module>\n    \
        loss.backward()\n  File \"/usr/lib/python3/site-packages/torch/_tensor.py\", line 5, in backward\n    x\nValueError: boom";

    #[test]
    fn the_last_word_of_a_program_is_its_exception() {
        check(
            &format!("epoch=1\n{RAISED}"),
            "ValueError: boom at train.py line 12: loss.backward()",
        );
        check(
            "  File \"/tmp/train.py\", line 3\n    for x in\n            ^\nSyntaxError: invalid syntax",
            "SyntaxError: invalid syntax at train.py line 3: for x in",
        );
        check("epoch=1\ndone", "");
        check(
            &RAISED.replace("    x\n", "    x\nsmaller batch\nloss: 0.5\n"),
            "ValueError: boom at train.py line 12: loss.backward()",
        );
    }

    #[test]
    fn what_was_caught_is_not_the_end() {
        let goes_on: Vec<String> = (0..20).map(|it| format!("epoch={it}")).collect();
        check(&format!("{RAISED}\n{}", goes_on.join("\n")), "");
        let stamped: Vec<String> = RAISED.lines().map(|it| format!("1s|{it}")).collect();
        check(&format!("{}\n9s|trying again", stamped.join("\n")), "");
        let label = RAISED.replace("ValueError: boom", "KeyError: 'label'");
        check(
            &format!("{RAISED}\n{label}\nsmaller batch"),
            "KeyError: 'label' at train.py line 12: loss.backward()",
        );
        check(
            &format!("{RAISED}\n{}\n{}", goes_on.join("\n"), RAISED.replace("boom", "again")),
            "ValueError: again at train.py line 12: loss.backward()",
        );
    }

    #[test]
    fn launchers_pass_on_what_a_process_has_raised() {
        let ranks: Vec<String> = RAISED.lines().map(|it| format!("[rank1]: {it}")).collect();
        let torchrun = "E0821 10:00:00.0 1 torch/distributed/elastic/multiprocessing/api.py:869] failed\n\
            Traceback (most recent call last):\n  File \"/usr/bin/torchrun\", line 8, in <module>\n    sys.exit(main())\n\
            torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n====================\ntrain.py FAILED\n\
            Root Cause (first observed failure):\n[0]:\n  time      : 2026\n  exitcode  : 1 (pid: 9)";
        check(
            &format!("{}\n{torchrun}", ranks.join("\n")),
            "ValueError: boom at train.py line 12: loss.backward()",
        );
    }

    #[test]
    fn the_last_of_a_chain_is_the_one_that_nothing_caught() {
        let linked = "During handling of the above exception, another exception occurred:";
        let second = RAISED.replace("ValueError: boom", "OSError: gated");
        check(
            &format!("{RAISED}\n\n{linked}\n\n{second}"),
            "OSError: gated at train.py line 12: loss.backward()",
        );
    }
}
