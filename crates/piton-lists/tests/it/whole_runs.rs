//! What must hold of whole runs of a list over every ledger that may lie there.
//!
//! The fuzz target `ledger_run` calls the same function (the fuzz crate includes this file); the test at the end
//! looks whether it holds for the seeds of the target and for random bytes.

use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use piton_checkpoint::ledger::{Durability, Failures, How, Ledger, LedgerError, Reader};
use piton_durable::fs::OsFs;
use piton_fetch::{Client, Stop};
use piton_lists::report::{self, Wanted};
use piton_lists::run::{Monitor, Options, Run, RunError, Summary};
use piton_lists::source::Source;
use piton_remote::http::{Config, Credentials, Login};
use piton_remote::{Origin, Remote};
use piton_testkit::hostile::{Draw, Kept, Walled, files, ledger, renewed};
use piton_testkit::server::{Resource, Server, Site, pattern};

const SEED: u64 = 8;
const LEN: u64 = 3_000;
/// In what is planted.
const PLANTED: &str = "planted-login";
/// Given for the server of the list, and left in no file.
const GIVEN: &str = "given-login";
const NOW: u64 = 1_700_000_000_000;
const STATE: [&str; 3] = ["list.piton.db", "list.piton.db-wal", "list.piton.flight"];

/// A server of two files, and the ledger of a list of both, of which one failed.
struct World {
    list: String,
    ledger: Vec<u8>,
    client: Client,
    _server: Server,
}

impl World {
    fn new() -> Self {
        let file = || Resource::pattern(SEED, LEN).etag("\"1\"");
        let server = Server::start(Site::new().with("/f", file()));
        let list = format!("{}\n{}\n", server.url("/f"), server.url("/g"));
        let mut config = Config::default();
        config.credentials = vec![Credentials {
            origins: vec![Origin::of(&server.url("/").parse().unwrap()).unwrap()],
            login: Some(Login::Bearer(GIVEN.to_owned())),
            ..Credentials::default()
        }];
        let client = Client::new(Remote::new(config).unwrap(), Arc::new(OsFs));
        let place = Walled::new();
        fs::write(place.path("list"), &list).unwrap();
        let summary = go(&client, &place).unwrap();
        assert_eq!((summary.done, summary.fatal), (1, 1), "{summary:?}");
        let ledger = fs::read(place.path(STATE[0])).unwrap();
        server.replace("/g", file());
        Self { list, ledger, client, _server: server }
    }
}

thread_local! {
    static WORLD: Kept<World> = const { Kept::new(None) };
}

/// A ledger lies there, of this user, and says anything. Then everything is asked of it, the list is gone through,
/// and the ledger is given up: nothing of that touches anything else or leaves the login, and what is under a
/// final name is right.
pub(crate) fn ledger_run(data: &[u8]) {
    renewed(&WORLD, World::new, |world| run(world, &mut Draw::new(data)));
}

fn run(world: &World, draw: &mut Draw<'_>) {
    let place = Walled::new();
    fs::write(place.path("list"), &world.list).unwrap();
    let [database, log, flight] = STATE.map(|name| place.path(name));
    let mut bytes = world.ledger.clone();
    match draw.below(5) {
        0..=2 => {
            fs::write(&database, bytes).unwrap();
            ledger::rewrite(&database, PLANTED, draw);
        }
        3 => {
            draw.spoil(&mut bytes);
            fs::write(&database, bytes).unwrap();
        }
        _ => {
            fs::write(&database, bytes).unwrap();
            for file in [&log, &flight] {
                fs::write(file, draw.bytes(2000)).unwrap();
            }
            if draw.below(2) == 1 {
                fs::write(&database, draw.rest()).unwrap();
            }
        }
    }

    ask(&place);
    // A ledger that says wrong things ends the run or hides items; whatever it does is data.
    let _ = go(&world.client, &place);
    ask(&place);
    for (path, bytes) in files(&place.work()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("list") || name.ends_with(".part") || name.ends_with(".piton") {
            continue;
        }
        assert_eq!(bytes.len() as u64, LEN, "{name}");
        assert_eq!(pattern::first_difference(SEED, 0, &bytes), None, "{name}");
    }
    place.holds(GIVEN);
    let _ = Ledger::remove(&database);
    place.holds(GIVEN);
}

/// Everything that can be asked of a ledger. That it does not answer is fine.
fn ask(place: &Walled) {
    let path = place.path(STATE[0]);
    let source = Source::new(place.path("list"));
    let _ = report::status(&source, &path, NOW);
    let _ = report::write_failures(&source, &path, &Wanted::default(), &mut Vec::new());
    if let Ok(mut reader) = Reader::open(&path) {
        let _ = (reader.totals(), reader.by_class(), reader.worst_hosts(10), reader.rate(NOW, 60));
        let _ = (reader.runs(10), reader.is_empty());
        let _ = reader.failures(&Failures::default(), |known| {
            assert!(known.detail.is_none_or(|detail| detail.len() <= 512));
            ControlFlow::Continue(())
        });
    }
}

fn go(client: &Client, place: &Walled) -> Result<Summary, RunError> {
    let how = How { durability: Durability::Process, create: true, now: NOW };
    let ledger = Ledger::open(&place.path(STATE[0]), &how)?;
    let mut options = Options::new(place.path("out"));
    options.durability = piton_durable::part::Durability::Process;
    options.retries = 0;
    options.adjust = Some(Arc::new(|what| what.stall_timeout = Duration::from_secs(2)));
    let run = Run::new(client.clone(), ledger.clone(), Source::new(place.path("list")), options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run.go(Monitor::new(None), Stop::new()) => ended,
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("it hangs"),
        }
    });
    drop(run);
    match ledger.close() {
        Ok(()) | Err(LedgerError::Closed { .. }) => ended,
        Err(error) => ended.and(Err(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use piton_checkpoint::ledger::Known;
    use piton_testkit::hostile::Target;

    use super::*;

    #[test]
    fn ledger_run() {
        Target::new("ledger_run", super::ledger_run).holds_for(150);
    }

    /// Were it not, no run would believe what is planted.
    #[test]
    fn what_is_planted_is_believed() {
        let (world, place) = (World::new(), Walled::new());
        let path = place.path(STATE[0]);
        // The detail of the item that failed is another text.
        for (bytes, said) in [(&[][..], "404"), (&[0, 1, 10, 0, 1], "../outside/x")] {
            fs::write(&path, &world.ledger).unwrap();
            ledger::rewrite(&path, PLANTED, &mut Draw::new(bytes));
            let mut told = Vec::new();
            let each = |known: Known| {
                told.push(known.detail.unwrap_or_default());
                ControlFlow::Continue(())
            };
            Reader::open(&path).unwrap().failures(&Failures::default(), each).unwrap();
            assert!(told.len() == 1 && told[0].contains(said), "{told:?}");
        }
    }
}
