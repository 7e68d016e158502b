//! Prepared queries. Answers were looked at in Consul 1.8.7.

use crate::client::{Ask, ask, read, section};
use crate::states::{Rows, instance, with_address};
use hickory_proto::op::{Message, ResponseCode};
use lictor_dns::{DnsSettings, Resolver, Transport};
use lictor_rpc::ClusterError;
use lictor_rpc::fake::FakeCluster;
use lictor_types::prepared_query::QueryDns;
use lictor_types::{HealthStatus, PreparedExecute, PreparedExecution, Query, QueryOptions, Reply, Weights};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

type Orders = Arc<Mutex<Vec<(PreparedExecute, QueryOptions)>>>;

fn rows() -> Rows {
    let mut rows = Rows::default();
    let weights = Weights { passing: 3, warning: 2 };
    rows.node_with("d1", "10.5.0.1", &[], &[("k", "v")]);
    rows.service("d1", lictor_types::NodeService { weights, ..instance("ds1", "ds", 81) });
    rows.check("d1", "ds1", "ds", HealthStatus::Critical);
    rows.node("d2", "10.5.0.2").service("d2", with_address(instance("ds2", "ds", 82), "10.6.0.2"));
    rows.check("d2", "ds2", "ds", HealthStatus::Warning);
    rows.node_with("d3", "2001:db8::5", &[("wan_ipv6", "2001:db8::beef")], &[]).service("d3", instance("ds3", "ds", 83));
    rows.node("d4", "10.5.0.4").service("d4", with_address(instance("dh", "dhost", 84), "host.example.com"));
    rows.node("d5", "10.5.0.5").service("d5", with_address(instance("via", "via", 85), "dq.query.consul"));
    rows
}

/// A cluster with a few queries, and what it was asked for.
fn cluster() -> (Arc<FakeCluster>, Orders) {
    let orders = Orders::default();
    let (rows, noted) = (rows(), orders.clone());
    let cluster = FakeCluster::new(move |query, options| {
        let Query::PreparedExecute(order) = query else { return rows.reply(query, options) };
        noted.lock().push((PreparedExecute::clone(order), options.clone()));
        let (service, ttl, datacenter) = match order.name.as_str() {
            "dq" => ("ds", "9s", "dc1"),
            "dq0" => ("ds", "", "dc1"),
            "a.b.c" => ("ds", "", "dc1"),
            "dh" => ("dhost", "1500ms", "dc1"),
            "far" => ("ds", "", "dc2"),
            "empty" => ("nothing", "", "dc1"),
            "broken" => return Err(ClusterError::NoLeader),
            "by-id" => return Err(ClusterError::BadRequest("only by name".into())),
            _ => return Ok(Reply::PreparedExecution(None)),
        };
        if options.datacenter == "dc9" {
            return Err(ClusterError::NoPathToDatacenter);
        }
        Ok(Reply::PreparedExecution(Some(Box::new(PreparedExecution {
            service: service.into(),
            nodes: rows.instances(service, &[], false),
            dns: QueryDns { ttl: ttl.to_owned() },
            datacenter: datacenter.to_owned(),
            failovers: 0,
        }))))
    });
    (Arc::new(cluster), orders)
}

fn settings() -> DnsSettings {
    let service_ttl = [("ds".to_owned(), Duration::from_secs(30))].into();
    DnsSettings { node_name: "n1".into(), service_ttl, only_passing: true, ..DnsSettings::default() }
}

async fn get(asked: Ask, dice: u64) -> Message {
    let resolver = Resolver::new(settings(), cluster().0).unwrap();
    read(&resolver.respond(&asked.packet(), Transport::Tcp, dice).await.unwrap())
}

#[tokio::test]
async fn instances_become_records_as_chosen() {
    for (name, rtype, want) in [
        ("dq.query.consul", "A", vec!["dq.query.consul. 9 A 10.5.0.1", "dq.query.consul. 9 A 10.6.0.2"]),
        ("dq.query.dc1.consul", "AAAA", vec!["dq.query.dc1.consul. 9 AAAA 2001:db8::5"]),
        (
            "dq.query.consul",
            "SRV",
            vec![
                "dq.query.consul. 9 SRV 1 0 81 d1.node.dc1.consul.",
                "dq.query.consul. 9 SRV 1 1 82 0a060002.addr.dc1.consul.",
                "dq.query.consul. 9 SRV 1 1 83 d3.node.dc1.consul.",
            ],
        ),
        ("DQ0.query.consul", "A", vec!["DQ0.query.consul. 30 A 10.5.0.1", "DQ0.query.consul. 30 A 10.6.0.2"]),
        ("a.b.c.query.consul", "AAAA", vec!["a.b.c.query.consul. 30 AAAA 2001:db8::5"]),
        ("dh.query.consul", "A", vec!["dh.query.consul. 1 CNAME host.example.com."]),
        ("dh.query.consul", "SRV", vec!["dh.query.consul. 1 SRV 1 1 84 host.example.com."]),
        // An instance whose address is the name of a query.
        (
            "via.service.consul",
            "AAAA",
            vec!["via.service.consul. 0 CNAME dq.query.consul.", "dq.query.consul. 0 AAAA 2001:db8::5"],
        ),
    ] {
        let message = get(ask(name, rtype), 1).await;
        assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{name}");
        let mut found = section(&message.answers);
        if rtype == "AAAA" {
            found.retain(|record| !record.contains(" A "));
        }
        let mut want = want;
        found.sort_unstable();
        want.sort_unstable();
        assert_eq!(found, want, "{name} {rtype}");
    }
}

#[tokio::test]
async fn the_order_is_that_of_the_cluster() {
    for dice in 0..20 {
        let message = get(ask("dq.query.consul", "A"), dice).await;
        let first = message.answers.first().map(|record| record.data.to_string());
        assert_eq!(first.as_deref(), Some("10.5.0.1"));
    }
}

#[tokio::test]
async fn instances_of_another_datacenter_are_named_by_it() {
    let resolver = Resolver::new(DnsSettings { translate_wan_addrs: true, ..settings() }, cluster().0).unwrap();
    let asked = ask("far.query.consul", "SRV");
    let message = read(&resolver.respond(&asked.packet(), Transport::Tcp, 1).await.unwrap());
    let answers = section(&message.answers);
    assert!(answers.iter().any(|record| record.ends_with("SRV 1 0 81 d1.node.dc2.consul.")), "{answers:?}");
    assert!(section(&message.additionals).iter().any(|record| record.ends_with("AAAA 2001:db8::beef")));
}

#[tokio::test]
async fn what_is_not_there_does_not_exist() {
    for (name, want) in [
        ("nobody.query.consul", ResponseCode::NXDomain),
        ("empty.query.consul", ResponseCode::NXDomain),
        ("_dq._tcp.query.consul", ResponseCode::NXDomain),
        ("x.dq.query.consul", ResponseCode::NXDomain),
        ("dq.query.dc9.consul", ResponseCode::NXDomain),
        ("broken.query.consul", ResponseCode::ServFail),
        ("by-id.query.consul", ResponseCode::ServFail),
    ] {
        assert_eq!(get(ask(name, "SRV"), 1).await.metadata.response_code, want, "{name}");
    }
}

#[tokio::test]
async fn the_cluster_learns_who_asks() {
    let (cluster, orders) = cluster();
    let resolver = Resolver::new(settings(), cluster).unwrap();
    let subnet = Ask { subnet: Some(("10.77.0.0".parse().unwrap(), 16)), ..ask("Dq.query.dc2.consul", "A") };
    for asked in [ask("dq.query.consul", "A"), subnet] {
        resolver.respond(&asked.packet(), Transport::Udp, 1).await.unwrap();
    }
    let orders = orders.lock();
    let told: Vec<_> = orders
        .iter()
        .map(|(order, options)| {
            let source = &order.source;
            let ip = source.ip.unwrap().to_string();
            (order.name.as_str(), source.agent.as_str(), source.datacenter.as_str(), ip, options.datacenter.as_str())
        })
        .collect();
    assert_eq!(told, [("dq", "n1", "dc1", "127.0.0.1".to_owned(), ""), ("dq", "n1", "dc1", "10.77.0.0".to_owned(), "dc2")]);
}
