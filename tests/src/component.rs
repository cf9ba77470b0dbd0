//! A component as the local cluster plays it, beside a real API server: its kinds, its webhooks as
//! servers of webhooks are asked, and its controllers.

mod hooks;
mod installing;
mod serving;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use kubeflow_mcp_core::{ToolSet, cluster_client};

use self::hooks::{COMPONENTS, Hooks};

/// How the component is run.
#[derive(clap::Parser)]
pub struct Options {
    /// The tool set whose component it is
    set: String,
    /// How to reach the API server, as an administrator
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Where webhooks are served on 127.0.0.1
    #[arg(long, value_name = "PORT")]
    port: u16,
    /// The certificate of the webhooks' server
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The certificate's key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who signed the certificate, whom the API server is told to trust
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
}

/// Installs the component and runs it until it is ended. It answers at `/readyz` once webhooks are
/// asked.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let set = ToolSet::linked().into_iter().find(|it| it.name == options.set);
    let Some(local) = set.and_then(|it| it.local.as_ref()) else {
        bail!("no tool set {:?} with a component is linked", options.set);
    };
    let component = COMPONENTS.iter().find(|it| it.set == options.set);
    let component =
        component.with_context(|| format!("no webhooks of {:?} are known", options.set))?;
    let client = cluster_client(Some(&options.kubeconfig), None).await?;
    installing::kinds_and_objects(&client, local).await?;
    let hooks = Arc::new(Hooks::new(local.admit, component, client.clone()));
    let listener =
        serving::Listener::bind(options.port, &options.certificate, &options.key).await?;
    let served = tokio::spawn(serving::serve(listener, hooks.clone()));
    let authority = std::fs::read_to_string(&options.authority)?;
    installing::webhooks(&client, &hooks.configurations(options.port, &authority)).await?;
    hooks.are_installed();
    tokio::select! {
        () = (local.run)(client) => bail!("the controllers have ended"),
        ended = served => ended?,
    }
}
