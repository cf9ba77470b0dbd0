//! Whether nodes and quotas have what a job asks for.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::ResourceExt as _;
use local_kube::quantity::Quantity;
use serde_json::json;

use super::{
    checks::Check,
    cluster::{Cluster, Look},
    shape::Shape,
};
use crate::capacity::{self, Room};

pub(super) fn nodes(shape: &Shape, cluster: &Cluster) -> Check {
    let Some(pod) = &shape.trainer.spec else {
        return Check::fail("nodes", "the runtime has no Pods that train", "use another runtime");
    };
    let Look::Seen(nodes) = &cluster.nodes else {
        return Check::warn(
            "nodes",
            "you may not list nodes, so whether there is room is unknown",
            "get_cluster_resources shows quotas and queues instead",
        );
    };
    let taken = match &cluster.taken {
        Look::Seen(taken) => Some(taken),
        _ => None,
    };
    let room = Room::of(nodes, taken.map(|it| &it.by_node), pod);
    let wanted = shape.nodes;
    let each = capacity::shown(&capacity::requests(pod));
    let out: Vec<String> = room.out.iter().map(|(why, count)| format!("{count} {why}")).collect();
    let out = if out.is_empty() {
        String::new()
    } else {
        format!("; of {} nodes, {}", nodes.len(), out.join(", "))
    };
    if room.ever < wanted {
        let finding = format!(
            "{wanted} Pods of {each} each, and room for {} even if nothing else ran{out}",
            room.ever
        );
        let fix = "ask for less of each, for fewer nodes, or tolerate the taint and mend the selector that it names";
        return Check::fail("nodes", finding, fix);
    }
    match room.now {
        None => Check::warn(
            "nodes",
            format!(
                "nodes are large enough for {wanted} Pods of {each}; you may not list Pods, so what is free is unknown"
            ),
            "submit it: it waits if there is no room",
        ),
        Some(now) if now < wanted => Check::warn(
            "nodes",
            format!("{wanted} Pods of {each} each, and room for {now} now{out}"),
            "it waits until others end; get_cluster_resources shows what is free",
        ),
        Some(_) => match taken.and_then(|it| it.beyond) {
            Some(beyond) => Check::warn(
                "nodes",
                format!(
                    "room for {wanted} Pods of {each}, as far as the first {beyond} Pods of the cluster tell"
                ),
                "submit it: it waits if there is no room",
            ),
            None => Check::pass("nodes", format!("room for {wanted} Pods of {each} each now")),
        },
    }
}

pub(super) fn quota(shape: &Shape, cluster: &Cluster) -> Option<Check> {
    let Look::Seen(quotas) = &cluster.quotas else {
        return Some(Check::warn(
            "quota",
            "you may not list ResourceQuotas, so whether one stands in the way is unknown",
            "ask who may, if the job's Pods do not come",
        ));
    };
    let over: Vec<String> = quotas.iter().filter_map(|it| exceeded(it, shape)).collect();
    Some(if over.is_empty() {
        Check::pass(
            "quota",
            format!("{} in the namespace, none of which is exceeded", quotas.len()),
        )
    } else {
        let fix = "ask for less, delete what is finished, or ask for a larger quota";
        Check::fail("quota", over.join("; "), fix)
    })
}

/// What of one quota the job's Pods would exceed together. A quota for some Pods only may not mean
/// these, which the API server knows.
fn exceeded(quota: &ResourceQuota, shape: &Shape) -> Option<String> {
    let spec = quota.spec.as_ref()?;
    if spec.scopes.is_some() || spec.scope_selector.is_some() {
        return None;
    }
    let status = quota.status.as_ref();
    let hard = status.and_then(|it| it.hard.as_ref()).or(spec.hard.as_ref())?;
    hard.iter().find_map(|(resource, hard)| {
        let wanted = wanted(resource, shape)?;
        let used = status.and_then(|it| it.used.as_ref()?.get(resource));
        let used = used.and_then(|it| Quantity::of(&json!(it))).unwrap_or_default();
        let left = Quantity::of(&json!(hard))? - used;
        (wanted > left).then(|| {
            format!(
                "quota {:?} leaves {} of {resource}, and the job's Pods need {wanted}",
                quota.name_any(),
                left.max(Quantity::ZERO)
            )
        })
    })
}

/// What all Pods that train need of what a quota counts.
fn wanted(resource: &str, shape: &Shape) -> Option<Quantity> {
    let each = match resource {
        "pods" | "count/pods" => Quantity::whole(1),
        "count/trainjobs.trainer.kubeflow.org" => return Some(Quantity::whole(1)),
        _ => {
            let (limits, name) = match resource.split_once('.') {
                Some(("limits", name)) => (true, name),
                Some(("requests", name)) => (false, name),
                _ => (false, resource),
            };
            sum(shape, limits, name)?
        }
    };
    let mut all = Quantity::ZERO;
    for _ in 0..shape.nodes.min(100_000) {
        all = all + each;
    }
    Some(all)
}

/// What the containers of one Pod ask for; a limit is a request where there is none.
fn sum(shape: &Shape, limits: bool, resource: &str) -> Option<Quantity> {
    let containers = &shape.trainer.spec.as_ref()?.containers;
    let amounts = containers.iter().filter_map(|it| {
        let resources = it.resources.as_ref()?;
        let of = |it: &Option<std::collections::BTreeMap<String, _>>| {
            Quantity::of(&json!(it.as_ref()?.get(resource)?))
        };
        if limits {
            of(&resources.limits)
        } else {
            of(&resources.requests).or(of(&resources.limits))
        }
    });
    amounts.reduce(|one, other| one + other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(hard: serde_json::Value, used: serde_json::Value) -> Option<String> {
        let quota = json!({"metadata": {"name": "team"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}});
        let limits = json!({"cpu": "500m", "nvidia.com/gpu": "2"});
        let pod =
            json!({"spec": {"containers": [{"name": "node", "resources": {"limits": limits}}]}});
        let shape =
            Shape { nodes: 3, trainer: serde_json::from_value(pod).unwrap(), ..Shape::default() };
        exceeded(&serde_json::from_value(quota).unwrap(), &shape)
    }

    #[test]
    fn quotas_hold_for_all_pods_together() {
        assert_eq!(
            over(json!({"requests.nvidia.com/gpu": "8"}), json!({"requests.nvidia.com/gpu": "2"})),
            None
        );
        assert_eq!(
            over(json!({"requests.nvidia.com/gpu": "8"}), json!({"requests.nvidia.com/gpu": "4"}))
                .as_deref(),
            Some(r#"quota "team" leaves 4 of requests.nvidia.com/gpu, and the job's Pods need 6"#)
        );
        assert_eq!(over(json!({"cpu": "1500m"}), json!({})), None);
        assert_eq!(
            over(json!({"limits.cpu": "1"}), json!({})).as_deref(),
            Some(r#"quota "team" leaves 1 of limits.cpu, and the job's Pods need 1500m"#)
        );
        assert!(over(json!({"pods": "2"}), json!({})).is_some());
        assert!(
            over(
                json!({"count/trainjobs.trainer.kubeflow.org": "1"}),
                json!({"count/trainjobs.trainer.kubeflow.org": "1"})
            )
            .is_some()
        );
        assert_eq!(over(json!({"requests.memory": "1Gi"}), json!({})), None);
    }
}
