//! What commands write, in memory and in files.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use piton_durable::fs::{Fs, OsFs};
use piton_records::command::{Body, Ended, Limits, RunError, Runner, Stop};
use piton_testkit::SmallDisk;

use super::{Bench, bytes, line, text};

#[test]
fn large_output_is_in_a_private_file_without_a_name() {
    let mut bench = Bench::new();
    for (memory, len) in [(1 << 20, 100_000_000), (1 << 20, (1 << 20) + 1), (10, 11), (0, 1)] {
        bench.memory = memory;
        let ran = bench.sh(&format!("yes 123456789 | head -c {len}"), None);
        let Body::File { file, len: found } = &ran.output else { panic!("{:?}", ran.output) };
        assert_eq!((ran.ended, *found), (Ended::Code(0), len));
        assert_eq!(file.stat().unwrap().mode & 0o777, 0o600);
        assert!(bytes(&ran.output).chunks(10).all(|it| b"123456789\n".starts_with(it)));
        bench.assert_empty();
    }
}

/// A file system where each file has a name when it is created.
struct Named;

impl Fs for Named {
    piton_testkit::forward_fs!(this => OsFs;
        open stat lstat rename remove sync_dir list create_dir canonicalize user new_file_mode random);
}

#[test]
fn where_files_need_a_name_it_is_gone_at_once() {
    let bench = Bench::new();
    let mut limits = Limits::new(bench.folder.path());
    (limits.memory, limits.fs) = (1000, Arc::new(Named));
    let mut runner = Runner::new(limits, &bench.stop);
    // It sees what is in the folder when half of its output has come.
    let script = "head -c 200000 /dev/zero; sleep 0.3; ls -A \"$1\"; head -c 100000 /dev/zero";
    let line = line(&["sh", "-c", script, "sh", bench.folder.path().to_str().unwrap()]);
    let ran = runner.run(&line.as_given(), None, &[], &mut |_| ()).unwrap();
    assert!(matches!(ran.output, Body::File { len: 300_000, .. }), "{:?}", ran.output);
    assert!(bytes(&ran.output).iter().all(|byte| *byte == 0));
    bench.assert_empty();
}

#[test]
fn output_up_to_the_limit_is_in_memory() {
    let mut bench = Bench::new();
    for (memory, len) in [(1 << 20, 1 << 20), (1 << 20, 70_000), (10, 10), (0, 0)] {
        bench.memory = memory;
        let ran = bench.sh(&format!("yes 123456789 | head -c {len}"), None);
        assert!(matches!(ran.output, Body::Memory(_)), "{:?}", ran.output);
        assert_eq!(ran.output.len(), len);
        assert!(bytes(&ran.output).chunks(10).all(|it| b"123456789\n".starts_with(it)));
    }
}

#[test]
fn one_output_holds_nothing_of_another() {
    let bench = Bench::new();
    let mut runner = bench.runner();
    for round in 0..20_usize {
        let len = [900_000, 0, 5, 3_000_000, 70_000][round % 5];
        let input = vec![b'a' + u8::try_from(round).unwrap(); len];
        let cat = line(&["cat"]);
        let ran = runner.run(&cat.as_given(), Some(&input), &[], &mut |_| ()).unwrap();
        assert!(bytes(&ran.output) == input);
        if round % 2 == 0 {
            runner.recycle(ran.output);
        }
    }
}

#[test]
fn all_errors_are_passed_on_and_the_last_ones_are_kept() {
    let mut limits = Limits::new("/");
    limits.stderr = 1000;
    let mut runner = Runner::new(limits, &Stop::new().unwrap());
    let line = line(&["sh", "-c", "yes 123456789 | head -c 100000000 >&2; echo end >&2; echo out"]);
    let (mut passed, mut last) = (0, Vec::new());
    let mut on_stderr = |chunk: &[u8]| {
        passed += chunk.len();
        last = chunk.to_vec();
    };
    let ran = runner.run(&line.as_given(), None, &[], &mut on_stderr).unwrap();
    assert_eq!((ran.ended, text(&ran.output)), (Ended::Code(0), "out\n".to_owned()));
    assert_eq!(passed, 100_000_004);
    assert!(last.ends_with(b"end\n"));
    assert_eq!(ran.stderr.len(), 1000);
    assert!(ran.stderr.ends_with(b"\n123456789\nend\n"));
}

#[test]
fn where_temporary_files_cannot_be_is_an_error_of_its_own() {
    let bench = Bench::new();
    let mut limits = Limits::new(bench.path("missing"));
    limits.memory = 1000;
    let mut runner = Runner::new(limits, &bench.stop);
    // It would not end by itself, and its errors are read on.
    let endless =
        line(&["sh", "-c", "trap 'echo term >&2; exit 0' TERM; while :; do echo aaaaaaaaaa; done"]);
    let error = runner.run(&endless.as_given(), None, &[], &mut |_| ()).unwrap_err();
    assert!(matches!(error, RunError::Spill { what: "create", .. }), "{error}");
    assert!(!error.is_transient() && !error.is_of_the_record());
    // The next one is not affected.
    let ran = runner.run(&line(&["echo", "a"]).as_given(), None, &[], &mut |_| ()).unwrap();
    assert_eq!(text(&ran.output), "a\n");
}

#[test]
fn a_full_disk_is_not_a_failure_of_the_command_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount("size=1536k") else { return };
    let mut limits = Limits::new(disk.path());
    limits.memory = 100_000;
    let mut runner = Runner::new(limits, &Stop::new().unwrap());
    let yes = line(&["yes"]);
    for _ in 0..3 {
        let error = runner.run(&yes.as_given(), None, &[], &mut |_| ()).unwrap_err();
        assert!(matches!(error, RunError::Spill { what: "write", .. }), "{error}");
        assert!(error.is_transient() && error.to_string().contains("No space left"), "{error}");
        assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0);
    }
    // The space was given back: this one fits.
    let fits = line(&["head", "-c", "1400000", "/dev/zero"]);
    let ran = runner.run(&fits.as_given(), None, &[], &mut |_| ()).unwrap();
    assert!(matches!(ran.output, Body::File { len: 1_400_000, .. }), "{:?}", ran.output);
    drop(ran);
    // The files can neither be created.
    drop(runner);
    let Some(disk) = SmallDisk::mount("size=1536k,nr_inodes=1") else { return };
    let mut limits = Limits::new(disk.path());
    limits.memory = 100_000;
    let mut runner = Runner::new(limits, &Stop::new().unwrap());
    let error = runner.run(&yes.as_given(), None, &[], &mut |_| ()).unwrap_err();
    assert!(matches!(error, RunError::Spill { what: "create", .. }), "{error}");
    assert!(error.is_transient(), "{error}");
    let folder = std::fs::metadata(disk.path()).unwrap();
    assert_eq!(
        (folder.permissions().mode() & 0o777 != 0, std::fs::read_dir(disk.path()).unwrap().count()),
        (true, 0)
    );
}
