//! Whatever comes in, the handler lives, and what it answers can be read and fits.

use crate::client::{ask, read};
use crate::states::{Rows, instance, state, with_address};
use lictor_dns::{Resolver, Transport};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
static RESOLVER: LazyLock<Arc<Resolver>> = LazyLock::new(|| {
    let (mut rows, settings) = state("services");
    odd(&mut rows);
    Arc::new(Resolver::new(settings, rows.cluster()).unwrap())
});

/// Rows that cannot all be said in DNS.
fn odd(rows: &mut Rows) {
    let long = "x".repeat(80);
    rows.node(&long, "10.0.0.1").service(&long, instance("odd", "odd", 1));
    rows.node_with("bytes", "10.0.0.2", &[], &[("long", &"y".repeat(600)), ("", ""), ("\\300\u{7f}", "\u{1F600}\0")]);
    rows.service("bytes", with_address(instance("odd2", "odd", 2), "not a..host"));
    rows.service("bytes", with_address(instance("odd3", "odd", 3), "odd.service.consul"));
    rows.service("bytes", with_address(instance("odd4", "odd", 4), "ring.service.consul"));
    rows.service("bytes", with_address(instance("ring", "ring", 4), "odd.service.consul"));
}

fn respond(packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
    RUNTIME.block_on(RESOLVER.respond(packet, transport, 1))
}

proptest! {
    #[test]
    fn random_bytes(packet in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(bytes) = respond(&packet, Transport::Udp) {
            read(&bytes);
        }
    }

    #[test]
    fn good_questions_gone_bad(
        name in "(_?[a-zA-Z0-9]{1,6}\\.){0,3}(odd|ring|dsv|ds1|bytes|7f000001|consul)\\.(service|node|addr|connect|query|in-addr|)\\.?(dc1\\.|dc2\\.)?(consul|arpa|test)",
        rtype in prop::sample::select(vec!["A", "AAAA", "SRV", "TXT", "ANY", "SOA", "NS", "PTR", "CNAME", "MX", "AXFR", "DS"]),
        edns in prop::option::of(any::<u16>()),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        tcp in any::<bool>(),
    ) {
        let mut asked = ask(&name.replace("..", "."), rtype);
        asked.edns = edns;
        let mut packet = asked.packet();
        for (at, value) in &flips {
            let at = at.index(packet.len());
            packet[at] ^= value;
        }
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        if let Some(bytes) = respond(&packet, transport) {
            let message = read(&bytes);
            if !tcp && message.answers.len() > 1 && edns.is_none() {
                prop_assert!(bytes.len() <= 512, "{} bytes", bytes.len());
            }
        }
    }
}
