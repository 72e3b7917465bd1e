//! Taking over what other programs left, against the fault-injecting server.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use piton_durable::fs::{Fs, OsFs};
use piton_durable::part::{Durability, OpenPart, Opened, Part, PartError, Target};
use piton_fetch::{
    Adopted, Adoption, Client, Failure, IfExists, Leftover, Monitor, Outcome, Place, Stop,
    Unadoptable, inspect,
};
use piton_remote::Remote;
use piton_remote::http::Config;
use piton_testkit::disk::{Crash, Failure as Wrong, Fault as DiskFault, SimDisk, When};
use piton_testkit::server::{Fault, KIB, Lease, MIB, Resource, Server, Site, pattern};

const SEED: u64 = 3;
const LEN: u64 = 24 * MIB + 12_345;

struct Desk {
    server: Server,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(site: Site) -> Self {
        Self { server: Server::start(site), folder: tempfile::tempdir().unwrap() }
    }

    fn with(fault: Option<Fault>) -> Self {
        let site = Site::new().with("/f", Resource::pattern(SEED, LEN).etag("\"a\""));
        Self::new(fault.into_iter().fold(site, Site::fault))
    }

    /// The first `len` bytes of the file, under `name`.
    fn partial(&self, name: &str, len: u64) {
        let bytes = pattern::bytes(SEED, len as usize);
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn open(&self, name: &str) -> File {
        let path = self.folder.path().join(name);
        File::options().create(true).truncate(false).write(true).open(path).unwrap()
    }

    fn adoption(&self, name: &str) -> Adoption {
        let leftover = Leftover::find(&OsFs, &self.folder.path().join(name)).unwrap();
        let mut what = Adoption::new(leftover, self.server.url("/f").parse().unwrap());
        what.download.stall_timeout = Duration::from_secs(2);
        what
    }

    fn run<T>(&self, work: impl AsyncFnOnce(Client) -> T) -> T {
        Self::run_on(Arc::new(OsFs), work)
    }

    fn run_on<T>(fs: Arc<dyn Fs>, work: impl AsyncFnOnce(Client) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Remote::new(Config::default()).unwrap(), fs);
        let limit = Duration::from_secs(60);
        runtime.block_on(async { tokio::time::timeout(limit, work(client)).await.unwrap() })
    }

    fn adopt(&self, what: &Adoption) -> Result<Adopted, Failure> {
        self.run(async |client| client.adopt(what, &Monitor::default(), &Stop::new()).await)
    }

    /// Takes over and goes on; the right file results, and nothing else is left.
    #[track_caller]
    fn ends_well(&self, what: &Adoption) -> (Adopted, Outcome) {
        let adopted = self.adopt(what).unwrap();
        let download = what.download.clone();
        let outcome = self
            .run(async |client| client.download(download, Monitor::default(), Stop::new()).await)
            .unwrap();
        let bytes = std::fs::read(&outcome.path).unwrap();
        assert_eq!(bytes.len() as u64, LEN);
        assert_eq!(pattern::first_difference(SEED, 0, &bytes), None);
        assert_eq!(self.files(), [outcome.path.file_name().unwrap().to_str().unwrap()]);
        // All of it, or nothing where it turned out to be wrong.
        assert!(outcome.resumed == adopted.evidence.believed || outcome.fetched >= LEN);
        (adopted, outcome)
    }

    /// Nothing is taken over, and everything is as it was.
    #[track_caller]
    fn refuses(&self, what: &Adoption) -> Failure {
        let files = self.files();
        let bytes = std::fs::read(what.leftover.file()).ok();
        let failure = self.adopt(what).expect_err("this must not be taken over");
        assert_eq!(self.files(), files, "{failure}");
        assert!(std::fs::read(what.leftover.file()).ok() == bytes, "{failure}");
        failure
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn why(failure: Failure) -> Unadoptable {
    match failure {
        Failure::Unadoptable { why, .. } => *why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn partial_files_under_the_names_that_programs_give_them() {
    for (name, last) in [("f", "f"), ("f.crdownload", "f"), ("f.part", "f"), ("x.bin", "x.bin")] {
        let desk = Desk::with(None);
        desk.partial(name, 10 * MIB);
        let (adopted, outcome) = desk.ends_well(&desk.adoption(name));
        assert_eq!(outcome.path, desk.folder.path().join(last));
        assert_eq!((adopted.found, adopted.evidence.believed), (10 * MIB, 10 * MIB));
        assert_eq!(adopted.size, LEN);
        // Some of the 18 may lie over one another.
        assert!((10..=18).contains(&adopted.evidence.places), "{adopted:?}");
        assert!(outcome.fetched < LEN - 10 * MIB + 64 * KIB, "{outcome:?}");
        // 18 places over one connection, and the rest.
        assert!(desk.server.stats().requests.len() <= 18 + 8);
    }
}

#[test]
fn a_complete_file_only_needs_its_comparison() {
    let desk = Desk::with(None);
    desk.partial("f", LEN);
    let (_, outcome) = desk.ends_well(&desk.adoption("f"));
    assert_eq!(outcome.fetched, 0);
}

#[test]
fn one_byte_and_what_ends_within_a_place() {
    for len in [1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 5 * MIB + 1] {
        let desk = Desk::with(None);
        desk.partial("f.part", len);
        let (adopted, _) = desk.ends_well(&desk.adoption("f.part"));
        assert_eq!(adopted.evidence.believed, len);
    }
}

#[test]
fn a_tail_of_zeros_is_found_and_fetched() {
    let desk = Desk::with(None);
    desk.partial("f", 9 * MIB);
    // Written zeros, not a hole: what a power cut makes of reserved space.
    desk.open("f").write_all_at(&vec![0; 7 * MIB as usize], 9 * MIB).unwrap();
    let (adopted, _) = desk.ends_well(&desk.adoption("f"));
    let believed = adopted.evidence.believed;
    assert_eq!(adopted.found, 16 * MIB);
    assert!(believed <= 9 * MIB && believed > 9 * MIB - 128 * KIB, "{believed}");
}

#[test]
fn holes_are_fetched() {
    let desk = Desk::with(None);
    let file = desk.open("f");
    file.set_len(LEN).unwrap();
    let bytes = pattern::bytes(SEED, LEN as usize);
    for (start, end) in [(0, 3 * MIB), (8 * MIB, 12 * MIB), (20 * MIB, 21 * MIB)] {
        file.write_all_at(&bytes[start as usize..end as usize], start).unwrap();
    }
    drop(file);
    let (adopted, _) = desk.ends_well(&desk.adoption("f"));
    assert_eq!(adopted.evidence.believed, 8 * MIB);
}

/// What the samples do not find, the digest does; then everything is fetched.
#[test]
fn a_wrong_byte_between_the_places_is_found_by_the_digest() {
    let desk = Desk::with(None);
    desk.partial("f", 20 * MIB);
    let mut what = desk.adoption("f");
    what.samples = 0;
    desk.open("f").write_all_at(&[0x55], 10 * MIB).unwrap();
    desk.open("f").write_all_at(&[0xaa], 10 * MIB + 1).unwrap();
    let digest = format!("sha256:{}", Resource::pattern(SEED, LEN).sha256());
    what.download.digests.push(digest.parse().unwrap());
    let (adopted, outcome) = desk.ends_well(&what);
    assert_eq!((adopted.evidence.believed, adopted.evidence.places), (20 * MIB, 2));
    assert!(outcome.fetched >= LEN, "{outcome:?}");
}

/// The digest asked for is in the journal, for whoever goes on with it.
#[test]
fn the_journal_has_all_that_a_resume_needs() {
    let desk = Desk::with(None);
    desk.partial("f", 5 * MIB);
    let mut what = desk.adoption("f");
    let digest = format!("sha256:{}", Resource::pattern(SEED, LEN).sha256());
    what.download.digests.push(digest.parse().unwrap());
    what.download.url.set_username("user").unwrap();
    desk.adopt(&what).unwrap();
    let found = inspect(&OsFs, &desk.folder.path().join("f")).unwrap().unwrap();
    assert_eq!(found.meta.url, desk.server.url("/f"));
    assert_eq!((found.synced, found.meta.ranges), (5 * MIB, true));
    assert_eq!(found.meta.digests, [digest]);
    assert_eq!(found.meta.identity.size, Some(LEN));
    // It is a download of piton now.
    assert!(matches!(desk.refuses(&what), Failure::Local(PartError::Begun { .. })));
}

#[test]
fn what_cannot_be_taken_over_is_left_as_it_was() {
    let desk = Desk::with(None);
    std::fs::write(desk.folder.path().join("f"), pattern::bytes(9, 5 << 20)).unwrap();
    assert_eq!(why(desk.refuses(&desk.adoption("f"))), Unadoptable::Differs { at: 0 });

    desk.partial("f", LEN);
    desk.open("f").write_all_at(&[0], LEN).unwrap();
    let longer = Unadoptable::Longer { len: LEN + 1, size: LEN };
    assert_eq!(why(desk.refuses(&desk.adoption("f"))), longer);

    desk.partial("f", 0);
    assert_eq!(why(desk.refuses(&desk.adoption("f"))), Unadoptable::Nothing);
    desk.open("f").set_len(MIB).unwrap();
    assert_eq!(why(desk.refuses(&desk.adoption("f"))), Unadoptable::Nothing);

    assert!(matches!(desk.refuses(&desk.adoption("gone")), Failure::Local(_)));

    // Another file has the final name.
    desk.partial("f", MIB);
    desk.partial("g", MIB);
    let mut what = desk.adoption("g");
    what.download.place = Place::File(desk.folder.path().join("f"));
    assert!(matches!(desk.refuses(&what), Failure::Exists { .. }));
    what.download.if_exists = IfExists::Overwrite;
    desk.adopt(&what).unwrap();
    assert_eq!(desk.files(), ["f", "f.part", "f.piton"]);
}

#[test]
fn servers_with_which_nothing_can_be_compared() {
    let whole = || Resource::pattern(SEED, LEN).etag("\"a\"");
    for (fault, expected) in [
        (Fault::ignores_range(), Unadoptable::NoRanges),
        (Fault::content_range_total("*"), Unadoptable::NoRanges),
        (
            Fault::other_version(whole().header("Content-Encoding", "gzip")),
            Unadoptable::Encoded { coding: "gzip".to_owned() },
        ),
    ] {
        let desk = Desk::with(Some(fault));
        desk.partial("f", MIB);
        assert_eq!(why(desk.refuses(&desk.adoption("f"))), expected);
    }
    let desk = Desk::with(None);
    desk.partial("f", MIB);
    desk.server.remove("/f");
    assert!(matches!(desk.refuses(&desk.adoption("f")), Failure::Refused { .. }));
}

#[test]
fn a_file_that_changes_on_the_server_meanwhile() {
    let other = Fault::other_version(Resource::pattern(SEED, LEN).etag("\"b\""));
    let desk = Desk::with(Some(other.turns(5..)));
    desk.partial("f", 10 * MIB);
    assert!(matches!(desk.refuses(&desk.adoption("f")), Failure::Changed { .. }));
}

#[test]
fn answers_that_break_off_or_are_short_are_asked_for_again() {
    for fault in [
        Fault::reset_after(10 * KIB).first(3),
        Fault::short_range(10 * KIB),
        Fault::status(503).turns(4..=5),
    ] {
        let desk = Desk::with(Some(fault));
        desk.partial("f", 3 * MIB);
        let adopted = desk.adopt(&desk.adoption("f")).unwrap();
        assert_eq!(adopted.evidence.believed, 3 * MIB);
    }
}

/// Links that serve once, and for one place of several: that is no failure, even where none is allowed.
#[test]
fn links_that_expire_after_each_answer_cost_no_try() {
    let file = Resource::pattern(SEED, LEN).etag("\"a\"");
    let desk = Desk::new(Site::new().with_signed("/f", file, Lease::Requests(1)));
    desk.partial("f.part", 20 * MIB);
    let mut what = desk.adoption("f.part");
    what.download.retries = 0;
    desk.ends_well(&what);
    assert!(desk.server.stats().requests_for("/f").count() > 2, "it was not asked again");
}

#[test]
fn looking_changes_nothing() {
    let desk = Desk::with(None);
    desk.partial("f.crdownload", 10 * MIB);
    let mut what = desk.adoption("f.crdownload");
    what.look_only = true;
    let adopted = desk.adopt(&what).unwrap();
    assert_eq!((adopted.evidence.believed, desk.files()), (10 * MIB, vec!["f.crdownload".into()]));
}

/// A control file of pieces of 1 MiB, of which these are there.
fn control(total: u64, pieces: &[u64], info_hash: &[u8]) -> Vec<u8> {
    let mut bits = vec![0_u8; total.div_ceil(MIB).div_ceil(8) as usize];
    for piece in pieces {
        bits[(piece / 8) as usize] |= 0x80 >> (piece % 8);
    }
    let mut bytes = vec![0, 1, 0, 0, 0, 0];
    bytes.extend((info_hash.len() as u32).to_be_bytes());
    bytes.extend(info_hash);
    bytes.extend((MIB as u32).to_be_bytes());
    bytes.extend(total.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend((bits.len() as u32).to_be_bytes());
    bytes.extend(bits);
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn a_control_file_of_aria2_says_which_pieces_are_there() {
    for given in ["f", "f.aria2"] {
        let desk = Desk::with(None);
        let mut bytes = pattern::bytes(SEED, LEN as usize);
        // Pieces 3 and 10 are not there; of 20 it is said, and it is not true.
        for piece in [3_usize, 10, 20] {
            bytes[piece << 20..(piece + 1) << 20].fill(0);
        }
        std::fs::write(desk.folder.path().join("f"), bytes).unwrap();
        let pieces: Vec<u64> = (0..25).filter(|piece| ![3, 10].contains(piece)).collect();
        std::fs::write(desk.folder.path().join("f.aria2"), control(LEN, &pieces, &[])).unwrap();
        let mut what = desk.adoption(given);
        what.samples = 64;
        let (adopted, _) = desk.ends_well(&what);
        let believed = adopted.evidence.believed;
        assert_eq!(adopted.found, LEN - 2 * MIB);
        assert!(believed <= 9 * MIB + 9 * MIB + 12_345, "{believed}");
        assert!(believed >= 9 * MIB + 9 * MIB - 128 * KIB, "{believed}");
    }
}

#[test]
fn control_files_that_are_of_no_use() {
    let desk = Desk::with(None);
    desk.partial("f", 2 * MIB);
    for (bytes, expected) in [
        (control(LEN + 1, &[0, 1], &[]), "its control file says"),
        (control(LEN, &[0, 1], &[7; 20]), "BitTorrent"),
        (control(LEN, &[], &[]), "marks nothing as finished"),
        (b"rubbish".to_vec(), "known version"),
        (Vec::new(), "known version"),
    ] {
        std::fs::write(desk.folder.path().join("f.aria2"), bytes).unwrap();
        let said = desk.refuses(&desk.adoption("f")).to_string();
        assert!(said.contains(expected), "{said}");
    }
}

/// At each operation of the disk, from the first look to the removal of the control file: what aria2 left
/// is there with its control file, or the part is.
#[test]
fn a_crash_at_every_operation_leaves_what_aria2_left_or_the_part() {
    const SMALL: u64 = 100 * KIB;
    let resource = Resource::pattern(SEED, SMALL).etag("\"a\"");
    let desk = Desk::new(Site::new().with("/f", resource));
    let content = pattern::bytes(SEED, SMALL as usize);
    let control = control(SMALL, &[0], &[]);
    let run = |seed: u64, fault: Option<DiskFault>| {
        let disk = SimDisk::seeded(seed);
        disk.put("/f", &content);
        disk.put("/f.aria2", &control);
        disk.restart();
        fault.into_iter().for_each(|fault| disk.inject(fault));
        let leftover = Leftover::find(&disk, "/f".as_ref());
        let result = leftover.map(|leftover| {
            let url = desk.server.url("/f").parse().unwrap();
            let what = Adoption::new(leftover, url);
            assert_eq!(what.download.durability, Durability::Power);
            Desk::run_on(Arc::new(disk.clone()), async |client| {
                client.adopt(&what, &Monitor::default(), &Stop::new()).await
            })
        });
        (disk, matches!(result, Ok(Ok(_))))
    };
    let (disk, done) = run(0, None);
    assert!(done);
    let operations = disk.operations();
    assert!(operations > 25, "{operations} operations prove nothing");
    let crashes = [Crash::Kill, Crash::Power].into_iter();
    let crashes: Vec<_> =
        crashes.flat_map(|crash| [(crash, When::Before), (crash, When::After)]).collect();
    for at in 1..=operations {
        for (crash, when) in &crashes {
            let fault = DiskFault { at, failure: Wrong::Crash(*crash, *when) };
            let (disk, _) = run(at, Some(fault));
            if !disk.is_down() {
                disk.crash(*crash);
            }
            disk.restart();
            let as_it_was = disk.bytes("/f").is_some_and(|bytes| bytes == content)
                && disk.bytes("/f.aria2").is_some_and(|bytes| bytes == control);
            let fs: Arc<dyn Fs> = Arc::new(disk.clone());
            let opened = Part::open(fs, &Target::new("/f".into()), OpenPart::default());
            let Ok(Opened::Part(_, recovered)) = opened else { panic!("{fault:?}") };
            let believed: u64 = recovered.extents.iter().map(|extent| extent.len).sum();
            assert!(as_it_was != (believed == SMALL), "{fault:?}: {:?}", disk.paths());
        }
    }
}

#[test]
fn no_file_is_copied_to_another_file_system() {
    use std::os::unix::fs::MetadataExt;
    let desk = Desk::with(None);
    let device = |path: &std::path::Path| std::fs::metadata(path).map(|meta| meta.dev()).ok();
    let elsewhere = std::path::Path::new("/dev/shm");
    if device(elsewhere).is_none_or(|other| Some(other) == device(desk.folder.path())) {
        return piton_testkit::skip("/dev/shm is no other file system than the temporary folder");
    }
    desk.partial("f", MIB);
    let mut what = desk.adoption("f");
    what.download.place = Place::File(elsewhere.join(format!("piton-{}", std::process::id())));
    let failure = desk.refuses(&what);
    let elsewhere = matches!(&failure, Failure::Local(PartError::Io { source, .. })
        if source.kind() == std::io::ErrorKind::CrossesDevices);
    assert!(elsewhere, "{failure:?}");
    assert!(desk.server.stats().requests.is_empty());
}
