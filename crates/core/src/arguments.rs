//! Whether a call's arguments fit the tool's input schema, and if not, what to change.

mod check;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result, arguments::check::Check, schema};

pub(crate) use self::check::shown;

/// How many problems one error names: more than that is a misunderstanding, not a slip.
const PROBLEMS: usize = 5;

/// One argument, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands: `env.HF_TOKEN`, `packages[2]`.
    pub argument: String,
    pub problem: String,
}

/// Checks the arguments against the tool's own input schema, and leaves out every `null` that
/// stands for an absent one.
pub(crate) fn check(schema: &JsonObject, arguments: &mut JsonObject) -> Result<()> {
    check_at("", schema, arguments)
}

/// Reads an argument whose fields the tool's own schema leaves open, where each would cost words: the
/// type describes them, and they are checked as arguments are.
pub fn read<T>(argument: &str, fields: &JsonObject) -> Result<T>
where
    T: DeserializeOwned + JsonSchema,
{
    let mut fields = fields.clone();
    check_at(argument, &schema::of_fields::<T>(), &mut fields)?;
    serde_json::from_value(fields.into())
        .map_err(|error| Error::argument(argument, error.to_string()))
}

fn check_at(path: &str, schema: &JsonObject, arguments: &mut JsonObject) -> Result<()> {
    drop_nulls(schema, arguments);
    let mut check = Check::new(schema);
    check.object(schema, arguments, path);
    let mut problems = check.problems;
    problems.truncate(PROBLEMS);
    if problems.is_empty() { Ok(()) } else { Err(Error::Arguments(problems)) }
}

fn drop_nulls(schema: &JsonObject, arguments: &mut JsonObject) {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|it| it.iter().any(|it| it == name));
    arguments.retain(|name, value| !value.is_null() || is_required(name));
    for (name, value) in arguments {
        let inner = schema.get("properties").and_then(|it| it.get(name));
        match (inner.and_then(Value::as_object), value) {
            (Some(schema), Value::Object(fields)) => drop_nulls(schema, fields),
            (Some(schema), Value::Array(items)) => {
                let Some(schema) = schema.get("items").and_then(Value::as_object) else { continue };
                for fields in items.iter_mut().filter_map(Value::as_object_mut) {
                    drop_nulls(schema, fields);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::{Caller, Effect, Need, Persona, Tool, schema};

    /// Trains a model.
    ///
    /// Use it to
    /// train.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only their schema matters here")]
    struct Train {
        /// What to call
        /// the job.
        #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
        name: String,
        #[schemars(length(max = 524_288))]
        code: Option<String>,
        /// How many nodes.
        #[schemars(range(min = 1, max = 100))]
        num_nodes: Option<u32>,
        #[schemars(length(max = 3))]
        packages: Option<Vec<String>>,
        env: Option<std::collections::BTreeMap<String, String>>,
        backend: Option<Backend>,
        volumes: Option<Vec<Volume>>,
        #[serde(default)]
        suspend: bool,
        rate: Option<f64>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Backend {
        /// The default.
        Torchtune,
        Trl,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only their schema matters here")]
    struct Volume {
        claim: String,
        mount_path: Option<String>,
    }

    #[derive(serde::Serialize, JsonSchema)]
    struct Trained {
        name: String,
        epochs: Option<u32>,
    }

    impl Tool for Train {
        type Output = Trained;
        const NAME: &str = "train";
        const TITLE: &str = "Train";
        const EFFECT: Effect = Effect::Creates;
        const PERSONA: Persona = Persona::DataScientist;
        const NEEDS: &[Need] = &[];

        async fn call(self, _: &Caller) -> Result<Trained> {
            Ok(Trained { name: self.name, epochs: None })
        }
    }

    #[track_caller]
    fn problems(arguments: serde_json::Value, expected: Expect) {
        let schemas = schema::of::<Train>();
        let mut arguments = arguments.as_object().expect("an object").clone();
        let verdict = match check(&schemas.input, &mut arguments) {
            Ok(()) => format!("fits: {}", serde_json::Value::Object(arguments)),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&verdict);
    }

    #[test]
    fn fields_of_an_argument_are_checked_as_arguments() {
        let read = |fields: serde_json::Value| {
            super::read::<Volume>("volume", fields.as_object().expect("an object"))
                .map(|it| it.claim)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(json!({"claim": "data", "mount_path": null})), Ok("data".to_owned()));
        let wrong = read(json!({"clam": "data"})).expect_err("a misspelt field");
        expect![[r#"argument "volume.claim" is required; argument "volume.clam" is not known (did you mean "claim"?)"#]]
            .assert_eq(&wrong);
    }

    #[test]
    fn what_fits_passes_and_null_counts_as_absent() {
        problems(
            json!({"name": "digits", "code": "print(1)\n\u{c}", "num_nodes": 4, "env": {"A": "1\n2"},
                "backend": "trl", "volumes": [{"claim": "data", "mount_path": null}], "rate": 1,
                "packages": null, "confirmed": true}),
            expect![[
                r#"fits: {"backend":"trl","code":"print(1)\n\f","confirmed":true,"env":{"A":"1\n2"},"name":"digits","num_nodes":4,"rate":1,"volumes":[{"claim":"data"}]}"#
            ]],
        );
    }

    #[test]
    fn every_wrong_argument_is_named_with_what_is_allowed() {
        problems(json!({}), expect![[r#"argument "name" is required"#]]);
        problems(json!({"name": null}), expect![[r#"argument "name" is null, must be a string"#]]);
        problems(
            json!({"name": "Digits!", "num_nodes": "3", "nodes": 3, "rate": "fast", "suspend": 1}),
            expect![[
                r#"argument "name" is "Digits!", must match ^[a-z]([-a-z0-9]*[a-z0-9])?$; argument "nodes" is not known (did you mean "num_nodes"?); argument "num_nodes" is the string "3", must be a whole number; argument "rate" is the string "fast", must be a number; argument "suspend" is the number 1, must be a boolean"#
            ]],
        );
        problems(
            json!({"name": "a", "num_nodes": 0}),
            expect![[r#"argument "num_nodes" is 0, must be between 1 and 100"#]],
        );
        problems(
            json!({"name": "a", "num_nodes": 1.5}),
            expect![[r#"argument "num_nodes" is the number 1.5, must be a whole number"#]],
        );
        problems(
            json!({"name": "a", "confirmed": "yes", "backend": "tlr"}),
            expect![[
                r#"argument "backend" is "tlr", not one of "trl", "torchtune"; argument "confirmed" is the string "yes", must be a boolean"#
            ]],
        );
        problems(
            json!({"name": "", "packages": ["a", "b", "c", 4]}),
            expect![[
                r#"argument "name" is "", with 0 characters, must have at least 1; argument "packages" is ["a","b","c",4], with 4 items, must have at most 3; argument "packages[3]" is the number 4, must be a string"#
            ]],
        );
        problems(
            json!({"name": "a", "volumes": [{"claim": "c"}, {"claims": "c"}], "env": {"B": 1}}),
            expect![[
                r#"argument "env.B" is the number 1, must be a string; argument "volumes[1].claim" is required; argument "volumes[1].claims" is not known (did you mean "claim"?)"#
            ]],
        );
        problems(
            json!({"name": "a-name-that-is-too-long-by-far", "env": []}),
            expect![[
                r#"argument "env" is an array, must be an object; argument "name" is "a-name-that-is-too-long-by-far", with 30 characters, must have at most 20"#
            ]],
        );
        problems(
            json!({"name": "a\u{0}b", "packages": ["a\u{1b}[0m"]}),
            expect![[
                r#"argument "name" is "a\0b", must not have the control character \u{0}; argument "packages[0]" is "a\u{1b}[0m", must not have the control character \u{1b}"#
            ]],
        );
        problems(
            json!({"name": "a", "code": "a\u{0}"}),
            expect![[r#"argument "code" is "a\0", must not have the control character \u{0}"#]],
        );
        problems(
            json!({"name": format!("hf_{}", "a".repeat(34))}),
            expect![[
                r#"argument "name" is "[redacted]", with 37 characters, must have at most 20"#
            ]],
        );
    }

    #[test]
    fn schemas_are_short() {
        let schemas = schema::of::<Train>();
        assert_eq!(schemas.description, "Trains a model.\n\nUse it to train.");
        expect![[r#"
            {
              "additionalProperties": false,
              "properties": {
                "backend": {
                  "enum": [
                    "trl",
                    "torchtune"
                  ],
                  "type": "string"
                },
                "code": {
                  "maxLength": 524288,
                  "type": "string"
                },
                "confirmed": {
                  "default": false,
                  "description": "false: preview only.",
                  "type": "boolean"
                },
                "env": {
                  "additionalProperties": {
                    "type": "string"
                  },
                  "type": "object"
                },
                "name": {
                  "description": "What to call the job.",
                  "maxLength": 20,
                  "minLength": 1,
                  "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
                  "type": "string"
                },
                "num_nodes": {
                  "description": "How many nodes.",
                  "maximum": 100,
                  "minimum": 1,
                  "type": "integer"
                },
                "packages": {
                  "items": {
                    "type": "string"
                  },
                  "maxItems": 3,
                  "type": "array"
                },
                "rate": {
                  "type": "number"
                },
                "suspend": {
                  "default": false,
                  "type": "boolean"
                },
                "volumes": {
                  "items": {
                    "additionalProperties": false,
                    "properties": {
                      "claim": {
                        "type": "string"
                      },
                      "mount_path": {
                        "type": "string"
                      }
                    },
                    "required": [
                      "claim"
                    ],
                    "type": "object"
                  },
                  "type": "array"
                }
              },
              "required": [
                "name"
              ],
              "type": "object"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&*schemas.input).expect("JSON"));
        expect![[r#"
            {
              "properties": {
                "epochs": {
                  "minimum": 0,
                  "type": [
                    "integer",
                    "null"
                  ]
                },
                "name": {
                  "type": "string"
                },
                "preview": {
                  "description": "Whether this only shows what would happen, and nothing has changed.",
                  "type": "boolean"
                }
              },
              "required": [
                "name",
                "epochs",
                "preview"
              ],
              "type": "object"
            }"#]].assert_eq(&serde_json::to_string_pretty(&*schemas.output).expect("JSON"));
    }
}
