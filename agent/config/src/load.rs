//! Reading all sources, each file by itself; bad files are quarantined.

mod files;

use crate::error::LoadError;
use crate::fragment::{self, Fragment};
use crate::merge::Settings;
use crate::resolve::{self, Surroundings};
use crate::runtime::RuntimeConfig;
use crate::sockaddr;
use crate::sources::{FileSource, Listing, Sources};
use crate::syntax::Format;
use files::{FileState, Files};
use lictor_types::definition::CheckKind;
use lictor_types::report::{Problem, SourceStatus};
use lictor_types::{CheckDefinition, CheckId, ServiceDefinition};
use std::collections::HashMap;
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
    /// Services that files define, in the order of the files.
    pub services: Vec<Arc<ServiceDefinition>>,
    /// Checks that files define on their own (the id is set).
    pub checks: Vec<Arc<CheckDefinition>>,
    /// Every file with its state.
    pub sources: Vec<SourceStatus>,
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
    files: Files,
    /// What each file had in effect after the last load.
    effective: HashMap<PathBuf, Effective>,
    last: Option<Arc<RuntimeConfig>>,
}

/// What of a file is in effect.
#[derive(Clone, Debug, Default)]
struct Effective {
    settings: Option<Arc<Fragment>>,
    definitions: Option<Arc<Fragment>>,
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
        Self { sources, hostname, files: Files::default(), effective: HashMap::new(), last: None }
    }

    /// The paths to watch: files and directories as they were given.
    pub fn watched_paths(&self) -> Vec<PathBuf> {
        self.sources.paths.iter().map(|source| source.path().to_owned()).collect()
    }

    /// Reads everything anew. The first load fails when the agent's own options are wrong, with all problems; a bad file with
    /// definitions only is quarantined. Blocks on files: call it off the async threads. Later loads fail only when even the last good options do not fit any more; the caller
    /// keeps what it has.
    pub fn load(&mut self) -> Result<Loaded, LoadError> {
        let started = self.last.is_some();
        let Listing { files, problems: mut unreadable, missing } = self.sources.list();
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
        for (index, text) in self.sources.hcl.iter().enumerate() {
            let name = format!("flags-{index}.hcl");
            match fragment::read(&name, text.as_bytes(), Format::Hcl) {
                Ok(fragment) => {
                    let file: Arc<str> = Arc::from(name);
                    fragment.settings.iter().for_each(|setting| settings.add(setting, &file));
                }
                Err(bad) => problems.extend(bad.problems),
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

    /// Decides which definitions are in effect: no scripts while scripts are off, no id twice. Who had an id keeps it.
    fn settle_definitions(&self, candidates: &mut [Candidate], scripts: bool) {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        let before = |c: &Candidate| self.effective.get(&c.source.path).and_then(|effective| effective.definitions.clone());
        order.sort_by_key(|index| match candidates.get(*index) {
            Some(candidate) => match (&candidate.definitions, before(candidate)) {
                (Some(now), Some(before)) if Arc::ptr_eq(now, &before) => 0,
                (_, Some(_)) => 1,
                _ => 2,
            },
            None => 3,
        });
        let mut claims: HashMap<(&'static str, String), PathBuf> = HashMap::new();
        for index in order {
            let Some(candidate) = candidates.get_mut(index) else { continue };
            let Some(fragment) = candidate.definitions.clone() else { continue };
            let mut problems = objections(&candidate.source.path, &fragment, scripts, &claims);
            let mut chosen = Some(fragment);
            if !problems.is_empty() {
                let fallback =
                    before(candidate).filter(|before| objections(&candidate.source.path, before, scripts, &claims).is_empty());
                candidate.problems.append(&mut problems);
                chosen = fallback;
            }
            for id in chosen.iter().flat_map(|fragment| ids(fragment)) {
                claims.insert((id.0, id.1), candidate.source.path.clone());
            }
            candidate.definitions = chosen;
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
        self.effective.clear();
        self.files.retain(candidates.iter().map(|candidate| &candidate.source.path));
        let mut loaded =
            Loaded { config, services: Vec::new(), checks: Vec::new(), sources: Vec::new(), problems: Vec::new(), warnings };
        for candidate in candidates {
            let Candidate { source, settings, definitions, problems: own, sha256, .. } = candidate;
            if own.is_empty() {
                // This is now the state to fall back to.
                self.files.is_good(&source.path);
            }
            let mut status = SourceStatus {
                file: source.path.display().to_string(),
                format: source.format.as_str().to_owned(),
                state: if own.is_empty() { LOADED } else { QUARANTINED }.to_owned(),
                problems: own.clone(),
                sha256,
                ..SourceStatus::default()
            };
            if let Some(fragment) = &definitions {
                for (service, _) in &fragment.services {
                    status.services.push(service.effective_id());
                    loaded.services.push(service.clone());
                }
                for (check, _) in &fragment.checks {
                    status.checks.push(CheckId::from(crate::definitions::check_id(check)));
                    loaded.checks.push(check.clone());
                }
                loaded.warnings.extend(fragment.warnings.iter().cloned());
            }
            problems.extend(own);
            loaded.sources.push(status);
            self.effective.insert(source.path, Effective { settings, definitions });
        }
        loaded.problems = problems;
        loaded
    }
}

/// The ids a fragment claims, with their places.
pub(crate) fn ids(fragment: &Fragment) -> Vec<(&'static str, String, crate::tree::Pos)> {
    let services = fragment.services.iter().map(|(service, pos)| ("service", service.effective_id().to_string(), *pos));
    let checks = fragment.checks.iter().map(|(check, pos)| ("check", crate::definitions::check_id(check), *pos));
    let plugins = fragment.plugins.iter().map(|(plugin, pos)| ("plugin", plugin.name.clone(), *pos));
    services.chain(checks).chain(plugins).collect()
}

/// Why a fragment's definitions cannot be in effect beside the others.
fn objections(
    path: &Path,
    fragment: &Fragment,
    scripts: bool,
    claims: &HashMap<(&'static str, String), PathBuf>,
) -> Vec<Problem> {
    let file = path.display().to_string();
    let mut problems = Vec::new();
    for (kind, id, pos) in ids(fragment) {
        let key = (kind, id);
        if let Some(other) = claims.get(&key) {
            problems.push(Problem {
                file: file.clone(),
                line: pos.line,
                column: pos.column,
                option: kind.to_owned(),
                message: format!("the {kind} id {:?} is already defined in {}", key.1, other.display()),
                hint: "give each an id of its own".to_owned(),
            });
        }
    }
    if !scripts {
        problems.extend(script_checks(fragment).into_iter().map(|(pos, option)| Problem {
            file: file.clone(),
            line: pos.line,
            column: pos.column,
            option,
            message: "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to \
                      true"
                .to_owned(),
            hint: "start with -enable-local-script-checks".to_owned(),
        }));
    }
    problems
}

/// Checks that run commands.
pub(crate) fn script_checks(fragment: &Fragment) -> Vec<(crate::tree::Pos, String)> {
    let is_script =
        |check: &CheckDefinition| check.kinds().iter().any(|kind| matches!(kind, CheckKind::Script | CheckKind::Docker));
    let of_services = fragment
        .services
        .iter()
        .filter(|(service, _)| service.checks.iter().any(is_script))
        .map(|(service, pos)| (*pos, format!("service {}", service.effective_id())));
    let alone = fragment
        .checks
        .iter()
        .filter(|(check, _)| is_script(check))
        .map(|(check, pos)| (*pos, format!("check {}", crate::definitions::check_id(check))));
    of_services.chain(alone).collect()
}

#[cfg(test)]
mod tests;
