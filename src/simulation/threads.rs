//! `Threads`: the application's threads, of which one runs at a time.
//!
//! Owns: whose turn it is, and what each waits for. Must not know: what they do.
//! Threads: each player's own, and the one that directs.
//! Holds: whoever directs goes on only when nobody else can: everyone is idle or waits for something that is not there.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::bounded;

use crate::interrupt::InterruptHandle;
use crate::logging;
use crate::planted;
use crate::simulation::player::{Act, Player};
use crate::stage::{self, Baton, Clock, Cue, Handover, Parked, Role, Turn};

pub(super) struct Threads {
    threads: Vec<Thread>,
    turns: Handover<(usize, Turn)>,
    /// The number of each that panicked.
    pub(super) panicked: Vec<usize>,
}

struct Thread {
    /// None when there is nothing more to do.
    acts: Handover<Option<Vec<Act>>>,
    cues: Handover<Cue>,
    /// What it is to do.
    queue: VecDeque<Act>,
    state: PlayerState,
    interrupt: InterruptHandle,
    handle: Option<JoinHandle<()>>,
}

enum PlayerState {
    Idle,
    Parked(Parked),
    Ended,
}

impl Threads {
    /// One thread for each player.
    pub(super) fn start(players: Vec<Player>, clock: &Clock, seed: u64) -> Threads {
        let turns = Handover::new();
        let thread = |(number, player): (usize, Player)| {
            let (acts, cues) = (Handover::new(), Handover::new());
            let (handles, handle) = bounded(1);
            let baton = Baton { number, turns: turns.clone(), cues: cues.clone(), curtain: false.into() };
            let role = Role { clock: clock.clone(), baton: Some(baton) };
            let (to_do, told, plant) = (acts.clone(), turns.clone(), planted::current());
            let body = move || {
                let _role = stage::enter(role);
                planted::plant(plant);
                fastrand::seed(seed.wrapping_add(number as u64));
                let _ = handles.send(InterruptHandle::current());
                let played = catch_unwind(AssertUnwindSafe(|| play(player, &to_do, &told, number)));
                told.send((number, Turn::Ended { panicked: played.is_err() }));
            };
            let spawned = std::thread::Builder::new().name(format!("player-{number}")).spawn(body);
            let spawned = spawned.expect("the operating system gives a thread");
            let interrupt = handle.recv().expect("the thread began");
            let (queue, state) = (VecDeque::new(), PlayerState::Idle);
            Thread { acts, cues, queue, state, interrupt, handle: Some(spawned) }
        };
        let threads = players.into_iter().enumerate().map(thread).collect();
        Threads { threads, turns, panicked: Vec::new() }
    }

    /// Gives a thread something to do, after what it has to do already.
    pub(super) fn give(&mut self, number: usize, act: Act) {
        let count = self.threads.len();
        self.threads[number % count].queue.push_back(act);
    }

    pub(super) fn interrupt(&self, number: usize) {
        self.threads[number % self.threads.len()].interrupt.interrupt();
    }

    /// When the first of those that wait gives up.
    pub(super) fn next(&self) -> Option<Instant> {
        let deadline = |thread: &Thread| match &thread.state {
            PlayerState::Parked(parked) => parked.deadline,
            PlayerState::Idle | PlayerState::Ended => None,
        };
        self.threads.iter().filter_map(deadline).min()
    }

    /// Lets everyone run who can, one after another, until all are idle or wait. True if anyone has run.
    pub(super) fn run(&mut self, now: Instant, random: &mut fastrand::Rng) -> bool {
        let mut has_run = false;
        loop {
            let able: Vec<usize> =
                (0..self.threads.len()).filter(|number| self.threads[*number].is_able(now)).collect();
            if able.is_empty() {
                return has_run;
            }
            has_run = true;
            self.step(able[random.usize(..able.len())], random);
        }
    }

    /// Whether all have done what they had to do.
    pub(super) fn is_idle(&self) -> bool {
        self.threads.iter().all(|thread| match thread.state {
            PlayerState::Idle => thread.queue.is_empty(),
            PlayerState::Parked(_) => false,
            PlayerState::Ended => true,
        })
    }

    /// Lets one thread go on, or do some of what it is to do: each act for itself, or several in one go.
    fn step(&mut self, number: usize, random: &mut fastrand::Rng) {
        let thread = &mut self.threads[number];
        if matches!(thread.state, PlayerState::Parked(_)) {
            thread.cues.send(Cue::GoOn);
        } else {
            let count = thread.queue.len().min(random.usize(1..=MOST_AT_ONCE));
            let acts: Vec<Act> = thread.queue.drain(..count).collect();
            logging::trace!("   thread {number}: {acts:?}");
            thread.acts.send(Some(acts));
        }
        self.await_turn(number);
    }

    fn await_turn(&mut self, number: usize) {
        let (told, turn) = self.turns.receive();
        assert_eq!(told, number, "another thread ran");
        self.threads[number].state = match turn {
            Turn::Idle => PlayerState::Idle,
            Turn::Parked(parked) => PlayerState::Parked(parked),
            Turn::Ended { panicked } => {
                if panicked {
                    self.panicked.push(number);
                }
                PlayerState::Ended
            }
        };
    }

    /// The play is over: nobody waits any more, and all threads end. Returns those that panicked.
    pub(super) fn end(&mut self) -> Vec<usize> {
        for number in 0..self.threads.len() {
            let thread = &mut self.threads[number];
            thread.queue.clear();
            thread.cues.send(Cue::Curtain);
            thread.acts.send(None);
            while !matches!(self.threads[number].state, PlayerState::Ended) {
                self.await_turn(number);
            }
            if let Some(handle) = self.threads[number].handle.take() {
                let _ = handle.join();
            }
        }
        std::mem::take(&mut self.panicked)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}

impl Thread {
    fn is_able(&self, now: Instant) -> bool {
        match &self.state {
            PlayerState::Idle => !self.queue.is_empty(),
            PlayerState::Parked(parked) => {
                parked.deadline.is_some_and(|deadline| deadline <= now) || (parked.is_ready)()
            }
            PlayerState::Ended => false,
        }
    }
}

/// A thread's whole life.
fn play(
    mut player: Player,
    to_do: &Handover<Option<Vec<Act>>>,
    told: &Handover<(usize, Turn)>,
    number: usize,
) {
    let (mut given, mut is_busy, mut is_over) = (VecDeque::new(), false, false);
    // None from then on where it has said so.
    let mut next = || {
        while !is_over {
            if let Some(act) = given.pop_front() {
                return Some(act);
            }
            if std::mem::replace(&mut is_busy, true) {
                told.send((number, Turn::Idle));
            }
            match to_do.receive() {
                Some(acts) => given = acts.into(),
                None => is_over = true,
            }
        }
        None
    };
    while let Some(act) = next() {
        player.perform(act, &mut next);
    }
}

/// How many acts a thread may do before others get a turn.
const MOST_AT_ONCE: usize = 12;
