//! The simulated disk as a file system.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use piton_durable::fs::{Existing, Fs, FsFile, FsSync, Open, Stat, parent_dir};

use super::dirs::{Names, is_root};
use super::fault::{Crash, Failure, Fault, Step, When, dead};
use super::file::Node;
use super::handle::SimFile;
use super::rng::Rng;

/// What one operation takes, in nanoseconds.
const OPERATION: u64 = 100_000;
/// After how long somebody else comes and tampers.
const LATER: u64 = 1_000_000_000;

/// A disk in memory. Clones are the same disk. There is one directory, `/`, unless more are created.
#[derive(Clone)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) nodes: BTreeMap<u64, Node>,
    names: Names,
    /// Its clock, in nanoseconds.
    pub(super) now: u64,
    /// Whether it says when a file was created.
    pub(super) tells_births: bool,
    umask: u32,
    /// What names stand for: of each file another number, which programs do not see.
    next_node: u64,
    next_handle: u64,
    /// Which process runs: handles of an earlier one are dead.
    pub(super) process: u64,
    /// See [`SimDisk::overlaid`].
    pub(super) overlaid: bool,
    /// See [`SimDisk::ignore_locks`].
    pub(super) locks_do_nothing: bool,
    down: bool,
    operations: u64,
    faults: Vec<Fault>,
}

impl SimDisk {
    /// An empty disk whose every choice follows from `seed`.
    pub fn seeded(seed: u64) -> Self {
        let world = World {
            rng: Rng::new(seed),
            nodes: BTreeMap::new(),
            names: Names::default(),
            now: 1,
            tells_births: true,
            umask: 0o022,
            next_node: 1,
            next_handle: 1,
            process: 1,
            overlaid: false,
            locks_do_nothing: false,
            down: false,
            operations: 0,
            faults: Vec::new(),
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// As [`SimDisk::seeded`]; how the sync of all of it ended is told by the sync of each file only.
    pub fn overlaid(seed: u64) -> Self {
        let disk = Self::seeded(seed);
        disk.world().overlaid = true;
        disk
    }

    /// From now on it does not say when a file was created, as some file systems.
    pub fn hide_births(&self) {
        self.world().tells_births = false;
    }

    /// From now on every lock is granted to everybody.
    pub fn ignore_locks(&self) {
        self.world().locks_do_nothing = true;
    }

    /// From now on new files lack these permission bits.
    pub fn set_umask(&self, umask: u32) {
        self.world().umask = umask;
    }

    /// The file at `path` belongs to this user, with this mode.
    pub fn give(&self, path: impl AsRef<Path>, user: u32, mode: u32) {
        let mut world = self.world();
        let node = world.names.live.get(path.as_ref()).copied();
        if let Some(node) = node.and_then(|node| world.nodes.get_mut(&node)) {
            (node.owner.user, node.mode) = (user, mode);
        }
    }

    /// The file at `path` has this name too, durably.
    pub fn link(&self, path: impl AsRef<Path>, other: impl AsRef<Path>) {
        let mut world = self.world();
        if let Some(node) = world.names.live.get(path.as_ref()).copied() {
            world.names.settle(other.as_ref().to_owned(), node);
        }
    }

    /// What is at `path`, without counting.
    pub fn about(&self, path: impl AsRef<Path>) -> Option<Stat> {
        let world = self.world();
        world.look(*world.names.live.get(path.as_ref())?)
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.world().faults.push(fault);
    }

    /// How many operations there were since the start or the last [`SimDisk::restart`].
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Whether the process has died.
    pub fn is_down(&self) -> bool {
        self.world().down
    }

    /// Kills the process or cuts the power now.
    pub fn crash(&self, crash: Crash) {
        self.world().die(crash);
    }

    /// Starts a new process: no faults, operations counted from 1. One that still runs is killed.
    pub fn restart(&self) {
        let mut world = self.world();
        if !world.down {
            world.die(Crash::Kill);
        }
        world.down = false;
        world.process += 1;
        world.operations = 0;
        world.faults.clear();
    }

    /// The bytes that a program would read at `path`.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let world = self.world();
        world.node(path.as_ref()).filter(|node| !node.is_dir).map(|node| node.live.clone())
    }

    /// Puts a file there, durably and without counting: for preparing and for tampering. A file that
    /// is there keeps its identity.
    pub fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let mut world = self.world();
        world.settle_above(path.as_ref());
        world.now += LATER;
        let known = world.names.live.get(path.as_ref()).copied();
        let node = known.unwrap_or_else(|| world.new_node(0o644));
        world.settle(node, path.as_ref(), bytes);
    }

    /// Another file takes the place of the one at `path`, which is removed first. So it gets the inode
    /// number of that, unless somebody has that open.
    pub fn exchange(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let mut world = self.world();
        world.now += LATER;
        world.names.live.remove(path.as_ref());
        let node = world.new_node(0o644);
        world.settle(node, path.as_ref(), bytes);
    }

    /// A bit of the byte at this place flips, and nothing else tells of it.
    pub fn rot(&self, path: impl AsRef<Path>, at: usize) {
        let mut world = self.world();
        let node = world.names.live.get(path.as_ref()).copied();
        if let Some(node) = node.and_then(|node| world.nodes.get_mut(&node)) {
            node.rot(at);
        }
    }

    /// The names of files that programs see, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        let world = self.world();
        let is_dir = |path: &Path| world.node(path).is_some_and(|node| node.is_dir);
        world.names.live.keys().filter(|path| !is_dir(path)).cloned().collect()
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle of the running process.
    fn handle(&self, world: &mut World, inode: u64) -> Arc<dyn FsFile> {
        world.next_handle += 1;
        let (handle, process) = (world.next_handle, world.process);
        if let Some(node) = world.nodes.get_mut(&inode) {
            node.handles.insert(handle);
        }
        Arc::new(SimFile { disk: self.clone(), inode, handle, process })
    }

    /// Counts an operation of the running process and does it as the faults have it.
    pub(super) fn operate<T>(
        &self,
        process: Option<u64>,
        work: impl FnOnce(&mut World, Step) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut world = self.world();
        if world.down || process.is_some_and(|process| process != world.process) {
            return Err(dead());
        }
        let step = world.step();
        match step {
            Step::Last(crash, When::Before) => {
                world.die(crash);
                Err(dead())
            }
            Step::Last(crash, _) => {
                let unseen = work(&mut world, step);
                world.die(crash);
                // A handle that was opened unlocks the disk to be dropped.
                drop(world);
                drop(unseen);
                Err(dead())
            }
            _ => work(&mut world, step),
        }
    }
}

/// For operations that do nothing when they fail.
pub(super) fn refuse(step: Step) -> io::Result<()> {
    match step {
        Step::Fail(code) => Err(io::Error::from_raw_os_error(code)),
        _ => Ok(()),
    }
}

/// How much of a transfer of `len` bytes is made.
pub(super) fn part_of(step: Step, len: usize) -> usize {
    match step {
        Step::Half | Step::Last(_, When::Half) if len > 1 => len / 2,
        _ => len,
    }
}

impl World {
    fn step(&mut self) -> Step {
        self.operations += 1;
        self.now += OPERATION;
        let now = self.operations;
        match self.faults.iter().find(|fault| fault.at == now).map(|fault| fault.failure) {
            None => Step::Whole,
            Some(Failure::Crash(crash, when)) => Step::Last(crash, when),
            Some(Failure::Error(code)) => Step::Fail(code),
            Some(Failure::Short) => Step::Half,
        }
    }

    fn die(&mut self, crash: Crash) {
        self.down = true;
        if crash == Crash::Power {
            self.names.cut(&mut self.rng);
            for node in self.nodes.values_mut() {
                node.cut(&mut self.rng);
            }
        }
        for node in self.nodes.values_mut() {
            node.locked_by = None;
            node.handles.clear();
        }
        self.collect();
    }

    /// Frees the files that no name can stand for any more.
    fn collect(&mut self) {
        let reachable = self.names.reachable();
        self.nodes.retain(|inode, _| reachable.contains(inode));
    }

    /// All bytes and names become durable; or the system forgets what it could not write.
    pub(super) fn sync(&mut self, step: Step) -> io::Result<FsSync> {
        if let Step::Fail(code) = step {
            for node in self.nodes.values_mut() {
                if self.overlaid && node.is_dirty() {
                    node.untold = Some(code);
                }
                node.fail_sync();
            }
        }
        match (refuse(step), self.overlaid) {
            (Ok(()), _) => {
                for node in self.nodes.values_mut() {
                    node.sync();
                    node.committed = true;
                }
                self.names.sync_all();
            }
            (Err(_), true) => {}
            (Err(error), false) => return Err(error),
        }
        Ok(if self.overlaid { FsSync::NotTold } else { FsSync::Proven })
    }

    /// The bytes of one file become durable, or the system forgets them.
    pub(super) fn sync_one(&mut self, inode: u64, step: Step) -> io::Result<()> {
        let named = self.names.live.values().any(|named| *named == inode);
        let node = self.nodes.get_mut(&inode).ok_or_else(dead)?;
        if let Err(error) = refuse(step) {
            node.fail_sync();
            return Err(error);
        }
        node.sync();
        node.committed |= named;
        match node.untold.take() {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Ok(()),
        }
    }

    /// Gives a file without a name this one.
    pub(super) fn link(&mut self, inode: u64, path: &Path) -> io::Result<()> {
        self.has_place_for(path)?;
        if self.inode(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.names.change(vec![(path.to_owned(), Some(inode))]);
        self.changed(inode);
        Ok(())
    }

    /// A new file, which has the lowest inode number that is free: that of one that was removed if there
    /// is any, at once, as on ext4.
    fn new_node(&mut self, mode: u32) -> u64 {
        let named: BTreeSet<u64> = self.names.live.values().copied().collect();
        let taken =
            self.nodes.iter().filter(|(key, node)| named.contains(key) || !node.handles.is_empty());
        let taken: BTreeSet<u64> = taken.map(|(_, node)| node.number()).collect();
        let number = (1..).find(|number| !taken.contains(number)).unwrap_or_default();
        self.next_node += 1;
        self.nodes.insert(self.next_node, Node::new(number, self.now, mode & !self.umask));
        self.next_node
    }

    /// What a program is told of a file.
    pub(super) fn look(&self, inode: u64) -> Option<Stat> {
        let links = self.names.live.values().filter(|named| **named == inode).count() as u64;
        self.nodes.get(&inode).map(|node| node.stat(self.tells_births, links))
    }

    fn new_dir(&mut self) -> u64 {
        let key = self.new_node(0o755);
        if let Some(node) = self.nodes.get_mut(&key) {
            node.is_dir = true;
        }
        key
    }

    /// The file has these bytes and this name, durably.
    fn settle(&mut self, node: u64, path: &Path, bytes: &[u8]) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&node) {
            node.settle(bytes.to_vec());
            node.change(now);
        }
        self.names.settle(path.to_owned(), node);
    }

    /// Something about the file changed.
    fn changed(&mut self, node: u64) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&node) {
            node.change(now);
        }
    }

    fn node(&self, path: &Path) -> Option<&Node> {
        self.nodes.get(self.names.live.get(path)?)
    }

    /// Whether the directory is there in which `path` is to be.
    fn has_place_for(&self, path: &Path) -> io::Result<()> {
        let above = parent_dir(path);
        match is_root(above) || self.node(above).is_some_and(|node| node.is_dir) {
            true => Ok(()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The directories above `path` have always been there.
    fn settle_above(&mut self, path: &Path) {
        let above: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_owned).collect();
        for dir in above.into_iter().rev().filter(|dir| !is_root(dir)) {
            if self.node(&dir).is_none() {
                let inode = self.new_dir();
                self.names.settle(dir, inode);
            }
        }
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.names.live.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Fs for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        self.operate(None, |world, step| {
            refuse(step)?;
            let inode = match (world.inode(path), how) {
                (Ok(_), Open::CreateNew { .. }) => {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                (Ok(inode), _) => inode,
                (Err(_), Open::Create { mode } | Open::CreateNew { mode }) => {
                    world.has_place_for(path)?;
                    let inode = world.new_node(mode);
                    world.names.change(vec![(path.to_owned(), Some(inode))]);
                    inode
                }
                (Err(error), _) => return Err(error),
            };
            Ok(self.handle(world, inode))
        })
    }

    fn create_unnamed(&self, dir: &Path, mode: u32) -> io::Result<Arc<dyn FsFile>> {
        self.operate(None, |world, step| {
            refuse(step)?;
            world.has_place_for(&dir.join("file"))?;
            let inode = world.new_node(mode);
            let committed = !world.overlaid;
            if let Some(node) = world.nodes.get_mut(&inode) {
                node.committed = committed;
            }
            Ok(self.handle(world, inode))
        })
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.operate(None, |world, step| {
            refuse(step)?;
            if is_root(path) {
                return Ok(Some(Node::dir(1, 1).stat(world.tells_births, 1)));
            }
            let Ok(inode) = world.inode(path) else { return Ok(None) };
            Ok(world.look(inode))
        })
    }

    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        self.operate(None, |world, step| {
            refuse(step)?;
            let inode = world.inode(from)?;
            world.has_place_for(to)?;
            if existing == Existing::Keep && world.inode(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            // The blocks that this frees are the first ones that the new file gets when it grows.
            if let Some(freed) = world.node(to).map(|node| node.live.clone())
                && let Some(node) = world.nodes.get_mut(&inode)
            {
                node.recycled = freed;
            }
            world.names.change(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]);
            world.changed(inode);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(None, |world, step| {
            refuse(step)?;
            world.inode(path)?;
            world.names.change(vec![(path.to_owned(), None)]);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(None, |world, step| {
            refuse(step)?;
            world.names.sync(dir);
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.operate(None, |world, step| {
            refuse(step)?;
            let names = world.names.live.keys().filter(|path| path.parent() == Some(dir));
            Ok(names.filter_map(|path| path.file_name().map(PathBuf::from)).collect())
        })
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(None, |world, step| {
            refuse(step)?;
            world.has_place_for(dir)?;
            if is_root(dir) || world.inode(dir).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = world.new_dir();
            world.names.change(vec![(dir.to_owned(), Some(inode))]);
            Ok(())
        })
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.operate(None, |world, step| {
            refuse(step)?;
            match is_root(path) {
                true => Ok(path.to_owned()),
                false => world.inode(path).map(|_| path.to_owned()),
            }
        })
    }

    fn user(&self) -> u32 {
        0
    }

    fn new_file_mode(&self, _dir: &Path) -> io::Result<u32> {
        self.operate(None, |world, step| {
            refuse(step)?;
            Ok(0o666 & !world.umask)
        })
    }

    fn random(&self) -> io::Result<u64> {
        self.operate(None, |world, step| {
            refuse(step)?;
            Ok(world.rng.next())
        })
    }
}
