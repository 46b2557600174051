/* Sends from C: one record that is waited for, a thousand whose outcomes come to a callback, and one that cannot be sent.
 * Usage: send HOST:PORT,... TOPIC. Ends with 0 if everything went as it should. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kafka_producer.h"

static atomic_int delivered, failed;

static kp_bytes bytes(const char *text) {
    return (kp_bytes){(const uint8_t *)text, text ? strlen(text) : 0};
}

static void on_outcome(uintptr_t context, const kp_place *place, const kp_error *error) {
    (void)place;
    if (error) {
        fprintf(stderr, "record %lu: %s%s\n", (unsigned long)context, error->text,
                error->possibly_written ? " (it may be in the log)" : "");
        atomic_fetch_add(&failed, 1);
    } else {
        atomic_fetch_add(&delivered, 1);
    }
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: %s HOST:PORT,... TOPIC\n", arguments[0]);
        return 2;
    }
    const char *topic = arguments[2];
    char properties[1000];
    kp_error error;
    snprintf(properties, sizeof properties, "bootstrap.servers=%s\nlinger.ms=5\ndelivery.timeout.ms=60000\n", arguments[1]);
    kp_producer *producer = kp_open(properties, &error);
    if (!producer) {
        fprintf(stderr, "no producer: %s\n", error.text);
        return 1;
    }

    kp_place place;
    if (!kp_send_and_wait(producer, topic, bytes("HELLO"), bytes("WORLD"), &place, &error)) {
        fprintf(stderr, "not sent: %s\n", error.text);
        kp_close(producer, 0, NULL, NULL);
        return 1;
    }
    printf("%s-%d@%lld\n", topic, (int)place.partition, (long long)place.offset);

    for (int number = 0; number < 1000; number++) {
        char value[32];
        snprintf(value, sizeof value, "record %d", number);
        if (!kp_send(producer, topic, bytes(NULL), bytes(value), on_outcome, (uintptr_t)number, &error)) {
            fprintf(stderr, "not accepted: %s\n", error.text);
            atomic_fetch_add(&failed, 1);
        }
    }
    if (!kp_send(producer, "no such topic", bytes(NULL), bytes("-"), NULL, 0, &error)) {
        printf("not accepted: %s\n", error.text);
    }

    kp_report report;
    if (!kp_close(producer, 10000, &report, &error)) {
        fprintf(stderr, "not closed: %s\n", error.text);
        return 1;
    }
    printf("%d delivered, %d failed, %llu lost by closing\n", delivered, failed, (unsigned long long)report.lost);
    return failed || report.lost ? 1 : 0;
}
