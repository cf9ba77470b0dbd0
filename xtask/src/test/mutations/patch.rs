//! One mistake: what it is, the test that must catch it, and the change.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

pub(super) struct Patch {
    pub(super) name: String,
    pub(super) what: String,
    pub(super) file: PathBuf,
    pub(super) package: String,
    /// `lib`, or the name of a test target.
    target: String,
    pub(super) test: String,
}

impl Patch {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        Self::parse(file, &text).with_context(|| file.display().to_string())
    }

    fn parse(file: &Path, text: &str) -> anyhow::Result<Self> {
        let header = |name: &str| {
            let line = text.lines().take_while(|it| !it.starts_with("--- "));
            let mut line = line.filter_map(|it| it.strip_prefix(name)?.strip_prefix(": "));
            line.next().with_context(|| format!("has no line `{name}: …`"))
        };
        let what = header("What")?.to_owned();
        let test: Vec<&str> = header("Test")?.split_whitespace().collect();
        let [package, target, test] = test[..] else {
            bail!("names no test as in `Test: PACKAGE lib|TARGET TEST`");
        };
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let [package, target, test] = [package, target, test].map(str::to_owned);
        Ok(Self { name, what, file: file.into(), package, target, test })
    }

    /// Which tests cargo is to build.
    pub(super) fn place(&self) -> Vec<String> {
        let mut place = vec!["--package".to_owned(), self.package.clone()];
        match self.target.as_str() {
            "lib" => place.push("--lib".to_owned()),
            target => place.extend(["--test".to_owned(), target.to_owned()]),
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Patch;

    #[test]
    fn a_patch_names_its_test() {
        let text = "What: it breaks\nTest: core lib a::b\n\n--- a/x\n+++ b/x\n";
        let patch = Patch::parse(Path::new("some/fence-off.patch"), text).unwrap();
        assert_eq!((patch.name.as_str(), patch.what.as_str()), ("fence-off", "it breaks"));
        assert_eq!(
            (patch.place().join(" ").as_str(), patch.test.as_str()),
            ("--package core --lib", "a::b")
        );
        let other = text.replace(" lib ", " it ");
        let other = Patch::parse(Path::new("x.patch"), &other).unwrap();
        assert_eq!(other.place().join(" "), "--package core --test it");
    }

    #[test]
    fn a_patch_without_a_test_is_an_error() {
        for text in ["What: x\n--- a\n", "What: x\nTest: core\n--- a\n", "--- a\nTest: a lib b\n"] {
            assert!(Patch::parse(Path::new("x.patch"), text).is_err(), "{text}");
        }
    }
}
