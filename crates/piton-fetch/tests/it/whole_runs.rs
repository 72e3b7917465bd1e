//! What must hold of whole downloads over every journal and every part that may lie there.
//!
//! The fuzz target `journal_run` calls the same function (the fuzz crate includes this file); the test at the end
//! looks whether it holds for the seeds of the target and for random bytes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use piton_durable::fs::OsFs;
use piton_durable::part::Durability;
use piton_fetch::{
    Client, Download, IfExists, Mirror, Monitor, Outcome, Place, Stop, Unfinished, inspect,
};
use piton_remote::http::{Config, Credentials, Login};
use piton_remote::{Origin, Remote};
use piton_testkit::hostile::journal::{About, plant};
use piton_testkit::hostile::{Draw, Kept, Walled, renewed};
use piton_testkit::server::{Resource, Server, Site, pattern};
use url::Url;

const SEED: u64 = 8;
const LEN: u64 = 20_000;
/// In what is planted.
const PLANTED: &str = "planted-login";
/// Given for one server, and for no other and no file.
const GIVEN: &str = "given-login";

/// The server of the file, one that journals name, and a client with a login for the first.
struct World {
    named: Server,
    elsewhere: Server,
    client: Client,
}

impl World {
    fn new() -> Self {
        let file = || Resource::pattern(SEED, LEN).etag("\"1\"");
        let named = Server::start(Site::new().with("/f", file()));
        let elsewhere =
            Server::start(Site::new().with("/f", file()).with("/other", Resource::pattern(1, LEN)));
        let mut config = Config::default();
        config.credentials = vec![Credentials {
            origins: vec![Origin::of(&named.url("/").parse().unwrap()).unwrap()],
            login: Some(Login::Bearer(GIVEN.to_owned())),
            ..Credentials::default()
        }];
        let client = Client::new(Remote::new(config).unwrap(), Arc::new(OsFs));
        Self { named, elsewhere, client }
    }
}

thread_local! {
    static WORLD: Kept<World> = const { Kept::new(None) };
}

/// A part and a journal lie there, of this user, and say anything. Then the download is resumed as the journal
/// says, and the file is fetched by its URL: neither touches anything else nor tells the login to another
/// server, and what is called done is right.
pub(crate) fn journal_run(data: &[u8]) {
    renewed(&WORLD, World::new, |world| run(world, &mut Draw::new(data)));
}

fn run(world: &World, draw: &mut Draw<'_>) {
    let place = Walled::new();
    let url = world.named.url("/f");
    let about = About {
        url: &url,
        seed: SEED,
        len: LEN,
        elsewhere: &["/f", "/other", "/none"].map(|path| world.elsewhere.url(path)),
        secret: PLANTED,
    };
    if draw.once_in(4) {
        fs::write(place.path("f"), "what was there before").unwrap();
    }
    let overwrite = draw.below(2) == 0;
    match draw.below(4) {
        kind @ 0..=2 => {
            plant(&place.path("f"), &about, draw);
            if kind == 2 {
                spoil(&place, draw);
            }
        }
        _ => {
            if draw.below(2) == 0 {
                fs::write(place.path("f.part"), draw.bytes(100)).unwrap();
            }
            fs::write(place.path("f.piton"), draw.rest()).unwrap();
        }
    }

    if let Ok(Some(unfinished)) = inspect(&OsFs, &place.path("f"))
        && let Some(resumed) = resumed(&unfinished)
    {
        let _ = get(&world.client, resumed);
        place.holds(GIVEN);
    }
    let mut what = Download::new(url.parse().unwrap(), Place::File(place.path("f")));
    let digest = Resource::pattern(SEED, LEN).sha256();
    what.digests = vec![format!("sha256:{digest}").parse().unwrap()];
    if overwrite {
        what.if_exists = IfExists::Overwrite;
    }
    if get(&world.client, what).is_some() {
        let bytes = fs::read(place.path("f")).unwrap();
        assert_eq!(bytes.len() as u64, LEN, "it is called done");
        assert_eq!(pattern::first_difference(SEED, 0, &bytes), None, "it is called done");
    }
    place.holds(GIVEN);
    for request in world.elsewhere.stats().requests {
        let told = request.headers.iter().any(|(_, value)| value.contains(GIVEN));
        assert!(!told, "the login went to another server: {request:?}");
    }
}

fn spoil(place: &Walled, draw: &mut Draw<'_>) {
    for name in ["f.piton", "f.part"] {
        let Ok(mut bytes) = fs::read(place.path(name)) else { continue };
        draw.spoil(&mut bytes);
        fs::write(place.path(name), bytes).unwrap();
    }
}

/// What `piton resume` makes of it.
fn resumed(unfinished: &Unfinished) -> Option<Download> {
    let meta = &unfinished.meta;
    let mut what =
        Download::new(Url::parse(&meta.url).ok()?, Place::File(unfinished.target.clone()));
    if meta.overwrite {
        what.if_exists = IfExists::Overwrite;
    }
    for mirror in &meta.mirrors {
        let url = Url::parse(&mirror.url).ok()?;
        what.mirrors.push(Mirror { url, priority: mirror.priority });
    }
    what.digests = meta.digests.iter().map(|digest| digest.parse().ok()).collect::<Option<_>>()?;
    Some(what)
}

fn get(client: &Client, mut what: Download) -> Option<Outcome> {
    what.durability = Durability::Process;
    what.retries = 0;
    what.stall_timeout = Duration::from_secs(2);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::select! {
            ended = client.download(what, Monitor::default(), Stop::new()) => ended.ok(),
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("it hangs"),
        }
    })
}

#[cfg(test)]
mod tests {
    use piton_testkit::hostile::Target;

    use super::*;

    #[test]
    fn journal_run() {
        Target::new("journal_run", super::journal_run).holds_for(150);
    }

    /// Were it not, no run would believe what is planted.
    #[test]
    fn what_is_planted_is_believed() {
        let (world, place) = (World::new(), Walled::new());
        let url = world.named.url("/f");
        let about = About { url: &url, seed: SEED, len: LEN, elsewhere: &[], secret: PLANTED };
        plant(&place.path("f"), &about, &mut Draw::new(&[]));
        let unfinished = inspect(&OsFs, &place.path("f")).unwrap().unwrap();
        let outcome = get(&world.client, resumed(&unfinished).unwrap()).unwrap();
        assert_eq!((outcome.resumed, outcome.fetched), (LEN / 2, LEN / 2));
    }
}
