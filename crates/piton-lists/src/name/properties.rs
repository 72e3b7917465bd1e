//! Properties of the path of every item, whatever its list says.
//!
//! The fuzz target `target_path` calls the same function (the fuzz crate includes this file); the test at
//! the end checks it near the seeds of the target and for random bytes.

use std::path::{Component, Path};

use crate::name::{Naming, TargetPath};
use crate::{Item, ItemUrl};

/// The folder that everything must stay in.
const ROOT: &str = "/srv/data";
/// The maximum length of a name on common file systems, minus the longest suffix of piton's own:
/// `.part.aside-1000`.
const MAX_NAME: usize = 255;
/// Names in a path, including the last.
const MAX_NAMES: usize = 64;

/// A URL, an `out` and a `dir`, one per line: raw, as a future format may pass them on.
pub fn target_path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let address = lines.next().unwrap_or_default();
    let Ok(url) = crate::item_url::parse(address, "https://h.example/d/".parse().ok().as_ref())
    else {
        return;
    };
    let (out, dir) = (lines.next(), lines.next());
    for (out, dir) in [(None, None), (out, None), (None, dir), (out, dir)] {
        of_item(&Item {
            line: 1,
            urls: vec![ItemUrl { url: url.clone(), priority: ItemUrl::UNRANKED }],
            out: out.map(str::to_owned),
            dir: dir.map(Into::into),
            size: None,
            digests: Vec::new(),
            pieces: None,
            headers: Vec::new(),
        });
    }
}

/// The path of an item stays in the folder, even when the name is taken; and a list that gives this path
/// explicitly means the same place.
pub fn of_item(item: &Item) {
    let of = |item: &Item, naming| TargetPath::of(item, naming, Path::new(ROOT));
    for naming in [Naming::Flat, Naming::Tree] {
        let Ok(path) = of(item, naming) else {
            let own = item.out.is_none() && item.dir.is_none() && naming == Naming::Flat;
            assert!(!own, "every address gives a name");
            continue;
        };
        stays_inside(&path);
        stays_inside(&path.numbered(u32::MAX));
        for out in [path.to_string(), format!("{ROOT}/{path}")] {
            let named = Item { out: Some(out), dir: None, ..item.clone() };
            assert_eq!(of(&named, naming).as_ref(), Ok(&path));
        }
    }
}

/// A relative path of plain names, none of which is one of piton's own files next to a download.
fn stays_inside(path: &TargetPath) {
    let text = path.as_str();
    let names: Vec<&str> = text.split('/').collect();
    assert!((1..=MAX_NAMES).contains(&names.len()), "{text:?}");
    let is_plain = |(part, name): (Component<'_>, &&str)| part == Component::Normal(name.as_ref());
    assert_eq!(Path::new(text).components().count(), names.len(), "{text:?}");
    assert!(Path::new(text).components().zip(&names).all(is_plain), "{text:?}");
    assert_eq!(path.folder(), text.rsplit_once('/').map(|(folder, _)| folder));
    for name in names {
        assert!((1..=MAX_NAME).contains(&name.len()), "{name:?}");
        assert!(
            !name.contains(['\\', '\u{202e}']) && !name.chars().any(char::is_control),
            "{name:?}"
        );
        assert!(!name.starts_with(['.', '-', ' ']) && !name.ends_with(['.', ' ']), "{name:?}");
        let lower = name.to_ascii_lowercase();
        let own = [".part", ".piton", ".piton.tmp", ".piton.new", ".piton.db", ".piton.flight"];
        assert!(!own.iter().any(|own| lower.ends_with(own)), "{name:?}");
        assert!(!lower.contains(".part.aside-") && !lower.contains(".piton.aside-"), "{name:?}");
    }
}

#[cfg(test)]
mod tests {
    use piton_testkit::hostile::Target;

    #[test]
    fn target_path() {
        Target::new("target_path", super::target_path).holds();
    }
}
