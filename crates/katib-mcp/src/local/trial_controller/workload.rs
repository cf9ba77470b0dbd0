//! How a workload stands, by the conditions that its trial names.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::api::TrialSpec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Succeeded,
    Failed,
}

/// How a workload has ended, and what it says of it.
#[derive(Debug)]
pub(super) struct Stands {
    pub(super) standing: Standing,
    pub(super) reason: String,
    pub(super) message: String,
}

/// The one form in which Katib itself writes such conditions, for any type.
static EXPRESSION: LazyLock<Regex> = LazyLock::new(|| {
    let form = r#"^status\.conditions\.#\(type=="([^"]+)"\)#\|#\(status=="True"\)#$"#;
    Regex::new(form).expect("a valid expression")
});

/// Whether a success or failure condition can be evaluated.
pub(in crate::local) fn is_understood(expression: &str) -> bool {
    EXPRESSION.is_match(expression)
}

impl Stands {
    /// Nothing as long as the workload has not ended.
    pub(super) fn of(spec: &TrialSpec, workload: &Value) -> Result<Option<Self>, String> {
        let ends = [
            (Standing::Failed, &spec.failure_condition),
            (Standing::Succeeded, &spec.success_condition),
        ];
        for (standing, expression) in ends {
            let expression = expression.as_deref().unwrap_or_default();
            let type_ = EXPRESSION.captures(expression).and_then(|it| it.get(1));
            let type_ = type_.ok_or_else(|| {
                format!("the condition {expression:?} is not one that a local cluster evaluates")
            })?;
            let conditions = workload["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            let met = conditions.find(|it| it["type"] == type_.as_str() && it["status"] == "True");
            if let Some(met) = met {
                let said = |field: &str| met[field].as_str().unwrap_or_default().to_owned();
                let (reason, message) = (said("reason"), said("message"));
                return Ok(Some(Self { standing, reason, message }));
            }
        }
        Ok(None)
    }
}
