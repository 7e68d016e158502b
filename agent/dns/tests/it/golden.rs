//! The answers of `golden.txt`.

use crate::client::{Ask, ask, flags, read, section};
use crate::sockets::recursor;
use crate::states::state;
use hickory_proto::op::ResponseCode;
use lictor_dns::{Resolver, Transport};
use lictor_types::HealthStatus;

#[derive(Debug, Default)]
struct Want {
    head: String,
    rcode_only: bool,
    counts: Option<[usize; 3]>,
    sections: [Vec<String>; 3],
}

struct Step {
    ask: Ask,
    tcp: bool,
    strict_case: bool,
    text: String,
    want: Want,
}

fn options(words: &[&str]) -> (Ask, bool, bool) {
    let mut asked = ask(words[0], words[1]);
    let (mut tcp, mut strict_case) = (false, false);
    for option in &words[2..] {
        let (key, value) = option.split_once('=').unwrap();
        match key {
            "tcp" => tcp = true,
            "strict_case" => strict_case = true,
            "rd" => asked.recursion = false,
            "edns" => asked.edns = Some(value.parse().unwrap()),
            "ecs" => {
                let (address, prefix) = value.split_once('/').unwrap();
                asked.subnet = Some((address.parse().unwrap(), prefix.parse().unwrap()));
            }
            other => panic!("option {other}"),
        }
    }
    (asked, tcp, strict_case)
}

/// What happens in a scenario, in order.
enum Event {
    Begin(String),
    Put(HealthStatus),
    Ask(Box<Step>),
}

fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for line in include_str!("golden.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(name) = line.strip_prefix("== ") {
            events.push(Event::Begin(name.to_owned()));
        } else if let Some(verb) = line.strip_prefix("put ") {
            events.push(Event::Put(if verb == "warn" { HealthStatus::Warning } else { HealthStatus::Critical }));
        } else if line.starts_with("q ") {
            let (ask, tcp, strict_case) = options(&words[1..]);
            events.push(Event::Ask(Box::new(Step { ask, tcp, strict_case, text: line.to_owned(), want: Want::default() })));
        } else {
            let Some(Event::Ask(step)) = events.last_mut() else { panic!("{line}") };
            let want = &mut step.want;
            let rest = line[4.min(line.len())..].to_owned();
            match words[0] {
                "!" => want.sections[0].push(rest),
                "?" => want.sections[1].push(rest),
                "+" => want.sections[2].push(rest),
                "#" => want.counts = Some([1, 2, 3].map(|at: usize| words[at].parse().unwrap())),
                "rcode" => want.rcode_only = true,
                _ => want.head = line.trim().to_owned(),
            }
        }
    }
    events
}

#[tokio::test]
async fn answers_are_those_of_consul() {
    let upstream = recursor().await;
    let mut misses = Vec::new();
    let (mut scenario, mut rows, mut settings, mut asked) = (String::new(), Default::default(), Default::default(), 0);
    for event in events() {
        match event {
            Event::Begin(name) => {
                (rows, settings) = state(&name);
                if name == "recursor" {
                    settings.recursors = vec![upstream];
                }
                scenario = name;
            }
            Event::Put(status) => {
                rows.check("n1", "dcb", "dcb", status);
            }
            Event::Ask(step) => {
                let resolver = Resolver::new(settings.clone(), rows.cluster()).unwrap();
                let transport = if step.tcp { Transport::Tcp } else { Transport::Udp };
                let bytes = resolver.respond(&step.ask.packet(), transport, asked).await.unwrap();
                asked += 1;
                let got = compare(&step, &bytes);
                if let Some(miss) = got {
                    misses.push(format!("{scenario}: {}\n{miss}", step.text));
                }
            }
        }
    }
    assert_eq!(asked, 136);
    assert!(misses.is_empty(), "{} misses\n{}", misses.len(), misses.join("\n"));
}

fn compare(step: &Step, bytes: &[u8]) -> Option<String> {
    let message = read(bytes);
    let rcode = match message.metadata.response_code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::Refused => "REFUSED",
        other => panic!("{other}"),
    };
    let edns = if message.edns.is_some() { " EDNS" } else { "" };
    let head = format!("{rcode} {}{edns}", flags(&message));
    if step.want.rcode_only {
        let same = head.trim_end_matches(" EDNS") == step.want.head;
        return (!same).then(|| format!("  want {}\n  got  {head}", step.want.head));
    }
    let case = |line: String| if step.strict_case { line } else { lower(&line) };
    let sections = [&message.answers, &message.authorities, &message.additionals].map(|records| {
        let mut lines: Vec<String> = section(records).into_iter().map(case).collect();
        lines.sort();
        lines
    });
    let mut want = step.want.sections.clone();
    for lines in &mut want {
        for line in lines.iter_mut() {
            *line = line.replace("<n1.server>", "8300");
        }
        lines.sort();
    }
    let same = match step.want.counts {
        Some(counts) => sections.each_ref().map(Vec::len) == counts && bytes.len() <= 4096,
        None => sections == want,
    };
    (head != step.want.head || !same)
        .then(|| format!("  want {} {:?} {want:#?}\n  got  {head} {sections:#?}", step.want.head, step.want.counts))
}

/// Names in lower case; TXT data as it is.
fn lower(line: &str) -> String {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let data = if words[2] == "TXT" { words[3].to_owned() } else { words[3].to_lowercase() };
    let data = data.replace("<serial>", "<SERIAL>");
    format!("{} {} {} {data}", words[0].to_lowercase(), words[1], words[2])
}
