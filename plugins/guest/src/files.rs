//! Reading files, and the room on file systems.

use crate::Error;
use crate::bindings::lictor::check::{dir, statfs};

pub use dir::{Entry, Kind};
pub use statfs::Usage;

/// The content of a file, cut to `max` bytes; needs a grant `dir:PATH`.
pub fn read(path: &str, max: u32) -> Result<Vec<u8>, Error> {
    dir::read(path, max).map_err(Error::from)
}

/// What lies in a directory; needs a grant `dir:PATH`.
pub fn entries(path: &str) -> Result<Vec<Entry>, Error> {
    dir::entries(path).map_err(Error::from)
}

/// How full the file system is that holds the path; needs a grant `statfs:PATH`.
pub fn usage(path: &str) -> Result<Usage, Error> {
    statfs::usage_of(path).map_err(Error::from)
}
