//! What each node of a job may use.

use std::{collections::BTreeMap, sync::LazyLock};

use kubeflow_mcp_core::{Error, Result};
use regex::Regex;
use serde_json::{Map, Value};

use super::runtime::{Runtime, is_device};

/// A quantity as Kubernetes writes it: 2, 500m, 1.5Gi, 1e3.
static QUANTITY: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^[0-9]+(\.[0-9]+)?([eE][0-9]+|[numkMGTPE]|[KMGTPE]i)?$";
    Regex::new(pattern).expect("the pattern is constant")
});

const GPU: &str = "nvidia.com/gpu";

/// What the job asks for on top of its runtime, by resource.
pub fn asked(
    given: &Map<String, Value>,
    gpus: Option<u32>,
    runtime: &Runtime,
) -> Result<BTreeMap<String, String>> {
    let mut asked = named("resources_per_node", given, runtime)?;
    let device = runtime.device().map_or(GPU, |(name, _)| name);
    if let Some(gpus) = gpus {
        match asked.iter().find(|(name, _)| is_device(name)) {
            Some((name, count)) if *count != gpus.to_string() => {
                let problem =
                    format!("is {gpus}, which contradicts {count} {name} in resources_per_node");
                return Err(Error::argument("gpu_per_node", problem));
            }
            Some(_) => {}
            // Nothing is asked for where none would be given: a zero would only be noise.
            None if gpus == 0 && runtime.device().is_none() => {}
            None => {
                asked.insert(device.to_owned(), gpus.to_string());
            }
        }
    }
    Ok(counted(asked, runtime))
}

/// What an argument asks for, by the resources' full names.
pub fn named(
    argument: &str,
    given: &Map<String, Value>,
    runtime: &Runtime,
) -> Result<BTreeMap<String, String>> {
    let device = runtime.device().map_or(GPU, |(name, _)| name);
    let mut asked = BTreeMap::new();
    for (name, value) in given {
        let argument = format!("{argument}.{name}");
        let quantity = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        if !QUANTITY.is_match(&quantity) {
            let problem =
                format!("must be a quantity such as 2, \"500m\" or \"4Gi\", and is {quantity:?}");
            return Err(Error::argument(argument, problem));
        }
        if asked.insert(resource(name, device), quantity).is_some() {
            return Err(Error::argument(argument, "names a resource that another key names too"));
        }
    }
    Ok(asked)
}

/// The Trainer counts devices in what the job asks for, if it asks for anything: a job that only
/// wants more memory than its runtime would be started for no device.
pub fn counted(mut asked: BTreeMap<String, String>, runtime: &Runtime) -> BTreeMap<String, String> {
    if let Some((name, count)) = runtime.device()
        && !asked.is_empty()
        && runtime.spec.ml_policy.torch.is_some()
        && !asked.keys().any(|it| is_device(it))
    {
        asked.insert(name.to_owned(), count.to_owned());
    }
    asked
}

/// What each node gets: the runtime's, where the job asks for nothing else.
pub fn merged(asked: &BTreeMap<String, String>, runtime: &Runtime) -> BTreeMap<String, String> {
    let own = runtime.resources().map(|(name, quantity)| (name.to_owned(), quantity.to_owned()));
    own.chain(asked.clone()).collect()
}

/// How many devices of a kind that the Trainer does not count by itself; it starts one process a
/// CPU when no resource has `gpu` in its name.
pub fn uncounted_devices(resources: &BTreeMap<String, String>) -> Option<i32> {
    let devices = || resources.iter().filter(|(name, count)| is_device(name) && *count != "0");
    if devices().any(|(name, _)| name.to_lowercase().contains("gpu")) {
        return None;
    }
    devices().find_map(|(_, count)| count.parse().ok())
}

/// The short names that people write.
fn resource(name: &str, device: &str) -> String {
    match name.to_lowercase().as_str() {
        "gpu" => device.to_owned(),
        "storage" => "ephemeral-storage".to_owned(),
        short @ ("cpu" | "memory" | "ephemeral-storage") => short.to_owned(),
        mig if mig.starts_with("mig-") => format!("nvidia.com/{mig}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn runtime(limits: Value) -> Runtime {
        let container = json!({"name": "node", "resources": {"limits": limits}});
        let job = json!({"name": "node", "template": {"spec": {"template": {"spec": {"containers": [container]}}}}});
        let spec = json!({"template": {"spec": {"replicatedJobs": [job]}}});
        serde_json::from_value(json!({"metadata": {"name": "x"}, "spec": spec})).unwrap()
    }

    fn check(given: Value, gpus: Option<u32>, limits: Value, expected: Value) {
        let asked = asked(given.as_object().unwrap(), gpus, &runtime(limits)).unwrap();
        assert_eq!(json!(asked), expected);
    }

    #[test]
    fn short_names_and_the_runtime_s_device_are_meant() {
        check(
            json!({"cpu": 2, "memory": "4Gi", "gpu": 1, "storage": "1G"}),
            None,
            json!({}),
            json!({"cpu": "2", "ephemeral-storage": "1G", "memory": "4Gi", "nvidia.com/gpu": "1"}),
        );
        check(json!({}), Some(2), json!({"amd.com/gpu": "8"}), json!({"amd.com/gpu": "2"}));
        check(json!({}), Some(0), json!({}), json!({}));
        check(json!({}), Some(0), json!({"nvidia.com/gpu": "2"}), json!({"nvidia.com/gpu": "0"}));
        check(json!({"mig-1g.5gb": 1}), None, json!({}), json!({"nvidia.com/mig-1g.5gb": "1"}));
    }

    #[test]
    fn contradictions_and_wrong_quantities_are_refused() {
        let refused = |given: Value, gpus| {
            asked(given.as_object().unwrap(), gpus, &runtime(json!({}))).unwrap_err().to_string()
        };
        assert_eq!(
            refused(json!({"cpu": "two"}), None),
            r#"argument "resources_per_node.cpu" must be a quantity such as 2, "500m" or "4Gi", and is "two""#
        );
        assert_eq!(
            refused(json!({"gpu": 1}), Some(2)),
            r#"argument "gpu_per_node" is 2, which contradicts 1 nvidia.com/gpu in resources_per_node"#
        );
        refused(json!({"gpu": 1, "nvidia.com/gpu": 1}), None);
        refused(json!({"cpu": -1}), None);
    }

    #[test]
    fn slices_of_a_gpu_are_counted() {
        let count = |name: &str| uncounted_devices(&[(name.to_owned(), "3".to_owned())].into());
        assert_eq!(count("nvidia.com/mig-1g.5gb"), Some(3));
        assert_eq!(count("google.com/tpu"), Some(3));
        assert_eq!(count("nvidia.com/gpu"), None);
        assert_eq!(count("cpu"), None);
    }
}
