//! One tool: its arguments, its result, and everything the server must know to offer it.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use rmcp::{
    handler::server::tool::{schema_for_input, schema_for_output, schema_for_type},
    model::{JsonObject, ToolAnnotations},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Caller, Error, Persona, Result};

/// A tool is its arguments: deserialize one, and [`call`](Tool::call) carries it out.
///
/// The doc comment of the implementing type is the description the agent reads. An implementation
/// neither checks personas or namespaces nor asks for confirmation: by the time it runs, that is done.
pub trait Tool: DeserializeOwned + JsonSchema + Send + 'static {
    /// What the tool returns, and so its output schema.
    type Output: Serialize + JsonSchema + Send + 'static;

    const NAME: &str;
    /// The name that people read.
    const TITLE: &str;
    const EFFECT: Effect;
    /// The lowest persona that is offered the tool.
    const PERSONA: Persona;
    /// What the cluster must serve and the caller be allowed to do.
    const NEEDS: &[Need];

    fn call(self, caller: &Caller) -> impl Future<Output = Result<Self::Output>> + Send;

    /// Content beside the structured result, such as an image.
    fn blocks(_output: &Self::Output) -> Vec<Block> {
        Vec::new()
    }
}

/// What calling a tool does to the cluster. The MCP annotations follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Reads,
    Creates,
    Changes,
    Deletes,
}

/// Content that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Text(String),
    /// Bytes in base64, with their media type.
    Image {
        data: String,
        mime_type: String,
    },
}

/// A kind of Kubernetes object, as API paths and RBAC rules name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    pub group: &'static str,
    /// With its subresource where one is meant: `pods/log`.
    pub plural: &'static str,
    pub namespaced: bool,
}

/// What a tool does to one kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub verbs: &'static [&'static str],
    pub resource: Resource,
    /// Whether the tool is useless without it. Without an optional need it works with less, and
    /// says what it could not see.
    pub required: bool,
}

/// A tool as the registry holds it: its types erased, its facts at hand.
#[derive(Clone, Copy)]
pub struct ToolDef {
    pub name: &'static str,
    pub title: &'static str,
    pub effect: Effect,
    pub persona: Persona,
    pub needs: &'static [Need],
    describe: fn() -> rmcp::model::Tool,
    call: for<'a> fn(JsonObject, &'a Caller) -> BoxFuture<'a, Result<Answer>>,
}

/// What a call gives back, before it is put into the protocol's words.
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) blocks: Vec<Block>,
}

impl Resource {
    pub const fn namespaced(group: &'static str, plural: &'static str) -> Self {
        Self { group, plural, namespaced: true }
    }

    pub const fn cluster(group: &'static str, plural: &'static str) -> Self {
        Self { group, plural, namespaced: false }
    }
}

impl Need {
    /// Reads as it is meant: a need `to` list train jobs.
    pub const fn to(verbs: &'static [&'static str], resource: Resource) -> Self {
        Self { verbs, resource, required: true }
    }

    /// A need that the tool can do without: `perhaps` to list nodes.
    pub const fn perhaps(verbs: &'static [&'static str], resource: Resource) -> Self {
        Self { verbs, resource, required: false }
    }
}

impl Effect {
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Reads)
    }

    fn annotations(self, title: &str) -> ToolAnnotations {
        ToolAnnotations::with_title(title)
            .read_only(!self.writes())
            .destructive(self == Self::Deletes)
            .idempotent(true)
            .open_world(true)
    }
}

impl ToolDef {
    pub const fn of<T: Tool>() -> Self {
        Self {
            name: T::NAME,
            title: T::TITLE,
            effect: T::EFFECT,
            persona: T::PERSONA,
            needs: T::NEEDS,
            describe: describe::<T>,
            call: call::<T>,
        }
    }

    pub fn describe(&self) -> rmcp::model::Tool {
        (self.describe)()
    }

    /// Carries the call out, or rehearses it when it writes and is not confirmed.
    pub(crate) async fn call(&self, mut arguments: JsonObject, caller: &Caller) -> Result<Answer> {
        let caller = &caller.fenced(self.needs);
        if !self.effect.writes() || arguments.remove("confirmed") == Some(Value::Bool(true)) {
            return (self.call)(arguments, caller).await;
        }
        (self.call)(arguments, &caller.rehearsing()).await
    }
}

fn describe<T: Tool>() -> rmcp::model::Tool {
    let description = schema_for_type::<T>()
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut input = schema_for_input::<T>().unwrap_or_else(|error| panic!("{}: {error}", T::NAME));
    if T::EFFECT.writes() {
        let properties = Arc::make_mut(&mut input).entry("properties").or_insert_with(|| json!({}));
        properties["confirmed"] = json!({
            "type": "boolean",
            "default": false,
            "description": "Whether to really do it; otherwise the result shows what would happen.",
        });
    }
    rmcp::model::Tool::new(T::NAME, description, input)
        .with_title(T::TITLE)
        .with_raw_output_schema(schema_for_output::<T::Output>())
        .with_annotations(T::EFFECT.annotations(T::TITLE))
}

fn call<T: Tool>(arguments: JsonObject, caller: &Caller) -> BoxFuture<'_, Result<Answer>> {
    async move {
        let tool: T = serde_json::from_value(arguments.into()).map_err(|error| {
            Error::Argument { argument: String::new(), problem: error.to_string() }
        })?;
        let output = tool.call(caller).await?;
        let blocks = T::blocks(&output);
        Ok(Answer { value: serde_json::to_value(output).map_err(Error::Output)?, blocks })
    }
    .boxed()
}
