//! `SimulatedNetwork`: sockets, names, time, and the brokers at their other ends.
//!
//! Owns: the virtual time, what is on its way between client and brokers, and when it arrives. Must not know: what the
//! bytes say.
//! Holds: the same seed gives the same run. Bytes arrive in the order in which they were sent, in pieces of any size,
//! and what was sent before a socket was closed may still arrive afterwards. The application's threads play while the
//! sender sleeps, so that a wake-up that is missing is seen.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::accumulator::RecordAccumulator;
use crate::cluster::Node;
use crate::logging;
use crate::network::{BackgroundWork, Job, JobResult, Network, NetworkEvent, SocketId};
use crate::simulation::brokers::Brokers;
use crate::simulation::ends::{BrokerEnd, ClientEnd};
use crate::simulation::happening::{ConnectionEnd, Happening};
use crate::simulation::history::Violation;
use crate::simulation::layers::{Layers, WrittenThroughLayer};
use crate::simulation::ledger::Ledger;
use crate::simulation::link_quality::LinkQuality;
use crate::simulation::observer::Observer;
use crate::simulation::other_programs::OtherPrograms;
use crate::simulation::plan::{Plan, Step};
use crate::simulation::player::TRANSACTIONAL_ID;
use crate::simulation::secured_side::SecuredSide;
use crate::simulation::threads::Threads;
use crate::simulation::transaction_book::{TransactionBook, TransactionHistory};
use crate::simulation::wire::Wire;
use crate::stage::Clock;

pub(super) struct SimulatedNetwork {
    pub(super) brokers: Brokers,
    pub(super) plan: Plan,
    pub(super) link_quality: LinkQuality,
    pub(super) threads: Option<Threads>,
    pub(super) accumulator: Option<Arc<RecordAccumulator>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) observer: Observer,
    pub(super) wire: Wire,
    pub(super) layers: Layers,
    pub(super) remarks: Vec<Violation>,
    /// How often each kind of step was taken.
    pub(super) steps: BTreeMap<String, u64>,
    /// The sender sleeps without end though nothing will ever happen again.
    pub(super) stuck: bool,
    /// When a server to begin with was looked up.
    pub(super) beginnings: Vec<Instant>,
    /// A planted defect: the sender's sleep is not ended when something is to be done.
    pub(super) is_deaf: bool,
    pub(super) clock: Clock,
    pub(super) now: Instant,
    pub(super) random: fastrand::Rng,
    woken: Arc<AtomicBool>,
    pub(super) upcoming: BTreeMap<(Instant, u64), Happening>,
    pub(super) numbered: u64,
    /// The client's ends.
    pub(super) sockets: BTreeMap<SocketId, ClientEnd>,
    /// The brokers' ends.
    pub(super) links: BTreeMap<SocketId, BrokerEnd>,
    /// Nothing passes between client and broker until then.
    pub(super) stalled: BTreeMap<i32, Instant>,
    /// How far the clock on the wall is off.
    jumped: i64,
    /// How often each broker has moved.
    pub(super) moved: BTreeMap<i32, u8>,
    events: Vec<NetworkEvent>,
    /// The program has crashed, and the next one has not begun.
    pub(super) has_crashed: bool,
    pub(super) other_programs: OtherPrograms,
    /// TLS and SASL, where there are some.
    pub(super) secured: Option<SecuredSide>,
}

impl SimulatedNetwork {
    pub(super) fn new(brokers: Brokers, ledger: Arc<Ledger>, random: fastrand::Rng) -> Self {
        let clock = ledger.clock.clone();
        SimulatedNetwork {
            brokers,
            plan: Plan::default(),
            link_quality: LinkQuality::calm(),
            threads: None,
            accumulator: None,
            ledger,
            observer: Observer::default(),
            wire: Wire::default(),
            layers: Layers::default(),
            remarks: Vec::new(),
            steps: BTreeMap::new(),
            stuck: false,
            beginnings: Vec::new(),
            is_deaf: false,
            now: clock.now(),
            clock,
            random,
            woken: Arc::default(),
            upcoming: BTreeMap::new(),
            numbered: 0,
            sockets: BTreeMap::new(),
            links: BTreeMap::new(),
            stalled: BTreeMap::new(),
            jumped: 0,
            moved: BTreeMap::new(),
            events: Vec::new(),
            has_crashed: false,
            other_programs: OtherPrograms::default(),
            secured: None,
        }
    }

    pub(super) const PORT: u16 = 9092;

    /// Where a broker listens after it has moved this many times.
    fn address(broker: i32, moved: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, moved, broker as u8], Self::PORT))
    }

    /// The name of a broker after it has moved this many times.
    pub(super) fn host(broker: i32, moved: u8) -> String {
        match moved {
            0 => format!("broker-{broker}"),
            moved => format!("broker-{broker}-{moved}"),
        }
    }

    /// Its name in `bootstrap.servers`.
    pub(super) fn server(broker: i32) -> String {
        format!("server-{broker}")
    }

    pub(super) fn moved(&self, broker: i32) -> u8 {
        self.moved.get(&broker).copied().unwrap_or(0)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Moves the time, and lets happen what lies before.
    pub(super) fn advance(&mut self, to: Instant) {
        while let Some(next) = self.next_happening().filter(|next| *next <= to) {
            self.move_to(next);
            self.carry_out_due();
        }
        self.move_to(to);
    }

    /// What runs on the sender's thread may have taken time, in which everyone else went on.
    fn catch_up(&mut self) {
        let now = self.clock.now();
        if now > self.now {
            self.advance(now);
        }
    }

    fn move_to(&mut self, time: Instant) {
        self.now = self.now.max(time);
        self.clock.set(self.now);
    }

    fn next_happening(&self) -> Option<Instant> {
        let upcoming = self.upcoming.first_key_value().map(|((time, _), _)| *time);
        let threads = self.threads.as_ref().and_then(Threads::next);
        [upcoming, self.brokers.rules.next_due(), self.plan.next(), threads].into_iter().flatten().min()
    }

    fn carry_out_due(&mut self) {
        while let Some(step) = self.plan.take_due(self.now) {
            self.carry_out(step);
        }
        let actions = self.brokers.rules.due(self.now);
        self.answer(actions);
        while let Some(entry) = self.upcoming.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let happening = entry.remove();
            self.happen(happening);
        }
        if let Some(threads) = &mut self.threads {
            threads.run(self.now, &mut self.random);
        }
        self.ledger.watch();
    }

    /// Whatever wakes the sender up.
    pub(super) fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let woken = Arc::clone(&self.woken);
        move || woken.store(true, Ordering::Relaxed)
    }

    /// The program is no more: its connections are closed as an operating system closes them, and what it had begun is told
    /// nobody. What another one does is written down in this ledger.
    pub(super) fn crashed(&mut self, ledger: Arc<Ledger>) {
        let sockets: Vec<SocketId> = self.sockets.keys().copied().collect();
        sockets.into_iter().for_each(|id| self.close(id));
        self.upcoming.retain(|_, happening| happening.socket().is_some());
        self.events.clear();
        self.observer.forget_open();
        self.other_programs.crashed();
        self.secured.iter_mut().for_each(SecuredSide::crashed);
        self.ledger = ledger;
    }

    /// All transactions come to their end, by time if by nothing else.
    pub(super) fn transactions(&mut self, book: TransactionBook, is_settled: bool) -> TransactionHistory {
        let mut last = self.now;
        for _ in 0..3 {
            last += Duration::from_secs(24 * 3600);
            let _ = self.brokers.rules.due(last);
        }
        let (committed, offsets) = (self.brokers.committed(), self.brokers.committed_offsets(&book.groups()));
        let gone = self.brokers.gone();
        let TransactionBook { transactions, failures, completed, .. } = book;
        TransactionHistory { transactions, failures, committed, offsets, gone, is_settled, completed }
    }

    /// Lets time pass without a program, until one begins again.
    pub(super) fn wait_for_program(&mut self) {
        self.carry_out_due();
        while let Some(next) = self.next_happening().filter(|_| !self.has_crashed) {
            self.move_to(next);
            self.carry_out_due();
        }
    }

    /// Gives all threads what is left of the plan for them.
    pub(super) fn give_all_that_is_left(&mut self) {
        while let Some(step) = self.plan.take_due(self.now + Duration::from_secs(1 << 30)) {
            if let (Step::Act(thread, act), Some(threads)) = (step, &mut self.threads) {
                threads.give(thread, act);
            }
        }
        self.carry_out_due();
    }

    fn carry_out(&mut self, step: Step) {
        if self.finds_something(&step) {
            *self.steps.entry(step.name()).or_default() += 1;
        }
        if !matches!(step, Step::Act(..)) {
            logging::info!("-- {step:?}");
        }
        self.brokers.cut_off_by(&step).into_iter().for_each(|broker| self.cut(broker));
        let step = match self.brokers.carry_out(step, self.now) {
            Ok(actions) => return self.answer(actions),
            Err(step) => step,
        };
        match step {
            Step::Act(thread, act) => {
                self.threads.iter_mut().for_each(|threads| threads.give(thread, act));
            }
            Step::Interrupt(thread) => self.threads.iter().for_each(|threads| threads.interrupt(thread)),
            Step::Links(quality) => self.link_quality = quality,
            Step::Calm => {
                self.brokers.calm();
                self.stalled.clear();
                self.link_quality = LinkQuality::calm();
                self.clock.jump(-std::mem::take(&mut self.jumped));
                self.calm_security();
            }
            Step::Stall(broker, time) => drop(self.stalled.insert(broker, self.now + time)),
            Step::Detain(broker, time) => self.detain(broker, time),
            Step::Cut(broker) => self.cut(broker),
            Step::Silence(broker) => self.silence(broker),
            Step::Move(broker) => self.move_broker(broker),
            Step::Jump(by_ms) => {
                self.clock.jump(by_ms);
                self.jumped += by_ms;
            }
            Step::Secure(step) => self.secure(step),
            Step::Crash => self.has_crashed = true,
            Step::MoveGroups(broker) => {
                let groups = self.ledger.with_book(|book| book.groups());
                groups.iter().for_each(|group| self.brokers.rules.move_group_coordinator(group, broker));
            }
            Step::Rival => {
                let coordinator = self.brokers.rules.coordinator(TRANSACTIONAL_ID);
                let actions = self.other_programs.begin_rival(coordinator, &mut self.brokers.rules, self.now);
                self.answer(actions);
            }
            Step::Zombie => {
                let (rules, random) = (&mut self.brokers.rules, &mut self.random);
                let actions = self.other_programs.say_again(rules, self.now, random);
                self.answer(actions);
            }
            other => unreachable!("the brokers carry it out: {other:?}"),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Resolved { token, host } => self.resolved(token, &host),
            Happening::LookedUp => self.looked_up(),
            Happening::Worked(work) => self.events.push(NetworkEvent::JobDone(work.run())),
            Happening::Knock(id) => self.knock(id),
            Happening::Connected(id) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.connected = true;
                    self.events.push(NetworkEvent::Writable(id));
                }
            }
            Happening::Refused(id) => {
                if self.sockets.contains_key(&id) {
                    self.events.push(NetworkEvent::Failed(id, ErrorKind::ConnectionRefused.into()));
                }
            }
            Happening::Room(id) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.has_room = true;
                }
            }
            Happening::ToBroker(id, bytes) => self.received(id, &bytes),
            Happening::ToClient(id, bytes) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    for answer in self.layers.arrived(id, &bytes) {
                        self.observer.answered(&answer, self.clock.elapsed());
                        self.wire.arrived(id, &answer);
                    }
                    socket.readable.extend(bytes);
                }
            }
            Happening::PieceToClient(id, bytes) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    self.layers.arrived_in_part(id, bytes.len());
                    socket.readable.extend(bytes);
                }
            }
            Happening::Broken(id, end) => self.break_link(id, end),
            Happening::ClosedByClient(id) => self.drop_link(id),
            Happening::ClosedByBroker(id, end) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.end.get_or_insert(end);
                    if end == ConnectionEnd::Reset {
                        socket.readable.clear();
                    }
                }
            }
        }
    }

    fn resolved(&mut self, token: u64, host: &str) {
        let found = self.brokers.rules.brokers().find_map(|broker| {
            if Self::server(broker) == host {
                return Some(Self::address(broker, self.moved(broker)));
            }
            let moved = (0..=self.moved(broker)).find(|moved| Self::host(broker, *moved) == host)?;
            Some(Self::address(broker, moved))
        });
        let found = found.filter(|_| self.random.f64() >= self.link_quality.unresolved);
        let unknown = || io::Error::new(ErrorKind::NotFound, "no such name");
        let addresses = found.map(|address| vec![address]).ok_or_else(unknown);
        self.events.push(NetworkEvent::JobDone(JobResult::Resolved { token, addresses }));
    }

    fn looked_up(&mut self) {
        let unknown = self.random.f64() < self.link_quality.unresolved;
        let servers = if unknown { Err(io::Error::other("no server")) } else { Ok(self.servers()) };
        self.events.push(NetworkEvent::JobDone(JobResult::LookedUp(servers)));
    }

    /// The servers to begin with: all brokers, under other names.
    pub(super) fn servers(&self) -> Vec<Node> {
        let server =
            |id: i32| Node { id: -id, host: Self::server(id), port: i32::from(Self::PORT), rack: None };
        self.brokers.rules.brokers().map(server).collect()
    }

    /// Tells the sender what it can do something about.
    fn tell(&mut self, events: &mut Vec<NetworkEvent>) {
        events.append(&mut self.events);
        for (id, socket) in &self.sockets {
            if socket.end.is_some() || !socket.readable.is_empty() {
                events.push(NetworkEvent::Readable(*id));
            }
            if socket.watched && socket.has_room {
                events.push(NetworkEvent::Writable(*id));
            }
        }
    }

    fn has_news(&self) -> bool {
        let ready = |socket: &ClientEnd| {
            socket.end.is_some() || !socket.readable.is_empty() || (socket.watched && socket.has_room)
        };
        !self.events.is_empty() || self.sockets.values().any(ready)
    }

    /// The sender is about to sleep: whoever waits for memory waits for some that is not there.
    fn look_after_memory(&mut self) {
        let withheld = self.accumulator.as_ref().is_some_and(|it| it.pool().withholds());
        if withheld {
            self.remarks.push(Violation::MemoryWithheld(self.elapsed()));
        }
    }

    /// Ends a wait. A thread is not always run when it could be: before it has the events, or after.
    fn wake(&mut self, events: &mut Vec<NetworkEvent>) -> Instant {
        let late = self.link_quality.oversleep(&mut self.random);
        let before = self.random.bool();
        if before {
            self.advance(self.now + late);
        }
        self.tell(events);
        if !before {
            self.advance(self.now + late);
        }
        self.now
    }
}

impl Network for SimulatedNetwork {
    fn begin(&mut self, job: Job) {
        self.catch_up();
        let happening = match job {
            Job::Resolve { token, host, port, first } => {
                let _ = first.map(BackgroundWork::run);
                assert_eq!(port, Self::PORT);
                if host.starts_with("server-") {
                    self.beginnings.push(self.now);
                }
                Happening::Resolved { token, host }
            }
            Job::LookUp(_) => Happening::LookedUp,
            work @ Job::Work(_) => return self.begin_work(work),
        };
        let at = self.now + self.link_quality.latency(&mut self.random);
        self.schedule(at, happening);
    }

    fn connect(&mut self, id: SocketId, address: SocketAddr) -> io::Result<()> {
        self.catch_up();
        let IpAddr::V4(ip) = address.ip() else { panic!("only addresses that were resolved") };
        let [_, _, moved, broker] = ip.octets();
        let broker = i32::from(broker);
        let (readable, end) = (VecDeque::new(), None);
        let socket = ClientEnd { connected: false, readable, end, has_room: true, watched: false };
        assert!(self.sockets.insert(id, socket).is_none(), "a socket's name was used twice");
        let (last_arrival, last_delivery) = (self.now, self.now);
        let link = BrokerEnd {
            broker,
            is_deserted: moved != self.moved(broker),
            is_silent: false,
            connection: None,
            received: Vec::new(),
            last_arrival,
            last_delivery,
            cut: None,
        };
        self.links.insert(id, link);
        self.begin_secured(id, broker);
        self.dispatch(id, Happening::Knock(id));
        Ok(())
    }

    fn write(&mut self, id: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.catch_up();
        let socket = self.sockets.get_mut(&id).expect("a write to a closed socket");
        assert!(socket.connected, "a write before the connection stands");
        assert!(buffers.len() <= 1024);
        if socket.end.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if !socket.has_room {
            return Err(ErrorKind::WouldBlock.into());
        }
        let offered = buffers.iter().map(|buffer| buffer.len()).sum();
        let taken = self.link_quality.piece(offered, &mut self.random);
        if taken < offered {
            socket.has_room = false;
            let at = self.now + self.link_quality.latency(&mut self.random);
            self.schedule(at, Happening::Room(id));
        }
        let mut bytes = Vec::with_capacity(taken);
        for buffer in buffers {
            bytes.extend_from_slice(&buffer[..buffer.len().min(taken - bytes.len())]);
        }
        let second = self.elapsed().as_secs();
        self.wire.is_fenced = self.ledger.with_book(|book| book.is_fenced);
        match self.layers.written(id, &bytes, self.now, taken < offered) {
            Some(WrittenThroughLayer { plain, left, is_late, is_behind }) => {
                if is_late {
                    self.wire.is_behind(id, true);
                }
                self.wire.wrote(id, second, &[IoSlice::new(&plain)], left);
                self.wire.is_behind(id, is_behind);
            }
            None => self.wire.wrote(id, second, buffers, taken),
        }
        self.send_to_broker(id, bytes);
        Ok(taken)
    }

    fn read(&mut self, id: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = self.sockets.get_mut(&id).expect("a read from a closed socket");
        let there = buffer.len().min(socket.readable.len());
        if there == 0 {
            return match socket.end {
                Some(ConnectionEnd::Orderly) => Ok(0),
                Some(ConnectionEnd::Reset) => Err(ErrorKind::ConnectionReset.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let count = self.link_quality.piece(there, &mut self.random);
        for (place, byte) in buffer.iter_mut().zip(socket.readable.drain(..count)) {
            *place = byte;
        }
        let count_of_answers = self.layers.read(id, &buffer[..count]);
        self.wire.read(id, count_of_answers);
        Ok(count)
    }

    fn watch_writable(&mut self, id: SocketId, on: bool) {
        self.sockets.get_mut(&id).expect("a closed socket").watched = on;
    }

    fn close(&mut self, id: SocketId) {
        assert!(self.sockets.remove(&id).is_some(), "closed twice");
        self.wire.closed(id);
        self.note_given_up(id);
        self.dispatch(id, Happening::ClosedByClient(id));
        if !self.links.contains_key(&id) {
            self.layers.forget(id);
        }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, now: Instant, until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant {
        self.catch_up();
        assert!(now <= self.now, "the sender has a time of its own");
        logging::trace!("   waits {:?}", until.map(|until| until.saturating_duration_since(now)));
        loop {
            self.carry_out_due();
            let woken = self.woken.swap(false, Ordering::Relaxed) && !self.is_deaf;
            if self.has_crashed || woken || self.has_news() || until.is_some_and(|until| until <= self.now) {
                return self.wake(events);
            }
            self.look_after_memory();
            match self.next_happening().into_iter().chain(until).min() {
                Some(next) => self.move_to(next),
                None => {
                    self.stuck = true;
                    return self.now;
                }
            }
        }
    }
}
