//! Label and field selectors.

use serde_json::Value;

use crate::{
    kinds::Kind,
    status::{self, Result},
};

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
        let requirements = parts(selector).map(|part| {
            requirement(part).filter(|it| is_label(&it.label)).ok_or_else(|| {
                status::bad_request(format!(
                    "unable to parse requirement: {part:?} in {selector:?}"
                ))
            })
        });
        Ok(Self(requirements.collect::<Result<_>>()?))
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

/// The requirements of a selector: split at commas that stand outside parentheses.
fn parts(selector: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    selector
        .split(move |c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|it| !it.is_empty())
}

fn requirement(part: &str) -> Option<Requirement> {
    let made = |label: &str, test| Some(Requirement { label: label.trim().to_owned(), test });
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some(label) = part.strip_prefix('!') {
        return made(label, Test::Absent);
    }
    if let Some((label, value)) = part.split_once("!=") {
        return made(label, Test::NotIn(one(value)));
    }
    if let Some((label, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(label, Test::In(one(value)));
    }
    if let Some((label, bound)) = part.split_once('>') {
        return made(label, Test::Above(bound.trim().parse().ok()?));
    }
    if let Some((label, bound)) = part.split_once('<') {
        return made(label, Test::Below(bound.trim().parse().ok()?));
    }
    let Some((label, rest)) = part.split_once(char::is_whitespace) else {
        return made(part, Test::Exists);
    };
    let values = |rest: &str| {
        let inner = rest.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|it| it.trim().to_owned()).collect())
    };
    let rest = rest.trim_start();
    match (rest.strip_prefix("notin"), rest.strip_prefix("in")) {
        (Some(rest), _) => made(label, Test::NotIn(values(rest)?)),
        (None, Some(rest)) => made(label, Test::In(values(rest)?)),
        (None, None) => None,
    }
}

/// `[prefix/]name` of letters, digits, `-`, `_` and `.`, that begins and ends with a letter or digit.
fn is_label(label: &str) -> bool {
    let name = label.rsplit('/').next().unwrap_or_default();
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    edge(name.chars().next()) && edge(name.chars().last()) && label.chars().all(inner)
}

/// What fields of an object must be; empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    path: String,
    value: String,
    equal: bool,
}

impl Fields {
    pub(crate) fn parse(selector: &str) -> Result<Self> {
        let fields = selector.split(',').map(str::trim).filter(|it| !it.is_empty()).map(|part| {
            let split = part.split_once("!=").map(|(path, value)| (path, value, false));
            let split = split
                .or_else(|| part.split_once("==").map(|(path, value)| (path, value, true)))
                .or_else(|| part.split_once('=').map(|(path, value)| (path, value, true)));
            let Some((path, value, equal)) = split else {
                let why = format!("invalid selector: {selector:?}; can't understand {part:?}");
                return Err(status::bad_request(why));
            };
            Ok(Field { path: path.trim().to_owned(), value: value.trim().to_owned(), equal })
        });
        Ok(Self(fields.collect::<Result<_>>()?))
    }

    /// The one name that is selected, if it is one.
    pub(crate) fn name(&self) -> Option<&str> {
        let mut names = self.0.iter().filter(|it| it.equal && it.path == "metadata.name");
        names.next().map(|it| it.value.as_str())
    }

    /// Refuses fields that the kind cannot be selected by.
    pub(crate) fn check(&self, kind: &Kind) -> Result<()> {
        for Field { path, .. } in &self.0 {
            let known = ["metadata.name", "metadata.namespace"].contains(&path.as_str());
            if !known && !kind.selectable.contains(path) {
                return Err(status::bad_request(format!("field label not supported: {path}")));
            }
        }
        Ok(())
    }

    pub(crate) fn select(&self, object: &Value) -> bool {
        self.0.iter().all(|Field { path, value, equal }| {
            let found = match path.as_str() {
                "status.successful" => &object["status"]["succeeded"],
                "source" => &object["source"]["component"],
                path => path.split('.').fold(object, |value, part| &value[part]),
            };
            let found = match found {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (found == *value) == *equal
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for wrong in ["a b", "=x", "a in x", "a>b", "-a=1"] {
            assert!(Labels::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Fields::parse("metadata.name").is_err());
    }
}
