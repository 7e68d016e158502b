//! Where configuration comes from, and which files that means now.

use crate::error::FlagError;
use crate::fragment::Setting;
use crate::syntax::Format;
use lictor_types::report::Problem;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Most files of one directory.
const FILES_MAX: usize = 200_000;

/// A path given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSource {
    /// `-config-file`
    File(PathBuf),
    /// `-config-dir`
    Dir(PathBuf),
}

impl PathSource {
    /// The path as given.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Dir(path) => path,
        }
    }
}

/// Everything the command line says about configuration.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `-dev`
    pub dev: bool,
    /// `-config-format`
    pub format: Option<Format>,
    /// `-config-file` and `-config-dir`, in their order.
    pub paths: Vec<PathSource>,
    /// `-hcl` fragments.
    pub hcl: Vec<String>,
    /// The other flags.
    pub(crate) flags: Vec<Setting>,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSource {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// Named on the command line by itself, not found in a directory.
    pub(crate) named: bool,
}

/// What the paths lead to.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) files: Vec<FileSource>,
    pub(crate) problems: Vec<Problem>,
    /// Directories that do not exist: an error at the start, awaited later.
    pub(crate) missing: Vec<Problem>,
}

impl Sources {
    /// From the arguments after `lictor agent`.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, FlagError> {
        crate::flags::parse(args)
    }

    /// The definitions of some paths for looking at them, not for running them: `lictor plan`. Scripts are taken as allowed.
    pub fn for_plan(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let hcl = vec!["enable_local_script_checks = true".to_owned()];
        Self { dev: true, paths: paths.into_iter().map(PathSource::Dir).collect(), hcl, ..Self::default() }
    }

    /// Lists the files: those of a directory in lexical order, its subdirectories left out, as Consul does.
    pub(crate) fn list(&self) -> Listing {
        let mut listing = Listing::default();
        let mut seen = HashSet::new();
        for source in &self.paths {
            let path = source.path();
            match std::fs::metadata(path) {
                Ok(meta) if meta.is_dir() => self.list_directory(path, &mut listing, &mut seen),
                Ok(_) => match self.format.or_else(|| Format::of_name(&path.to_string_lossy())) {
                    Some(format) if seen.insert(path.to_owned()) => {
                        listing.files.push(FileSource { path: path.to_owned(), format, named: true });
                    }
                    Some(_) => {}
                    None => listing.problems.push(problem(
                        path,
                        "skipping file, extension must be .hcl, .json or .toml, or config format must be set",
                        "use -config-format",
                    )),
                },
                Err(error) => match source {
                    PathSource::Dir(_) if error.kind() == std::io::ErrorKind::NotFound => {
                        listing.missing.push(problem(path, "the directory does not exist", ""));
                    }
                    _ => listing.problems.push(problem(path, &format!("cannot be opened: {error}"), "")),
                },
            }
        }
        listing
    }

    fn list_directory(&self, directory: &Path, listing: &mut Listing, seen: &mut HashSet<PathBuf>) {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                listing.problems.push(problem(directory, &format!("cannot be read: {error}"), ""));
                return;
            }
        };
        let known_file = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
        let mut names: Vec<_> =
            entries.filter_map(Result::ok).map(|entry| (entry.file_name(), known_file(&entry))).take(FILES_MAX + 1).collect();
        if names.len() > FILES_MAX {
            listing.problems.push(problem(directory, &format!("holds more than {FILES_MAX} files"), ""));
            names.truncate(FILES_MAX);
        }
        names.sort();
        for (name, is_file) in names {
            let text = name.to_string_lossy();
            // Locks and autosaves of editors end like the file they are for.
            if text.starts_with(".#") || text.starts_with('#') {
                continue;
            }
            let Some(format) = self.format.or_else(|| Format::of_name(&text)) else { continue };
            let path = directory.join(&name);
            // Only links need a look at what they lead to.
            let is_directory = !is_file && std::fs::metadata(&path).is_ok_and(|meta| meta.is_dir());
            // A directory holds a name once; only what another path led to before may come again.
            if is_directory || (self.paths.len() > 1 && !seen.insert(path.clone())) {
                continue;
            }
            listing.files.push(FileSource { path, format, named: false });
        }
    }
}

pub(crate) fn problem(path: &Path, message: &str, hint: &str) -> Problem {
    Problem { file: path.display().to_string(), message: message.to_owned(), hint: hint.to_owned(), ..Problem::default() }
}
