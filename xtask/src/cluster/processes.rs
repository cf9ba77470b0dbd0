//! The processes of a cluster: with what each is started, and what tells that it serves.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    credentials::{self, Authority},
    modules::text,
    ports::Ports,
    record::Process,
};
use crate::shell;

/// The Node that our kubelet registers.
pub(super) const NODE: &str = "node-1";
/// Where the controllers are installed, as their manifests have it.
const SYSTEM: &str = "kubeflow-system";
/// What holds the certificate of a controller's webhook server, under its temporary folder.
const WEBHOOK_CERTIFICATES: &str = "k8s-webhook-server/serving-certs";

/// Where the programs lie.
pub(super) struct Programs {
    pub(super) control_plane: PathBuf,
    pub(super) controllers: PathBuf,
    /// Our kubelet, its supervisor, and the component that we play.
    pub(super) ours: PathBuf,
}

/// What all of them are started from.
pub(super) struct Plan {
    pub(super) processes: Vec<Process>,
    pub(super) authority: Authority,
    pub(super) kubeconfig: PathBuf,
    /// The ports of the webhook servers, by the names of their Services.
    pub(super) webhooks: BTreeMap<&'static str, u16>,
}

/// Writes what the processes read, and says how they are started, in this order.
pub(super) fn plan(folder: &Path, programs: &Programs) -> anyhow::Result<Plan> {
    let mut ports = Ports::new();
    let api = ports.free()?;
    let authority = Authority::new(folder, format!("https://127.0.0.1:{api}"))?;
    authority.serving("serving")?;
    authority.client("kubelet-client", "system:masters")?;
    authority.token_keys("service-account")?;
    let kubeconfig = folder.join("kubeconfig");
    authority.kubeconfig(&kubeconfig, "administrator", Some("system:masters"), "default")?;

    let start = Start { folder, programs, authority: &authority };
    let etcd = start.etcd(ports.free()?, ports.free()?);
    let api_server = start.api_server(api, &etcd.0);
    let controller_manager = start.controller_manager(ports.free()?)?;
    let scheduler = start.scheduler(ports.free()?)?;
    let (jobset_webhook, trainer_webhook) = (ports.free()?, ports.free()?);
    let jobset = start.jobset(ports.free()?, jobset_webhook)?;
    let trainer = start.trainer(ports.free()?, trainer_webhook)?;
    let kubelet = start.kubelet(ports.free()?, api)?;
    let katib = start.played("katib", ports.free()?)?;
    Ok(Plan {
        processes: vec![
            etcd.1,
            api_server,
            controller_manager,
            scheduler,
            jobset,
            trainer,
            kubelet,
            katib,
        ],
        kubeconfig,
        webhooks: BTreeMap::from([
            ("jobset-webhook-service", jobset_webhook),
            ("kubeflow-trainer-controller-manager", trainer_webhook),
        ]),
        authority,
    })
}

struct Start<'a> {
    folder: &'a Path,
    programs: &'a Programs,
    authority: &'a Authority,
}

impl Start<'_> {
    /// With the address at which it serves.
    fn etcd(&self, client: u16, peer: u16) -> (String, Process) {
        let (client_url, peer_url) =
            (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let arguments = vec![
            // A cluster that is thrown away need not survive the machine.
            "--unsafe-no-fsync".to_owned(),
            format!("--data-dir={}", self.folder.join("etcd").display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
        ];
        let program = self.programs.control_plane.join("server");
        let ready = format!("{client_url}/health");
        (client_url, self.process("etcd", &program, arguments, client, ready))
    }

    fn api_server(&self, port: u16, etcd: &str) -> Process {
        let arguments = vec![
            format!("--etcd-servers={etcd}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            self.file("--tls-cert-file", "serving.crt"),
            self.file("--tls-private-key-file", "serving.key"),
            self.file("--client-ca-file", "ca.crt"),
            self.file("--service-account-key-file", "service-account.pub"),
            self.file("--service-account-signing-key-file", "service-account.key"),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--api-audiences=https://kubernetes.default.svc,kubeflow-mcp".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            self.file("--kubelet-client-certificate", "kubelet-client.crt"),
            self.file("--kubelet-client-key", "kubelet-client.key"),
            self.file("--kubelet-certificate-authority", "ca.crt"),
        ];
        let program = self.programs.control_plane.join("kube-apiserver");
        let ready = format!("https://127.0.0.1:{port}/readyz");
        self.process("kube-apiserver", &program, arguments, port, ready)
    }

    fn controller_manager(&self, port: u16) -> anyhow::Result<Process> {
        let mut arguments = self.component("kube-controller-manager", port)?;
        arguments.extend([
            "--use-service-account-credentials".to_owned(),
            // Pods have loopback addresses, which no endpoint may have: it would warn of each Service.
            "--controllers=*,-endpoints-controller,-endpointslice-controller".to_owned(),
            self.file("--service-account-private-key-file", "service-account.key"),
            self.file("--root-ca-file", "ca.crt"),
        ]);
        let program = self.programs.control_plane.join("kube-controller-manager");
        let ready = format!("https://127.0.0.1:{port}/healthz");
        Ok(self.process("kube-controller-manager", &program, arguments, port, ready))
    }

    fn scheduler(&self, port: u16) -> anyhow::Result<Process> {
        let arguments = self.component("kube-scheduler", port)?;
        let program = self.programs.control_plane.join("kube-scheduler");
        let ready = format!("https://127.0.0.1:{port}/readyz");
        Ok(self.process("kube-scheduler", &program, arguments, port, ready))
    }

    /// What both of the control plane's own clients are started with.
    fn component(&self, name: &str, port: u16) -> anyhow::Result<Vec<String>> {
        let kubeconfig = self.identity(name, &format!("system:{name}"), None)?;
        Ok(vec![
            format!("--kubeconfig={kubeconfig}"),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            self.file("--tls-cert-file", "serving.crt"),
            self.file("--tls-private-key-file", "serving.key"),
        ])
    }

    fn jobset(&self, health: u16, webhook: u16) -> anyhow::Result<Process> {
        let configuration = json!({
            "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
            "kind": "Configuration",
            "internalCertManagement": { "enable": false },
            "leaderElection": { "leaderElect": false },
            "webhook": { "port": webhook, "host": "127.0.0.1" },
            "health": { "healthProbeBindAddress": format!("127.0.0.1:{health}") },
            "metrics": { "bindAddress": "0" },
        });
        let mut process = self.controller(
            ("jobset", "jobset"),
            "jobset-controller-manager",
            configuration,
            health,
        )?;
        // Its file's "0" gives way to the flag's default.
        process.command.extend(["--metrics-bind-address".to_owned(), "0".to_owned()]);
        Ok(process)
    }

    fn trainer(&self, health: u16, webhook: u16) -> anyhow::Result<Process> {
        let configuration = json!({
            "apiVersion": "config.trainer.kubeflow.org/v1alpha1",
            "kind": "Configuration",
            "certManagement": { "enable": false },
            "leaderElection": { "leaderElect": false },
            "webhook": { "port": webhook, "host": "127.0.0.1" },
            "health": { "healthProbeBindAddress": format!("127.0.0.1:{health}") },
            "metrics": { "bindAddress": "0" },
        });
        let name = "kubeflow-trainer-controller-manager";
        self.controller(("trainer", "trainer-controller-manager"), name, configuration, health)
    }

    /// A controller with a webhook server, as the ServiceAccount that its manifests give rights to.
    fn controller(
        &self,
        (name, program): (&str, &str),
        account: &str,
        configuration: serde_json::Value,
        health: u16,
    ) -> anyhow::Result<Process> {
        let user = format!("system:serviceaccount:{SYSTEM}:{account}");
        let kubeconfig = self.identity(name, &user, Some("system:serviceaccounts"))?;
        let temporary = self.folder.join(name);
        for (theirs, ours) in [("tls.crt", "serving.crt"), ("tls.key", "serving.key")] {
            let text = std::fs::read_to_string(self.authority.file(ours))?;
            credentials::write(&temporary.join(WEBHOOK_CERTIFICATES).join(theirs), &text)?;
        }
        let file = temporary.join("configuration.json");
        credentials::write(&file, &configuration.to_string())?;
        let arguments = vec![format!("--config={}", file.display())];
        let program = self.programs.controllers.join(program);
        let ready = format!("http://127.0.0.1:{health}/readyz");
        let mut process = self.process(name, &program, arguments, health, ready);
        process.environment = BTreeMap::from([
            ("KUBECONFIG".to_owned(), kubeconfig),
            ("TMPDIR".to_owned(), text(&temporary)),
        ]);
        Ok(process)
    }

    /// It leaves Pods running when it ends, so that another one can take them over.
    fn kubelet(&self, port: u16, api: u16) -> anyhow::Result<Process> {
        let kubeconfig =
            self.identity("kubelet", &format!("system:node:{NODE}"), Some("system:nodes"))?;
        let arguments = vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--dir={}", self.folder.join("kubelet").display()),
            format!("--node={NODE}"),
            format!("--port={port}"),
            self.file("--serving-certificate", "serving.crt"),
            self.file("--serving-key", "serving.key"),
            self.file("--client-ca", "ca.crt"),
            // Made once for all clusters.
            format!("--environments={}", shell::target().join("real/environments").display()),
        ];
        let program = self.programs.ours.join("local-kube-kubelet");
        let ready = format!("https://127.0.0.1:{api}/api/v1/nodes/{NODE}");
        let mut process = self.process("kubelet", &program, arguments, port, ready);
        process.clear = process.command.iter().cloned().chain(["--clear".to_owned()]).collect();
        Ok(process)
    }

    /// A component that no Go module ships: ours, with the rights that it installs itself with.
    fn played(&self, name: &str, port: u16) -> anyhow::Result<Process> {
        let user = format!("system:serviceaccount:kubeflow:{name}-controller");
        let kubeconfig = self.identity(name, &user, Some("system:masters"))?;
        let arguments = vec![
            name.to_owned(),
            format!("--kubeconfig={kubeconfig}"),
            format!("--port={port}"),
            self.file("--certificate", "serving.crt"),
            self.file("--key", "serving.key"),
            self.file("--authority", "ca.crt"),
        ];
        let program = self.programs.ours.join("component");
        let ready = format!("https://127.0.0.1:{port}/readyz");
        Ok(self.process(name, &program, arguments, port, ready))
    }

    /// The kubeconfig of a process.
    fn identity(&self, name: &str, user: &str, group: Option<&str>) -> anyhow::Result<String> {
        let path = self.authority.file(&format!("{name}.kubeconfig"));
        self.authority.kubeconfig(&path, user, group, "default")?;
        Ok(text(&path))
    }

    /// A flag that names a file of the authority's.
    fn file(&self, flag: &str, name: &str) -> String {
        format!("{flag}={}", self.authority.file(name).display())
    }

    fn process(
        &self,
        name: &str,
        program: &Path,
        arguments: Vec<String>,
        port: u16,
        ready: String,
    ) -> Process {
        Process {
            name: name.to_owned(),
            command: std::iter::once(text(program)).chain(arguments).collect(),
            environment: BTreeMap::new(),
            log: self.folder.join("logs").join(format!("{name}.log")),
            port,
            ready,
            clear: Vec::new(),
            identity: None,
            ended: None,
        }
    }
}
