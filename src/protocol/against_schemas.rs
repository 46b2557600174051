//! What we encode is what Kafka's schemas say, and what they say we decode, in each version that we claim.
//! Unit tests, because the messages are private.

use std::sync::Arc;

use harness::jars::KafkaJars;
use harness::schema::{SchemaValue, Schemas};

use super::messages::{AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use super::messages::{ApiVersionsRequest, InitProducerIdRequest, MetadataRequest};
use super::messages::{Coordinator, CoordinatorType, EndTxnRequest, FindCoordinatorRequest};
use super::messages::{GetTelemetrySubscriptionsRequest, PushTelemetryRequest};
use super::messages::{PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData};
use super::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use super::messages::{TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use super::request::{Request, decode_response, encode_request};
use crate::cluster::ReplicaList;
use crate::record::TopicName;
use crate::uuid::Uuid;

const NEWEST: &str = "4.3.1";

/// `(API key, version)`: the APIs whose newer versions are for brokers only.
const NEWEST_OF_CLIENTS: [(i16, i16); 1] = [(24, 3)];

/// The API whose unstable version is spoken as well, where a setting asks for it: InitProducerId, for two-phase commit.
const UNSTABLE: i16 = 22;

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn versions_lie_in_the_stable_range_of_the_newest_kafka() {
    fn check<R: Request>(schemas: &Schemas) {
        let stable = match R::KEY {
            UNSTABLE => schemas.valid_versions(R::KEY).unwrap(),
            key => schemas.stable_versions(key).unwrap(),
        };
        let newest =
            NEWEST_OF_CLIENTS.iter().find(|(key, _)| *key == R::KEY).map_or(*stable.end(), |row| row.1);
        assert!(
            R::VERSIONS.start() >= stable.start() && *R::VERSIONS.end() == newest && newest <= *stable.end(),
            "{}: {stable:?}",
            R::NAME
        );
        let flexible = schemas.first_flexible_version(R::KEY);
        assert_eq!(flexible.unwrap_or(i16::MAX), R::FLEXIBLE_FROM, "{}", R::NAME);
    }
    let schemas = schemas();
    check::<ProduceRequest>(&schemas);
    check::<MetadataRequest>(&schemas);
    check::<InitProducerIdRequest>(&schemas);
    check::<FindCoordinatorRequest>(&schemas);
    check::<AddPartitionsToTxnRequest>(&schemas);
    check::<AddOffsetsToTxnRequest>(&schemas);
    check::<TxnOffsetCommitRequest>(&schemas);
    check::<EndTxnRequest>(&schemas);
    check::<ApiVersionsRequest>(&schemas);
    check::<SaslHandshakeRequest>(&schemas);
    check::<SaslAuthenticateRequest<'_>>(&schemas);
    check::<GetTelemetrySubscriptionsRequest>(&schemas);
    check::<PushTelemetryRequest>(&schemas);
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn requests_are_what_the_schemas_say() {
    let schemas = schemas();
    each_version(&schemas, &produce(), |version, body| {
        assert!(body["TransactionalId"] == "tx" && body["Acks"] == -1 && body["TimeoutMs"] == 30_000);
        let (topics, uuid) =
            (&body["TopicData"], SchemaValue::Uuid(std::array::from_fn(|index| index as u8)));
        assert_eq!(topics.elements().len(), 2);
        match version {
            13.. => assert_eq!(topics[0]["TopicId"], uuid),
            _ => assert!(topics[0]["Name"] == "first" && topics[1]["Name"] == "zweites ☎"),
        }
        for (topic, count) in topics.elements().iter().zip([2, 1]) {
            assert_eq!(topic["PartitionData"].elements().len(), count);
            for (index, partition) in topic["PartitionData"].elements().iter().enumerate() {
                assert_eq!(partition["Index"].int(), index as i64);
                assert_eq!(partition["Records"], SchemaValue::Bytes(vec![index as u8; 150 * (index + 1)]));
            }
        }
    });
    for topics in [None, Some(vec![]), Some(vec![TopicName::from("a"), TopicName::from("b")])] {
        let request = MetadataRequest { topics: topics.clone(), allow_auto_topic_creation: true };
        each_version(&schemas, &request, |version, body| {
            assert!(version < 4 || body["AllowAutoTopicCreation"] == true);
            match &topics {
                None => assert_eq!(body["Topics"], SchemaValue::Null),
                Some(names) => {
                    let seen: Vec<_> =
                        body["Topics"].elements().iter().map(|topic| topic["Name"].text().unwrap()).collect();
                    assert_eq!(seen, names.iter().map(TopicName::as_str).collect::<Vec<_>>());
                }
            }
        });
    }
    for transactional_id in [None, Some(Arc::from("tx"))] {
        let request = InitProducerIdRequest {
            transactional_id,
            transaction_timeout_ms: 60_000,
            producer_id: 1 << 40,
            producer_epoch: 7,
            enable_2pc: true,
            keep_prepared: false,
        };
        each_version(&schemas, &request, |version, body| {
            assert!(version < 6 || body["Enable2Pc"] == true && body["KeepPreparedTxn"] == false);
            assert_eq!(body["TransactionalId"].text(), request.transactional_id.as_deref());
            assert!(body["TransactionTimeoutMs"] == 60_000);
            assert!(version < 3 || body["ProducerId"] == 1 << 40 && body["ProducerEpoch"] == 7);
        });
    }
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn requests_of_a_transaction_are_what_the_schemas_say() {
    let schemas = schemas();
    let key_type = CoordinatorType::Group;
    each_version(&schemas, &FindCoordinatorRequest { key: "key".into(), key_type }, |version, body| {
        assert!(version < 1 || body["KeyType"] == 0);
        assert!(version >= 4 || body["Key"] == "key");
        assert!(version < 4 || body["CoordinatorKeys"].elements().iter().all(|key| *key == "key"));
    });
    let (transactional_id, group_id) = (Arc::<str>::from("tx"), Arc::<str>::from("group"));
    let ours = |body: &SchemaValue| {
        assert!(
            body["TransactionalId"] == "tx" && body["ProducerId"] == 1 << 40 && body["ProducerEpoch"] == 7
        );
    };
    let (producer_id, producer_epoch) = (1 << 40, 7);
    let topic = AddPartitionsToTxnTopic { name: "topic".into(), partitions: vec![3, 5] };
    let request = AddPartitionsToTxnRequest {
        transactional_id: transactional_id.clone(),
        producer_id,
        producer_epoch,
        topics: vec![topic],
    };
    each_version(&schemas, &request, |_, body| {
        assert!(body["V3AndBelowTransactionalId"] == "tx" && body["V3AndBelowProducerId"] == 1 << 40);
        assert!(body["V3AndBelowProducerEpoch"] == 7);
        let topic = &body["V3AndBelowTopics"][0];
        assert!(topic["Name"] == "topic" && topic["Partitions"][0] == 3 && topic["Partitions"][1] == 5);
    });
    let request = AddOffsetsToTxnRequest {
        transactional_id: transactional_id.clone(),
        producer_id,
        producer_epoch,
        group_id: group_id.clone(),
    };
    each_version(&schemas, &request, |_, body| {
        ours(body);
        assert!(body["GroupId"] == "group");
    });
    for committed in [false, true] {
        let transactional_id = transactional_id.clone();
        let request =
            EndTxnRequest { transactional_id, producer_id, producer_epoch, committed, transaction_v2: true };
        each_version(&schemas, &request, |_, body| {
            ours(body);
            assert!(body["Committed"] == committed);
        });
    }
    each_version(&schemas, &txn_offset_commit(transactional_id, group_id), |version, body| {
        ours(body);
        assert!(body["GroupId"] == "group");
        assert!(version < 3 || body["GenerationId"] == 4 && body["MemberId"] == "member");
        assert!(version < 3 || body["GroupInstanceId"] == "instance");
        let topic = &body["Topics"][0];
        let partition = &topic["Partitions"][0];
        assert!(topic["Name"] == "topic" && partition["PartitionIndex"] == 3);
        assert!(partition["CommittedOffset"] == 1 << 33 && partition["CommittedMetadata"] == "words");
        assert!(version < 2 || partition["CommittedLeaderEpoch"] == 9);
    });
}

fn txn_offset_commit(transactional_id: Arc<str>, group_id: Arc<str>) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition {
        partition_index: 3,
        committed_offset: 1 << 33,
        committed_leader_epoch: 9,
        committed_metadata: Some("words".into()),
    };
    TxnOffsetCommitRequest {
        transactional_id,
        group_id,
        producer_id: 1 << 40,
        producer_epoch: 7,
        generation_id: 4,
        member_id: "member".into(),
        group_instance_id: Some("instance".into()),
        topics: vec![TxnOffsetCommitRequestTopic { name: "topic".into(), partitions: vec![partition] }],
        transaction_v2: true,
    }
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn requests_of_a_handshake_are_what_the_schemas_say() {
    let schemas = schemas();
    let request =
        ApiVersionsRequest { client_software_name: "kafka-producer", client_software_version: "0.1.0" };
    each_version(&schemas, &request, |version, body| {
        assert!(
            version < 3
                || body["ClientSoftwareName"] == "kafka-producer" && body["ClientSoftwareVersion"] == "0.1.0"
        );
    });
    each_version(&schemas, &SaslHandshakeRequest { mechanism: "PLAIN" }, |_, body| {
        assert_eq!(body["Mechanism"].text(), Some("PLAIN"));
    });
    for length in [0, 1, 126, 127, 128, 70_000] {
        let token = vec![0xa5; length];
        each_version(&schemas, &SaslAuthenticateRequest { auth_bytes: &token }, |_, body| {
            assert_eq!(body["AuthBytes"], SchemaValue::Bytes(token.clone()));
        });
    }
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn produce_responses_are_read_as_the_schemas_say() {
    each_response::<ProduceRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        all(body, "NodeEndpoints", &ours.node_endpoints, |ours, body| {
            same(body, "NodeId", ours.node_id);
            same(body, "Port", ours.port);
            assert_eq!((body["Host"].text(), body["Rack"].text()), (Some(&*ours.host), ours.rack.as_deref()));
        });
        all(body, "Responses", &ours.responses, |ours, body| {
            assert!(body.get("Name").is_none_or(|name| *name == ours.name.as_str()));
            assert!(body.get("TopicId").is_none_or(|id| *id == SchemaValue::Uuid(ours.topic_id.0)));
            all(body, "PartitionResponses", &ours.partition_responses, same_partition_response);
        });
    });
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn metadata_responses_are_read_as_the_schemas_say() {
    each_response::<MetadataRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        same(body, "ControllerId", ours.controller_id);
        same(body, "ErrorCode", ours.error_code.0);
        assert!(body.get("ClusterId").is_none_or(|id| id.text() == ours.cluster_id.as_deref()));
        all(body, "Brokers", &ours.brokers, |ours, body| {
            same(body, "NodeId", ours.node_id);
            same(body, "Port", ours.port);
            assert_eq!((body["Host"].text(), body["Rack"].text()), (Some(&*ours.host), ours.rack.as_deref()));
        });
        let named = body["Topics"].elements().iter().filter(|topic| topic["Name"].text().is_some());
        let named: Vec<_> = named.collect();
        assert_eq!(ours.topics.len(), named.len());
        for (topic, body) in ours.topics.iter().zip(named) {
            same(body, "ErrorCode", topic.error_code.0);
            assert_eq!(body["Name"].text(), Some(topic.name.as_str()));
            assert!(body.get("TopicId").is_none_or(|id| *id == SchemaValue::Uuid(topic.topic_id.0)));
            assert!(body["IsInternal"] == topic.is_internal);
            all(body, "Partitions", &topic.partitions, |ours, body| {
                same(body, "PartitionIndex", ours.partition_index);
                same(body, "LeaderId", ours.leader_id);
                same(body, "LeaderEpoch", ours.leader_epoch);
                for (list, field) in [
                    (ReplicaList::All, "ReplicaNodes"),
                    (ReplicaList::InSync, "IsrNodes"),
                    (ReplicaList::Offline, "OfflineReplicas"),
                ] {
                    all(body, field, topic.replicas.get(ours.replicas, list), |ours, node| {
                        assert!(*node == i64::from(*ours))
                    });
                }
            });
        }
    });
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn init_producer_id_responses_are_read_as_the_schemas_say() {
    each_response::<InitProducerIdRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        same(body, "ErrorCode", ours.error_code.0);
        same(body, "ProducerId", ours.producer_id);
        same(body, "ProducerEpoch", ours.producer_epoch);
        if body.get("OngoingTxnProducerId").is_some() {
            same(body, "OngoingTxnProducerId", ours.ongoing_txn_producer_id);
            same(body, "OngoingTxnProducerEpoch", ours.ongoing_txn_producer_epoch);
        }
    });
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn responses_of_a_transaction_are_read_as_the_schemas_say() {
    each_response::<FindCoordinatorRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        let one = |ours: &Coordinator, body: &SchemaValue| {
            assert!(body.get("Key").is_none_or(|key| key.text() == ours.key.as_deref()));
            same(body, "NodeId", ours.node_id);
            same(body, "Port", ours.port);
            same(body, "ErrorCode", ours.error_code.0);
            assert_eq!(body["Host"].text(), Some(&*ours.host));
            assert!(body.get("ErrorMessage").is_none_or(|it| it.text() == ours.error_message.as_deref()));
        };
        match body.get("Coordinators") {
            Some(_) => all(body, "Coordinators", &ours.coordinators, one),
            None => one(&ours.coordinators[0], body),
        }
    });
    each_response::<AddPartitionsToTxnRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        all(body, "ResultsByTopicV3AndBelow", &ours.results_by_topic, |ours, body| {
            assert!(body["Name"] == ours.name.as_str());
            all(body, "ResultsByPartition", &ours.results_by_partition, |ours, body| {
                same(body, "PartitionIndex", ours.partition_index);
                same(body, "PartitionErrorCode", ours.partition_error_code.0);
            });
        });
    });
    each_response::<AddOffsetsToTxnRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        same(body, "ErrorCode", ours.error_code.0);
    });
    each_response::<TxnOffsetCommitRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        all(body, "Topics", &ours.topics, |ours, body| {
            assert!(body["Name"] == ours.name.as_str());
            all(body, "Partitions", &ours.partitions, |ours, body| {
                same(body, "PartitionIndex", ours.partition_index);
                same(body, "ErrorCode", ours.error_code.0);
            });
        });
    });
    each_response::<EndTxnRequest>(&schemas(), |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        same(body, "ErrorCode", ours.error_code.0);
        same(body, "ProducerId", ours.producer_id);
        same(body, "ProducerEpoch", ours.producer_epoch);
    });
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn sasl_responses_are_read_as_the_schemas_say() {
    each_response::<SaslHandshakeRequest>(&schemas(), |ours, body| {
        same(body, "ErrorCode", ours.error_code.0);
        all(body, "Mechanisms", &ours.mechanisms, |ours, body| assert_eq!(body.text(), Some(&**ours)));
    });
    each_response::<SaslAuthenticateRequest<'_>>(&schemas(), |ours, body| {
        same(body, "ErrorCode", ours.error_code.0);
        assert_eq!(body["ErrorMessage"].text(), ours.error_message.as_deref());
        assert_eq!(body["AuthBytes"], SchemaValue::Bytes(ours.auth_bytes.clone()));
        same(body, "SessionLifetimeMs", ours.session_lifetime_ms);
    });
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn api_versions_responses_are_read_as_the_schemas_say() {
    each_response::<ApiVersionsRequest>(&schemas(), |ours, body| {
        same(body, "ErrorCode", ours.error_code.0);
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        same(body, "FinalizedFeaturesEpoch", ours.finalized_features_epoch);
        assert!(body.get("ZkMigrationReady").is_none_or(|ready| *ready == ours.zk_migration_ready));
        all(body, "ApiKeys", &ours.api_keys, |ours, body| {
            same(body, "ApiKey", ours.api_key);
            same(body, "MinVersion", ours.min_version);
            same(body, "MaxVersion", ours.max_version);
        });
        all(body, "SupportedFeatures", &ours.supported_features, |ours, body| {
            assert!(body["Name"] == ours.name.as_str());
            same(body, "MinVersion", ours.min_version);
            same(body, "MaxVersion", ours.max_version);
        });
        all(body, "FinalizedFeatures", &ours.finalized_features, |ours, body| {
            assert!(body["Name"] == ours.name.as_str());
            same(body, "MaxVersionLevel", ours.max_version_level);
            same(body, "MinVersionLevel", ours.min_version_level);
        });
    });
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn messages_of_telemetry_are_what_the_schemas_say() {
    let (schemas, client_instance_id) = (schemas(), Uuid(std::array::from_fn(|index| index as u8)));
    let asks = GetTelemetrySubscriptionsRequest { client_instance_id };
    let is_ours = |body: &SchemaValue| body["ClientInstanceId"] == SchemaValue::Uuid(client_instance_id.0);
    each_version(&schemas, &asks, |_, body| assert!(is_ours(body)));
    let metrics = Arc::new(vec![0xa5; 70_000]);
    let push = PushTelemetryRequest {
        client_instance_id,
        subscription_id: 7,
        terminating: true,
        compression_type: 4,
        metrics: Arc::clone(&metrics),
    };
    each_version(&schemas, &push, |_, body| {
        assert!(is_ours(body) && body["SubscriptionId"] == 7 && body["Terminating"] == true);
        assert!(
            body["CompressionType"] == 4 && body["Metrics"] == SchemaValue::Bytes(metrics.as_ref().clone())
        );
    });
    each_response::<GetTelemetrySubscriptionsRequest>(&schemas, |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        same(body, "ErrorCode", ours.error_code.0);
        assert_eq!(body["ClientInstanceId"], SchemaValue::Uuid(ours.client_instance_id.0));
        same(body, "SubscriptionId", ours.subscription_id);
        all(body, "AcceptedCompressionTypes", &ours.accepted_compression_types, |ours, body| {
            assert!(*body == i64::from(*ours))
        });
        same(body, "PushIntervalMs", ours.push_interval_ms);
        same(body, "TelemetryMaxBytes", ours.telemetry_max_bytes);
        assert!(body["DeltaTemporality"] == ours.delta_temporality);
        all(body, "RequestedMetrics", &ours.requested_metrics, |ours, body| {
            assert_eq!(body.text(), Some(&**ours))
        });
    });
    each_response::<PushTelemetryRequest>(&schemas, |ours, body| {
        same(body, "ThrottleTimeMs", ours.throttle_time_ms);
        same(body, "ErrorCode", ours.error_code.0);
    });
}

fn same_partition_response(ours: &PartitionProduceResponse, body: &SchemaValue) {
    same(body, "Index", ours.index);
    same(body, "ErrorCode", ours.error_code.0);
    same(body, "BaseOffset", ours.base_offset);
    same(body, "LogAppendTimeMs", ours.log_append_time_ms);
    same(body, "LogStartOffset", ours.log_start_offset);
    assert!(body.get("ErrorMessage").is_none_or(|message| message.text() == ours.error_message.as_deref()));
    all(body, "RecordErrors", &ours.record_errors, |ours, body| {
        same(body, "BatchIndex", ours.batch_index);
        assert_eq!(body["BatchIndexErrorMessage"].text(), ours.batch_index_error_message.as_deref());
    });
    if let Some(leader) = body.get("CurrentLeader") {
        // Where it is left out, the schema says what it is.
        let (id, epoch) =
            ours.current_leader.map_or((-1, -1), |leader| (leader.leader_id, leader.leader_epoch));
        same(leader, "LeaderId", id);
        same(leader, "LeaderEpoch", epoch);
    }
}

/// Equal, if this version has the field.
fn same(body: &SchemaValue, name: &str, ours: impl Into<i64>) {
    let ours = ours.into();
    assert!(body.get(name).is_none_or(|value| *value == ours), "{name} {ours} in {body:?}");
}

/// The same elements, if this version has the field.
fn all<T>(body: &SchemaValue, name: &str, ours: &[T], check: impl Fn(&T, &SchemaValue)) {
    if let Some(array) = body.get(name) {
        assert_eq!(array.elements().len(), ours.len(), "{name}");
        ours.iter().zip(array.elements()).for_each(|(ours, element)| check(ours, element));
    }
}

/// Made-up responses of every version: read and compared; cut anywhere or too long they are errors.
fn each_response<R: Request>(schemas: &Schemas, check: impl Fn(&R::Response, &SchemaValue)) {
    for version in R::VERSIONS {
        for seed in 0..100 {
            let body = schemas.sample_response(R::KEY, version, seed);
            let frame = schemas.encode_response_frame(R::KEY, version, 42, &body).unwrap();
            match decode_response::<R>(version, &frame) {
                Ok(ours) => check(&ours, &body),
                Err(error) => panic!("{} version {version} seed {seed}: {error:?}\n{body:?}", R::NAME),
            }
            for length in 0..frame.len() {
                assert!(
                    decode_response::<R>(version, &frame[..length]).is_err(),
                    "{} cut at {length}",
                    R::NAME
                );
            }
            assert!(decode_response::<R>(version, &[&frame[..], &[0]].concat()).is_err());
        }
    }
}

fn schemas() -> Schemas {
    KafkaJars::fetch(NEWEST).schemas()
}

/// Encodes in every version, checks size and header, and hands the body over.
fn each_version<R: Request>(schemas: &Schemas, request: &R, check: impl Fn(i16, &SchemaValue)) {
    for version in R::VERSIONS {
        let message = encode_request(request, version, 77, "client");
        let mut frame = Vec::new();
        let mut from = 0;
        for (position, batch) in &message.splices {
            frame.extend(&message.bytes[from..*position]);
            frame.extend(batch.iter());
            from = *position;
        }
        frame.extend(&message.bytes[from..]);
        let (size, frame) = frame.split_at(4);
        assert_eq!(u32::from_be_bytes(size.try_into().unwrap()) as usize, frame.len());
        let (header, body) = match schemas.decode_request_frame(frame) {
            Ok(decoded) => decoded,
            Err(error) => panic!("{} version {version}: {error}", R::NAME),
        };
        assert!(
            header["RequestApiKey"] == i64::from(R::KEY) && header["RequestApiVersion"] == i64::from(version)
        );
        assert!(header["CorrelationId"] == 77 && header["ClientId"] == "client");
        check(version, &body);
    }
}

fn produce() -> ProduceRequest {
    let partition = |index: i32| {
        let records = vec![index as u8; 150 * (index as usize + 1)];
        PartitionProduceData { index, records: Arc::new(records) }
    };
    let topic = |name: &'static str, count: i32| TopicProduceData {
        name: TopicName::from(name),
        topic_id: Uuid(std::array::from_fn(|index| index as u8)),
        partitions: (0..count).map(partition).collect(),
    };
    ProduceRequest {
        transactional_id: Some(Arc::from("tx")),
        transaction_v2: true,
        acks: -1,
        timeout_ms: 30_000,
        topics: vec![topic("first", 2), topic("zweites ☎", 1)],
    }
}
