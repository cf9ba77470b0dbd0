//! What the command line lets the tools do.

use std::path::PathBuf;

use crate::{Persona, Policy, PolicyError, Rules};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Policy")]
pub(super) struct PolicyArgs {
    /// Whose tools are offered [default: readonly, or data-scientist with --local]
    #[arg(long, env = "KUBEFLOW_MCP_PERSONA", value_enum)]
    persona: Option<Persona>,
    /// A namespace that tools may touch; repeat it for several [default: all]
    #[arg(
        long = "namespace",
        short,
        env = "KUBEFLOW_MCP_NAMESPACE",
        value_name = "NAME",
        value_delimiter = ','
    )]
    namespaces: Vec<String>,
    /// Offer only tools that write nothing
    #[arg(long, env = "KUBEFLOW_MCP_READ_ONLY")]
    read_only: bool,
    /// A YAML file with the keys persona, readOnly, namespaces and tools.{allow,deny}; the flags
    /// may only narrow it
    #[arg(long, env = "KUBEFLOW_MCP_POLICY_FILE", value_name = "FILE")]
    policy_file: Option<PathBuf>,
}

impl PolicyArgs {
    /// What both the file and the flags permit; `tools` are the names there are.
    pub(super) fn policy(self, tools: &[&str], default: Persona) -> Result<Policy, PolicyError> {
        let Self { persona, namespaces, read_only, policy_file } = self;
        let file = policy_file.map(|it| Rules::read(&it, tools)).transpose()?.unwrap_or_default();
        let namespaces = (!namespaces.is_empty()).then_some(namespaces);
        Policy::new(file, Rules { persona, read_only, namespaces, ..Rules::default() }, default)
    }
}
