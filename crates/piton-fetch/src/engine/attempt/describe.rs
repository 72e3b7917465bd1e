//! What the journal says of a download, made and read.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use piton_checkpoint::Identity;

use crate::digest::Digest;
use crate::download::{Download, IfExists, Place};
use crate::engine::finish::{Expected, Named};
use crate::engine::mirrors::redacted;
use crate::meta::{Meta, ServerDigest, long_name};

/// The description of a download that begins now.
pub(in crate::engine) fn describe(
    what: &Download,
    path: &Path,
    identity: &Identity,
    encoding: Option<String>,
    ranges: bool,
    expected: &[Expected],
) -> Meta {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Meta {
        identity_of: None,
        mirrors: Vec::new(),
        judged_by: None,
        appearance: None,
        uncompared: Vec::new(),
        url: redacted(&what.url),
        identity: identity.clone(),
        begun: begun.as_secs() as i64,
        name: long_name(path),
        digests: user_digests(expected),
        server_digests: server_digests(expected),
        overwrite: what.if_exists == IfExists::Overwrite || what.only_newer,
        encoding,
        ranges,
    }
}

/// The digests that an earlier run was given.
pub(super) fn kept_digests(meta: &Meta) -> Vec<Expected> {
    let users = meta.digests.iter().map(|digest| (digest, Named::User));
    let servers = meta.server_digests.iter();
    let servers = servers.map(|said| (&said.digest, Named::Server(said.header.clone())));
    users
        .chain(servers)
        .filter_map(|(text, named_by)| Some(Expected { digest: text.parse().ok()?, named_by }))
        .collect()
}

/// As [`kept_digests`] reads it.
fn as_kept(digest: &Digest) -> String {
    format!("{}:{digest}", digest.algorithm())
}

/// Those of a list as well: a resume may not be given the list.
pub(super) fn user_digests(expected: &[Expected]) -> Vec<String> {
    let users = expected.iter().filter(|one| matches!(one.named_by, Named::User | Named::List));
    users.map(|one| as_kept(&one.digest)).collect()
}

pub(super) fn server_digests(expected: &[Expected]) -> Vec<ServerDigest> {
    let said = expected.iter().filter_map(|one| match &one.named_by {
        Named::Server(header) => {
            Some(ServerDigest { header: header.clone(), digest: as_kept(&one.digest) })
        }
        Named::User | Named::List => None,
    });
    said.collect()
}

/// The name under which a list of checksums has the file that is at `path`: that by which it was asked for, which
/// may be a link.
pub(in crate::engine) fn name_asked_for(what: &Download, path: &Path) -> String {
    match &what.place {
        Place::File(asked) => file_name(asked),
        Place::Folder(_) => file_name(path),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
