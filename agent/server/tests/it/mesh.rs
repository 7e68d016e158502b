//! Central configuration entries and intentions, through raft.

use crate::rig::Rig;
use lictor_rpc::{Cluster, ClusterError};
use lictor_types::{
    Command, ConfigEntry, ConfigEntryVerb, EntryKind, Intention, IntentionAction, IntentionVerb, Outcome, QualifiedName, Query,
    QueryOptions, Reply,
};
use serde_json::{Value, json};
use std::time::Duration;

fn entry(body: Value) -> Command {
    Command::ConfigEntry { verb: ConfigEntryVerb::Set, entry: Box::new(ConfigEntry::decode(body).unwrap()) }
}

#[tokio::test]
async fn entries_are_normalised_and_judged() {
    let rig = Rig::leading().await;
    let web = json!({"Kind": "service-defaults", "Name": "web", "Protocol": "HTTP"});
    assert_eq!(rig.write(entry(web)).await, Ok(Outcome::Done));
    let Reply::ConfigEntries(rows) = &rig.ask(Query::ConfigEntries(None)).await.content.reply else { panic!() };
    assert_eq!(serde_json::to_value(rows).unwrap()[0]["Protocol"], "http");
    let bad = json!({"Kind": "service-splitter", "Name": "web", "Splits": [{"Weight": 50}]});
    let text = "the sum of all split weights must be 100, not 50.000000";
    assert_eq!(rig.write(entry(bad)).await, Err(ClusterError::BadRequest(text.into())));
    let text = "discovery chain \"db\" uses a protocol \"tcp\" that does not permit advanced routing or splitting behavior";
    let clash = json!({"Kind": "service-router", "Name": "db"});
    assert_eq!(rig.write(entry(clash)).await, Err(ClusterError::Refused(text.into())));
    rig.end().await;
}

#[tokio::test]
async fn who_waits_for_an_entry_gets_it() {
    let rig = Rig::leading().await;
    let query = Query::ConfigEntry { kind: EntryKind::ServiceDefaults, name: "web".into() };
    rig.write(entry(json!({"Kind": "service-defaults", "Name": "db"}))).await.unwrap();
    let index = rig.ask(query.clone()).await.meta.index;
    let waiting = rig.wait(query, index, Duration::from_secs(60));
    rig.write(entry(json!({"Kind": "service-defaults", "Name": "web"}))).await.unwrap();
    let answer = waiting.await.unwrap();
    assert!(answer.meta.index > index);
    assert!(matches!(&answer.content.reply, Reply::ConfigEntries(rows) if rows.len() == 1));
    rig.end().await;
}

#[tokio::test]
async fn a_chain_that_is_refused_says_why() {
    let rig = Rig::leading().await;
    let ask = async |protocol: &str| {
        let request = lictor_types::discovery_chain::ChainRequest { protocol: protocol.into(), ..Default::default() };
        rig.server.query(&Query::DiscoveryChain(Box::new(request)), &QueryOptions::default()).await.map(drop)
    };
    assert_eq!(ask("").await, Err(ClusterError::BadRequest("serviceName is required".into())));
    rig.end().await;
}

#[tokio::test]
async fn intentions_get_what_the_proposer_chooses() {
    let rig = Rig::leading().await;
    let intention = |id: &str, source: &str, action| {
        let (source_name, destination_name) = (source.to_owned(), "db".to_owned());
        Intention { id: id.into(), source_name, destination_name, action, ..Intention::default() }
    };
    let write = async |verb, intention| rig.write(Command::Intention { verb, intention: Box::new(intention) }).await;
    let deny = IntentionAction::Deny;
    assert_eq!(write(IntentionVerb::Create, intention("", "web", deny)).await, Ok(Outcome::Done));
    let Reply::Intentions(rows) = &rig.ask(Query::Intentions).await.content.reply else { panic!() };
    let row = &rows[0];
    assert_eq!((row.precedence, row.source_ns.as_str(), row.source_type.as_str()), (9, "default", "consul"));
    assert!(row.id.len() == 36 && row.hash.len() == 44 && row.created_at.ends_with('Z') && row.created_at == row.updated_at);
    let text = "Intention lookup failed: failed intention lookup: index error: UUID must be 36 characters";
    assert_eq!(write(IntentionVerb::Delete, intention("nope", "", deny)).await, Err(ClusterError::BadRequest(text.into())));
    let text = "1 error occurred:\n\t* Action must be set to 'allow' or 'deny'\n\n";
    let undecided = intention("", "api", IntentionAction::None);
    assert_eq!(write(IntentionVerb::Create, undecided).await, Err(ClusterError::BadRequest(text.into())));
    let name = |text: &str| QualifiedName::parse(text).unwrap();
    for (source, allowed) in [("web", false), ("api", true)] {
        let check = Query::IntentionCheck { source: name(source), destination: name("db") };
        assert_eq!(rig.ask(check).await.content.reply, Reply::Allowed(allowed), "{source}");
    }
    let filtered = QueryOptions { filter: "Action == allow".into(), ..QueryOptions::default() };
    let answer = rig.server.query(&Query::Intentions, &filtered).await.unwrap();
    assert_eq!(answer.content.reply, Reply::Intentions(vec![]));
    rig.end().await;
}

#[tokio::test]
async fn a_new_leader_writes_the_entries_of_its_configuration() {
    let decode = |body| ConfigEntry::decode(body).unwrap();
    let entries = vec![
        decode(json!({"Kind": "service-router", "Name": "tcp"})),
        decode(json!({"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}})),
        decode(json!({"Kind": "service-router", "Name": "web"})),
    ];
    let rig = Rig::leading_with(|settings| settings.config_entries = entries).await;
    let query = Query::ConfigEntry { kind: EntryKind::ServiceRouter, name: "web".into() };
    let mut answer = rig.ask(query.clone()).await;
    // The first is refused (nothing speaks HTTP yet) and does not keep back the others.
    while matches!(&answer.content.reply, Reply::ConfigEntries(rows) if rows.is_empty()) {
        answer = rig.wait(query.clone(), answer.meta.index, Duration::from_secs(60)).await.unwrap();
    }
    let Reply::ConfigEntries(rows) = &rig.ask(Query::ConfigEntries(None)).await.content.reply else { panic!() };
    let names: Vec<String> = rows.iter().map(|row| format!("{}/{}", row.kind(), row.name)).collect();
    assert_eq!(names, ["proxy-defaults/global", "service-router/web"]);
    rig.end().await;
}
