//! How many files may be open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Open files per file under way besides its connections: the part and its journal, and for a moment a
/// folder or a temporary name.
const PER_JOB: u64 = 4;
/// What the command needs however little is under way.
const BASE: u64 = 64;

/// Raises the soft limit of open files as far as `jobs` files at once over `connections` each need it
/// and the hard limit allows. What to tell, if that is not enough.
pub(super) fn raise_limit(jobs: usize, connections: usize) -> Option<String> {
    let per_job = (connections as u64).saturating_add(PER_JOB);
    let wanted = (jobs as u64).saturating_mul(per_job).saturating_add(BASE);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return None;
    }
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    limit.current = Some(most);
    let raised = setrlimit(Resource::Nofile, limit).is_ok();
    (!raised || most < wanted).then(|| {
        format!("only {most} files may be open here (ulimit -n), {jobs} at once need {wanted}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20);
        assert_eq!(raise_limit(1, 1), None);
        let told = raise_limit(usize::MAX, 1).unwrap();
        assert!(told.contains(&format!("only {hard} files")), "{told}");
        assert_eq!(getrlimit(Resource::Nofile).current, Some(hard));
    }
}
