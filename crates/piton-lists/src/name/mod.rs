//! From an item to a place below the target folder: never outside of it, whatever a list says.
//!
//! [`TargetPath`] makes the path, [`claim`] settles whose it is where several items want the same, and
//! [`Folder`] makes the folders it needs.

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

/// How an item without a name of its own (`out`) is named. Always from its address: a name that the
/// server gives (Content-Disposition) is known only after the first answer, and a list gone through
/// twice must give the same names without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// The last part of the address: `https://a.example/x/y.bin` is `y.bin`.
    #[default]
    Flat,
    /// Host and folders of the address are kept: `a.example/x/y.bin`.
    Tree,
}
