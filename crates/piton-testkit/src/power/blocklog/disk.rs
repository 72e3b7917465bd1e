//! A disk in memory, served by FUSE as one file, that logs writes and flushes, and can be made to fail.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    WriteFlags,
};

use super::image::{BLOCK, Image};

/// The name of the one file.
pub(super) const NAME: &str = "disk";

const INODE: INodeNo = INodeNo(2);
/// Nothing about the file ever changes but its bytes.
const TTL: Duration = Duration::from_secs(3600);

/// One thing that reached the disk.
pub(super) enum Event {
    Write {
        offset: u64,
        data: Vec<u8>,
    },
    /// All writes before are durable.
    Flush {
        /// What the user's stamp said when the flush came.
        stamp: u64,
    },
}

/// Says how much work is acknowledged at this instant.
pub(super) type Stamp = Box<dyn Fn() -> u64 + Send>;

/// A disk, shared between the FUSE thread and the driver.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

struct State {
    image: Image,
    recorder: Option<Recorder>,
    failing: Option<Failing>,
}

/// What a disk refuses with EIO, leaving what it holds as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failing {
    /// Every write and every flush: it is gone, but for what can be read.
    Everything,
    /// Writes that contain these bytes: a bad place under them. All else succeeds, so that the file
    /// system itself notices nothing.
    Holding(Vec<u8>),
}

impl Failing {
    fn refuses(&self, data: &[u8]) -> bool {
        match self {
            Self::Everything => true,
            Self::Holding(bytes) => data.windows(bytes.len().max(1)).any(|place| place == bytes),
        }
    }
}

struct Recorder {
    base: Image,
    events: Vec<Event>,
    stamp: Stamp,
}

/// All that reached a disk while it was recorded.
pub(super) struct Log {
    /// The disk before.
    pub(super) base: Image,
    pub(super) events: Vec<Event>,
    /// What the stamp said at the end.
    pub(super) stamp: u64,
}

impl Disk {
    pub(super) fn new(image: Image) -> Self {
        Self(Arc::new(Mutex::new(State { image, recorder: None, failing: None })))
    }

    /// Begins to log.
    pub(super) fn record(&self, stamp: Stamp) {
        let mut state = self.lock();
        state.recorder = Some(Recorder { base: state.image.clone(), events: Vec::new(), stamp });
    }

    /// Ends the log, as by a power cut at this instant; `None` if there is none.
    pub(super) fn stop(&self) -> Option<Log> {
        // Under the lock, so that no flush comes between the stamp and the end.
        let mut state = self.lock();
        let Recorder { base, events, stamp } = state.recorder.take()?;
        Some(Log { base, events, stamp: stamp() })
    }

    /// What it holds now.
    pub(super) fn image(&self) -> Image {
        self.lock().image.clone()
    }

    /// Exchanges the content. Nothing may be mounted on the disk.
    pub(super) fn put(&self, image: Image) {
        self.lock().image = image;
    }

    /// Fails like this from now on; with `None` no more.
    pub(super) fn fail(&self, failing: Option<Failing>) {
        self.lock().failing = failing;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attr(&self, inode: INodeNo) -> FileAttr {
        let root = inode == INodeNo::ROOT;
        let size = if root { 0 } else { self.lock().image.length() };
        FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if root { FileType::Directory } else { FileType::RegularFile },
            perm: if root { 0o700 } else { 0o600 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK as u32,
            flags: 0,
        }
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _req: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&TTL, &self.attr(INODE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _req: &Request, inode: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attr(inode));
    }

    fn open(&self, _req: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Past the page cache: the content is exchanged behind the kernel's back, and is in memory
        // anyway.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _req: &Request,
        _inode: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let data = self.lock().image.read(offset, size as usize);
        reply.data(&data);
    }

    fn write(
        &self,
        _req: &Request,
        _inode: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.lock();
        if state.failing.as_ref().is_some_and(|failing| failing.refuses(data)) {
            return reply.error(Errno::EIO);
        }
        state.image.write(offset, data);
        if let Some(recorder) = &mut state.recorder {
            recorder.events.push(Event::Write { offset, data: data.to_vec() });
        }
        drop(state);
        reply.written(data.len() as u32);
    }

    /// Where the loop device's flushes arrive.
    fn fsync(
        &self,
        _req: &Request,
        _inode: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let mut state = self.lock();
        if state.failing == Some(Failing::Everything) {
            return reply.error(Errno::EIO);
        }
        if let Some(recorder) = &mut state.recorder {
            let stamp = (recorder.stamp)();
            recorder.events.push(Event::Flush { stamp });
        }
        drop(state);
        reply.ok();
    }

    fn flush(
        &self,
        _req: &Request,
        _inode: INodeNo,
        _fh: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }
}
