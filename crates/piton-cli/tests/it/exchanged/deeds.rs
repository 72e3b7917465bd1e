//! What somebody does to the files of a download.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::urls::NAME;

/// What the target of a link, a folder and a file that somebody else puts there hold.
const STRANGE: &[u8] = b"a stranger's";

/// Part and journal as they were, or as another download has them.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) part: Vec<u8>,
    pub(super) journal: Vec<u8>,
}

impl Pair {
    /// What is there now, if both are.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let part = fs::read(folder.join(format!("{NAME}.part"))).ok()?;
        let journal = fs::read(folder.join(format!("{NAME}.piton"))).ok()?;
        Some(Self { part, journal })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    RemovePart,
    RemoveJournal,
    RemoveBoth,
    MoveThePartAway,
    MoveTheJournalAway,
    /// A copy with zeros in it, as another file under the name.
    SpoiledPart,
    /// A copy of an earlier time, as another file under the name.
    OlderPart,
    OlderJournal,
    /// Both, of one moment between two runs.
    OlderBoth,
    ForeignPart,
    ForeignJournal,
    ForeignBoth,
    Folder,
    Link,
    Fifo,
    LinkForTheJournal,
    FifoForTheJournal,
    FinalName,
    FifoForTheFinalName,
    // Into the same file: that is promised to be found between two runs only.
    SpoiledPartInPlace,
    OlderPartInPlace,
    OlderBothInPlace,
    ForeignPartInPlace,
}

use Deed::*;

impl Deed {
    /// What of the download it is about.
    fn names(self) -> &'static [&'static str] {
        match self {
            RemovePart | MoveThePartAway | SpoiledPart | OlderPart | ForeignPart | Folder
            | Link | Fifo | SpoiledPartInPlace | OlderPartInPlace | ForeignPartInPlace => {
                &[".part"]
            }
            RemoveJournal | MoveTheJournalAway | OlderJournal | ForeignJournal
            | LinkForTheJournal | FifoForTheJournal => &[".piton"],
            RemoveBoth | OlderBoth | ForeignBoth | OlderBothInPlace => &[".part", ".piton"],
            FinalName | FifoForTheFinalName => &[""],
        }
    }
}

pub(super) const WHILE_IT_RUNS: [Deed; 19] = [
    RemovePart,
    RemoveJournal,
    RemoveBoth,
    MoveThePartAway,
    MoveTheJournalAway,
    SpoiledPart,
    OlderPart,
    OlderJournal,
    OlderBoth,
    ForeignPart,
    ForeignJournal,
    ForeignBoth,
    Folder,
    Link,
    Fifo,
    LinkForTheJournal,
    FifoForTheJournal,
    FinalName,
    FifoForTheFinalName,
];

pub(super) const ONLY_BETWEEN: [Deed; 4] =
    [SpoiledPartInPlace, OlderPartInPlace, OlderBothInPlace, ForeignPartInPlace];

/// One who does it, and looks whether what is his stays.
pub(super) struct Meddler<'a> {
    folder: &'a Path,
    /// A folder that no download knows, on the same file system.
    stash: PathBuf,
    foreign: &'a Pair,
    pub(super) backup: Option<Pair>,
    turn: u32,
    /// What is his under names of the download.
    strange: Vec<PathBuf>,
}

impl<'a> Meddler<'a> {
    pub(super) fn new(folder: &'a Path, foreign: &'a Pair) -> Self {
        let stash = folder.with_extension("stash");
        fs::create_dir(&stash).unwrap();
        fs::write(stash.join("target"), STRANGE).unwrap();
        Self { folder, stash, foreign, backup: None, turn: 0, strange: Vec::new() }
    }

    /// Does it, as far as there is something to do it with; what he put there before he leaves alone.
    pub(super) fn does(&mut self, deed: Deed) {
        if deed.names().iter().any(|suffix| self.strange.contains(&self.name(suffix))) {
            return;
        }
        self.turn += 1;
        let (part, journal) = (self.name(".part"), self.name(".piton"));
        let backup = self.backup.clone();
        let foreign = self.foreign;
        match deed {
            RemovePart => remove(&part),
            RemoveJournal => remove(&journal),
            RemoveBoth => [&part, &journal].into_iter().for_each(|name| remove(name)),
            MoveThePartAway => self.moves_away(&part),
            MoveTheJournalAway => self.moves_away(&journal),
            SpoiledPart => self.puts(&part, spoiled(&part).as_deref()),
            OlderPart => self.puts(&part, backup.as_ref().map(|pair| &*pair.part)),
            OlderJournal => self.puts(&journal, backup.as_ref().map(|pair| &*pair.journal)),
            OlderBoth => {
                self.puts(&part, backup.as_ref().map(|pair| &*pair.part));
                self.puts(&journal, backup.as_ref().map(|pair| &*pair.journal));
            }
            ForeignPart => self.puts(&part, Some(&foreign.part)),
            ForeignJournal => self.puts(&journal, Some(&foreign.journal)),
            ForeignBoth => {
                self.puts(&part, Some(&foreign.part));
                self.puts(&journal, Some(&foreign.journal));
            }
            Folder => {
                remove(&part);
                if fs::create_dir(&part).is_ok() {
                    fs::write(part.join("keep"), STRANGE).unwrap();
                    self.strange.push(part);
                }
            }
            Link => self.links(part),
            LinkForTheJournal => self.links(journal),
            Fifo => self.makes_fifo(part),
            FifoForTheJournal => self.makes_fifo(journal),
            FifoForTheFinalName => {
                if fs::symlink_metadata(self.name("")).is_err() {
                    self.makes_fifo(self.name(""));
                }
            }
            FinalName => {
                let name = self.name("");
                let file = fs::OpenOptions::new().write(true).create_new(true).open(&name);
                if let Ok(mut file) = file {
                    std::io::Write::write_all(&mut file, STRANGE).unwrap();
                    self.strange.push(name);
                }
            }
            SpoiledPartInPlace => in_place(&part, spoiled(&part).as_deref()),
            OlderPartInPlace => in_place(&part, backup.as_ref().map(|pair| &*pair.part)),
            OlderBothInPlace => {
                in_place(&part, backup.as_ref().map(|pair| &*pair.part));
                in_place(&journal, backup.as_ref().map(|pair| &*pair.journal));
            }
            ForeignPartInPlace => in_place(&part, Some(&foreign.part)),
        }
    }

    fn name(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{NAME}{suffix}"))
    }

    fn moves_away(&self, name: &Path) {
        let away = self.stash.join(format!("away-{}", self.turn));
        match fs::rename(name, away) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }

    /// Another file under the name, at once.
    fn puts(&self, name: &Path, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return };
        let new = self.stash.join(format!("new-{}", self.turn));
        fs::write(&new, bytes).unwrap();
        fs::rename(new, name).unwrap();
    }

    fn links(&mut self, name: PathBuf) {
        remove(&name);
        if std::os::unix::fs::symlink(self.stash.join("target"), &name).is_ok() {
            self.strange.push(name);
        }
    }

    fn makes_fifo(&mut self, name: PathBuf) {
        remove(&name);
        if mknodat(CWD, &name, FileType::Fifo, Mode::from(0o644), 0).is_ok() {
            self.strange.push(name);
        }
    }

    /// What is his is as he left it.
    pub(super) fn check(&self) -> Result<(), String> {
        let holds = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes == STRANGE);
        if !holds(&self.stash.join("target")) {
            return Err("the target of a link was written to".to_owned());
        }
        for name in &self.strange {
            let kind = fs::symlink_metadata(name).map(|it| it.file_type());
            let there = match kind {
                Ok(kind) if kind.is_dir() => holds(&name.join("keep")),
                Ok(kind) if kind.is_file() => holds(name),
                Ok(_) => true,
                Err(_) => false,
            };
            // Of a name that is piton's own, something else may be set aside, and is still there.
            if !there && !self.is_set_aside(name) {
                return Err(format!("{} is no longer what a stranger put there", name.display()));
            }
        }
        Ok(())
    }

    fn is_set_aside(&self, name: &Path) -> bool {
        let start = format!("{}.", name.file_name().unwrap().to_string_lossy());
        let entries = fs::read_dir(self.folder).unwrap().map(|entry| entry.unwrap());
        entries.into_iter().any(|entry| {
            entry.file_name().to_string_lossy().starts_with(&start)
                && !entry.file_type().unwrap().is_file()
        })
    }

    /// Takes away what is his.
    pub(super) fn goes(&mut self) {
        for name in self.strange.drain(..) {
            match fs::symlink_metadata(&name) {
                Ok(it) if it.is_dir() => fs::remove_dir_all(&name).unwrap(),
                Ok(it) if !it.is_file() || fs::read(&name).unwrap() == STRANGE => {
                    fs::remove_file(&name).unwrap();
                }
                _ => {}
            }
        }
    }
}

fn remove(name: &Path) {
    match fs::remove_file(name) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", name.display()),
        _ => {}
    }
}

/// A quarter of what is there is zeros.
fn spoiled(name: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(name).ok()?;
    let len = bytes.len();
    bytes[len / 8..len / 8 + len / 4].fill(0);
    Some(bytes)
}

fn in_place(name: &Path, bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes.filter(|_| name.is_file()) {
        fs::write(name, bytes).unwrap();
    }
}
