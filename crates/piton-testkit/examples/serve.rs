//! The fault server as a program, for scripts: serves one file of a pattern until stdin ends.
//!
//! ```text
//! serve [--size BYTES] [--rate BYTES_PER_SECOND] [--stall CONNECTION@BYTES]
//!       [--crawl CONNECTION@BYTES_PER_SECOND] [--sha256] [--log]
//! ```
//!
//! The first line on stdout is the address, the second (with `--sha256`) the digest. With `--log`
//! a line follows for each request as it arrives: seconds since 1970, and its `Range`. Connections
//! are counted from 1; `--rate` is for each of them.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use piton_testkit::server::{Fault, MIB, Resource, Server, Site};

const USAGE: &str = "usage: serve [--size BYTES] [--rate BYTES_PER_SECOND] \
    [--stall CONNECTION@BYTES] [--crawl CONNECTION@BYTES_PER_SECOND] [--sha256] [--log]";

/// The version never changes, so that a resume after a restart of the server goes on.
const MODIFIED: Duration = Duration::from_secs(1_700_000_000);

struct Options {
    size: u64,
    rate: Option<u64>,
    faults: Vec<Fault>,
    sha256: bool,
    log: bool,
}

fn main() -> ExitCode {
    let Some(options) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let file =
        Resource::pattern(1, options.size).etag("\"serve-1\"").last_modified(UNIX_EPOCH + MODIFIED);
    let digest = options.sha256.then(|| file.sha256());
    let mut site = Site::new().with("/file.bin", file);
    if let Some(rate) = options.rate {
        site = site.rate_per_connection(rate);
    }
    if options.log {
        site = site.fault(Fault::in_request(|request| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let range = request.headers.first("range").unwrap_or("-");
            say(&format!("{:.6} {range}", now.as_secs_f64()));
        }));
    }
    let site = options.faults.into_iter().fold(site, Site::fault);
    let server = Server::start(site);
    say(&server.url("/file.bin"));
    if let Some(digest) = digest {
        say(&digest);
    }
    // Whoever started this closes stdin, or ends and so closes it.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

/// A line on stdout; a reader that is gone is no failure of the server.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options =
        Options { size: MIB, rate: None, faults: Vec::new(), sha256: false, log: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--size" => options.size = words.next()?.parse().ok()?,
            "--rate" => options.rate = Some(words.next()?.parse().ok()?),
            "--stall" => {
                let (connection, bytes) = at(&words.next()?)?;
                options.faults.push(Fault::stall_after(bytes).connections(connection..=connection));
            }
            "--crawl" => {
                let (connection, rate) = at(&words.next()?)?;
                options.faults.push(Fault::crawl(rate).connections(connection..=connection));
            }
            "--sha256" => options.sha256 = true,
            "--log" => options.log = true,
            _ => return None,
        }
    }
    Some(options)
}

fn at(word: &str) -> Option<(usize, u64)> {
    let (connection, value) = word.split_once('@')?;
    Some((connection.parse().ok()?, value.parse().ok()?))
}
