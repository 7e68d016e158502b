//! All problems of all files in one run, for `lictor validate`.

use crate::claims::Taken;
use crate::fragment::{self, Fragment};
use crate::merge::Settings;
use crate::resolve::{self, Surroundings};
use crate::sockaddr;
use crate::sources::{PathSource, Sources};
use crate::syntax::{FILE_SIZE_MAX, Format};
use lictor_types::report::Problem;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How to validate.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidateOptions {
    /// Read all files in this format.
    pub format: Option<Format>,
    /// Also report what the reference agent lets through and what then does not do what its author had in mind.
    pub strict: bool,
    /// Scripts are on although the files do not say so (`-enable-local-script-checks`).
    pub scripts: bool,
}

/// What a validation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// Problems: the configuration is not valid.
    pub problems: Vec<Problem>,
    /// Things to know.
    pub warnings: Vec<Problem>,
    /// Files that were read.
    pub files: usize,
}

/// Validates files and directories as one configuration. A directory that holds only definitions needs nothing else.
pub fn validate(paths: &[PathBuf], options: ValidateOptions) -> Validation {
    let sources =
        Sources { format: options.format, paths: paths.iter().cloned().map(PathSource::Dir).collect(), ..Sources::default() };
    let listing = sources.list();
    let mut found = Validation { problems: listing.problems, ..Validation::default() };
    found.problems.extend(
        listing
            .missing
            .into_iter()
            .map(|problem| Problem { message: "cannot be opened: no such file or directory".to_owned(), ..problem }),
    );
    let mut fragments: Vec<(String, Fragment)> = Vec::new();
    let mut sets_options = false;
    // What the reference agent lets through.
    let mut doubts: Vec<Problem> = Vec::new();
    for source in &listing.files {
        found.files += 1;
        let name = source.path.display().to_string();
        let bytes = match std::fs::metadata(&source.path) {
            Ok(meta) if !meta.is_file() => Err("is no regular file".to_owned()),
            Ok(meta) if meta.len() > FILE_SIZE_MAX as u64 => Err(format!("is larger than {} MiB", FILE_SIZE_MAX / (1 << 20))),
            _ => std::fs::read(&source.path).map_err(|error| format!("cannot be read: {error}")),
        };
        match bytes.map(|bytes| fragment::read(&name, &bytes, source.format)) {
            Err(message) => found.problems.push(Problem { file: name, message, ..Problem::default() }),
            Ok(Err(bad)) => {
                sets_options |= bad.sets_options;
                found.problems.extend(bad.problems);
                doubts.extend(bad.warnings);
            }
            Ok(Ok(fragment)) => {
                sets_options |= !fragment.settings.is_empty();
                fragments.push((name, fragment));
            }
        }
    }
    let mut settings = Settings::new(false);
    for (name, fragment) in &fragments {
        let file: Arc<str> = Arc::from(name.as_str());
        fragment.settings.iter().for_each(|setting| settings.add(setting, &file));
    }
    let empty = fragments.iter().all(|(_, fragment)| *fragment == Fragment::default());
    if sets_options || (empty && found.problems.is_empty()) {
        let machine = sockaddr::interfaces();
        match resolve::resolve(&settings, &Surroundings { dev: false, hostname: "localhost", machine: &machine }) {
            Ok((_, warnings)) => found.warnings.extend(warnings),
            Err(problems) => found.problems.extend(problems),
        }
    }
    let scripts = options.scripts || settings.flag("enable_script_checks") || settings.flag("enable_local_script_checks");
    across_files(&mut found, &fragments, scripts);
    doubts.extend(fragments.iter().flat_map(|(_, fragment)| fragment.warnings.iter().cloned()));
    if options.strict {
        found.problems.extend(doubts)
    } else {
        found.warnings.extend(doubts)
    }
    let order: HashMap<String, usize> =
        listing.files.iter().enumerate().map(|(index, source)| (source.path.display().to_string(), index)).collect();
    found.problems.sort_by_key(|problem| (order.get(&problem.file).copied(), problem.line, problem.column));
    found
}

fn across_files(found: &mut Validation, fragments: &[(String, Fragment)], scripts: bool) {
    let mut taken = Taken::default();
    for (name, fragment) in fragments {
        found.problems.extend(taken.repeated(name, fragment));
        taken.take_ids(name, fragment);
        let cycles = taken.cycles(name, fragment);
        if cycles.is_empty() {
            taken.take_composites(fragment);
        }
        found.problems.extend(cycles);
        if !scripts {
            found.problems.extend(fragment.scripts.iter().map(|(pos, option)| {
                Problem {
                file: name.clone(),
                line: pos.line,
                column: pos.column,
                option: option.clone(),
                message: "a script check, but scripts are off".to_owned(),
                hint: "set enable_local_script_checks = true where the agent is configured, and validate that file with this one"
                    .to_owned(),
            }
            }));
        }
    }
}

#[cfg(test)]
mod tests;
