//! Taking over what another program began: a partial file is compared with the server in some places,
//! and what agrees becomes a part with its journal, which a download resumes.
//!
//! `leftover` says which files belong together, `candidates` which bytes may be there at all,
//! `survey` where to look and what to make of differences, `evidence` how sure the result is.

mod candidates;
mod evidence;
mod leftover;
mod refusal;
mod survey;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Fs, Open, parent_dir, read_full_at};
use piton_durable::links;
use piton_durable::part::{Durability, Foreign, PartError, Target};
use url::Url;

use self::survey::{PLACE, Source, survey};
use crate::download::{Download, IfExists, Place};
use crate::engine::{First, RangeReader, Tools};
use crate::failure::Failure;
use crate::monitor::Monitor;
use crate::parse::aria2_control::ControlFile;
use crate::stop::Stop;
use piton_remote::blocking;

pub use evidence::Evidence;
pub use leftover::Leftover;
pub use refusal::Unadoptable;

/// How many places are compared beside the two ends, unless the caller says otherwise.
const SAMPLES: u32 = 16;

/// What to adopt, for which URL, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Adoption {
    /// What another program left.
    pub leftover: Leftover,
    /// The download that is to resume it. Its place is the final name; of its other choices the
    /// ones about the target, digests, durability, retries and time limits count.
    pub download: Download,
    /// How many random places are compared, beside head and tail of each run of data.
    pub samples: u32,
    /// Compare and say what would be imported, but import nothing.
    pub look_only: bool,
}

impl Adoption {
    /// Takes `leftover` over for a download of `url` to the name that it was to have.
    pub fn new(leftover: Leftover, url: Url) -> Self {
        let download = Download::new(url, Place::File(leftover.final_name()));
        Self { leftover, download, samples: SAMPLES, look_only: false }
    }
}

/// What was imported, or would be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Adopted {
    /// The final name of the download.
    pub path: PathBuf,
    /// The length of the whole in bytes.
    pub size: u64,
    /// Bytes that the file seemed to hold.
    pub found: u64,
    /// Bytes of those that are believed, and how sure that is.
    pub evidence: Evidence,
}

/// Carries out [`Client::adopt`].
pub(crate) async fn adopt(
    tools: &Tools,
    what: &Adoption,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Adopted, Failure> {
    let refuse = |why: Unadoptable| Failure::Unadoptable {
        path: what.leftover.file().to_owned(),
        why: Box::new(why),
    };
    let fs = &tools.fs;
    let target = target(what, &**fs)?;
    let control = match what.leftover.control() {
        Some(path) => {
            let bytes = control_bytes(&**fs, path).map_err(|source| PartError::Io {
                what: "read",
                path: path.to_owned(),
                source,
            })?;
            Some(ControlFile::parse(&bytes).map_err(|error| refuse(error.into()))?)
        }
        None => None,
    };
    let total = control.as_ref().map(ControlFile::total);
    let (own_fs, file) = (Arc::clone(fs), what.leftover.file().to_owned());
    let (foreign, runs) = blocking(move || {
        let foreign = Foreign::open(own_fs, &target, &file)?;
        let runs = candidates::runs(&foreign, control.as_ref())?;
        Ok::<_, PartError>((Arc::new(foreign), runs))
    })
    .await?;
    let Some(first) = runs.first() else {
        let claims = total.is_some();
        return Err(refuse(if claims { Unadoptable::Unclaimed } else { Unadoptable::Nothing }));
    };

    let head = first.start..first.end.min(first.start.saturating_add(PLACE));
    let begun = RangeReader::begin(tools, &what.download, monitor, stop, head.clone()).await?;
    let (reader, bytes) = match begun {
        First::Ranges(reader, bytes) => (reader, bytes),
        First::Beyond { size } => {
            return Err(refuse(Unadoptable::Longer { len: foreign.len(), size }));
        }
        First::NoRanges => return Err(refuse(Unadoptable::NoRanges)),
    };
    let size = reader.size();
    check(&reader, &what.download, foreign.len(), total, refuse)?;

    let mut server = Server { reader, foreign, first: Some((head, bytes)) };
    let found = runs.iter().map(|run| run.end - run.start).sum();
    let seed = getrandom::u64().unwrap_or(size);
    let survey = survey(&mut server, runs, what.samples, seed).await?;
    let Server { reader, foreign, .. } = server;
    let path = foreign.target().path().to_owned();
    if survey.believed.is_empty() {
        let at = survey.first_difference.unwrap_or(0);
        return Err(refuse(Unadoptable::Differs { at }));
    }
    let evidence = Evidence::of(&survey);
    if !what.look_only {
        let meta = reader.describe(&path)?.to_json();
        let durability = what.download.durability;
        take(foreign, meta, survey.believed, durability).await?;
        if let Some(control) = what.leftover.control() {
            // Last: until now it was worth something to aria2.
            remove(&**fs, control, durability)?;
        }
    }
    Ok(Adopted { path, size, found, evidence })
}

/// The target, if its final name is free or the file itself has it.
fn target(what: &Adoption, fs: &dyn Fs) -> Result<Target, Failure> {
    let file = what.leftover.file();
    let path = match &what.download.place {
        Place::File(path) => path.clone(),
        Place::Folder(folder) => {
            folder.join(what.leftover.final_name().file_name().unwrap_or_default())
        }
    };
    let path = links::target(fs, &path)?;
    let look = |path: &Path| {
        fs.stat(path).map_err(|source| PartError::Io {
            what: "look at",
            path: path.to_owned(),
            source,
        })
    };
    let (own, there) = (look(file)?, look(&path)?);
    let other = there.is_some() && there.map(|it| it.id) != own.map(|it| it.id);
    if other && what.download.if_exists != IfExists::Overwrite {
        return Err(Failure::Exists { path });
    }
    let folder = look(parent_dir(&path))?;
    if let (Some(own), Some(folder)) = (own, folder)
        && own.id.device != folder.id.device
    {
        // Found out now, and not after everything was compared.
        let source = std::io::ErrorKind::CrossesDevices.into();
        return Err(PartError::Io { what: "take over", path: file.to_owned(), source }.into());
    }
    Ok(Target::new(path))
}

fn control_bytes(fs: &dyn Fs, path: &Path) -> std::io::Result<Vec<u8>> {
    let file = fs.open(path, Open::Read)?;
    // One more, so that a longer one is found out.
    let longest = ControlFile::MAX_BYTES as u64 + 1;
    let len = file.stat()?.len.min(longest);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = read_full_at(&*file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// What is known before a byte was compared.
fn check(
    reader: &RangeReader<'_>,
    what: &Download,
    len: u64,
    total: Option<u64>,
    refuse: impl Fn(Unadoptable) -> Failure,
) -> Result<(), Failure> {
    let size = reader.size();
    if let Some(limit) = what.max_size.filter(|limit| size > *limit) {
        return Err(Failure::TooLarge { limit });
    }
    if let Some(total) = total.filter(|total| *total != size) {
        return Err(refuse(Unadoptable::OtherSize { total, size }));
    }
    if len > size {
        return Err(refuse(Unadoptable::Longer { len, size }));
    }
    match reader.encoding() {
        // Each answer is encoded afresh: what agrees now says nothing of the next one.
        Some(coding) => Err(refuse(Unadoptable::Encoded { coding })),
        None => Ok(()),
    }
}

async fn take(
    foreign: Arc<Foreign>,
    meta: Vec<u8>,
    believed: Vec<Range<u64>>,
    durability: Durability,
) -> Result<(), PartError> {
    let path = foreign.path().to_owned();
    blocking(move || match Arc::into_inner(foreign) {
        Some(foreign) => foreign.adopt(&meta, &believed, durability).map(drop),
        None => {
            let source = std::io::Error::other("a comparison still uses it");
            Err(PartError::Io { what: "take over", path, source })
        }
    })
    .await
}

fn remove(fs: &dyn Fs, path: &Path, durability: Durability) -> Result<(), PartError> {
    let io = |what| move |source| PartError::Io { what, path: path.to_owned(), source };
    fs.remove(path).map_err(io("remove"))?;
    match durability {
        Durability::Power => fs.sync_dir(parent_dir(path)).map_err(io("sync the directory of")),
        _ => Ok(()),
    }
}

/// The server, compared with the file.
struct Server<'a> {
    reader: Box<RangeReader<'a>>,
    foreign: Arc<Foreign>,
    /// What the first answer brought.
    first: Option<(Range<u64>, Vec<u8>)>,
}

impl Source for Server<'_> {
    async fn first_difference(&mut self, place: Range<u64>) -> Result<Option<u64>, Failure> {
        let there = match self.first.take_if(|(range, _)| *range == place) {
            Some((_, bytes)) => bytes,
            None => self.reader.read(place.clone()).await?,
        };
        let foreign = Arc::clone(&self.foreign);
        let differs = blocking(move || {
            let mut here = vec![0; there.len()];
            let read = foreign.read(&mut here, place.start)?;
            let same = here.iter().take(read).zip(&there).take_while(|(a, b)| a == b).count();
            Ok::<_, PartError>((same < there.len()).then_some(place.start + same as u64))
        });
        Ok(differs.await?)
    }
}
