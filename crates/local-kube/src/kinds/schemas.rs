//! The schemas of the built-in kinds and of what these are made of.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::{Form, built_in};

/// What references to a schema begin with.
pub(crate) const SCHEMA_ROOT: &str = "#/components/schemas/";

/// The schemas by name, as in `io.k8s.api.core.v1.Pod`. They are made when first asked for, from
/// types that hold some fields always which an object may leave out.
pub(crate) fn schemas() -> &'static Map<String, Value> {
    static SCHEMAS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
        let mut generator = SchemaSettings::openapi3().into_generator();
        for kind in built_in::kinds() {
            if let Form::BuiltIn { schema, .. } = kind.form {
                schema(&mut generator);
            }
        }
        let mut schemas = generator.take_definitions(true);
        for (name, schema) in &mut schemas {
            let optional = match name.rsplit('.').next() {
                Some(
                    "LocalObjectReference"
                    | "ConfigMapKeySelector"
                    | "SecretKeySelector"
                    | "ConfigMapEnvSource"
                    | "SecretEnvSource"
                    | "ConfigMapProjection"
                    | "SecretProjection"
                    | "ConfigMapVolumeSource",
                ) => "name",
                _ => "metadata",
            };
            if let Some(required) = schema["required"].as_array_mut() {
                required.retain(|it| it != optional);
            }
        }
        schemas
    });
    &SCHEMAS
}
