//! Who holds a lock.

use crate::fs::FileId;

/// The process that holds a flock on `id` according to the text of `/proc/locks`.
///
/// Some file systems (btrfs) show another device number there than `stat` does; then the inode
/// alone decides, if only one lock has it.
pub(super) fn holder(locks: &str, id: FileId) -> Option<u32> {
    let mut same_inode = Vec::new();
    for line in locks.lines() {
        let mut words = line.split_ascii_whitespace();
        // "5: FLOCK  ADVISORY  WRITE 1234 fe:01:8126492 0 EOF"; lines of waiters have "->" second.
        if words.nth(1) != Some("FLOCK") {
            continue;
        }
        let Some(Ok(pid)) = words.nth(2).map(str::parse::<u32>) else { continue };
        let Some((device, inode)) = words.next().and_then(|place| place.rsplit_once(':')) else {
            continue;
        };
        if inode.parse() != Ok(id.inode) {
            continue;
        }
        let numbers = device.split_once(':').and_then(|(major, minor)| {
            Some((u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?))
        });
        if numbers == Some((rustix::fs::major(id.device), rustix::fs::minor(id.device))) {
            return (pid != 0).then_some(pid);
        }
        same_inode.push(pid);
    }
    match same_inode.as_slice() {
        [pid] if *pid != 0 => Some(*pid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found_by_device_and_inode() {
        let device = rustix::fs::makedev(0xfe, 1);
        let id = |inode| FileId { device, inode, birth: None };
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:01:42 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 8 fe:02:42 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 fe:01:42 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 10 fe:01:42 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 11 00:1f:43 0 EOF\n";
        assert_eq!(holder(locks, id(42)), Some(9));
        assert_eq!(holder(locks, id(43)), Some(11));
        assert_eq!(holder(locks, id(44)), None);
        assert_eq!(holder("rubbish\n5: FLOCK", id(42)), None);
    }
}
