//! Parts and journals that somebody tampered with between two runs, and two runs at once.

use std::os::unix::fs::symlink;

use piton_durable::part::PartError;

use super::*;

const LEN: u64 = 4 * MIB;

/// A desk with the part and the journal of a download that was killed.
fn killed() -> Desk {
    let site = Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\"")).rate_total(8 * MIB);
    let desk = Desk::new(site);
    desk.kill_at(desk.over(3, "/f"), 2 * MIB);
    assert_eq!(desk.files(), ["f.part", "f.piton"]);
    desk
}

/// The right file, in spite of all; parts that were set aside may lie beside it.
#[track_caller]
fn ends_well(desk: &Desk, kind: &str) {
    let mut what = desk.over(2, "/f");
    what.verify_part = true;
    desk.get(what).unwrap_or_else(|error| panic!("{kind}: {error}"));
    desk.assert_pattern("f", 1, LEN);
    let strange = desk.files().into_iter().find(|name| name != "f" && !name.contains(".aside-"));
    assert_eq!(strange, None, "{kind}");
    // A second call knows it.
    assert!(desk.get(desk.what("/f")).unwrap().already_complete, "{kind}");
}

type Change = fn(&mut Vec<u8>);

#[test]
fn a_part_that_was_changed() {
    let changes: [(&str, Change); 6] = [
        ("shortened", |part| part.truncate(part.len() / 2)),
        ("emptied", Vec::clear),
        ("grown", |part| part.extend([7; 100_000])),
        ("flipped", |part| part[1_000_000] ^= 1),
        ("zeroed", |part| part.fill(0)),
        ("exchanged", |part| pattern::fill(9, 0, part)),
    ];
    each(changes, |(kind, change)| {
        let desk = killed();
        let mut part = desk.read("f.part");
        change(&mut part);
        desk.write("f.part", &part);
        ends_well(&desk, kind);
    });
}

/// Another file under the name of the part: believed nothing without reading it, also where nobody
/// asks for that.
#[test]
fn a_part_that_was_exchanged_for_another_file() {
    for same in [true, false] {
        let desk = killed();
        let mut part = desk.read("f.part");
        if !same {
            pattern::fill(9, 0, &mut part);
        }
        std::fs::remove_file(desk.path("f.part")).unwrap();
        desk.write("f.part", &part);
        let outcome = desk.get(desk.over(2, "/f")).unwrap();
        assert_eq!(outcome.resumed > 0, same, "{outcome:?}");
        desk.assert_only("f", 1, LEN);
    }
}

#[test]
fn a_part_that_is_gone_or_is_no_file() {
    let desk = killed();
    std::fs::remove_file(desk.path("f.part")).unwrap();
    ends_well(&desk, "gone");

    let desk = killed();
    std::fs::remove_file(desk.path("f.part")).unwrap();
    std::fs::create_dir(desk.path("f.part")).unwrap();
    let failure = desk.get(desk.what("/f")).unwrap_err();
    assert!(matches!(failure, Failure::Local(PartError::NotOurs { .. })), "{failure:?}");
}

/// A link in the place of the part must not lead piton to write elsewhere.
#[test]
fn a_part_that_is_a_link() {
    for begun in [true, false] {
        let desk = killed();
        desk.write("precious", b"mine");
        std::fs::remove_file(desk.path("f.part")).unwrap();
        if !begun {
            std::fs::remove_file(desk.path("f.piton")).unwrap();
        }
        symlink(desk.path("precious"), desk.path("f.part")).unwrap();
        let _ = desk.get(desk.what("/f"));
        assert_eq!(desk.read("precious"), b"mine");
    }
}

#[test]
fn a_part_without_its_journal_is_set_aside() {
    let desk = killed();
    std::fs::remove_file(desk.path("f.piton")).unwrap();
    let part = desk.read("f.part");
    let outcome = desk.get(desk.what("/f")).unwrap();
    assert_eq!(outcome.resumed, 0);
    desk.assert_pattern("f", 1, LEN);
    assert_eq!(desk.read("f.part.aside-1"), part);
    assert!(desk.saw(|event| matches!(event, Event::SetAside { .. })));
}

/// piton-durable tears and flips at every byte; this shows that a download bears it.
#[test]
fn a_journal_that_was_torn() {
    let desk = killed();
    let (journal, part) = (desk.read("f.piton"), desk.read("f.part"));
    for at in [0, 1, 31, 32, 40, 100, journal.len() / 2, journal.len() - 1] {
        for name in desk.files() {
            std::fs::remove_file(desk.path(&name)).unwrap();
        }
        desk.write("f.part", &part);
        desk.write("f.piton", &journal[..at]);
        ends_well(&desk, &format!("torn at {at}"));
    }
}

#[test]
fn a_journal_that_was_flipped() {
    let desk = killed();
    let (journal, part) = (desk.read("f.piton"), desk.read("f.part"));
    for at in [0, 9, 20, 33, 37, 50, 90, journal.len() / 2, journal.len() - 1] {
        for name in desk.files() {
            std::fs::remove_file(desk.path(&name)).unwrap();
        }
        let mut flipped = journal.clone();
        flipped[at] ^= 1;
        desk.write("f.part", &part);
        desk.write("f.piton", &flipped);
        // A flip in the version can make it one of a newer format, were it not for the checksum.
        ends_well(&desk, &format!("flipped at {at}"));
    }
}

#[test]
fn a_journal_of_something_else() {
    let desk = killed();
    desk.write("f.piton", b"this is no journal, and long enough to have been one, is it not?");
    ends_well(&desk, "text");

    let desk = killed();
    let site = Site::new().with("/f", Resource::pattern(5, LEN).etag("\"z\"")).rate_total(16 * MIB);
    let other = Desk::new(site);
    other.kill_at(other.what("/f"), 2 * MIB);
    desk.write("f.piton", &other.read("f.piton"));
    ends_well(&desk, "of another download");
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    let desk = killed();
    let mut journal = desk.read("f.piton");
    journal[8..10].copy_from_slice(&2u16.to_le_bytes());
    let sum = piton_durable::crc::crc32c(&journal[..28]).to_le_bytes();
    journal[28..32].copy_from_slice(&sum);
    desk.write("f.piton", &journal);
    let part = desk.read("f.part");
    let failure = desk.fail(desk.what("/f"));
    let newer = matches!(failure, Failure::Local(PartError::NewerFormat { found: 2, .. }));
    assert!(newer, "{failure:?}");
    assert_eq!((desk.read("f.piton"), desk.read("f.part")), (journal, part));
}

#[test]
fn an_edited_description() {
    let desk = killed();
    // A journal that belongs to another address by its size alone is not joined.
    desk.server.replace("/f", Resource::pattern(1, LEN));
    desk.server.add_fault(Fault::no_validators());
    let outcome = desk.get(desk.what("/f")).unwrap();
    desk.assert_only("f", 1, LEN);
    assert!(outcome.resumed > 0, "the bytes were compared and agree: {outcome:?}");
}

#[test]
fn another_address_for_the_same_target() {
    let site = Site::new()
        .with("/one", Resource::pattern(1, LEN))
        .with("/two", Resource::pattern(2, LEN))
        .rate_total(16 * MIB);
    let desk = Desk::new(site);
    let to_target = |path: &str| {
        let mut what = desk.over(2, path);
        what.place = Place::File(desk.path("target"));
        what
    };
    desk.kill_at(to_target("/one"), 2 * MIB);
    desk.get(to_target("/two")).unwrap();
    desk.assert_only("target", 2, LEN);
}

#[test]
fn two_on_one_target() {
    let site = Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\"")).rate_total(4 * MIB);
    let desk = Desk::new(site);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| desk.get(desk.over(2, "/f")));
        while !desk.path("f.piton").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let second = desk.get(desk.over(3, "/f")).unwrap_err();
        let Failure::Local(PartError::Locked { holder, .. }) = &second else {
            panic!("{second:?}")
        };
        assert_eq!(*holder, Some(std::process::id()));
        first.join().unwrap().unwrap();
    });
    desk.assert_only("f", 1, LEN);
}

/// A crowd that wants the same file: one gets it, all others say why not, and nothing is spoilt.
#[test]
fn a_crowd_on_one_target() {
    let desk = Desk::new(Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\"")));
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..8).map(|_| scope.spawn(|| desk.get(desk.over(2, "/f")))).collect();
        let ends: Vec<_> = crowd.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(ends.iter().any(Result::is_ok), "{ends:?}");
        for failure in ends.into_iter().filter_map(Result::err) {
            let fair = matches!(
                failure,
                Failure::Local(PartError::Locked { .. } | PartError::Exists { .. })
                    | Failure::Exists { .. }
            );
            assert!(fair, "{failure:?}");
        }
    });
    desk.assert_only("f", 1, LEN);
}
