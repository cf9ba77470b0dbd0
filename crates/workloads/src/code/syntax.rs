//! Whether Python source parses. Nothing here runs it.

use kubeflow_mcp_core::{Error, Result};
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer, parse_module};
use ruff_source_file::LineIndex;
use ruff_text_size::TextSize;

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
    let checked = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, || match parse_module(source) {
            Ok(module) if module.syntax().body.is_empty() => Err((0, "no code in it".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err((error.location.start().to_usize(), error.error.to_string())),
        });
        let thread = thread.map_err(|error| (0, format!("cannot be parsed now: {error}")))?;
        thread.join().unwrap_or_else(|_| Err((0, "the parser gave up on it".to_owned())))
    });
    checked.map_err(|(at, what)| problem(source, at, &what))
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
