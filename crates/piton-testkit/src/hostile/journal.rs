//! Journals that are well formed, of downloads that never were.

use std::path::Path;
use std::sync::Arc;

use piton_durable::crc::crc32c;
use piton_durable::extent::Extent;
use piton_durable::fs::OsFs;
use piton_durable::part::{OpenPart, Opened, Part, Target};
use serde_json::{Value, json};

use super::Draw;
use super::texts::texts;
use crate::server::pattern;

/// What the journal may tell the truth of.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// The address of the file.
    pub url: &'a str,
    /// The seed of its [pattern].
    pub seed: u64,
    /// Its length.
    pub len: u64,
    /// Addresses at other servers.
    pub elsewhere: &'a [String],
    /// A login.
    pub secret: &'a str,
}

/// Plants a part and its journal for the file at `path`: they are this user's, and nothing of them need be true.
/// Where there is a part in use, or none can be made, nothing is planted.
pub fn plant(path: &Path, about: &About<'_>, draw: &mut Draw<'_>) {
    let opened = Part::open(Arc::new(OsFs), &Target::new(path.to_owned()), OpenPart::default());
    let Ok(Opened::Part(part, _)) = opened else { return };
    if part.begin(meta(about, draw).to_string().as_bytes(), None).is_err() {
        return;
    }
    let len = draw.one(&[about.len / 2, about.len, 0, 1, about.len + 10]);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    pattern::fill(draw.one(&[about.seed, about.seed + 1]), 0, &mut bytes);
    // What cannot be written or claimed is not planted.
    let _ = part.write(&bytes, draw.one(&[0, 0, 1, 1 << 20]));
    for _ in 0..=draw.below(3) {
        let start = draw.one(&[0, 0, 1000, u64::MAX - 10, 1 << 62, about.len]);
        let len = draw.one(&[len, len, 1, u64::MAX, 0]);
        let crc = draw.one(&[crc32c(&bytes), crc32c(&bytes), 0]);
        let _ = part.claim(Extent { start, len, crc });
    }
    if draw.below(2) == 0 {
        let _ = part.checkpoint();
    }
}

fn meta(about: &About<'_>, draw: &mut Draw<'_>) -> Value {
    let mut others = about.elsewhere.to_vec();
    others.extend([
        about.url.replace("://", &format!("://{0}:{0}@", about.secret)),
        format!("{}/../../../../etc/passwd", about.url),
        format!("{}?token=x", about.url),
    ]);
    let texts = texts(about.secret);
    let url = |draw: &mut Draw<'_>| match draw.below(5) {
        0..=2 => about.url.to_owned(),
        3 => draw.one(&others),
        _ => draw.one(&texts),
    };
    let mut any = texts.iter().cloned().map(Value::from).collect::<Vec<_>>();
    any.extend([Value::Null, json!([]), json!({}), json!(-1), json!(u64::MAX), json!(1e300)]);
    let right = || json!({ "tag": "1" });
    let mirror = json!({ "url": url(draw), "priority": draw.one(&[1, 0, u32::MAX]) });
    let mirrors = draw.one(&[json!([]), json!([mirror])]);
    let mut meta = json!({
        "url": url(draw),
        "identity": {
            "size": draw.one(&[
                json!(about.len),
                json!(about.len),
                json!(about.len),
                Value::Null,
                json!(0),
                json!(1),
                json!(u64::MAX),
            ]),
            "etag": draw.one(&[
                right(),
                right(),
                right(),
                json!({ "tag": "1", "weak": true }),
                json!({ "tag": "" }),
                json!({ "tag": "\u{1b}[2J" }),
                json!("1"),
            ]),
        },
        "begun": draw.one(&[0, i64::MIN, i64::MAX]),
        "ranges": draw.below(2) == 0,
        "overwrite": draw.below(2) == 1,
        "digests": draw.one(&[
            json!([]),
            json!(["sha256:00"]),
            json!(["md5:d41d8cd98f00b204e9800998ecf8427e"]),
            json!(["../x"]),
        ]),
        "encoding": draw.one(&[None, Some("gzip"), Some("../../x"), Some("\u{1b}[2J")]),
        "identity_of": draw.one(&[None, Some("http://elsewhere/"), Some(about.url)]),
        "mirrors": mirrors,
        "judged_by": draw.one(&[None, Some("whole"), Some("pieces")]),
        "joints": draw.one(&[json!([]), json!([0, u64::MAX])]),
    });
    if draw.once_in(4) {
        let keys: Vec<String> =
            meta.as_object().into_iter().flat_map(|it| it.keys().cloned()).collect();
        meta[draw.one(&keys)] = draw.one(&any);
    }
    meta
}
