//! FindCoordinator: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{
    Coordinator, CoordinatorType, FindCoordinatorRequest, FindCoordinatorResponse, Request,
};

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| {
        let key_type = if g.bool() { CoordinatorType::Group } else { CoordinatorType::Transaction };
        FindCoordinatorRequest {
            key: g.text().into(),
            key_type: g.since(1, CoordinatorType::Group, |_| key_type),
        }
    };
    requests(request, |ours, version| {
        let is_transaction = ours.key_type == CoordinatorType::Transaction;
        let blank = theirs::FindCoordinatorRequest::default().with_key_type(i8::from(is_transaction));
        match version {
            ..4 => blank.with_key(theirs_text(&ours.key)),
            _ => blank.with_coordinator_keys(vec![theirs_text(&ours.key)]),
        }
    });
}

#[test]
fn only_groups_are_looked_up_where_the_kind_of_key_cannot_be_said() {
    let request = |key_type| FindCoordinatorRequest { key: "x".into(), key_type };
    let oldest =
        [CoordinatorType::Group, CoordinatorType::Transaction].map(|it| request(it).oldest_version());
    assert_eq!(oldest, [0, 1]);
}

#[test]
fn responses_are_read_as_meant() {
    let response = |g: &mut Generator| {
        let blank = theirs::FindCoordinatorResponse::default()
            .with_throttle_time_ms(g.since(1, 0, Generator::i32))
            .with_unknown_tagged_fields(g.unknown_tags(0));
        if g.version >= 4 {
            return blank.with_coordinators(g.long_list(coordinator));
        }
        let one = coordinator(g);
        blank
            .with_error_code(one.error_code)
            .with_error_message(g.since(1, None, |_| one.error_message))
            .with_node_id(one.node_id)
            .with_host(one.host)
            .with_port(one.port)
    };
    responses::<FindCoordinatorRequest, _>(response, |theirs, version| FindCoordinatorResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        coordinators: match version {
            ..4 => vec![Coordinator {
                key: None,
                node_id: theirs.node_id.0,
                host: theirs.host.to_string(),
                port: theirs.port,
                error_code: ErrorCode(theirs.error_code),
                // Version 0 has none, and their default is an empty text.
                error_message: theirs.error_message.as_deref().filter(|_| version >= 1).map(Box::from),
            }],
            _ => theirs.coordinators.iter().map(ours).collect(),
        },
    });
}

fn coordinator(g: &mut Generator) -> theirs::find_coordinator_response::Coordinator {
    theirs::find_coordinator_response::Coordinator::default()
        .with_key(theirs_text(&g.text()))
        .with_node_id(g.i32().into())
        .with_host(theirs_text(&g.text()))
        .with_port(g.i32())
        .with_error_code(g.i16())
        .with_error_message(g.optional(|g| theirs_text(&g.text())))
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn ours(theirs: &theirs::find_coordinator_response::Coordinator) -> Coordinator {
    Coordinator {
        key: Some(theirs.key.to_string()),
        node_id: theirs.node_id.0,
        host: theirs.host.to_string(),
        port: theirs.port,
        error_code: ErrorCode(theirs.error_code),
        error_message: theirs.error_message.as_deref().map(Box::from),
    }
}
