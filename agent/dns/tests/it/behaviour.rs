//! Behaviour beyond the golden answers; each case was looked at in Consul 1.8.7 unless it says otherwise.

use crate::client::{Ask, ask, flags, read, section};
use crate::states::{Rows, instance, state, with_address, with_ports, with_tags};
use hickory_proto::op::{Message, ResponseCode};
use lictor_dns::{DnsSettings, Resolver, Transport};
use lictor_rpc::ClusterError;
use lictor_rpc::fake::FakeCluster;
use lictor_types::service::AddressPort;
use lictor_types::{HealthStatus, NodeService, Weights};
use std::sync::Arc;

async fn get(rows: &Rows, settings: DnsSettings, asked: Ask, transport: Transport) -> (Message, usize) {
    let resolver = Resolver::new(settings, rows.cluster()).unwrap();
    let bytes = resolver.respond(&asked.packet(), transport, 3).await.unwrap();
    (read(&bytes), bytes.len())
}

async fn udp(rows: &Rows, name: &str, rtype: &str) -> Message {
    get(rows, DnsSettings::default(), ask(name, rtype), Transport::Udp).await.0
}

fn rows() -> Rows {
    let mut rows = Rows::default();
    rows.node_with("ds4", "10.1.1.4", &[], &[("zone", "a"), ("sp ace ", "q`x")]);
    rows.service("ds4", with_address(instance("w1", "w", 80), "10.9.9.9"));
    rows.node_with("ds5", "10.1.1.5", &[("lan_ipv4", "10.1.1.55"), ("lan_ipv6", "2001:db8::5")], &[]);
    rows.service("ds5", instance("w1", "w", 80));
    rows.node_with("ds6", "2001:db8::6", &[("lan_ipv4", "10.1.1.66")], &[]);
    let tagged = [("lan_ipv4".to_owned(), AddressPort { address: "10.7.7.7".to_owned(), port: 77 })].into();
    rows.service("ds6", NodeService { tagged_addresses: tagged, ..instance("w6", "w6", 80) });
    rows.node("host1", "Ds4.node.consul").service("host1", instance("cn", "cn", 80));
    rows.node("host2", "10.2.2.2").service("host2", with_address(instance("cn2", "cn2", 80), "w.service.consul"));
    rows.node("host3", "10.2.2.3").service("host3", with_address(instance("loop", "loop", 80), "loop.service.consul"));
    rows.node("host4", "10.2.2.4").service("host4", with_address(instance("mix1", "mix", 80), "x.example.com"));
    rows.node("host5", "10.2.2.5").service("host5", instance("mix2", "mix", 81)).service("host5", instance("mix3", "mix", 82));
    rows.node("UpCase", "10.2.2.6").service("UpCase", instance("UpSvc", "UpSvc", 82));
    rows.node("m6", "2001:db8::66").service("m6", with_address(instance("v4s", "v4s", 80), "10.66.6.6"));
    rows
}

#[tokio::test]
async fn addresses_of_either_family() {
    let rows = rows();
    for (name, rtype, want) in [
        ("ds5.node.consul", "A", vec!["ds5.node.consul. 0 A 10.1.1.55"]),
        ("ds5.node.consul", "AAAA", vec!["ds5.node.consul. 0 AAAA 2001:db8::5"]),
        ("ds5.node.consul", "ANY", vec!["ds5.node.consul. 0 AAAA 2001:db8::5"]),
        ("ds6.node.consul", "A", vec!["ds6.node.consul. 0 A 10.1.1.66"]),
        ("w.service.consul", "AAAA", vec!["w.service.consul. 0 AAAA 2001:db8::5"]),
        ("w6.service.consul", "A", vec!["w6.service.consul. 0 A 10.7.7.7"]),
        ("w6.service.consul", "SRV", vec!["w6.service.consul. 0 SRV 1 1 80 0a070707.addr.dc1.consul."]),
        ("v4s.service.consul", "AAAA", vec![]),
        ("mix.service.consul", "A", vec!["mix.service.consul. 0 A 10.2.2.5"]),
        ("mix.service.consul", "CNAME", vec!["mix.service.consul. 0 CNAME x.example.com."]),
        ("UPCASE.node.consul", "A", vec!["UPCASE.node.consul. 0 A 10.2.2.6"]),
        ("UpSvc.service.consul", "SRV", vec!["UpSvc.service.consul. 0 SRV 1 1 82 UpCase.node.dc1.consul."]),
    ] {
        assert_eq!(section(&udp(&rows, name, rtype).await.answers), want, "{name} {rtype}");
    }
}

#[tokio::test]
async fn host_names_are_followed() {
    let rows = rows();
    for (name, rtype, answers, additional) in [
        ("cn.service.consul", "A", vec!["Ds4.node.consul. 0 A 10.1.1.4", "cn.service.consul. 0 CNAME Ds4.node.consul."], vec![]),
        (
            "cn.service.consul",
            "SRV",
            vec!["cn.service.consul. 0 SRV 1 1 80 Ds4.node.consul."],
            vec!["Ds4.node.consul. 0 A 10.1.1.4"],
        ),
        (
            "cn2.service.consul",
            "A",
            vec![
                "cn2.service.consul. 0 CNAME w.service.consul.",
                "w.service.consul. 0 A 10.9.9.9",
                "w.service.consul. 0 AAAA 2001:db8::5",
            ],
            vec![],
        ),
        ("loop.service.consul", "A", vec!["loop.service.consul. 0 A 10.2.2.3"], vec![]),
        (
            "loop.service.consul",
            "SRV",
            vec!["loop.service.consul. 0 SRV 1 1 80 host3.node.dc1.consul."],
            vec!["host3.node.dc1.consul. 0 A 10.2.2.3"],
        ),
    ] {
        let message = udp(&rows, name, rtype).await;
        assert_eq!(section(&message.answers), answers, "{name} {rtype}");
        assert_eq!(section(&message.additionals), additional, "{name} {rtype}");
    }
    // A node's alias brings all that is known of the target.
    let answers = section(&udp(&rows, "host1.node.consul", "A").await.answers);
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert!(answers.iter().any(|a| a == "Ds4.node.consul. 0 TXT \"sp ace` =q``x\""), "{answers:?}");
}

#[tokio::test]
async fn srv_carries_addresses_and_metadata() {
    let message = udp(&rows(), "w.service.consul", "SRV").await;
    let additional = section(&message.additionals);
    let want = [
        "0a090909.addr.dc1.consul. 0 A 10.9.9.9",
        "20010db8000000000000000000000005.addr.dc1.consul. 0 AAAA 2001:db8::5",
        "ds4.node.dc1.consul. 0 TXT \"sp ace` =q``x\"",
        "ds4.node.dc1.consul. 0 TXT \"zone=a\"",
    ];
    assert_eq!(additional, want);
    // Two ports of one node share the address record.
    let message = udp(&rows(), "mix.service.consul", "SRV").await;
    assert_eq!((message.answers.len(), message.additionals.len()), (3, 1));
}

#[tokio::test]
async fn weights_follow_health_and_are_bounded() {
    let mut rows = Rows::default();
    let weighted = |passing, warning| NodeService { weights: Weights { passing, warning }, ..instance("we", "we", 82) };
    rows.node("a", "10.0.0.1").service("a", weighted(70_000, 1)).node("b", "10.0.0.2").service("b", weighted(5, 3));
    // A warning of the node counts too.
    rows.check("b", "", "", HealthStatus::Warning);
    let want = ["we.service.consul. 0 SRV 1 3 82 b.node.dc1.consul.", "we.service.consul. 0 SRV 1 65535 82 a.node.dc1.consul."];
    assert_eq!(section(&udp(&rows, "we.service.consul", "SRV").await.answers), want);
}

/// Not in Consul 1.8.7: named ports.
#[tokio::test]
async fn named_ports() {
    let mut rows = Rows::default();
    rows.node("a", "10.0.0.1").service("a", with_ports(instance("web", "web", 0), &[("http", 80, false), ("admin", 81, true)]));
    rows.node("b", "10.0.0.2").service("b", with_ports(instance("web", "web", 90), &[("http", 91, false)]));
    rows.node("c", "10.0.0.3").service("c", with_tags(instance("old", "old", 7), &["x.port"]));
    for (name, want) in [
        ("http.port.web", vec!["SRV 1 1 80 a", "SRV 1 1 91 b"]),
        ("admin.port.web", vec!["SRV 1 1 81 a"]),
        ("web", vec!["SRV 1 1 81 a", "SRV 1 1 90 b"]),
        ("x.port.old", vec!["SRV 1 1 7 c"]),
    ] {
        let name = format!("{name}.service.consul");
        let want: Vec<String> = want.iter().map(|w| format!("{name}. 0 {w}.node.dc1.consul.")).collect();
        assert_eq!(section(&udp(&rows, &name, "SRV").await.answers), want);
    }
    assert_eq!(section(&udp(&rows, "admin.port.web.service.consul", "A").await.answers).len(), 1);
    let none = udp(&rows, "nope.port.web.service.consul", "SRV").await;
    assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn large_answers_are_fitted() {
    let mut rows = Rows::default();
    for n in 0..5_000u32 {
        let name = format!("n{n:04}");
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string();
        rows.node_with(&name, &address, &[], &[("n", "xxxxxxxxxxxxxxxxxxxx")]).service(&name, instance("big", "big", 1));
    }
    let truncating = DnsSettings { enable_truncate: true, ..DnsSettings::default() };
    for (rtype, edns, transport, most) in [
        ("A", None, Transport::Udp, 512),
        ("A", Some(600), Transport::Udp, 600),
        ("SRV", Some(1232), Transport::Udp, 1232),
        ("A", None, Transport::Tcp, 65_535),
        ("SRV", None, Transport::Tcp, 65_535),
    ] {
        let asked = Ask { edns, ..ask("big.service.consul", rtype) };
        let (message, size) = get(&rows, truncating.clone(), asked, transport).await;
        assert!(size <= most, "{rtype} {edns:?}: {size}");
        assert!(edns.is_none() || size > most - 120, "{rtype} {edns:?}: {size}");
        assert_eq!(flags(&message), "AA,RD,TC");
        assert!(message.answers.len() > 2);
    }
    let full = DnsSettings { disable_compression: true, ..DnsSettings::default() };
    let (message, size) = get(&rows, full, ask("big.service.consul", "SRV").edns(1232), Transport::Udp).await;
    assert!(size <= 1232 && message.answers.len() < 15, "{size}");
    assert_eq!(flags(&message), "AA,RD");
}

/// Consul sends these whole, over the limit of what the client takes.
#[tokio::test]
async fn a_node_with_much_metadata_fits() {
    let mut rows = Rows::default();
    let value = "v".repeat(40);
    let keys: Vec<String> = (0..30).map(|n| format!("k{n}")).collect();
    let meta: Vec<(&str, &str)> = keys.iter().map(|k| (k.as_str(), value.as_str())).collect();
    rows.node_with("tm", "10.0.0.1", &[], &meta);
    let (message, size) = get(&rows, DnsSettings::default(), ask("tm.node.consul", "A"), Transport::Udp).await;
    assert_eq!((section(&message.answers), message.additionals.len()), (vec!["tm.node.consul. 0 A 10.0.0.1".to_owned()], 0));
    assert_eq!((size < 512, flags(&message)), (true, "AA,RD".to_owned()));
    let (message, size) = get(&rows, DnsSettings::default(), ask("tm.node.consul", "ANY"), Transport::Udp).await;
    assert!(size <= 512 && message.answers.len() > 5);
    assert_eq!(flags(&message), "AA,RD,TC");
    let (message, _) = get(&rows, DnsSettings::default(), ask("tm.node.consul", "ANY"), Transport::Tcp).await;
    assert_eq!(message.answers.len(), 31);
}

#[tokio::test]
async fn edns_is_echoed() {
    let (rows, settings) = state("services");
    let subnet = Some(("10.1.2.0".parse().unwrap(), 24));
    for (name, rcode) in [("dsv.service.consul", ResponseCode::NoError), ("nosuch.service.consul", ResponseCode::NXDomain)] {
        let (message, _) = get(&rows, settings.clone(), Ask { subnet, ..ask(name, "A") }.edns(1400), Transport::Udp).await;
        assert_eq!(message.metadata.response_code, rcode);
        let edns = message.edns.unwrap();
        assert_eq!(edns.max_payload(), 1400);
        let options = &edns.options().options;
        assert!(format!("{options:?}").contains("10.1.2.0"), "{options:?}");
    }
    // Refusals carry none.
    let (message, _) = get(&rows, settings, ask("example.test", "A").edns(1400), Transport::Udp).await;
    assert_eq!((message.metadata.response_code, message.edns.is_some()), (ResponseCode::Refused, false));
}

#[tokio::test]
async fn metadata_can_be_left_out() {
    let (rows, settings) = state("nodes");
    let settings = DnsSettings { node_meta_txt: false, ..settings };
    let (message, _) = get(&rows, settings.clone(), ask("dn1.node.consul", "A"), Transport::Udp).await;
    assert!(message.additionals.is_empty());
    let (message, _) = get(&rows, settings, ask("dn1.node.consul", "TXT"), Transport::Udp).await;
    assert_eq!(message.answers.len(), 2);
}

#[tokio::test]
async fn other_datacenters_and_failures() {
    let cluster = |error: Option<ClusterError>| {
        let mut rows = Rows::default();
        let tagged = [("wan".to_owned(), AddressPort { address: "198.51.100.9".to_owned(), port: 9_000 })].into();
        rows.node_with("far", "10.0.0.1", &[("wan", "198.51.100.1")], &[]);
        rows.service("far", NodeService { tagged_addresses: tagged, ..instance("web", "web", 80) });
        Arc::new(FakeCluster::new(move |query, options| match &error {
            Some(error) => Err(error.clone()),
            None => {
                assert_eq!(options.datacenter, "dc2");
                rows.reply(query, &lictor_types::QueryOptions::default())
            }
        }))
    };
    let get = |translate, error, name: &'static str, rtype: &'static str| async move {
        let settings = DnsSettings { translate_wan_addrs: translate, ..DnsSettings::default() };
        let resolver = Resolver::new(settings, cluster(error)).unwrap();
        read(&resolver.respond(&ask(name, rtype).packet(), Transport::Udp, 1).await.unwrap())
    };
    let message = get(false, None, "web.service.dc2.consul", "SRV").await;
    assert_eq!(section(&message.answers), ["web.service.dc2.consul. 0 SRV 1 1 80 far.node.dc2.consul."]);
    let message = get(true, None, "web.service.dc2.consul", "SRV").await;
    assert_eq!(section(&message.answers), ["web.service.dc2.consul. 0 SRV 1 1 9000 c6336409.addr.dc2.consul."]);
    let message = get(true, None, "far.node.dc2.consul", "A").await;
    assert_eq!(section(&message.answers), ["far.node.dc2.consul. 0 A 198.51.100.1"]);
    for (error, rcode) in [
        (ClusterError::NoPathToDatacenter, ResponseCode::NXDomain),
        (ClusterError::NoLeader, ResponseCode::ServFail),
        (ClusterError::PermissionDenied, ResponseCode::NXDomain),
    ] {
        for name in ["web.service.consul", "web.node.consul"] {
            let message = get(false, Some(error.clone()), name, "A").await;
            assert_eq!(message.metadata.response_code, rcode);
            assert_eq!(message.authorities.len(), usize::from(rcode == ResponseCode::NXDomain));
        }
    }
}
