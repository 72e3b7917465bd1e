//! The target folder, and the folders below it that items need.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use piton_durable::dirs::{self, DirError};
use piton_durable::fs::{Fs, LeadsOut};
use piton_durable::part::Durability;
use piton_durable::room;

use super::{FolderError, TargetPath};

/// The number of folders to remember as existing; after that, all are forgotten and checked again.
const REMEMBERED: usize = 16_384;

/// The target folder, and the folders below it that items need. Clones share what they know.
///
/// A folder is used only if it really is inside the target folder: a symbolic link that leads out is
/// refused, even one that somebody puts in place of a folder while items are downloaded to it
/// ([`Fs::beneath`]).
#[derive(Clone)]
pub struct Folder {
    shared: Arc<Shared>,
}

struct Shared {
    /// Limited to the target folder, and nothing outside it.
    fs: Arc<dyn Fs>,
    root: PathBuf,
    /// What a folder must survive before a file in it counts as done (G1).
    durability: Durability,
    there: Mutex<HashSet<String>>,
    /// Only one thread creates folders at a time: no one may find a folder that is not durable yet.
    making: Mutex<()>,
}

impl Folder {
    /// The folder at `path`, created if it does not exist. Blocks.
    ///
    /// # Errors
    /// [`FolderError`] if it cannot be created, or is a file.
    pub fn open(fs: Arc<dyn Fs>, path: &Path, durability: Durability) -> Result<Self, FolderError> {
        make(&*fs, path, durability, |_| false)?;
        Self::at(fs, path, durability)
    }

    /// The folder at `path`, which must exist.
    ///
    /// # Errors
    /// [`FolderError`] if it does not exist, or is a file.
    pub fn find(fs: Arc<dyn Fs>, path: &Path) -> Result<Self, FolderError> {
        match fs.stat(path).map_err(io("look at", path))? {
            Some(stat) if !stat.is_dir => Err(FolderError::NotAFolder { path: path.to_owned() }),
            _ => Self::at(fs, path, Durability::Power),
        }
    }

    fn at(fs: Arc<dyn Fs>, path: &Path, durability: Durability) -> Result<Self, FolderError> {
        let root = fs.canonicalize(path).map_err(io("find", path))?;
        let fs = fs.beneath(&root).map_err(io("open", &root))?.unwrap_or(fs);
        let (there, making) = Default::default();
        Ok(Self { shared: Arc::new(Shared { fs, root, durability, there, making }) })
    }

    /// Its path: absolute, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.shared.root
    }

    /// The files in it. Paths start with [`Folder::path`], and none leads out.
    pub fn fs(&self) -> &Arc<dyn Fs> {
        &self.shared.fs
    }

    /// The full path of a target.
    pub fn join(&self, target: &TargetPath) -> PathBuf {
        self.shared.root.join(target)
    }

    /// Whether the folder of `target` is known to exist, so that [`Folder::prepare`] has nothing to do.
    /// Does not block.
    pub fn has_room_for(&self, target: &TargetPath) -> bool {
        target.folder().is_none_or(|folder| self.there().contains(folder))
    }

    /// Creates the folder of `target`. Blocks.
    ///
    /// # Errors
    /// [`FolderError`] if it leads out, a file is in its place, or the system refuses.
    pub fn prepare(&self, target: &TargetPath) -> Result<(), FolderError> {
        let Some(folder) = target.folder() else { return Ok(()) };
        let shared = &self.shared;
        let _making = shared.making.lock().unwrap_or_else(PoisonError::into_inner);
        let path = shared.root.join(folder);
        let known = |at: &Path| match at.strip_prefix(&shared.root).map(Path::to_str) {
            Ok(Some(below)) => below.is_empty() || self.there().contains(below),
            _ => false,
        };
        make(&*shared.fs, &path, shared.durability, known)?;
        let mut there = self.there();
        if there.len() >= REMEMBERED {
            there.clear();
        }
        there.insert(folder.to_owned());
        Ok(())
    }

    /// Writes and removes a small file, to find out whether the disk is full, or only something large did
    /// not fit. Blocks.
    ///
    /// # Errors
    /// The error of the system if the disk accepts nothing more.
    pub fn probe(&self) -> io::Result<()> {
        room::probe(&*self.shared.fs, &self.shared.root)
    }

    fn there(&self) -> MutexGuard<'_, HashSet<String>> {
        self.shared.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(
    fs: &dyn Fs,
    path: &Path,
    durability: Durability,
    known: impl Fn(&Path) -> bool,
) -> Result<(), FolderError> {
    dirs::create_below(fs, path, durability, known).map_err(|error| {
        let DirError { what, path, source } = error;
        if let Some(out) = source.get_ref().and_then(|error| error.downcast_ref::<LeadsOut>()) {
            return FolderError::LeadsOut { path, to: out.to.clone() };
        }
        match source.kind() {
            io::ErrorKind::NotADirectory => FolderError::NotAFolder { path },
            _ => FolderError::Io { what, path, source },
        }
    })
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use piton_durable::fs::OsFs;

    use super::*;
    use crate::name::Naming;

    fn target(text: &str) -> TargetPath {
        let mut item = crate::item::tests::item("http://a.test/");
        item.out = Some(text.to_owned());
        TargetPath::of(&item, Naming::Flat, Path::new("/")).unwrap()
    }

    fn open(path: &Path) -> Folder {
        Folder::open(Arc::new(OsFs), path, Durability::Power).unwrap()
    }

    #[test]
    fn folders_are_made_and_remembered() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = open(&scratch.path().join("new/er"));
        let deep = target("a/b/c.bin");
        assert!(folder.has_room_for(&target("c.bin")) && !folder.has_room_for(&deep));
        folder.prepare(&deep).unwrap();
        assert!(folder.has_room_for(&deep) && folder.join(&deep).parent().unwrap().is_dir());
        // A second handle finds it on the disk.
        open(folder.path()).prepare(&deep).unwrap();
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "files of a test")]
    fn a_file_in_the_way_and_a_link_that_leads_out_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let (inside, outside) = (scratch.path().join("in"), scratch.path().join("out"));
        let folder = open(&inside);
        std::fs::create_dir(&outside).unwrap();
        std::fs::create_dir(inside.join("real")).unwrap();
        std::fs::write(inside.join("file"), "x").unwrap();
        symlink(&outside, inside.join("away")).unwrap();
        symlink(inside.join("real"), inside.join("near")).unwrap();
        symlink(scratch.path().join("gone"), inside.join("dangling")).unwrap();
        let prepared = |text: &str| folder.prepare(&target(text));
        assert!(matches!(prepared("file/x/y"), Err(FolderError::NotAFolder { .. })));
        assert!(matches!(prepared("away/x/y"), Err(FolderError::LeadsOut { .. })));
        assert!(matches!(prepared("away/y"), Err(FolderError::LeadsOut { .. })));
        assert!(matches!(prepared("dangling/y"), Err(FolderError::Io { .. })));
        prepared("near/x/y").unwrap();
        assert!(inside.join("real/x").is_dir());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(!scratch.path().join("gone").exists());
    }

    #[test]
    fn a_path_that_no_file_system_takes_makes_no_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = open(scratch.path());
        let long = target(&format!("{}x", format!("{}/", "d".repeat(200)).repeat(30)));
        let Err(FolderError::Io { source, .. }) = folder.prepare(&long) else { panic!() };
        assert_eq!(source.kind(), io::ErrorKind::InvalidFilename);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "files of a test")]
    fn the_target_folder_itself_may_be_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        let real = scratch.path().join("real");
        #[allow(clippy::disallowed_methods, reason = "a folder of a test")]
        std::fs::create_dir(&real).unwrap();
        symlink(&real, scratch.path().join("link")).unwrap();
        let folder = open(&scratch.path().join("link"));
        folder.prepare(&target("a/b")).unwrap();
        assert!(real.join("a").is_dir());
    }
}
