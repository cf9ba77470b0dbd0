//! The grammar of a Python requirement, as PEP 508 gives it: `name[extra] >=1,<2; marker`.

use std::sync::LazyLock;

use regex::Regex;

/// A version as PEP 440 has it, in all its spellings.
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    let release = r"v?(?:[0-9]+!)?(?P<release>[0-9]+(?:\.[0-9]+)*)";
    let before = r"(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?";
    let after = r"(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?";
    let local = r"(?P<local>\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?";
    let pattern = format!(r"(?i)^{release}{before}{after}{local}(?P<prefix>\.\*)?$");
    Regex::new(&pattern).expect("the pattern is constant")
});

/// Longer ones come first: `==` begins `===`.
const COMPARISONS: &[&str] = &["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

/// What a marker can ask about.
const ENVIRONMENT: &[&str] = &[
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform_machine",
    "platform_python_implementation",
    "implementation_name",
    "implementation_version",
    "extra",
];

/// No marker that people write is as deep.
const MAX_DEPTH: usize = 16;

/// Says what is wrong where a text is no requirement.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut rest = Rest(text.trim_matches([' ', '\t']));
    rest.name("the name of a package")?;
    rest.space();
    if rest.take("[") {
        rest.extras()?;
    }
    rest.space();
    if rest.take("@") {
        rest.url()?;
    } else if rest.take("(") {
        rest.versions()?;
        rest.expect(")")?;
    } else if rest.0.starts_with(['=', '~', '!', '<', '>']) {
        rest.versions()?;
    }
    rest.space();
    if rest.take(";") {
        rest.marker(0)?;
        rest.space();
    }
    if rest.0.is_empty() { Ok(()) } else { rest.wrong("nothing more") }
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn space(&mut self) -> bool {
        !self.run(|it| it == ' ' || it == '\t').is_empty()
    }

    fn take(&mut self, token: &str) -> bool {
        self.0.strip_prefix(token).map(|rest| self.0 = rest).is_some()
    }

    fn run(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|it| !fits(it)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        run
    }

    /// A word that is not the beginning of a longer one.
    fn word(&mut self, word: &str) -> bool {
        let before = self.0;
        let found = self.run(|it| it.is_ascii_alphanumeric() || it == '_') == word;
        if !found {
            self.0 = before;
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        self.space();
        if self.take(token) { Ok(()) } else { self.wrong(&format!("{token:?}")) }
    }

    fn wrong<T>(&self, expected: &str) -> Result<T, String> {
        let found: String = self.0.chars().take(20).collect();
        match found.is_empty() {
            true => Err(format!("it ends where {expected} is expected")),
            false => Err(format!("{found:?} stands where {expected} is expected")),
        }
    }

    fn name(&mut self, what: &str) -> Result<(), String> {
        self.space();
        let before = Rest(self.0);
        let name = self.run(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-'));
        let ends = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric());
        let sound = ends(name.chars().next()) && ends(name.chars().last());
        if sound { Ok(()) } else { before.wrong(what) }
    }

    fn extras(&mut self) -> Result<(), String> {
        self.space();
        if self.take("]") {
            return Ok(());
        }
        self.name("the name of an extra")?;
        self.space();
        while self.take(",") {
            self.name("the name of an extra")?;
            self.space();
        }
        self.expect("]")
    }

    fn versions(&mut self) -> Result<(), String> {
        loop {
            self.space();
            let Some(comparison) = self.comparison() else {
                return self.wrong("a comparison such as \">=\"");
            };
            self.space();
            let before = Rest(self.0);
            let version = self.run(|it| it.is_ascii_alphanumeric() || ".*+!_-".contains(it));
            if !is_version(comparison, version) {
                return before.wrong(&format!("a version to compare by {comparison:?}"));
            }
            self.space();
            if !self.take(",") {
                return Ok(());
            }
        }
    }

    fn comparison(&mut self) -> Option<&'static str> {
        COMPARISONS.iter().find(|it| self.take(it)).copied()
    }

    /// Without what pip or the cluster would expand, or read as the end of the line.
    fn url(&mut self) -> Result<(), String> {
        self.space();
        let before = Rest(self.0);
        let scheme = self.run(|it| it.is_ascii_lowercase() || it == '+');
        let rest = self.run(|it| it.is_ascii_graphic() && !"$\\\"'<>`;".contains(it));
        let sound = !scheme.is_empty() && rest.strip_prefix("://").is_some_and(|it| !it.is_empty());
        if sound { Ok(()) } else { before.wrong("a URL") }
    }

    /// Comparisons, joined by `and` and `or`.
    fn marker(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("its marker is nested too deep".to_owned());
        }
        loop {
            self.space();
            if self.take("(") {
                self.marker(depth + 1)?;
                self.expect(")")?;
            } else {
                self.condition()?;
            }
            self.space();
            if !self.word("and") && !self.word("or") {
                return Ok(());
            }
        }
    }

    fn condition(&mut self) -> Result<(), String> {
        let before = Rest(self.0);
        let asks = self.operand()?;
        self.space();
        let negated = self.word("not") && self.space();
        if !self.word("in") && (negated || self.comparison().is_none()) {
            return self.wrong("a comparison, \"in\" or \"not in\"");
        }
        // Two constants would be true or false everywhere.
        if self.operand()? || asks { Ok(()) } else { before.wrong(MARKER) }
    }

    /// Whether it is a name, and not a quoted text.
    fn operand(&mut self) -> Result<bool, String> {
        self.space();
        if ENVIRONMENT.iter().any(|name| self.word(name)) {
            return Ok(true);
        }
        let before = Rest(self.0);
        for quote in ["'", "\""] {
            if self.take(quote) {
                let text = |it: char| {
                    it.is_ascii_alphanumeric() || " \t().*{}-_/:;,@!?+=<>~|&%^".contains(it)
                };
                self.run(text);
                return if self.take(quote) { Ok(false) } else { self.wrong(quote) };
            }
        }
        before.wrong(MARKER)
    }
}

const MARKER: &str = "a marker such as python_version < \"3.13\"";

fn is_version(comparison: &str, version: &str) -> bool {
    if comparison == "===" {
        return !version.is_empty(); // compared letter by letter
    }
    let Some(parts) = VERSION.captures(version) else { return false };
    let equals = matches!(comparison, "==" | "!=");
    let compatible = comparison != "~=" || parts["release"].contains('.');
    compatible && (equals || parts.name("prefix").or(parts.name("local")).is_none())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn what_people_write_is_a_requirement() {
        for good in [
            "numpy",
            "zope.interface",
            "torch>=2.4,<3",
            "torch == 2.9.0+cu128",
            "scikit-learn == 1.5.*",
            "a (>=1.0, !=1.1)",
            "a==1!2.0rc1.post3.dev4",
            "a===anything-goes_2024",
            "ray[train, tune] ~=2.9",
            "a[]",
            "a @ https://host/a-1.0-py3-none-any.whl",
            "a[b]@git+https://host/a.git@v1.0#subdirectory=x",
            "a @ https://host/a.whl ; os_name == 'posix'",
            "x; python_version < '3.12'",
            "x>1;(sys_platform=='linux' or os_name not in \"nt java\") and extra == 'gpu'",
            "x; '3.9' <= python_version",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused_where_it_goes_wrong() {
        let refused = [
            "",
            "-r other.txt",
            "--index-url=x",
            "../a",
            "a b",
            "a\nb",
            "a #b",
            "a-",
            "a[b",
            "a>=",
            "a>=one",
            "a>=1.*",
            "a~=1",
            "a=1",
            "a==1,",
            "a @ somewhere",
            "a @ https://host/${HOME}",
            "numpy; rm -rf /",
            "a;$(id)",
            "a; python_version < 3.12",
            "a; python < '3'",
            "a; '1' == '1'",
            "a; os_name == 'posix",
            "a; (os_name == 'posix'",
            "a; os_name == 'posix' &&",
            "a; os_name notin 'x'",
        ];
        let told: Vec<String> =
            refused.iter().map(|it| format!("{it:?}: {}\n", check(it).expect_err(it))).collect();
        let expected: Expect = expect![[r##"
            "": it ends where the name of a package is expected
            "-r other.txt": "-r other.txt" stands where the name of a package is expected
            "--index-url=x": "--index-url=x" stands where the name of a package is expected
            "../a": "../a" stands where the name of a package is expected
            "a b": "b" stands where nothing more is expected
            "a\nb": "\nb" stands where nothing more is expected
            "a #b": "#b" stands where nothing more is expected
            "a-": "a-" stands where the name of a package is expected
            "a[b": it ends where "]" is expected
            "a>=": it ends where a version to compare by ">=" is expected
            "a>=one": "one" stands where a version to compare by ">=" is expected
            "a>=1.*": "1.*" stands where a version to compare by ">=" is expected
            "a~=1": "1" stands where a version to compare by "~=" is expected
            "a=1": "=1" stands where a comparison such as ">=" is expected
            "a==1,": it ends where a comparison such as ">=" is expected
            "a @ somewhere": "somewhere" stands where a URL is expected
            "a @ https://host/${HOME}": "${HOME}" stands where nothing more is expected
            "numpy; rm -rf /": "rm -rf /" stands where a marker such as python_version < "3.13" is expected
            "a;$(id)": "$(id)" stands where a marker such as python_version < "3.13" is expected
            "a; python_version < 3.12": "3.12" stands where a marker such as python_version < "3.13" is expected
            "a; python < '3'": "python < '3'" stands where a marker such as python_version < "3.13" is expected
            "a; '1' == '1'": "'1' == '1'" stands where a marker such as python_version < "3.13" is expected
            "a; os_name == 'posix": it ends where ' is expected
            "a; (os_name == 'posix'": it ends where ")" is expected
            "a; os_name == 'posix' &&": "&&" stands where nothing more is expected
            "a; os_name notin 'x'": "notin 'x'" stands where a comparison, "in" or "not in" is expected
        "##]];
        expected.assert_eq(&told.concat());
        check(&format!("a; {}", "(".repeat(10_000))).expect_err("too deep");
    }
}
