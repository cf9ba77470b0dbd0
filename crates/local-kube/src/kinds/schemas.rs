//! The schemas of the built-in kinds and of what these are made of.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::{Form, built_in};

/// What references to a schema begin with.
pub(crate) const SCHEMA_ROOT: &str = "#/components/schemas/";

/// The schemas by name, as in `io.k8s.api.core.v1.Pod`. They are made when first asked for.
pub(crate) fn schemas() -> &'static Map<String, Value> {
    static SCHEMAS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
        let mut generator = SchemaSettings::openapi3().into_generator();
        for kind in built_in::kinds() {
            if let Form::BuiltIn { schema, .. } = kind.form {
                schema(&mut generator);
            }
        }
        generator.take_definitions(true)
    });
    &SCHEMAS
}
