//! Producer ids and epochs, as the transaction coordinator hands them out.

use std::collections::HashMap;

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use super::broker_error::BrokerError;

#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    handed_out: i64,
    transactional: HashMap<String, (i64, i16)>,
    epochs: HashMap<i64, i16>,
}

impl ProducerIds {
    pub(super) fn answer(&mut self, version: i16, request: &InitProducerIdRequest) -> InitProducerIdResponse {
        let outcome = match request.transactional_id.as_ref() {
            None => Ok(self.hand_out()),
            Some(id) => self.transactional(version, id, request),
        };
        let response = InitProducerIdResponse::default();
        match outcome {
            Ok((id, epoch)) => response.with_producer_id(id.into()).with_producer_epoch(epoch),
            Err(error) => {
                response.with_producer_id((-1).into()).with_producer_epoch(-1).with_error_code(error.code())
            }
        }
    }

    /// A new id, as for a producer without a transactional id.
    pub(super) fn hand_out(&mut self) -> (i64, i16) {
        (self.next(), 0)
    }

    /// The newest epoch of a producer id that belongs to a transactional id.
    pub(super) fn transactional_epoch(&self, producer_id: i64) -> Option<i16> {
        self.epochs.get(&producer_id).copied()
    }

    fn transactional(
        &mut self,
        version: i16,
        name: &str,
        request: &InitProducerIdRequest,
    ) -> Result<(i64, i16), BrokerError> {
        if name.is_empty() {
            return Err(BrokerError::INVALID_REQUEST);
        }
        if !(1..=MAX_TRANSACTION_TIMEOUT_MS).contains(&request.transaction_timeout_ms) {
            return Err(BrokerError::INVALID_TRANSACTION_TIMEOUT);
        }
        let known = self.transactional.get(name).copied();
        let claimed = (request.producer_id.0, request.producer_epoch);
        if version >= 3 && claimed.0 != -1 && known.is_some_and(|known| known != claimed) {
            return Err(if version >= 4 {
                BrokerError::PRODUCER_FENCED
            } else {
                BrokerError::INVALID_PRODUCER_EPOCH
            });
        }
        let (id, epoch) = match known {
            Some((id, epoch)) if epoch < i16::MAX - 1 => (id, epoch + 1),
            _ => (self.next(), 0),
        };
        self.transactional.insert(name.to_owned(), (id, epoch));
        self.epochs.insert(id, epoch);
        Ok((id, epoch))
    }

    fn next(&mut self) -> i64 {
        self.handed_out += 1;
        FIRST_PRODUCER_ID + self.handed_out - 1
    }
}

const FIRST_PRODUCER_ID: i64 = 1000;
/// Kafka's default of `transaction.max.timeout.ms`.
const MAX_TRANSACTION_TIMEOUT_MS: i32 = 900_000;
