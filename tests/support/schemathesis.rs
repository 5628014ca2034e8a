//! schemathesis, which reads the OpenAPI document and tries whether the server keeps to it. It lives
//! in a Python virtual environment beside the build, which `scripts/install-deps.sh test` makes.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::path::Path;
use std::process::Command;

use super::web::Web;

/// How the checks are set, and what helps them, with the reasons.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/settings.toml");
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/hooks.py");

/// The examples' own check.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/examples.py");

/// A program of the virtual environment beside the build.
fn program(name: &str) -> Command {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = scratch.parent().expect("the build's folder").join("schemathesis/bin").join(name);
    assert!(program.is_file(), "{} is not there: run make test, or scripts/install-deps.sh test", program.display());
    let mut command = Command::new(program);
    command.current_dir(scratch).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a program to its end; fails with what it said unless it is content.
fn succeed(command: &mut Command) {
    let output = command.output().expect("the program starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

/// Who asks, each as a value of `Authorization`.
pub struct Callers {
    /// For all that is not named here.
    pub usual: String,
    /// Whose session will be ended by signing out.
    pub leaving: String,
    /// Whose password will be changed.
    pub changing: String,
    /// Whose sessions will be ended one by one, so that it comes without one.
    pub without_session: String,
}

/// Runs all checks against a web server; fails with what it found.
pub fn run(web: &Web, callers: &Callers) {
    succeed(
        program("schemathesis")
            .args(["--config-file", SETTINGS, "run", &web.url("/api/openapi.json")])
            .env("SCHEMATHESIS_HOOKS", HOOKS)
            .env("COFFER_USUAL", &callers.usual)
            .env("COFFER_LEAVING", &callers.leaving)
            .env("COFFER_CHANGING", &callers.changing)
            .env("COFFER_WITHOUT_SESSION", &callers.without_session)
            .env("COLUMNS", "120"),
    );
}

/// Fails unless every example of the document fits its schema.
pub fn check_examples(web: &Web) {
    succeed(program("python").args([EXAMPLES, &web.url("/api/openapi.json")]));
}
