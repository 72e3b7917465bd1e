//! The data-driven cases of `tests/cases`: what a server says byte for byte, what is called, and
//! what must come of it. `tests/cases/README.md` describes the format.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::command::{Place, Ran};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    connection: Vec<Connection>,
    #[serde(default)]
    before: BTreeMap<String, String>,
    run: Vec<Run>,
    #[serde(default)]
    after: BTreeMap<String, String>,
    #[serde(default)]
    unfinished: Vec<String>,
    #[serde(default)]
    requests: Vec<String>,
    #[serde(default)]
    never: Vec<String>,
    connections: Option<usize>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Connection {
    replies: Vec<String>,
    #[serde(default)]
    repeat: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    args: Vec<String>,
    exit: i32,
    #[serde(default)]
    stderr: Vec<String>,
    #[serde(default)]
    stdout: Vec<String>,
}

#[test]
fn every_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 25, "cases are missing from {}", folder.display());
    let paths = Mutex::new(paths);
    let wrong = Mutex::new(Vec::new());
    // Most of a case is waiting.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(path) = { paths.lock().unwrap().pop() } {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let case: Case = toml::from_str(&text)
                        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    let faults = case.faults();
                    if !faults.is_empty() {
                        let name = path.file_name().unwrap_or_default().display();
                        wrong.lock().unwrap().push(format!("{name} ({}):\n{faults}", case.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Case {
    /// Plays the case and says in what it came out otherwise.
    fn faults(&self) -> String {
        let server = Server::start(self.connection.clone());
        let place = Place::new();
        self.before.iter().for_each(|(name, text)| place.write(name, &bytes(text)));
        let mut faults = String::new();
        let mut fault = |text: String| faults.push_str(&format!("  {text}\n"));
        for run in &self.run {
            let args: Vec<String> = run.args.iter().map(|arg| server.fill_in(arg)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let Some(ran) = run_briefly(&place, &args) else {
                fault(format!("{args:?} hangs"));
                break;
            };
            if ran.code != run.exit {
                fault(format!(
                    "{args:?}: exit {} instead of {}: {}",
                    ran.code, run.exit, ran.stderr
                ));
            }
            for (said, wanted) in [(&ran.stderr, &run.stderr), (&ran.stdout, &run.stdout)] {
                for text in wanted.iter().map(|text| server.fill_in(text)) {
                    if !said.contains(&text) {
                        fault(format!("{args:?} does not say {text:?}: {said}"));
                    }
                }
            }
        }
        self.judge_files(&place, &mut fault);
        let heads = server.heads();
        let missing = |text: &&String| !heads.iter().any(|head| head.contains(text.as_str()));
        for text in self.requests.iter().filter(missing) {
            fault(format!("no request has {text:?}: {heads:?}"));
        }
        for text in self.never.iter().filter(|text| !missing(text)) {
            fault(format!("a request has {text:?}: {heads:?}"));
        }
        if let Some(connections) = self.connections
            && server.connections() != connections
        {
            fault(format!("{} connections instead of {connections}", server.connections()));
        }
        faults
    }

    /// The folder holds exactly what it should.
    fn judge_files(&self, place: &Place, fault: &mut impl FnMut(String)) {
        let mut found: Vec<String> = std::fs::read_dir(place.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let states = self.unfinished.iter();
        let states = states.flat_map(|name| [format!("{name}.part"), format!("{name}.piton")]);
        let mut wanted: Vec<String> = self.after.keys().cloned().chain(states).collect();
        wanted.sort();
        if found != wanted {
            fault(format!("the folder holds {found:?} instead of {wanted:?}"));
        }
        for (name, text) in &self.after {
            let here = std::fs::read(place.path(name)).unwrap_or_default();
            if here != bytes(text) {
                fault(format!("{name} holds {:?}", String::from_utf8_lossy(&here)));
            }
        }
    }
}

/// Each character of a string of a case stands for one byte, so that any byte can be written.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("characters up to U+00FF")).collect()
}

/// `None` if it does not end.
fn run_briefly(place: &Place, args: &[&str]) -> Option<Ran> {
    let mut command = place.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(child.wait_with_output().unwrap().into())
}

/// Accepts connections in order and says on each what the case tells it to.
struct Server {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    heads: Vec<String>,
}

impl Server {
    fn start(script: Vec<Connection>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let log = Arc::clone(&seen);
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let said = script.get(number).or(script.last().filter(|last| last.repeat)).cloned();
                log.lock().unwrap().connections += 1;
                let log = Arc::clone(&log);
                // Without a script the connection is closed unanswered.
                let replies = said.map(|said| said.replies).unwrap_or_default();
                std::thread::spawn(move || {
                    stream.map(|stream| converse(stream, port, &replies, &log))
                });
            }
        });
        Self { port, seen }
    }

    /// `{url}` and `{port}`, as they are in this run.
    fn fill_in(&self, text: &str) -> String {
        fill_in(text, self.port)
    }

    fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

fn fill_in(text: &str, port: u16) -> String {
    text.replace("{url}", &format!("http://127.0.0.1:{port}")).replace("{port}", &port.to_string())
}

/// Answers each request with the next reply, then closes. A client that leaves early is part of
/// many cases.
fn converse(mut stream: TcpStream, port: u16, replies: &[String], seen: &Mutex<Seen>) {
    for reply in replies {
        let Some(head) = read_head(&mut stream) else { return };
        seen.lock().unwrap().heads.push(head);
        if stream.write_all(&bytes(&fill_in(reply, port))).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    // Unread input would turn the close into a reset.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
