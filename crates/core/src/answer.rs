//! What a call gives back, as the agent reads it: structured, and as compact text.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use crate::{Block, Error, text, tool::Output};

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
    pub(crate) fn new(output: Output) -> Self {
        let text = text::of(&output.value);
        Self { value: output.value, text, blocks: output.blocks }
    }

    pub(crate) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::structured(self.value);
        result.content = vec![ContentBlock::text(self.text)];
        result.content.extend(self.blocks.into_iter().map(|block| match block {
            Block::Text(text) => ContentBlock::text(text),
            Block::Image { data, mime_type } => ContentBlock::image(data, mime_type),
        }));
        result
    }
}

/// A failure as a result that the agent can read. It has no structured content, which would have
/// to fit the tool's output schema.
pub(crate) fn failed(error: &Error) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(error.to_json().to_string())])
}
