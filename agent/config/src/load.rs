//! Reading all sources, each file by itself; bad files are quarantined.

mod files;
mod inline;

use crate::claims::Taken;
use crate::error::LoadError;
use crate::fragment::Fragment;
use crate::merge::Settings;
use crate::resolve::{self, Surroundings};
use crate::runtime::RuntimeConfig;
use crate::sockaddr;
use crate::sources::{FileSource, Listing, Sources};
use crate::syntax::Format;
use files::{FileState, Files};
use inline::Inline;
use lictor_types::report::{Problem, SourceStatus};
use lictor_types::{CheckDefinition, CheckId, ServiceDefinition};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// State of a source in effect as it is.
const LOADED: &str = "loaded";
/// State of a source whose last good definitions stay in effect.
const QUARANTINED: &str = "quarantined";

/// A configuration in effect.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The agent's configuration.
    pub config: Arc<RuntimeConfig>,
    /// Services that files (and `-hcl`) define, in the order of the files.
    pub services: Vec<Arc<ServiceDefinition>>,
    /// Checks that files define on their own (the id is set).
    pub checks: Vec<Arc<CheckDefinition>>,
    /// Every file with its state.
    pub sources: Vec<Arc<SourceStatus>>,
    /// What keeps files (or parts of them) from being in effect.
    pub problems: Vec<Problem>,
    /// Things to know that stop nothing.
    pub warnings: Vec<Problem>,
}

/// Reads the sources, again and again. Between two loads it keeps what it read: a file that did not change is not parsed again.
#[derive(Debug)]
pub struct Loader {
    sources: Sources,
    hostname: String,
    /// What each `-hcl` says.
    inline: Vec<Inline>,
    files: Files,
    /// What each file had in effect after the last load.
    effective: HashMap<PathBuf, Effective>,
    last: Option<Arc<RuntimeConfig>>,
}

/// What of a file is in effect.
#[derive(Clone, Debug)]
struct Effective {
    settings: Option<Arc<Fragment>>,
    definitions: Option<Arc<Fragment>>,
    /// What was told of it.
    status: Arc<SourceStatus>,
}

impl Effective {
    /// Whether a candidate is just that: then nothing needs to be told or remembered anew.
    fn is(&self, candidate: &Candidate) -> bool {
        let same = |one: &Option<Arc<Fragment>>, other: &Option<Arc<Fragment>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same(&self.settings, &candidate.settings)
            && same(&self.definitions, &candidate.definitions)
            && self.status.problems == candidate.problems
            && self.status.sha256 == candidate.sha256
    }
}

/// A file during a load.
struct Candidate {
    source: FileSource,
    settings: Option<Arc<Fragment>>,
    definitions: Option<Arc<Fragment>>,
    problems: Vec<Problem>,
    sets_options: bool,
    sha256: String,
}

impl Loader {
    /// A loader of these sources; nothing is read yet.
    pub fn new(sources: Sources) -> Self {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let inline = sources.hcl.iter().enumerate().map(|(index, text)| Inline::read(index, text)).collect();
        Self { sources, hostname, inline, files: Files::default(), effective: HashMap::new(), last: None }
    }

    /// The paths to watch: files and directories as they were given.
    pub fn watched_paths(&self) -> Vec<PathBuf> {
        self.sources.paths.iter().map(|source| source.path().to_owned()).collect()
    }

    /// Reads everything anew. The first load fails when the agent's own options are wrong, with all problems; a bad file with
    /// definitions only is quarantined. Blocks on files: call it off the async threads. Later loads fail only when even the last
    /// good options do not fit any more; the caller keeps what it has.
    pub fn load(&mut self) -> Result<Loaded, LoadError> {
        let started = self.last.is_some();
        let Listing { files, problems: mut unreadable, missing } = self.sources.list();
        self.files.begin();
        let mut candidates: Vec<Candidate> = files.into_iter().map(|source| self.candidate(source)).collect();
        let mut warnings = Vec::new();
        if started {
            warnings.extend(missing);
            self.keep_hidden(&unreadable, &mut candidates);
        } else {
            // At the start there is no last good state: what sets options, or was named itself, must be good.
            let fatal = |c: &Candidate| c.sets_options || c.source.named;
            let mut bad: Vec<Problem> = candidates.iter().filter(|c| fatal(c)).flat_map(|c| c.problems.clone()).collect();
            bad.append(&mut unreadable);
            bad.extend(missing);
            if !bad.is_empty() {
                // Problems of options would show one by one otherwise.
                bad.extend(self.resolve(&candidates).err().unwrap_or_default());
                return Err(LoadError { problems: bad });
            }
        }
        let resolved = match self.resolve(&candidates) {
            Ok(resolved) => resolved,
            Err(problems) if started => {
                self.revert_settings(&mut candidates, &problems);
                self.resolve(&candidates).map_err(|_| LoadError { problems })?
            }
            Err(problems) => return Err(LoadError { problems }),
        };
        let (mut config, mut option_warnings) = resolved;
        warnings.append(&mut option_warnings);
        candidates.extend(self.inline.iter().filter_map(Inline::candidate));
        let scripts = self.last.as_ref().unwrap_or(&Arc::new(config.clone())).checks.enable_local_script_checks;
        self.settle_definitions(&mut candidates, scripts);
        for (plugin, _) in candidates.iter().filter_map(|c| c.definitions.as_ref()).flat_map(|fragment| &fragment.plugins) {
            config.plugins.entries.insert(plugin.name.clone(), plugin.clone());
        }
        Ok(self.conclude(config, candidates, unreadable, warnings))
    }

    /// Looks at a file; parsed only when its content changed.
    fn candidate(&mut self, source: FileSource) -> Candidate {
        let state = self.files.refresh(&source);
        let last_good = state.last_good.clone();
        let FileState { outcome, sha256, last_sha256, .. } = state;
        let (fragment, problems, sets_options, sha256) = match outcome {
            Ok(fragment) => (Some(fragment.clone()), Vec::new(), !fragment.settings.is_empty(), sha256.clone()),
            Err(bad) => (last_good, bad.problems.clone(), bad.sets_options, last_sha256.clone()),
        };
        Candidate { source, settings: fragment.clone(), definitions: fragment, problems, sets_options, sha256 }
    }

    /// Files of a directory that cannot be read just now stay in effect.
    fn keep_hidden(&self, unreadable: &[Problem], candidates: &mut Vec<Candidate>) {
        for problem in unreadable {
            let place = Path::new(&problem.file);
            let known = self.files.known().filter(|path| path.parent() == Some(place) || path.as_path() == place);
            let mut hidden: Vec<&PathBuf> = known.filter(|path| candidates.iter().all(|c| c.source.path != **path)).collect();
            hidden.sort();
            for path in hidden {
                let Some(effective) = self.effective.get(path) else { continue };
                let format = Format::of_name(&path.to_string_lossy()).unwrap_or(Format::Hcl);
                candidates.push(Candidate {
                    source: FileSource { path: path.clone(), format, named: false },
                    settings: effective.settings.clone(),
                    definitions: effective.definitions.clone(),
                    problems: vec![problem.clone()],
                    sets_options: false,
                    sha256: String::new(),
                });
            }
        }
    }

    fn resolve(&self, candidates: &[Candidate]) -> Result<(RuntimeConfig, Vec<Problem>), Vec<Problem>> {
        let mut settings = Settings::new(self.sources.dev);
        let flags: Arc<str> = Arc::from(crate::flags::FLAGS);
        for setting in self.sources.flags.iter().filter(|setting| resolve::is_head(setting)) {
            settings.add(setting, &flags);
        }
        for candidate in candidates {
            let Some(fragment) = candidate.settings.as_ref().filter(|fragment| !fragment.settings.is_empty()) else { continue };
            let file: Arc<str> = Arc::from(candidate.source.path.display().to_string());
            for setting in &fragment.settings {
                settings.add(setting, &file);
            }
        }
        for setting in self.sources.flags.iter().filter(|setting| !resolve::is_head(setting)) {
            settings.add(setting, &flags);
        }
        let mut problems = Vec::new();
        for inline in &self.inline {
            match &inline.outcome {
                Ok(fragment) => {
                    let name: Arc<str> = Arc::from(inline.name.as_str());
                    fragment.settings.iter().for_each(|setting| settings.add(setting, &name));
                }
                Err(bad) => problems.extend(bad.problems.iter().cloned()),
            }
        }
        let machine = sockaddr::interfaces();
        let around = Surroundings { dev: self.sources.dev, hostname: &self.hostname, machine: &machine };
        match resolve::resolve(&settings, &around) {
            Ok(resolved) if problems.is_empty() => Ok(resolved),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// Files whose settings are new since the last load go back to their last good ones.
    fn revert_settings(&self, candidates: &mut [Candidate], problems: &[Problem]) {
        for candidate in candidates {
            let before = self.effective.get(&candidate.source.path).and_then(|effective| effective.settings.clone());
            let same = match (&candidate.settings, &before) {
                (Some(now), Some(before)) => now.settings == before.settings,
                (Some(now), None) => now.settings.is_empty(),
                (None, _) => true,
            };
            if same {
                continue;
            }
            let name = candidate.source.path.display().to_string();
            let mut own: Vec<Problem> = problems.iter().filter(|problem| problem.file == name).cloned().collect();
            if own.is_empty() {
                own.extend(problems.first().map(|problem| Problem { file: name, line: 0, column: 0, ..problem.clone() }));
            }
            candidate.problems.append(&mut own);
            candidate.settings = before;
        }
    }

    /// Decides which definitions are in effect: no scripts while scripts are off, no id twice, no composite checks in a cycle.
    /// What was in effect comes first: who had an id keeps it.
    fn settle_definitions(&self, candidates: &mut [Candidate], scripts: bool) {
        struct Known<'c> {
            name: Cow<'c, str>,
            before: Option<Arc<Fragment>>,
            turn: u8,
        }
        let known = candidates.iter().map(|candidate| {
            let before = self.effective.get(&candidate.source.path).and_then(|effective| effective.definitions.clone());
            let turn = match (&candidate.definitions, &before) {
                (Some(now), Some(before)) if Arc::ptr_eq(now, before) => 0,
                (_, Some(_)) => 1,
                (_, None) => 2,
            };
            Known { name: candidate.source.path.to_string_lossy(), before, turn }
        });
        let known: Vec<Known<'_>> = known.collect();
        let mut taken = Taken::default();
        let mut objected: Vec<(usize, Vec<Problem>, Option<Arc<Fragment>>)> = Vec::new();
        for turn in 0..=2 {
            let its_turn = candidates.iter().zip(&known).enumerate().filter(|(_, (_, known))| known.turn == turn);
            for (index, (candidate, known)) in its_turn {
                let Some(fragment) = &candidate.definitions else { continue };
                let problems = objections(&taken, &known.name, fragment, scripts);
                let chosen = if problems.is_empty() {
                    Some(fragment)
                } else {
                    let before = known.before.as_ref();
                    before.filter(|before| objections(&taken, &known.name, before, scripts).is_empty())
                };
                if let Some(fragment) = chosen {
                    taken.take_ids(&known.name, fragment);
                    taken.take_composites(fragment);
                }
                if !problems.is_empty() {
                    objected.push((index, problems, chosen.cloned()));
                }
            }
        }
        drop(known);
        for (index, mut problems, chosen) in objected {
            if let Some(candidate) = candidates.get_mut(index) {
                candidate.problems.append(&mut problems);
                candidate.definitions = chosen;
            }
        }
    }

    /// Remembers what is in effect and tells of it.
    fn conclude(
        &mut self,
        config: RuntimeConfig,
        candidates: Vec<Candidate>,
        mut problems: Vec<Problem>,
        warnings: Vec<Problem>,
    ) -> Loaded {
        let config = match self.last.take() {
            Some(last) if *last == config => last,
            _ => Arc::new(config),
        };
        self.last = Some(config.clone());
        self.forget_gone(&candidates);
        let mut loaded =
            Loaded { config, services: Vec::new(), checks: Vec::new(), sources: Vec::new(), problems: Vec::new(), warnings };
        for candidate in candidates {
            if let Some(fragment) = &candidate.definitions {
                loaded.services.extend(fragment.services.iter().map(|(service, _)| service.clone()));
                loaded.checks.extend(fragment.checks.iter().map(|(check, _)| check.clone()));
                loaded.warnings.extend(fragment.warnings.iter().cloned());
            }
            problems.extend(candidate.problems.iter().cloned());
            if let Some(effective) = self.effective.get(&candidate.source.path).filter(|effective| effective.is(&candidate)) {
                loaded.sources.push(effective.status.clone());
                continue;
            }
            if candidate.problems.is_empty() {
                // This is now the state to fall back to.
                self.files.is_good(&candidate.source.path);
            }
            let status = Arc::new(status(&candidate));
            loaded.sources.push(status.clone());
            let Candidate { source, settings, definitions, .. } = candidate;
            self.effective.insert(source.path, Effective { settings, definitions, status });
        }
        loaded.problems = problems;
        loaded
    }

    fn forget_gone(&mut self, candidates: &[Candidate]) {
        // What is here is known, but for what is new.
        let new = candidates.iter().filter(|candidate| !self.effective.contains_key(&candidate.source.path)).count();
        if self.effective.len() + new > candidates.len() {
            let keep: HashSet<&Path> = candidates.iter().map(|candidate| candidate.source.path.as_path()).collect();
            self.effective.retain(|path, _| keep.contains(path.as_path()));
            self.files.retain(&keep);
        }
    }
}

fn status(candidate: &Candidate) -> SourceStatus {
    let mut status = SourceStatus {
        file: candidate.source.path.display().to_string(),
        format: candidate.source.format.as_str().to_owned(),
        state: if candidate.problems.is_empty() { LOADED } else { QUARANTINED }.to_owned(),
        problems: candidate.problems.clone(),
        sha256: candidate.sha256.clone(),
        ..SourceStatus::default()
    };
    if let Some(fragment) = &candidate.definitions {
        status.services.extend(fragment.services.iter().map(|(service, _)| service.effective_id()));
        status.checks.extend(fragment.checks.iter().map(|(check, _)| CheckId::from(crate::definitions::check_id(check))));
    }
    status
}

/// Why a fragment's definitions cannot be in effect beside those that are taken.
fn objections(taken: &Taken<'_>, file: &str, fragment: &Fragment, scripts: bool) -> Vec<Problem> {
    let mut problems = taken.repeated(file, fragment);
    problems.extend(taken.cycles(file, fragment));
    if !scripts {
        problems.extend(fragment.scripts.iter().map(|(pos, option)| Problem {
            file: file.to_owned(),
            line: pos.line,
            column: pos.column,
            option: option.clone(),
            message: "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to \
                      true"
                .to_owned(),
            hint: "start with -enable-local-script-checks".to_owned(),
        }));
    }
    problems
}

#[cfg(test)]
mod tests;
