//! One tool: its arguments, its result, and everything the server must know to offer it.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use kube::Client;
use rmcp::model::{JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Answer, Caller, Error, Persona, Progress, Result, arguments,
    caller::Call,
    confirmation, digest,
    schema::{self, Schemas},
};

/// A tool is its arguments: deserialize one, and [`call`](Tool::call) carries it out.
///
/// The doc comment of the implementing type is the description the agent reads, that of a field the
/// argument's. An implementation neither checks personas or namespaces nor asks for confirmation: by
/// the time it runs, that is done.
///
/// **Arguments** are checked against the schema that schemars makes of the type before the type is
/// deserialized: types, `range`, `length`, `regex`, enums, required and unknown fields. So a bound
/// that is stated as an attribute holds, and the tool checks only what a schema cannot say. `null`
/// for an argument that is not required counts as absent. A string that may be at most 256
/// characters long is one line; one of at most 4096 has no control characters; none has a NUL.
///
/// **Writing tools** get an argument `confirmed`. Without it, `call` runs with a client whose writes
/// the API server only rehearses ([`Caller::rehearses`]), and the result is marked `preview: true`;
/// with it, the result says `preview: false`. Both stand beside the fields of the tool's own output,
/// which must be an object without a field of that name. So a tool returns what its writes returned:
/// what it would read back is not there in a rehearsal. A `name` in the output of a preview is what
/// the agent is told to repeat. A tool that declares more than one writing verb is rehearsed as a
/// whole before a confirmed call is carried out, and so runs twice.
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
    Audio {
        data: String,
        mime_type: String,
    },
    /// A document, such as a report, with the address that identifies it.
    Document {
        uri: String,
        mime_type: String,
        text: String,
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
    /// Whether it is only used where the caller has it for another purpose: no role is published for
    /// it. A reading tool may borrow a writing verb, since what it sends is only rehearsed.
    pub borrowed: bool,
}

/// A tool as the registry holds it: its types erased, its facts at hand.
#[derive(Clone, Copy)]
pub struct ToolDef {
    pub name: &'static str,
    pub title: &'static str,
    pub effect: Effect,
    pub persona: Persona,
    pub needs: &'static [Need],
    schemas: fn() -> Arc<Schemas>,
    run: for<'a> fn(JsonObject, &'a Caller) -> BoxFuture<'a, Result<Output>>,
}

/// What a tool returns, its type erased.
pub(crate) struct Output {
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

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.group {
            "" => f.write_str(self.plural),
            group => write!(f, "{}.{group}", self.plural),
        }
    }
}

impl Need {
    /// Reads as it is meant: a need `to` list train jobs.
    pub const fn to(verbs: &'static [&'static str], resource: Resource) -> Self {
        Self { verbs, resource, required: true, borrowed: false }
    }

    /// A need that the tool can do without: `perhaps` to list nodes.
    pub const fn perhaps(verbs: &'static [&'static str], resource: Resource) -> Self {
        Self { verbs, resource, required: false, borrowed: false }
    }

    /// A need that nobody is given for the tool's sake: it makes do with what the caller has anyway.
    pub const fn borrowed(verbs: &'static [&'static str], resource: Resource) -> Self {
        Self { verbs, resource, required: false, borrowed: true }
    }

    /// A tool's own needs, and those of what it does its work with.
    pub const fn joined<const N: usize>(own: &[Self], others: &[Self]) -> [Self; N] {
        assert!(own.len() + others.len() == N, "as many as both have");
        let mut all = [others[0]; N];
        let mut at = 0;
        while at < N {
            all[at] = if at < own.len() { own[at] } else { others[at - own.len()] };
            at += 1;
        }
        all
    }
}

impl Effect {
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Reads)
    }

    /// The hints by which a client decides whether to ask its user.
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
            schemas: schema::of::<T>,
            run: run::<T>,
        }
    }

    /// The tool as `tools/list` shows it.
    pub fn describe(&self) -> rmcp::model::Tool {
        let schemas = (self.schemas)();
        rmcp::model::Tool::new(self.name, schemas.description.clone(), schemas.input.clone())
            .with_title(self.title)
            .with_raw_output_schema(schemas.output.clone())
            .with_annotations(self.effect.annotations(self.title))
    }

    /// Whether a call with these arguments changes the cluster.
    pub(crate) fn changes(&self, arguments: &JsonObject) -> bool {
        self.effect.writes() && arguments.get("confirmed") == Some(&Value::Bool(true))
    }

    /// Carries the call out, or rehearses it when it writes and is not confirmed.
    pub(crate) async fn call(
        &self,
        mut arguments: JsonObject,
        caller: &Caller,
        progress: Progress,
    ) -> Result<Answer> {
        let schemas = self.check(&mut arguments, caller)?;
        let confirmed = self.changes(&arguments);
        arguments.remove("confirmed");
        let digest = digest::of(self.name, &schemas, &arguments, caller);
        let call =
            |rehearses| Call { digest: digest.clone(), rehearses, progress: progress.clone() };
        if !self.effect.writes() {
            let output = (self.run)(arguments, &caller.calling(self, call(false))).await?;
            return Answer::new(output);
        }
        if !confirmed || self.writes_several() {
            let rehearsed =
                (self.run)(arguments.clone(), &caller.calling(self, call(true))).await?;
            if !confirmed {
                return confirmation::preview(self.name, rehearsed);
            }
        }
        let output = (self.run)(arguments, &caller.calling(self, call(false))).await?;
        confirmation::done(output)
    }

    /// Rehearses the call for a caller whose client stores nothing.
    pub(crate) async fn rehearsed(
        &self,
        mut arguments: JsonObject,
        caller: &Caller,
        client: Client,
    ) -> Result<Value> {
        let schemas = self.check(&mut arguments, caller)?;
        arguments.remove("confirmed");
        let digest = digest::of(self.name, &schemas, &arguments, caller);
        let call = Call { digest, rehearses: true, progress: Progress::default() };
        Ok((self.run)(arguments, &caller.through(client, call)).await?.value)
    }

    /// Whether the arguments are what the tool takes, in a namespace that the policy admits.
    fn check(&self, arguments: &mut JsonObject, caller: &Caller) -> Result<Arc<Schemas>> {
        let schemas = (self.schemas)();
        arguments::check(&schemas.input, arguments)?;
        let namespace = arguments.get("namespace").and_then(Value::as_str);
        if schemas.takes_namespace()
            && let Some(namespace) = namespace.filter(|it| !is_namespace(it))
        {
            let namespace: String = namespace.chars().take(80).collect();
            let problem =
                format!("is {namespace:?}, must be lower-case letters, digits and '-', at most 63");
            return Err(Error::argument("namespace", problem));
        }
        let namespace = caller.namespace(namespace);
        if schemas.takes_namespace() && !caller.policy().admits_namespace(namespace) {
            return Err(Error::Namespace(namespace.to_owned()));
        }
        Ok(schemas)
    }

    /// Whether a call may be left half done, unless it is rehearsed as a whole first.
    fn writes_several(&self) -> bool {
        let verbs = self.needs.iter().flat_map(|need| need.verbs);
        verbs.filter(|verb| !matches!(**verb, "get" | "list" | "watch")).count() > 1
    }
}

/// Whether a namespace can have that name.
fn is_namespace(name: &str) -> bool {
    let letters = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(letters)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn run<T: Tool>(arguments: JsonObject, caller: &Caller) -> BoxFuture<'_, Result<Output>> {
    async move {
        let tool: T = serde_json::from_value(arguments.into())
            .map_err(|error| Error::argument("", error.to_string()))?;
        let output = tool.call(caller).await?;
        let blocks = T::blocks(&output);
        Ok(Output { value: serde_json::to_value(output).map_err(Error::Output)?, blocks })
    }
    .boxed()
}
