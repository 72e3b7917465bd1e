//! What needs only an answer, no part.

use std::path::PathBuf;

use piton_checkpoint::Identity;
use piton_durable::part::PartError;
use url::Url;

use super::exchange::received;
use super::mirrors::Sources;
use super::name::name_of;
use super::probe::{Prober, Question, Tries};
use super::tools::Tools;
use super::transfer_error::TransferError;
use crate::download::{Download, Place, Plan};
use crate::failure::Failure;
use crate::monitor::Monitor;
use crate::stop::Stop;
use piton_remote::{ByteRange, Holds, host_of};

/// What [`super::run`] would do, without doing it.
pub(crate) async fn plan(tools: &Tools, what: &Download) -> Result<Plan, Failure> {
    let (monitor, stop) = (Monitor::default(), Stop::new());
    let prober =
        Prober { remote: &tools.remote, what, monitor: &monitor, stop: &stop, tries: Tries::Usual };
    let range = Some(ByteRange { first: 0, last: Some(0) });
    let question = |_: &_| Question { range, ..Question::default() };
    let probed = prober.ask(&Sources::new(what), question).await?;
    let head = probed.reply.head;
    let (identity, ranges) = match probed.reply.holds {
        Holds::Part { .. } => (head.identity.clone(), true),
        Holds::Whole => (head.identity.clone(), false),
        Holds::OutOfRange { size } => (Identity { size, ..Identity::default() }, false),
        Holds::NotNewer => (Identity::default(), false),
    };
    let path = match &what.place {
        Place::File(path) => path.clone(),
        Place::Folder(folder) => folder.join(name_of(&head, &what.url, &head.url).as_str()),
    };
    let fs = tools.fs.as_ref();
    let io = |source| PartError::Io { what: "look at", path: path.clone(), source };
    let exists = fs.stat(&path).map_err(io)?.is_some();
    let have = crate::meta::inspect(fs, &path)?.map_or(0, |found| found.synced + found.written);
    Ok(Plan { path, identity, ranges, have, exists, url: head.url })
}

/// Reads a small resource into memory.
pub(crate) async fn read(tools: &Tools, url: &Url, limit: usize) -> Result<Vec<u8>, Failure> {
    let (monitor, stop) = (Monitor::default(), Stop::new());
    let what = Download::new(url.clone(), Place::File(PathBuf::new()));
    let prober = Prober {
        remote: &tools.remote,
        what: &what,
        monitor: &monitor,
        stop: &stop,
        tries: Tries::Usual,
    };
    let mut probed = prober.ask(&Sources::new(&what), |_| Question::default()).await?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = probed.reply.body.read(&mut buffer);
        let read = received(|| host_of(url), what.stall_timeout, read, stop.stopped()).await;
        let read = read.and_then(|read| Ok(read?));
        let read = read.map_err(TransferError::into_failure)?;
        let chunk = buffer.get(..read).unwrap_or_default();
        if chunk.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(chunk);
        if bytes.len() > limit {
            return Err(Failure::TooLarge { limit: limit as u64 });
        }
    }
}
