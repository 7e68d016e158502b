//! Cycles among composite checks: a composite in one would wait for itself and never pass again.

use crate::ids::CheckId;
use std::collections::HashSet;

/// A cycle that can be reached from a composite, as the ids along it (the first is not repeated at the end); `None` when there
/// is none. `members` tells what a composite is composed of, and `None` for checks that are none.
pub fn find<'a>(start: &'a CheckId, members: impl Fn(&CheckId) -> Option<&'a [CheckId]>) -> Option<Vec<CheckId>> {
    let mut done: HashSet<&CheckId> = HashSet::new();
    let mut on_path: HashSet<&CheckId> = HashSet::new();
    // The path walked, each with the members not looked at yet: a stack of our own, as chains may be long.
    let mut path: Vec<(&'a CheckId, std::slice::Iter<'a, CheckId>)> = Vec::new();
    if let Some(of) = members(start) {
        path.push((start, of.iter()));
        on_path.insert(start);
    }
    while let Some((id, rest)) = path.last_mut() {
        let Some(member) = rest.next() else {
            done.insert(*id);
            on_path.remove(*id);
            path.pop();
            continue;
        };
        if on_path.contains(member) {
            return Some(path.iter().map(|(id, _)| *id).skip_while(|id| *id != member).cloned().collect());
        }
        if !done.contains(member)
            && let Some(of) = members(member)
        {
            path.push((member, of.iter()));
            on_path.insert(member);
        }
    }
    None
}

/// Why a composite cannot be taken, in a sentence for its author.
pub fn sentence(check: &CheckId, cycle: &[CheckId]) -> String {
    if let [one] = cycle {
        return format!("the composite check {:?} is composed of itself", one.as_str());
    }
    let round: Vec<&str> = cycle.iter().chain(cycle.first()).map(|id| id.as_str()).collect();
    format!("the composite check {:?} closes a cycle: {}", check.as_str(), round.join(" -> "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn cycles() {
        let check = |edges: &str, expect: Option<&str>| {
            let mut composites: BTreeMap<CheckId, Vec<CheckId>> = BTreeMap::new();
            for edge in edges.split(' ') {
                let (from, to) = edge.split_once('>').unwrap();
                composites.entry(from.into()).or_default().push(to.into());
            }
            let start = CheckId::from(edges.split_once('>').unwrap().0);
            let found = find(&start, |id| composites.get(id).map(Vec::as_slice));
            assert_eq!(found.map(|cycle| sentence(&start, &cycle)).as_deref(), expect, "{edges}");
        };
        check("a>b b>c a>c", None);
        check("a>a", Some("the composite check \"a\" is composed of itself"));
        check("b>c c>b", Some("the composite check \"b\" closes a cycle: b -> c -> b"));
        check("a>x b>a c>b x>y y>c", Some("the composite check \"a\" closes a cycle: a -> x -> y -> c -> b -> a"));
        check("a>b b>c c>b", Some("the composite check \"a\" closes a cycle: b -> c -> b"));
        check("a>b a>c b>d c>d", None);
        check("a>plain", None);
        let long: Vec<String> = (0..20_000).map(|n| format!("n{n}>n{}", n + 1)).collect();
        check(&long.join(" "), None);
    }
}
