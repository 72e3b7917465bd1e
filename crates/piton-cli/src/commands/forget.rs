//! `piton forget`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton::durable::fs::{Fs, Open, OsFs};
use piton::durable::journal;
use piton::durable::lock::{LockError, lock};
use piton::durable::part::{Durability, OpenPart, Opened, Part, PartError, Target};
use piton::fetch::inspect;

use super::{job, list};
use crate::args::ForgetArgs;
use crate::exit::Exit;
use crate::out;
use crate::trouble::Trouble;

/// Removes part and journal of each. The exit code is that of the first that stays.
pub(crate) fn forget(args: &ForgetArgs) -> Result<Exit, Trouble> {
    let state = args.state.as_deref();
    if state.is_some() && args.paths.len() != 1 {
        return Err(Trouble::usage("--state works with one list or job only"));
    }
    let of_job = job::spec(state);
    let mut exit = Exit::Done;
    for path in &args.paths {
        let removed = if of_job.is_some() || (state.is_none() && job::is_job(path)) {
            job::forget(path, of_job.clone())
        } else if state.is_some() || list::is_list(path) {
            list::forget(path, state)
        } else {
            forget_one(path)
        };
        match removed {
            Ok(removed) => out::print_text(&removed)?,
            Err(trouble) => {
                out::complain(Some(&path.to_string_lossy()), &trouble);
                if exit == Exit::Done {
                    exit = trouble.exit;
                }
            }
        }
    }
    Ok(exit)
}

fn forget_one(path: &Path) -> Result<String, Trouble> {
    let target = Target::new(final_name(path));
    // The journal of a file with a long name holds its name; an unreadable journal is removed.
    let unfinished = inspect(&OsFs, target.path()).ok().flatten();
    let target = unfinished.map_or(target, |unfinished| Target::new(unfinished.target));
    let there: Vec<PathBuf> = [target.part(), target.journal()]
        .into_iter()
        .filter(|path| matches!(OsFs.stat(path), Ok(Some(_))))
        .collect();
    if there.is_empty() {
        return Err(Trouble::new(Exit::Local, "nothing is unfinished here"));
    }
    remove_unusable_journal(&target)?;
    // Without durability, a part without its journal is opened as it is, not set aside first.
    let how = OpenPart { durability: Durability::None, ..OpenPart::default() };
    match Part::open(Arc::new(OsFs), &target, how)? {
        Opened::Part(part, recovered) => {
            part.discard()?;
            // It was moved away to be left alone, and should now be removed.
            if let Some(aside) = recovered.set_aside {
                OsFs.remove(&aside).map_err(|error| Trouble::file("remove", &aside, &error))?;
            }
        }
        Opened::Finished => {
            return Ok(format!(
                "{} was already complete; removed its journal",
                target.path().display()
            ));
        }
    }
    let names: Vec<_> = there.iter().map(|path| path.display().to_string()).collect();
    Ok(format!("removed {}", names.join(" and ")))
}

/// A journal that this version cannot read would keep the part from being opened, or be set aside.
fn remove_unusable_journal(target: &Target) -> Result<(), Trouble> {
    let path = target.journal();
    let unusable = matches!(
        journal::read(&OsFs, &path),
        Err(PartError::NewerFormat { .. } | PartError::Unreadable { .. })
    );
    if !unusable {
        return Ok(());
    }
    // Held while the journal is removed: its owner may be a newer version at work (G5).
    let _part = match lock(&OsFs, &target.part(), Open::ReadWrite) {
        Err(LockError::Held { holder }) => {
            return Err(PartError::Locked { path: target.part(), holder }.into());
        }
        Err(LockError::Io(error)) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Trouble::file("open", &target.part(), &error));
        }
        other => other.ok(),
    };
    OsFs.remove(&path).map_err(|error| Trouble::file("remove", &path, &error))
}

/// `NAME` for `NAME`, `NAME.part` and `NAME.piton`.
fn final_name(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) if extension == "part" || extension == "piton" => path.with_extension(""),
        _ => path.to_owned(),
    }
}
