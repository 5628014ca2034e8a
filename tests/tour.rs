//! The README's tour, run from its text against a fresh installation, and the routes that the README
//! names.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use coffer::web::ROUTES;
use serde_json::{Deserializer, Value, json};
use support::program::Installation;

/// Stands for what is different every time.
const ANYTHING: &str = "…";

/// Where a plain installation serves, as the tour says.
const ADDRESS: &str = "http://127.0.0.1:8080";

/// Ends what one block says.
const END_OF_BLOCK: char = '\u{1e}';

/// The text of a section of the README.
fn section(title: &str) -> String {
    let readme = fs::read_to_string("README.md").expect("README.md");
    let sections = readme.split("\n## ").find_map(|section| section.strip_prefix(&format!("{title}\n")));
    sections.unwrap_or_else(|| panic!("no section {title}")).to_owned()
}

/// A block of commands, and what the README shows behind it.
struct Step {
    commands: String,
    answer: Option<Answer>,
}

enum Answer {
    /// Any number of JSON values behind each other.
    Json(String),
    /// As it stands.
    Text(String),
}

/// The steps of a text, in order.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (language, content) = block.split_once('\n').expect("a block has lines");
        let content = content.to_owned();
        let answer = match language {
            "sh" => {
                steps.push(Step { commands: content, answer: None });
                continue;
            }
            "json" => Answer::Json(content),
            "text" => Answer::Text(content),
            other => panic!("a block in {other}"),
        };
        let step = steps.last_mut().expect("an answer stands behind its commands");
        assert!(step.answer.replace(answer).is_none(), "two answers to {}", step.commands);
    }
    steps
}

/// Where an answer is not as the README shows it; `None` where it is.
fn difference(shown: &Answer, came: &str) -> Option<String> {
    match shown {
        Answer::Text(shown) => (shown.trim() != came.trim().replace('\r', "")).then(|| came.to_owned()),
        Answer::Json(shown) => {
            let (shown, came) = (values(shown), values(came));
            if shown.len() != came.len() {
                return Some(format!("{} values instead of {}: {came:?}", came.len(), shown.len()));
            }
            shown.iter().zip(&came).find_map(|(shown, came)| differing_part(shown, came))
        }
    }
}

fn values(text: &str) -> Vec<Value> {
    let values: Result<_, _> = Deserializer::from_str(text).into_iter().collect();
    values.unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The first part that differs. An object may have more fields than are shown; a list is whole.
fn differing_part(shown: &Value, came: &Value) -> Option<String> {
    match (shown, came) {
        (Value::Object(shown), Value::Object(fields)) => {
            shown.iter().find_map(|(name, shown)| match fields.get(name) {
                Some(came) => differing_part(shown, came).map(|part| format!("{name}: {part}")),
                None => Some(format!("no {name} in {came}")),
            })
        }
        (Value::Array(shown), Value::Array(items)) if shown.len() == items.len() => {
            shown.iter().zip(items).find_map(|(shown, came)| differing_part(shown, came))
        }
        (Value::String(text), Value::String(_) | Value::Number(_)) if text == ANYTHING => None,
        _ => (shown != came).then(|| format!("{came} instead of {shown}")),
    }
}

/// What each of some blocks says, run in one shell.
fn run(blocks: &[String], installation: &Installation) -> Vec<String> {
    let script: String = blocks.iter().map(|block| format!("{block}\nprintf '\\036'\n")).collect();
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .current_dir(installation.folder())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{said}");
    assert!(output.status.success(), "{said}");
    said.split_terminator(END_OF_BLOCK).map(str::to_owned).collect()
}

#[test]
fn the_tour_leads_where_the_readme_says() {
    let steps = steps(&section("A five-minute tour"));
    let (start, rest) = steps.split_first().expect("steps");
    // What `make run` does comes down to `coffer serve`; only the variables are taken from the text.
    let variables = start.commands.strip_suffix(" make run").expect("it begins with make run");
    let variables: Vec<_> = variables.split(' ').filter_map(|variable| variable.split_once('=')).collect();
    let [("DATA_DIR", "data/tour"), ("DEMO_PASSWORD", password)] = variables[..] else { panic!("{variables:?}") };
    let (names, tour) = rest.split_first().expect("steps");
    assert_eq!(names.commands.matches(ADDRESS).count(), 1, "the address stands in one place");
    let unanswered = tour.iter().find(|step| step.answer.is_none());
    assert_eq!(unanswered.map(|step| step.commands.as_str()), None, "every step shows what comes");
    assert!(tour.len() >= 13, "{} steps", tour.len());

    let installation = Installation::new().with("DEMO_PASSWORD", password);
    let running = installation.serve(&[]);
    let blocks: Vec<String> = rest.iter().map(|step| step.commands.replace(ADDRESS, &installation.url())).collect();
    let said = run(&blocks, &installation);
    assert_eq!(said.len(), rest.len());
    assert_eq!(said[0].trim(), "", "what gives names says nothing");
    let differences: Vec<String> = tour
        .iter()
        .zip(&said[1..])
        .filter_map(|(step, said)| Some((step, difference(step.answer.as_ref()?, said)?)))
        .map(|(step, difference)| format!("{}\n{difference}\n", step.commands))
        .collect();
    assert!(differences.is_empty(), "not as the README shows it:\n{}", differences.join("\n"));

    let verdict = installation.run(&["verify"]);
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    running.stop();
}

#[test]
fn an_answer_that_is_not_as_shown_is_noticed() {
    let shown = r#"{"id": "…", "balance": "1.00", "entries": [{"amount": "-1"}, {"amount": "1"}], "by": null} 201"#;
    let came = json!({
        "id": "x", "balance": "1.00", "entries": [{"amount": "-1", "more": 1}, {"amount": "1"}], "by": null, "more": {},
    });
    let shown = Answer::Json(shown.to_owned());
    assert_eq!(difference(&shown, &format!("{came}\n201\n")), None);
    let others: [(&str, Value); 7] = [
        ("/balance", json!("1.01")),
        ("/balance", json!(1.00)),
        ("/entries/1/amount", json!("2")),
        ("/entries", json!([{"amount": "-1"}])),
        ("/entries", json!([{"amount": "-1"}, {"amount": "1"}, {"amount": "0"}])),
        ("/by", json!("user_bob")),
        ("/id", Value::Null),
    ];
    for (place, other) in others {
        let mut wrong = came.clone();
        *wrong.pointer_mut(place).unwrap() = other;
        assert!(difference(&shown, &format!("{wrong} 201")).is_some(), "{wrong}");
    }
    let mut less = came.clone();
    less.as_object_mut().unwrap().remove("balance");
    for wrong in [format!("{less} 201"), format!("{came} 200"), came.to_string(), format!("{came} 201 201")] {
        assert!(difference(&shown, &wrong).is_some(), "{wrong}");
    }
    let text = Answer::Text("200 text/html\n".to_owned());
    assert_eq!(difference(&text, "200 text/html\r\n"), None);
    assert!(difference(&text, "404 text/html\n").is_some());
}

#[test]
fn blocks_and_their_answers_are_told_apart() {
    let steps = steps("Words\n\n```sh\none\ntwo\n```\n\nWords\n\n```sh\nthree\n```\n\n```json\n{}\n```\n\nWords\n");
    let commands: Vec<&str> = steps.iter().map(|step| step.commands.as_str()).collect();
    assert_eq!(commands, ["one\ntwo", "three"]);
    assert!(steps[0].answer.is_none() && matches!(&steps[1].answer, Some(Answer::Json(json)) if json == "{}"));
}

/// What stands in backticks and looks like a route: method and path.
fn named_routes(text: &str) -> Vec<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let routes = quoted.filter_map(|quoted| quoted.split_once(' ')).filter(|(method, path)| {
        matches!(*method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE") && path.starts_with('/')
    });
    routes
        .map(|(method, path)| (method.to_owned(), path.split('?').next().unwrap_or_default().to_owned()))
        .map(|(method, path)| (method, path.replace("/users/me/", "/users/{user}/")))
        .collect()
}

#[test]
fn every_call_you_know_leads_to_a_route_that_exists() {
    let section = section("The API in short");
    let rows: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| ")).collect();
    let ours: Vec<_> = rows.iter().filter_map(|row| row.split(" | ").nth(1)).flat_map(named_routes).collect();
    assert!(ours.len() > 20, "{ours:?}");
    for (method, path) in ours {
        let whole = format!("/api/v1{path}");
        let exists = ROUTES.iter().any(|route| route.method == *method && route.path == whole);
        assert!(exists, "{method} {path}");
    }
}
