use super::*;
use crate::rules::{Rule, Syntax};
use proptest::prelude::*;
use proptest::sample::select;

const DENY: Defaults = Defaults { allow: false, key_list: false };

fn granted(text: &str) -> Granted {
    Granted::merge(&[Rules::parse(text, Syntax::Current).unwrap()], DENY)
}

#[test]
fn precedence() {
    let granted = granted(
        r#"
        node "n1" { policy = "read" }
        service "web" { policy = "write" }
        service_prefix "ro-" { policy = "read" }
        service_prefix "in-" { policy = "deny" intentions = "write" }
        key "exact" { policy = "write" }
        key_prefix "dir/" { policy = "write" }
        key_prefix "dir/secret/" { policy = "deny" }
        key_prefix "list/" { policy = "list" }
        operator = "read"
        "#,
    );
    for (permission, want) in [
        (Permission::write(Resource::Key("exact")), true),
        (Permission::write(Resource::Key("exactly")), false),
        (Permission::write(Resource::Key("dir/a")), true),
        (Permission::write(Resource::Key("dir/secret/a")), false),
        (Permission::write(Resource::KeyPrefix("dir/")), false),
        (Permission::write(Resource::KeyPrefix("dir/x/")), true),
        (Permission::read(Resource::Key("list/a")), true),
        (Permission::list(Resource::KeyPrefix("elsewhere/")), true),
        (Permission::read(Resource::Node("n1")), true),
        (Permission::write(Resource::Node("n1")), false),
        (Permission::read(Resource::Service("ro-db")), true),
        (Permission::write(Resource::Service("ro-db")), false),
        (Permission::read(Resource::Intention("web")), true),
        (Permission::write(Resource::Intention("web")), false),
        (Permission::write(Resource::Intention("in-x")), true),
        (Permission::write(Resource::Intention("*")), false),
        (Permission::read(Resource::Intention("*")), true),
        (Permission::read(Resource::Operator), true),
        (Permission::write(Resource::Operator), false),
        (Permission::read(Resource::Acl), false),
        (Permission::read(Resource::Keyring), false),
        (Permission::read(Resource::Public), true),
    ] {
        assert_eq!(granted.allows(permission), want, "{permission:?}");
    }
}

#[test]
fn the_default_counts_where_nothing_is_said_but_not_for_access_control() {
    let nothing = Granted::merge(&[], Defaults { allow: true, key_list: true });
    for permission in [
        Permission::write(Resource::Key("a")),
        Permission::list(Resource::KeyPrefix("a")),
        Permission::write(Resource::KeyPrefix("")),
        Permission::write(Resource::Operator),
        Permission::write(Resource::Intention("*")),
    ] {
        assert!(nothing.allows(permission), "{permission:?}");
    }
    assert!(!nothing.allows(Permission::read(Resource::Acl)));
    let keys = Granted::merge(
        &[Rules::parse(r#"key_prefix "r/" { policy = "read" } key_prefix "l/" { policy = "list" }"#, Syntax::Current).unwrap()],
        Defaults { allow: false, key_list: true },
    );
    assert!(!keys.allows(Permission::list(Resource::KeyPrefix("r/"))));
    assert!(keys.allows(Permission::list(Resource::KeyPrefix("l/"))));
}

#[test]
fn what_one_policy_says_of_intentions_counts_before_what_follows_from_another() {
    let of = |text: &str| Rules::parse(text, Syntax::Current).unwrap();
    let a = of(r#"service "web" { policy = "deny" }"#);
    let b = of(r#"service "web" { policy = "read" intentions = "write" }"#);
    for order in [[&a, &b], [&b, &a]] {
        let granted = Granted::merge(order, DENY);
        assert!(granted.allows(Permission::write(Resource::Intention("web"))));
        assert!(!granted.allows(Permission::read(Resource::Service("web"))));
    }
}

fn name() -> impl Strategy<Value = String> {
    "[ab/]{0,4}"
}

fn level() -> impl Strategy<Value = Level> {
    select(vec![Level::Deny, Level::Read, Level::List, Level::Write])
}

fn policy() -> impl Strategy<Value = Rules> {
    let rule = (name(), any::<bool>(), level()).prop_map(|(name, is_prefix, level)| Rule {
        kind: Kind::Key,
        name,
        is_prefix,
        level,
        intentions: None,
    });
    proptest::collection::vec(rule, 0..6).prop_map(|named| Rules { named, areas: Vec::new() })
}

/// The same by looking through all rules: those of the name itself, else those of its longest beginning; among them what denies
/// first, then what grants most.
fn naive(policies: &[Rules], name: &str) -> Option<Level> {
    let all = || policies.iter().flat_map(|rules| &rules.named);
    let strongest = |rules: Vec<&Rule>| {
        let order = [Level::Deny, Level::Write, Level::List, Level::Read];
        order.into_iter().find(|level| rules.iter().any(|rule| rule.level == *level))
    };
    let exact: Vec<&Rule> = all().filter(|rule| !rule.is_prefix && rule.name == name).collect();
    if !exact.is_empty() {
        return strongest(exact);
    }
    let fitting = |rule: &&Rule| rule.is_prefix && name.starts_with(&rule.name);
    let longest = all().filter(fitting).map(|rule| rule.name.len()).max()?;
    strongest(all().filter(fitting).filter(|rule| rule.name.len() == longest).collect())
}

proptest! {
    #[test]
    fn merged_policies_say_what_a_look_at_all_rules_says(
        policies in proptest::collection::vec(policy(), 0..4),
        asked in name(),
        allow in any::<bool>(),
    ) {
        let granted = Granted::merge(&policies, Defaults { allow, key_list: true });
        for access in [Access::Read, Access::List, Access::Write] {
            let permission = Permission { access, resource: Resource::Key(&asked) };
            let want = naive(&policies, &asked).map_or(allow, |level| level.grants(access));
            prop_assert_eq!(granted.allows(permission), want);
        }
    }

    #[test]
    fn a_tree_may_be_written_when_each_name_in_it_may(
        policies in proptest::collection::vec(policy(), 0..4),
        prefix in "[ab/]{0,2}",
    ) {
        let granted = Granted::merge(&policies, DENY);
        if granted.allows(Permission::write(Resource::KeyPrefix(&prefix))) {
            for rest in ["", "a", "b", "/", "ab", "ba/", "a/b"] {
                let name = format!("{prefix}{rest}");
                prop_assert!(granted.allows(Permission::write(Resource::Key(&name))), "{}", name);
            }
        }
    }
}
