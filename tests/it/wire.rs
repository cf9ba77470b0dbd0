//! The protocol boundary: what is listed is what runs, in both eras, whatever happened before.

use kubeflow_mcp_core::{Persona, Policy, ToolSet};
use kubeflow_mcp_tests::runtimes;
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};

use crate::{
    session::{ERAS, Era, Session},
    tools,
};

#[tokio::test]
async fn each_persona_is_offered_its_tools_in_both_eras() {
    for persona in [Persona::Readonly, Persona::DataScientist, Persona::PlatformAdmin] {
        for era in ERAS {
            let session = Session::of(&ToolSet::linked(), Policy::of(persona), era).await;
            let mut expected: Vec<&str> =
                tools().filter(|it| it.persona <= persona).map(|it| it.name).collect();
            expected.sort_unstable();
            assert_eq!(names(&session).await, expected, "{persona} {era:?}");
        }
    }
}

#[tokio::test]
async fn the_list_depends_on_nothing_that_happened_before() {
    let session = Session::new().await;
    let before = session.client.list_all_tools().await.unwrap();
    session.call("list_training_jobs", json!({})).await;
    session.error("get_training_job", json!({"name": "nowhere"})).await;
    assert_eq!(session.client.list_all_tools().await.unwrap(), before);
}

#[tokio::test]
async fn a_hidden_tool_answers_with_the_reason() {
    let sets = ToolSet::linked();
    let session = Session::of(&sets, Policy::of(Persona::Readonly), Era::Modern).await;
    let error = session.error("delete_training_job", json!({"name": "mnist"})).await;
    assert_eq!(error["code"], "denied_by_policy", "{error}");
    assert!(error["message"].as_str().unwrap().contains("data-scientist"), "{error}");
}

#[tokio::test]
async fn an_unknown_tool_is_a_mistake_in_the_protocol() {
    let session = Session::new().await;
    let call = CallToolRequestParams::new("train_job");
    let error = session.client.call_tool(call).await.unwrap_err();
    assert!(error.to_string().contains("train_job"), "{error}");
}

#[tokio::test]
async fn results_fit_the_schemas_they_are_published_with() {
    let session = Session::new().await;
    let submission = json!({"script": "print('loss=0.5')", "name": "schema", "confirmed": true});
    let wait = json!({"name": "schema", "timeout_seconds": 60});
    let job = json!({"name": "schema"});
    let listed = session.call("list_runtimes", json!({})).await;
    let runtime = json!({"name": listed["runtimes"][0]["name"]});
    runtimes::add_torchtune(&session.kube(), "default", "localhost/host-python").await;
    let tune = json!({"model": "hf://meta-llama/Llama-3.2-1B", "dataset": "hf://tatsu-lab/alpaca", "name": "tuned"});
    let search = json!({"script": "print('loss=0.5')", "name": "search", "confirmed": true,
        "objective_metric_name": "loss", "parameters": {"lr": {"min": 0.1, "max": 0.9}},
        "max_trial_count": 2});
    let searched = json!({"name": "search"});
    let calls = [
        ("health_check", json!({})),
        ("get_cluster_resources", json!({})),
        ("list_runtimes", json!({})),
        (
            "estimate_resources",
            json!({"model": "Qwen/Qwen2.5-7B", "method": "lora", "num_workers": 8}),
        ),
        ("pre_flight", json!({"arguments": {}})),
        ("get_runtime", runtime.clone()),
        ("get_runtime_packages", runtime),
        (
            "create_runtime",
            json!({"name": "new", "framework": "torch", "spec": {"mlPolicy": {"numNodes": 1}}, "confirmed": true}),
        ),
        ("patch_runtime", json!({"name": "new", "patch": {"mlPolicy": {"numNodes": 2}}})),
        ("delete_runtime", json!({"name": "new"})),
        ("run_custom_training", submission),
        ("fine_tune", tune),
        ("run_container_training", json!({"image": "localhost/host-python", "name": "image"})),
        ("wait_for_training", wait),
        ("list_training_jobs", json!({})),
        ("get_training_job", job.clone()),
        ("get_training_logs", job.clone()),
        ("get_training_events", job.clone()),
        ("diagnose_training_job", job.clone()),
        ("update_training_job", json!({"name": "other", "action": "suspend"})),
        ("retry_training_job", json!({"job": "schema", "name": "again"})),
        ("delete_training_job", job),
        ("optimize", search),
        ("wait_for_optimization", json!({"name": "search", "timeout_seconds": 120})),
        ("list_optimization_jobs", json!({})),
        ("get_optimization_job", searched.clone()),
        ("get_best_results", searched.clone()),
        ("get_trial_metrics", searched.clone()),
        ("get_optimization_logs", searched.clone()),
        ("get_optimization_events", searched.clone()),
        ("diagnose_optimization_job", searched.clone()),
        ("update_optimization_job", json!({"name": "search", "max_trial_count": 3})),
        ("delete_optimization_job", searched),
    ];
    let other =
        json!({"script": "import time; time.sleep(60)", "name": "other", "confirmed": true});
    session.call("run_custom_training", other).await;
    let described = session.client.list_all_tools().await.unwrap();
    assert_eq!(described.len(), calls.len(), "every tool is called here");
    for (tool, arguments) in calls {
        let result = session.call(tool, arguments).await;
        let described = described.iter().find(|it| it.name == tool).unwrap();
        let schema = Value::Object((**described.output_schema.as_ref().unwrap()).clone());
        if let Err(error) = jsonschema::draft202012::validate(&schema, &result) {
            panic!("{tool}: {error} in {result:#}");
        }
        assert!(result.to_string().len() < 8_000, "{tool} tells too much: {result:#}");
    }
}

async fn names(session: &Session) -> Vec<String> {
    let tools = session.client.list_all_tools().await.unwrap();
    tools.into_iter().map(|it| it.name.into_owned()).collect()
}
