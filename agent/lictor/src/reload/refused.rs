//! Definitions that the files hold and the agent does not take: they are told with their place, do not count as in effect, and
//! are tried again by each reload.

use lictor_config::Loaded;
use lictor_local::{LocalError, LocalHandle};
use lictor_types::report::{Problem, SourceStatus};
use lictor_types::{CheckDefinition, CheckId, Origin, ServiceDefinition};
use std::sync::Arc;

/// A service or a check of a file.
#[derive(Clone, Debug)]
pub(super) enum Definition {
    /// A service with its checks.
    Service(Arc<ServiceDefinition>),
    /// A check on its own.
    Check(Arc<CheckDefinition>),
}

/// Id of a check on its own: the given one, else the name.
fn check_id(check: &CheckDefinition) -> CheckId {
    if check.id.is_empty() { CheckId::from(check.name.as_str()) } else { check.id.clone() }
}

impl Definition {
    pub(super) fn of_service(service: &Arc<ServiceDefinition>) -> Self {
        Self::Service(Arc::clone(service))
    }

    pub(super) fn of_check(check: &Arc<CheckDefinition>) -> Self {
        Self::Check(Arc::clone(check))
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Check(_) => "check",
        }
    }

    pub(super) fn id(&self) -> String {
        match self {
            Self::Service(service) => service.effective_id().to_string(),
            Self::Check(check) => check_id(check).to_string(),
        }
    }

    fn origin(&self) -> &Origin {
        match self {
            Self::Service(service) => &service.origin,
            Self::Check(check) => &check.origin,
        }
    }

    pub(super) fn register(&self, local: &LocalHandle) -> Result<(), LocalError> {
        match self {
            Self::Service(service) => local.register_service(service, true),
            Self::Check(check) => local.register_check(check),
        }
    }

    pub(super) fn deregister(&self, local: &LocalHandle) -> Result<(), LocalError> {
        match self {
            Self::Service(service) => local.deregister_service(&service.effective_id()),
            Self::Check(check) => local.deregister_check(&check_id(check)),
        }
    }
}

/// What the agent did not take, and why.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) definition: Definition,
    pub(super) problem: Problem,
}

impl Refused {
    pub(super) fn new(definition: Definition, error: &LocalError) -> Self {
        let option = format!("{} {}", definition.kind(), definition.id());
        let problem = problem(definition.origin(), &option, &error.to_string());
        Self { definition, problem }
    }
}

/// A problem at the place of a definition.
pub(super) fn problem(origin: &Origin, option: &str, message: &str) -> Problem {
    let (file, line) = match origin {
        Origin::File { path, line } => (path.clone(), *line),
        Origin::Api => (String::new(), 0),
    };
    Problem { file, line, option: option.to_owned(), message: message.to_owned(), ..Problem::default() }
}

/// Makes of what was loaded what is in effect: in the place of what was refused stands what was there before, if anything, and
/// the state of its file says so.
pub(super) fn settle(loaded: &mut Loaded, before: &Loaded, refused: &[Refused]) {
    for refused in refused {
        let is_there = match &refused.definition {
            Definition::Service(service) => {
                let id = service.effective_id();
                let old = before.services.iter().find(|old| old.effective_id() == id);
                put_back(&mut loaded.services, |one| one.effective_id() == id, old);
                old.is_some()
            }
            Definition::Check(check) => {
                let id = check_id(check);
                let old = before.checks.iter().find(|old| check_id(old) == id);
                put_back(&mut loaded.checks, |one| check_id(one) == id, old);
                old.is_some()
            }
        };
        if let Some(source) = loaded.sources.iter_mut().find(|source| source.file == refused.problem.file) {
            mark(Arc::make_mut(source), refused, is_there);
        }
    }
}

/// Puts `old` in the place of the one that `is` it, or takes that away.
fn put_back<T>(all: &mut Vec<Arc<T>>, is: impl Fn(&T) -> bool, old: Option<&Arc<T>>) {
    match (all.iter().position(|one| is(one)), old) {
        (Some(at), Some(old)) => all[at] = Arc::clone(old),
        (Some(at), None) => drop(all.remove(at)),
        (None, Some(old)) => all.push(Arc::clone(old)),
        (None, None) => {}
    }
}

fn mark(source: &mut SourceStatus, refused: &Refused, is_there: bool) {
    "quarantined".clone_into(&mut source.state);
    if !is_there {
        match &refused.definition {
            Definition::Service(service) => source.services.retain(|id| *id != service.effective_id()),
            Definition::Check(check) => source.checks.retain(|id| *id != check_id(check)),
        }
    }
    source.problems.push(refused.problem.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, port: u16) -> Arc<ServiceDefinition> {
        let origin = Origin::File { path: format!("{name}.hcl"), line: 3 };
        Arc::new(ServiceDefinition { name: name.into(), port, origin, ..ServiceDefinition::default() })
    }

    fn loaded(services: &[Arc<ServiceDefinition>]) -> Loaded {
        let sources = lictor_config::Sources::from_args(["-dev".to_owned()]).unwrap();
        let mut loaded = lictor_config::Loader::new(sources).load().unwrap();
        loaded.services = services.to_vec();
        let file = |service: &Arc<ServiceDefinition>| SourceStatus {
            file: format!("{}.hcl", service.name),
            state: "loaded".to_owned(),
            services: vec![service.effective_id()],
            ..SourceStatus::default()
        };
        loaded.sources = services.iter().map(file).map(Arc::new).collect();
        loaded
    }

    #[test]
    fn what_is_in_effect_is_what_was_taken() {
        let before = loaded(&[service("a", 1), service("gone", 1)]);
        let mut now = loaded(&[service("a", 2), service("b", 2), service("c", 2)]);
        let error = LocalError::Invalid("no".to_owned());
        let refused: Vec<Refused> = [service("a", 2), service("b", 2), service("gone", 1)]
            .iter()
            .map(|service| Refused::new(Definition::of_service(service), &error))
            .collect();
        settle(&mut now, &before, &refused);
        let left: Vec<(String, u16)> = now.services.iter().map(|one| (one.name.to_string(), one.port)).collect();
        assert_eq!(left, [("a".to_owned(), 1), ("c".to_owned(), 2), ("gone".to_owned(), 1)]);
        let states: Vec<&str> = now.sources.iter().map(|source| source.state.as_str()).collect();
        assert_eq!(states, ["quarantined", "quarantined", "loaded"]);
        let listed: Vec<usize> = now.sources.iter().map(|source| source.services.len()).collect();
        assert_eq!(listed, [1, 0, 1], "the file's last good definition, none, its own");
        assert_eq!(now.sources[0].problems[0].to_string(), "a.hcl:3: no");
    }
}
