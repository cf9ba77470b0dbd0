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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_secret_and_nothing_that_acts_on_a_terminal_leaves() {
        let token = format!("hf_{}", "a1".repeat(17));
        let value = json!({"log": format!("\u{1b}[1mlogin {token}\u{1b}[0m\u{0}"), "env": {"HF_TOKEN": "x"}});
        let blocks = vec![Block::Text(format!("again {token}"))];
        let answer = Answer::new(Output { value, blocks }).expect("it is small");
        assert_eq!(
            answer,
            Answer {
                value: json!({"log": "login [redacted]", "env": {"HF_TOKEN": "[redacted]"}}),
                text: "log: login [redacted]\nenv:\n  HF_TOKEN: [redacted]".to_owned(),
                blocks: vec![Block::Text("again [redacted]".to_owned())],
            }
        );
        let error = Error::conflict(format!("bad {token}"), format!("renew {token}")).to_json();
        assert!(!error.to_string().contains(&token), "{error}");
    }

    #[test]
    fn a_result_is_structured_and_told_and_a_failure_only_told() {
        let value = json!({"count": 1});
        let blocks =
            vec![Block::Image { data: "AA==".to_owned(), mime_type: "image/png".to_owned() }];
        let result = Answer::new(Output { value, blocks }).expect("it is small").into_result();
        assert_eq!(result.structured_content, Some(json!({"count": 1})));
        assert_eq!((result.content.len(), result.is_error), (2, Some(false)));
        let failure = failed(&Error::Panicked);
        assert_eq!((failure.structured_content, failure.is_error), (None, Some(true)));
    }
}
