//! The engine's behaviour in small pools: engines joined by a network without delay.

use super::wire::record::{Claim, Item};
use super::wire::{packet, stream};
use super::*;
use proptest::prelude::*;

mod removal;

struct Net {
    engines: BTreeMap<u16, Engine>,
    /// Members that nothing reaches and that do nothing.
    down: Vec<u16>,
    /// Members whose datagrams, but not streams, get lost.
    deaf: Vec<u16>,
    /// Hosts of members that are down refuse streams, instead of saying nothing.
    refusing: bool,
    events: Vec<(u16, Event)>,
    packet_largest: usize,
    now: Duration,
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn own(name: &str, id: &str, port: u16) -> Own {
    Own { name: name.into(), id: id.into(), address: at(port), tags: BTreeMap::from([("role".to_owned(), "node".to_owned())]) }
}

fn settings() -> EngineSettings {
    EngineSettings {
        reconnect_timeout: Duration::from_secs(100),
        tombstone_timeout: Duration::from_secs(50),
        ..EngineSettings::lan()
    }
}

impl Net {
    fn new() -> Self {
        Self {
            engines: BTreeMap::new(),
            down: Vec::new(),
            deaf: Vec::new(),
            refusing: false,
            events: Vec::new(),
            packet_largest: 0,
            now: Duration::from_secs(1000),
        }
    }

    /// Members `n1`, `n2`, … at ports 1, 2, …, joined.
    fn joined(count: u16) -> Self {
        let mut net = Self::new();
        for port in 1..=count {
            net.add(settings(), own(&format!("n{port}"), &format!("id-{port}"), port));
            if port > 1 {
                net.join(port, 1);
            }
        }
        net.run(5);
        // In a large pool a few may hear of each other from probes only.
        for _ in 0..60 {
            if net.engines.values().all(|engine| engine.alive() == usize::from(count)) {
                break;
            }
            net.run(1);
        }
        for engine in net.engines.values() {
            assert_eq!(engine.alive(), usize::from(count));
        }
        net.events.clear();
        net
    }

    fn add(&mut self, settings: EngineSettings, own: Own) {
        let port = own.address.port();
        self.engines.insert(port, Engine::new(settings, own, self.now, u64::from(port)));
    }

    fn with<T>(&mut self, port: u16, call: impl FnOnce(&mut Engine, Duration) -> T) -> T {
        let now = self.now;
        let result = call(self.engines.get_mut(&port).unwrap(), now);
        self.flush();
        result
    }

    fn join(&mut self, port: u16, through: u16) {
        self.with(port, |engine, now| engine.join(now, at(through)));
    }

    fn is_up(&self, port: u16) -> bool {
        self.engines.contains_key(&port) && !self.down.contains(&port)
    }

    fn flush(&mut self) {
        loop {
            let ports: Vec<u16> = self.engines.keys().copied().filter(|port| self.is_up(*port)).collect();
            let outputs: Vec<(u16, Output)> = ports
                .into_iter()
                .flat_map(|port| {
                    let engine = self.engines.get_mut(&port).unwrap();
                    std::iter::from_fn(move || engine.poll()).map(move |output| (port, output)).collect::<Vec<_>>()
                })
                .collect();
            if outputs.is_empty() {
                return;
            }
            let now = self.now;
            for (port, output) in outputs {
                match output {
                    Output::Packet { to, bytes } => {
                        self.packet_largest = self.packet_largest.max(bytes.len());
                        if self.is_up(to.port()) && !self.deaf.contains(&to.port()) && !self.deaf.contains(&port) {
                            self.engines.get_mut(&to.port()).unwrap().handle_packet(now, at(port), &bytes);
                        }
                    }
                    Output::Stream { to, ticket, bytes, .. } => {
                        let reply = if self.is_up(to.port()) {
                            let engine = self.engines.get_mut(&to.port()).unwrap();
                            engine.handle_request(now, at(port), &bytes).map_err(Unanswered::because)
                        } else {
                            Err(Unanswered { reason: "connection refused".to_owned(), refused: self.refusing })
                        };
                        let reply = reply.as_ref().map(|bytes| &**bytes).map_err(Clone::clone);
                        self.engines.get_mut(&port).unwrap().handle_reply(now, ticket, reply);
                    }
                    Output::Event(event) => self.events.push((port, event)),
                }
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let up = self.engines.iter().filter(|(port, _)| self.is_up(**port));
            let Some((due, port)) =
                up.filter_map(|(port, engine)| Some((engine.next_due()?, *port))).min().filter(|(due, _)| *due <= end)
            else {
                break;
            };
            self.now = self.now.max(due);
            self.with(port, Engine::handle_due);
        }
        self.now = end;
    }

    fn status(&self, port: u16, name: &str) -> Option<MemberStatus> {
        self.engines[&port].status_of(name)
    }

    fn count(&self, port: u16, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(by, event)| *by == port && wanted(event)).count()
    }
}

fn is_failed(name: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Failed(member) if member.name == *name)
}

#[test]
fn members_that_join_through_one_know_all() {
    let mut net = Net::new();
    for port in 1..=10 {
        net.add(settings(), own(&format!("n{port}"), &format!("id-{port}"), port));
    }
    for port in 2..=10 {
        net.join(port, 1);
    }
    net.run(5);
    for (port, engine) in &net.engines {
        assert_eq!(engine.alive(), 10, "as member {port} sees it");
        assert_eq!(engine.members().len(), 10);
        assert_eq!(engine.stats().core_errors, 0);
    }
    assert_eq!(net.count(10, |event| matches!(event, Event::Joined(_))), 9, "each member once");
    assert_eq!(net.count(10, |event| matches!(event, Event::Contacted { outcome: Ok(_), .. })), 1);
}

#[test]
fn a_join_that_reaches_nobody_says_so() {
    let mut net = Net::new();
    net.add(settings(), own("n1", "id-1", 1));
    net.join(1, 9);
    let (_, event) = net.events.last().unwrap();
    let Event::Contacted { outcome: Err(error), .. } = event else { panic!("{event:?}") };
    assert_eq!(error.to_string(), "127.0.0.1:9 cannot be reached: connection refused");
}

#[test]
fn a_killed_member_fails_and_is_reaped_after_its_time() {
    let mut net = Net::joined(5);
    net.down.push(5);
    net.run(40);
    for port in 1..=4 {
        assert_eq!(net.status(port, "n5"), Some(MemberStatus::Failed));
        assert_eq!(net.count(port, is_failed("n5")), 1);
    }
    net.run(130);
    for port in 1..=4 {
        assert_eq!(net.status(port, "n5"), None);
        assert_eq!(net.count(port, |event| matches!(event, Event::Reaped(member) if member.name == "n5")), 1, "by {port}");
    }
}

#[test]
fn a_killed_member_whose_host_refuses_fails_in_half_the_time() {
    let time_to_fail = |refusing| {
        let mut net = Net::joined(3);
        (net.refusing, net.down) = (refusing, vec![3]);
        let begin = net.now;
        while net.count(1, is_failed("n3")) == 0 || net.count(2, is_failed("n3")) == 0 {
            net.run(1);
            assert!(net.now - begin < Duration::from_secs(60), "it fails at all");
        }
        net.now - begin
    };
    let (refused, silent) = (time_to_fail(true), time_to_fail(false));
    assert!(silent - refused >= Duration::from_secs(2), "{refused:?} beside {silent:?}");
}

#[test]
fn a_member_that_starts_again_soon_is_not_failed_by_a_refusal() {
    let mut net = Net::joined(3);
    (net.refusing, net.down) = (true, vec![3]);
    net.run(2);
    net.down.clear();
    net.run(10);
    for port in 1..=2 {
        assert_eq!(net.count(port, is_failed("n3")), 0);
        assert_eq!(net.status(port, "n3"), Some(MemberStatus::Alive));
    }
}

#[test]
fn a_member_may_tell_how_long_it_is_remembered() {
    let mut net = Net::joined(3);
    net.with(3, |engine, now| engine.set_tags(now, BTreeMap::from([(RECONNECT_TIMEOUT_TAG.to_owned(), "15s".to_owned())])));
    net.run(3);
    net.down.push(3);
    net.run(70);
    assert_eq!(net.count(1, is_failed("n3")), 1);
    assert_eq!(net.status(1, "n3"), None, "15 s and a round of reaping are over");
}

#[test]
fn a_leave_is_known_to_all_as_one_and_a_return_as_a_join() {
    let mut net = Net::joined(6);
    net.with(6, Engine::leave);
    assert_eq!(net.status(6, "n6"), Some(MemberStatus::Leaving));
    net.run(5);
    assert_eq!(net.status(6, "n6"), Some(MemberStatus::Left));
    net.down.push(6);
    net.run(30);
    for port in 1..=5 {
        assert_eq!(net.status(port, "n6"), Some(MemberStatus::Left));
        assert_eq!(net.count(port, |event| matches!(event, Event::Left(_))), 1);
        assert_eq!(net.count(port, |event| matches!(event, Event::Failed(_))), 0);
    }
    // It starts again with its old id, knowing nothing of its earlier life.
    net.down.clear();
    net.add(settings(), own("n6", "id-6", 6));
    net.join(6, 2);
    net.run(5);
    for port in 1..=6 {
        assert_eq!(net.status(port, "n6"), Some(MemberStatus::Alive), "as {port} sees it");
        assert_eq!(
            net.count(port, |event| matches!(event, Event::Joined(member) if member.name == "n6")),
            usize::from(port != 6)
        );
    }
    net.run(60);
    assert_eq!(net.engines[&1].alive(), 6);
}

#[test]
fn a_member_restarted_unseen_goes_on_with_its_new_tags() {
    let mut net = Net::joined(4);
    let mut again = own("n4", "id-4", 4);
    again.tags.insert("build".to_owned(), "2".to_owned());
    net.add(settings(), again);
    net.join(4, 1);
    net.run(10);
    for port in 1..=4 {
        let members = net.engines[&port].members();
        let member = members.iter().find(|member| member.name == "n4").unwrap();
        assert_eq!(member.tags.get("build").map(String::as_str), Some("2"), "as {port} sees it");
        assert_eq!(net.count(port, is_failed("n4")), 0);
    }
}

#[test]
fn tags_change_at_run_time_within_their_limit() {
    let mut net = Net::joined(5);
    let tags = BTreeMap::from([("role".to_owned(), "consul".to_owned())]);
    assert!(net.with(2, |engine, now| engine.set_tags(now, tags.clone())));
    net.run(3);
    for port in [1, 3, 4, 5] {
        assert_eq!(net.count(port, |event| matches!(event, Event::Updated(member) if member.tags == tags)), 1, "by {port}");
        assert_eq!(net.count(port, |event| matches!(event, Event::Failed(_) | Event::Joined(_))), 0);
    }
    let large = BTreeMap::from([("x".to_owned(), "y".repeat(TAGS_SIZE_MAX))]);
    assert!(!net.with(2, |engine, now| engine.set_tags(now, large)));
}

#[test]
fn a_rebuilt_host_takes_the_name_of_its_dead_predecessor() {
    let mut net = Net::joined(4);
    net.down.push(4);
    net.run(60);
    assert_eq!(net.status(1, "n4"), Some(MemberStatus::Failed));
    net.add(settings(), own("n4", "id-new", 14));
    net.join(14, 1);
    net.run(40);
    for port in [1, 2, 3, 14] {
        let members = net.engines[&port].members();
        assert_eq!(members.len(), 4, "as {port} sees it");
        let member = members.iter().find(|member| member.name == "n4").unwrap();
        assert_eq!((member.status, member.port), (MemberStatus::Alive, 14));
    }
    assert!(!net.events.iter().any(|(_, event)| matches!(event, Event::Conflict(_))));
}

#[test]
fn a_host_rebuilt_at_its_address_need_not_wait() {
    let mut net = Net::joined(4);
    net.add(settings(), own("n4", "id-new", 4));
    net.join(4, 1);
    net.run(90);
    for port in 1..=4 {
        assert_eq!((net.engines[&port].alive(), net.engines[&port].members().len()), (4, 4), "as {port} sees it");
        assert_eq!(net.count(port, |event| matches!(event, Event::Conflict(_) | Event::Failed(_))), 0);
    }
}

fn refusal(net: &Net, port: u16) -> String {
    let refused = net.events.iter().rev().find_map(|(by, event)| match event {
        Event::Contacted { outcome: Err(error), .. } if *by == port => Some(error.to_string()),
        _ => None,
    });
    refused.expect("a refused join")
}

#[test]
fn a_cloned_data_directory_is_refused() {
    let mut net = Net::joined(3);
    net.add(settings(), own("n9", "id-2", 9));
    net.join(9, 1);
    let text = refusal(&net, 9);
    assert!(text.contains("the node id of n9 at 127.0.0.1:9 is that of n2, which is alive at 127.0.0.1:2"), "{text}");
    let told = |event: &Event| matches!(event, Event::Conflict(Conflict { kind: ConflictKind::Id, own: false, .. }));
    assert_eq!(net.count(1, told), 1);
    net.join(9, 2);
    let own = |event: &Event| matches!(event, Event::Conflict(Conflict { kind: ConflictKind::Id, own: true, .. }));
    assert_eq!(net.count(2, own), 1, "the one whose id it is sees it too");
    net.run(30);
    assert_eq!(net.engines[&3].alive(), 3);
}

#[test]
fn a_doubled_name_is_refused() {
    let mut net = Net::joined(3);
    net.add(settings(), own("N2", "id-9", 9));
    net.join(9, 1);
    let text = refusal(&net, 9);
    assert!(
        text.contains("the name N2 of the agent at 127.0.0.1:9 is taken by another node, which is alive at 127.0.0.1:2"),
        "{text}"
    );
    assert_eq!(net.count(1, |event| matches!(event, Event::Conflict(Conflict { kind: ConflictKind::Name, .. }))), 1);
    net.join(9, 1);
    assert_eq!(net.count(1, |event| matches!(event, Event::Conflict(_))), 1, "not told again and again");
}

#[test]
fn a_member_that_comes_back_elsewhere_is_the_same_updated() {
    let mut net = Net::joined(4);
    net.down.push(4);
    net.add(settings(), own("n4", "id-4", 44));
    net.join(44, 1);
    assert!(refusal(&net, 44).contains("wait until the old one has failed"));
    net.run(60);
    net.join(44, 1);
    net.run(10);
    for port in [1, 2, 3, 44] {
        let members = net.engines[&port].members();
        let member = members.iter().find(|member| member.name == "n4").unwrap();
        assert_eq!((members.len(), member.status, member.port), (4, MemberStatus::Alive, 44), "as {port} sees it");
    }
}

#[test]
fn pools_parted_for_long_find_each_other_again() {
    let mut net = Net::joined(4);
    net.down.push(4);
    net.run(60);
    assert_eq!(net.status(1, "n4"), Some(MemberStatus::Failed));
    // It was cut off and not dead: it wakes, and finds from the silence of the others that it is long past.
    net.down.clear();
    net.run(90);
    for port in 1..=4 {
        assert_eq!(net.engines[&port].alive(), 4, "as {port} sees it");
    }
}

#[test]
fn a_member_that_only_streams_reach_is_not_suspected() {
    let mut net = Net::joined(3);
    net.deaf.push(3);
    net.run(60);
    assert_eq!(net.count(1, is_failed("n3")), 0);
    assert!(net.engines[&1].stats().probes_by_stream > 0);
    let mut net = Net::new();
    for port in 1..=3 {
        net.add(EngineSettings { tcp_fallback: false, ..settings() }, own(&format!("n{port}"), &format!("id-{port}"), port));
    }
    net.join(2, 1);
    net.join(3, 1);
    net.run(5);
    net.deaf.push(3);
    net.run(60);
    assert!(net.count(1, is_failed("n3")) > 0, "without streams it fails");
}

#[test]
fn user_events_reach_each_member_once_and_joiners_not_later() {
    let mut net = Net::joined(8);
    let time = net.with(3, |engine, now| engine.fire(now, "deploy", Bytes::from_static(b"v2"))).unwrap();
    assert_eq!(time, 1);
    net.run(5);
    net.add(settings(), own("n9", "id-9", 9));
    net.join(9, 1);
    // Long enough for state exchanges, which tell recent events.
    net.run(120);
    let is_deploy = |event: &Event| matches!(event, Event::User { name, payload, .. } if name == "deploy" && payload == "v2");
    for port in 1..=8 {
        assert_eq!(net.count(port, is_deploy), 1, "by {port}");
    }
    assert_eq!(net.count(9, is_deploy), 0);
    assert_eq!(net.with(9, |engine, now| engine.fire(now, "again", Bytes::new())), Ok(2), "the clock came with the join");
    let large = net.with(9, |engine, now| engine.fire(now, "large", Bytes::from(vec![0; 508])));
    assert_eq!(large, Err(FireError::TooLarge { size: 513, limit: 512 }));
}

#[test]
fn packets_keep_within_their_size() {
    let mut net = Net::joined(30);
    for port in 1..=30 {
        let tags = BTreeMap::from([("filler".to_owned(), "x".repeat(480))]);
        net.with(port, |engine, now| engine.set_tags(now, tags));
        net.with(port, |engine, now| engine.fire(now, "load", Bytes::from(vec![7; 500]))).unwrap();
    }
    net.run(30);
    assert!(net.packet_largest > 1000 && net.packet_largest <= 1400 - ENCRYPTION_ROOM, "{}", net.packet_largest);
}

#[test]
fn coordinates_are_learnt_from_probes() {
    let mut net = Net::joined(3);
    net.run(30);
    for port in 1..=3 {
        assert!(net.engines[&port].coordinate_of("n1").is_some());
        assert!(net.engines[&port].coordinate().error < 1.5, "measured");
    }
    assert_eq!(net.engines[&1].coordinate_of("n1"), Some(net.engines[&1].coordinate()));
    assert_eq!(net.engines[&1].coordinate_of("nobody"), None);
}

#[test]
fn a_member_cut_off_doubts_itself_and_recovers() {
    let mut net = Net::joined(8);
    net.deaf.push(8);
    net.engines.get_mut(&8).unwrap().settings.tcp_fallback = false;
    net.run(10);
    assert!(net.engines[&8].health_score() >= 3, "{}", net.engines[&8].health_score());
    net.deaf.clear();
    net.run(120);
    assert_eq!(net.engines[&8].health_score(), 0);
}

#[test]
fn nacks_tell_ones_own_fault_from_the_targets() {
    let mut net = Net::joined(8);
    net.down.push(8);
    for port in 1..=7 {
        net.engines.get_mut(&port).unwrap().settings.tcp_fallback = false;
    }
    net.run(4);
    let failed: u64 = (1..=7).map(|port| net.engines[&port].stats().probes_failed).sum();
    let score: u32 = (1..=7).map(|port| net.engines[&port].health_score()).sum();
    assert!(failed > 0 && score == 0, "all relays told that they got no answer either: {failed} failed, score {score}");
}

#[test]
fn a_timer_that_fires_late_does_not_condemn_others() {
    let mut net = Net::joined(5);
    // Member 1 begins a probe whose ack it cannot read while it stands still.
    net.run(2);
    net.down.push(1);
    net.run(6);
    net.down.clear();
    net.with(1, Engine::handle_due);
    assert_eq!(net.engines[&1].stats().suspicions, 0);
    assert_eq!(net.engines[&1].health_score(), 1);
    assert_eq!(net.engines[&1].stats().stalls, 1);
}

#[test]
fn who_stood_still_judges_no_probe_before_its_indirect_stage() {
    let mut net = Net::joined(5);
    net.down.extend(2..=5);
    let before = net.engines[&1].stats().probes;
    while net.engines[&1].stats().probes == before {
        net.now = net.engines[&1].next_due().unwrap();
        net.with(1, Engine::handle_due);
    }
    // The indirect stage is late and waits once more, beyond the end of a probe that was not.
    net.now += net.engines[&1].settings.probe_timeout.mul_f64(1.6);
    net.with(1, Engine::handle_due);
    assert_eq!(net.engines[&1].stats().stalls, 1);
    net.run(30);
    let stats = net.engines[&1].stats();
    assert_eq!((stats.core_errors, &stats.last_core_error), (0, &None));
    assert!(stats.probes > before + 2 && stats.suspicions > 0, "it goes on");
}

#[test]
fn another_version_is_refused_with_its_number() {
    let mut net = Net::joined(2);
    net.with(1, |engine, now| engine.handle_packet(now, at(2), &[9, 0, 1]));
    let (_, error) = net.engines[&1].stats().last_refused.clone().unwrap();
    assert_eq!(error.to_string(), "gossip protocol version 9 is not understood here (this agent speaks version 1)");
    let reply = net.with(1, |engine, now| engine.handle_request(now, at(2), &[9, 3]));
    assert_eq!(reply, Err(RequestError::Wire(WireError::Version { got: 9, ours: 1 })));
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let trace = || {
        let mut net = Net::joined(6);
        net.down.push(6);
        net.run(60);
        (format!("{:?}", net.events), net.engines[&1].stats().bytes_out)
    };
    assert_eq!(trace(), trace());
}

fn some_record() -> impl Strategy<Value = Item> {
    let claim = prop_oneof![
        Just(Claim::Alive),
        any::<u128>().prop_map(|accuser| Claim::Suspect { accuser }),
        Just(Claim::Failed),
        any::<bool>().prop_map(|forced| Claim::Left { forced }),
        Just(Claim::Pruned),
        any::<bool>().prop_map(|prune| Claim::Unwanted { prune }),
    ];
    let tags = proptest::collection::btree_map("[a-z]{1,8}", ".{0,20}", 0..4);
    let card = proptest::option::of(("[a-z0-9-]{1,20}", any::<std::net::IpAddr>(), any::<u16>(), any::<u32>(), tags).prop_map(
        |(name, ip, port, version, tags)| {
            Arc::new(Card { name: NodeName::from(name), address: SocketAddr::new(ip, port), version, tags: Tags::new(&tags) })
        },
    ));
    let ident = (any::<u128>(), any::<u32>()).prop_map(|(node, generation)| Ident { node, generation });
    (ident, any::<u16>(), claim, card, any::<u32>())
        .prop_map(|(ident, incarnation, claim, card, age_s)| Item::Member(Record { ident, incarnation, claim, card, age_s }))
}

fn some_event() -> impl Strategy<Value = Item> {
    (any::<u64>(), any::<u128>(), any::<u32>(), ".{0,40}", proptest::collection::vec(any::<u8>(), 0..200)).prop_map(
        |(time, origin, number, name, payload)| {
            Item::Event(UserEvent { time, origin, number, name, payload: Bytes::from(payload) })
        },
    )
}

fn encoded(item: &Item) -> Bytes {
    match item {
        Item::Member(record) => record.encode(),
        Item::Event(event) => event.encode(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(items in proptest::collection::vec(prop_oneof![some_record(), some_event()], 0..20), clock: u64) {
        let bytes: Vec<Bytes> = items.iter().map(encoded).collect();
        let frame = stream::read(&stream::write_state(stream::StateKind::Join, clock, &bytes));
        prop_assert_eq!(frame, Ok(stream::Frame::Join(stream::State { clock, items: items.clone() })));
        let one = Ident { node: 1, generation: 7 };
        let head = Head { src: one, incarnation: 3, dst: Ident { node: 2, generation: 0 }, body: Body::Nack { target: one, number: 9 } };
        let mut writer = packet::begin(&head, None);
        bytes.iter().for_each(|item| writer.block(item));
        let packet = packet::read(&writer.0).unwrap();
        prop_assert_eq!((packet.head, packet.items), (head, items));
    }

    #[test]
    fn any_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), versioned: bool, cut in 0usize..400) {
        let mut engine = Engine::new(settings(), own("n1", "id-1", 1), Duration::ZERO, 1);
        if versioned && let Some(first) = bytes.first_mut() {
            *first = wire::VERSION;
        }
        engine.handle_packet(Duration::ZERO, at(2), &bytes);
        let _ = engine.handle_request(Duration::ZERO, at(2), &bytes);
        let ticket = engine.join(Duration::ZERO, at(2));
        engine.handle_reply(Duration::ZERO, ticket, Ok(&bytes));
        // And a true message, cut or changed in one place.
        let other = Engine::new(settings(), own("n2", "id-2", 2), Duration::ZERO, 2);
        let record = other.own_record().encode();
        let mut frame = stream::write_state(stream::StateKind::Join, 1, &[record.clone(), record]).to_vec();
        let at_byte = cut % frame.len();
        frame[at_byte] ^= bytes.first().copied().unwrap_or(1);
        let _ = engine.handle_request(Duration::ZERO, at(2), &frame);
        let _ = engine.handle_request(Duration::ZERO, at(2), &frame[..at_byte]);
        engine.handle_due(Duration::from_secs(100));
        prop_assert!(engine.alive() >= 1);
    }
}

#[test]
fn what_comes_from_outside_the_allowed_networks_is_not_taken() {
    let allowed = ["10.0.0.0/8".parse().unwrap()].into_iter().collect();
    let mut engine = Engine::new(EngineSettings { allowed, ..settings() }, own("n1", "id-1", 1), Duration::ZERO, 1);
    let [inside, outside] = ["10.1.1.1:9", "203.0.113.1:9"].map(|address| address.parse::<SocketAddr>().unwrap());
    for (from, outsiders) in [(inside, 0), (at(9), 0), (outside, 1)] {
        let (stats, before) = (engine.stats().clone(), engine.stats().outsiders);
        engine.handle_packet(Duration::ZERO, from, b"nonsense");
        assert_eq!(engine.stats().outsiders - before, outsiders, "{from}");
        assert_eq!(engine.stats().packets_refused - stats.packets_refused, 1 - outsiders, "{from}");
    }
    // A stream is told why.
    let ping = || stream::write_ping(engine_ident("id-1"));
    assert!(matches!(stream::read(&engine.handle_request(Duration::ZERO, inside, &ping()).unwrap()), Ok(stream::Frame::Ack)));
    let told = engine.handle_request(Duration::ZERO, outside, &ping()).unwrap();
    let Ok(stream::Frame::Refused(why)) = stream::read(&told) else { panic!("{told:?}") };
    assert!(why.contains("203.0.113.1 is in none of the networks"), "{why}");
}

fn engine_ident(id: &str) -> Ident {
    Ident { node: identity::node_key(id), generation: 0 }
}

#[test]
fn a_member_that_shall_not_tells_no_coordinate() {
    let mut net = Net::new();
    for port in 1..=3 {
        net.add(EngineSettings { coordinates: port != 3, ..settings() }, own(&format!("n{port}"), &format!("id-{port}"), port));
        if port > 1 {
            net.join(port, 1);
        }
    }
    net.run(60);
    for (seer, seen, known) in [(1, "n2", true), (2, "n1", true), (1, "n3", false), (2, "n3", false), (3, "n1", true)] {
        assert_eq!(net.engines[&seer].coordinate_of(seen).is_some(), known, "{seen} by n{seer}");
    }
    assert_eq!(net.engines[&3].coordinate(), Vivaldi::new().point().clone(), "it measures nothing");
    assert!(net.engines.values().all(|engine| engine.alive() == 3));
}

#[test]
fn a_member_that_others_let_in_under_another_address_is_taken_though_the_old_one_seems_alive() {
    let mut engine = Engine::new(settings(), own("n1", "id-1", 1), Duration::ZERO, 1);
    let claim = |generation, port| {
        let card = Card { name: "n2".into(), address: at(port), version: u32::from(port), tags: Tags::new(&BTreeMap::new()) };
        let ident = Ident { node: identity::node_key("id-2"), generation };
        Record { ident, incarnation: 0, claim: Claim::Alive, card: Some(Arc::new(card)), age_s: 0 }
    };
    let address = |engine: &Engine| engine.members().iter().find(|member| &*member.name == "n2").map(|member| member.port);
    engine.apply(Duration::ZERO, claim(0, 5), false);
    // The same generation elsewhere is a copy …
    engine.apply(Duration::ZERO, claim(0, 6), false);
    assert_eq!(address(&engine), Some(5));
    // … a newer one came back after others had found it gone.
    engine.apply(Duration::ZERO, claim(1, 7), false);
    assert_eq!(address(&engine), Some(7));
}
