//! Joins an API server on this machine as a Node and runs the Pods bound to it as processes.

#[cfg(unix)]
mod unix {
    use std::path::PathBuf;

    use anyhow::Context;
    use clap::Parser;
    use kube::{
        Client, Config,
        config::{KubeConfigOptions, Kubeconfig},
    };
    use local_kube::{HOST_PYTHON, kubelet};
    use tokio::signal::unix::{SignalKind, signal};
    use tracing_subscriber::EnvFilter;

    /// Joins an API server on this machine as a Node, and runs the Pods that its scheduler binds to
    /// the Node as processes of the user who started this: no image is pulled and nothing is
    /// isolated, so only an API server on loopback is joined.
    ///
    /// A container runs when its image is one that stands for this machine (`--host-image`); its
    /// command is looked up on the machine's PATH, with a Python virtual environment before it.
    /// Processes outlive this program: started again with the same `--dir` it takes them over.
    #[derive(Parser)]
    #[command(version, max_term_width = 100, after_long_help = AFTERWARDS)]
    struct Arguments {
        /// How to reach the API server, as somebody who may do what a kubelet does (an administrator may)
        #[arg(long, value_name = "FILE")]
        kubeconfig: PathBuf,
        /// Where logs, volumes and the state of runs are kept, for one kubelet at a time; made if missing
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The Node that this machine becomes
        #[arg(long, value_name = "NAME")]
        node: String,
        /// The program `local-kube-supervisor`; the one beside this program if left out
        #[arg(long, value_name = "PATH")]
        supervisor: Option<PathBuf>,
        /// The certificate of the kubelet's API, for 127.0.0.1; the API server verifies it with its
        /// `--kubelet-certificate-authority`
        #[arg(long, value_name = "FILE")]
        serving_certificate: PathBuf,
        /// The certificate's key
        #[arg(long, value_name = "FILE")]
        serving_key: PathBuf,
        /// The authority of client certificates; their holders need the right to `get` `nodes/proxy`,
        /// as the API server's `--kubelet-client-certificate` must have
        #[arg(long, value_name = "FILE")]
        client_ca: PathBuf,
        /// The port of the kubelet's API on 127.0.0.1; 0 is any free one, which the Node tells
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
        /// An image that stands for this machine; may be given again for more
        #[arg(long = "host-image", value_name = "IMAGE", default_value = HOST_PYTHON)]
        host_images: Vec<String>,
        /// Where virtual environments are kept, which kubelets may share; in `--dir` if left out
        #[arg(long, value_name = "DIR")]
        environments: Option<PathBuf>,
        /// Instead of running, end all that Pods in `--dir` still run, whose kubelet has ended
        #[arg(long)]
        clear: bool,
    }

    const AFTERWARDS: &str = "\
What is seen of it:
  kubectl get nodes -o wide           the Node, Ready while this program runs
  kubectl get pods --field-selector spec.nodeName=NAME
  kubectl logs -f POD                 comes from here, through the API server
It stops on SIGTERM or ctrl-c; Pods go on running, and the Node becomes NotReady within a minute.
RUST_LOG=local_kube=debug shows more on standard error.";

    #[tokio::main]
    pub(super) async fn main() -> anyhow::Result<()> {
        let arguments = Arguments::parse();
        let filter = EnvFilter::try_from_default_env();
        tracing_subscriber::fmt()
            .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("info")))
            .with_writer(std::io::stderr)
            .init();
        if arguments.clear {
            return Ok(kubelet::clear(&arguments.dir).await?);
        }
        let file = &arguments.kubeconfig;
        let unusable = || format!("the kubeconfig {file:?} cannot be used");
        let kubeconfig = Kubeconfig::read_from(file).with_context(unusable)?;
        let options = KubeConfigOptions::default();
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &options).await.with_context(unusable)?;
        kubelet::check_loopback(&config)?;
        let client = Client::try_from(config).with_context(unusable)?;
        let options = arguments.options()?;
        let (mut interrupted, mut terminated) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            ended = kubelet::run(client, options) => Ok(ended?),
            _ = interrupted.recv() => Ok(()),
            _ = terminated.recv() => Ok(()),
        }
    }

    impl Arguments {
        fn options(self) -> anyhow::Result<kubelet::Options> {
            let supervisor = match self.supervisor {
                Some(path) => path,
                None => std::env::current_exe()?.with_file_name("local-kube-supervisor"),
            };
            let supervisor = supervisor
                .canonicalize()
                .with_context(|| format!("the supervisor {supervisor:?} cannot be used"))?;
            let dir = std::path::absolute(self.dir)?;
            let mut options = kubelet::Options::new(self.node, dir, vec![supervisor.into()]);
            options.host_images = self.host_images;
            // The control plane binds claims, and leaves Pods unscheduled until it has.
            options.provision = false;
            options.environments = match self.environments {
                Some(folder) => std::path::absolute(folder)?,
                None => options.environments,
            };
            options.serving = Some(kubelet::Serving {
                certificate: self.serving_certificate,
                key: self.serving_key,
                client_authority: self.client_ca,
                port: self.port,
            });
            Ok(options)
        }
    }
}

#[cfg(unix)]
fn main() -> anyhow::Result<()> {
    unix::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
