//! What a call gives back, as the agent reads it: structured, and as compact text.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;

use crate::{Block, Error, Result, limit, redact, text, tool::Output};

/// What a call gives back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What fits the tool's output schema.
    pub value: Value,
    /// The same in few words, and what to do next where there is something.
    pub text: String,
    /// Content beside it, such as an image.
    pub blocks: Vec<Block>,
}

impl Answer {
    /// Cleans the output and holds it to a size: nothing else that a tool returns leaves the server.
    pub(crate) fn new(mut output: Output) -> Result<Self> {
        redact::clean_value(&mut output.value);
        let left_out = limit::cut(&mut output.value)?;
        let mut text = text::of(&output.value);
        if let Some(left_out) = left_out {
            text += &format!("\n{left_out}");
        }
        for block in &mut output.blocks {
            if let Block::Text(text) | Block::Document { text, .. } = block {
                *text = redact::clean(text).into_owned();
            }
        }
        Ok(Self { value: output.value, text, blocks: output.blocks })
    }

    pub(crate) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::structured(self.value);
        result.content = vec![ContentBlock::text(self.text)];
        result.content.extend(self.blocks.into_iter().map(|block| match block {
            Block::Text(text) => ContentBlock::text(text),
            Block::Image { data, mime_type } => ContentBlock::image(data, mime_type),
            Block::Audio { data, mime_type } => ContentBlock::audio(data, mime_type),
            Block::Document { uri, mime_type, text } => {
                let document = ResourceContents::text(text, uri).with_mime_type(mime_type);
                ContentBlock::resource(document)
            }
        }));
        result
    }
}

/// A failure as a result that the agent can read. It has no structured content, which would have
/// to fit the tool's output schema.
pub(crate) fn failed(error: &Error) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(error.to_json().to_string())])
}
