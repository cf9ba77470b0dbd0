//! A program and its arguments as one line of shell, which survives what Katib makes of it.
//!
//! Katib joins a container's command and arguments with spaces, appends a redirection and what marks
//! the end, and has a shell run the result: words that were not quoted would come apart.

use std::sync::LazyLock;

use regex::Regex;

use super::parameters;

/// What is not taken as it stands: Kubernetes' escape, its reference to a variable, and Katib's to a
/// parameter.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r"\$\$|\$\((?<variable>[-._a-zA-Z0-9]+)\)|\$\{trialParameters\.(?<parameter>[^{}]+)\}";
    Regex::new(pattern).expect("the pattern is constant")
});

/// The line that runs these words. What they name as `$(NAME)` of these variables, or as
/// `${trialParameters.NAME}`, the shell puts in as one word, whatever is in it.
pub(super) fn line(words: &[String], variables: &[String]) -> String {
    words.iter().map(|it| quoted(it, variables)).collect::<Vec<_>>().join(" ")
}

/// A search parameter's value as an argument of its own.
pub(super) fn argument(parameter: &str) -> String {
    format!("--{parameter}=\"${}\"", parameters::variable(parameter))
}

/// The search parameters that words name.
pub(super) fn named(words: &[String]) -> impl Iterator<Item = &str> {
    let found = words.iter().flat_map(|it| REFERENCE.captures_iter(it));
    found.filter_map(|it| it.name("parameter").map(|it| it.as_str()))
}

fn quoted(word: &str, variables: &[String]) -> String {
    let mut line = String::new();
    let mut text = String::new();
    let mut end = 0;
    for found in REFERENCE.captures_iter(word) {
        let whole = found.get(0).expect("the whole match");
        text += &word[end..whole.start()];
        end = whole.end();
        let variable = found.name("variable").map(|it| it.as_str().to_owned());
        let variable = variable.filter(|it| variables.contains(it));
        let parameter = found.name("parameter").map(|it| parameters::variable(it.as_str()));
        match variable.or(parameter) {
            Some(name) => {
                line += &literal(&std::mem::take(&mut text));
                line += &format!("\"${name}\"");
            }
            None => text += whole.as_str(),
        }
    }
    text += &word[end..];
    if !text.is_empty() || line.is_empty() {
        line += &literal(&text);
    }
    line
}

fn literal(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:@%+,".contains(it);
    // A first word with `=` would set a variable.
    if text.chars().all(|it| plain(it) || (it == '=' && text.starts_with('-'))) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&it| it.to_owned()).collect()
    }

    /// What a program gets that is run as Katib runs it.
    fn received(line: &str, variables: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("metrics.log");
        let joined = format!(
            "{line} 1>{log} 2>&1 && echo completed > {log}.pid",
            log = log.to_str().unwrap()
        );
        let run = Command::new("sh").args(["-c", &joined]).envs(variables.iter().copied()).status();
        assert!(run.unwrap().success(), "{joined}");
        let end = std::fs::read_to_string(format!("{}.pid", log.display())).unwrap();
        assert_eq!(end, "completed\n");
        std::fs::read_to_string(log).unwrap()
    }

    #[test]
    fn words_arrive_as_they_were() {
        let given =
            ["printf", "%s|", "", "it's", "a b", "`id` $HOME \\ \"", "A=b", "# no\n> x", "é"];
        let line = line(&words(&given), &[]);
        assert_eq!(received(&line, &[]), given[2..].join("|") + "|");
    }

    #[test]
    fn references_are_put_in_as_one_word() {
        let given = ["printf", "%s|", "--lr=${trialParameters.lr}x", "$(A)'s", "$$(A)", "$(B)"];
        let line = line(&words(&given), &["A".to_owned()]);
        let variables = [("KUBEFLOW_TRAINER_OPT_LR", "1 2'; $x"), ("A", "`id`")];
        // What Kubernetes is left to read stays as it was.
        assert_eq!(received(&line, &variables), "--lr=1 2'; $xx|`id`'s|$$(A)|$(B)|");
        assert_eq!(named(&words(&given)).collect::<Vec<_>>(), ["lr"]);
    }
}
