//! Members that an operator wants gone.

use super::*;

#[test]
fn a_failed_member_can_be_made_to_leave_or_be_forgotten() {
    let mut net = Net::joined(5);
    net.down.extend([4, 5]);
    net.run(60);
    assert!(!net.with(1, |engine, now| engine.force_leave(now, "nobody", false)));
    assert!(net.with(1, |engine, now| engine.force_leave(now, "n4", false)));
    assert!(net.with(1, |engine, now| engine.force_leave(now, "n5", true)));
    net.run(5);
    for port in 1..=3 {
        assert_eq!(net.status(port, "n4"), Some(MemberStatus::Left), "as {port} sees it");
        assert_eq!(net.status(port, "n5"), None, "as {port} sees it");
    }
    // State exchanges do not bring the forgotten one back; its return does.
    net.run(60);
    assert_eq!(net.status(2, "n5"), None);
    net.down.clear();
    net.add(settings(), own("n5", "id-5", 5));
    net.join(5, 3);
    net.run(40);
    for port in 1..=5 {
        assert_eq!(net.status(port, "n5"), Some(MemberStatus::Alive), "as {port} sees it");
    }
}

fn is_left(name: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Left(member) if member.name == *name)
}

fn suspects(net: &Net, port: u16, name: &str) -> bool {
    let entry = net.engines[&port].roster.holder(&name.into());
    entry.is_some_and(|entry| matches!(entry.standing, Standing::Suspect(_)))
}

#[test]
fn a_suspect_is_made_to_leave_or_forgotten_without_waiting_for_its_failure() {
    for prune in [false, true] {
        let mut net = Net::joined(6);
        net.down.push(6);
        while !suspects(&net, 1, "n6") {
            net.run(1);
        }
        assert!(net.with(1, |engine, now| engine.force_leave(now, "n6", prune)));
        assert_eq!(net.status(1, "n6"), (!prune).then_some(MemberStatus::Left));
        net.run(3);
        for port in 1..=5 {
            assert_eq!(net.status(port, "n6"), (!prune).then_some(MemberStatus::Left), "as {port} sees it, prune {prune}");
            assert_eq!((net.count(port, is_left("n6")), net.count(port, is_failed("n6"))), (1, 0), "as {port} sees it");
        }
    }
}

#[test]
fn a_member_whose_death_nobody_saw_leaves_once_it_fails() {
    for prune in [false, true] {
        let mut net = Net::joined(6);
        net.down.push(6);
        assert!(net.with(1, |engine, now| engine.force_leave(now, "n6", prune)));
        assert_eq!(net.status(1, "n6"), Some(MemberStatus::Alive), "nobody knows better yet");
        net.run(40);
        for port in 1..=5 {
            assert_eq!(net.status(port, "n6"), (!prune).then_some(MemberStatus::Left), "as {port} sees it, prune {prune}");
            assert_eq!((net.count(port, is_left("n6")), net.count(port, is_failed("n6"))), (1, 0), "as {port} sees it");
            assert_eq!(net.engines[&port].stats().core_errors, 0);
        }
    }
}

#[test]
fn a_member_that_only_others_know_as_failed_is_gone_at_once() {
    for prune in [false, true] {
        let mut net = Net::joined(6);
        net.down.push(6);
        for port in 2..=5 {
            let entry = net.engines[&port].roster.holder(&"n6".into()).unwrap();
            let failed = Record { claim: Claim::Failed, card: None, ..entry.record() };
            net.with(port, |engine, now| engine.apply(now, failed, false));
        }
        assert_eq!(net.status(1, "n6"), Some(MemberStatus::Alive));
        assert!(net.with(1, |engine, now| engine.force_leave(now, "n6", prune)));
        net.run(3);
        for port in 1..=5 {
            assert_eq!(net.status(port, "n6"), (!prune).then_some(MemberStatus::Left), "as {port} sees it, prune {prune}");
        }
    }
}

#[test]
fn a_live_member_objects_and_the_wish_is_over() {
    let mut net = Net::joined(4);
    assert!(net.with(1, |engine, now| engine.force_leave(now, "n3", false)));
    assert!(net.with(1, |engine, now| engine.force_leave(now, "n2", true)));
    net.run(10);
    for port in 1..=4 {
        assert_eq!(net.engines[&port].alive(), 4);
        assert_eq!(net.count(port, |event| matches!(event, Event::Left(_) | Event::Failed(_) | Event::Reaped(_))), 0);
        assert!(net.engines[&port].wishes.is_empty(), "as {port} sees it");
    }
    // What was wished of a member that lived is not done to it when it dies.
    net.down.push(3);
    net.run(40);
    for port in [1, 2, 4] {
        assert_eq!(net.status(port, "n3"), Some(MemberStatus::Failed), "as {port} sees it");
    }
}

#[test]
fn a_live_member_taken_for_dead_by_mistake_comes_back() {
    let mut net = Net::joined(5);
    let suspect = |engine: &mut Engine, now| {
        let entry = engine.roster.holder(&"n5".into()).unwrap();
        let accuser = engine.own.node;
        let record = Record { claim: Claim::Suspect { accuser }, card: None, ..entry.record() };
        engine.apply(now, record, false);
        engine.force_leave(now, "n5", false)
    };
    assert!(net.with(1, suspect));
    assert_eq!(net.status(1, "n5"), Some(MemberStatus::Left));
    net.run(40);
    for port in 1..=5 {
        assert_eq!(net.status(port, "n5"), Some(MemberStatus::Alive), "as {port} sees it");
    }
}

#[test]
fn a_wish_is_held_for_its_time_and_not_longer() {
    for (waited, status) in [(40, MemberStatus::Left), (400, MemberStatus::Failed)] {
        let mut net = Net::joined(5);
        assert!(net.with(1, |engine, now| {
            // It alone knows, so that nobody objects.
            engine.force_leave(now, "n5", false) && engine.wishes.len() == 1
        }));
        let engine = net.engines.get_mut(&1).unwrap();
        engine.wishes.values().for_each(|wish| assert!(wish.until < net.now + Duration::from_secs(400)));
        let entry = engine.roster.holder(&"n5".into()).unwrap();
        let failed = Record { claim: Claim::Failed, card: None, ..entry.record() };
        engine.apply(net.now + Duration::from_secs(waited), failed, false);
        assert_eq!(net.status(1, "n5"), Some(status), "after {waited} s");
    }
}

#[test]
fn what_was_done_long_ago_elsewhere_does_not_take_a_live_member_out() {
    let mut net = Net::joined(4);
    for (age_s, status) in [(3600, MemberStatus::Alive), (0, MemberStatus::Left)] {
        let entry = net.engines[&1].roster.holder(&"n4".into()).unwrap();
        let claims = [Claim::Left { forced: true }, Claim::Pruned];
        let records = claims.map(|claim| Record { claim, card: None, age_s, ..entry.record() });
        let [left, pruned] = records;
        if age_s > 0 {
            net.with(1, |engine, now| engine.apply(now, pruned, false));
        }
        net.with(1, |engine, now| engine.apply(now, left, false));
        assert_eq!(net.status(1, "n4"), Some(status));
    }
}
