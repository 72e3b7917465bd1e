//! For file systems of tests that do most things as another one does: the methods that only pass on.

/// In an `impl Fs`, the named methods, each as the inner file system has it. All others are the implementation's own, or
/// what the trait says.
///
/// ```
/// # use std::{io, path::{Path, PathBuf}, sync::Arc};
/// # use piton_durable::fs::{Existing, Fs, FsFile, Open, OsFs, Stat};
/// /// Never removes anything.
/// struct Keeps(OsFs);
///
/// impl Fs for Keeps {
///     fn remove(&self, _: &Path) -> io::Result<()> {
///         Err(io::ErrorKind::PermissionDenied.into())
///     }
///     piton_testkit::forward_fs!(this => this.0;
///         open stat rename sync_dir list create_dir canonicalize user new_file_mode random);
/// }
/// ```
#[macro_export]
macro_rules! forward_fs {
    (@ $this:ident, $inner:expr, $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?) => {
        fn $name(&self, $($arg: $type),*) $(-> $result)? {
            let $this = self;
            let _ = $this;
            $inner.$name($($arg),*)
        }
    };
    (@ $this:ident, $inner:expr, open) => {
        $crate::forward_fs!(@ $this, $inner,
            open(path: &std::path::Path, how: $crate::durable::fs::Open)
            -> std::io::Result<std::sync::Arc<dyn $crate::durable::fs::FsFile>>);
    };
    (@ $this:ident, $inner:expr, create_unnamed) => {
        $crate::forward_fs!(@ $this, $inner, create_unnamed(dir: &std::path::Path, mode: u32)
            -> std::io::Result<std::sync::Arc<dyn $crate::durable::fs::FsFile>>);
    };
    (@ $this:ident, $inner:expr, stat) => {
        $crate::forward_fs!(@ $this, $inner, stat(path: &std::path::Path)
            -> std::io::Result<Option<$crate::durable::fs::Stat>>);
    };
    (@ $this:ident, $inner:expr, lstat) => {
        $crate::forward_fs!(@ $this, $inner, lstat(path: &std::path::Path)
            -> std::io::Result<Option<$crate::durable::fs::Stat>>);
    };
    (@ $this:ident, $inner:expr, rename) => {
        $crate::forward_fs!(@ $this, $inner,
            rename(from: &std::path::Path, to: &std::path::Path, existing: $crate::durable::fs::Existing)
            -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, remove) => {
        $crate::forward_fs!(@ $this, $inner, remove(path: &std::path::Path) -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, sync_dir) => {
        $crate::forward_fs!(@ $this, $inner, sync_dir(dir: &std::path::Path) -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, list) => {
        $crate::forward_fs!(@ $this, $inner, list(dir: &std::path::Path)
            -> std::io::Result<Vec<std::path::PathBuf>>);
    };
    (@ $this:ident, $inner:expr, create_dir) => {
        $crate::forward_fs!(@ $this, $inner, create_dir(dir: &std::path::Path) -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, canonicalize) => {
        $crate::forward_fs!(@ $this, $inner, canonicalize(path: &std::path::Path)
            -> std::io::Result<std::path::PathBuf>);
    };
    (@ $this:ident, $inner:expr, user) => {
        $crate::forward_fs!(@ $this, $inner, user() -> u32);
    };
    (@ $this:ident, $inner:expr, new_file_mode) => {
        $crate::forward_fs!(@ $this, $inner, new_file_mode(dir: &std::path::Path) -> std::io::Result<u32>);
    };
    (@ $this:ident, $inner:expr, random) => {
        $crate::forward_fs!(@ $this, $inner, random() -> std::io::Result<u64>);
    };
    ($this:ident => $inner:expr; $($method:ident)+) => {
        $($crate::forward_fs!(@ $this, $inner, $method);)+
    };
}

/// As [`forward_fs!`], in an `impl FsFile`.
#[macro_export]
macro_rules! forward_file {
    (@ $this:ident, $inner:expr, read_at) => {
        $crate::forward_fs!(@ $this, $inner, read_at(buf: &mut [u8], offset: u64) -> std::io::Result<usize>);
    };
    (@ $this:ident, $inner:expr, write_at) => {
        $crate::forward_fs!(@ $this, $inner, write_at(buf: &[u8], offset: u64) -> std::io::Result<usize>);
    };
    (@ $this:ident, $inner:expr, share_from) => {
        $crate::forward_fs!(@ $this, $inner,
            share_from(source: &dyn $crate::durable::fs::FsFile, range: std::ops::Range<u64>)
            -> std::io::Result<bool>);
    };
    (@ $this:ident, $inner:expr, copy_from) => {
        $crate::forward_fs!(@ $this, $inner,
            copy_from(source: &dyn $crate::durable::fs::FsFile, range: std::ops::Range<u64>)
            -> std::io::Result<Option<u64>>);
    };
    (@ $this:ident, $inner:expr, descriptor) => {
        $crate::forward_fs!(@ $this, $inner, descriptor() -> Option<std::os::fd::BorrowedFd<'_>>);
    };
    (@ $this:ident, $inner:expr, sync_data) => {
        $crate::forward_fs!(@ $this, $inner, sync_data() -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, sync_all) => {
        $crate::forward_fs!(@ $this, $inner, sync_all() -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, syncs_alone) => {
        $crate::forward_fs!(@ $this, $inner, syncs_alone() -> bool);
    };
    (@ $this:ident, $inner:expr, sync_fs) => {
        $crate::forward_fs!(@ $this, $inner, sync_fs(dir: &std::path::Path)
            -> std::io::Result<$crate::durable::fs::FsSync>);
    };
    (@ $this:ident, $inner:expr, link_to) => {
        $crate::forward_fs!(@ $this, $inner, link_to(path: &std::path::Path) -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, set_len) => {
        $crate::forward_fs!(@ $this, $inner, set_len(len: u64) -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, reserving_writes) => {
        $crate::forward_fs!(@ $this, $inner, reserving_writes() -> std::io::Result<bool>);
    };
    (@ $this:ident, $inner:expr, reserve) => {
        $crate::forward_fs!(@ $this, $inner, reserve(range: std::ops::Range<u64>) -> std::io::Result<bool>);
    };
    (@ $this:ident, $inner:expr, release) => {
        $crate::forward_fs!(@ $this, $inner, release(range: std::ops::Range<u64>) -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, space) => {
        $crate::forward_fs!(@ $this, $inner, space()
            -> std::io::Result<Option<$crate::durable::fs::Space>>);
    };
    (@ $this:ident, $inner:expr, start_writeback) => {
        $crate::forward_fs!(@ $this, $inner, start_writeback(offset: u64, len: u64));
    };
    (@ $this:ident, $inner:expr, stat) => {
        $crate::forward_fs!(@ $this, $inner, stat() -> std::io::Result<$crate::durable::fs::Stat>);
    };
    (@ $this:ident, $inner:expr, try_lock) => {
        $crate::forward_fs!(@ $this, $inner, try_lock() -> std::io::Result<bool>);
    };
    (@ $this:ident, $inner:expr, is_locked) => {
        $crate::forward_fs!(@ $this, $inner, is_locked() -> bool);
    };
    (@ $this:ident, $inner:expr, lock_holder) => {
        $crate::forward_fs!(@ $this, $inner, lock_holder() -> Option<u32>);
    };
    (@ $this:ident, $inner:expr, set_mode) => {
        $crate::forward_fs!(@ $this, $inner, set_mode(mode: u32) -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, set_owner) => {
        $crate::forward_fs!(@ $this, $inner, set_owner(owner: $crate::durable::fs::Owner)
            -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, set_modified) => {
        $crate::forward_fs!(@ $this, $inner, set_modified(time: std::time::SystemTime)
            -> std::io::Result<()>);
    };
    (@ $this:ident, $inner:expr, set_attribute) => {
        $crate::forward_fs!(@ $this, $inner, set_attribute(name: &str, value: &[u8])
            -> std::io::Result<bool>);
    };
    (@ $this:ident, $inner:expr, attribute) => {
        $crate::forward_fs!(@ $this, $inner, attribute(name: &str) -> std::io::Result<Option<Vec<u8>>>);
    };
    ($this:ident => $inner:expr; $($method:ident)+) => {
        $($crate::forward_file!(@ $this, $inner, $method);)+
    };
}
