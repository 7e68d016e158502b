//! Dependencies between rooms point one way only.

use crate::tree;
use std::collections::{BTreeMap, BTreeSet};

fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(tree::root().join("tests/tidy/arrows.txt")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (room, targets) = line.split_once(':').expect("room: targets");
            (room.to_owned(), targets.split_whitespace().map(str::to_owned).collect())
        })
        .collect()
}

fn room(package: &str) -> Option<&str> {
    if package == "lictor" { Some(package) } else { package.strip_prefix("lictor-") }
}

#[test]
fn every_arrow_is_listed() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for package in tree::metadata()["packages"].as_array().unwrap() {
        let from = room(package["name"].as_str().unwrap()).expect("packages are named lictor or lictor-ROOM");
        let Some(targets) = allowed.get(from) else {
            wrong.push(format!("room {from} has no line in tests/tidy/arrows.txt"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            // A registry crate may begin with our name too; only path dependencies are rooms.
            if dependency["path"].is_null() {
                continue;
            }
            let to = room(name).unwrap();
            if !targets.contains(to) {
                wrong.push(format!("{from} -> {to}: not in tests/tidy/arrows.txt; move the code, or list the arrow and say why"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arrows_never_turn_back() {
    let allowed = allowed();
    let mut rest: BTreeSet<&String> = allowed.keys().collect();
    loop {
        let ready: Vec<&String> =
            rest.iter().copied().filter(|room| allowed[*room].iter().all(|to| !rest.contains(to))).collect();
        if ready.is_empty() {
            break;
        }
        for room in ready {
            rest.remove(room);
        }
    }
    assert!(rest.is_empty(), "a circle among {rest:?}");
}
