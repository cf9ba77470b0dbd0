//! Peers: the names of Pods behind headless Services become addresses, and their ports become free ports of this machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use k8s_openapi::api::core::v1::{Container, Pod};

use super::{fields::ADDRESS, variables::Variables};

/// The ports that texts name, by Service of the Pod's own namespace.
pub(super) type Wanted = BTreeMap<String, BTreeSet<u16>>;

/// What stands for each port on this machine, by Service. A Service that does not exist is not in it.
pub(super) type Ports = BTreeMap<String, BTreeMap<u16, u16>>;

/// What a container's texts may name.
pub(super) struct Peers<'a> {
    namespace: &'a str,
    /// The Service that the Pod itself stands behind.
    own: Option<&'a str>,
    hostname: &'a str,
    declared: Vec<u16>,
}

impl<'a> Peers<'a> {
    pub(super) fn of(pod: &'a Pod, container: &Container) -> Self {
        let spec = pod.spec.as_ref();
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let ports = container.ports.iter().flatten();
        Self {
            namespace: pod.metadata.namespace.as_deref().unwrap_or_default(),
            own: spec.and_then(|spec| spec.subdomain.as_deref()).filter(|name| !name.is_empty()),
            hostname: spec.and_then(|spec| spec.hostname.as_deref()).unwrap_or(name),
            declared: ports.filter_map(|port| port.container_port.try_into().ok()).collect(),
        }
    }

    /// The Services and ports for which a stand-in is needed.
    pub(super) fn wanted(&self, variables: &Variables, argv: &[String]) -> Wanted {
        let mut wanted = Wanted::new();
        let texts = variables.iter().map(|(_, value)| value).chain(argv.iter().map(String::as_str));
        let mut first = None;
        for named in texts.flat_map(|text| self.named(text)) {
            wanted.entry(named.service.to_owned()).or_default().extend(named.port);
            first.get_or_insert(named.service);
        }
        if let Some(service) = self.own.or(first) {
            let bare = variables.iter().filter_map(|(name, value)| port_variable(name, value));
            let bare: BTreeSet<u16> = bare.chain(self.declared.iter().copied()).collect();
            if !bare.is_empty() {
                wanted.entry(service.to_owned()).or_default().extend(bare);
            }
        }
        wanted
    }

    /// Puts addresses for names and stand-ins for ports, where `ports` has the Service.
    pub(super) fn rewrite(&self, ports: &Ports, variables: &mut Variables, argv: &mut [String]) {
        let texts = variables.iter().map(|(_, value)| value).chain(argv.iter().map(String::as_str));
        let first = texts.flat_map(|text| self.named(text)).next();
        let service = self.own.or(first.map(|named| named.service)).unwrap_or_default().to_owned();
        let stand_in = |port: u16| ports.get(&service)?.get(&port).copied();
        for (name, value) in variables.iter_mut() {
            *value = match port_variable(name, value).and_then(stand_in) {
                Some(port) => port.to_string(),
                None => self.with_addresses(value, ports),
            };
        }
        let mut after_flag = false;
        for argument in argv {
            let alone = argument.parse().ok().filter(|_| after_flag).and_then(stand_in);
            after_flag = argument.starts_with('-') && argument.ends_with("port");
            *argument = match alone {
                Some(port) => port.to_string(),
                None => with_flags(&self.with_addresses(argument, ports), stand_in),
            };
        }
    }

    fn with_addresses(&self, text: &str, ports: &Ports) -> String {
        let mut rewritten = String::new();
        let mut end = 0;
        for named in self.named(text) {
            let Some(stand_ins) = ports.get(named.service) else {
                continue;
            };
            rewritten.push_str(&text[end..named.at.start]);
            rewritten.push_str(ADDRESS);
            end = named.at.end;
            if let Some(port) = named.port {
                rewritten.push_str(&format!(":{}", stand_ins.get(&port).copied().unwrap_or(port)));
                end += 1 + port.to_string().len();
            }
        }
        rewritten + &text[end..]
    }

    /// The names of peers in a text: `HOST.SERVICE[.NAMESPACE[.svc[.cluster.local]]][:PORT]`.
    fn named<'t>(&self, text: &'t str) -> Vec<Named<'t>> {
        words(text).into_iter().filter_map(|at| self.peer(text, at)).collect()
    }

    fn peer<'t>(&self, text: &'t str, at: Range<usize>) -> Option<Named<'t>> {
        let mut labels = text[at.clone()].split('.');
        let (host, service) = (labels.next()?, labels.next()?);
        let numbered = host
            .rsplit_once('-')
            .is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if service.is_empty() || !(numbered || host == self.hostname) {
            return None;
        }
        let domain: Vec<&str> = labels.collect();
        match domain.as_slice() {
            // Only a name that is certain to be one: `data-1.csv` is a file.
            [] if self.own != Some(service) => return None,
            [] => {}
            [namespace] | [namespace, "svc"] | [namespace, "svc", "cluster", "local"]
                if *namespace == self.namespace => {}
            _ => return None,
        }
        let digits = text[at.end..]
            .strip_prefix(':')
            .map(|rest| &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]);
        let port = digits.filter(|digits| !digits.starts_with('0')).and_then(|d| d.parse().ok());
        Some(Named { service, port, at })
    }
}

struct Named<'t> {
    service: &'t str,
    port: Option<u16>,
    at: Range<usize>,
}

/// Where the runs of characters stand that a DNS name is made of.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        let part = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        match start {
            None if part => start = Some(at),
            Some(from) if !part => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn port_variable(name: &str, value: &str) -> Option<u16> {
    let named = name == "PORT" || name.ends_with("_PORT");
    value.parse().ok().filter(|port| named && *port > 0)
}

/// `--master_port=29500` and the like, also inside a shell's command line.
fn with_flags(text: &str, stand_in: impl Fn(u16) -> Option<u16>) -> String {
    let mut rewritten = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("port") {
        let (before, after) = rest.split_at(at + "port".len());
        rewritten.push_str(before);
        rest = after;
        let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
        let Some(value) = after.strip_prefix(['=', ' ']).filter(|_| word.starts_with('-')) else {
            continue;
        };
        let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
        if let Some(port) = value[..digits].parse().ok().and_then(&stand_in) {
            rewritten.push_str(&after[..1]);
            rewritten.push_str(&port.to_string());
            rest = &value[digits..];
        }
    }
    rewritten + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(subdomain: Option<&str>) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "job-node-0-1-abcde", "namespace": "team" },
            "spec": { "hostname": "job-node-0-1", "subdomain": subdomain, "containers": [] },
        }))
        .unwrap()
    }

    fn rewritten(pod: &Pod, env: &[(&str, &str)], argv: &[&str]) -> (Vec<String>, Vec<String>) {
        let peers = Peers::of(pod, &Container::default());
        let mut variables = Variables::default();
        env.iter().for_each(|(name, value)| variables.set(name, (*value).to_owned()));
        let mut argv: Vec<String> = argv.iter().map(|text| (*text).to_owned()).collect();
        let wanted = peers.wanted(&variables, &argv);
        let ports = wanted.into_iter().map(|(service, ports)| {
            (service, ports.into_iter().map(|port| (port, port / 10)).collect())
        });
        let ports = ports.collect();
        peers.rewrite(&ports, &mut variables, &mut argv);
        (variables.into_pairs().into_iter().map(|(_, value)| value).collect(), argv)
    }

    #[test]
    fn names_and_ports_of_peers_are_replaced_alike() {
        let (env, argv) = rewritten(
            &pod(Some("job")),
            &[
                ("PET_MASTER_ADDR", "job-node-0-0.job"),
                ("PET_MASTER_PORT", "29500"),
                ("JAX_COORDINATOR_ADDRESS", "job-node-0-0.job.team.svc.cluster.local:1234"),
                ("STEPS", "29500"),
            ],
            &[
                "bash",
                "-c",
                "torchrun --master_port=29500 --rdzv job-node-0-0.job:29500 --steps=29500",
            ],
        );
        assert_eq!(env, ["127.0.0.1", "2950", "127.0.0.1:123", "29500"]);
        assert_eq!(argv[2], "torchrun --master_port=2950 --rdzv 127.0.0.1:2950 --steps=29500");
    }

    #[test]
    fn what_only_looks_like_a_name_stays() {
        let text = "import data.job; open('part-1.csv'); other-0.other; x-0.job.elsewhere.svc";
        let (env, argv) = rewritten(&pod(Some("job")), &[("SUPPORT", "1")], &[text]);
        assert_eq!((env, argv), (vec!["1".to_owned()], vec![text.to_owned()]));
        let (env, _) =
            rewritten(&pod(None), &[("A", "job-node-0-0.job"), ("B_PORT", "29500")], &[]);
        assert_eq!(env, ["job-node-0-0.job", "29500"]);
    }
}
