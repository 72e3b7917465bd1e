//! The metadata of a finished file.

use std::path::Path;
use std::time::SystemTime;

use crate::fs::{FsFile, is_of_the_disk};
use crate::part::PartError;

/// Sets attributes and time. They are extras: a file whose bytes are right does not fail without them,
/// whatever the reason (no support, no space, a quota, a security policy). Only an error of the disk
/// itself counts, since it may affect the bytes.
pub(crate) fn apply_metadata(
    file: &dyn FsFile,
    path: &Path,
    attributes: &[(String, Vec<u8>)],
    modified: Option<SystemTime>,
) -> Result<(), PartError> {
    for (name, value) in attributes {
        match file.set_attribute(name, value) {
            Err(error) if is_of_the_disk(&error) => {
                return Err(PartError::io("set an attribute of", path)(error));
            }
            // Set, or not supported here.
            _ => {}
        }
    }
    // Last: the steps before could change it.
    match modified.map(|modified| file.set_modified(modified)) {
        Some(Err(error)) if is_of_the_disk(&error) => {
            Err(PartError::io("set the time of", path)(error))
        }
        _ => Ok(()),
    }
}
