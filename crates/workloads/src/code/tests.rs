//! The launcher is really run here, as it runs in a job: what arrives must be what was sent.

use std::process::{Command, Output};

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn code(source: &str) -> Code<'_> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    Code {
        source,
        start: Start::Python,
        func_args: &NONE,
        packages: &[],
        pip_index_urls: &[],
        env: vec![],
    }
}

/// Runs a delivery as a container would, but with the machine's Python.
fn run(delivery: &Delivery) -> Output {
    let mut command = Command::new(&delivery.command[0]);
    command.args(&delivery.command[1..]).args(&delivery.args);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for variable in &delivery.env {
        command.env(&variable.name, variable.value.as_deref().unwrap_or_default());
    }
    command.output().expect("a shell")
}

fn printed(code: Code<'_>) -> String {
    let output = run(&code.deliver().expect("a delivery"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn refused(code: Code<'_>, expected: Expect) {
    expected.assert_eq(&code.deliver().expect_err("a refusal").to_string());
}

/// Prints the digest of its own file, as it lies where it runs.
const PRINT_DIGEST: &str =
    "import hashlib, sys\nprint(hashlib.sha256(open(sys.argv[0], 'rb').read()).hexdigest()[:16])\n";

#[track_caller]
fn arrives(source: &str) {
    assert_eq!(printed(code(source)).trim(), digest(source));
}

#[test]
fn any_characters_arrive() {
    arrives(PRINT_DIGEST);
    arrives(PRINT_DIGEST.trim_end());
    arrives(&PRINT_DIGEST.replace('\n', "\r\n"));
    arrives(&format!("\u{feff}{PRINT_DIGEST}"));
    let nasty = r#"
TEXT = """EOM
'single' "double" `touch /tmp/x` $HOME $(id) $$ $$(HOME) ${PATH} \n \\ %s !!
	EOF
""" # 🤖 ü 漢 \x07
"#;
    arrives(&format!("{nasty}{PRINT_DIGEST}"));
}

#[test]
fn half_a_mebibyte_arrives_and_not_one_byte_more() {
    let padding = |bytes: usize| format!("{PRINT_DIGEST}#{}", "é".repeat(bytes));
    let rest = MAX_BYTES - PRINT_DIGEST.len() - 1;
    let (full, long) = (padding(rest / 2) + &"x".repeat(rest % 2), padding(rest / 2 + 1));
    assert_eq!(full.len(), MAX_BYTES);
    arrives(&full);
    let delivery = code(&full).deliver().expect("it fits");
    assert!(
        delivery.env.iter().all(|it| it.value.as_ref().is_none_or(|it| it.len() <= PIECE_BYTES))
    );
    let refusal = code(&long).deliver().expect_err("too long").to_string();
    assert!(refusal.contains("524288"), "{refusal}");
}

#[test]
fn arguments_arrive_as_they_are() {
    let arguments = json!({"lr": 0.1, "name": "it's \"$5\" `x`", "flag": true, "sizes": [1, 2]});
    let source = "import json, os, sys\nprint(json.dumps([sys.argv[1:], json.loads(os.environ['FUNC_ARGS'])]))";
    let func_args = arguments.as_object().expect("an object");
    let printed: Value =
        serde_json::from_str(&printed(Code { func_args, ..code(source) })).expect("JSON");
    let line = json!(["--lr=0.1", "--name=it's \"$5\" `x`", "--flag=true", "--sizes=[1,2]"]);
    let mut given: Vec<&str> =
        printed[0].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    given.sort_unstable();
    let mut expected: Vec<&str> =
        line.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    expected.sort_unstable();
    assert_eq!(given, expected);
    assert_eq!(printed[1], arguments);
}

#[test]
fn what_kubernetes_would_expand_is_escaped() {
    let arguments = json!({"a": "$(HOME)", "b": "$$", "c": "US$ 5"});
    let func_args = arguments.as_object().expect("an object");
    let delivery = Code { func_args, ..code("pass") }.deliver().expect("a delivery");
    assert_eq!(delivery.args, ["--a=$$(HOME)", "--b=$$$$", "--c=US$ 5"]);
    let summary = Start::Python.summary(&delivery.args);
    assert_eq!(summary, "python train.py --a=$(HOME) --b=$$ --c=US$ 5");
    let json =
        delivery.env.iter().find(|it| it.name == "FUNC_ARGS").and_then(|it| it.value.as_deref());
    assert!(!json.expect("the variable").contains('$'));
    assert!(!LAUNCHER.contains("$(") && !LAUNCHER.contains("$$"));
}

#[test]
fn the_code_does_not_see_how_it_came() {
    let source = "import os\nprint(sorted(it for it in os.environ if 'CODE' in it))";
    assert_eq!(printed(code(source)).trim(), "[]");
}

#[test]
fn the_exit_code_is_the_code_s_own() {
    let delivery = code("import sys\nsys.exit(7)").deliver().expect("a delivery");
    assert_eq!(run(&delivery).status.code(), Some(7));
}

#[test]
fn packages_that_cannot_be_installed_end_the_job() {
    let packages = ["no-such-package==0".to_owned(), "nor-this".to_owned()];
    let urls = ["http://127.0.0.1:9/simple".to_owned()];
    let mut delivery = Code { packages: &packages, pip_index_urls: &urls, ..code("print('ran')") }
        .deliver()
        .expect("a delivery");
    delivery.env.push(variable("PIP_RETRIES", "0"));
    let output = run(&delivery);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let log = String::from_utf8_lossy(&output.stderr);
    let last = log.lines().last().expect("a line").trim_end();
    assert_eq!(last, "ERROR: Failed to install Python packages: no-such-package==0 nor-this");
}

#[test]
fn wrong_code_is_refused_with_its_place() {
    refused(
        code("x = 1\nif x:\n    print('a'\n"),
        expect![[
            r#"argument "script" does not parse at line 4, column 1: unexpected EOF while parsing"#
        ]],
    );
    refused(
        code("def f():\nreturn 1\n"),
        expect![[
            r#"argument "script" does not parse at line 2, column 1: expected an indented block after function definition: "return 1""#
        ]],
    );
    refused(
        code("x = 'é' +\n"),
        expect![[
            r#"argument "script" does not parse at line 1, column 10: expected an expression: "x = 'é' +""#
        ]],
    );
    refused(
        code("print('a')\0\n"),
        expect![[
            r#"argument "script" does not parse at line 1, column 11: source code cannot hold a NUL character: "print('a')\0""#
        ]],
    );
    refused(
        code("# only a comment\n"),
        expect![[
            r##"argument "script" does not parse at line 1, column 1: no code in it: "# only a comment""##
        ]],
    );
    refused(
        code("print 'python 2'\n"),
        expect![[
            r#"argument "script" does not parse at line 1, column 7: simple statements must be separated by newlines or semicolons: "print 'python 2'""#
        ]],
    );
}

#[test]
fn no_source_exhausts_the_stack() {
    let deep = |part: &str| part.repeat(MAX_BYTES / part.len());
    for part in [
        "(",
        "[",
        "{",
        "not ",
        "-",
        "~",
        "lambda:",
        "lambda a,b:",
        "a if b else ",
        "1+",
        "a**",
        "a.b.",
        "f()()",
        "x=",
        "f'{",
        "await ",
        "*",
        "yield ",
        "(yield ",
        "a[",
        "1<",
        "a and ",
        "if x:",
        "case ",
    ] {
        let _ = code(&deep(part)).deliver();
        let _ = code(&format!("x = {}1", deep(part).split_at(100_000).0)).deliver();
    }
    let indented: String = (0..700).map(|level| format!("{}if x:\n", " ".repeat(level))).collect();
    refused(code(&indented), expect![[r#"argument "script" has too many levels of indentation"#]]);
    for part in ["not ", "lambda:", "lambda a,b:", "a if b else ", "1+", "a**", "a.b."] {
        let _ = code(&format!("x = {}1", part.repeat(1_900))).deliver();
    }
    let long_but_flat = format!("x = [{}]\n", "1, ".repeat(100_000));
    code(&long_but_flat).deliver().expect("long lists are no trouble");
}

#[test]
fn only_requirements_are_packages() {
    check_packages(&["numpy".to_owned(), "torch>=2.4,<3".to_owned()]).expect("requirements");
    let problem = |packages: &[&str]| {
        let packages: Vec<String> = packages.iter().map(|it| (*it).to_owned()).collect();
        check_packages(&packages).unwrap_err().to_string()
    };
    let said = problem(&["numpy", "numpy; rm -rf /"]);
    assert!(
        said.starts_with(r#"argument "packages[1]" is "numpy; rm -rf /", not a req"#),
        "{said}"
    );
    assert!(said.contains("allowed are"), "{said}");
    let said = problem(&["a @ https://me:pw@host/a.whl"]);
    assert!(said.contains("must not hold credentials") && !said.contains("pw"), "{said}");
    let urls = ["file:///wheels".to_owned()];
    let said = check_index_urls(&urls).unwrap_err().to_string();
    assert!(said.contains(r#"is "file:///wheels", must be an http or https URL"#), "{said}");
    check_index_urls(&["https://user:pass@host/simple".to_owned()]).expect_err("credentials");
}

#[test]
fn names_in_code_and_strings_are_mentioned_and_those_in_remarks_are_not() {
    let script =
        "import os\n# momentum\nlr = os.environ['a-LR']\nprint(f'loss={lr:.3}', \"--seed\")\n";
    for name in ["lr", "LR", "loss", "seed", "a-LR"] {
        assert!(mentions(script, name), "{name}");
    }
    for name in ["momentum", "l", "see", "environment"] {
        assert!(!mentions(script, name), "{name}");
    }
}
