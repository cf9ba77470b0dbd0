//! What an agent is told of arguments that cannot be right: nothing is done with them.

use expect_test::{Expect, expect};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use kubeflow_mcp_core::{Persona, Policy, ToolSet};
use serde_json::{Value, json};

use crate::session::{Era, Session};

/// An agent that may only touch the namespace `default`.
async fn session() -> Session {
    let namespaces = Some(vec!["default".to_owned()]);
    let policy = Policy { namespaces, ..Policy::of(Persona::DataScientist) };
    Session::of(&ToolSet::linked(), policy, Era::Modern).await
}

/// What is answered to each call, in one line.
async fn check(session: &Session, tool: &str, calls: Vec<Value>, expected: Expect) {
    let mut told = String::new();
    for arguments in calls {
        let error = session.error(tool, arguments).await;
        let message = error["message"].as_str().unwrap();
        assert!(message.len() < 400, "{message}");
        told += &format!("{}: {message}\n", error["code"].as_str().unwrap());
    }
    expected.assert_eq(&told);
}

#[tokio::test]
async fn a_submission_with_a_mistake_submits_nothing() {
    let session = session().await;
    let sound = json!({"script": "print(1)\n", "name": "mnist", "confirmed": true});
    let with = |changes: Value| {
        let mut call = sound.clone();
        call.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        call
    };
    let mistakes = [
        json!({"num_node": 2}),
        json!({"num_nodes": "2"}),
        json!({"num_nodes": 1001}),
        json!({"script": null}),
        json!({"name": "Mnist_1"}),
        json!({"name": "a".repeat(60)}),
        json!({"name": "mnist\u{7}"}),
        json!({"namespace": "team-b"}),
        json!({"namespace": "../default"}),
        json!({"script": "1".repeat(524_289)}),
        json!({"script": "rate = 0.1\nfor step in range(3:\n    pass\n"}),
        json!({"script": "print(1)\u{0}\n"}),
        json!({"packages": ["numpy\u{1b}[2J"]}),
        json!({"packages": ["--index-url=http://x"]}),
        json!({"packages": ["numpy; rm -rf /"]}),
        json!({"resources_per_node": {"memory": "lots"}}),
        json!({"runtime": "pythn"}),
        json!({"confirmed": "yes"}),
    ];
    let calls = mistakes.into_iter().map(with).collect();
    check(&session, "run_custom_training", calls, expect![[r#"
        invalid_argument: argument "num_node" is not known (did you mean "num_nodes"?)
        invalid_argument: argument "num_nodes" is the string "2", must be a whole number
        invalid_argument: argument "num_nodes" is 1001, must be between 1 and 1000
        invalid_argument: argument "script" is null, must be a string
        invalid_argument: argument "name" must be lower-case letters, digits and '-', start with a letter and not end with '-', and is "Mnist_1"
        invalid_argument: argument "name" is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", with 60 characters, must have at most 48: names of Pods leave no more room with this runtime
        invalid_argument: argument "name" is "mnist\u{7}", must not have the control character \u{7}
        denied_by_policy: namespace "team-b" is outside this server's policy
        invalid_argument: argument "namespace" is "../default", must be lower-case letters, digits and '-', at most 63
        invalid_argument: argument "script" is "111111111111111111111111111111111111111111111111111111111111…", with 524289 characters, must have at most 524288
        invalid_argument: argument "script" does not parse at line 2, column 20: expected `,`, found `:`: "for step in range(3:"
        invalid_argument: argument "script" is "print(1)\0\n", must not have the control character \u{0}
        invalid_argument: argument "packages[0]" is "numpy\u{1b}[2J", must not have the control character \u{1b}
        invalid_argument: argument "packages[0]" is "--index-url=http://x", not a requirement as pip reads it: "--index-url=http://x" stands where the name of a package is expected; allowed are "numpy", "ray[train]>=2.9,<3", "a @ https://host/a.whl", each perhaps with "; python_version < '3.13'"
        invalid_argument: argument "packages[0]" is "numpy; rm -rf /", not a requirement as pip reads it: "rm -rf /" stands where a marker such as python_version < "3.13" is expected; allowed are "numpy", "ray[train]>=2.9,<3", "a @ https://host/a.whl", each perhaps with "; python_version < '3.13'"
        invalid_argument: argument "resources_per_node.memory" must be a quantity such as 2, "500m" or "4Gi", and is "lots"
        invalid_argument: argument "runtime" names no runtime: "pythn" (did you mean "python"?); there are python
        invalid_argument: argument "confirmed" is the string "yes", must be a boolean
    "#]]).await;

    let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "TrainJob");
    let jobs: Api<DynamicObject> = Api::all_with(session.kube(), &ApiResource::from_gvk(&kind));
    assert!(jobs.list(&Default::default()).await.unwrap().items.is_empty());
    assert_eq!(session.call("run_custom_training", sound).await["created"], true);
}

#[tokio::test]
async fn a_question_with_a_mistake_is_told_what_is_allowed() {
    let session = session().await;
    let calls = vec![
        json!({"cursor": "made up"}),
        json!({"limit": 0}),
        json!({"limit": 2.5}),
        json!({"status": "Sucseeded"}),
        json!({"namespace": "kube-system"}),
    ];
    check(&session, "list_training_jobs", calls, expect![[r#"
        invalid_argument: argument "cursor" is "made up", must be the next_cursor of an earlier page, unchanged
        invalid_argument: argument "limit" is 0, must be between 1 and 100
        invalid_argument: argument "limit" is the number 2.5, must be a whole number
        invalid_argument: argument "status" is "Sucseeded", not one of "Created", "Running", "Suspended", "Complete", "Failed" (did you mean "Suspended"?)
        denied_by_policy: namespace "kube-system" is outside this server's policy
    "#]]).await;
    let calls = vec![
        json!({}),
        json!({"name": "no-such-job"}),
        json!({"name": "mnist/status"}),
        json!({"name": "mnist", "search": "("}),
        json!({"name": "mnist", "since": "yesterday"}),
        json!({"name": "mnist", "rank": -1}),
    ];
    check(&session, "get_training_logs", calls, expect![[r#"
        invalid_argument: argument "name" is required
        not_found: TrainJob "no-such-job" not found in namespace "default"
        invalid_argument: argument "name" is "mnist/status", but a job's name has lower-case letters, digits and '-' only
        not_found: TrainJob "mnist" not found in namespace "default"
        invalid_argument: argument "since" is "yesterday", but a time span looks like 30s, 10m or 2h
        invalid_argument: argument "rank" is -1, must be at least 0
    "#]]).await;
}
