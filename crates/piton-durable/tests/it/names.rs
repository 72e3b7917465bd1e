//! Names that somebody else takes from a download: while it runs, and between two runs.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use piton_durable::crc::crc32c;
use piton_durable::fs::{Existing, Fs, FsFile, Open, OsFs, Stat};
use piton_durable::land::{Landed, Landing, Pipeline};
use piton_durable::part::{
    Durability, Extent, Finish, Foreign, OpenPart, Opened, Part, PartError, Target,
};
use piton_testkit::disk::{Broken, Sabotage, SimDisk};

const LEN: u64 = 10_000;
const FINAL: &str = "/file";
const PART: &str = "/file.part";
const JOURNAL: &str = "/file.piton";
const STRANGER: &[u8] = b"what somebody else put there";

fn target() -> Target {
    Target::new(FINAL.into())
}

fn open(fs: Arc<dyn Fs>) -> Result<Part, PartError> {
    open_as(fs, Durability::Power)
}

fn open_as(fs: Arc<dyn Fs>, durability: Durability) -> Result<Part, PartError> {
    match Part::open(fs, &target(), OpenPart { durability, ..OpenPart::default() })? {
        Opened::Part(part, _) => Ok(part),
        Opened::Finished => panic!("nothing was finished"),
    }
}

/// Of this download every byte is `byte`.
fn put(part: &Part, byte: u8, start: u64, len: u64) -> Result<(), PartError> {
    let bytes = vec![byte; len as usize];
    part.write(&bytes, start)?;
    part.claim(Extent { start, len, crc: crc32c(&bytes) })
}

fn finish(existing: Existing) -> Finish {
    Finish { len: LEN, existing, mode: None, modified: None, attributes: vec![] }
}

fn begun(fs: Arc<dyn Fs>, byte: u8) -> Result<Part, PartError> {
    begun_as(fs, byte, Durability::Power)
}

fn begun_as(fs: Arc<dyn Fs>, byte: u8, durability: Durability) -> Result<Part, PartError> {
    let part = open_as(fs, durability)?;
    part.begin(&[byte], Some(LEN))?;
    put(&part, byte, 0, LEN / 2)?;
    Ok(part)
}

fn is_exchanged<T>(result: Result<T, PartError>, name: &str) -> bool {
    matches!(result, Err(PartError::Exchanged { path }) if path == Path::new(name))
}

/// Somebody removes part and journal of a download under way and starts the same again.
fn start_again(disk: &SimDisk) -> Part {
    disk.remove(PART.as_ref()).unwrap();
    disk.remove(JOURNAL.as_ref()).unwrap();
    begun(Arc::new(disk.clone()), 2).unwrap()
}

#[test]
fn a_download_that_was_started_again_is_not_finished_by_the_first() {
    for existing in [Existing::Keep, Existing::Replace] {
        let disk = SimDisk::seeded(1);
        let first = begun(Arc::new(disk.clone()), 1).unwrap();
        let second = start_again(&disk);
        put(&first, 1, LEN / 2, LEN / 2).unwrap();
        assert!(is_exchanged(first.finish(finish(existing)), PART));
        assert_eq!(disk.bytes(FINAL), None);
        // The second goes on as if nothing had been.
        put(&second, 2, LEN / 2, LEN / 2).unwrap();
        second.checkpoint().unwrap();
        second.finish(finish(existing)).unwrap();
        assert_eq!(disk.bytes(FINAL).unwrap(), vec![2; LEN as usize]);
        assert_eq!(disk.paths(), [Path::new(FINAL)]);
    }
}

#[test]
fn a_checkpoint_finds_that_a_name_is_gone_or_exchanged() {
    type Tamper = fn(&SimDisk);
    let cases: [(&str, Tamper); 4] = [
        (PART, |disk| disk.remove(PART.as_ref()).unwrap()),
        (JOURNAL, |disk| disk.remove(JOURNAL.as_ref()).unwrap()),
        (PART, |disk| disk.exchange(PART, STRANGER)),
        (JOURNAL, |disk| disk.exchange(JOURNAL, STRANGER)),
    ];
    for (name, tamper) in cases {
        let disk = SimDisk::seeded(1);
        let part = begun(Arc::new(disk.clone()), 1).unwrap();
        part.checkpoint().unwrap();
        tamper(&disk);
        let before: Vec<_> = disk.paths().iter().map(|path| disk.bytes(path)).collect();
        assert!(is_exchanged(part.checkpoint(), name));
        assert!(is_exchanged(put(&part, 1, LEN / 2, 10), name), "nothing is written any more");
        assert!(is_exchanged(part.forget(0..10), name));
        assert!(is_exchanged(part.finish(finish(Existing::Replace)), name));
        let after: Vec<_> = disk.paths().iter().map(|path| disk.bytes(path)).collect();
        assert_eq!(before, after);
    }
}

/// The new journal of a compaction would take the place of the stranger's.
#[test]
fn a_compaction_replaces_no_journal_but_its_own() {
    let disk = SimDisk::seeded(1);
    let part = begun(Arc::new(disk.clone()), 1).unwrap();
    disk.exchange(JOURNAL, STRANGER);
    assert!(is_exchanged(part.forget(0..10), JOURNAL));
    assert_eq!(disk.bytes(JOURNAL).unwrap(), STRANGER);

    // Nor does a beginning.
    let disk = SimDisk::seeded(1);
    let part = open(Arc::new(disk.clone())).unwrap();
    disk.put(JOURNAL, STRANGER);
    assert!(is_exchanged(part.begin(b"meta", None), JOURNAL));
    assert_eq!(disk.bytes(JOURNAL).unwrap(), STRANGER);
}

#[test]
fn what_is_given_up_takes_no_file_of_others_with_it() {
    // Discarded.
    let disk = SimDisk::seeded(1);
    let part = begun(Arc::new(disk.clone()), 1).unwrap();
    disk.exchange(PART, STRANGER);
    assert!(is_exchanged(part.discard(), PART));
    assert_eq!(disk.bytes(PART).unwrap(), STRANGER);

    let disk = SimDisk::seeded(1);
    let part = begun(Arc::new(disk.clone()), 1).unwrap();
    disk.exchange(JOURNAL, STRANGER);
    assert!(is_exchanged(part.discard(), JOURNAL));
    assert_eq!(disk.paths(), [Path::new(JOURNAL)]);
    assert_eq!(disk.bytes(JOURNAL).unwrap(), STRANGER);

    // Dropped before it began.
    let disk = SimDisk::seeded(1);
    let part = open(Arc::new(disk.clone())).unwrap();
    disk.exchange(PART, STRANGER);
    drop(part);
    assert_eq!(disk.bytes(PART).unwrap(), STRANGER);

    // Begun too late.
    let disk = SimDisk::seeded(1);
    let part = open(Arc::new(disk.clone())).unwrap();
    disk.exchange(PART, STRANGER);
    assert!(is_exchanged(part.begin(b"meta", Some(LEN)), PART));
    drop(part);
    assert_eq!(disk.bytes(PART).unwrap(), STRANGER);
    assert_eq!(disk.paths(), [Path::new(PART)]);
}

#[test]
fn a_file_that_is_taken_over_replaces_no_file_of_others() {
    let adopt = |disk: &SimDisk, tamper: &dyn Fn()| {
        disk.put("/foreign", &[7; 100]);
        let fs: Arc<dyn Fs> = Arc::new(disk.clone());
        let foreign = Foreign::open(fs, &target(), "/foreign".as_ref()).unwrap();
        tamper();
        foreign.adopt(b"meta", &[], Durability::Power).map(drop)
    };
    let disk = SimDisk::seeded(1);
    assert!(is_exchanged(adopt(&disk, &|| disk.exchange(PART, STRANGER)), PART));
    assert_eq!(disk.bytes(PART).unwrap(), STRANGER);
    assert_eq!(disk.bytes("/foreign").unwrap(), [7; 100]);
    assert_eq!(disk.bytes(JOURNAL), None);

    let disk = SimDisk::seeded(1);
    assert!(is_exchanged(adopt(&disk, &|| disk.exchange("/foreign", STRANGER)), "/foreign"));
    assert_eq!(disk.bytes("/foreign").unwrap(), STRANGER);
    assert_eq!(disk.paths(), [Path::new("/foreign")]);
}

/// Lets somebody in just before the k-th operation on names.
#[derive(Clone)]
struct Visited {
    disk: SimDisk,
    visit: Arc<Mutex<Visit>>,
}

struct Visit {
    durability: Durability,
    at: u64,
    done: u64,
    /// Just before what, where it was made.
    before: Option<&'static str>,
    second: Option<Part>,
}

impl Visited {
    fn at(at: u64, durability: Durability) -> Self {
        let visit = Visit { durability, at, done: 0, before: None, second: None };
        Self { disk: SimDisk::seeded(at), visit: Arc::new(Mutex::new(visit)) }
    }

    fn step(&self, what: &'static str) {
        let mut visit = self.visit.lock().unwrap();
        visit.done += 1;
        if visit.done == visit.at {
            visit.before = Some(what);
            // As far as they are there.
            let _ = self.disk.remove(PART.as_ref());
            let _ = self.disk.remove(JOURNAL.as_ref());
            let disk = Arc::new(self.disk.clone());
            visit.second = begun_as(disk, 2, visit.durability).ok();
        }
    }
}

impl Fs for Visited {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        self.step("open");
        self.disk.open(path, how)
    }
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.step("stat");
        self.disk.stat(path)
    }
    fn lstat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.step("stat");
        self.disk.lstat(path)
    }
    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        self.step(if from == Path::new(PART) { "the rename of the part" } else { "rename" });
        self.disk.rename(from, to, existing)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove");
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step("sync");
        self.disk.sync_dir(dir)
    }

    piton_testkit::forward_fs!(this => this.disk;
        list create_dir canonicalize user new_file_mode random);
}

/// One download, with a compaction and an end that replaces.
fn whole(fs: Arc<dyn Fs>, durability: Durability) -> Result<(), PartError> {
    let part = begun_as(fs, 1, durability)?;
    part.checkpoint()?;
    part.forget(0..LEN / 2)?;
    put(&part, 1, 0, LEN / 2)?;
    put(&part, 1, LEN / 2, LEN / 2)?;
    part.checkpoint()?;
    part.finish(finish(Existing::Replace)).map(drop)
}

/// What went wrong when the second came before the k-th operation of the first.
fn visited(at: u64, broken: bool, durability: Durability) -> Result<bool, String> {
    let visited = Visited::at(at, durability);
    let fs: Arc<dyn Fs> = match broken {
        true => Arc::new(Sabotage::new(visited.clone(), Broken::NamesNotChecked)),
        false => Arc::new(visited.clone()),
    };
    let first = whole(fs, durability);
    let mut visit = visited.visit.lock().unwrap();
    let Some(before) = visit.before else {
        first.map_err(|error| format!("undisturbed: {error}"))?;
        return Ok(false);
    };
    let (bytes, right) = (visited.disk.bytes(FINAL), vec![1; LEN as usize]);
    match (&first, bytes) {
        (Ok(()), Some(bytes)) if bytes == right => {}
        (Ok(()), bytes) => {
            return Err(format!(
                "before {before} ({at}): finished, and is {:?}",
                bytes.map(|b| b.len())
            ));
        }
        // It had its name, and something after that failed.
        (Err(_), Some(bytes)) if bytes == right => {}
        (Err(_), None) => {}
        // The kernel cannot look and rename in one: this instant is left, and never called a success.
        (Err(PartError::Exchanged { .. }), Some(_)) if before == "the rename of the part" => {
            return Ok(true);
        }
        (Err(error), Some(_)) => return Err(format!("before {before} ({at}): {error}")),
    }
    // The second is as it was: it ends well, or hears that it was disturbed in that same instant.
    if let Some(second) = visit.second.take() {
        let ended = put(&second, 2, LEN / 2, LEN / 2)
            .and_then(|()| second.finish(finish(Existing::Replace)).map(drop));
        let bytes = visited.disk.bytes(FINAL);
        match ended {
            Ok(()) if bytes.as_deref() == Some(&vec![2; LEN as usize]) => {}
            Err(PartError::Exchanged { .. }) if before != "stat" => {}
            ended => return Err(format!("before {before} ({at}): the second: {ended:?}")),
        }
    }
    Ok(true)
}

/// What goes wrong, whenever the second comes.
fn problems(broken: bool, durability: Durability) -> Vec<String> {
    (1..)
        .map(|at| visited(at, broken, durability))
        .take_while(|result| *result != Ok(false))
        .filter_map(Result::err)
        .collect()
}

#[test]
fn a_second_download_before_any_operation_of_the_first_spoils_neither() {
    for durability in [Durability::Power, Durability::Process, Durability::None] {
        assert_eq!(problems(false, durability), Vec::<String>::new(), "{durability:?}");
    }
}

#[test]
fn names_that_are_not_checked_are_caught() {
    for durability in [Durability::Power, Durability::Process, Durability::None] {
        let problems = problems(true, durability);
        let caught = problems.iter().any(|text| text.contains("finished, and is"));
        assert!(caught, "{durability:?}: {problems:#?}");
    }
}

/// One landing, told at once.
fn land(fs: Arc<dyn Fs>, bytes: &[u8]) -> Result<Landed, PartError> {
    let (say, said) = std::sync::mpsc::channel();
    let landing = Landing {
        path: FINAL.into(),
        bytes: bytes.to_vec(),
        existing: Existing::Replace,
        modified: None,
        attributes: vec![],
        durability: Durability::Process,
    };
    Pipeline::new(fs).cycle(vec![(landing, Box::new(move |ended| say.send(ended).unwrap()))]);
    said.recv().unwrap()
}

/// Lands another file of that name in full when the first is about to be renamed.
struct Overtaken {
    disk: SimDisk,
    second: Mutex<Option<Result<Landed, PartError>>>,
}

impl Fs for Overtaken {
    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        let ended = land(Arc::new(self.disk.clone()), b"of the second");
        *self.second.lock().unwrap() = Some(ended);
        self.disk.rename(from, to, existing)
    }

    piton_testkit::forward_fs!(this => this.disk;
        open create_unnamed stat lstat remove sync_dir list create_dir canonicalize user
        new_file_mode random);
}

#[test]
fn of_two_that_replace_one_file_neither_takes_the_file_of_the_other() {
    let disk = SimDisk::seeded(1);
    disk.put(FINAL, b"old");
    let fs = Arc::new(Overtaken { disk: disk.clone(), second: Mutex::default() });
    assert!(matches!(land(Arc::clone(&fs) as Arc<dyn Fs>, b"of the first"), Ok(Landed::There)));
    let second = fs.second.lock().unwrap().take();
    assert!(matches!(second, Some(Err(PartError::Locked { .. }))), "{second:?}");
    assert_eq!(disk.bytes(FINAL).unwrap(), b"of the first");
    // Nothing is left of the second, and nobody's way is barred.
    assert_eq!(disk.paths(), [Path::new(FINAL)]);
    assert!(matches!(land(Arc::new(disk.clone()), b"of the third"), Ok(Landed::There)));
    assert_eq!(disk.bytes(FINAL).unwrap(), b"of the third");
}

#[test]
fn a_crowd_that_replaces_one_file_leaves_one_of_theirs_whole() {
    const EACH: u8 = 30;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"old").unwrap();
    let (say, said) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for crowd in 0..4_u8 {
            let (path, say) = (&path, say.clone());
            scope.spawn(move || {
                let mut pipeline = Pipeline::new(Arc::new(OsFs));
                for number in 0..EACH {
                    let say = say.clone();
                    let landing = Landing {
                        path: path.clone(),
                        bytes: vec![crowd * EACH + number; 3000],
                        existing: Existing::Replace,
                        modified: None,
                        attributes: vec![],
                        durability: Durability::Process,
                    };
                    pipeline
                        .cycle(vec![(landing, Box::new(move |ended| say.send(ended).unwrap()))]);
                }
            });
        }
    });
    drop(say);
    let mut landed = 0;
    for ended in said {
        match ended {
            Ok(Landed::There) => landed += 1,
            // Somebody else was quicker, and who lost says so.
            Err(PartError::Locked { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(landed > 0);
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() == 3000 && bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
