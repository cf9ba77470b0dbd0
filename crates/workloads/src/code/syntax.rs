//! Whether Python source parses. Nothing here runs it.

use kubeflow_mcp_core::{Error, Result};
use ruff_python_ast::{ModModule, token::TokenKind};
use ruff_python_parser::{Mode, ParseError, Parsed, lexer, parse_module};
use ruff_source_file::LineIndex;
use ruff_text_size::{Ranged as _, TextSize};

use super::MAX_BYTES;

/// CPython gives up at these.
const MAX_BRACKETS: usize = 200;
const MAX_INDENTS: usize = 100;
/// No expression that people write is as deep; the parser needs stack for each level.
const MAX_DEPTH: usize = 4_000;
/// Enough for `MAX_DEPTH` levels of the greediest expression in an unoptimized build.
const STACK_BYTES: usize = 128 << 20;

/// Refuses what Python would refuse, with its line and column.
pub(super) fn check_syntax(source: &str) -> Result<()> {
    if source.len() > MAX_BYTES {
        let problem = format!(
            "with {} bytes, must have at most {MAX_BYTES}: put data and libraries into an image or a volume",
            source.len()
        );
        return Err(Error::value("script", source, problem));
    }
    if let Some(at) = source.find('\0') {
        return Err(problem(source, at, "source code cannot hold a NUL character"));
    }
    if let Some(what) = too_deep(source) {
        return Err(Error::argument("script", what));
    }
    let checked = parsed(source, |parsed| match parsed {
        Ok(module) if module.syntax().body.is_empty() => Err((0, "no code in it".to_owned())),
        Ok(_) => Ok(()),
        Err(error) => Err((error.location.start().to_usize(), error.error.to_string())),
    });
    let checked = checked.unwrap_or_else(|problem| Err((0, problem)));
    checked.map_err(|(at, what)| problem(source, at, &what))
}

/// Whether a name stands in a program, in its code or its strings, and not only in a remark. The
/// program must be one that parses.
pub fn mentions(source: &str, name: &str) -> bool {
    let part = |it: char| it.is_alphanumeric() || it == '_';
    let whole = |text: &str| {
        text.match_indices(name).any(|(at, _)| {
            !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part)
        })
    };
    let found = parsed(source, |parsed| {
        let tokens = parsed.iter().flat_map(|it| it.tokens().iter());
        let mut tokens = tokens.filter(|it| it.kind() != TokenKind::Comment);
        tokens.any(|it| whole(&source[it.range()]))
    });
    found.unwrap_or(false)
}

/// What is read from a program that has been parsed; all of it where there is stack enough.
fn parsed<T: Send>(
    source: &str,
    read: impl FnOnce(Result<Parsed<ModModule>, ParseError>) -> T + Send,
) -> Result<T, String> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, || read(parse_module(source)));
        let thread = thread.map_err(|error| format!("cannot be parsed now: {error}"))?;
        thread.join().map_err(|_| "the parser gave up on it".to_owned())
    })
}

fn problem(source: &str, at: usize, what: &str) -> Error {
    let offset = TextSize::try_from(at).unwrap_or_default();
    let place = LineIndex::from_source_text(source).line_column(offset, source);
    let mut problem = format!(
        "does not parse at line {}, column {}: {}",
        place.line,
        place.column,
        as_clause(what)
    );
    let text = source.lines().nth(place.line.to_zero_indexed()).unwrap_or_default().trim();
    if !text.is_empty() {
        let text: String = text.chars().take(80).collect();
        problem.push_str(&format!(": {text:?}"));
    }
    Error::argument("script", problem)
}

/// The parser's sentences, to be read after a colon.
fn as_clause(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Whether the source is nested deeper than the parser's stack may go. Each token may start a
/// level, until a comma or the end of its line or bracket ends them; a lambda's outlives commas.
fn too_deep(source: &str) -> Option<&'static str> {
    #[derive(Clone, Copy, Default)]
    struct Levels {
        since_comma: usize,
        lambdas: usize,
    }
    let mut lexer = lexer::lex(source, Mode::Module);
    let (mut outer, mut here) = (Vec::new(), Levels::default());
    let (mut indents, mut depth) = (0_usize, 0_usize);
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => return None,
            TokenKind::Indent => indents += 1,
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Newline | TokenKind::Semi => {
                outer.clear();
                (here, depth) = (Levels::default(), 0);
            }
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                here.since_comma += 1;
                depth += 1;
                outer.push(std::mem::take(&mut here));
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                depth -= here.since_comma + here.lambdas;
                here = outer.pop().unwrap_or_default();
            }
            TokenKind::Comma => depth -= std::mem::take(&mut here.since_comma),
            TokenKind::Lambda => (here.lambdas, depth) = (here.lambdas + 1, depth + 1),
            TokenKind::String | TokenKind::Comment | TokenKind::NonLogicalNewline => {}
            _ => (here.since_comma, depth) = (here.since_comma + 1, depth + 1),
        }
        if outer.len() >= MAX_BRACKETS {
            return Some("has too many nested brackets");
        }
        if indents > MAX_INDENTS {
            return Some("has too many levels of indentation");
        }
        if depth > MAX_DEPTH {
            return Some("has an expression nested deeper than Python compiles");
        }
    }
}
