//! The tools that the official conformance suite calls, served by the production handler.

use std::{sync::OnceLock, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use kubeflow_mcp_core::{
    Block, Caller, Effect, Error, Need, Persona, Policy, Resource, Result, Server, Tool, ToolDef,
    ToolSet,
};
use local_kube::{LocalKube, OpenError, Options};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub const TOOL_SET: ToolSet = ToolSet {
    name: "conformance",
    about: "What the conformance suite calls",
    guide: "",
    tools: &[&[
        ToolDef::of::<SimpleText>(),
        ToolDef::of::<ImageContent>(),
        ToolDef::of::<AudioContent>(),
        ToolDef::of::<EmbeddedResource>(),
        ToolDef::of::<MixedContent>(),
        ToolDef::of::<ErrorHandling>(),
        ToolDef::of::<WithProgress>(),
        ToolDef::of::<Logging>(),
        ToolDef::of::<StreamingElicitation>(),
        ToolDef::of::<TriggerToolChange>(),
        ToolDef::of::<ListToggles>(),
    ]],
    local: None,
};

/// The server under test, on an empty cluster in memory.
pub fn server() -> Result<Server, OpenError> {
    let cluster = LocalKube::open(Options::default())?;
    let controllers = cluster.clone();
    tokio::spawn(async move { controllers.run().await });
    SOMEBODY.get_or_init(|| cluster.client());
    let caller = Caller::new(cluster.client(), Policy::of(Persona::PlatformAdmin));
    Ok(Server::new(caller, &[&kubeflow_mcp_core::TOOL_SET, &TOOL_SET]))
}

/// What most of the suite's tools return.
#[derive(Serialize, JsonSchema)]
struct Said {
    text: String,
}

fn said(text: &str) -> Said {
    Said { text: text.to_owned() }
}

/// Says something.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SimpleText {}

impl Tool for SimpleText {
    type Output = Said;
    const NAME: &str = "test_simple_text";
    const TITLE: &str = "SimpleText";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("This is a simple text response for testing."))
    }
}

/// Shows something.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImageContent {}

impl Tool for ImageContent {
    type Output = Said;
    const NAME: &str = "test_image_content";
    const TITLE: &str = "ImageContent";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("A red pixel."))
    }

    fn blocks(_: &Said) -> Vec<Block> {
        vec![red_pixel()]
    }
}

/// One pixel as a PNG file, in base64.
const RED_PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

/// Plays something.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AudioContent {}

impl Tool for AudioContent {
    type Output = Said;
    const NAME: &str = "test_audio_content";
    const TITLE: &str = "AudioContent";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("Silence."))
    }

    fn blocks(_: &Said) -> Vec<Block> {
        vec![Block::Audio { data: SILENCE.to_owned(), mime_type: "audio/wav".to_owned() }]
    }
}

/// A sound file without a sound, in base64.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Hands over a document.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EmbeddedResource {}

impl Tool for EmbeddedResource {
    type Output = Said;
    const NAME: &str = "test_embedded_resource";
    const TITLE: &str = "EmbeddedResource";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("A document."))
    }

    fn blocks(_: &Said) -> Vec<Block> {
        vec![document("This is an embedded resource content.")]
    }
}

/// Shows something and hands over a document.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MixedContent {}

impl Tool for MixedContent {
    type Output = Said;
    const NAME: &str = "test_multiple_content_types";
    const TITLE: &str = "MixedContent";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("Several kinds of content."))
    }

    fn blocks(_: &Said) -> Vec<Block> {
        vec![red_pixel(), document("{}")]
    }
}

fn document(text: &str) -> Block {
    Block::Document {
        uri: "test://document".to_owned(),
        mime_type: "text/plain".to_owned(),
        text: text.to_owned(),
    }
}

fn red_pixel() -> Block {
    Block::Image { data: RED_PIXEL.to_owned(), mime_type: "image/png".to_owned() }
}

/// Fails.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ErrorHandling {}

impl Tool for ErrorHandling {
    type Output = Said;
    const NAME: &str = "test_error_handling";
    const TITLE: &str = "ErrorHandling";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Err(Error::conflict("this tool intentionally returns an error for testing", "expect it"))
    }
}

/// Says how far it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WithProgress {}

impl Tool for WithProgress {
    type Output = Said;
    const NAME: &str = "test_tool_with_progress";
    const TITLE: &str = "WithProgress";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, caller: &Caller) -> Result<Said> {
        for done in [0.0, 50.0, 100.0] {
            caller.progress(done, Some(100.0), "on the way").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(said("Done."))
    }
}

/// Logs nothing to the client, whatever the client asks for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Logging {}

impl Tool for Logging {
    type Output = Said;
    const NAME: &str = "test_logging_tool";
    const TITLE: &str = "Logging";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("Nothing was logged."))
    }
}

/// Asks the user nothing while its answer is on the way.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StreamingElicitation {}

impl Tool for StreamingElicitation {
    type Output = Said;
    const NAME: &str = "test_streaming_elicitation";
    const TITLE: &str = "StreamingElicitation";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("Nobody was asked."))
    }
}

/// Who changes the cluster: the suite confirms nothing, and so nothing could be written in its name.
static SOMEBODY: OnceLock<Client> = OnceLock::new();

const TOGGLES: Resource = Resource::namespaced("toggles.example.org", "toggles");

/// Installs the kind of object that another tool needs, or removes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TriggerToolChange {}

impl Tool for TriggerToolChange {
    type Output = Said;
    const NAME: &str = "test_trigger_tool_change";
    const TITLE: &str = "TriggerToolChange";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Said> {
        let somebody = SOMEBODY.get().expect("whoever serves the tool has set it").clone();
        let definitions: Api<CustomResourceDefinition> = Api::all(somebody);
        let name = "toggles.toggles.example.org";
        let exists = definitions.get_opt(name).await?.is_some();
        if exists {
            definitions.delete(name, &DeleteParams::default()).await?;
        } else {
            definitions.create(&PostParams::default(), &definition(name)).await?;
        }
        Ok(said(if exists { "One tool less." } else { "One tool more." }))
    }
}

fn definition(name: &str) -> CustomResourceDefinition {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": TOGGLES.group,
            "names": {"kind": "Toggle", "plural": TOGGLES.plural, "singular": "toggle"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}],
        },
    });
    serde_json::from_value(definition).expect("the definition is our own")
}

/// Is offered only while toggles are installed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListToggles {}

impl Tool for ListToggles {
    type Output = Said;
    const NAME: &str = "list_toggles";
    const TITLE: &str = "ListToggles";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["list"], TOGGLES)];

    async fn call(self, _: &Caller) -> Result<Said> {
        Ok(said("There are none."))
    }
}
