//! Defects that a simulation plants in this crate, one at a time, to see whether they are found.
//!
//! Owns: the list, and which one is planted on this thread. Must not know: what each breaks; that stands in one line
//! where it does. Without the feature `simulation` none is ever planted, and the lines cost nothing.

/// Whether this defect is planted.
#[inline(always)]
pub(crate) fn planted(defect: Defect) -> bool {
    #[cfg(all(any(test, feature = "simulation"), not(loom)))]
    return current() == Some(defect);
    #[cfg(not(all(any(test, feature = "simulation"), not(loom))))]
    {
        let _ = defect;
        false
    }
}

#[cfg(all(any(test, feature = "simulation"), not(loom)))]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// The defect that is planted on this thread.
#[cfg(all(any(test, feature = "simulation"), not(loom)))]
#[inline]
pub(crate) fn current() -> Option<Defect> {
    PLANTED.try_with(std::cell::Cell::get).ok().flatten()
}

/// Plants a defect on this thread, in place of the one that is.
#[cfg(all(any(test, feature = "simulation"), not(loom)))]
pub(crate) fn plant(defect: Option<Defect>) {
    PLANTED.set(defect);
}

macro_rules! defects {
    ($($name:ident: $about:literal,)*) => {
        /// What can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(
            not(any(feature = "tls", feature = "simulation", test)),
            expect(dead_code, reason = "some would be planted in what is not built")
        )]
        pub(crate) enum Defect {
            $(#[doc = $about] $name,)*
        }

        #[cfg(all(any(test, feature = "simulation"), not(loom)))]
        impl Defect {
            pub(crate) const ALL: [Defect; [$($about),*].len()] = [$(Defect::$name),*];

            /// What no seed tried so far finds, and a script does (`src/simulation/tests/faults.rs`).
            pub(crate) const SCRIPTED: [Defect; 1] = [Defect::UnnumberedIsForgotten];

            /// What seeds find whose connections are secured.
            pub(crate) const SECURED: [Defect; 8] = [
                Defect::LoginOvertaken,
                Defect::LoginSkipped,
                Defect::SessionsIgnored,
                Defect::AnySignature,
                Defect::AnyCertificate,
                Defect::OldTokens,
                Defect::RefusedTokensStay,
                Defect::RefusedAtOnce,
            ];

            /// What seeds find that have transactions.
            pub(crate) const TRANSACTIONAL: [Defect; 25] = [
                Defect::EndsUnanswered,
                Defect::NothingAdded,
                Defect::OldEpochGoesOn,
                Defect::BusyIsDone,
                Defect::FailedIsCommitted,
                Defect::GroupsNotAdded,
                Defect::UnsentStays,
                Defect::FencingIgnored,
                Defect::SequencesGoOn,
                Defect::CommitToldEarly,
                Defect::RepeatTakesAnother,
                Defect::CoordinatorStays,
                Defect::NumbersNotFree,
                Defect::GapsKeepEpoch,
                Defect::EndOvertakesOffsets,
                Defect::NoDoubtOfCommit,
                Defect::EndNotAsked,
                Defect::PreparedEndsWrongly,
                Defect::PreparedTooEarly,
                Defect::CloseEndsPrepared,
                Defect::EmptyTakesEpoch,
                Defect::PreparedKeepsEpoch,
                Defect::PartitionsCarriedOver,
                Defect::UnknownForEver,
                Defect::OldGuardEndsNew,
            ];

            /// What is wrong with it.
            pub(crate) fn about(self) -> &'static str {
                match self {
                    $(Defect::$name => $about,)*
                }
            }

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Defect::$name => stringify!($name),)*
                }
            }

            pub(crate) fn named(name: &str) -> Option<Defect> {
                Defect::ALL.into_iter().find(|defect| defect.name() == name)
            }
        }
    };
}

defects! {
    MemoryGivenBackEarly: "memory is given back while a request still carries the batch",
    MemoryWithheld: "whoever waits for memory is not served",
    InFlightNeverExpires: "a batch that is on its way does not expire",
    RetriesGoLast: "what is sent again goes behind what is to be sent again already",
    RetriesOvertake: "what is sent again does not wait for what is on its way before it",
    NumberedAgain: "a batch gets new sequence numbers each time it is sent",
    FlushForgetsSent: "flush does not wait for what has been sent already",
    TimersPile: "a timer that is replaced stays",
    NoDoubt: "an answer that does not come leaves no doubt",
    ExpiredIsNotThere: "what expires was not written",
    LeadersStay: "a new leader is not noticed",
    PicturesDropQueues: "a picture of the cluster that lacks partitions drops their queues and sequences (A1)",
    NobodyWakes: "the sender is not woken",
    FirstHasCompany: "the first batch of a producer id does not go alone",
    EpochsMix: "batches of a new epoch go while some of the old one are not answered",
    MoreThanFive: "more than five batches are on their way from the oldest unanswered one on",
    UnresolvedGoesOn: "an unresolved partition goes on",
    NothingUnresolved: "a batch of unknown fate that is given up leaves its partition as it is",
    StaysIntroduced: "a broker that has forgotten the producer is believed to know it (A3)",
    OvertakenGoAgain: "a batch that was overtaken is sent again (A3)",
    EpochStays: "a bump begins the numbers again without a new epoch",
    OldNumbersStay: "after a bump what is outstanding keeps its old numbers",
    FailureWithoutBump: "a batch that fails leaves a gap in the sequence and no new epoch",
    NoBackoff: "a retry does not wait",
    RepeatsFail: "the answer that a broker has a batch already is a failure",
    DoubtfulIsSplit: "a batch of unknown fate is split",
    CloseForgets: "close does not wait for what was accepted",
    GateStaysShut: "what was held back is not looked at again when an answer has come",
    NobodyHearsNews: "whoever waits for metadata is not told that it is there",
    MetadataAtOnce: "metadata that did not come is asked for again at once",
    IdsAtOnce: "a producer id that was refused is asked for again at once",
    ReturnedIsTrusted: "a broker that is connected anew is taken for one of the same cluster (A2)",
    ErrorsRefuse: "whatever error is answered, nothing was written (A4)",
    ClockStandsStill: "the time that the user's code takes on the sender thread is not noticed (E1)",
    GivenUpUnheard: "who is late is given up before what he has sent is read (E1)",
    LateByOwnClock: "what is on its way is late by the time after the user's code, not by that of the last read (E1)",
    UnnumberedIsForgotten: "what is on its way under an id that was given up holds nothing back (A2)",
    OldAnswersIntroduce: "an answer from before a new epoch shows that the broker knows the producer (A3)",
    LoginOvertaken: "requests go on while who we are is said again",
    LoginSkipped: "requests go as soon as the versions are known, before the login",
    SessionsIgnored: "for how long a broker believes who we are is not noticed",
    AnySignature: "a broker need not prove that it knows the password",
    AnyCertificate: "whatever certificate a broker shows is good",
    OldTokens: "a token is used after its end",
    RefusedTokensStay: "a token that a broker has refused is used again",
    RefusedAtOnce: "a broker that refuses us is tried again at once",
    EndsUnanswered: "a transaction is ended while batches of it are on their way",
    NothingAdded: "records go before the coordinator has added their partition",
    OldEpochGoesOn: "the epoch that comes with the end of a transaction is not taken",
    BusyIsDone: "a coordinator that is busy with the transaction before is taken to have done what it was asked",
    FailedIsCommitted: "a record that failed does not keep its transaction from being committed",
    GroupsNotAdded: "offsets go before the coordinator has added their group",
    UnsentStays: "what has not been sent of a transaction that is aborted stays where it is",
    FencingIgnored: "a fenced producer takes only its transaction for lost",
    SequencesGoOn: "under a new epoch the numbers go on",
    CommitToldEarly: "a commit is told as soon as the coordinator is asked",
    RepeatTakesAnother: "a call takes up what another one has left",
    CoordinatorStays: "a coordinator that has moved is not looked up again",
    NumbersNotFree: "after an abort the numbers of what failed are not used again, nor is there a new epoch",
    GapsKeepEpoch: "after records of unknown fate a transaction begins under the same epoch",
    EndOvertakesOffsets: "the end of a transaction goes before its offsets",
    NoDoubtOfCommit: "a commit without an answer leaves no doubt",
    EndNotAsked: "the coordinator is not told of the end of a transaction",
    PreparedEndsWrongly: "what is prepared is committed, whatever was decided",
    PreparedTooEarly: "a transaction is prepared while batches of it are on their way",
    CloseEndsPrepared: "a producer that is closed aborts what it has prepared",
    EmptyTakesEpoch: "a transaction without a record is prepared under the name of the next one",
    PreparedKeepsEpoch: "where the coordinator gives no newer epoch after what was prepared, none is asked for",
    PartitionsCarriedOver: "the partitions of a transaction are taken for those of the next one, whose topics may be gone",
    UnknownForEver: "offsets of a partition that nobody knows any more are asked for without end",
    OldGuardEndsNew: "a guard whose transaction is over ends the one that has begun since",
}
