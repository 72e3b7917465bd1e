//! `piton get --dry-run`.

use std::fmt::Write;

use piton::fetch::{Client, Download, Plan};
use serde_json::json;

use crate::exit::Exit;
use crate::out;
use crate::redact;
use crate::screen::human;
use crate::trouble::Trouble;

/// Prints what a download of each would do. The exit code is that of the first that would fail.
pub(super) async fn plan(
    client: &Client,
    downloads: &[Download],
    as_json: bool,
) -> Result<Exit, Trouble> {
    let mut exit = Exit::Done;
    for download in downloads {
        let url = redact::url(&download.url);
        match client.plan(download).await {
            Ok(plan) if as_json => out::print_json(&object(&url, &plan))?,
            Ok(plan) => out::print_text(&sentences(&plan))?,
            Err(failure) => {
                let trouble = Trouble::from(&failure);
                out::complain(Some(&url), &trouble);
                if exit == Exit::Done {
                    exit = trouble.exit;
                }
            }
        }
    }
    Ok(exit)
}

fn to_fetch(plan: &Plan) -> Option<u64> {
    plan.identity.size.map(|size| size.saturating_sub(plan.have))
}

fn object(url: &str, plan: &Plan) -> serde_json::Value {
    json!({
        "type": "plan",
        "url": url,
        "path": plan.path.to_string_lossy(),
        "size": plan.identity.size,
        "have": plan.have,
        "to_fetch": to_fetch(plan),
        "resumable": plan.ranges,
        "exists": plan.exists,
        "address": redact::url(&plan.url),
    })
}

fn sentences(plan: &Plan) -> String {
    let size = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), human::exact);
    let yes_no = |yes| if yes { "yes" } else { "no" };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", out::path(&plan.path));
    for (name, value) in [
        ("size", size(plan.identity.size)),
        ("resumable", yes_no(plan.ranges).to_owned()),
        ("on disk", human::exact(plan.have)),
        ("to fetch", size(to_fetch(plan))),
        ("file exists", yes_no(plan.exists).to_owned()),
        ("URL", out::clean(&redact::url(&plan.url))),
    ] {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    text
}
