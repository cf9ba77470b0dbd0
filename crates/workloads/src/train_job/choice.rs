//! The runtime that a job is started from: the one named, or the one that is meant.

use kubeflow_mcp_core::{Error, Result};

use super::{
    GROUP, RuntimeRef,
    catalogue::{Catalogue, Entry},
    runtime::Runtime,
};
use crate::code::Start;

/// The runtime that the Kubeflow SDK takes when none is named.
const USUAL: &str = "torch-distributed";

pub struct Chosen {
    pub reference: RuntimeRef,
    pub runtime: Runtime,
    /// Where nobody named it.
    pub why: Option<String>,
}

/// What a job brings.
#[derive(Clone, Copy)]
pub enum Takes<'a> {
    /// A program, as a script or in an image.
    Scripts,
    /// A model to train, for the runtime's own program of this framework.
    Model { framework: &'a str, model: &'a str },
}

pub fn choose(catalogue: &Catalogue, named: Option<&str>, takes: Takes<'_>) -> Result<Chosen> {
    let (entry, why) = match (named, takes) {
        (Some(name), _) => (catalogue.find(name).ok_or_else(|| catalogue.unknown(name))?, None),
        (None, Takes::Scripts) => {
            let (entry, why) = default(catalogue)?;
            (entry, Some(why))
        }
        (None, Takes::Model { framework, model }) => {
            (of_model(catalogue, framework, model)?, Some("it is named after the model".to_owned()))
        }
    };
    let name = &entry.name;
    let unusable =
        |problem: &str| Err(Error::argument("runtime", format!("is {name:?}, which {problem}")));
    let runtime = match &entry.runtime {
        Ok(runtime) => runtime.clone(),
        Err(problem) => return unusable(&format!("cannot be read: {problem}")),
    };
    match takes {
        Takes::Scripts if runtime.is_builtin() => {
            return unusable("runs a training program of its own, and no script");
        }
        Takes::Model { framework, .. } if runtime.framework() != Some(framework) => {
            let others: Vec<&str> =
                of_framework(catalogue, framework).map(|it| it.name.as_str()).collect();
            let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
            return unusable(&format!(
                "brings no training program of {framework}; there is {others}"
            ));
        }
        _ => {}
    }
    if runtime.trainer().is_none() {
        return unusable("has no container \"node\", in which the script would run");
    }
    let reference = RuntimeRef {
        name: name.clone(),
        api_group: Some(GROUP.to_owned()),
        kind: Some(entry.kind.name().to_owned()),
    };
    Ok(Chosen { reference, runtime, why })
}

/// The only one that takes scripts; else the usual one; else the only one of torch.
fn default(catalogue: &Catalogue) -> Result<(&Entry, String)> {
    let takes_scripts = |it: &&Entry| {
        let usable =
            |it: &Runtime| !it.is_builtin() && !it.is_deprecated() && it.trainer().is_some();
        it.runtime.as_ref().is_ok_and(usable)
    };
    let found: Vec<&Entry> = catalogue.entries.iter().filter(takes_scripts).collect();
    if let [only] = found[..] {
        return Ok((only, "the only one that runs scripts".to_owned()));
    }
    if let Some(usual) = found.iter().find(|it| it.name == USUAL) {
        return Ok((usual, "the usual one; list_runtimes shows the others".to_owned()));
    }
    let torch = |it: &&&Entry| it.runtime.as_ref().is_ok_and(|it| it.framework() == Some("torch"));
    let of_torch: Vec<&&Entry> = found.iter().filter(torch).collect();
    if let [only] = of_torch[..] {
        return Ok((only, "the only one for torch; list_runtimes shows the others".to_owned()));
    }
    if found.is_empty() {
        return Err(catalogue.unknown(USUAL));
    }
    let names: Vec<&str> = found.iter().take(20).map(|it| it.name.as_str()).collect();
    Err(Error::argument("runtime", format!("must be one of {}", names.join(", "))))
}

/// The one whose name is part of the model's: `torchtune-llama3.2-1b` for `Llama-3.2-1B-Instruct`.
fn of_model<'a>(catalogue: &'a Catalogue, framework: &str, model: &str) -> Result<&'a Entry> {
    let found: Vec<&Entry> = of_framework(catalogue, framework).collect();
    if found.is_empty() {
        return Err(Error::conflict(
            format!("there is no runtime of {framework} here, which would fine-tune"),
            "have its runtimes installed, or bring your own program with run_custom_training",
        ));
    }
    let fitting: Vec<&Entry> =
        found.iter().copied().filter(|it| is_named_after(&it.name, framework, model)).collect();
    if let [only] = fitting[..] {
        return Ok(only);
    }
    let names: Vec<&str> = found.iter().take(20).map(|it| it.name.as_str()).collect();
    let problem = format!("must be given, as none is named after {model:?}: {}", names.join(", "));
    Err(Error::argument("runtime", problem))
}

/// Whether a runtime, as far as its name tells, is made for a model.
pub fn is_named_after(runtime: &str, framework: &str, model: &str) -> bool {
    let plain = |text: &str| -> String {
        text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect()
    };
    let runtime = plain(runtime.strip_prefix(framework).unwrap_or(runtime));
    !runtime.is_empty() && plain(model).contains(&runtime)
}

fn of_framework<'a>(catalogue: &'a Catalogue, framework: &str) -> impl Iterator<Item = &'a Entry> {
    let fits = move |it: &&Entry| {
        let of = |it: &Runtime| it.framework() == Some(framework) && it.trainer().is_some();
        it.runtime.as_ref().is_ok_and(of)
    };
    catalogue.entries.iter().filter(fits)
}

/// What starts code in this runtime.
pub fn start(runtime: &Runtime) -> Start {
    let policy = &runtime.spec.ml_policy;
    if policy.mpi.is_some() {
        Start::Mpirun
    } else if policy.torch.is_some() {
        Start::Torchrun
    } else {
        Start::Python
    }
}
