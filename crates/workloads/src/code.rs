//! How Python source reaches the process that runs it, byte for byte, in an object of Kubernetes.

mod arguments;
mod packages;
mod requirement;
mod syntax;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Result};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use crate::code::{
    arguments::{FUNC_ARGS, as_received, unexpanded},
    syntax::mentions,
};
use crate::code::{
    arguments::{as_command_line, as_variable},
    packages::{check_index_urls, check_packages},
    syntax::check_syntax,
};

/// The most that one script may hold.
pub const MAX_BYTES: usize = 512 * 1024;
/// Linux refuses to start a process with one variable or argument of 128 KiB.
const PIECE_BYTES: usize = 96 * 1024;
/// The variable with the packages to install, one a line.
pub const PACKAGES: &str = "KUBEFLOW_MCP_PACKAGES";
/// What the launcher reads; nobody else may set it.
const RESERVED: &str = "KUBEFLOW_MCP_";
/// The variables that hold the code, numbered from 0.
const PIECE: &str = "KUBEFLOW_MCP_CODE_";
const LAUNCHER: &str = include_str!("code/launcher.sh");

/// Python source, and what it is to be run with.
pub struct Code<'a> {
    pub source: &'a str,
    pub start: Start,
    /// Strings, numbers, booleans, and lists of them, by name.
    pub func_args: &'a Map<String, Value>,
    pub packages: &'a [String],
    pub pip_index_urls: &'a [String],
    /// The variables that whoever asks wants it to see.
    pub env: Vec<EnvVar>,
}

/// What starts the code where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Python,
    /// One process a device, which torch's own launcher makes and introduces to each other.
    Torchrun,
    /// One process a slot of the host file, on all hosts.
    Mpirun,
}

/// The parts of a container that make it run the code.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub env: Vec<EnvVar>,
}

impl Code<'_> {
    /// Checks everything, and runs nothing.
    pub fn deliver(self) -> Result<Delivery> {
        check_syntax(self.source)?;
        check_packages(self.packages)?;
        check_index_urls(self.pip_index_urls)?;
        let args = as_command_line(self.func_args)?;
        let mut env = self.env;
        if let Some(taken) = env.iter().find(|it| it.name.starts_with(RESERVED)) {
            let problem = format!("must not start with {RESERVED:?}, which the launcher takes");
            return Err(Error::argument(format!("env.{}", taken.name), problem));
        }
        let ours = pieces(self.source)
            .chain(as_variable(self.func_args))
            .chain(package_variables(self.packages, self.pip_index_urls));
        for variable in ours {
            if env.iter().any(|it| it.name == variable.name) {
                let problem = "is set by another argument already";
                return Err(Error::argument(format!("env.{}", variable.name), problem));
            }
            env.push(variable);
        }
        if !env.iter().any(|it| it.name == "PYTHONUNBUFFERED") {
            env.push(variable("PYTHONUNBUFFERED", "1")); // what is printed reaches the log at once
        }
        Ok(Delivery { command: self.start.command(&env), args, env })
    }
}

impl Start {
    fn command(self, env: &[EnvVar]) -> Vec<String> {
        let (mut command, start) = match self {
            Self::Python => (vec![], "python"),
            Self::Torchrun => (vec![], "torchrun"),
            Self::Mpirun => {
                let mut command = vec!["mpirun", "--hostfile", "/etc/mpi/hostfile"];
                // Other hosts are reached over ssh, which hands no environment on.
                command.extend(env.iter().flat_map(|it| ["-x", it.name.as_str()]));
                (command, "python")
            }
        };
        command.extend(["sh", "-c", LAUNCHER, "kubeflow-mcp", start]);
        command.into_iter().map(str::to_owned).collect()
    }

    /// How a person would write what the launcher ends in.
    pub fn summary(self, args: &[String]) -> String {
        let program = match self {
            Self::Python => "python",
            Self::Torchrun => "torchrun",
            Self::Mpirun => "mpirun python",
        };
        let words = [program, "train.py"].into_iter().chain(args.iter().map(String::as_str));
        as_received(&words.collect::<Vec<_>>().join(" "))
    }
}

/// Identifies a script: the first digits of its SHA-256.
pub fn digest(source: &str) -> String {
    Sha256::digest(source).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The script that variables deliver, if they deliver one.
pub fn delivered(env: &[EnvVar]) -> Option<String> {
    let piece = |name: String| env.iter().find(|it| it.name == name)?.value.clone();
    let pieces: Vec<String> = (0..).map_while(|number| piece(piece_name(number))).collect();
    let code = BASE64_STANDARD.decode(pieces.concat()).ok().filter(|it| !it.is_empty())?;
    String::from_utf8(code).ok()
}

/// The variables with another script in them.
pub fn exchanged(mut env: Vec<EnvVar>, source: &str) -> Result<Vec<EnvVar>> {
    check_syntax(source)?;
    let is_piece = |it: &EnvVar| it.name.starts_with(PIECE);
    let place = env.iter().position(is_piece).unwrap_or(env.len());
    env.retain(|it| !is_piece(it));
    env.splice(place..place, pieces(source));
    Ok(env)
}

/// The variables with other values of some hyper-parameters, where they hold any.
pub fn told(mut env: Vec<EnvVar>, arguments: &Map<String, Value>) -> Vec<EnvVar> {
    for variable in env.iter_mut().filter(|it| it.name == FUNC_ARGS) {
        let held = variable.value.as_deref().and_then(|it| serde_json::from_str(it).ok());
        let mut held: Map<String, Value> = held.unwrap_or_default();
        held.extend(arguments.clone());
        variable.value = as_variable(&held).and_then(|it| it.value);
    }
    env
}

fn pieces(source: &str) -> impl Iterator<Item = EnvVar> {
    let encoded = BASE64_STANDARD.encode(source);
    let pieces: Vec<String> = (0..encoded.len())
        .step_by(PIECE_BYTES)
        .map(|start| encoded[start..encoded.len().min(start + PIECE_BYTES)].to_owned())
        .collect();
    pieces.into_iter().enumerate().map(|(number, piece)| variable(&piece_name(number), &piece))
}

fn piece_name(number: usize) -> String {
    format!("{PIECE}{number}")
}

/// pip reads its index from the environment by itself.
fn package_variables<'a>(
    packages: &'a [String],
    urls: &'a [String],
) -> impl Iterator<Item = EnvVar> {
    let packages = (!packages.is_empty()).then(|| variable(PACKAGES, &packages.join("\n")));
    let index = urls.first().map(|first| variable("PIP_INDEX_URL", first));
    let others = urls.get(1..).filter(|it| !it.is_empty());
    let others = others.map(|others| variable("PIP_EXTRA_INDEX_URL", &others.join(" ")));
    packages.into_iter().chain(index).chain(others)
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

#[cfg(test)]
mod tests;
