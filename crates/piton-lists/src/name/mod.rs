//! From an item to a path below the target folder, and never outside it, whatever a list says.
//!
//! [`TargetPath`] builds the path, [`claim`] decides which of several items gets it, and [`Folder`] creates
//! the folders it needs.

mod claim;
mod error;
mod folder;
mod path;
mod taken;

// Public for the fuzz crate, which includes the file.
#[cfg(test)]
#[allow(unreachable_pub)]
pub(crate) mod properties;

pub use claim::claim;
pub use error::{FolderError, NameError};
pub use folder::Folder;
pub use path::TargetPath;
pub(crate) use taken::Taken;

/// How an item without its own name (`out`) is named. Always from its URL: the name that the server gives
/// (Content-Disposition) is known only after the first response, and processing a list twice must give the
/// same names without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// The last part of the URL: `https://a.example/x/y.bin` becomes `y.bin`.
    #[default]
    Flat,
    /// Host and folders of the URL: `a.example/x/y.bin`.
    Tree,
}
