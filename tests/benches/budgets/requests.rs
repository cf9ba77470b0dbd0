//! How often a call asks the cluster.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kubeflow_mcp_core::{Caller, Persona, Policy, Server, ToolSet, local::LocalCluster};
use kubeflow_mcp_tests::counting::counting;
use serde_json::{Value, json};

use crate::{Binary, Row, in_process::call};

pub(crate) fn measure(_: &Binary) -> anyhow::Result<Vec<Row>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let sets = ToolSet::linked();
        let cluster = LocalCluster::in_memory(&sets)?;
        let count = Arc::new(AtomicUsize::new(0));
        let client = counting(cluster.client(), &count);
        let server = Server::new(Caller::new(client, Policy::of(Persona::PlatformAdmin)), &sets);
        for number in 0..8 {
            let name = format!("counted-{number}");
            let job = json!({"script": "print()", "name": name, "num_nodes": 4, "confirmed": true});
            call(&server, "run_custom_training", &job).await?;
        }
        let asked = async |tool, arguments: &Value| {
            let before = count.load(Ordering::SeqCst);
            call(&server, tool, arguments).await?;
            anyhow::Ok((count.load(Ordering::SeqCst) - before) as f64)
        };
        let (job, runtime) = (json!({"name": "counted-7"}), json!({"name": "python"}));
        let page = asked("list_training_jobs", &Value::Null).await?;
        let mut most: f64 = 0.0;
        for (tool, arguments) in
            [("get_training_job", &job), ("get_training_events", &job), ("get_runtime", &runtime)]
        {
            most = most.max(asked(tool, arguments).await?);
        }
        Ok(vec![
            Row { what: "a page of jobs", figure: page, budget: 1.0, unit: "requests" },
            Row { what: "a look at one object, most", figure: most, budget: 3.0, unit: "requests" },
        ])
    })
}
