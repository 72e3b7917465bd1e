//! Digests given by the user, by a list, and by the server: a mismatch never gets the final name
//! (G1).

use std::sync::Arc;
use std::time::SystemTime;

use piton_fetch::IfExists;
use piton_fetch::digest::{Algorithm, Digest, Hasher};
use piton_fetch::parse::checksum_file::ChecksumFile;
use piton_testkit::server::DigestField;

use super::*;

const LEN: u64 = 5 * MIB;

const FIELDS: [DigestField; 9] = [
    DigestField::ReprSha256,
    DigestField::ReprSha512,
    DigestField::ContentSha256,
    DigestField::DigestSha256,
    DigestField::ContentMd5,
    DigestField::GoogHash,
    DigestField::AmzSha256,
    DigestField::AmzSha1,
    DigestField::AmzCrc32c,
];

fn file() -> Resource {
    Resource::pattern(1, LEN).etag("\"a\"")
}

fn digest(algorithm: Algorithm, seed: u64) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(&pattern::bytes(seed, LEN as usize));
    hasher.finalize()
}

fn sha256(seed: u64) -> Digest {
    digest(Algorithm::Sha256, seed)
}

/// As the fields are sent with a 200 and, as far as they speak of the whole, with a 206.
#[test]
fn each_header_of_a_server_that_is_right() {
    for field in FIELDS {
        let desk = Desk::with(file().digest(field), Fault::ignores_range());
        let outcome = desk.get(desk.what("/f")).unwrap();
        assert!(!outcome.verified.is_empty(), "{field:?}");
        desk.assert_only("f", 1, LEN);
    }
}

#[test]
fn each_header_of_a_server_that_is_wrong() {
    for field in FIELDS {
        for fault in [Fault::ignores_range(), Fault::no_accept_ranges()] {
            let desk = Desk::with(file().wrong_digest(field), fault);
            let what = desk.what("/f");
            let ranged = !matches!(field, DigestField::ContentSha256 | DigestField::ContentMd5);
            match desk.get(what.clone()) {
                // Of a part's content no digest speaks of the whole.
                Ok(_) => {
                    let whole = desk.server.stats().requests.iter().any(|r| r.status == 200);
                    let amazon = matches!(
                        field,
                        DigestField::AmzSha256 | DigestField::AmzSha1 | DigestField::AmzCrc32c
                    );
                    assert!(!whole && (!ranged || amazon), "{field:?}");
                    continue;
                }
                Err(Failure::Integrity { source_of, .. }) => {
                    assert!(!source_of.is_empty() && source_of != "given by you");
                }
                Err(other) => panic!("{field:?}: {other}"),
            }
            assert!(!desk.path("f").exists());
            let sent = desk.server.stats().sent();
            assert!(sent <= 2 * LEN + MIB, "{field:?}: {sent}");
            // And a second call does not come to another judgement over the same bytes.
            let again = desk.fail(what);
            assert!(matches!(again, Failure::Integrity { .. }), "{field:?}: {again:?}");
        }
    }
}

#[test]
fn each_algorithm_that_a_user_can_give() {
    for algorithm in
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512, Algorithm::Blake3]
    {
        for n in [1, 4] {
            let desk = Desk::with(file(), Fault::no_accept_ranges());
            let mut what = desk.over(n, "/f");
            what.digests = vec![digest(algorithm, 1)];
            assert_eq!(desk.get(what).unwrap().verified, [digest(algorithm, 1)]);
            desk.assert_only("f", 1, LEN);
        }
        let desk = Desk::with(file(), Fault::no_accept_ranges());
        let mut what = desk.over(3, "/f");
        what.digests = vec![digest(algorithm, 2)];
        let failure = desk.fail(what);
        let Failure::Integrity { expected, got, .. } = failure else { panic!("{failure:?}") };
        assert_eq!((expected, got), (digest(algorithm, 2), digest(algorithm, 1)));
    }
}

#[test]
fn two_digests_of_which_one_is_wrong() {
    let desk = Desk::with(file(), Fault::no_accept_ranges());
    let mut what = desk.what("/f");
    what.digests = vec![digest(Algorithm::Md5, 1), sha256(2)];
    assert!(matches!(desk.fail(what), Failure::Integrity { .. }));
}

#[test]
fn a_bit_that_flips_once_is_fetched_again() {
    for n in [1, 4] {
        for fault in [Fault::flip_once(3 * MIB), Fault::flip_once(0).and(Fault::ignores_range())] {
            let desk = Desk::new(Site::new().with("/f", file()).rate_total(24 * MIB).fault(fault));
            let mut what = desk.over(n, "/f");
            what.digests = vec![sha256(1)];
            let outcome = desk.get(what).unwrap();
            desk.assert_only("f", 1, LEN);
            assert!(outcome.fetched <= 3 * LEN, "{outcome:?}");
            // With more connections the bad bit may be in bytes that nobody took.
            assert!(n > 1 || desk.saw(|event| matches!(event, Event::FetchingAgain { .. })));
        }
    }
}

#[test]
fn a_bit_that_flips_always_is_an_error() {
    for n in [1, 4] {
        let site = Site::new().with("/f", file()).rate_total(24 * MIB).fault(Fault::flip(3 * MIB));
        let desk = Desk::new(site);
        let mut what = desk.over(n, "/f");
        what.digests = vec![sha256(1)];
        assert!(matches!(desk.fail(what.clone()), Failure::Integrity { .. }));
        // Twice the file; and what was under way on connections that were cut counts as sent.
        let sent = desk.server.stats().sent();
        assert!(sent <= 6 * LEN, "{n}: {sent}");
        // Once the line is sound, the same command repairs it.
        desk.server.clear_faults();
        desk.get(what).unwrap();
        desk.assert_only("f", 1, LEN);
    }
}

/// The checksums of the journal tell which part is bad: only that is fetched again.
#[test]
fn a_part_that_rots_on_disk_is_repaired_piece_by_piece() {
    let site =
        Site::new().with("/f", Resource::pattern(1, 12 * MIB).etag("\"a\"")).rate_total(16 * MIB);
    let desk = Desk::new(site);
    let stop = Stop::new();
    let later = stop.clone();
    let mut what = desk.what("/f");
    let resource = Resource::pattern(1, 12 * MIB);
    what.digests = vec![format!("sha256:{}", resource.sha256()).parse().unwrap()];
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        later.stop();
    });
    desk.get_until(what.clone(), stop).unwrap_err();
    let before = desk.server.stats().sent();
    let mut part = desk.read("f.part");
    part[MIB as usize + 77] ^= 1;
    desk.write("f.part", &part);
    let outcome = desk.get(what).unwrap();
    desk.assert_only("f", 1, 12 * MIB);
    assert!(outcome.resumed > 4 * MIB, "{outcome:?}");
    let again = before + desk.server.stats().sent();
    assert!(again < 26 * MIB, "{again}");
    // Found when the part was opened, since it was written to after its journal, or by the digest.
    let bytes = desk.events().into_iter().find_map(|event| match event {
        Event::Damaged { bytes } | Event::FetchingAgain { bytes } => Some(bytes),
        _ => None,
    });
    assert!(bytes.is_some_and(|bytes| bytes <= 2 * MIB), "{:?}", desk.events());
}

#[test]
fn a_digest_of_the_first_run_counts_in_the_second() {
    let desk = Desk::new(Site::new().with("/f", file()).rate_total(16 * MIB));
    let mut what = desk.what("/f");
    what.digests = vec![sha256(2)];
    desk.kill_at(what, 2 * MIB);
    assert!(matches!(desk.fail(desk.what("/f")), Failure::Integrity { .. }));
}

/// What a server said in the first run counts in the second, also where that asks for nothing any
/// more.
#[test]
fn a_digest_of_the_server_outlives_a_kill() {
    for field in [DigestField::ReprSha256, DigestField::ContentSha256] {
        let site = Site::new().with("/f", file().wrong_digest(field)).rate_total(8 * MIB);
        let desk = Desk::new(site.fault(Fault::ignores_range()));
        desk.kill_at(desk.what("/f"), 3 * MIB);
        desk.server.clear_faults();
        desk.server.replace("/f", file());
        let failure = desk.fail(desk.over(3, "/f"));
        assert!(matches!(failure, Failure::Integrity { .. }), "{field:?}: {failure:?}");
    }
}

/// The server is asked for a byte first, to see whether there is anything to fetch: what it sends along with that
/// holds of the file, too.
#[test]
fn a_digest_of_the_server_counts_where_a_file_is_replaced() {
    for only_newer in [false, true] {
        let dated = file().wrong_digest(DigestField::ReprSha256).last_modified(SystemTime::now());
        let desk = Desk::new(Site::new().with("/f", dated));
        desk.write("f", b"old");
        let old = SystemTime::now() - Duration::from_secs(60);
        std::fs::File::options()
            .write(true)
            .open(desk.path("f"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        let mut what = desk.what("/f");
        what.only_newer = only_newer;
        what.if_exists = if only_newer { IfExists::Refuse } else { IfExists::Overwrite };
        let failure = desk.get(what).unwrap_err();
        assert!(matches!(failure, Failure::Integrity { .. }), "{failure:?}");
        assert_eq!(desk.read("f"), b"old");
    }
}

#[test]
fn a_file_that_is_there_with_the_digest_is_not_asked_for() {
    let desk = Desk::with(file(), Fault::no_accept_ranges());
    desk.write("f", &pattern::bytes(1, LEN as usize));
    let mut what = desk.what("/f");
    what.digests = vec![sha256(1), digest(Algorithm::Md5, 1)];
    let outcome = desk.get(what.clone()).unwrap();
    assert!(outcome.already_complete && outcome.verified.len() == 2, "{outcome:?}");
    assert_eq!(desk.requests(), 0);

    what.digests = vec![sha256(2)];
    assert!(matches!(desk.get(what), Err(Failure::Exists { .. })));
    desk.assert_only("f", 1, LEN);
}

#[test]
fn lists_of_digests() {
    let list =
        |text: String| Some(Arc::new(ChecksumFile::parse(text.as_bytes(), "SHA256SUMS").unwrap()));
    for n in [1, 3] {
        let desk = Desk::with(file(), Fault::no_accept_ranges());
        let mut what = desk.over(n, "/f");
        what.checksum_file = list(format!("{}  f\n", file().sha256()));
        assert_eq!(desk.get(what.clone()).unwrap().verified, [sha256(1)]);
        assert!(desk.get(what).unwrap().already_complete);
        desk.assert_only("f", 1, LEN);
    }
    let desk = Desk::with(file(), Fault::no_accept_ranges());
    let mut what = desk.what("/f");
    what.checksum_file = list(format!("{}  f\n", Resource::pattern(2, LEN).sha256()));
    assert!(matches!(desk.fail(what.clone()), Failure::Integrity { .. }));

    // A list that does not know the file was asked for in vain, and it is said.
    let desk = Desk::with(file(), Fault::no_accept_ranges());
    what.checksum_file = list(format!("{}  g\n", file().sha256()));
    assert!(matches!(desk.fail(what), Failure::Usage(_)));
    assert_eq!(desk.files(), Vec::<String>::new());
}

/// What an earlier run had hashed may have rotted since: the saved state of the digest counts only after
/// the bytes were read again.
#[test]
fn a_bit_that_flipped_below_a_saved_state() {
    const LONG: u64 = 56 * MIB;
    let long = || Resource::pattern(1, LONG);
    for (n, at) in [(1, MIB), (4, 31 * MIB), (2, 0)] {
        // Slow enough for the digest to follow.
        let site = Site::new().with("/f", long().etag("\"a\"")).rate_total(32 * MIB);
        let desk = Desk::new(site);
        let mut what = desk.over(n, "/f");
        what.stall_timeout = Duration::from_secs(60);
        what.digests = vec![format!("sha256:{}", long().sha256()).parse().unwrap()];
        desk.server.add_fault(Fault::withholds_last(64 * KIB));
        let saved = || {
            let view = piton_durable::journal::read(&OsFs, &desk.path("f.piton"));
            view.is_ok_and(|view| !view.fold.hashes.is_empty())
        };
        let killed = async {
            while !saved() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(desk.run(Arc::new(OsFs), what.clone(), Stop::new(), killed).is_none());
        desk.server.clear_faults();

        let part = desk.path("f.part");
        rot(&part, at);
        let outcome = desk.get(what).unwrap();
        assert!(outcome.fetched < LONG, "{outcome:?}");
        assert!(desk.saw(|event| matches!(event, Event::Damaged { .. })), "{:?}", desk.events());
        desk.assert_only("f", 1, LONG);
    }
}

/// One bit changes, as on a disk that forgets.
fn rot(path: &std::path::Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}
