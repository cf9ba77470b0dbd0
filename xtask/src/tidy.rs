//! Rules about the sources that the compiler does not know.

use anyhow::bail;

use crate::shell;

/// No file may be longer: a longer one hides a room of its own.
const MAX_LINES: usize = 400;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for file in shell::sources()? {
        // What is not text has no lines to judge.
        let Ok(text) = std::fs::read_to_string(shell::root().join(&file)) else { continue };
        faults.extend(faults_of(&file, &text).into_iter().map(|fault| format!("{file}: {fault}")));
    }
    if !faults.is_empty() {
        bail!("untidy:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

fn faults_of(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if file.ends_with(".rs") {
        if !text.starts_with("//!") {
            faults.push("does not open with a sentence that says what lives in it".to_owned());
        }
        if lines > MAX_LINES {
            faults.push(format!("has {lines} lines, more than {MAX_LINES}"));
        }
        let reads_registry = text.matches("ToolSet::linked()").count();
        if reads_registry > 0
            && file.starts_with("crates/")
            && !file.starts_with("crates/core/src/cli")
        {
            faults.push("reads the registry of tool sets, which only the command line does".into());
        }
    }
    if file.ends_with("Cargo.toml")
        && file != "Cargo.toml"
        && !text.contains("[lints]\nworkspace = true")
    {
        faults.push("does not take the workspace's lints".to_owned());
    }
    if [".rs", ".md", ".py", ".toml", ".yaml"].iter().any(|it| file.ends_with(it))
        && let Some(line) = text.lines().position(|line| line.ends_with([' ', '\t']))
    {
        faults.push(format!("has trailing white space in line {}", line + 1));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::faults_of;

    #[test]
    fn a_tidy_file_has_no_faults() {
        assert_eq!(faults_of("crates/core/src/gate.rs", "//! The gate.\n"), [""; 0]);
    }

    #[test]
    fn each_rule_is_reported() {
        let long = "//! Long.\n".repeat(401);
        assert_eq!(faults_of("a.rs", &long), ["has 401 lines, more than 400"]);
        assert_eq!(
            faults_of("a.rs", "fn main() {} \n"),
            [
                "does not open with a sentence that says what lives in it",
                "has trailing white space in line 1"
            ]
        );
        assert_eq!(
            faults_of("crates/core/src/gate.rs", "//! x\nToolSet::linked()"),
            ["reads the registry of tool sets, which only the command line does"]
        );
        assert_eq!(
            faults_of("xtask/Cargo.toml", "[package]\n"),
            ["does not take the workspace's lints"]
        );
    }
}
