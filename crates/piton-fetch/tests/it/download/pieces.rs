//! Digests of pieces: only what is bad is fetched again, and who gave it is named (G1).

use std::num::NonZeroU64;

use piton_fetch::digest::{Algorithm, Digest, Hasher, Pieces};

use piton_testkit::server::Body;

use super::mirrors::{Mirrors, named, put_part};
use super::*;

const LEN: u64 = 12 * MIB;
const PIECE: u64 = 256 * KIB;

fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    hasher.finalize()
}

fn pieces_of(len: u64) -> Pieces {
    let bytes = pattern::bytes(1, len as usize);
    let digests = bytes.chunks(PIECE as usize).map(digest).collect();
    Pieces::new(NonZeroU64::new(PIECE).unwrap(), digests).unwrap()
}

fn with_pieces(mut what: Download) -> Download {
    what.pieces = Some(pieces_of(LEN));
    what.digests.clear();
    what
}

/// What is fetched again beside a bad piece: its neighbours in the extents of the journal; and what is
/// raced at the end.
fn again(pieces: u64) -> u64 {
    pieces * (PIECE + 2 * MIB) + 2 * MIB
}

#[test]
fn a_good_file_costs_nothing() {
    for n in [1, 4] {
        let desk = Desk::new(named("a"));
        let outcome = desk.get(with_pieces(desk.over(n, "/f"))).unwrap();
        desk.assert_only("f", 1, LEN);
        // The end may be raced.
        assert!(outcome.fetched == LEN || (n > 1 && outcome.fetched < LEN + 2 * MIB));
    }
}

#[test]
fn a_piece_that_was_spoiled_on_the_way_is_fetched_again() {
    for n in [1, 4] {
        let desk = Desk::new(named("a").fault(Fault::flip_once(5 * MIB + 7)));
        let outcome = desk.get(with_pieces(desk.over(n, "/f"))).unwrap();
        desk.assert_only("f", 1, LEN);
        assert!(outcome.fetched > LEN && outcome.fetched <= LEN + again(1), "{outcome:?}");
    }
}

#[test]
fn pieces_that_stay_bad_are_named() {
    for (n, mirrors) in [(1, 0), (4, 0), (4, 1), (4, 2)] {
        let bad = |tag: &str| named(tag).fault(Fault::flip(5 * MIB + 7));
        let others = ["b", "c"].into_iter().take(mirrors).map(bad);
        let all = Mirrors::new(bad("a"), others);
        let failure = all.desk.fail(with_pieces(all.what(n)));
        let number = (5 * MIB + 7) / PIECE;
        match &failure {
            Failure::Integrity { pieces, .. } => assert_eq!(pieces.as_ref(), [number]),
            other => panic!("{other:?}"),
        }
        assert!(failure.to_string().contains(&format!("piece {number} ")), "{failure}");
        let sent: u64 = all.sent().iter().sum();
        assert!(sent < LEN + again(2 + mirrors as u64) + 4 * MIB, "{sent}");
        // What is right is kept.
        assert!(all.desk.claimed() > LEN / 2);
    }
}

#[test]
fn a_mirror_with_bad_pieces_is_dropped_and_only_those_are_fetched_again() {
    for first in [true, false] {
        // Every second piece that it gives is bad.
        let spoil = |site: Site| {
            (0..LEN / PIECE).step_by(2).fold(site, |site, n| site.fault(Fault::flip(n * PIECE + 9)))
        };
        let (a, b) = (named("a"), named("b"));
        let all = match first {
            true => Mirrors::new(spoil(a), [b]),
            false => Mirrors::new(a, [spoil(b)]),
        };
        let outcome = all.desk.get(with_pieces(all.what(4)));
        let outcome = outcome.unwrap_or_else(|error| panic!("{error} {:?}", all.desk.events()));
        all.desk.assert_only("f", 1, LEN);
        let (wrong, right) = match first {
            true => (&all.desk.server, &all.others[0]),
            false => (&all.others[0], &all.desk.server),
        };
        let why = all.dropped(wrong).unwrap();
        assert!(why.contains("of it is bad"), "{why}");
        assert_eq!(all.dropped(right), None);
        assert!(outcome.fetched < 2 * LEN, "{outcome:?}");
    }
}

/// No comparison is needed where the digests tell; other bytes are found all the same. Many at once, since who
/// gave a bad piece must not depend on when it is looked at.
#[test]
fn a_mirror_with_another_file() {
    each(0..8, |_| {
        let other = Site::new().with("/f", Resource::pattern(2, LEN)).rate_per_connection(8 * MIB);
        let all = Mirrors::new(named("a"), [other]);
        let outcome = all.desk.get(with_pieces(all.what(4)));
        outcome.unwrap_or_else(|error| panic!("{error} {:?}", all.desk.events()));
        all.desk.assert_only("f", 1, LEN);
        assert!(all.dropped(&all.others[0]).is_some(), "{:?}", all.desk.events());
    });
}

/// With a digest of the whole alone nobody can say who was wrong, until one source gave all.
#[test]
fn a_digest_of_the_whole_and_a_mirror_that_flips_bits() {
    for first in [true, false] {
        let spoil =
            |site: Site| (0..12).fold(site, |site, n| site.fault(Fault::flip(n * MIB + 99_999)));
        let (a, b) = (named("a"), named("b"));
        let all = match first {
            true => Mirrors::new(spoil(a), [b]),
            false => Mirrors::new(a, [spoil(b)]),
        };
        let mut what = all.what(4);
        what.digests = vec![digest(&pattern::bytes(1, LEN as usize))];
        let outcome = all.desk.get(what);
        outcome.unwrap_or_else(|error| panic!("{error} {:?}", all.desk.events()));
        all.desk.assert_only("f", 1, LEN);
    }
}

#[test]
fn a_stream_without_ranges_is_begun_again_once() {
    let flip = |fault: Fault| named("a").fault(Fault::ignores_range()).fault(fault);
    let desk = Desk::new(flip(Fault::flip_once(5 * MIB)));
    desk.get(with_pieces(desk.what("/f"))).unwrap();
    desk.assert_only("f", 1, LEN);
    let desk = Desk::new(flip(Fault::flip(5 * MIB)));
    let failure = desk.fail(with_pieces(desk.what("/f")));
    assert!(matches!(failure, Failure::Integrity { .. }), "{failure:?}");
}

/// Old bytes are trusted for what the journal says of them, and yet no file gets its name with a piece
/// that is bad.
#[test]
fn a_piece_that_an_earlier_run_left_bad() {
    let desk = Desk::new(named("a").fault(Fault::flip_once(MIB)));
    desk.kill_at(desk.over(2, "/f"), LEN / 2);
    desk.get(with_pieces(desk.over(2, "/f"))).unwrap();
    desk.assert_only("f", 1, LEN);
}

/// Many pieces that an earlier run left bad, and a first address that has them no better: whoever is the last
/// one left is still asked for each of them.
#[test]
fn pieces_that_an_earlier_run_left_bad_and_one_address_has_right() {
    let turns = (0..6).flat_map(|turn| [2, 3, 4].map(|n| (turn, n)));
    each(turns, |(_, n)| {
        let wrong = || Fault::overwritten_from(LEN / 2, Body::Pattern { seed: 2, len: LEN });
        let all = Mirrors::new(named("a").fault(wrong()), [named("b")]);
        let url = all.desk.server.url("/f");
        let meta = format!(
            r#"{{"url":"{url}","identity":{{"size":{LEN},"etag":{{"tag":"a"}}}},"begun":0,"ranges":true}}"#
        );
        put_part(&all.desk, &meta, &[(1, 0, LEN / 2), (2, LEN / 2, LEN - 64 * KIB)]);
        let outcome = all.desk.get(with_pieces(all.unjudged(n)));
        outcome.unwrap_or_else(|error| panic!("{n} {error} {:?}", all.desk.events()));
        all.desk.assert_only("f", 1, LEN);
    });
}

#[test]
fn a_file_of_another_length_is_not_fetched() {
    for (size, pieces) in [(Some(LEN + 1), None), (None, Some(pieces_of(LEN - PIECE)))] {
        let desk = Desk::new(named("a"));
        let mut what = desk.what("/f");
        (what.size, what.pieces) = (size, pieces.clone());
        let failure = desk.fail(what);
        assert!(matches!(failure, Failure::WrongSize { is: LEN, .. }), "{failure:?}");
        assert!(!failure.may_be_retried());
        assert!(desk.files().is_empty());

        // A mirror that has it is taken instead.
        let right = size.unwrap_or(LEN - PIECE);
        let site = Site::new().with("/f", Resource::pattern(1, right));
        let all = Mirrors::new(named("a"), [site]);
        let mut what = all.unjudged(2);
        (what.size, what.pieces) = (size, pieces);
        all.desk.get(what).unwrap();
        all.desk.assert_only("f", 1, right);
        assert!(all.dropped(&all.desk.server).is_some());
    }
    // Where the length is not said before, the end tells.
    let desk = Desk::new(named("a").fault(Fault::ignores_range().and(Fault::chunked(9000))));
    let mut what = desk.what("/f");
    what.size = Some(LEN + 1);
    let failure = desk.fail(what);
    assert!(matches!(failure, Failure::WrongSize { is: LEN, .. }), "{failure:?}");
}

/// The digest of the whole is that of the bytes that stayed, not of those that came in first.
/// Also if only the journal says how long the file is.
#[test]
fn a_resume_of_a_file_of_another_length() {
    let desk = Desk::new(named("a"));
    desk.kill_at(desk.what("/f"), 3 * MIB);
    desk.server.add_fault(Fault::content_range_total("*"));
    for len in [LEN - PIECE, LEN + PIECE] {
        let mut what = desk.what("/f");
        what.pieces = Some(pieces_of(len));
        let failure = desk.fail(what);
        assert!(matches!(failure, Failure::WrongSize { is: LEN, .. }), "{failure:?}");
    }
}

#[test]
fn a_piece_that_was_spoiled_on_the_way_under_a_digest_of_the_whole() {
    each([(1, 0), (4, 0), (4, 1)], |(n, mirrors)| {
        let first = named("a").fault(Fault::flip_once(5 * MIB + 7));
        let all = Mirrors::new(first, ["b"].into_iter().take(mirrors).map(named));
        let mut what = with_pieces(all.what(n));
        what.digests = vec![super::mirrors::right()];
        let outcome = all.desk.get(what);
        let outcome = outcome.unwrap_or_else(|error| panic!("{error} {:?}", all.desk.events()));
        assert_eq!(outcome.verified, [super::mirrors::right()]);
        all.desk.assert_only("f", 1, LEN);
    });
}

/// Pieces and whole that contradict one another: nothing is called right, and nothing is fetched again for
/// it.
#[test]
fn a_digest_of_the_whole_that_contradicts_the_pieces() {
    let desk = Desk::new(named("a"));
    let mut what = with_pieces(desk.over(2, "/f"));
    what.digests = vec![digest(b"another file")];
    for _ in 0..2 {
        let failure = desk.fail(what.clone());
        assert!(matches!(&failure, Failure::Integrity { pieces, .. } if pieces.is_empty()));
    }
    assert!(desk.server.stats().sent() < LEN + 3 * MIB);
}

/// Pieces of a file whose length the server does not say.
#[test]
fn a_bad_piece_of_a_stream_without_length() {
    let site = |fault: Fault| {
        named("a").fault(Fault::ignores_range().and(Fault::chunked(9000))).fault(fault)
    };
    let desk = Desk::new(site(Fault::flip(5 * MIB + 7)));
    let failure = desk.fail(with_pieces(desk.what("/f")));
    let number = (5 * MIB + 7) / PIECE;
    assert!(
        matches!(&failure, Failure::Integrity { pieces, .. } if **pieces == [number]),
        "{failure:?}"
    );
    let desk = Desk::new(site(Fault::flip_once(5 * MIB + 7)));
    desk.get(with_pieces(desk.what("/f"))).unwrap();
    desk.assert_only("f", 1, LEN);
}

/// Bytes of two addresses that only the pieces judge are of no use to a run that is not given them.
#[test]
fn a_resume_without_the_pieces_that_judge() {
    each([2, 4], |n| {
        let wrong = Fault::overwritten_from(0, Body::Pattern { seed: 2, len: LEN });
        let all = Mirrors::new(named("a"), [named("b").fault(wrong)]);
        all.desk.kill_at(with_pieces(all.what(n)), LEN / 3);
        let outcome = all.desk.get(all.desk.over(2, "/f")).unwrap();
        assert_eq!(outcome.resumed, 0, "{outcome:?}");
        all.desk.assert_only("f", 1, LEN);
    });
}

/// Pieces known by a CRC find accidents and judge no mirror: one URL at a time, and each gets its turn.
#[test]
fn pieces_that_only_find_accidents() {
    let crc = |bytes: &[u8]| {
        let mut hasher = Hasher::new(Algorithm::Crc32);
        hasher.update(bytes);
        hasher.finalize()
    };
    let bytes = pattern::bytes(1, LEN as usize);
    let pieces = bytes.chunks(PIECE as usize).map(crc).collect();
    let pieces = Pieces::new(NonZeroU64::new(PIECE).unwrap(), pieces).unwrap();
    let bad = Fault::flip(5 * MIB + 7);
    for (first, second) in [(None, None), (Some(bad.clone()), None), (Some(bad.clone()), Some(bad))]
    {
        let site = |tag, fault: Option<Fault>| fault.into_iter().fold(named(tag), Site::fault);
        let right = first.is_none() || second.is_none();
        let used = first.is_some();
        let all = Mirrors::new(site("a", first), [site("b", second)]);
        let mut what = all.unjudged(4);
        what.pieces = Some(pieces.clone());
        if right {
            all.desk.get(what).unwrap();
            all.desk.assert_only("f", 1, LEN);
        } else {
            assert!(matches!(all.desk.fail(what), Failure::Integrity { .. }));
        }
        assert_eq!(all.sent()[1] > 0, used);
    }
}
