//! The tool set that CONTRIBUTING.md shows compiles, and works through the protocol.

use expect_test::expect;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PostParams};
use kubeflow_mcp_core::{Persona, Policy};
use serde_json::json;

use crate::session::{ERAS, Session};

#[expect(unreachable_pub, reason = "on the page it is a crate of its own")]
mod notes {
    include!(concat!(env!("OUT_DIR"), "/contributing.rs"));
}

static NOTES: kubeflow_mcp_core::ToolSet = notes::TOOL_SET;

#[tokio::test]
async fn the_tool_of_the_page_is_offered_and_called() {
    for era in ERAS {
        let session = Session::of(&[&NOTES], Policy::of(Persona::Readonly), era).await;
        let maps: Api<ConfigMap> = Api::default_namespaced(session.kube());
        for (name, labels) in [("milk", json!({"notes": "shopping"})), ("settings", json!({}))] {
            let map = json!({"metadata": {"name": name, "labels": labels}});
            let map = serde_json::from_value(map).unwrap();
            maps.create(&PostParams::default(), &map).await.unwrap();
        }
        let offered = session.client.list_all_tools().await.unwrap();
        assert_eq!(offered.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["list_notes"]);
        let notes = session.call("list_notes", json!({})).await;
        expect![[r#"{"notes":["milk"]}"#]].assert_eq(&notes.to_string());
        let error = session.error("list_notes", json!({"limit": 101})).await;
        assert_eq!(error["code"], "invalid_argument", "{error}");
    }
}
