//! Whether causes of failure are named, in order, and nothing is accused that is well.

use expect_test::expect_file;
use kubeflow_mcp_tests::{
    cluster::Cluster,
    diagnosis::{self, Outcome, by_processes, recorded},
};

/// Signs that the evidence of a diagnosis on the cluster shows.
pub(crate) const SIGNS: &[&str] = &[
    "DeadlineExceeded",
    "ErrImageNeverPull",
    "Failed",
    "FailedCreate",
    "FailedMount",
    "Insufficient ",
    "OOMKilled",
    "SchedulingGated",
    "didn't match Pod's node affinity/selector",
    "error looking up service account",
    "exceeded quota",
    "name is too long",
    "persistentvolumeclaim ",
    "secret \"",
];

#[tokio::test]
async fn generated_diagnosis_document_is_current() {
    let cluster = Cluster::under_test().await;
    let by_processes = by_processes(&cluster).await;
    let recorded = recorded();
    let says = |sign: &str| {
        let causes = by_processes.iter().flat_map(|it| it.answer["causes"].as_array());
        let evidence = causes.flatten().flat_map(|it| it["evidence"].as_array()).flatten();
        evidence.into_iter().any(|it| it.as_str().is_some_and(|it| it.contains(sign)))
    };
    let unsaid = SIGNS.iter().filter(|it| !says(it)).map(|it| format!("nothing says {it:?}"));
    let mut problems: Vec<String> = unsaid.collect();
    let all = [by_processes.clone(), recorded].concat();
    problems.extend(all.iter().filter(|it| !it.is_right()).map(Outcome::problem));
    for (code, _) in diagnosis::meanings() {
        if !all.iter().any(|it| it.causes.contains(&code)) {
            problems.push(format!("no case has the cause {code}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    expect_file!["../../docs/diagnosis.md"].assert_eq(&diagnosis::document(&all));
}
