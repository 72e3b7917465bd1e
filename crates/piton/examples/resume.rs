//! Stops a download half-way and goes on with it, against a server that this program starts itself.
//!
//! ```text
//! cargo run -p piton --example resume
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use piton::durable::fs::OsFs;
use piton::fetch::digest::Digest;
use piton::fetch::{Client, Download, Failure, Monitor, Place, Stop};
use piton::remote::{Remote, http::Config};
use piton_testkit::server::{MIB, Resource, Server, Site};

/// What the server has, and what it takes a moment to send.
const SIZE: u64 = 12 * MIB;
const RATE: u64 = 32 * MIB;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = Resource::pattern(1, SIZE).etag("\"version 1\"");
    let digest: Digest = format!("sha256:{}", file.sha256()).parse()?;
    let server = Server::start(Site::new().with("/big.bin", file).rate_total(RATE));
    let folder = tempfile::tempdir()?;

    let client = Client::new(Remote::new(Config::default())?, Arc::new(OsFs));
    let mut what =
        Download::new(server.url("/big.bin").parse()?, Place::Folder(folder.path().to_owned()));
    what.digests.push(digest);

    let (monitor, stop) = (Monitor::default(), Stop::new());
    let half_way = async {
        while monitor.progress().fetched < SIZE / 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.stop();
    };
    let (first, ()) =
        tokio::join!(client.download(what.clone(), monitor.clone(), stop.clone()), half_way);
    let Err(Failure::Stopped { have, .. }) = first else {
        return Err(format!("this should have been stopped: {first:?}").into());
    };
    println!("stopped with {have} of {SIZE} bytes; the folder has");
    for entry in std::fs::read_dir(folder.path())? {
        println!("    {}", entry?.file_name().to_string_lossy());
    }

    // The same call: nothing says that this is a resume.
    let outcome = client.download(what, Monitor::default(), Stop::new()).await?;
    println!("{} bytes were here, {} were fetched", outcome.resumed, outcome.fetched);
    for digest in &outcome.verified {
        println!("verified: {digest}");
    }
    if outcome.resumed == 0 || outcome.size != SIZE {
        return Err(format!("that was no resume: {outcome:?}").into());
    }
    Ok(())
}

/// An example that no test runs is wrong one day.
#[test]
fn stops_and_goes_on() {
    main().unwrap();
}
