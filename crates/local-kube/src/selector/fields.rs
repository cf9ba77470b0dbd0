//! Field selectors.

use serde_json::Value;

use crate::{
    kinds::{Form, Kind, events},
    status::{self, Result},
};

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
                let why = format!("invalid selector: '{selector}'; can't understand '{part}'");
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
                return Err(status::bad_request(unsupported(kind, path)));
            }
        }
        Ok(())
    }

    pub(crate) fn select(&self, object: &Value) -> bool {
        self.0.iter().all(|Field { path, value, equal }| {
            let found = match path.as_str() {
                "status.successful" => &object["status"]["succeeded"],
                "source" => &object["source"]["component"],
                path => {
                    let path = events::stored_path(path);
                    path.split('.').fold(object, |value, part| &value[part])
                }
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

/// What is said of a field that a kind cannot be selected by, which depends on the kind.
fn unsupported(kind: &Kind, path: &str) -> String {
    let custom = matches!(kind.form, Form::Custom(_));
    match kind.resource.as_str() {
        "jobs.batch" => format!("field label {path:?} not supported for {}", kind.kind),
        "services" => format!("field label not supported: {path}"),
        _ if custom || !kind.selectable.is_empty() => format!("field label not supported: {path}"),
        _ => format!(
            r#"{path:?} is not a known field selector: only "metadata.name", "metadata.namespace""#
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_selector_is_refused() {
        let refused = Fields::parse("metadata.name").unwrap_err();
        let why = "invalid selector: 'metadata.name'; can't understand 'metadata.name'";
        assert_eq!(refused.message, why);
    }
}
