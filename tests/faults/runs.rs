//! Many runs, each with other faults at other moments.

use std::{env, panic::AssertUnwindSafe};

use futures::{FutureExt as _, StreamExt as _, future, stream};

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
        over.err().map(|panic| (seed, run::words(&*panic)))
    });
    let failed: Vec<(u64, String)> =
        runs.buffer_unordered(at_once).filter_map(future::ready).collect().await;
    // The objects that each has left were shown when it ended.
    let why: Vec<&str> = failed.iter().filter_map(|(_, why)| why.lines().next()).collect();
    if let [(seed, _), ..] = failed[..] {
        panic!("{SEED}={seed} repeats the first of these:\n{}", why.join("\n"));
    }
}
