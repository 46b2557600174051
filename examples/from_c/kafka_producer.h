/* kafka-producer for C. Every function may be called from any thread, but for kp_close, which is the last call of all.
 *
 * A function that fails returns NULL or false and fills `*error`; NULL in its place means that nobody wants to know.
 * Texts are UTF-8 and end with 0. Nothing that is given is kept after the call, but `context`.
 */
#ifndef KAFKA_PRODUCER_H
#define KAFKA_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kp_producer kp_producer;

/* Bytes of a key or a value. `data` NULL: there is none, which is not the same as none of length 0. */
typedef struct {
    const uint8_t *data;
    size_t length;
} kp_bytes;

/* Where a record is in the log. `offset` is -1 with acks=0, where nobody tells. */
typedef struct {
    int64_t offset;
    int32_t partition;
} kp_place;

typedef struct {
    bool possibly_written; /* the record may be in the log all the same */
    bool retriable;        /* the same call may succeed later */
    bool fatal;            /* close this producer and open another */
    char text[509];        /* for people; cut off if it is longer */
} kp_error;

/* What kp_close has found. */
typedef struct {
    uint64_t delivered; /* acknowledged while it waited */
    uint64_t lost;      /* failed or given up while it waited */
} kp_report;

/* Runs on the producer's own thread, once for each record that was accepted; one of `place` and `error` is NULL. Must be quick,
 * and must not call kp_close. */
typedef void (*kp_callback)(uintptr_t context, const kp_place *place, const kp_error *error);

/* `properties`: the text of a producer.properties file, such as "bootstrap.servers=localhost:9092\nacks=all\n". */
kp_producer *kp_open(const char *properties, kp_error *error);

/* Accepts a record; `callback`, which may be NULL, is told its outcome later. Waits for at most max.block.ms. */
bool kp_send(const kp_producer *producer, const char *topic, kp_bytes key, kp_bytes value, kp_callback callback,
             uintptr_t context, kp_error *error);

/* Sends a record and waits for its outcome. */
bool kp_send_and_wait(const kp_producer *producer, const char *topic, kp_bytes key, kp_bytes value, kp_place *place,
                      kp_error *error);

/* Waits until everything accepted is answered, for at most `timeout_ms`, and frees the producer, also where it fails. */
bool kp_close(kp_producer *producer, uint32_t timeout_ms, kp_report *report, kp_error *error);

#endif
