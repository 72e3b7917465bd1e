//! Dependencies point one way: durable ← checkpoint ← remote ← fetch ← lists ← piton ← cli, and the test kit is for
//! tests only.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each room may build on, from the ground up. A new crate needs a line here.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("piton-durable", &[]),
    ("piton-checkpoint", &["piton-durable"]),
    ("piton-remote", &["piton-checkpoint", "piton-durable"]),
    ("piton-fetch", &["piton-checkpoint", "piton-durable", "piton-remote"]),
    ("piton-lists", &["piton-checkpoint", "piton-durable", "piton-fetch", "piton-remote"]),
    ("piton-records", &["piton-checkpoint", "piton-durable"]),
    (
        "piton",
        &[
            "piton-checkpoint",
            "piton-durable",
            "piton-fetch",
            "piton-lists",
            "piton-records",
            "piton-remote",
        ],
    ),
    ("piton-cli", &["piton"]),
    ("piton-testkit", &["piton-checkpoint", "piton-durable", "piton-remote"]),
];

/// What only the seam may know of, with all that it is made of.
const PROTOCOLS: [&str; 12] = [
    "http",
    "http-auth",
    "http-body-util",
    "hyper",
    "hyper-util",
    "h2",
    "rustls",
    "rustls-platform-verifier",
    "tokio-rustls",
    "cookie_store",
    "socket2",
    "tower-service",
];

/// What the rooms below piton-remote must not know of.
const NETWORK: [&str; 6] = ["tokio", "hyper", "hyper-util", "h2", "rustls", "tokio-rustls"];

/// One line under `[dependencies]` and the like.
struct Dependency {
    from: String,
    to: String,
    /// For tests, examples and benches only.
    dev: bool,
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let wrong: Vec<_> = dependencies()
        .into_iter()
        .filter(|it| !it.dev && allowed.contains_key(it.to.as_str()))
        .filter(|it| !allowed[it.from.as_str()].contains(&it.to.as_str()))
        .map(|it| format!("{} must not depend on {}", it.from, it.to))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_crate_has_its_place() {
    let places: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let crates: BTreeSet<_> =
        packages().iter().map(|package| text(&package["name"]).to_owned()).collect();
    assert_eq!(crates, places);
}

#[test]
fn the_ground_floor_knows_no_network() {
    let wrong: Vec<_> = dependencies()
        .into_iter()
        .filter(|it| !it.dev && matches!(it.from.as_str(), "piton-durable" | "piton-checkpoint"))
        .filter(|it| NETWORK.contains(&it.to.as_str()))
        .map(|it| format!("{} must not depend on {}", it.from, it.to))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_engine_knows_no_protocol() {
    let wrong: Vec<_> = dependencies()
        .into_iter()
        .filter(|it| !it.dev && it.from == "piton-fetch")
        .filter(|it| PROTOCOLS.contains(&it.to.as_str()))
        .map(|it| format!("{} must not depend on {}", it.from, it.to))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What pulls in much is a feature that the released command has on, and no library.
#[test]
fn only_the_command_asks_for_redis() {
    let packages = packages();
    for package in &packages {
        let name = text(&package["name"]);
        let lines = package["dependencies"].as_array().unwrap();
        let asks = lines.iter().filter(|line| line["name"] == "redis" && line["kind"].is_null());
        assert!(asks.into_iter().all(|line| line["optional"] == true), "{name}");
        let default = package["features"]["default"].as_array().cloned().unwrap_or_default();
        assert_eq!(default.contains(&"redis".into()), name == "piton-cli", "{name}");
    }
}

fn dependencies() -> Vec<Dependency> {
    let of_package = |package: &Value| {
        let from = text(&package["name"]).to_owned();
        let lines = package["dependencies"].as_array().cloned().unwrap_or_default();
        lines.into_iter().map(move |line| Dependency {
            from: from.clone(),
            to: text(&line["name"]).to_owned(),
            dev: line["kind"] == "dev",
        })
    };
    let found: Vec<_> = packages().iter().flat_map(of_package).collect();
    assert!(found.len() > 50, "cargo metadata told of {} dependencies only", found.len());
    found
}

/// The members of the workspace, as cargo sees them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
