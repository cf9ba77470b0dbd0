//! The licences of everything we depend on, judged by the list in deny.toml.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::shell;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// An SPDX expression.
    license: Option<String>,
    /// The registry; our own packages have none.
    source: Option<String>,
}

/// Every dependency on every platform may be used, and no allowed licence is on the list in vain.
pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = shell::output(&mut shell::cargo("metadata --format-version 1 --locked"))?;
    let metadata: Metadata = serde_json::from_str(&metadata)?;
    let list = std::fs::read_to_string(shell::root().join("deny.toml"))?;
    let faults = faults_of(&metadata.packages, &allowed(&list)?);
    if !faults.is_empty() {
        bail!("licences:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

/// The list `allow` of deny.toml.
fn allowed(text: &str) -> anyhow::Result<BTreeSet<String>> {
    let (_, rest) = text.split_once("allow = [").context("deny.toml has no list of licences")?;
    let (list, _) = rest.split_once(']').context("the list of licences has no end")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

fn faults_of(packages: &[Package], allowed: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for package in packages {
        let Some(source) = &package.source else { continue };
        let named = format!("{} {}", package.name, package.version);
        if source != "registry+https://github.com/rust-lang/crates.io-index" {
            faults.push(format!("{named} comes from {source}"));
        }
        let Some(licence) = &package.license else {
            faults.push(format!("{named} names no licence"));
            continue;
        };
        let choices = choices(licence);
        used.extend(choices.iter().flatten().cloned());
        if !choices.iter().any(|all| all.iter().all(|it| allowed.contains(it))) {
            faults.push(format!("{named} has the licence {licence:?}, which is not allowed"));
        }
    }
    let unused = allowed.difference(&used);
    faults.extend(unused.map(|it| format!("{it} is allowed, but nothing has it")));
    faults
}

/// What one may choose from: each choice is a set of licences that all have to be kept.
/// `A OR B AND C` binds as in SPDX; a `/` is how older packages write `OR`.
fn choices(expression: &str) -> Vec<BTreeSet<String>> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    either(&mut words.as_slice())
}

fn either(words: &mut &[&str]) -> Vec<BTreeSet<String>> {
    let mut choices = both(words);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        choices.extend(both(words));
    }
    choices
}

fn both(words: &mut &[&str]) -> Vec<BTreeSet<String>> {
    let mut choices = one(words);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        let others = one(words);
        let joined =
            |one: &BTreeSet<String>| others.iter().map(|other| one | other).collect::<Vec<_>>();
        choices = choices.iter().flat_map(joined).collect();
    }
    choices
}

fn one(words: &mut &[&str]) -> Vec<BTreeSet<String>> {
    let (licence, rest) = match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let choices = either(words);
            *words = words.strip_prefix(&[")"]).unwrap_or(words);
            return choices;
        }
        [licence, "WITH", exception, rest @ ..] => (format!("{licence} WITH {exception}"), rest),
        [licence, rest @ ..] => ((*licence).to_owned(), rest),
        [] => return Vec::new(), // no choice at all, so that nothing allows it
    };
    *words = rest;
    vec![[licence].into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(licence: &str, expected: bool) {
        let package = Package {
            name: "one".to_owned(),
            version: "1.0.0".to_owned(),
            license: Some(licence.to_owned()),
            source: Some("registry+https://github.com/rust-lang/crates.io-index".to_owned()),
        };
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
        let faults = faults_of(&[package], &allowed);
        let refused = faults.iter().any(|it| it.contains("which is not allowed"));
        assert_eq!(!refused, expected, "{licence}: {faults:?}");
    }

    #[test]
    fn an_expression_is_allowed_by_one_of_its_choices() {
        for licence in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "GPL-3.0-only/MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
            "(GPL-3.0-only OR MIT) AND ISC",
            "GPL-3.0-only AND ISC OR MIT AND ISC",
        ] {
            check(licence, true);
        }
        for licence in ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "Apache-2.0", "(GPL-3.0-only"] {
            check(licence, false);
        }
    }

    #[test]
    fn what_is_missing_or_in_vain_is_told() {
        let package = Package {
            name: "one".to_owned(),
            version: "1.0.0".to_owned(),
            license: None,
            source: Some("git+https://example.org/one".to_owned()),
        };
        let allowed = allowed("[licenses]\nallow = [\n  \"MIT\",\n]\n").expect("a list");
        assert_eq!(
            faults_of(&[package], &allowed),
            [
                "one 1.0.0 comes from git+https://example.org/one",
                "one 1.0.0 names no licence",
                "MIT is allowed, but nothing has it"
            ]
        );
    }
}
