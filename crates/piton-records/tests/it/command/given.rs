//! What commands are given, and those that cannot be started.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use piton_records::command::{Ended, RunError};
use piton_testkit::skip;

use super::{Bench, line, text};

#[test]
fn its_environment_is_ours_and_what_is_added() {
    let mut plain = std::process::Command::new("env");
    plain.env("PITON_LINE", "1 2").env("PITON_ATTEMPT", "");
    let wanted = String::from_utf8(plain.output().unwrap().stdout).unwrap();
    let env = [("PITON_LINE", OsStr::new("1 2")), ("PITON_ATTEMPT", OsStr::new(""))];
    let bench = Bench::new();
    let ran = bench.runner().run(&line(&["env"]).as_given(), None, &env, &mut |_| ()).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&text(&ran.output)), sorted(&wanted));
    assert!(wanted.contains("PITON_LINE=1 2\n") && wanted.contains("PATH="));
}

#[test]
fn no_open_file_of_ours_is_open_in_it() {
    let (bench, script) = (Bench::new(), "ls -l /proc/self/fd/ | sed 's/.* //'");
    // What this process inherited without close-on-exec is open in every child.
    let count = |text: &str| text.lines().filter(|line| !line.is_empty()).count();
    let mut plain = std::process::Command::new("sh");
    plain.args(["-c", script]).stdin(std::process::Stdio::piped());
    let inherited = count(&String::from_utf8(plain.output().unwrap().stdout).unwrap());
    // Others run at the same time, with pipes of all kinds, and one has spilled.
    let others = bench.sh("head -c 3000000 /dev/zero", None);
    let ran = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| bench.sh("sleep 0.5; cat", Some(&vec![0; 100_000])));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        bench.sh(script, Some(b"in"))
    });
    drop(others);
    assert_eq!(count(&text(&ran.output)), inherited, "{}", text(&ran.output));
}

#[test]
fn signals_are_as_a_shell_would_have_them() {
    let ran =
        Bench::new().run(&["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"], None).unwrap();
    let mut lines = text(&ran.output)
        .lines()
        .map(|line| line.split('\t').nth(1).unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(lines.remove(0).trim_start_matches('0'), "", "blocked");
    let ignored = u64::from_str_radix(&lines.remove(0), 16).unwrap();
    assert_eq!(ignored >> 12 & 1, 0, "SIGPIPE is ignored: {ignored:x}");
    // As programs rely on it.
    let ran = Bench::new().sh("yes | head -n 1", None);
    assert_eq!((ran.ended, text(&ran.output)), (Ended::Code(0), "y\n".to_owned()));
}

#[test]
fn it_leads_a_process_group_of_its_own() {
    let ran = Bench::new().sh("cut -d' ' -f5 /proc/$$/stat; echo $$", None);
    let text = text(&ran.output);
    let (group, pid) = text.split_once('\n').unwrap();
    assert_eq!(group, pid.trim());
}

#[test]
fn what_is_not_there_or_no_program_is_an_error_with_its_name() {
    let bench = Bench::new();
    let file = |name: &str, text: &str, mode| {
        let path = bench.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let error = |program: &str| {
        let error = bench.run(&[program], Some(b"in")).unwrap_err();
        assert!(!error.is_transient() && !error.is_of_the_record(), "{error}");
        assert!(error.to_string().contains(program), "{error}");
        error
    };
    for missing in ["piton-no-such-program", "/no/such/program"] {
        assert!(matches!(error(missing), RunError::NotFound { .. }));
    }
    let interpreter = file("interpreter", "#!/no/such/interpreter\n", 0o755);
    assert!(matches!(error(&interpreter), RunError::NoInterpreter { .. }));
    for program in [
        file("private", "#!/bin/sh\n", 0o644),
        file("text", "just text\n", 0o755),
        bench.folder.path().to_str().unwrap().to_owned(),
        file("plain", "", 0o755) + "/x",
    ] {
        assert!(matches!(error(&program), RunError::NotExecutable { .. }), "{program}");
    }
}

#[test]
fn a_program_that_is_being_written_may_be_run_later() {
    let bench = Bench::new();
    let path = bench.path("true");
    std::fs::copy("/bin/true", &path).unwrap();
    let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let run = || bench.run(&[path.to_str().unwrap()], None);
    let error = run().unwrap_err();
    assert!(matches!(error, RunError::Start { .. }) && error.is_transient(), "{error}");
    drop(writer);
    // Another test may have forked while it was open: its child has it until it runs its program.
    super::wait_until("it runs", || run().is_ok_and(|ran| ran.ended == Ended::Code(0)));
}

#[test]
fn a_record_that_is_too_long_is_its_own_fault() {
    let (bench, line) = (Bench::new(), line(&["echo", "{}"]));
    let mut runner = bench.runner();
    let long = vec![b'a'; 4 << 20];
    let error = runner.run(&line.with_record(&long).unwrap(), None, &[], &mut |_| ()).unwrap_err();
    assert!(error.is_of_the_record() && !error.is_transient(), "{error}");
    assert_eq!(
        error.to_string(),
        "the record has 4194304 bytes, which are too many for the arguments of echo"
    );
    let record = b"a b\n$(c) \xff";
    let ran = runner.run(&line.with_record(record).unwrap(), None, &[], &mut |_| ()).unwrap();
    assert_eq!(super::bytes(&ran.output), [&record[..], b"\n"].concat());
    // Here it is the command line.
    let error = bench.run(&["echo", &"a".repeat(4 << 20)], None).unwrap_err();
    assert!(matches!(error, RunError::TooLong { record: None, .. }), "{error}");
    assert!(!error.is_of_the_record());
}

#[test]
fn a_system_without_another_process_is_asked_again_later() {
    if !rustix::process::geteuid().is_root() {
        return skip("the limit of processes is that of a user, and changing to one takes root");
    }
    // The next test, as a user who may have no more processes, from where that user may read it.
    let this = std::env::current_exe().unwrap();
    let copy =
        tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let program = copy.path().join("it");
    std::fs::copy(this, &program).unwrap();
    let output = std::process::Command::new("prlimit")
        .arg("--nproc=1:1")
        .arg(&program)
        .args([
            "command::given::as_a_user_without_processes",
            "--exact",
            "--ignored",
            "--test-threads=1",
        ])
        .env("TMPDIR", "/tmp")
        .uid(23_456)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by the test above, with a limit"]
fn as_a_user_without_processes() {
    let error = Bench::new().run(&["true"], None).unwrap_err();
    assert!(matches!(error, RunError::Start { .. }) && error.is_transient(), "{error}");
}
