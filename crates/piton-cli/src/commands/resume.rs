//! `piton resume`.

use piton::fetch::{Download, IfExists, Mirror, Place, RateLimit, Unfinished};
use piton::remote::http::Prefer;
use url::Url;

use super::unfinished::{find, places};
use super::{batch, job};
use crate::args::{ResumeArgs, TransferOptions};
use crate::config::Config;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::network::Network;
use crate::trouble::Trouble;
use crate::{out, screen};

pub(crate) fn resume(
    args: ResumeArgs,
    config: Config,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    let options = args.fetch.or(&config);
    let mut network = Network::of(&options.network, environment)?;
    // Whoever wrote a journal could have the login sent anywhere.
    network.require_named("the journals here decide which servers to ask")?;
    let rate_limit = options.transfer.rate_limit();
    let mut downloads: Vec<Download> = Vec::new();
    // A download that cannot even start does not stop the others.
    let mut failed = None;
    let mut shown = false;
    for found in job::find(&args.paths)? {
        shown = true;
        let name = out::path(&found.name);
        if let Err(trouble) = job::show_how_to_resume(found, options.output.quiet) {
            out::complain(Some(&name), &trouble);
            failed.get_or_insert(trouble.exit);
        }
    }
    let paths: Vec<_> = args.paths.iter().filter(|path| !job::is_job(path)).cloned().collect();
    for found in find(&paths) {
        let download = match found.state {
            Ok(Some(unfinished)) => match (unfinished.running, found.named) {
                (Some(pid), false) => {
                    if !options.output.quiet {
                        let name = out::path(&unfinished.target);
                        out::say(format!("{name}: skipped, process {pid} is fetching it"));
                    }
                    continue;
                }
                _ => download(&unfinished, &options.transfer, rate_limit.as_ref()),
            },
            Ok(None) if found.named => Err(Trouble::new(Exit::Local, "nothing is unfinished here")
                .hint("piton status DIR shows what is unfinished in a folder and below")),
            Ok(None) => continue,
            Err(trouble) => Err(trouble),
        };
        match download {
            Ok(download) => downloads.push(download),
            Err(trouble) => {
                out::complain(Some(&out::path(&found.path)), &trouble);
                failed.get_or_insert(trouble.exit);
            }
        }
    }
    if downloads.is_empty() {
        if failed.is_none() && !shown && !options.output.quiet {
            out::say(format!("nothing to resume in {}", places(&args.paths)));
        }
        return Ok(failed.unwrap_or(Exit::Done));
    }
    network.prefer(Prefer::Http1);
    let client = network.client(&[])?;
    let screen = screen::choose(options.output, environment);
    let exit = batch::block_on(batch::run(&client, downloads, screen))?;
    Ok(match exit {
        Exit::Interrupted | Exit::Terminated => exit,
        _ => failed.unwrap_or(exit),
    })
}

/// The download as it was started, with the options of this call.
fn download(
    unfinished: &Unfinished,
    options: &TransferOptions,
    rate_limit: Option<&RateLimit>,
) -> Result<Download, Trouble> {
    let meta = &unfinished.meta;
    let wrong = |what: String| {
        Trouble::new(Exit::Local, format!("its journal holds {what}"))
            .hint("remove it with piton forget, then fetch the file again")
    };
    let url = Url::parse(&meta.url).map_err(|error| wrong(format!("an invalid URL: {error}")))?;
    let mut download = Download::new(url, Place::File(unfinished.target.clone()));
    options.apply(&mut download);
    download.rate_limit = rate_limit.cloned();
    if meta.overwrite {
        download.if_exists = IfExists::Overwrite;
    }
    for mirror in &meta.mirrors {
        let url = Url::parse(&mirror.url)
            .map_err(|error| wrong(format!("an invalid mirror URL: {error}")))?;
        download.mirrors.push(Mirror { url, priority: mirror.priority });
    }
    for digest in &meta.digests {
        let digest =
            digest.parse().map_err(|error| wrong(format!("an invalid digest: {error}")))?;
        download.digests.push(digest);
    }
    Ok(download)
}
