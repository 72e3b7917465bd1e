//! A file that already exists under its final name.

use std::path::Path;

use crate::dirs;
use crate::fs::{Fs, Open, parent_dir};
use crate::part::PartError;

/// Makes the file at `path` and its name durable. An earlier process may have given it the name and died
/// before its sync: what is visible then may not survive a power cut.
///
/// # Errors
/// The file is unchanged, and may not be durable (G7).
pub fn settle(fs: &dyn Fs, path: &Path) -> Result<(), PartError> {
    let file = fs.open(path, Open::Read).map_err(PartError::io("open", path))?;
    file.sync_all().map_err(PartError::io("sync", path))?;
    dirs::sync_found(fs, parent_dir(path)).map_err(PartError::io("sync the directory of", path))
}
