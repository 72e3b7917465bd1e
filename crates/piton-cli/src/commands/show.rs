//! `piton show`.

use piton::durable::extent::Extent;
use piton::durable::fs::OsFs;
use piton::durable::journal::{self, End, Entry, JournalView, Record};
use piton::fetch::Meta;
use serde_json::{Value, json};

use super::job;
use crate::args::ShowArgs;
use crate::exit::Exit;
use crate::screen::human;
use crate::trouble::Trouble;
use crate::{out, redact};

pub(crate) fn show(args: &ShowArgs) -> Result<Exit, Trouble> {
    if job::is_job(&args.journal) {
        return job::show(&args.journal, args.json);
    }
    let view = journal::read(&OsFs, &args.journal)?;
    if args.json {
        out::print_json(&object(&view))?;
    } else {
        out::print_text(&text(&view))?;
    }
    Ok(Exit::Done)
}

fn text(view: &JournalView) -> String {
    let header = &view.header;
    let mut lines = vec![
        format!(
            "journal format {}, salt {:016x}, part {:016x}",
            header.version, header.salt, header.part_identity
        ),
        String::new(),
        format!("{:>10}  {:>8}  RECORD", "OFFSET", "SEQUENCE"),
    ];
    lines.extend(view.entries.iter().map(|Entry { offset, sequence, record }| {
        format!("{offset:>10}  {sequence:>8}  {}", out::clean(&sentence(record)))
    }));
    lines.push(match &view.end {
        End::Clean { offset } => format!("{offset:>10}  {:>8}  end", ""),
        End::Torn { offset, why } => format!("{offset:>10}  {:>8}  torn: {why}", ""),
    });
    lines.push(String::new());
    let state = state(view).into_iter();
    lines.extend(state.map(|(name, value)| format!("{name:<10}  {}", out::clean(&value))));
    lines.join("\n")
}

fn sentence(record: &Record) -> String {
    match record {
        Record::Meta(meta) => format!("meta, {} bytes", meta.len()),
        Record::Written(extent) => format!(
            "written {}..{}, crc32c {:08x}",
            extent.start,
            extent.start.saturating_add(extent.len),
            extent.crc
        ),
        Record::Synced { through } => format!("synced through {through}"),
        Record::Hash { kind, state } => format!("hash {kind}, {} bytes of state", state.len()),
        Record::Forget(range) => format!("forget {}..{}", range.start, range.end),
        Record::Verified { len } => format!("verified, {len} bytes"),
        _ => "unknown to this version".to_owned(),
    }
}

/// The resulting state of the records, as names and values.
fn state(view: &JournalView) -> Vec<(&'static str, String)> {
    let fold = &view.fold;
    let mut state = Vec::new();
    match fold.meta.as_deref().map(Meta::parse) {
        Some(Some(meta)) => {
            state.push(("URL", meta.url));
            state.push(("size", meta.identity.size.map_or("unknown".to_owned(), human::exact)));
            if let Some(tag) = meta.identity.etag {
                let weak = if tag.weak { "weak " } else { "" };
                state.push(("tag", format!("{weak}\"{}\"", tag.tag)));
            }
            state.extend(meta.identity.last_modified.map(|time| ("modified", time)));
            state.extend(meta.digests.into_iter().map(|digest| ("digest", digest)));
        }
        Some(None) => state.push(("meta", "not readable by this version".to_owned())),
        None => state.push(("meta", "none".to_owned())),
    }
    let amount = |extents: &[Extent]| {
        let bytes = extents.iter().map(|extent| extent.len).fold(0, u64::saturating_add);
        let plural = if extents.len() == 1 { "" } else { "s" };
        format!("{} in {} extent{plural}", human::exact(bytes), extents.len())
    };
    state.push(("synced", amount(&fold.synced())));
    state.push(("written", amount(&fold.written())));
    state.push(("verified", fold.verified.map_or("no".to_owned(), human::exact)));
    state
}

fn object(view: &JournalView) -> Value {
    let fold = &view.fold;
    let hashes =
        fold.hashes.iter().map(|(kind, state)| json!({ "kind": kind, "bytes": state.len() }));
    let (clean, why) = match &view.end {
        End::Torn { why, .. } => (false, Some(why.to_string())),
        End::Clean { .. } => (true, None),
    };
    json!({
        "type": "journal",
        "version": view.header.version,
        "salt": format!("{:016x}", view.header.salt),
        "part_identity": format!("{:016x}", view.header.part_identity),
        "records": view.entries.iter().map(record).collect::<Vec<_>>(),
        "end": { "offset": view.end.offset(), "clean": clean, "why": why },
        "state": {
            "meta": fold.meta.as_deref().map(meta),
            "synced": extents(&fold.synced()),
            "written": extents(&fold.written()),
            "hashes": hashes.collect::<Vec<_>>(),
            "verified": fold.verified,
        },
    })
}

fn record(entry: &Entry) -> Value {
    let (kind, mut fields) = match &entry.record {
        Record::Meta(bytes) => ("meta", json!({ "meta": meta(bytes) })),
        Record::Written(extent) => ("written", extent_object(extent)),
        Record::Synced { through } => ("synced", json!({ "through": through })),
        Record::Hash { kind, state } => ("hash", json!({ "kind": kind, "bytes": state.len() })),
        Record::Forget(range) => ("forget", json!({ "start": range.start, "end": range.end })),
        Record::Verified { len } => ("verified", json!({ "len": len })),
        _ => ("unknown", json!({})),
    };
    if let Value::Object(fields) = &mut fields {
        fields.insert("type".to_owned(), kind.into());
        fields.insert("offset".to_owned(), entry.offset.into());
        fields.insert("sequence".to_owned(), entry.sequence.into());
    }
    fields
}

/// The description as JSON; `null` if it is not valid JSON.
fn meta(bytes: &[u8]) -> Value {
    let text = redact::text(&String::from_utf8_lossy(bytes));
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn extents(extents: &[Extent]) -> Vec<Value> {
    extents.iter().map(extent_object).collect()
}

fn extent_object(extent: &Extent) -> Value {
    json!({ "start": extent.start, "len": extent.len, "crc32c": format!("{:08x}", extent.crc) })
}
