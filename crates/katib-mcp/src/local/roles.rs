//! Who may do what with Katib's objects, as on a Kubeflow platform.

use kube::api::DynamicObject;

const ROLES: &str = include_str!("roles.yaml");

pub(super) fn roles() -> Vec<DynamicObject> {
    let documents = ROLES.split("\n---\n");
    documents.map(|it| serde_saphyr::from_str(it).expect("a test reads the same text")).collect()
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;

    #[test]
    fn every_role_is_read() {
        let names: Vec<String> = roles().iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["kubeflow-katib-admin", "kubeflow-katib-edit", "kubeflow-katib-view"]);
    }
}
