//! How well causes of failure are told apart, as `docs/diagnosis.md` shows it.

use kubeflow_mcp_tests::{
    cluster::Cluster,
    diagnosis::{by_processes, recorded, table},
};

use crate::{Binary, HEADER, Row};

pub(crate) fn measure(_: &Binary) -> anyhow::Result<Vec<Row>> {
    let outcomes = tokio::runtime::Runtime::new()?.block_on(async {
        let cluster = Cluster::local().await;
        [by_processes(&cluster).await, recorded()].concat()
    });
    // The budgets go on behind it, in a table of their own.
    println!("\n{}\n{HEADER}", table(&outcomes));
    let wrong: Vec<_> = outcomes.iter().filter(|it| !it.is_right()).collect();
    for outcome in &wrong {
        println!("{}", outcome.problem());
    }
    let figure = wrong.len() as f64;
    Ok(vec![Row { what: "failures diagnosed wrongly", figure, budget: 0.0, unit: "cases" }])
}
