#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::BTreeSet;

fn member(name: &str, role: &str, dc: &str, last: u8, status: MemberStatus) -> Member {
    let tags = [("role", role), ("dc", dc), ("port", "8300")];
    Member {
        name: name.into(),
        addr: format!("127.0.0.{last}"),
        port: 8301,
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        status,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    }
}

fn servers(count: u8) -> Vec<ServerAddress> {
    let members: Vec<_> = (1..=count).map(|n| member(&format!("s{n}"), "consul", "dc1", n, MemberStatus::Alive)).collect();
    alive_in("dc1", &members)
}

fn names(list: &ServerList) -> Vec<String> {
    list.all().iter().map(|server| server.name.to_string()).collect()
}

#[test]
fn only_living_servers_of_the_datacenter_count() {
    let mut broken = member("s6", "consul", "dc1", 6, MemberStatus::Alive);
    broken.tags.insert("port".to_owned(), "many".to_owned());
    let mut without_address = member("s7", "consul", "dc1", 7, MemberStatus::Alive);
    without_address.addr = "nowhere".to_owned();
    let mut six = member("s8", "consul", "dc1", 8, MemberStatus::Alive);
    six.addr = "::1".to_owned();
    let members = [
        member("s1", "consul", "DC1", 1, MemberStatus::Alive),
        member("s2", "consul", "dc1", 2, MemberStatus::Failed),
        member("s3", "consul", "dc1", 3, MemberStatus::Left),
        member("s4", "consul", "dc2", 4, MemberStatus::Alive),
        member("c5", "node", "dc1", 5, MemberStatus::Alive),
        broken,
        without_address,
        six,
    ];
    let found: Vec<_> = alive_in("dc1", &members).into_iter().map(|server| server.address.to_string()).collect();
    assert_eq!(found, ["127.0.0.1:8300", "[::1]:8300"]);
}

#[test]
fn agents_spread_over_the_servers() {
    let first = |seed| {
        let mut list = ServerList::new(seed);
        list.set(servers(5));
        list.first().unwrap().name.to_string()
    };
    let seen: BTreeSet<_> = (0..100).map(first).collect();
    assert_eq!(seen.len(), 5);
    assert_eq!(first(7), first(7), "the seed alone decides");
}

#[test]
fn a_change_keeps_the_order_of_those_who_stay() {
    let mut list = ServerList::new(3);
    list.set(servers(5));
    let before = names(&list);
    list.set(servers(6));
    let after: Vec<_> = names(&list).into_iter().filter(|name| name != "s6").collect();
    assert_eq!(after, before);
    list.set(servers(6).into_iter().filter(|server| server.name != *"s2").collect());
    assert!(!names(&list).contains(&"s2".to_owned()));
    list.set(Vec::new());
    assert_eq!(list.first(), None);
    list.failed("127.0.0.1:8300");
    list.rebalance();
}

#[test]
fn a_server_that_failed_is_asked_last_and_moves_once() {
    let mut list = ServerList::new(3);
    list.set(servers(3));
    let before = names(&list);
    let first = list.first().unwrap().address.clone();
    // Ten requests that were under way to it fail together.
    for _ in 0..10 {
        list.failed(&first);
    }
    assert_eq!(names(&list), [before[1].clone(), before[2].clone(), before[0].clone()]);
}

#[test]
fn a_new_address_of_a_known_name_replaces_the_old() {
    let mut list = ServerList::new(3);
    list.set(servers(1));
    let moved = alive_in("dc1", &[member("s1", "consul", "dc1", 9, MemberStatus::Alive)]);
    list.set(moved);
    let all: Vec<_> = list.all().iter().map(|server| server.address.to_string()).collect();
    assert_eq!(all, ["127.0.0.9:8300"]);
}

#[test]
fn larger_clusters_keep_the_order_longer() {
    let mut list = ServerList::new(3);
    list.set(servers(3));
    let span = |list: &mut ServerList, nodes| {
        let times: Vec<_> = (0..100).map(|_| list.rebalance_after(nodes)).collect();
        (*times.iter().min().unwrap(), *times.iter().max().unwrap())
    };
    let (least, most) = span(&mut list, 100);
    assert!(least >= Duration::from_secs(120) && most <= Duration::from_secs(180));
    let (least, most) = span(&mut list, 192_000);
    assert!(least >= Duration::from_secs(1000) && most <= Duration::from_secs(1500));
}
