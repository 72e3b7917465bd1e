//! The description of a download that its journal keeps: all that a resume needs.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use percent_encoding::NON_ALPHANUMERIC;
use piton_checkpoint::Identity;
use piton_durable::fs::{Fs, Open};
use piton_durable::own::{self, OwnError};
use piton_durable::part::{Extent, PartError, Target};
use piton_durable::{journal, links};
use serde::{Deserialize, Serialize};

use crate::resume::Appearance;

/// What the journal says of a download, as JSON. Unknown fields are kept out, missing ones have
/// defaults, so that versions can differ by a little. No login is ever in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Meta {
    /// The URL before redirects, without user and password.
    pub url: String,
    /// Which version of the resource this is.
    pub identity: Identity,
    /// Seconds since 1970 at which the download began.
    pub begun: i64,
    /// The name of the file, percent-encoded, where it is too long for part and journal to be called after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Digests the user wants, as `alg:hex`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// Digests the server sent along with this version, for a run that asks it nothing any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_digests: Vec<ServerDigest>,
    /// A file under the final name may be replaced.
    #[serde(default)]
    pub overwrite: bool,
    /// Content-Encoding of the body that is kept as stored, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What the answer looked like that it was begun with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appearance: Option<Appearance>,
    /// Whether the server gave ranges.
    #[serde(default)]
    pub ranges: bool,
    /// The URL whose answer `identity` is, where that is not `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_of: Option<String>,
    /// The other URLs of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<MirrorNote>,
    /// Bytes of several URLs were put into the part side by side, and this is what judges them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<Judge>,
    /// Offsets where an earlier version of piton still had bytes of two URLs to compare. Nothing of
    /// such a part is used.
    #[serde(default, rename = "joints", skip_serializing)]
    pub(crate) uncompared: Vec<u64>,
}

/// What judges bytes of several URLs in one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Judge {
    /// Digests of the pieces, which the journal does not keep: only a run that is given them can use
    /// the bytes.
    Pieces,
    /// A digest of the whole, which the journal keeps.
    Whole,
}

/// What the journal says of another URL of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MirrorNote {
    /// The URL before redirects, without user and password.
    pub url: String,
    /// Preference; 1 comes first.
    pub priority: u32,
    /// How this URL calls the version; there once bytes of it may be among those that are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// A digest that a server sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerDigest {
    /// The header it came in.
    pub header: String,
    /// The digest, as `alg:hex`.
    pub digest: String,
}

/// One unfinished download, as its journal tells without a lock and without touching anything.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unfinished {
    /// The final name.
    pub target: PathBuf,
    /// What it is.
    pub meta: Meta,
    /// Bytes a resume believes without reading.
    pub synced: u64,
    /// Bytes that are claimed and would be read and compared first.
    pub written: u64,
    /// Whether a process is at it now.
    pub running: Option<u32>,
}

impl Unfinished {
    /// What a resume would fetch, in bytes, where the length is known.
    pub fn missing(&self) -> Option<u64> {
        self.meta.identity.size.map(|size| size.saturating_sub(self.synced + self.written))
    }
}

impl Meta {
    /// How the source at `url` called this version, if it was asked.
    pub(crate) fn identity_at(&self, url: &str) -> Option<&Identity> {
        if self.is_of(url) {
            return Some(&self.identity);
        }
        self.mirrors.iter().find(|mirror| mirror.url == url)?.identity.as_ref()
    }

    /// Whether `identity` is what the source at `url` said.
    pub(crate) fn is_of(&self, url: &str) -> bool {
        url == self.identity_of.as_ref().unwrap_or(&self.url)
    }

    /// Whether `url` is one that this download was begun with or went on with.
    pub(crate) fn knows(&self, url: &str) -> bool {
        self.url == url || self.mirrors.iter().any(|mirror| mirror.url == url)
    }

    /// Whether bytes of several sources may be here.
    pub(crate) fn is_mixed(&self) -> bool {
        self.mirrors.iter().any(|mirror| mirror.identity.is_some())
    }

    /// Another URL of the file, not asked yet.
    pub(crate) fn add_mirror(&mut self, url: &str, priority: u32) {
        if !self.knows(url) {
            let url = url.to_owned();
            self.mirrors.push(MirrorNote { url, priority, identity: None });
        }
    }

    /// The source at `url` calls this version so.
    pub(crate) fn learn(&mut self, url: &str, priority: u32, identity: &Identity) {
        let identity = Some(identity.clone());
        match self.mirrors.iter_mut().find(|mirror| mirror.url == url) {
            Some(mirror) => mirror.identity = identity,
            None => self.mirrors.push(MirrorNote { url: url.to_owned(), priority, identity }),
        }
    }

    /// Reads what [`Meta::to_json`] wrote. `None` if it is not that, or too long to be.
    pub fn parse(json: &[u8]) -> Option<Self> {
        if json.len() > LONGEST {
            return None;
        }
        serde_json::from_slice(json).ok()
    }

    /// As it stands in the journal.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// No URL and no list of digests is longer than this.
const LONGEST: usize = 256 << 10;

/// What [`Meta::name`] says of the file at `path`.
pub(crate) fn long_name(path: &Path) -> Option<String> {
    let name = path.file_name().filter(|_| Target::new(path.to_owned()).is_long())?;
    let encoded = percent_encoding::percent_encode(name.as_bytes(), NON_ALPHANUMERIC);
    Some(encoded.to_string())
}

/// The final name that a journal tells of, if it is that of the download whose journal this is.
fn named_by(meta: &Meta, journal: &Path) -> Option<PathBuf> {
    let name = percent_encoding::percent_decode_str(meta.name.as_deref()?).collect();
    let target = Target::new(journal.with_file_name(OsString::from_vec(name)));
    (target.is_long() && target.journal() == journal).then(|| target.path().to_owned())
}

/// Reads the state of the download whose journal, part or final name is `path`, without a lock and
/// without touching anything. `None` where there is no journal of a download.
///
/// # Errors
/// [`PartError::NotOurs`] where journal or part are those of somebody else: what they say is not for this
/// user to go on with.
pub fn inspect(fs: &dyn Fs, path: &Path) -> Result<Option<Unfinished>, PartError> {
    let target = target_of(fs, path);
    let at = Target::new(target.clone());
    if fs.stat(&at.journal()).is_ok_and(|stat| stat.is_none()) {
        return Ok(None);
    }
    let view = journal::read(fs, &at.journal())?;
    match own::check(fs, &at.part()) {
        Err(OwnError::NotOurs(why)) if !why.may_be_moved() => {
            return Err(PartError::NotOurs { path: at.part(), why });
        }
        // What cannot be looked at is found out when it is opened.
        _ => {}
    }
    let Some(meta) = view.fold.meta.as_deref().and_then(Meta::parse) else { return Ok(None) };
    let len = |extents: Vec<Extent>| extents.iter().map(|extent| extent.len).sum();
    let running = fs.open(&at.part(), Open::Read).ok().and_then(|part| part.lock_holder());
    Ok(Some(Unfinished {
        target: named_by(&meta, &at.journal()).unwrap_or(target),
        meta,
        synced: len(view.fold.synced()),
        written: len(view.fold.written()),
        running,
    }))
}

/// `NAME` for `NAME`, `NAME.part` and `NAME.piton`; where that is a link, the file that it leads to.
fn target_of(fs: &dyn Fs, path: &Path) -> PathBuf {
    let name = match path.extension() {
        Some(extension) if extension == "part" || extension == "piton" => path.with_extension(""),
        _ => path.to_owned(),
    };
    // One that no download would follow leads to none.
    links::target(fs, &name).unwrap_or(name)
}

/// How deep [`find_unfinished`] looks.
const DEEPEST: usize = 64;

/// Every journal at or below `path`, in order of their names. Links to folders are followed once
/// each at the most.
pub fn find_unfinished(fs: &dyn Fs, path: &Path) -> Result<Vec<PathBuf>, PartError> {
    let io = |path: &Path, source| PartError::Io { what: "read", path: path.to_owned(), source };
    let Some(stat) = fs.stat(path).map_err(|source| io(path, source))? else {
        let journal = Target::new(target_of(fs, path)).journal();
        let found = fs.stat(&journal).map_err(|source| io(&journal, source))?.is_some();
        return Ok(if found { vec![journal] } else { Vec::new() });
    };
    if !stat.is_dir {
        let journal = Target::new(target_of(fs, path)).journal();
        let found = fs.stat(&journal).map_err(|source| io(&journal, source))?.is_some();
        return Ok(if found { vec![journal] } else { Vec::new() });
    }
    let mut found = Vec::new();
    let mut seen = HashSet::from([stat.id]);
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let names = match fs.list(&folder) {
            Ok(names) => names,
            // A folder below that may not be read is none of ours; the one that was named is.
            Err(source) if depth == 0 => return Err(io(&folder, source)),
            Err(_) => continue,
        };
        for name in names {
            let path = folder.join(&name);
            let Ok(Some(stat)) = fs.stat(&path) else { continue };
            if stat.is_dir {
                if depth < DEEPEST && seen.insert(stat.id) {
                    folders.push((path, depth + 1));
                }
            } else if path.extension().is_some_and(|extension| extension == "piton") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
