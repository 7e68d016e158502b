use super::*;
use crate::testing::{FakeSource, FakeView, found};
use HealthStatus::{Critical, Passing, Warning};
use async_trait::async_trait;
use lictor_types::definition::{Composite, FlapDamping, PluginCall};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Finds what the test scripted (then passing), takes the time it is told, and knows how many runs overlapped.
#[derive(Default)]
struct FakeProbe {
    script: Mutex<VecDeque<HealthStatus>>,
    takes: Duration,
    panics_at: Option<usize>,
    starts: Mutex<Vec<Instant>>,
    running: AtomicUsize,
    overlapped: AtomicUsize,
}

struct Leave<'a>(&'a AtomicUsize);
impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Probe for FakeProbe {
    async fn run(&self, _deadline: Instant) -> Outcome {
        let run = {
            let mut starts = self.starts.lock();
            starts.push(clock::now());
            starts.len()
        };
        if self.running.fetch_add(1, Ordering::SeqCst) > 0 {
            self.overlapped.fetch_add(1, Ordering::SeqCst);
        }
        let _leave = Leave(&self.running);
        assert_ne!(self.panics_at, Some(run), "a planted panic");
        clock::sleep(self.takes).await;
        found(self.script.lock().pop_front().unwrap_or(Passing))
    }
}

impl FakeProbe {
    fn scripted(states: &[HealthStatus]) -> Self {
        Self { script: Mutex::new(states.iter().copied().collect()), ..Self::default() }
    }
}

struct Room {
    scheduler: Scheduler,
    updates: mpsc::Receiver<CheckUpdate>,
    view: Arc<FakeView>,
    shutdown: Shutdown,
}

fn room(probe: &Arc<FakeProbe>) -> Room {
    let (sender, updates) = mpsc::channel(100);
    let view = Arc::new(FakeView::default());
    let shutdown = Shutdown::new();
    let source: Arc<dyn PluginSource> = Arc::new(FakeSource(probe.clone()));
    let scheduler = Scheduler::new(Settings::default(), sender, Some(source), view.clone(), shutdown.clone(), 7);
    Room { scheduler, updates, view, shutdown }
}

fn every(interval: Duration) -> CheckDefinition {
    let plugin = Some(PluginCall { name: "fake".into(), ..PluginCall::default() });
    CheckDefinition { plugin, interval: Some(interval), ..CheckDefinition::default() }
}

fn ttl(ttl: Duration) -> CheckDefinition {
    CheckDefinition { ttl: Some(ttl), ..CheckDefinition::default() }
}

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn runs_keep_their_grid_and_tell_only_news() {
    let probe = Arc::new(FakeProbe { takes: S / 4, ..FakeProbe::scripted(&[Passing, Passing, Critical, Critical, Passing]) });
    let mut room = room(&probe);
    room.scheduler.start("a".into(), &every(S), InitialState::default()).unwrap();
    for status in [Passing, Critical, Passing] {
        let update = room.updates.recv().await.unwrap();
        assert_eq!((update.status, update.output.as_str()), (status, format!("found {status}").as_str()));
        assert_eq!((update.id.as_str(), update.held), ("a", None));
        assert!(room.scheduler.is_current(&update));
    }
    let starts = probe.starts.lock().clone();
    assert_eq!(starts.len(), 5);
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == S), "{starts:?}");
    let runs = room.scheduler.history(&"a".into()).unwrap();
    assert_eq!(runs.len(), 5);
    assert_eq!((runs[2].outcome, runs[2].status, runs[2].duration_ms), (Critical, Critical, 250.0));
    assert_eq!(room.scheduler.history(&"b".into()), None);
}

#[tokio::test(start_paused = true)]
async fn no_two_runs_of_a_check_at_once() {
    let probe = Arc::new(FakeProbe { takes: S * 5 / 2, ..FakeProbe::default() });
    let room = room(&probe);
    let definition = CheckDefinition { timeout: Some(S * 60), ..every(S) };
    room.scheduler.start("a".into(), &definition, InitialState::default()).unwrap();
    clock::sleep(S * 31).await;
    let starts = probe.starts.lock().clone();
    assert_eq!(probe.overlapped.load(Ordering::SeqCst), 0);
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == S * 3), "{starts:?}");
    // Not even when it is replaced in the middle of a run.
    for n in 0..20_u32 {
        let definition = CheckDefinition { timeout: Some(S * (61 + n)), ..every(S) };
        room.scheduler.start("a".into(), &definition, InitialState::default()).unwrap();
        clock::sleep(S).await;
    }
    assert_eq!(probe.overlapped.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn first_runs_are_spread_over_a_second() {
    let probe = Arc::new(FakeProbe::default());
    let mut room = room(&probe);
    // Nobody reads the updates: a closed channel doesn't hold checks up, a full one does.
    room.updates.close();
    let begin = clock::now();
    for n in 0..200 {
        room.scheduler.start(format!("c{n}").into(), &every(S * 60), InitialState::default()).unwrap();
    }
    clock::sleep(S).await;
    clock::sleep(Duration::from_millis(2)).await;
    let starts = probe.starts.lock().clone();
    assert_eq!(starts.len(), 200);
    let early = starts.iter().filter(|start| **start - begin < S / 2).count();
    assert!((60..140).contains(&early), "{early}");
    // From the second run on they spread over the interval.
    clock::sleep(S * 62).await;
    let starts = probe.starts.lock().clone();
    let third_quarter = starts.iter().filter(|start| (30..45).contains(&(**start - begin).as_secs())).count();
    assert!((60..140).contains(&third_quarter), "{third_quarter}");
}

#[tokio::test(start_paused = true)]
async fn runs_come_due_together() {
    let probe = Arc::new(FakeProbe::default());
    let mut room = room(&probe);
    // Nobody reads the updates.
    room.updates.close();
    // Not started at once, and not of one interval: the lines are common all the same.
    for n in 0..100_u32 {
        room.scheduler.start(format!("a{n}").into(), &every(S), InitialState::default()).unwrap();
        room.scheduler.start(format!("b{n}").into(), &every(S * 2), InitialState::default()).unwrap();
        clock::sleep(Duration::from_millis(13)).await;
    }
    // To between two lines, so that none falls on the edges of what is counted.
    clock::sleep(S * 5 + Duration::from_millis(25)).await;
    probe.starts.lock().clear();
    clock::sleep(S * 2).await;
    let mut starts = probe.starts.lock().clone();
    assert_eq!(starts.len(), 300);
    starts.sort();
    starts.dedup();
    assert!((30..=41).contains(&starts.len()), "{}", starts.len());
}

#[tokio::test(start_paused = true)]
async fn an_equal_definition_goes_on_and_another_starts_anew() {
    let probe = Arc::new(FakeProbe::default());
    let mut room = room(&probe);
    room.scheduler.start("a".into(), &every(S * 10), InitialState::default()).unwrap();
    assert_eq!(room.updates.recv().await.unwrap().status, Passing);
    let alike = CheckDefinition { notes: "new".into(), token: Token::new("t"), ..every(S * 10) };
    room.scheduler.start("a".into(), &alike, InitialState::default()).unwrap();
    assert_eq!(room.scheduler.history(&"a".into()).unwrap().len(), 1, "it was not restarted");
    // What it finds next is told although it is no news to the scheduler.
    assert_eq!(room.updates.recv().await.unwrap().status, Passing);
    assert_eq!(probe.starts.lock().len(), 2);
    let other = CheckDefinition { success_before_passing: 2, ..alike };
    room.scheduler.start("a".into(), &other, InitialState::default()).unwrap();
    assert_eq!(room.scheduler.history(&"a".into()).unwrap().len(), 0);
    assert_eq!(room.scheduler.ids(), [CheckId::from("a")]);
}

#[tokio::test(start_paused = true)]
async fn stop_ends_the_runs() {
    let probe = Arc::new(FakeProbe { takes: S / 2, ..FakeProbe::default() });
    let mut room = room(&probe);
    room.scheduler.start("a".into(), &every(S), InitialState::default()).unwrap();
    clock::sleep(S * 5).await;
    assert!(room.scheduler.stop(&"a".into()));
    assert!(!room.scheduler.stop(&"a".into()));
    let runs = probe.starts.lock().len();
    clock::sleep(S * 5).await;
    assert_eq!(probe.starts.lock().len(), runs);
    assert_eq!(probe.running.load(Ordering::SeqCst), 0, "the run in flight was given up");
    room.scheduler.start("b".into(), &every(S), InitialState::default()).unwrap();
    room.shutdown.finish().await;
    let _ = room.updates.try_recv();
}

#[tokio::test(start_paused = true)]
async fn what_a_predecessor_found_is_told_from_what_its_successor_finds() {
    let mut room = room(&Arc::default());
    let id = CheckId::from("a");
    room.scheduler.start(id.clone(), &every(S), InitialState::default()).unwrap();
    let first = room.updates.recv().await.unwrap();
    assert!(room.scheduler.is_current(&first));
    let alike = CheckDefinition { notes: "new".into(), ..every(S) };
    room.scheduler.start(id.clone(), &alike, InitialState::default()).unwrap();
    assert!(room.scheduler.is_current(&first), "the same check goes on");
    room.scheduler.start(id.clone(), &every(S * 2), InitialState::default()).unwrap();
    assert!(!room.scheduler.is_current(&first));
    let second = room.updates.recv().await.unwrap();
    assert!(room.scheduler.is_current(&second) && second.stamp > first.stamp);
    room.scheduler.stop(&id);
    assert!(!room.scheduler.is_current(&second));
    room.scheduler.start(id, &every(S * 2), InitialState::default()).unwrap();
    assert!(!room.scheduler.is_current(&second), "not even when the same is there again");
}

#[tokio::test(start_paused = true)]
async fn a_report_is_above_the_expiry_that_is_still_on_its_way() {
    let mut room = room(&Arc::default());
    let id = CheckId::from("t");
    room.scheduler.start(id.clone(), &ttl(S), InitialState { status: Passing, ..InitialState::default() }).unwrap();
    clock::sleep(S * 2).await;
    let report = room.scheduler.update_ttl(&id, Passing, "here").unwrap();
    let expiry = room.updates.recv().await.unwrap();
    assert_eq!((expiry.status, report.status), (Critical, Passing));
    assert!(expiry.stamp < report.stamp);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_critical_for_that_run_only() {
    let probe = Arc::new(FakeProbe { panics_at: Some(2), ..FakeProbe::default() });
    let mut room = room(&probe);
    room.scheduler.start("a".into(), &every(S), InitialState::default()).unwrap();
    for status in [Passing, Critical, Passing] {
        assert_eq!(room.updates.recv().await.unwrap().status, status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_ignores_its_deadline_is_given_up() {
    let probe = Arc::new(FakeProbe { takes: S * 100, ..FakeProbe::default() });
    let mut room = room(&probe);
    let definition = CheckDefinition { timeout: Some(S * 2), ..every(S * 10) };
    room.scheduler.start("a".into(), &definition, InitialState::default()).unwrap();
    let update = room.updates.recv().await.unwrap();
    assert_eq!((update.status, update.output.as_str()), (Critical, "Timed out (2s) running check"));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_may_come_later_and_thresholds_apply() {
    let probe = Arc::new(FakeProbe::scripted(&[Critical, Passing, Passing, Critical, Critical]));
    let mut room = room(&probe);
    let mut definition = every(S);
    definition.plugin.as_mut().unwrap().name = "missing".into();
    room.scheduler.start("a".into(), &definition, InitialState::default()).unwrap();
    assert_eq!(room.updates.recv().await.unwrap().output, "there is no plugin \"missing\"");
    let definition = CheckDefinition { success_before_passing: 2, failures_before_critical: 2, ..every(S) };
    room.scheduler.start("a".into(), &definition, InitialState::default()).unwrap();
    for status in [Critical, Passing, Critical] {
        assert_eq!(room.updates.recv().await.unwrap().status, status);
    }
    assert_eq!(probe.starts.lock().len(), 5);
    let runs = room.scheduler.history(&"a".into()).unwrap();
    assert_eq!((runs[1].outcome, runs[1].status), (Passing, Critical), "what a run found and what the check showed");
}

#[tokio::test(start_paused = true)]
async fn short_intervals_are_raised() {
    let probe = Arc::new(FakeProbe::default());
    let room = room(&probe);
    room.scheduler.start("a".into(), &every(S / 5), InitialState::default()).unwrap();
    clock::sleep(S * 10).await;
    let starts = probe.starts.lock().clone();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == S), "{starts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flapping_check_is_held_and_says_so() {
    let probe = Arc::new(FakeProbe::scripted(&[Passing, Critical, Passing, Warning]));
    let mut room = room(&probe);
    let flap_damping = Some(FlapDamping { window: S * 5, max_changes: 2 });
    room.scheduler.start("a".into(), &CheckDefinition { flap_damping, ..every(S) }, InitialState::default()).unwrap();
    for (status, held) in [(Passing, false), (Critical, false), (Passing, false), (Critical, true), (Critical, true)] {
        let update = room.updates.recv().await.unwrap();
        assert_eq!((update.status, room.scheduler.is_damped(&"a".into())), (status, held), "{}", update.output);
        assert_eq!(update.held.is_some(), held);
        if held {
            assert!(update.output.starts_with("Flapping: held at critical until it has been quiet for 5s."), "{}", update.output);
        }
    }
    let update = room.updates.recv().await.unwrap();
    assert_eq!((update.status, update.output.as_str()), (Passing, "found passing"));
    assert!(!room.scheduler.is_damped(&"a".into()));
}

#[tokio::test(start_paused = true)]
async fn ttl_checks_expire_unless_reported() {
    let probe = Arc::new(FakeProbe::default());
    let mut room = room(&probe);
    let (id, begin) = (CheckId::from("t"), clock::now());
    room.scheduler.start(id.clone(), &ttl(S * 10), InitialState { status: Passing, ..InitialState::default() }).unwrap();
    let update = room.updates.recv().await.unwrap();
    assert_eq!((update.status, update.output.as_str()), (Critical, "TTL expired"));
    assert_eq!(clock::now() - begin, S * 10);
    for (status, output) in [(Passing, "fine\u{7}"), (Passing, "fine\u{7}"), (Warning, "hmm")] {
        clock::sleep(S * 8).await;
        let update = room.scheduler.update_ttl(&id, status, output).unwrap();
        assert_eq!((update.status, update.output), (status, output.replace('\u{7}', "\u{fffd}")));
    }
    let begin = clock::now();
    let update = room.updates.recv().await.unwrap();
    assert_eq!((update.status, update.output.as_str()), (Critical, "TTL expired (last output before timeout follows): hmm"));
    assert_eq!(clock::now() - begin, S * 10);
    assert_eq!(room.scheduler.history(&id).unwrap().len(), 5);
    let error = room.scheduler.update_ttl(&"x".into(), Passing, "").unwrap_err();
    assert_eq!(error.to_string(), "CheckID \"x\" does not have associated TTL");
    let long = room.scheduler.update_ttl(&id, Passing, &"q".repeat(6000)).unwrap();
    assert!(long.output.ends_with("q ... (captured 4096 of 6000 bytes)"));
    assert_eq!(long.output.len(), 4096 + 34);
}

#[tokio::test(start_paused = true)]
async fn a_restored_ttl_check_has_less_time_left() {
    let mut room = room(&Arc::default());
    let begin = clock::now();
    let initial = InitialState { status: Passing, output: "was fine".into(), age: Some(S * 7) };
    room.scheduler.start("t".into(), &ttl(S * 10), initial).unwrap();
    let update = room.updates.recv().await.unwrap();
    assert_eq!(update.output, "TTL expired (last output before timeout follows): was fine");
    assert_eq!(clock::now() - begin, S * 3);
}

#[tokio::test(start_paused = true)]
async fn a_held_ttl_check_is_let_go_in_time() {
    let mut room = room(&Arc::default());
    let definition = CheckDefinition { flap_damping: Some(FlapDamping { window: S * 5, max_changes: 1 }), ..ttl(S * 60) };
    let id = CheckId::from("t");
    room.scheduler.start(id.clone(), &definition, InitialState::default()).unwrap();
    for (status, shown) in [(Passing, Passing), (Warning, Warning), (Passing, Warning)] {
        clock::sleep(S).await;
        assert_eq!(room.scheduler.update_ttl(&id, status, "x").unwrap().status, shown);
    }
    let begin = clock::now();
    let update = room.updates.recv().await.unwrap();
    assert_eq!((update.status, update.output.as_str()), (Passing, "x"));
    assert_eq!(clock::now() - begin, S * 5);
}

#[tokio::test(start_paused = true)]
async fn derived_checks_follow_the_others() {
    let mut room = room(&Arc::default());
    room.view.state.lock().services = vec!["web".into()];
    let alias = CheckDefinition { alias_service: "web".into(), ..CheckDefinition::default() };
    let composite = Composite { checks: vec!["a".into(), "b".into()], at_least: 1 };
    let composite = CheckDefinition { composite: Some(composite), ..CheckDefinition::default() };
    room.scheduler.start("alias".into(), &alias, InitialState::default()).unwrap();
    assert_eq!(room.updates.recv().await.unwrap().output, "No checks found.");
    room.view.set("a", Critical, "down");
    let update = room.updates.recv().await.unwrap();
    assert_eq!((update.status, update.output.as_str()), (Critical, "Aliased check \"name of a\" failing: down"));
    room.scheduler.start("any".into(), &composite, InitialState::default()).unwrap();
    assert_eq!(room.updates.recv().await.unwrap().status, Critical);
    room.scheduler.stop(&"alias".into());
    room.view.set("b", Passing, "");
    assert_eq!(room.updates.recv().await.unwrap().status, Passing);
    // Nothing changes: nothing is told, and the history tells of changes only.
    clock::sleep(S * 100).await;
    assert!(room.updates.try_recv().is_err());
    assert_eq!(room.scheduler.history(&"any".into()).unwrap().len(), 2);
}

#[test]
fn definitions_are_validated() {
    let check = |definition: CheckDefinition, expect: &str| {
        let got = crate::validate(&definition).map_or_else(|error| error.to_string(), |kind| kind.as_str().to_owned());
        assert_eq!(got, expect, "{definition:?}");
    };
    let blank = CheckDefinition::default;
    let (interval, args) = (Some(S), vec!["/bin/true".to_owned()]);
    check(blank(), "TTL must be > 0 for TTL checks");
    check(ttl(Duration::ZERO), "TTL must be > 0 for TTL checks");
    check(ttl(S), "ttl");
    check(CheckDefinition { interval, ..ttl(S) }, "Interval and TTL cannot both be specified");
    check(CheckDefinition { http: "http://x".into(), ..blank() }, "Interval must be > 0 for Script, HTTP, or TCP checks");
    check(CheckDefinition { args: args.clone(), ..ttl(S) }, "Interval must be > 0 for Script, HTTP, or TCP checks");
    check(CheckDefinition { alias_service: "a".into(), ..ttl(S) }, "TTL must be not be set for Alias checks");
    check(CheckDefinition { alias_service: "a".into(), interval, ..blank() }, "alias");
    check(CheckDefinition { http: "http://x".into(), tcp: "x:1".into(), interval, ..blank() }, "http");
    check(CheckDefinition { docker_container_id: "x".into(), args, interval, ..blank() }, "docker");
    let composite = |at_least| Some(Composite { checks: vec!["a".into()], at_least });
    check(CheckDefinition { composite: composite(1), ..blank() }, "composite");
    check(CheckDefinition { composite: composite(2), ..blank() }, "a composite of 1 checks cannot need 2");
    check(
        CheckDefinition { tcp: "x:1".into(), interval, failures_before_warning: 3, failures_before_critical: 2, ..blank() },
        "FailuresBeforeWarning can't be higher than FailuresBeforeCritical",
    );
}
