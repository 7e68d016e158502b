//! What a source's definitions claim beside those of the others: ids that are theirs alone, and places in the web of composite
//! checks, which must hold no cycle. Worked out once, when a source is read.

use crate::fragment::Fragment;
use crate::tree::Pos;
use lictor_types::definition::{CheckKind, cycle};
use lictor_types::report::Problem;
use lictor_types::{CheckDefinition, CheckId};
use std::collections::HashMap;

/// An id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    /// `service`, `check` or `plugin`.
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) pos: Pos,
}

/// A composite check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Composite {
    /// Its id in effect.
    pub(crate) id: CheckId,
    /// What it is composed of.
    pub(crate) members: Vec<CheckId>,
    pub(crate) pos: Pos,
}

/// The ids that definitions claim, with their places.
pub(crate) fn ids(fragment: &Fragment) -> Vec<Claim> {
    let claim = |kind, id, pos: &Pos| Claim { kind, id, pos: *pos };
    let services = fragment.services.iter().map(|(service, pos)| claim("service", service.effective_id().to_string(), pos));
    let checks = fragment.checks.iter().map(|(check, pos)| claim("check", crate::definitions::check_id(check), pos));
    let plugins = fragment.plugins.iter().map(|(plugin, pos)| claim("plugin", plugin.name.clone(), pos));
    services.chain(checks).chain(plugins).collect()
}

/// Checks that run commands, with what they belong to.
pub(crate) fn scripts(fragment: &Fragment) -> Vec<(Pos, String)> {
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

/// What is taken, and by which source.
#[derive(Debug, Default)]
pub(crate) struct Taken<'f> {
    ids: HashMap<(&'static str, &'f str), &'f str>,
    composites: HashMap<&'f CheckId, &'f [CheckId]>,
}

impl<'f> Taken<'f> {
    /// Ids of the fragment that others have.
    pub(crate) fn repeated(&self, file: &str, fragment: &Fragment) -> Vec<Problem> {
        let taken = |claim: &Claim| Some((claim.clone(), *self.ids.get(&(claim.kind, claim.id.as_str()))?));
        let problem = |(Claim { kind, id, pos }, other): (Claim, &str)| {
            let message = format!("the {kind} id {id:?} is already defined in {other}");
            place(file, pos, kind.to_owned(), message, "give each an id of its own")
        };
        fragment.ids.iter().filter_map(taken).map(problem).collect()
    }

    /// Cycles that the fragment's composite checks close, among themselves or with those taken.
    pub(crate) fn cycles(&self, file: &str, fragment: &Fragment) -> Vec<Problem> {
        let own: HashMap<&CheckId, &Composite> = fragment.composites.iter().map(|one| (&one.id, one)).collect();
        let members = |id: &CheckId| {
            own.get(id).map(|one| one.members.as_slice()).or_else(|| self.composites.get(id).map(|members| &members[..]))
        };
        let mut told: Vec<CheckId> = Vec::new();
        let mut problems = Vec::new();
        for start in &fragment.composites {
            let found = cycle::find(&start.id, members);
            let Some(cycle) = found.filter(|cycle| !cycle.iter().any(|id| told.contains(id))) else { continue };
            // What was taken before holds no cycle: at least one of this one's checks is the fragment's.
            if let Some(closing) = fragment.composites.iter().find(|one| cycle.contains(&one.id)) {
                let message = cycle::sentence(&closing.id, &cycle);
                let option = format!("check {}", closing.id);
                problems.push(place(file, closing.pos, option, message, "take one of them out of the other's checks"));
            }
            told.extend(cycle);
        }
        problems
    }

    /// Takes the ids; who was first keeps them.
    pub(crate) fn take_ids(&mut self, file: &'f str, fragment: &'f Fragment) {
        for claim in &fragment.ids {
            self.ids.entry((claim.kind, &claim.id)).or_insert(file);
        }
    }

    /// Takes the composite checks of a fragment that closes no cycle.
    pub(crate) fn take_composites(&mut self, fragment: &'f Fragment) {
        self.composites.extend(fragment.composites.iter().map(|one| (&one.id, one.members.as_slice())));
    }
}

fn place(file: &str, pos: Pos, option: String, message: String, hint: &str) -> Problem {
    Problem { file: file.to_owned(), line: pos.line, column: pos.column, option, message, hint: hint.to_owned() }
}
