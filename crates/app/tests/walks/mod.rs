//! Walks: Markdown that a stranger can read, run against the real binary.
//!
//! Each `http` block asks, the `expect` block after it says what must come back. `as:` names a backend client or a person of
//! the demo, with the scopes to ask for after a space if not its own; `for:` whose record a person picks. A `run` block is a
//! command of an administrator, `exit` what it must end with, and `log` what its entry must say. In all, `{name}` is a value kept by an earlier `keep`.

use std::collections::BTreeMap;
use std::path::Path;

use http::Method;
use serde_json::Value;

use crate::support::{Answer, Demo};

struct Walk {
    place: String,
    request: String,
    expect: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_walk_ends_as_written() {
    let mut demo = Demo::start(&["--patients", "12"]);
    walk_all(&mut demo, "").await;
}

/// What the laboratory's role grants beside what is shipped, so that each road has somebody who may take it.
const ROADS: &str = include_str!("roads/policy.toml");

#[tokio::test(flavor = "multi_thread")]
async fn every_road_lets_pass_whom_it_is_granted_to_and_turns_away_the_others() {
    let mut demo = Demo::start(&["--patients", "12"]);
    demo.kill();
    let file = demo.data().join("policy/lab.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, shipped + ROADS).unwrap();
    demo.start_again();
    let token = demo.token("mercy-lab");
    demo.settled(&token, "/fhir/Specimen?_count=1").await;
    walk_all(&mut demo, "roads").await;
}

/// Walks every file of a folder, in the order of their names.
async fn walk_all(demo: &mut Demo, folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/walks").join(folder);
    let mut files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    assert!(!files.is_empty());
    let mut faults = Vec::new();
    let mut walked = 0;
    for file in files {
        let mut kept = BTreeMap::new();
        for walk in read(&file) {
            walked += 1;
            for fault in take(demo, &walk, &mut kept).await {
                faults.push(format!("{}: {fault}", walk.place));
            }
        }
    }
    println!("{walked} requests walked");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The pairs of blocks of a file.
fn read(file: &Path) -> Vec<Walk> {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let mut walks = Vec::new();
    let mut request: Option<(usize, String)> = None;
    let mut block: Option<(&str, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match &mut block {
            None => {
                if let Some(kind) = line.strip_prefix("```").filter(|kind| ["http", "run", "expect"].contains(kind)) {
                    block = Some((kind, number + 1, String::new()));
                }
            }
            Some((kind, start, inner)) if line == "```" => {
                if *kind != "expect" {
                    assert!(request.is_none(), "{name}:{start}: a request without what to expect before it");
                    request = Some((*start, inner.clone()));
                } else {
                    let (at, asked) = request.take().unwrap_or_else(|| panic!("{name}:{start}: nothing was asked"));
                    walks.push(Walk { place: format!("{name}:{at}"), request: asked, expect: inner.clone() });
                }
                block = None;
            }
            Some((_, _, inner)) => {
                inner.push_str(line);
                inner.push('\n');
            }
        }
    }
    assert!(request.is_none(), "{name}: the last request says not what to expect");
    walks
}

fn fill(text: &str, kept: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in kept {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

async fn take(demo: &mut Demo, walk: &Walk, kept: &mut BTreeMap<String, String>) -> Vec<String> {
    let request = fill(&walk.request, kept);
    if let Some(command) = request.strip_prefix("bascule ") {
        let answer = administer(demo, command);
        return expected(demo, walk, &answer, kept);
    }
    let (head, body) = request.split_once("\n\n").map_or((request.as_str(), None), |(head, body)| (head, Some(body)));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut headers = Vec::new();
    let picked = head.lines().find_map(|line| line.strip_prefix("for: "));
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: not a header: {line}", walk.place));
        match name {
            "as" => headers.push(("authorization".to_owned(), format!("Bearer {}", demo.token_for(value, picked)))),
            "for" => {}
            _ => headers.push((name.to_owned(), value.to_owned())),
        }
    }
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
    let body = body.map(|body| body.trim_end().as_bytes().to_vec());
    let answer = demo.send(Method::from_bytes(method.as_bytes()).unwrap(), path, &headers, body).await;
    expected(demo, walk, &answer, kept)
}

/// A command of an administrator on this demo, as an answer: its exit code stands in a header.
fn administer(demo: &Demo, command: &str) -> Answer {
    let mut words: Vec<String> = Vec::new();
    for (index, part) in command.trim().split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_ascii_whitespace().map(ToOwned::to_owned));
        }
    }
    words.extend(["--config".to_owned(), demo.config()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, out, error) = demo.run(&words);
    let mut headers = http::HeaderMap::new();
    headers.insert(EXIT, code.to_string().parse().unwrap());
    Answer { status: http::StatusCode::OK, headers, body: format!("{out}{error}").into_bytes() }
}

const EXIT: &str = "exit-code";

fn expected(demo: &Demo, walk: &Walk, answer: &Answer, kept: &mut BTreeMap<String, String>) -> Vec<String> {
    let expect = fill(&walk.expect, kept);
    let mut faults = Vec::new();
    for line in expect.lines().filter(|line| !line.trim().is_empty()) {
        if let Err(fault) = hold(demo, answer, line, kept) {
            let body = String::from_utf8_lossy(&answer.body).chars().take(600).collect::<String>();
            faults.push(format!("`{line}`: {fault}\n    answered {} {body}", answer.status));
        }
    }
    faults
}

fn hold(demo: &Demo, answer: &Answer, line: &str, kept: &mut BTreeMap<String, String>) -> Result<(), String> {
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let text = String::from_utf8_lossy(&answer.body);
    let must = |holds: bool, said: String| if holds { Ok(()) } else { Err(said) };
    match verb {
        "has" => {
            let (path, wanted) = rest.split_once(" = ").map_or((rest, None), |(path, wanted)| (path, Some(wanted)));
            let found = select(&answer.json(), path);
            match wanted {
                None => must(!found.is_empty(), "nothing there".to_owned()),
                Some(wanted) => must(found.iter().any(|value| plain(value) == wanted), format!("found {found:?}")),
            }
        }
        "all" => {
            let (path, wanted) = rest.split_once(" = ").ok_or("`all` needs a value")?;
            let found = select(&answer.json(), path);
            must(!found.is_empty() && found.iter().all(|value| plain(value) == wanted), format!("found {found:?}"))
        }
        "lacks" if rest.starts_with('$') => {
            let found = select(&answer.json(), rest);
            must(found.is_empty(), format!("found {found:?}"))
        }
        "lacks" => must(!text.contains(rest), "it is there".to_owned()),
        "says" => must(text.contains(rest), "it does not".to_owned()),
        "keep" => {
            let (name, path) = rest.split_once(" = ").ok_or("`keep` needs a path")?;
            let found = select(&answer.json(), path);
            let value = found.first().map(plain).ok_or("nothing to keep")?;
            kept.insert(name.to_owned(), value);
            Ok(())
        }
        "header" => {
            let (name, wanted) = rest.split_once(": ").ok_or("`header` needs a value")?;
            let found = answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            must(found.contains(wanted), format!("found {found:?}"))
        }
        "exit" => must(answer.headers.get(EXIT).is_some_and(|code| code == rest), format!("{:?}", answer.headers)),
        "log" if answer.headers.contains_key(EXIT) => changed(demo, rest),
        "log" => logged(demo, answer, rest),
        status => must(answer.status.as_str() == status, "another status".to_owned()),
    }
}

/// The request's one terminal entry must contain each of the words.
fn logged(demo: &Demo, answer: &Answer, words: &str) -> Result<(), String> {
    let id = answer.headers.get("x-request-id").and_then(|value| value.to_str().ok()).ok_or("no X-Request-Id")?;
    let (status, out, error) = demo.run(&["audit", "search", "--request", id, "--json", "--config", &demo.config()]);
    let entries = serde_json::from_str::<Vec<Value>>(&out).unwrap_or_default();
    if status != 0 || entries.len() != 1 {
        return Err(format!("{} entries: {error}", entries.len()));
    }
    let entry = entries.first().map(ToString::to_string).unwrap_or_default();
    match words.split_ascii_whitespace().find(|word| !entry.contains(*word)) {
        Some(word) => Err(format!("the entry lacks {word}: {entry}")),
        None => Ok(()),
    }
}

/// Some entry of the house itself must contain each of the words.
fn changed(demo: &Demo, words: &str) -> Result<(), String> {
    let file = demo.data().join("entries.ndjson");
    let (status, _, error) =
        demo.run(&["audit", "export", "--out", &file.display().to_string(), "--config", &demo.config()]);
    let entries = std::fs::read_to_string(&file).unwrap_or_default();
    let says = |entry: &str| words.split_ascii_whitespace().all(|word| entry.contains(word));
    match entries.lines().any(says) {
        true => Ok(()),
        false => Err(format!("none of {} entries (exit {status}) says so: {error}", entries.lines().count())),
    }
}

/// `$.entry[*].resource.status`, `$.total`, `$..display`
fn select(value: &Value, path: &str) -> Vec<Value> {
    let path = path.strip_prefix('$').unwrap_or(path);
    if let Some(name) = path.strip_prefix("..") {
        let mut found = Vec::new();
        everywhere(value, name, &mut found);
        return found;
    }
    let mut current = vec![value.clone()];
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (name, index) =
            step.split_once('[').map_or((step, None), |(name, rest)| (name, Some(rest.trim_end_matches(']'))));
        current = current.iter().filter_map(|value| value.get(name).cloned()).collect();
        current = match index {
            None => current,
            Some("*") => current.into_iter().filter_map(|value| value.as_array().cloned()).flatten().collect(),
            Some(index) => {
                let index = index.parse::<usize>().unwrap();
                current.into_iter().filter_map(|value| value.get(index).cloned()).collect()
            }
        };
    }
    current
}

fn everywhere(value: &Value, name: &str, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                if key == name {
                    found.push(inner.clone());
                }
                everywhere(inner, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| everywhere(item, name, found)),
        _ => {}
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
