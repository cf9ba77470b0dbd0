//! The runtime that a job is started from: the one named, or the one that is meant.

use kubeflow_mcp_core::{Error, Result};
use workloads::code::Start;

use crate::{
    api::{GROUP, RuntimeRef, runtime::Runtime},
    runtimes::catalogue::{Catalogue, Entry},
};

/// The runtime that the Kubeflow SDK takes when none is named.
const USUAL: &str = "torch-distributed";

pub(super) struct Chosen {
    pub(super) reference: RuntimeRef,
    pub(super) runtime: Runtime,
    /// Where nobody named it.
    pub(super) why: Option<String>,
}

pub(super) fn choose(catalogue: &Catalogue, named: Option<&str>) -> Result<Chosen> {
    let (entry, why) = match named {
        Some(name) => (catalogue.find(name).ok_or_else(|| catalogue.unknown(name))?, None),
        None => {
            let (entry, why) = default(catalogue)?;
            (entry, Some(why))
        }
    };
    let name = &entry.name;
    let unusable =
        |problem: &str| Err(Error::argument("runtime", format!("is {name:?}, which {problem}")));
    let runtime = match &entry.runtime {
        Ok(runtime) => runtime.clone(),
        Err(problem) => return unusable(&format!("cannot be read: {problem}")),
    };
    if runtime.is_builtin() {
        return unusable("runs a training program of its own, and no script");
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

/// What starts code in this runtime.
pub(super) fn start(runtime: &Runtime) -> Start {
    let policy = &runtime.spec.ml_policy;
    if policy.mpi.is_some() {
        Start::Mpirun
    } else if policy.torch.is_some() {
        Start::Torchrun
    } else {
        Start::Python
    }
}
