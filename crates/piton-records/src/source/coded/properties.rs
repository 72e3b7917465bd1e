//! What must hold of the codecs and of restart points for every input. The fuzz targets `compressed` and `restart_point`
//! call these functions (feature `fuzzing`); the tests at the end look whether they hold near the seeds of the targets.

use std::sync::Arc;

use piton_durable::fs::FsFile;
use serde::Deserialize;
use serde_json::Value;

use super::point::Marks;
use super::{Coded, Compression, Fault, Opening, Point, Restart};
use crate::source::Growth;
use crate::source::identity::Print;

/// So much is decoded at most: bombs cost time.
const MOST: usize = 1 << 20;
/// So much at a time: ends fall anywhere.
const SOME: usize = 4099;

/// Each codec takes these bytes as a file. Whatever comes out, the same comes out behind every restart point, and the
/// same end or error follows.
pub fn compressed(file: &Arc<dyn FsFile>, len: u64, head: &[u8]) {
    let found = Compression::of(head);
    for codec in [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz] {
        if found != Compression::None && codec != found {
            continue;
        }
        let Some(start) = Point::start(codec) else { continue };
        let Ok((whole, points, end)) = decoded(file, len, &start, MOST) else { continue };
        for point in points.iter().rev().take(4).chain(points.first()) {
            let restart = Restart::new(len, Print::of(b""), point);
            let again = restart.ok().and_then(|restart| restart.point(point.at).ok());
            assert_eq!(again.as_ref(), Some(point), "a point survives a state");
            let at = usize::try_from(point.at).unwrap_or(usize::MAX);
            let Some(rest) = whole.get(at..) else { continue };
            let Ok((behind, _, other)) = decoded(file, len, point, MOST) else {
                assert!(end.is_some(), "a restart point of a good file is good");
                continue;
            };
            // Of what an error ends, the last bytes come out or not, as reads fall.
            let common = behind.len().min(rest.len());
            assert_eq!(behind.get(..common), rest.get(..common), "{point:?}");
            if whole.len() < MOST {
                assert_eq!(other, end, "{point:?}");
                assert!(end.is_some() || behind.len() == rest.len(), "{point:?}");
            }
        }
    }
}

/// The first bytes are the JSON of a point, up to a zero; it says anything. What follows is the file.
pub fn restart_point(text: &[u8], file: &Arc<dyn FsFile>, len: u64) {
    let Ok(point) = serde_json::from_slice::<Value>(text) else { return };
    let Ok(point) = Point::deserialize(&point) else { return };
    let Ok(restart) = Restart::new(len, Print::of(b""), &point) else { return };
    // What is impossible is refused; the rest gives bytes or an error.
    if let Ok(point) = restart.point(point.at) {
        let _ = decoded(file, len, &point, MOST);
    }
}

type Decoded = (Vec<u8>, Vec<Point>, Option<&'static str>);

/// What comes out behind this point, restart points as often as there are any, and the error at the end.
fn decoded(file: &Arc<dyn FsFile>, len: u64, point: &Point, most: usize) -> Result<Decoded, Fault> {
    let how = Opening { len, growth: Growth::Refuse, hash: false, max_window: 8 << 20 };
    let mut coded = Coded::open(Arc::clone(file), point, &how)?;
    coded.marks = Marks::new(0, point.at);
    let (mut whole, mut points) = (Vec::new(), Vec::new());
    let mut some = [0; SOME];
    while whole.len() < most {
        match coded.read(&mut some) {
            Ok(0) => return Ok((whole, points, None)),
            Ok(read) => whole.extend_from_slice(some.get(..read).unwrap_or_default()),
            Err(fault) => return Ok((whole, points, Some(kind(&fault)))),
        }
        points.extend(coded.marks.take());
        points.truncate(1000);
    }
    Ok((whole, points, None))
}

/// The error without its places: they depend on where decoding has started.
fn kind(fault: &Fault) -> &'static str {
    match fault {
        Fault::Io(_) => "io",
        Fault::Shrunk { .. } => "shrunk",
        Fault::Cut { within, .. } => within,
        Fault::Damaged { what, .. } | Fault::Unsupported { what, .. } => what,
        Fault::Window { .. } => "window",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use piton_durable::fs::{Fs, Open};
    use piton_testkit::disk::SimDisk;
    use piton_testkit::hostile::Target;

    use super::*;

    fn file(bytes: &[u8]) -> Arc<dyn FsFile> {
        let disk = SimDisk::seeded(1);
        disk.put("/in", bytes);
        disk.open(Path::new("/in"), Open::Read).unwrap()
    }

    #[test]
    fn compressed() {
        Target::new("compressed", |data| super::compressed(&file(data), data.len() as u64, data))
            .holds();
    }

    #[test]
    fn restart_point() {
        Target::new("restart_point", |data| {
            let (text, rest) = data.split_at(data.iter().position(|it| *it == 0).unwrap_or(0));
            super::restart_point(text, &file(rest), rest.len() as u64);
        })
        .holds();
    }
}
