//! The shape of the house: which layer may speak of what, how large a room may be, and that
//! licences, templates and styles keep to their rules.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES_OF_A_FILE: usize = 500;
const MOST_LINES_OF_A_FUNCTION: usize = 70;
const MOST_LINES_OF_A_TEMPLATE: usize = 150;
const MOST_LINES_OF_A_SCRIPT: usize = 60;
const MOST_BYTES_OF_STYLE: usize = 25_000;

/// A folder or file below `src`, and the words that its code must not speak.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "crate::repo",
            "crate::ledger",
            "crate::web",
            "actix",
            "PgConnection",
            "Utc::now",
            "SystemTime",
            "Instant::now",
        ],
    ),
    ("ledger", &["crate::web", "actix", "askama", "Utc::now"]),
    ("repo", &["crate::web", "actix", "askama", "Utc::now"]),
    ("web", &["diesel", "crate::schema", "PgConnection", "Utc::now"]),
    ("jobs", &["diesel", "crate::schema", "PgConnection"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The code before its tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_layer_speaks_only_of_what_it_may_know() {
    let mut complaints = Vec::new();
    for (layer, words) in FORBIDDEN {
        for path in files(&format!("src/{layer}"), "rs") {
            let code = code(&path);
            complaints.extend(
                words.iter().filter(|word| code.contains(*word)).map(|word| format!("{} mentions {word}", name(&path))),
            );
        }
    }
    assert_none(&complaints);
}

#[test]
fn no_room_is_too_large_to_hold_in_the_head() {
    let mut complaints = Vec::new();
    for path in files("src", "rs").into_iter().filter(|path| !path.ends_with("schema.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > MOST_LINES_OF_A_FILE {
            complaints.push(format!("{} has {lines} lines", name(&path)));
        }
        // By rustfmt's layout a function ends with a brace as far in as its first line.
        let mut open: Option<(usize, usize, &str)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function =
                line.trim_start().starts_with("fn ") || line.contains(" fn ") && line.trim_end().ends_with(['{', '(']);
            match open {
                None if is_function && !line.trim_start().starts_with("//") => {
                    open = Some((number, indent, line.trim()));
                }
                Some((start, at, title)) if indent == at && (line.trim() == "}" || line.trim().ends_with(';')) => {
                    if number - start >= MOST_LINES_OF_A_FUNCTION {
                        complaints.push(format!(
                            "{}:{} is {} lines long: {title}",
                            name(&path),
                            start + 1,
                            number - start + 1
                        ));
                    }
                    open = None;
                }
                _ => {}
            }
        }
    }
    for (folder, ending, most) in
        [("templates", "html", MOST_LINES_OF_A_TEMPLATE), ("static/js", "js", MOST_LINES_OF_A_SCRIPT)]
    {
        for path in files(folder, ending) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > most {
                complaints.push(format!("{} has {lines} lines", name(&path)));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn templates_hold_no_script_no_style_and_nothing_unescaped() {
    let mut complaints = Vec::new();
    for path in files("templates", "html") {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["|safe", "| safe", " style=", "<style", "onclick=", "onsubmit=", "javascript:"] {
            if text.contains(word) {
                complaints.push(format!("{} holds {word}", name(&path)));
            }
        }
        for tag in text.split("<script").skip(1) {
            if !tag.split('>').next().unwrap_or_default().contains("src=\"") {
                complaints.push(format!("{} holds a script of its own", name(&path)));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn the_style_is_small_and_names_its_colours_in_one_place() {
    let sheets = files("static/css", "css");
    let bytes: u64 = sheets.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes <= MOST_BYTES_OF_STYLE as u64, "{bytes} bytes of CSS");
    for path in sheets.into_iter().filter(|path| !path.ends_with("tokens.css")) {
        let text = fs::read_to_string(&path).unwrap();
        for literal in ["oklch(", "rgb(", "hsl("] {
            assert!(!text.contains(literal), "{} holds a colour: {literal}", name(&path));
        }
    }
}

#[test]
fn every_dependency_is_listed_with_its_licence() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let list = fs::read_to_string(root().join("LICENSES.md")).unwrap();
    let missing: Vec<String> = lock
        .split("[[package]]")
        .skip(1)
        .filter_map(|package| {
            let field = |name: &str| package.lines().find_map(|line| line.strip_prefix(name)?.trim_matches('"').into());
            let (name, version): (&str, &str) = (field("name = ")?, field("version = ")?);
            (name != "coffer" && !list.contains(&format!("| {name} | {version} |")))
                .then(|| format!("{name} {version}"))
        })
        .collect();
    assert_none(&missing);
}

#[test]
fn every_migration_can_be_taken_back() {
    for up in files("migrations", "sql").into_iter().filter(|path| path.ends_with("up.sql")) {
        let down = up.with_file_name("down.sql");
        assert!(fs::read_to_string(&down).is_ok_and(|text| !text.trim().is_empty()), "{} is missing", name(&down));
    }
}

/// The migrations up to here were made before there were installations that they could hold up.
const LAST_OF_THE_BEGINNING: &str = "migrations/2026-11-26-000036";

#[test]
fn no_migration_holds_up_those_who_are_served() {
    let ups = files("migrations", "sql").into_iter().filter(|path| path.ends_with("up.sql"));
    let newer = ups.filter(|up| name(up.parent().unwrap()).split('_').next().unwrap() > LAST_OF_THE_BEGINNING);
    let mut offences = Vec::new();
    for up in newer {
        let text = fs::read_to_string(&up).unwrap().to_lowercase();
        let statements: Vec<&str> = text.split(';').map(str::trim).filter(|part| !part.is_empty()).collect();
        for statement in &statements {
            let words: Vec<&str> =
                statement.lines().filter(|line| !line.starts_with("--")).flat_map(str::split_whitespace).collect();
            let builds_index = words.iter().take(3).any(|word| *word == "index") && words.first() == Some(&"create");
            let on_new_table =
                words.iter().skip_while(|word| **word != "on").nth(1).is_some_and(|table| {
                    statements.iter().any(|other| other.contains(&format!("create table {table} ")))
                });
            if builds_index && !on_new_table && !(words.contains(&"concurrently") && statements.len() == 1) {
                offences.push(format!("{}: build an index concurrently, in a migration of its own", name(&up)));
            }
            let is_checked =
                words.starts_with(&["alter", "table"]) && (words.contains(&"check") || words.contains(&"references"));
            if is_checked && !statement.contains("not valid") {
                offences.push(format!("{}: add a constraint `not valid`, and validate it later", name(&up)));
            }
        }
    }
    assert_none(&offences);
}
