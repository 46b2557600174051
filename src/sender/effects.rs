//! `Effects`: what follows for the whole sender from what one of its parts was told.
//!
//! Owns: what may follow. Must not know: how it is carried out; the loop does that, in one place.

use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::metadata::Picture;
use crate::record::TopicName;

/// What follows, in the order in which it is carried out.
#[derive(Default)]
#[must_use = "what follows has to be carried out"]
pub(super) struct Effects {
    /// Connections to end, and why.
    pub(super) disconnect: Vec<(i32, &'static str)>,
    /// It is begun with other brokers, or again: batches go by this picture of the cluster.
    pub(super) beginning: Option<Picture>,
    /// A broker has told of the cluster: batches go by that at once, and it is published after the next step.
    pub(super) metadata: Option<NewMetadata>,
    /// The batches go to another cluster from now on: nothing is known there of this producer.
    pub(super) other_cluster: bool,
    /// Topics that nobody uses any more; none where that was not looked at.
    pub(super) idle_topics: Option<Vec<TopicName>>,
    /// The sequences may let go by now what they held back.
    pub(super) sequences_changed: bool,
    /// This broker does not believe who we are, or we do not believe who it is: what waits for it fails.
    pub(super) not_authenticated: Option<(i32, Error)>,
    /// No producer id is to be had: what waits for one fails.
    pub(super) no_producer_id: Option<Error>,
    /// Nothing can be sent any more.
    pub(super) fatal: Option<Error>,
}

/// What a broker has told of the cluster.
pub(super) struct NewMetadata {
    /// Whoever waits for it is woken once everything here goes by it.
    pub(super) picture: Picture,
    /// The topics that it told of.
    pub(super) topics: Vec<(TopicName, ErrorCode)>,
}

impl Effects {
    pub(super) fn none() -> Effects {
        Effects::default()
    }

    pub(super) fn fatal(error: Error) -> Effects {
        Effects { fatal: Some(error), ..Effects::default() }
    }
}
