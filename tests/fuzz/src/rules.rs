//! Rules of access control as whoever writes policies may have written them.

use lictor_acl::{Access, Authorizer, Defaults, Granted, Permission, Resource, RuleError, Rules, Syntax, translate};
use lictor_syntax::{Format, parse};
use lictor_types::acl::{AclIdentity, AclPolicy, RULES_BYTES_MAX};
use std::sync::Arc;

/// Most names of the rules that are asked about, besides those that are always.
const NAMES_MAX: usize = 12;

/// Reads a text as the rules of a policy, and asks who has that policy what he may do.
///
/// # Panics
/// When one of the promises is broken: places that are told lie within the text; the same text has the same answers, also twice in
/// one token, as JSON, and, of before 1.4, in today's language; who may write may read; who may write a tree may write its keys.
pub fn judge(text: &str, syntax: Syntax, defaults: Defaults) {
    let policy = AclPolicy {
        name: "fuzzed".to_owned(),
        rules: text.to_owned(),
        legacy: syntax == Syntax::Legacy,
        ..AclPolicy::default()
    };
    let identity = AclIdentity { policies: vec![Arc::new(policy)], ..AclIdentity::default() };
    let (authorizer, unreadable) = Authorizer::of_identity(&identity, "dc1", defaults);
    let translated = translate(text);
    if let Err(error) = &translated {
        lies_within(error, text);
    }
    let rules = match Rules::parse(text, syntax) {
        Ok(rules) => rules,
        Err(error) => {
            lies_within(&error, text);
            assert_eq!(unreadable, ["fuzzed"]);
            assert_eq!(authorizer, Authorizer::of_granted(Granted::merge([], defaults)), "what cannot be read grants something");
            return;
        }
    };
    assert!(unreadable.is_empty());
    let granted = Granted::merge([&rules], defaults);
    assert_eq!(granted, Granted::merge([&rules, &rules], defaults), "a policy twice is another one");
    asked(&rules, &authorizer, &granted);
    if let Some(error) = json(text).and_then(|json| compare(&json, syntax, &rules)) {
        panic!("as JSON: {error}");
    }
    if syntax == Syntax::Legacy {
        let translated = translated.expect("rules that can be read can be put in today's language");
        let again = Rules::parse(&translated, Syntax::Current);
        match again {
            Ok(again) => assert_eq!(granted, Granted::merge([&again], defaults), "{translated}"),
            Err(error) => assert!(is_too_much(&error, &translated), "{error}: {translated}"),
        }
    }
}

/// Every place that is told is one of the text, or behind the end of a line.
fn lies_within(error: &RuleError, text: &str) {
    let place = |number: u32| usize::try_from(number).expect("a place is no larger than memory");
    let line = place(error.pos.line).checked_sub(1).and_then(|before| text.split('\n').nth(before));
    let columns = line.map(|line| line.chars().count() + 1);
    assert!(columns.is_some_and(|columns| (1..=columns).contains(&place(error.pos.column))), "{error:?}");
    assert!(!error.message.is_empty());
}

/// The same values as JSON; none for what is no HCL and no JSON.
fn json(text: &str) -> Option<String> {
    parse(text.as_bytes(), Format::Hcl).ok().map(|tree| tree.to_json().to_string())
}

/// What is wrong with another form of the same rules.
fn compare(text: &str, syntax: Syntax, rules: &Rules) -> Option<String> {
    match Rules::parse(text, syntax) {
        Ok(found) if found == *rules => None,
        Ok(found) => Some(format!("{found:?}, not {rules:?}")),
        Err(error) if is_too_much(&error, text) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Another form may be longer, and gathers in lists what stood side by side.
fn is_too_much(error: &RuleError, text: &str) -> bool {
    text.len() > RULES_BYTES_MAX || error.message.contains("nested deeper")
}

/// Asks for everything that is named in the rules, and for some things beside.
fn asked(rules: &Rules, authorizer: &Authorizer, granted: &Granted) {
    let mut names = vec![String::new(), "a".to_owned(), "*".to_owned()];
    for rule in rules.named.iter().take(NAMES_MAX) {
        names.push(rule.name.clone());
        names.push(format!("{}a", rule.name));
    }
    let mut resources = vec![Resource::Acl, Resource::Keyring, Resource::Operator, Resource::Public];
    for name in &names {
        resources.extend([
            Resource::Agent(name),
            Resource::Event(name),
            Resource::Key(name),
            Resource::KeyPrefix(name),
            Resource::Intention(name),
            Resource::Node(name),
            Resource::PreparedQuery(name),
            Resource::Service(name),
            Resource::Session(name),
        ]);
    }
    for resource in resources {
        let [read, list, write] = [Access::Read, Access::List, Access::Write].map(|access| {
            let permission = Permission { access, resource };
            let allowed = granted.allows(permission);
            assert_eq!(authorizer.allows(permission), allowed, "{permission:?}");
            assert_eq!(authorizer.check(permission).is_ok(), allowed, "{permission:?}");
            allowed
        });
        assert!(!write || (read && list), "{resource:?} may be written, but not read");
        if let Resource::KeyPrefix(prefix) = resource
            && write
        {
            for key in names.iter().filter(|name| name.starts_with(prefix)) {
                assert!(granted.allows(Permission::write(Resource::Key(key))), "{key:?} within {prefix:?}");
            }
        }
    }
}
