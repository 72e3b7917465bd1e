//! Files of this machine as sources, where they are not as the suite of all protocols has them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use piton_durable::fs::{Fs, OsFs};
use piton_remote::http::Config;
use piton_remote::{
    Ask, AskError, FailureClass, Meaning, RefusalKind, Remote, RemoteError, Reply, Retry,
};
use piton_testkit::disk::{Failure, Fault, SimDisk};
use rustix::io::Errno;
use url::Url;

fn remote() -> Remote {
    Remote::new(Config::default()).unwrap().with_files(Arc::new(OsFs))
}

async fn ask(path: &Path) -> Result<Reply, AskError> {
    ask_of(Arc::new(OsFs), path).await
}

async fn ask_of(fs: Arc<dyn Fs>, path: &Path) -> Result<Reply, AskError> {
    let ask = Ask::new(Url::from_file_path(path).unwrap());
    Remote::new(Config::default()).unwrap().with_files(fs).connection().ask(&ask).await
}

/// Reads to the end.
async fn read(reply: Result<Reply, AskError>) -> Result<Vec<u8>, AskError> {
    let (mut reply, mut bytes, mut buf) = (reply?, Vec::new(), vec![0; 4096]);
    loop {
        match reply.body.read(&mut buf).await.map_err(AskError::Failed)? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(&buf[..n]),
        }
    }
}

#[tokio::test]
async fn only_where_it_is_allowed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let ask = Ask::new(Url::from_file_path(file.path()).unwrap());
    let plain = Remote::new(Config::default()).unwrap();
    let refused = plain.connection().ask(&ask).await.unwrap_err();
    assert!(matches!(refused, AskError::Failed(RemoteError::FilesNotAllowed)), "{refused}");
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let socket = folder.path().join("socket");
    let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let beneath = folder.path().join("plain/beneath");
    fs::write(folder.path().join("plain"), "x").unwrap();
    let version = Path::new("/proc/version");
    for path in [folder.path(), &fifo, &socket, Path::new("/dev/zero"), &beneath, version] {
        // To open a FIFO would wait for somebody who writes.
        let error = ask(path).await.unwrap_err();
        let AskError::Refused(refusal) = &error else { panic!("{error:?}") };
        assert_eq!(refusal.kind, RefusalKind::Gone, "{path:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(Meaning::of_refusal(refusal).class, FailureClass::Gone);
    }
}

/// A file that was written a moment ago could change again without a new time: that moment is waited for.
#[tokio::test]
async fn a_fresh_file_is_known_by_its_times() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "x").unwrap();
    let strength = ask(file.path()).await.unwrap().head.identity.best_strength();
    assert!(!strength.unwrap().wants_overlap());
}

#[tokio::test]
async fn of_another_machine_there_is_none() {
    for url in ["file://other.example/etc/hosts", "file://127.0.0.1/etc/hosts"] {
        let ask = Ask::new(Url::parse(url).unwrap());
        let error = remote().connection().ask(&ask).await.unwrap_err();
        assert!(matches!(error, AskError::Failed(RemoteError::BadUrl { .. })), "{url}: {error}");
    }
}

/// Changed in its place: no byte is handed out of which it is not known that it is of the version begun.
#[tokio::test]
async fn a_file_that_changes_in_place_breaks_off() {
    const LEN: usize = 8 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for change in [
        (|path: &Path| fs::write(path, vec![2; LEN]).unwrap()) as fn(&Path),
        |path| fs::File::options().write(true).open(path).unwrap().set_len(LEN as u64 / 2).unwrap(),
        |path| fs::write(path, vec![2; LEN + 1]).unwrap(),
    ] {
        fs::write(&path, vec![1; LEN]).unwrap();
        // So that the clock of the file system has another time for the change.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut reply = ask(&path).await.unwrap();
        let mut buf = vec![0; 4096];
        let mut came = reply.body.read(&mut buf).await.unwrap();
        change(&path);
        let error = loop {
            match reply.body.read(&mut buf).await {
                Ok(0) => panic!("the end, after {came} bytes"),
                Ok(n) => {
                    assert!(buf[..n].iter().all(|&byte| byte == 1), "after {came} bytes");
                    came += n;
                }
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("changed"), "{error}");
    }
}

/// What the disk refuses is no broken connection, and is not tried again in vain.
#[tokio::test]
async fn a_file_that_cannot_be_read_is_the_files_fault() {
    let folder = tempfile::tempdir().unwrap();
    let circle = folder.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let mut errors = vec![(read(ask(&circle).await).await.unwrap_err(), "too many")];
    // A page long, it says.
    let short = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    match short.exists() {
        true => errors.push((read(ask(short).await).await.unwrap_err(), "shorter than it says")),
        false => println!("there is no {}", short.display()),
    }
    let mut at = 1;
    loop {
        let disk = SimDisk::seeded(at);
        disk.put("/f", &[1; 10_000]);
        disk.restart();
        disk.inject(Fault { at, failure: Failure::Error(Errno::IO.raw_os_error()) });
        match read(ask_of(Arc::new(disk.clone()), Path::new("/f")).await).await {
            Ok(bytes) if bytes == [1; 10_000] && disk.operations() < at => break,
            Ok(bytes) => panic!("operation {at}: {} bytes", bytes.len()),
            Err(error) => errors.push((error, "error")),
        }
        at += 1;
    }
    assert!(at > 5, "{at} operations prove nothing");
    for (error, words) in errors {
        let AskError::Failed(error) = &error else { panic!("{error}") };
        assert!(error.to_string().to_lowercase().contains(words), "{error}");
        let Meaning { retry, fault, class, .. } = Meaning::of_remote(error);
        let expected = (Retry::Never, piton_remote::Fault::Item, FailureClass::Disk);
        assert_eq!((retry, fault, class), expected, "{error}");
    }
}
