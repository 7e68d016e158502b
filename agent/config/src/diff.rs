//! What changed between two loads.

use crate::load::Loaded;
use crate::options;
use lictor_types::definition::Origin;
use lictor_types::report::{Change, ReloadReport};
use lictor_types::{CheckDefinition, CheckId, ServiceDefinition, ServiceId};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// An option whose value in effect changed.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionChange {
    /// Dotted key.
    pub key: &'static str,
    /// Value before.
    pub old: Value,
    /// Value now.
    pub new: Value,
    /// Whether it takes effect in a running agent.
    pub reloadable: bool,
}

/// What changed between two loads. A definition that moved to another file, line or format, and is else the same, did not change.
#[derive(Clone, Debug, Default)]
pub struct ConfigDiff {
    /// New services.
    pub services_added: Vec<Arc<ServiceDefinition>>,
    /// Changed services, as they are now.
    pub services_changed: Vec<Arc<ServiceDefinition>>,
    /// Services that are gone.
    pub services_removed: Vec<Arc<ServiceDefinition>>,
    /// Services that did not change but for their place; their new form, for whoever keeps the place.
    pub services_moved: Vec<Arc<ServiceDefinition>>,
    /// New checks of their own.
    pub checks_added: Vec<Arc<CheckDefinition>>,
    /// Changed checks of their own, as they are now.
    pub checks_changed: Vec<Arc<CheckDefinition>>,
    /// Checks of their own that are gone.
    pub checks_removed: Vec<Arc<CheckDefinition>>,
    /// Checks that did not change but for their place.
    pub checks_moved: Vec<Arc<CheckDefinition>>,
    /// Plugins declared anew, changed or gone: name and action.
    pub plugins: Vec<(String, &'static str)>,
    /// Changed options.
    pub options: Vec<OptionChange>,
    /// Definitions that stayed as they were.
    pub unchanged: usize,
}

impl ConfigDiff {
    /// From one load to a later one.
    pub fn between(old: &Loaded, new: &Loaded) -> Self {
        let mut diff = Self::default();
        let services = sort_out(&old.services, &new.services, |s| s.effective_id(), same_service);
        (diff.services_added, diff.services_changed) = (services.added, services.changed);
        (diff.services_removed, diff.services_moved) = (services.removed, services.moved);
        let checks = sort_out(&old.checks, &new.checks, |c| CheckId::from(crate::definitions::check_id(c)), same_check);
        (diff.checks_added, diff.checks_changed) = (checks.added, checks.changed);
        (diff.checks_removed, diff.checks_moved) = (checks.removed, checks.moved);
        diff.unchanged = services.unchanged + checks.unchanged;
        if Arc::ptr_eq(&old.config, &new.config) {
            return diff;
        }
        let (before, after) = (&old.config.plugins.entries, &new.config.plugins.entries);
        for (name, entry) in after {
            match before.get(name) {
                None => diff.plugins.push((name.clone(), "added")),
                Some(there) if there != entry => diff.plugins.push((name.clone(), "changed")),
                Some(_) => {}
            }
        }
        diff.plugins.extend(before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), "removed")));
        for (key, now) in &new.config.options {
            let then = old.config.options.get(key).cloned().unwrap_or(Value::Null);
            if then != *now {
                let reloadable = options::by_key(key).is_some_and(|row| row.reload);
                diff.options.push(OptionChange { key, old: then, new: now.clone(), reloadable });
            }
        }
        diff
    }

    /// Everything of a first load: all definitions are new, no option changed.
    pub fn first(loaded: &Loaded) -> Self {
        Self {
            services_added: loaded.services.clone(),
            checks_added: loaded.checks.clone(),
            plugins: loaded.config.plugins.entries.keys().map(|name| (name.clone(), "added")).collect(),
            ..Self::default()
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.services_added.is_empty()
            && self.services_changed.is_empty()
            && self.services_removed.is_empty()
            && self.checks_added.is_empty()
            && self.checks_changed.is_empty()
            && self.checks_removed.is_empty()
            && self.plugins.is_empty()
            && self.options.is_empty()
    }

    /// The report of a reload that applies all of this. Who applies it moves what fails from `applied` to `rejected`.
    pub fn report(&self, new: &Loaded) -> ReloadReport {
        let mut report = ReloadReport {
            unchanged: self.unchanged,
            rejected: new.problems.clone(),
            warnings: new.warnings.clone(),
            ..ReloadReport::default()
        };
        let service = |list: &[Arc<ServiceDefinition>], action: &str| {
            list.iter().map(|s| change("service", s.effective_id().as_str(), action, &s.origin)).collect::<Vec<_>>()
        };
        let check = |list: &[Arc<CheckDefinition>], action: &str| {
            list.iter().map(|c| change("check", &crate::definitions::check_id(c), action, &c.origin)).collect::<Vec<_>>()
        };
        report.applied.extend(service(&self.services_added, "added"));
        report.applied.extend(service(&self.services_changed, "changed"));
        report.applied.extend(service(&self.services_removed, "removed"));
        report.applied.extend(check(&self.checks_added, "added"));
        report.applied.extend(check(&self.checks_changed, "changed"));
        report.applied.extend(check(&self.checks_removed, "removed"));
        report.applied.extend(self.plugins.iter().map(|(name, action)| change("plugin", name, action, &Origin::Api)));
        for option in &self.options {
            let entry = change("option", option.key, "changed", &Origin::Api);
            if option.reloadable { report.applied.push(entry) } else { report.restart_required.push(entry) }
        }
        report
    }
}

fn change(kind: &str, id: &str, action: &str, origin: &Origin) -> Change {
    let file = match origin {
        Origin::Api => String::new(),
        Origin::File { path, .. } => path.clone(),
    };
    Change { kind: kind.to_owned(), id: id.to_owned(), action: action.to_owned(), file }
}

struct Sorted<T> {
    added: Vec<Arc<T>>,
    changed: Vec<Arc<T>>,
    removed: Vec<Arc<T>>,
    moved: Vec<Arc<T>>,
    unchanged: usize,
}

fn sort_out<T, Id: std::hash::Hash + Eq>(
    old: &[Arc<T>],
    new: &[Arc<T>],
    id: impl Fn(&T) -> Id,
    same: impl Fn(&T, &T) -> Same,
) -> Sorted<T> {
    // Ids occur once on each side, so what is the very same at both ends needs no look: of many definitions few change.
    let same_first = old.iter().zip(new).take_while(|(old, new)| Arc::ptr_eq(old, new)).count();
    let (old, new) = (old.get(same_first..).unwrap_or_default(), new.get(same_first..).unwrap_or_default());
    let same_last = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| Arc::ptr_eq(old, new)).count();
    let (old, new) = (&old[..old.len() - same_last], &new[..new.len() - same_last]);
    let unchanged = same_first + same_last;
    let mut before: HashMap<Id, &Arc<T>> = old.iter().map(|item| (id(item), item)).collect();
    let mut sorted = Sorted { added: Vec::new(), changed: Vec::new(), removed: Vec::new(), moved: Vec::new(), unchanged };
    for item in new {
        match before.remove(&id(item)) {
            None => sorted.added.push(item.clone()),
            Some(there) if Arc::ptr_eq(there, item) => sorted.unchanged += 1,
            Some(there) => match same(there, item) {
                Same::Wholly => sorted.unchanged += 1,
                Same::ButForItsPlace => {
                    sorted.unchanged += 1;
                    sorted.moved.push(item.clone());
                }
                Same::No => sorted.changed.push(item.clone()),
            },
        }
    }
    // In the order of the old files, so that reports read well.
    sorted.removed = old.iter().filter(|item| before.contains_key(&id(item))).cloned().collect();
    sorted
}

enum Same {
    Wholly,
    ButForItsPlace,
    No,
}

fn same_service(old: &ServiceDefinition, new: &ServiceDefinition) -> Same {
    if old == new {
        return Same::Wholly;
    }
    let bare = |service: &ServiceDefinition| {
        let mut service = service.clone();
        service.origin = Origin::default();
        // An id that merely repeats the name is none.
        if service.id.as_str() == service.name.as_str() {
            service.id = ServiceId::default();
        }
        service.checks.iter_mut().for_each(|check| check.origin = Origin::default());
        service
    };
    if bare(old) == bare(new) { Same::ButForItsPlace } else { Same::No }
}

fn same_check(old: &CheckDefinition, new: &CheckDefinition) -> Same {
    if old == new {
        return Same::Wholly;
    }
    let bare = |check: &CheckDefinition| CheckDefinition { origin: Origin::default(), ..check.clone() };
    if bare(old) == bare(new) { Same::ButForItsPlace } else { Same::No }
}
