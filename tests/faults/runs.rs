//! Many runs, each with other faults at other moments.

use std::{env, panic::AssertUnwindSafe};

use futures::{FutureExt as _, StreamExt as _, stream};

use crate::{cluster, run};

/// How many runs there are, instead of the usual number.
const RUNS: &str = "KUBEFLOW_MCP_FAULT_RUNS";
/// The one run that there is.
const SEED: &str = "KUBEFLOW_MCP_FAULT_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_nothing_is_lost_and_nothing_is_done_twice() {
    let real = cluster::real().is_some();
    let number = |name: &str| {
        let text = env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is {text:?}, and no number")))
    };
    let seeds = match number(SEED) {
        Some(seed) => seed..seed + 1,
        None => 0..number(RUNS).unwrap_or(if real { 10 } else { 200 }),
    };
    // The parts of a real cluster are killed for all who use it.
    let at_once = if real { 1 } else { 4 };
    let runs = stream::iter(seeds).map(|seed| async move {
        let over = AssertUnwindSafe(run::run(seed)).catch_unwind().await;
        (seed, over.is_ok())
    });
    let failed = runs
        .buffer_unordered(at_once)
        .filter_map(|(seed, well)| async move { (!well).then_some(seed) });
    let failed: Vec<u64> = failed.collect().await;
    assert!(failed.is_empty(), "runs {failed:?} failed: {SEED}={} repeats one", failed[0]);
}
