//! The probe cycle: foca decides whom to probe and judges; here its timers are held and stretched, its messages put into packets, and
//! round trips, nacks and the ping over a stream added.

use crate::engine::coordinates::Latencies;
use crate::engine::event::Output;
use crate::engine::exchange::ExchangeKind;
use crate::engine::identity::{Ident, NodeKey};
use crate::engine::own::Presence;
use crate::engine::roster::Standing;
use crate::engine::settings::EngineSettings;
use crate::engine::timers::Timer;
use crate::engine::wire::bytes::{Reader, Writer};
use crate::engine::wire::packet::{Body, Head, HeadCodec};
use crate::engine::wire::stream;
use crate::engine::{Engine, REMEMBERED_MAX};
use foca::{Foca, Message, NoCustomBroadcast, Notification};
use lictor_types::coordinate::Coordinate;
use rand::RngExt;
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// How long a sign of slowness counts.
const SLOW_FOR: Duration = Duration::from_secs(60);
/// How many failed probes are remembered, to know an ack that comes late.
const OVERDUE_MAX: usize = 16;

/// The probe that runs.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    target: Ident,
    number: u8,
    sent: Duration,
    /// When it is judged.
    ends: Duration,
    /// Until when its indirect stage waits, this member having stood still.
    indirect_at: Option<Duration>,
    acked: bool,
    /// How many were asked to ping the target.
    asked: u32,
    /// Who of them told that it got no answer either.
    nacks: Vec<NodeKey>,
}

/// What foca gives out during one call.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    packets: Vec<(Ident, Vec<u8>)>,
    timers: Vec<(foca::Timer<Ident>, Duration)>,
    /// foca took another identity by itself, its incarnations having run out.
    pub(crate) renewed: Option<Ident>,
}

impl foca::Runtime<Ident> for Sink {
    fn notify(&mut self, notification: Notification<'_, Ident>) {
        // Who is up or down the roster knows already.
        if let Notification::Rejoin(ident) = notification {
            self.renewed = Some(*ident);
        }
    }

    fn send_to(&mut self, to: Ident, data: &[u8]) {
        self.packets.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: foca::Timer<Ident>, after: Duration) {
        self.timers.push((event, after));
    }
}

/// foca's settings. It sends each of its own updates at most once, which is as good as never: the engine's broadcasts carry them.
pub(crate) fn foca_config(settings: &EngineSettings) -> foca::Config {
    /// Room for a head.
    const HEAD_SIZE_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
    foca::Config {
        probe_period: settings.probe_interval,
        // The indirect stage needs its part of the interval.
        probe_rtt: settings.probe_timeout.min(settings.probe_interval.mul_f64(0.9)),
        num_indirect_probes: NonZeroUsize::new(settings.indirect_checks).unwrap_or(NonZeroUsize::MIN),
        max_transmissions: NonZeroU8::MIN,
        suspect_to_down_after: settings.probe_interval,
        remove_down_after: None,
        max_packet_size: HEAD_SIZE_MAX,
        notify_down_members: false,
        periodic_announce: None,
        periodic_announce_to_down_members: None,
        periodic_gossip: None,
    }
}

impl Engine {
    /// Calls foca; what it gives out waits in the sink for `drain`.
    pub(crate) fn feed(
        &mut self,
        call: impl FnOnce(&mut Foca<Ident, HeadCodec, StdRng, NoCustomBroadcast>, &mut Sink) -> Result<(), foca::Error>,
    ) {
        if let Err(error) = call(&mut self.foca, &mut self.sink) {
            self.stats.core_errors += 1;
            self.stats.last_core_error = Some(error.to_string());
        }
    }

    /// Sends what foca sent and holds the timers it set.
    pub(crate) fn drain(&mut self, now: Duration) {
        if let Some(ident) = self.sink.renewed.take() {
            self.take_identity(ident);
        }
        // A timer that comes with a ping belongs to a running cycle; one alone begins the first.
        let begins = self.probe.is_none() && self.sink.packets.is_empty();
        for (timer, after) in std::mem::take(&mut self.sink.timers) {
            match timer {
                // foca's one fixed time; the engine's suspicions have their own.
                foca::Timer::ChangeSuspectToDown { member_id, incarnation, .. } => {
                    self.accuse(now, member_id, incarnation, self.own.node, true);
                }
                foca::Timer::ProbeRandomMember(_) => {
                    let mut after = self.scaled(after);
                    if begins {
                        // The first probe, at a time of this member's own within the interval.
                        after = after.mul_f64(self.rng.random_range(0.0..1.0));
                    }
                    self.timers.set(now + after, Timer::Foca(timer));
                }
                timer => self.timers.set(now + self.scaled(after), Timer::Foca(timer)),
            }
        }
        for (to, bytes) in std::mem::take(&mut self.sink.packets) {
            // foca's own count of updates follows the head and is left behind.
            if let Ok(head) = Head::read(&mut Reader::new(&bytes)) {
                self.send_head(now, to, head);
            }
        }
    }

    fn scaled(&self, time: Duration) -> Duration {
        if self.settings.lifeguard { self.awareness.scale(time) } else { time }
    }

    fn send_head(&mut self, now: Duration, to: Ident, head: Head) {
        if head.src == self.own {
            self.incarnation = self.incarnation.max(head.incarnation);
        }
        let Some(entry) = self.roster.get(to.node) else { return };
        let (address, suspect) = (entry.card.address, matches!(entry.standing, Standing::Suspect(_)));
        let mut first = Vec::new();
        match &head.body {
            Body::Swim(Message::Ping(number)) => {
                self.stats.probes += 1;
                let ends = now + self.scaled(self.settings.probe_interval);
                self.probe = Some(Probe {
                    target: to,
                    number: *number,
                    sent: now,
                    ends,
                    indirect_at: None,
                    acked: false,
                    asked: 0,
                    nacks: Vec::new(),
                });
            }
            Body::Swim(Message::PingReq { .. }) => {
                if let Some(probe) = &mut self.probe {
                    probe.asked += 1;
                }
            }
            // One passed on already has its timer.
            Body::Swim(Message::IndirectPing { origin, probe_number })
                if self.settings.lifeguard
                    && self.relays.len() < REMEMBERED_MAX
                    && self.relays.insert((origin.node, *probe_number)) =>
            {
                // Before the asker judges, with time for the way back.
                let wait = self.settings.probe_timeout.mul_f64(0.8);
                self.timers.set(now + wait, Timer::Nack { origin: *origin, target: to, number: *probe_number });
            }
            Body::Swim(Message::ForwardedAck { probe_number, .. }) => {
                self.relays.remove(&(to.node, *probe_number));
            }
            _ => {}
        }
        let pings = matches!(head.body, Body::Swim(Message::Ping(_) | Message::IndirectPing { .. }));
        if self.settings.lifeguard && suspect && pings {
            // The buddy system: who is suspected learns it from the next ping, and can object first.
            first.extend(self.roster.get(to.node).map(|entry| entry.record().encode()));
        }
        self.send(address, &head, &first, true);
    }

    /// One of foca's timers is due.
    pub(crate) fn probe_due(&mut self, now: Duration, timer: foca::Timer<Ident>, stalled: bool) {
        if self.presence != Presence::Here {
            // Who leaves judges no one: others do not answer it any more.
            return;
        }
        let running = self.probe.as_ref().is_some_and(|probe| !probe.acked);
        match timer {
            foca::Timer::SendIndirectProbe { .. } => {
                if stalled && running {
                    // The ack may wait to be read.
                    let at = now + self.settings.probe_timeout / 2;
                    if let Some(probe) = &mut self.probe {
                        probe.indirect_at = Some(at);
                    }
                    self.timers.set(at, Timer::Foca(timer));
                    return;
                }
                if let Some(probe) = &mut self.probe {
                    probe.indirect_at = None;
                }
                self.feed(|foca, sink| foca.handle_timer(timer, sink));
                self.drain(now);
                if self.settings.tcp_fallback {
                    self.ping_by_stream(now);
                }
            }
            foca::Timer::ProbeRandomMember(_) => {
                // Nor is it judged before its indirect stage.
                let since = self.probe.as_ref().and_then(|probe| probe.indirect_at).or((stalled && running).then_some(now));
                if let Some(since) = since {
                    let ends = since + self.settings.probe_interval;
                    if let Some(probe) = &mut self.probe {
                        probe.ends = ends;
                    }
                    self.timers.set(ends, Timer::Foca(timer));
                    return;
                }
                self.judge();
                self.feed(|foca, sink| foca.handle_timer(timer, sink));
                self.drain(now);
            }
            timer => {
                self.feed(|foca, sink| foca.handle_timer(timer, sink));
                self.drain(now);
            }
        }
    }

    /// Whether this member lately stood still, or read an ack only after the probe was judged: then news wait unread here, and its
    /// verdicts with them. Failed probes alone say no such thing, as in the smaller part of a parted pool.
    pub(crate) fn is_slow(&self, now: Duration) -> bool {
        self.slow_at.is_some_and(|at| now.saturating_sub(at) < SLOW_FOR)
    }

    /// Something came from another member.
    pub(crate) fn heard(&mut self, now: Duration) {
        if self.is_deaf(now) {
            self.deaf_until = Some(now);
        }
        self.heard_at = now;
    }

    /// Whether this member has heard nothing from anybody for longer than its own probes leave it without an answer: its link is down, or
    /// all others are gone.
    pub(crate) fn is_deaf(&self, now: Duration) -> bool {
        let silence = self.settings.probe_interval * 2 + self.settings.probe_timeout;
        now.saturating_sub(self.heard_at) > silence
    }

    /// Whether it lately was: what others objected to meanwhile it could not hear.
    pub(crate) fn was_deaf(&self, now: Duration) -> bool {
        self.deaf_until.is_some_and(|at| now.saturating_sub(at) < SLOW_FOR)
    }

    /// What the probe that ends says of this member itself.
    fn judge(&mut self) {
        let Some(probe) = self.probe.take() else { return };
        if !probe.acked {
            self.stats.probes_failed += 1;
            self.overdue.push_back((probe.target, probe.number));
            if self.overdue.len() > OVERDUE_MAX {
                self.overdue.pop_front();
            }
        }
        if !self.settings.lifeguard {
            return;
        }
        // A relay that got no answer says so; one that says nothing may not have heard us, or we not it.
        let silent = i32::try_from(probe.asked).unwrap_or(i32::MAX).saturating_sub_unsigned(probe.nacks.len() as u32);
        let delta = match (probe.acked, probe.asked) {
            (true, _) => -1,
            (false, 0) => 1,
            (false, _) => silent.max(0),
        };
        self.awareness.change(delta);
    }

    fn ping_by_stream(&mut self, now: Duration) {
        let Some(probe) = self.probe.as_ref().filter(|probe| !probe.acked) else { return };
        let (target, number, ends) = (probe.target, probe.number, probe.ends);
        let Some(to) = self.roster.get(target.node).filter(|entry| entry.is_active()).map(|entry| entry.card.address) else {
            return;
        };
        let timeout = ends.saturating_sub(now);
        if timeout.is_zero() {
            return;
        }
        let ticket = self.open(now, to, ExchangeKind::Ping { target, number }, timeout);
        self.outputs.push_back(Output::Stream { to, ticket, bytes: stream::write_ping(target), timeout });
    }

    /// The target of a probe answered over a stream: it counts as an ack, though it says nothing of round trips.
    pub(crate) fn acked_by_stream(&mut self, now: Duration, target: Ident, number: u8) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.target == target && probe.number == number && !probe.acked)
        else {
            return;
        };
        probe.acked = true;
        self.stats.probes_by_stream += 1;
        let incarnation = self.roster.get(target.node).map(|entry| entry.incarnation).unwrap_or_default();
        let head = Head { src: target, incarnation, dst: self.own, body: Body::Swim(Message::Ack(number)) };
        self.feed_head(now, &head);
    }

    /// The host of a probe's target refused the stream, and the target acked no datagram: it is suspected at once, and for a shorter time.
    pub(crate) fn refused_by_host(&mut self, now: Duration, target: Ident, number: u8) {
        let open = |probe: &&Probe| probe.target == target && probe.number == number && !probe.acked;
        if !self.settings.lifeguard || self.probe.as_ref().filter(open).is_none() {
            return;
        }
        let Some(incarnation) = self.roster.get(target.node).map(|entry| entry.incarnation) else { return };
        self.accuse(now, target, incarnation, self.own.node, true);
        let deadline = self.roster.change(target.node, |entry| match &mut entry.standing {
            Standing::Suspect(suspicion) => {
                suspicion.refuse();
                Some(suspicion.deadline())
            }
            _ => None,
        });
        if let Some(Some(deadline)) = deadline {
            self.timers.set(deadline, Timer::Suspicion(target.node));
        }
    }

    /// A datagram came from a member that is there: does what its head asks for.
    pub(crate) fn answer(&mut self, now: Duration, from: SocketAddr, head: Head, coordinate: Option<Coordinate>) {
        match &head.body {
            Body::Who => {
                let own = self.own_record();
                let head =
                    Head { src: self.own, incarnation: self.incarnation, dst: head.src, body: Body::Swim(Message::Gossip) };
                self.send(from, &head, &[own.encode()], true);
            }
            Body::Nack { target, number } => {
                if let Some(probe) = self.probe.as_mut().filter(|probe| probe.target == *target && probe.number == *number)
                    && !probe.nacks.contains(&head.src.node)
                {
                    probe.nacks.push(head.src.node);
                }
            }
            Body::Swim(Message::Gossip | Message::Announce | Message::Feed | Message::Broadcast | Message::TurnUndead) => {}
            Body::Swim(message) => {
                match message {
                    Message::Ack(number) => self.acked(now, head.src, *number, coordinate),
                    Message::ForwardedAck { origin, probe_number } => {
                        if let Some(probe) = &mut self.probe
                            && probe.target == *origin
                            && probe.number == *probe_number
                        {
                            probe.acked = true;
                        }
                    }
                    _ => {}
                }
                // A sender that knows an older generation of this member still means this member.
                let head = Head { dst: self.own, ..head };
                self.feed_head(now, &head);
            }
        }
    }

    fn feed_head(&mut self, now: Duration, head: &Head) {
        let mut writer = Writer::default();
        head.write(&mut writer);
        self.feed(|foca, sink| foca.handle_data(&writer.0, sink));
        self.drain(now);
    }

    fn acked(&mut self, now: Duration, src: Ident, number: u8, coordinate: Option<Coordinate>) {
        if self.overdue.contains(&(src, number)) {
            self.slow_at = Some(now);
        }
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.target == src && probe.number == number) else { return };
        if probe.acked {
            return;
        }
        probe.acked = true;
        let rtt = now.saturating_sub(probe.sent);
        let Some(point) = coordinate.filter(|_| self.settings.coordinates) else { return };
        let (vivaldi, rng) = (&mut self.vivaldi, &mut self.rng);
        self.roster.change(src.node, |entry| {
            let place = entry.place.get_or_insert_with(|| Box::new((None, Latencies::default())));
            vivaldi.update(&point, rtt, &mut place.1, rng);
        });
    }

    /// The member pinged for `origin` did not answer in time.
    pub(crate) fn nack_due(&mut self, origin: Ident, target: Ident, number: u8) {
        if !self.relays.remove(&(origin.node, number)) {
            return;
        }
        let Some(to) = self.roster.get(origin.node).map(|entry| entry.card.address) else { return };
        let head = Head { src: self.own, incarnation: self.incarnation, dst: origin, body: Body::Nack { target, number } };
        self.send(to, &head, &[], true);
    }
}
