//! Label selectors.

use serde_json::Value;

use crate::status::{self, Result};

/// What the labels of an object must be; empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    label: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl Labels {
    pub(crate) fn parse(selector: &str) -> Result<Self> {
        let mut words = Words::of(selector);
        words.requirements().map(Self).map_err(status::bad_request)
    }

    pub(crate) fn select(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0.iter().all(|it| it.holds(labels[it.label.as_str()].as_str()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let is_one_of = |values: &[String]| value.is_some_and(|it| values.iter().any(|v| v == it));
        let number = || value.and_then(|it| it.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => is_one_of(values),
            Test::NotIn(values) => !is_one_of(values),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Above(bound) => number().is_some_and(|it| it > *bound),
            Test::Below(bound) => number().is_some_and(|it| it < *bound),
        }
    }
}

/// The words of a selector that are not read yet: names, operators and brackets.
struct Words<'s>(std::iter::Peekable<std::vec::IntoIter<&'s str>>);

impl<'s> Words<'s> {
    fn of(selector: &'s str) -> Self {
        let mut words = Vec::new();
        let mut rest = selector.trim_start();
        while !rest.is_empty() {
            let operator = ["==", "!=", "=", "!", "(", ")", ",", "<", ">"];
            let operator = operator.into_iter().find(|it| rest.starts_with(it));
            let end = operator.map_or_else(
                || rest.find(|c: char| is_special(c) || c.is_whitespace()).unwrap_or(rest.len()),
                str::len,
            );
            let word;
            (word, rest) = rest.split_at(end);
            words.push(word);
            rest = rest.trim_start();
        }
        Self(words.into_iter().peekable())
    }

    /// The next word; nothing reads as an empty one.
    fn peek(&mut self) -> &'s str {
        self.0.peek().copied().unwrap_or_default()
    }

    fn take(&mut self) -> &'s str {
        self.0.next().unwrap_or_default()
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut all = Vec::new();
        loop {
            match self.peek() {
                "" => return Ok(all),
                word if is_name(word) || word == "!" => {}
                word => {
                    return Err(format!(
                        "found '{word}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            let one = self.requirement();
            all.push(one.map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.take() {
                "" => return Ok(all),
                "," if is_name(self.peek()) || self.peek() == "!" => {}
                "," => {
                    return Err(format!("found '{}', expected: identifier after ','", self.peek()));
                }
                word => return Err(format!("found '{word}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == "!";
        if absent {
            self.take();
        }
        let label = self.name()?;
        check_key(label)?;
        let made = |test| Ok(Requirement { label: label.to_owned(), test });
        if absent {
            return made(Test::Absent);
        }
        if matches!(self.peek(), "" | ",") {
            return made(Test::Exists);
        }
        let operator = self.take();
        let values = match operator {
            "in" | "notin" => self.values()?,
            "=" | "==" | "!=" | "<" | ">" => vec![self.value()?],
            word => return Err(format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        if let ("<" | ">", [value]) = (operator, values.as_slice()) {
            let bound = value.parse().map_err(|_| {
                format!("values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer")
            })?;
            return made(if operator == ">" { Test::Above(bound) } else { Test::Below(bound) });
        }
        for (index, value) in values.iter().enumerate() {
            check_value(value).map_err(|why| format!("values[{index}][{label}]: {why}"))?;
        }
        made(if matches!(operator, "notin" | "!=") {
            Test::NotIn(values)
        } else {
            Test::In(values)
        })
    }

    fn name(&mut self) -> Result<&'s str, String> {
        match self.take() {
            word if is_name(word) => Ok(word),
            word => Err(format!("found '{word}', expected: identifier")),
        }
    }

    /// The value after an operator, which may be empty.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            "" | "," => Ok(String::new()),
            _ => self.name().map(str::to_owned),
        }
    }

    /// `(a, b)`, where a value may be empty.
    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = Vec::new();
        loop {
            match self.peek() {
                "," | ")" => values.push(String::new()),
                word if is_name(word) => values.push(self.take().to_owned()),
                word => return Err(format!("found '{word}', expected: ',', ')' or identifier")),
            }
            match self.take() {
                "," => {}
                ")" => return Ok(values),
                word => return Err(format!("found '{word}', expected: ',' or ')'")),
            }
        }
    }
}

fn is_special(c: char) -> bool {
    "=!(),<>".contains(c)
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && !word.starts_with(is_special)
}

/// Letters, digits, `-`, `_` and `.`, that begin and end with a letter or digit.
fn is_qualified(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    edge(name.chars().next()) && edge(name.chars().last()) && name.chars().all(inner)
}

/// `[prefix/]name`.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
    if is_qualified(name) && is_qualified(prefix) {
        return Ok(());
    }
    let why = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    Err(format!("<nil>: Invalid value: {key:?}: {why}"))
}

fn check_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_qualified(value) {
        return Ok(());
    }
    let why = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    Err(format!("Invalid value: {value:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn selects(selector: &str) -> bool {
        let object = json!({"metadata": {"labels": {"app": "x", "example.com/rank": "3"}}});
        Labels::parse(selector).unwrap().select(&object)
    }

    #[test]
    fn labels_are_selected_by_equality_sets_existence_and_order() {
        let yes =
            ["", "app=x", "app==x,app", "app in (x, y),example.com/rank>2", "!tier", "tier!=a"];
        let no = ["app=y", "app notin (x,y)", "tier", "!app", "tier in (a)", "example.com/rank<3"];
        assert!(yes.iter().all(|it| selects(it)));
        assert!(!no.iter().any(|it| selects(it)));
        assert!(selects("app in (,x)") && !selects("app in ()") && !selects("app="));
    }

    #[test]
    fn what_is_no_selector_is_refused_in_the_words_of_an_api_server() {
        let wrong = ["a b", "=x", "a in x", "a in (b", "a in", "a>b", "a=b c", "!", "a,", "a!b"];
        let told = wrong.map(|it| Labels::parse(it).unwrap_err().message + "\n").concat();
        expect![[r#"
            unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt
            found '=', expected: !, identifier, or 'end of string'
            unable to parse requirement: found 'x' expected: '('
            unable to parse requirement: found '', expected: ',' or ')'
            unable to parse requirement: found '' expected: '('
            unable to parse requirement: values[0]: Invalid value: "b": for 'Gt', 'Lt' operators, the value must be an integer
            found 'c', expected: ',' or 'end of string'
            unable to parse requirement: found '', expected: identifier
            found '', expected: identifier after ','
            unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt
        "#]]
        .assert_eq(&told);
        assert!(Labels::parse("-a=1").is_err() && Labels::parse("a=_b").is_err());
    }
}
