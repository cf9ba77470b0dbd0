//! Which Pod stands for which rank of a workload, and what they come to together.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::ResourceExt as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::{PodState, Trouble};

/// How a component labels its Pods: by the part of the workload, and by the rank within it.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    pub group: &'static str,
    pub index: &'static str,
}

/// The newest Pod of one rank, as far as anything here needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub group: String,
    pub index: u32,
    pub pod: String,
    pub uid: String,
    pub created: Option<Time>,
    pub node: Option<String>,
    pub state: PodState,
    pub containers: Vec<Container>,
    /// How many Pods the rank had before this one that still exist.
    pub previous_pods: usize,
}

/// What reading a container's log depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    pub init: bool,
    pub waiting: bool,
    pub restarts: i32,
    pub exit_code: Option<i32>,
}

/// Pods that are in the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Group {
    /// The part of the workload: `node`, `launcher`, `model-initializer`.
    pub group: String,
    pub phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    pub count: usize,
    /// As in `0-6, 8`.
    pub ranks: String,
    /// Of all its Pods together.
    #[serde(skip_serializing_if = "is_zero")]
    pub restarts: i32,
}

impl Member {
    pub fn of(pod: &Pod, labels: Labels) -> Self {
        let label = |name: &str| pod.labels().get(name);
        Self {
            group: label(labels.group).cloned().unwrap_or_default(),
            index: label(labels.index).and_then(|it| it.parse().ok()).unwrap_or_default(),
            pod: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            created: pod.creation_timestamp(),
            node: pod.spec.as_ref().and_then(|it| it.node_name.clone()),
            state: PodState::of(pod),
            containers: containers(pod),
            previous_pods: 0,
        }
    }

    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|it| it.name == name)
    }

    /// Whether it needs a look: it failed, or something keeps it from working.
    pub fn is_troubled(&self) -> bool {
        self.state.trouble.is_some()
    }
}

fn containers(pod: &Pod) -> Vec<Container> {
    let (Some(spec), status) = (&pod.spec, pod.status.as_ref()) else { return Vec::new() };
    let init = spec.init_containers.iter().flatten().map(|it| (&it.name, true));
    let all = init.chain(spec.containers.iter().map(|it| (&it.name, false)));
    let statuses: Vec<_> = status
        .iter()
        .flat_map(|it| [&it.init_container_statuses, &it.container_statuses])
        .flatten()
        .flatten()
        .collect();
    let known = all.map(|(name, init)| {
        let status = statuses.iter().find(|it| it.name == *name);
        let state = status.and_then(|it| it.state.as_ref());
        Container {
            name: name.clone(),
            init,
            waiting: state.is_none_or(|it| it.running.is_none() && it.terminated.is_none()),
            restarts: status.map_or(0, |it| it.restart_count),
            exit_code: state.and_then(|it| it.terminated.as_ref()).map(|it| it.exit_code),
        }
    });
    known.collect()
}

/// The newest Pod of each rank, by group and rank.
pub fn newest(pods: impl IntoIterator<Item = Member>) -> Vec<Member> {
    let mut ranks: BTreeMap<(String, u32), Member> = BTreeMap::new();
    for mut pod in pods {
        let key = (pod.group.clone(), pod.index);
        if let Some(other) = ranks.remove(&key) {
            let age = |it: &Member| (it.created.as_ref().map(|at| at.0), it.pod.clone());
            let earlier = pod.previous_pods + other.previous_pods + 1;
            pod = if age(&other) > age(&pod) { other } else { pod };
            pod.previous_pods = earlier;
        }
        ranks.insert(key, pod);
    }
    ranks.into_values().collect()
}

/// The one to look at first: what failed earliest drags the others down with it; of several that
/// failed at once, the lowest rank.
pub fn failing(members: &[Member]) -> Option<&Member> {
    let ended = |it: &&Member| it.state.exit_code.is_some_and(|code| code != 0);
    let order = |it: &&Member| {
        let at = it.state.finished.as_ref().map(|at| at.0);
        (!ended(it), it.state.trouble != Some(Trouble::Failed), at.is_none(), at, it.index)
    };
    members.iter().filter(|it| it.is_troubled()).min_by_key(order)
}

/// Counts before rows: however many Pods there are, as many groups as there are states.
pub fn groups(members: &[Member]) -> Vec<Group> {
    let mut groups: Vec<(Group, Vec<u32>)> = Vec::new();
    for member in members {
        let state = &member.state;
        let exit_code = state.exit_code.filter(|code| *code != 0);
        let same = groups.iter_mut().find(|(it, _)| {
            (&it.group, &it.phase, &it.reason, it.exit_code)
                == (&member.group, &state.phase, &state.reason, exit_code)
        });
        match same {
            Some((group, ranks)) => {
                group.count += 1;
                group.restarts += state.restarts;
                ranks.push(member.index);
            }
            None => groups.push((
                Group {
                    group: member.group.clone(),
                    phase: state.phase.clone(),
                    reason: state.reason.clone(),
                    exit_code,
                    count: 1,
                    ranks: String::new(),
                    restarts: state.restarts,
                },
                vec![member.index],
            )),
        }
    }
    groups.into_iter().map(|(group, of)| Group { ranks: ranks(of), ..group }).collect()
}

/// Ranks as people write them, lowest first: `0-6, 8`. What would not fit is counted.
pub fn ranks(of: impl IntoIterator<Item = u32>) -> String {
    const SHOWN: usize = 20;
    let mut all: Vec<u32> = of.into_iter().collect();
    all.sort_unstable();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for rank in all {
        match runs.last_mut() {
            Some((_, last)) if rank <= last.saturating_add(1) => *last = rank,
            _ => runs.push((rank, rank)),
        }
    }
    let text = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    let mut shown: Vec<String> = runs.iter().take(SHOWN).map(text).collect();
    let rest: u32 = runs.iter().skip(SHOWN).map(|(first, last)| last - first + 1).sum();
    if rest > 0 {
        shown.push(format!("and {rest} more"));
    }
    shown.join(", ")
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(index: u32, created: &str, exit_code: Option<i32>, finished: &str) -> Member {
        let time = |text: &str| text.parse().ok().map(Time);
        Member {
            group: "node".to_owned(),
            index,
            pod: format!("mnist-node-0-{index}-{created}"),
            created: time(created),
            state: PodState {
                phase: exit_code.map_or("Running", |_| "Failed").to_owned(),
                exit_code,
                finished: time(finished),
                trouble: exit_code.map(|_| Trouble::Failed),
                ..PodState::default()
            },
            ..Member::default()
        }
    }

    #[test]
    fn the_newest_pod_stands_for_its_rank() {
        let old = member(0, "2026-08-21T10:00:00Z", Some(1), "");
        let new = member(0, "2026-08-21T10:05:00Z", None, "");
        for pods in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
            let seen = newest(pods);
            assert_eq!(seen.len(), 1);
            assert_eq!((&seen[0].pod, seen[0].previous_pods), (&new.pod, 1));
        }
    }

    #[test]
    fn the_first_failure_is_the_cause() {
        let created = "2026-08-21T10:00:00Z";
        let late = member(0, created, Some(143), "2026-08-21T10:09:00Z");
        let early = member(3, created, Some(1), "2026-08-21T10:08:00Z");
        let same = member(2, created, Some(1), "2026-08-21T10:08:00Z");
        let fine = member(1, created, None, "");
        let all = [late, fine.clone(), same, early];
        assert_eq!(failing(&all).map(|it| it.index), Some(2));
        assert_eq!(failing(&[fine]), None);
    }

    #[test]
    fn groups_grow_with_states_and_not_with_pods() {
        let created = "2026-08-21T10:00:00Z";
        let mut all: Vec<Member> = (0..512).map(|it| member(it, created, None, "")).collect();
        all[7] = member(7, created, Some(1), "");
        let text = serde_json::to_string(&groups(&all)).unwrap();
        expect_test::expect![[r#"[{"group":"node","phase":"Running","count":511,"ranks":"0-6, 8-511"},{"group":"node","phase":"Failed","exit_code":1,"count":1,"ranks":"7"}]"#]].assert_eq(&text);
        let odd = (0..512).filter(|it| it % 2 == 1);
        assert!(ranks(odd).ends_with("37, 39, and 236 more"), "{}", ranks((0..512).step_by(2)));
    }
}
