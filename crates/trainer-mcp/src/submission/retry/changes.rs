//! What is made different in the copy of a job.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use workloads::{
    code, environment, image,
    train_job::{phase::QUEUE_LABEL, resources, runtime::Runtime},
};

/// The fields of the argument `changes`, which its description names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Changes {
    #[schemars(range(min = 1, max = 1000))]
    num_nodes: Option<i32>,
    resources_per_node: Map<String, Value>,
    #[schemars(range(min = 1))]
    time_limit_seconds: Option<i64>,
    queue: Option<String>,
    #[schemars(length(min = 1, max = 500))]
    image: Option<String>,
    #[schemars(length(min = 1, max = 524_288))]
    script: Option<String>,
    env: Map<String, Value>,
    args: Map<String, Value>,
}

/// A job that repeats another, and what is different.
pub(super) struct Copy {
    pub(super) object: Value,
    pub(super) changed: Vec<String>,
}

impl Changes {
    pub(super) fn made(self, object: Value, runtime: &Runtime) -> Result<Copy> {
        let mut copy = Copy { object, changed: Vec::new() };
        copy.set("num_nodes", "/spec/trainer/numNodes", self.num_nodes.map(Into::into));
        let seconds = self.time_limit_seconds.map(Into::into);
        copy.set("time_limit_seconds", "/spec/activeDeadlineSeconds", seconds);
        let label = format!("/metadata/labels/{}", QUEUE_LABEL.replace('/', "~1"));
        copy.set("queue", &label, self.queue.map(Into::into));
        if let Some(image) = &self.image {
            image::check("changes.image", image)?;
        }
        copy.set("image", "/spec/trainer/image", self.image.map(Into::into));
        copy.have(&self.resources_per_node, runtime)?;
        copy.say(&self.args)?;
        copy.run(self.script.as_deref())?;
        for variable in environment::variables("changes.env", &self.env)? {
            copy.provide(variable)?;
        }
        Ok(copy)
    }
}

impl Copy {
    fn set(&mut self, name: &str, pointer: &str, value: Option<Value>) {
        let Some(value) = value else { return };
        let before = self.object.pointer(pointer).cloned().unwrap_or_default();
        if before == value {
            return;
        }
        self.note(name, &before, &value);
        if pointer.starts_with("/spec/trainer/") {
            self.trainer();
        }
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer starts with a slash");
        if let Some(parent) = self.object.pointer_mut(parent) {
            parent[field.replace("~1", "/")] = value;
        }
    }

    /// The only part of a TrainJob's spec that may be missing as a whole.
    fn trainer(&mut self) -> &mut Value {
        let trainer = &mut self.object["spec"]["trainer"];
        if trainer.is_null() {
            *trainer = json!({});
        }
        trainer
    }

    fn note(&mut self, name: &str, before: &Value, after: &Value) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let line = match before {
            Value::Null => format!("{name}: {}, of which the job said nothing", text(after)),
            before => format!("{name}: {} instead of {}", text(after), text(before)),
        };
        self.changed.push(line);
    }

    /// Other resources, and those of the job that nothing is said of.
    fn have(&mut self, given: &Map<String, Value>, runtime: &Runtime) -> Result<()> {
        if given.is_empty() {
            return Ok(());
        }
        let asked = resources::named("changes.resources_per_node", given, runtime)?;
        let own = self.object["spec"]["trainer"]["resourcesPerNode"].clone();
        let own = [&own["requests"], &own["limits"]].into_iter().filter_map(Value::as_object);
        let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
        let before: BTreeMap<String, String> =
            own.flatten().map(|(name, quantity)| (name.clone(), text(quantity))).collect();
        let after: BTreeMap<String, String> = before.clone().into_iter().chain(asked).collect();
        let after = resources::counted(after, runtime);
        for (name, quantity) in &after {
            if before.get(name) != Some(quantity) {
                let before = before.get(name).map_or(Value::Null, |it| json!(it));
                self.note(name, &before, &json!(quantity));
            }
        }
        self.trainer()["resourcesPerNode"] = json!({"requests": after, "limits": after});
        Ok(())
    }

    /// Arguments of the form `key=value` or `--key=value`, in place of those with the same key.
    fn say(&mut self, given: &Map<String, Value>) -> Result<()> {
        let trainer = &self.object["spec"]["trainer"];
        let tunes = trainer["command"] == json!(["tune", "run"]);
        let words = trainer["args"].as_array().into_iter().flatten();
        let mut args: Vec<String> = words.filter_map(|it| it.as_str().map(str::to_owned)).collect();
        for (key, value) in given {
            let text = match value {
                Value::Bool(true) if tunes => "True".to_owned(),
                Value::Bool(false) if tunes => "False".to_owned(),
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => {
                    let problem = "must be a string, a number or a boolean";
                    return Err(Error::argument(format!("changes.args.{key}"), problem));
                }
            };
            let forms = [format!("--{key}="), format!("{key}=")];
            let found = args.iter().position(|it| forms.iter().any(|form| it.starts_with(form)));
            match found {
                Some(place) => {
                    let (name, before) =
                        args[place].split_once('=').expect("it starts with a form");
                    let (name, before) = (name.to_owned(), before.to_owned());
                    if before != text {
                        self.note(
                            &format!("args.{key}"),
                            &json!(code::as_received(&before)),
                            &json!(text),
                        );
                    }
                    args[place] = code::unexpanded(&format!("{name}={text}"));
                }
                None => {
                    self.note(&format!("args.{key}"), &Value::Null, &json!(text));
                    let form = if tunes { &forms[1] } else { &forms[0] };
                    args.push(code::unexpanded(&format!("{form}{text}")));
                }
            }
        }
        if !given.is_empty() {
            self.trainer()["args"] = json!(args);
            let env = code::told(self.env()?, given);
            self.trainer()["env"] = json!(env);
        }
        Ok(())
    }

    fn run(&mut self, script: Option<&str>) -> Result<()> {
        let Some(script) = script else { return Ok(()) };
        let env = self.env()?;
        let Some(before) = code::delivered(&env) else {
            let problem =
                "cannot take the place of a program that is not a script of run_custom_training";
            return Err(Error::argument("changes.script", problem));
        };
        if before == script {
            return Ok(());
        }
        let env = code::exchanged(env, script)?;
        let mpi = self.object["spec"]["trainer"]["command"][0] == "mpirun";
        if mpi && env.len() != self.env()?.len() {
            // The command names each piece to hand it on to other hosts.
            let problem =
                "differs too much in length from the one before: start it with run_custom_training";
            return Err(Error::argument("changes.script", problem));
        }
        self.note("script", &json!(code::digest(&before)), &json!(code::digest(script)));
        self.trainer()["env"] = json!(env);
        Ok(())
    }

    /// A variable, in place of one of that name; its value is nobody's business.
    fn provide(&mut self, variable: EnvVar) -> Result<()> {
        let mut env = self.env()?;
        let line = match env.iter_mut().find(|it| it.name == variable.name) {
            Some(before) if *before == variable => return Ok(()),
            Some(before) => {
                *before = variable.clone();
                format!("env.{}: another value", variable.name)
            }
            None => {
                env.push(variable.clone());
                format!("env.{}: set", variable.name)
            }
        };
        self.changed.push(line);
        self.trainer()["env"] = json!(env);
        Ok(())
    }

    fn env(&self) -> Result<Vec<EnvVar>> {
        let env = &self.object["spec"]["trainer"]["env"];
        if env.is_null() {
            return Ok(Vec::new());
        }
        serde_json::from_value(env.clone()).map_err(Error::Output)
    }
}
