//! The limit of open files.

use std::num::NonZeroUsize;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Open files per running download, besides its connections: the part and its journal, and briefly a folder
/// or a temporary name.
const PER_JOB: u64 = 4;
/// What the command needs in any case.
const BASE: u64 = 64;
/// Folders are held open while they are used, at most one for this many files that may be open.
const FILES_PER_FOLDER: u64 = 16;

/// Raises the soft limit of open files as far as `jobs` parallel files over `connections` each need it and
/// the hard limit allows. Returns the number of parallel files that fit, and a message if that is fewer.
pub(super) fn raise_limit(
    jobs: NonZeroUsize,
    connections: usize,
) -> (NonZeroUsize, Option<String>) {
    let per_job = (connections as u64).saturating_add(PER_JOB);
    let wanted = (jobs.get() as u64).saturating_mul(per_job).saturating_add(BASE);
    let wanted = wanted.saturating_add(wanted / (FILES_PER_FOLDER - 1)).saturating_add(1);
    let mut limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < wanted) else {
        return (jobs, None);
    };
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    limit.current = Some(most);
    let most = if setrlimit(Resource::Nofile, limit).is_ok() { most } else { current };
    if most >= wanted {
        return (jobs, None);
    }
    let fewer = within(most, per_job).min(jobs);
    let note = format!(
        "at most {most} files can be open (ulimit -n): fetching {fewer} at once, not {jobs}"
    );
    (fewer, Some(note))
}

/// The number of parallel files that fit into a limit of open files: at least one, hoping for the best.
fn within(limit: u64, per_job: u64) -> NonZeroUsize {
    let taken = BASE.saturating_add(limit / FILES_PER_FOLDER);
    let fewer = limit.saturating_sub(taken).checked_div(per_job).unwrap_or(0);
    usize::try_from(fewer).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let jobs = |jobs| NonZeroUsize::new(jobs).unwrap();
        assert_eq!(raise_limit(jobs(1), 1), (jobs(1), None));
        let hard = getrlimit(Resource::Nofile).maximum.unwrap();
        let (fewer, note) = raise_limit(NonZeroUsize::MAX, 1);
        assert_eq!(fewer.get() as u64, (hard - BASE - hard / 16) / 5);
        assert!(note.unwrap().starts_with(&format!("at most {hard} files can be open")));
        assert_eq!(getrlimit(Resource::Nofile).current, Some(hard));
    }

    #[test]
    fn files_at_once_within_a_limit() {
        assert_eq!(
            [0, 64, 68, 73, 79, 1024].map(|limit| within(limit, 5).get()),
            [1, 1, 1, 1, 2, 179]
        );
    }
}
