//! An open file of the simulated disk.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use piton_durable::fs::{FsFile, FsSync, Owner, Stat, read_full_at};

use super::fault::{Step, dead};
use super::file::Node;
use super::rng::Rng;
use super::sim::{SimDisk, World, part_of, refuse};

/// A file that a process has open. It is dead once its process is.
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) inode: u64,
    pub(super) handle: u64,
    pub(super) process: u64,
}

impl SimFile {
    /// One operation on this file.
    fn operate<T>(
        &self,
        work: impl FnOnce(&mut Node, &mut Rng, Step) -> io::Result<T>,
    ) -> io::Result<T> {
        self.operate_at(|node, rng, step, _| work(node, rng, step))
    }

    /// One operation that changes this file, unless it fails.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut Node, &mut Rng, Step) -> io::Result<T>,
    ) -> io::Result<T> {
        self.operate_at(|node, rng, step, now| {
            refuse(step)?;
            let done = work(node, rng, step)?;
            node.change(now);
            Ok(done)
        })
    }

    fn operate_at<T>(
        &self,
        work: impl FnOnce(&mut Node, &mut Rng, Step, u64) -> io::Result<T>,
    ) -> io::Result<T> {
        self.disk.operate(Some(self.process), |world, step| {
            let World { nodes, rng, now, .. } = world;
            let node = nodes.get_mut(&self.inode).ok_or_else(dead)?;
            work(node, rng, step, *now)
        })
    }
}

/// What `source` has of this range.
fn read_range(source: &dyn FsFile, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; place(range.end.saturating_sub(range.start))?];
    let read = read_full_at(source, &mut bytes, range.start)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A position in memory.
fn place(at: u64) -> io::Result<usize> {
    usize::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl FsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.operate(|node, _, step| {
            refuse(step)?;
            let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(node.live.len());
            let len = part_of(step, buf.len().min(node.live.len() - offset));
            buf[..len].copy_from_slice(&node.live[offset..offset + len]);
            Ok(len)
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.change(|node, rng, step| {
            let offset = usize::try_from(offset)
                .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            let len = part_of(step, buf.len());
            node.write(&buf[..len], offset);
            node.write_back_one(rng);
            Ok(len)
        })
    }

    fn copy_from(&self, source: &dyn FsFile, range: Range<u64>) -> io::Result<Option<u64>> {
        let bytes = read_range(source, &range)?;
        self.change(|node, rng, step| {
            let len = part_of(step, bytes.len());
            node.write(&bytes[..len], place(range.start)?);
            node.write_back_one(rng);
            Ok(Some(len as u64))
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.operate(Some(self.process), |world, step| world.sync_one(self.inode, step))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn syncs_alone(&self) -> bool {
        !self.disk.world().overlaid
    }

    fn sync_fs(&self, _dir: &Path) -> io::Result<FsSync> {
        self.disk.operate(Some(self.process), World::sync)
    }

    fn link_to(&self, path: &Path) -> io::Result<()> {
        self.disk.operate(Some(self.process), |world, step| {
            refuse(step)?;
            world.link(self.inode, path)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|node, _, _| {
            let len =
                usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            node.set_len(len);
            Ok(())
        })
    }

    fn reserve(&self, _range: Range<u64>) -> io::Result<bool> {
        self.change(|_, _, _| Ok(true))
    }

    fn release(&self, range: Range<u64>) -> io::Result<()> {
        self.change(|node, rng, _| {
            let len = node.live.len();
            let place = |at| usize::try_from(at).unwrap_or(usize::MAX).min(len);
            let (start, end) = (place(range.start), place(range.end));
            node.write(&vec![0; end - start], start);
            node.write_back_one(rng);
            Ok(())
        })
    }

    fn start_writeback(&self, _offset: u64, _len: u64) {
        let _ = self.operate(|node, rng, _| {
            node.write_back_one(rng);
            Ok(())
        });
    }

    fn stat(&self) -> io::Result<Stat> {
        self.disk.operate(Some(self.process), |world, step| {
            refuse(step)?;
            world.look(self.inode).ok_or_else(dead)
        })
    }

    fn try_lock(&self) -> io::Result<bool> {
        let granted = self.operate(|node, _, step| {
            refuse(step)?;
            Ok(*node.locked_by.get_or_insert(self.handle) == self.handle)
        })?;
        Ok(granted || self.disk.world().locks_do_nothing)
    }

    fn is_locked(&self) -> bool {
        !self.disk.world().locks_do_nothing
    }

    fn lock_holder(&self) -> Option<u32> {
        let world = self.disk.world();
        let locked = world.nodes.get(&self.inode)?.locked_by.is_some();
        locked.then(|| u32::try_from(world.process).unwrap_or(u32::MAX))
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.change(|node, _, _| {
            node.mode = mode;
            Ok(())
        })
    }

    fn set_owner(&self, owner: Owner) -> io::Result<()> {
        self.change(|node, _, _| {
            node.owner = owner;
            Ok(())
        })
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.change(|node, _, _| {
            node.modified = time;
            Ok(())
        })
    }

    fn set_attribute(&self, name: &str, value: &[u8]) -> io::Result<bool> {
        self.change(|node, _, _| {
            node.attributes.insert(name.to_owned(), value.to_vec());
            Ok(true)
        })
    }

    fn attribute(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.operate(|node, _, step| refuse(step).map(|()| node.attributes.get(name).cloned()))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut world = self.disk.world();
        if let Some(node) = world.nodes.get_mut(&self.inode) {
            node.handles.remove(&self.handle);
            if node.locked_by == Some(self.handle) {
                node.locked_by = None;
            }
        }
    }
}
