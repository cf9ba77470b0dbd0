//! What a closed cluster keeps.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, api::ListParams};
use local_kube::{LocalKube, Options, State};
use serde_json::json;

use crate::cluster::{create_configs, definition, object};

#[tokio::test]
async fn objects_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let configured = object(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "given", "namespace": "default"}, "data": {"key": "first"}}));
        let state = State::File(dir.path().join("state.db"));
        let options = Options {
            state,
            crds: vec![definition()],
            objects: vec![configured],
            ..Options::default()
        };
        LocalKube::open(options).unwrap().client()
    };
    let api: Api<ConfigMap> = Api::default_namespaced(open());
    create_configs(&api, &["a"]).await;
    let before = api.list(&ListParams::default()).await.unwrap();
    drop(api);

    let client = open();
    let after = Api::<ConfigMap>::default_namespaced(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(before.items, after.items);
    assert_eq!(
        before.metadata.resource_version, after.metadata.resource_version,
        "opening writes nothing anew"
    );
    assert_eq!(
        Api::<Namespace>::all(client).list(&ListParams::default()).await.unwrap().items.len(),
        4
    );
}
