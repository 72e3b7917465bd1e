//! One owner for each file where the file system has no locks, or locks that have no effect.
//!
//! Within this process a list of those files decides. For other processes, `/proc` shows whether one has the
//! file open for writing: a process opens the file first and looks then. So of two that come at the same
//! instant at least one sees the other; both may give way, but never do both continue. What a process has open
//! ends with it, like a lock. Processes on other machines or in other containers are not seen; those of other
//! users only by root.

use std::collections::HashSet;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD};

use super::stat::stat_at;
use crate::fs::FileId;

/// The files that this process owns in this way.
static OWNED: Mutex<Option<HashSet<FileId>>> = Mutex::new(None);

/// Such a file, owned until this is dropped.
pub(super) struct Ownership(FileId);

impl Ownership {
    /// Owns a file that is open for writing. `None`: another process or handle does.
    pub(super) fn claim(id: FileId) -> Option<Self> {
        let mut owned = owned();
        let owned = owned.get_or_insert_default();
        if owned.contains(&id) || other_process(id).is_some() {
            return None;
        }
        owned.insert(id);
        Some(Self(id))
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if let Some(owned) = &mut *owned() {
            owned.remove(&self.0);
        }
    }
}

/// The process that owns a file, perhaps this one.
pub(super) fn owner(id: FileId) -> Option<u32> {
    let here = owned().as_ref().is_some_and(|owned| owned.contains(&id));
    if here { Some(std::process::id()) } else { other_process(id) }
}

fn owned() -> MutexGuard<'static, Option<HashSet<FileId>>> {
    OWNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Another process that has the file open for writing.
fn other_process(id: FileId) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let others = numbers.filter(|&process: &u32| process != std::process::id());
    others.filter(|&process| descriptors(process).any(|it| writes(process, it, id))).min()
}

/// The descriptors of a process; none where they cannot be seen, or it has just ended.
fn descriptors(process: u32) -> impl Iterator<Item = i32> {
    let entries = fs::read_dir(format!("/proc/{process}/fdinfo")).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn writes(process: u32, descriptor: i32, id: FileId) -> bool {
    let Ok(info) = fs::read_to_string(format!("/proc/{process}/fdinfo/{descriptor}")) else {
        return false;
    };
    if !is_candidate(&info, id) {
        return false;
    }
    let path = format!("/proc/{process}/fd/{descriptor}");
    stat_at(CWD, &*path, AtFlags::empty()).is_ok_and(|stat| stat.id == id)
}

/// Whether the text of a descriptor's `fdinfo` is that of a file opened for writing, perhaps of this one: what
/// can be learned without a file system that may not answer.
fn is_candidate(info: &str, id: FileId) -> bool {
    const ACCESS: u32 = 0o3;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = field("flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok());
    let reads_only = flags.is_none_or(|flags| flags & ACCESS == 0);
    // Since Linux 5.14.
    let other = field("ino:")
        .and_then(|inode| inode.parse().ok())
        .is_some_and(|inode: u64| inode != id.inode);
    !reads_only && !other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_writer_of_the_inode_is_a_candidate() {
        let id = FileId { device: 1, inode: 42, birth: None };
        for (info, candidate) in [
            ("pos:\t0\nflags:\t0100002\nmnt_id:\t24\nino:\t42\n", true),
            ("pos:\t0\nflags:\t0100001\nmnt_id:\t24\n", true),
            ("pos:\t0\nflags:\t0100000\nmnt_id:\t24\nino:\t42\n", false),
            ("pos:\t0\nflags:\t0100002\nmnt_id:\t24\nino:\t43\n", false),
            ("", false),
        ] {
            assert_eq!(is_candidate(info, id), candidate, "{info}");
        }
    }
}
