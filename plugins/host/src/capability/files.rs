//! Reading granted files and directories, and how full file systems are.

use crate::contract::types::Failure;
use crate::contract::{dir, statfs};
use crate::grant::{Kind, parse_path};
use crate::state::RunState;
use lictor_net::clock::{self, Instant};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest answer of one `read`.
const READ_BYTES_MAX: usize = 1 << 20;
/// The longest list of one `entries`.
const ENTRIES_MAX: usize = 4096;
/// The longest path taken.
const PATH_BYTES_MAX: usize = 4096;
/// File operations at once, of all plugins. A disk that hangs holds these, and not the agent's threads.
const FILE_OPERATIONS_MAX: usize = 16;

static OPERATIONS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(FILE_OPERATIONS_MAX)));

/// A granted path: where the grant begins, and what is asked below it.
struct Place {
    granted: PathBuf,
    below: PathBuf,
}

impl RunState {
    fn place(&mut self, kind: Kind, path: &str) -> Result<Place, Failure> {
        if path.len() > PATH_BYTES_MAX {
            return Err(Failure::Invalid(format!("the path is longer than {PATH_BYTES_MAX} bytes")));
        }
        let path = parse_path(path).map_err(Failure::Invalid)?;
        let Some(granted) = self.grants.covering(kind, &path) else {
            return Err(self.deny(&format!("{}:{}", kind.as_str(), path.display())));
        };
        let below = path.strip_prefix(granted).unwrap_or(Path::new("")).to_owned();
        Ok(Place { granted: granted.to_owned(), below })
    }
}

impl Place {
    /// A file right below `/proc`, such as `/proc/meminfo`, is made by the kernel when it is read: no disk is waited for, and
    /// changing threads would cost more than the reading. (`kmsg` waits for messages.)
    fn is_the_kernels(&self) -> bool {
        let path = self.granted.join(&self.below);
        path.parent() == Some(Path::new("/proc")) && path.file_name().is_some_and(|name| name != "kmsg")
    }
}

/// Does something that may take the disk's time, until the run's deadline.
async fn on_disk<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = clock::timeout_at(deadline, async {
        let turn = Arc::clone(&OPERATIONS).acquire_owned().await;
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        working.await
    });
    match done.await {
        Err(_) => Err(Failure::TimedOut),
        Ok(Err(error)) => Err(Failure::Other(error.to_string())),
        Ok(Ok(done)) => done.map_err(|error| Failure::Other(error.to_string())),
    }
}

/// Opens without leaving what is granted, without magic links, and without waiting for the other end of a pipe.
fn open(place: &Place, flags: OFlags) -> std::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if place.below.as_os_str().is_empty() {
        return Ok(rustix::fs::open(&place.granted, flags, Mode::empty())?);
    }
    let top = rustix::fs::open(&place.granted, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(&top, &place.below, flags, Mode::empty(), resolve)?)
}

fn read(place: &Place, max: usize) -> std::io::Result<Vec<u8>> {
    let file = File::from(open(place, OFlags::empty())?);
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut content = Vec::new();
    file.take(max as u64).read_to_end(&mut content)?;
    Ok(content)
}

fn entries(place: &Place) -> std::io::Result<Vec<dir::Entry>> {
    let top = open(place, OFlags::DIRECTORY)?;
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(&top)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        // It may have gone meanwhile, and names that are no text cannot be asked for.
        let (Ok(text), Ok(stat)) = (name.to_str(), rustix::fs::statat(&top, name, AtFlags::SYMLINK_NOFOLLOW)) else { continue };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => dir::Kind::File,
            FileType::Directory => dir::Kind::Directory,
            _ => dir::Kind::Other,
        };
        let modified = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
        found.push(dir::Entry {
            name: text.to_owned(),
            kind,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified_ms: u64::try_from(modified.as_millis()).unwrap_or_default(),
        });
        if found.len() >= ENTRIES_MAX {
            break;
        }
    }
    Ok(found)
}

impl dir::Host for RunState {
    async fn read(&mut self, path: String, max: u32) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let place = match self.place(Kind::Dir, &path) {
            Ok(place) => place,
            Err(failure) => return Ok(Err(failure)),
        };
        let max = (max as usize).min(READ_BYTES_MAX).min(self.bytes_left());
        let done = if place.is_the_kernels() {
            read(&place, max).map_err(|error| Failure::Other(error.to_string()))
        } else {
            on_disk(self.deadline, move || read(&place, max)).await
        };
        if let Ok(content) = &done {
            self.count_received(content.len())?;
        }
        Ok(done)
    }

    async fn entries(&mut self, path: String) -> wasmtime::Result<Result<Vec<dir::Entry>, Failure>> {
        let place = match self.place(Kind::Dir, &path) {
            Ok(place) => place,
            Err(failure) => return Ok(Err(failure)),
        };
        let done = on_disk(self.deadline, move || entries(&place)).await;
        if let Ok(found) = &done {
            self.count_received(found.iter().map(|entry| entry.name.len() + 24).sum())?;
        }
        Ok(done)
    }
}

impl statfs::Host for RunState {
    async fn usage_of(&mut self, path: String) -> wasmtime::Result<Result<statfs::Usage, Failure>> {
        let place = match self.place(Kind::Statfs, &path) {
            Ok(place) => place,
            Err(failure) => return Ok(Err(failure)),
        };
        let done = on_disk(self.deadline, move || {
            let usage = rustix::fs::statvfs(place.granted.join(&place.below))?;
            Ok(statfs::Usage {
                total_bytes: usage.f_blocks.saturating_mul(usage.f_frsize),
                free_bytes: usage.f_bfree.saturating_mul(usage.f_frsize),
                available_bytes: usage.f_bavail.saturating_mul(usage.f_frsize),
                total_files: usage.f_files,
                free_files: usage.f_ffree,
            })
        });
        Ok(done.await)
    }
}
