//! `piton get`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton::fetch::parse::checksum_file::ChecksumFile;
use piton::fetch::{Client, Download, Failure, IfExists, Mirror, Place};
use piton::remote::http::Prefer;
use url::Url;

use super::{batch, list, plan};
use crate::args::{GetArgs, ListOptions};
use crate::config::Config;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::network::Network;
use crate::trouble::Trouble;
use crate::{read, redact, screen};

pub(crate) fn get(
    mut args: GetArgs,
    config: Config,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    if args.list.is_some() {
        return list::get(args, config, environment);
    }
    args.fetch = args.fetch.or(&config);
    if args.files.output.is_none() {
        args.files.directory = args.files.directory.or(config.get.directory);
    }
    let urls = args.urls.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    check(&args)?;
    let mut network = Network::of(&args.fetch.network, environment)?;
    let beside = args.files.mirror.iter().chain(&args.checks.checksum_file);
    network.allow(&beside.filter_map(|text| Url::parse(text).ok()).collect::<Vec<_>>());
    network.prefer(Prefer::Http1);
    let client = network.client_of_files(&urls)?;
    let screen = screen::choose(args.fetch.output, environment);
    batch::block_on(async {
        let downloads = downloads(&args, urls, &client).await?;
        if args.files.dry_run {
            return plan::plan(&client, &downloads, args.fetch.output.json).await;
        }
        batch::run(&client, downloads, screen).await
    })
}

/// Invalid combinations that the argument parser does not detect.
fn check(args: &GetArgs) -> Result<(), Trouble> {
    if args.check || args.options != ListOptions::default() {
        return Err(Trouble::usage("the options under List need a list: -i LIST"));
    }
    let one = args.urls.len() == 1;
    if !one && args.files.output.is_some() {
        return Err(Trouble::usage("-o FILE works with one URL only")
            .hint("-d DIR puts the files into a folder, each under its own name"));
    }
    if !one && !args.files.mirror.is_empty() {
        return Err(Trouble::usage("--mirror works with one URL only"));
    }
    if !one && !args.checks.checksum.is_empty() {
        return Err(Trouble::usage("--checksum works with one URL only")
            .hint("--checksum-file FILE gives the digests of several files"));
    }
    match place(args) {
        Place::File(_)
            if args.files.output.as_ref().is_some_and(|path| path.as_os_str() == "-") =>
        {
            Err(Trouble::usage("piton writes to files, not to standard output"))
        }
        Place::File(path)
            if path.file_name().is_none() || ends_with_slash(&path) || path.is_dir() =>
        {
            Err(Trouble::usage(format!("{} is a folder", path.display()))
                .hint("-d DIR writes into a folder"))
        }
        _ => Ok(()),
    }
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Not left to the argument parser: it would repeat what it refuses, including a login.
pub(super) fn address(text: &str) -> Result<Url, Trouble> {
    let wrong = |why: String| Trouble::usage(format!("{}: {why}", redact::rubbish(text)));
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "file") => Ok(url),
        Ok(url) if text.contains("://") => Err(wrong(format!(
            "cannot fetch {}: URLs; only http, https and file are supported",
            url.scheme()
        ))),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => {
            let shown = redact::rubbish(text);
            Err(wrong("not a URL: it does not start with http://, https:// or file://".to_owned())
                .hint(format!("did you mean https://{shown}?")))
        }
        Err(error) => Err(wrong(format!("not a URL: {error}"))),
    }
}

async fn downloads(
    args: &GetArgs,
    urls: Vec<Url>,
    client: &Client,
) -> Result<Vec<Download>, Trouble> {
    let list = match &args.checks.checksum_file {
        Some(source) => Some(Arc::new(checksum_file(source, client).await?)),
        None => None,
    };
    let rate_limit = args.fetch.transfer.rate_limit();
    let mirrors = (1..).zip(&args.files.mirror);
    let mirrors = mirrors.map(|(priority, text)| Ok(Mirror { url: address(text)?, priority }));
    let mirrors = mirrors.collect::<Result<Vec<_>, Trouble>>()?;
    let download = |url| {
        let mut download = Download::new(url, place(args));
        download.mirrors.clone_from(&mirrors);
        args.fetch.transfer.apply(&mut download);
        download.rate_limit = rate_limit.clone();
        download.if_exists = match (args.files.overwrite, args.files.rename) {
            (true, _) => IfExists::Overwrite,
            (_, true) => IfExists::Rename,
            _ => IfExists::Refuse,
        };
        download.only_newer = args.files.only_newer;
        download.restart = args.files.restart;
        download.digests.clone_from(&args.checks.checksum);
        download.checksum_file.clone_from(&list);
        download
    };
    Ok(urls.into_iter().map(download).collect())
}

fn place(args: &GetArgs) -> Place {
    let folder = args.files.directory.clone();
    match &args.files.output {
        Some(file) => Place::File(folder.unwrap_or_default().join(file)),
        None => Place::Folder(folder.unwrap_or_else(|| PathBuf::from("."))),
    }
}

pub(super) async fn checksum_file(source: &str, client: &Client) -> Result<ChecksumFile, Trouble> {
    let shown = redact::text(source);
    let (bytes, name) = if source.starts_with("http://") || source.starts_with("https://") {
        let url = address(source)?;
        let bytes = client.read(&url, ChecksumFile::MAX_BYTES).await;
        let bytes = bytes.map_err(|failure| match failure {
            Failure::TooLarge { limit } => {
                let message =
                    format!("{shown} is longer than {limit} bytes, too long for a list of digests");
                Trouble::usage(message)
            }
            failure => {
                let trouble = Trouble::from(&failure);
                Trouble { message: format!("{shown}: {}", trouble.message), ..trouble }
            }
        })?;
        let name = url.path_segments().and_then(|mut names| names.next_back());
        (bytes, name.unwrap_or_default().to_owned())
    } else {
        let path = Path::new(source);
        let bytes = read::bytes(path).map_err(|error| Trouble::file("read", path, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (bytes, name)
    };
    ChecksumFile::parse(&bytes, &name)
        .map_err(|error| Trouble::usage(format!("{shown} is not a list of digests: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none() {
        let message = |text: &str| address(text).unwrap_err().message;
        assert_eq!(
            message("example.com/a"),
            "example.com/a: not a URL: it does not start with http://, https:// or file://",
        );
        assert_eq!(
            message("localhost:80/a"),
            "localhost:80/a: not a URL: it does not start with http://, https:// or file://",
        );
        assert_eq!(
            message("ftp://h/a"),
            "ftp://h/a: cannot fetch ftp: URLs; only http, https and file are supported"
        );
        assert_eq!(message("http://"), "http://: not a URL: empty host");
        assert_eq!(message("http://ann:se/cret@h:1"), "http://h:1: not a URL: invalid port number",);
        assert!(address("HTTPS://Example.com").is_ok());
    }
}
