//! Compiled modules kept on disk, so that a restart compiles nothing twice. What lies there is machine code that will run
//! outside every sandbox, so nothing is taken that this agent has not sealed itself: each file carries a keyed hash over its
//! name and content, judged before the engine sees a byte of it. What does not fit is thrown away and compiled anew.
//!
//! ```text
//! DATA_DIR/plugins/            0700
//!   key                        the key of the seals, 0600
//!   compiled/NAME              NAME = sha256 of the wasm and of the engine's version
//!   work/                      where the engine's own cache looks; holds one module at a time, while it is loaded
//! ```
//!
//! The seal guards against damage, restored or copied directories, and whoever can write there but not read the key. It cannot
//! guard against the agent's own user, who could as well change the agent.

use parking_lot::Mutex;
use ring::hmac;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::{Cache, CacheConfig};

/// What a sealed file begins with; another layout takes another.
const MAGIC: &[u8; 8] = b"LICTORC1";
/// The engine's version. The engine itself also looks at its settings and the processor.
const ENGINE: &str = "wasmtime 48.0.8";
/// The largest compiled module taken, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Sealed files kept, and their bytes; the ones not used for longest go first.
const FILES_MAX: usize = 128;
const TOTAL_BYTES_MAX: u64 = 1 << 30;
const SEAL_BYTES: usize = 32;

/// The directory, and the right to load through it.
pub(crate) struct Compiled {
    dir: PathBuf,
    key: hmac::Key,
    cache: Cache,
    /// The engine's cache names its files as it likes: one module at a time, and it is known whose file is whose.
    one: Mutex<()>,
}

/// How a module came to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Compiled now.
    Compiler,
    /// Taken from the disk.
    Disk,
}

impl Compiled {
    /// Opens the directory, or makes it. `fresh` is the key of a new one. The error is a sentence; without this everything
    /// works, only slower.
    pub(crate) fn open(data_dir: &Path, fresh: [u8; 32]) -> Result<Self, String> {
        let dir = data_dir.join("plugins");
        let told = |error: io::Error| format!("{}: {error}", dir.display());
        for part in [dir.clone(), dir.join("compiled")] {
            private_dir(&part).map_err(told)?;
        }
        let key = read_key(&dir.join("key"), fresh).map_err(told)?;
        let work = dir.join("work");
        // What a killed agent left there was never judged.
        remove(&work).map_err(told)?;
        private_dir(&work).map_err(told)?;
        let mut settings = CacheConfig::new();
        settings
            .with_directory(work.canonicalize().map_err(told)?)
            // Files in use are never packed anew behind our back: they would not fit their seals.
            .with_optimized_compression_usage_counter_threshold(u64::MAX);
        let cache = Cache::new(settings).map_err(|error| format!("{error:#}"))?;
        Ok(Self { dir, key: hmac::Key::new(hmac::HMAC_SHA256, &key), cache, one: Mutex::new(()) })
    }

    /// For the engine's settings.
    pub(crate) fn cache(&self) -> Cache {
        self.cache.clone()
    }

    /// Loads `wasm` by `load`, which must ask the engine for exactly these bytes once.
    pub(crate) fn through<T, E>(&self, wasm: &[u8], load: impl FnOnce() -> Result<T, E>) -> Result<(T, Origin), E> {
        let _one = self.one.lock();
        let name = name_of(wasm);
        let sealed = self.dir.join("compiled").join(&name);
        let work = self.cache.directory().clone();
        // Whatever lies there now has no business there.
        let is_clean = remove(&work).and_then(|()| private_dir(&work)).is_ok();
        if is_clean && let Err(why) = self.unpack(&sealed, &name, &work) {
            crate::events::compiled_refused(&sealed.display().to_string(), &why);
            let _ = fs::remove_file(&sealed);
        }
        let hits = self.cache.cache_hits();
        let loaded = load();
        let origin = if self.cache.cache_hits() > hits { Origin::Disk } else { Origin::Compiler };
        if loaded.is_ok() && is_clean {
            let kept = match origin {
                Origin::Disk => touch(&sealed),
                Origin::Compiler => self.pack(&sealed, &name, &work),
            };
            if let Err(error) = kept {
                crate::events::compiled_not_kept(&sealed.display().to_string(), &error.to_string());
            }
        }
        let _ = remove(&work);
        loaded.map(|loaded| (loaded, origin))
    }

    /// Puts the sealed file where the engine looks, if there is one and it is whole.
    fn unpack(&self, sealed: &Path, name: &str, work: &Path) -> Result<(), String> {
        let bytes = match read_private(sealed) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        let (seal, body) = bytes.split_at_checked(SEAL_BYTES).ok_or("it is cut short")?;
        hmac::verify(&self.key, &signed(name, body), seal).map_err(|_| "its seal does not fit its content")?;
        let body = body.strip_prefix(MAGIC).ok_or("it is of another layout")?;
        let end = body.iter().position(|byte| *byte == 0).ok_or("it is cut short")?;
        let (path, code) = body.split_at(end);
        let path = std::str::from_utf8(path).map_err(|_| "its path is damaged")?;
        let Some(code) = code.get(1..) else { return Err("it is cut short".to_owned()) };
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !path.split('/').all(plain) {
            return Err("its path is damaged".to_owned());
        }
        let at = work.join(path);
        let written = at.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| write_private(&at, &[code]));
        written.map_err(|error| error.to_string())
    }

    /// Seals what the engine has just written.
    fn pack(&self, sealed: &Path, name: &str, work: &Path) -> io::Result<()> {
        let mut found = Vec::new();
        walk(work, work, &mut found)?;
        let [path] = found.as_slice() else { return Err(io::Error::other("the engine left nothing to keep")) };
        let code = read_private(&work.join(path))?;
        let body = [MAGIC.as_slice(), path.as_bytes(), &[0], &code].concat();
        let seal = hmac::sign(&self.key, &signed(name, &body));
        let new = sealed.with_extension("new");
        let _ = fs::remove_file(&new);
        write_private(&new, &[seal.as_ref(), &body])?;
        fs::rename(&new, sealed)?;
        self.prune()
    }

    /// Forgets what was not used for longest.
    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.dir.join("compiled"))? {
            let entry = entry?;
            let meta = entry.metadata()?;
            files.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len(), entry.path()));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        let mut count = files.len();
        for (_, size, path) in &files {
            if count <= FILES_MAX && total <= TOTAL_BYTES_MAX {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
            count -= 1;
        }
        Ok(())
    }
}

fn name_of(wasm: &[u8]) -> String {
    crate::load::sha256_hex(&[wasm, ENGINE.as_bytes()].concat())
}

/// The seal is over the name as well: a good file under another name is no good file.
fn signed(name: &str, body: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &[0], body].concat()
}

/// A directory that is ours alone.
fn private_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it must be a directory of the agent's own user"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn read_key(path: &Path, fresh: [u8; 32]) -> io::Result<[u8; 32]> {
    if let Ok(bytes) = read_private(path)
        && let Ok(key) = bytes.as_slice().try_into()
    {
        return Ok(key);
    }
    // Missing or spoilt: a new one, under which no old seal fits.
    let _ = fs::remove_file(path);
    write_private(path, &[&fresh])?;
    Ok(fresh)
}

/// Reads a file that is ours alone; a link is not followed.
fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw() || meta.permissions().mode() & 0o022 != 0 {
        return Err(io::Error::other("others may have written it"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is too big"));
    }
    Ok(bytes)
}

fn write_private(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

fn touch(path: &Path) -> io::Result<()> {
    File::options().append(true).open(path)?.set_modified(SystemTime::UNIX_EPOCH + lictor_net::clock::wall())
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The files below, as paths from the top, without the engine's notes on them.
fn walk(top: &Path, dir: &Path, into: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(top, &path, into)?;
            continue;
        }
        let is_note = path.extension().is_some() || entry.file_name().as_encoded_bytes().starts_with(b".");
        if let (false, Ok(rest)) = (is_note, path.strip_prefix(top)) {
            into.push(rest.display().to_string());
        }
    }
    Ok(())
}
