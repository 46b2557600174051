// Java's producer, used as tests/soak/writers.rs uses ours, with the same journal (tests/soak/journal.rs).
// Arguments: bootstrap servers, run, seed, journal, then settings as name=value. Stops when standard input ends.
// Prints its counts every half second (tried, failed, then the acknowledged of each thread), and "closed" at the end.

import java.io.BufferedWriter;
import java.io.FileWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class SoakWriter {
    static final int THREADS = 6, ONE_BY_ONE = 3, REBORN_FROM = 4;
    static final AtomicLong tried = new AtomicLong(), failed = new AtomicLong();
    static final AtomicLongArray acknowledged = new AtomicLongArray(THREADS);
    static volatile boolean over;
    static PrintWriter journal;

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", arguments[0], "client.id", "soak"));
        for (int i = 4; i < arguments.length; i++) {
            int equals = arguments[i].indexOf('=');
            config.put(arguments[i].substring(0, equals), arguments[i].substring(equals + 1));
        }
        journal = new PrintWriter(new BufferedWriter(new FileWriter(arguments[3]), 1 << 16));
        var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        Thread[] threads = new Thread[THREADS];
        for (int i = 0; i < THREADS; i++) {
            int thread = i;
            threads[i] = new Thread(() -> write(producer, arguments[1], thread, new Random(Long.parseUnsignedLong(arguments[2]) * 31 + thread)));
            threads[i].start();
        }
        Thread teller = new Thread(SoakWriter::tell);
        teller.setDaemon(true);
        teller.start();
        while (System.in.read() >= 0) {}
        over = true;
        for (Thread thread : threads)
            thread.join();
        producer.close();
        journal.close();
        counts();
        System.out.println("closed");
    }

    static void tell() {
        while (true) {
            counts();
            pause(500);
        }
    }

    static synchronized void counts() {
        StringBuilder line = new StringBuilder("counts " + tried + " " + failed);
        for (int i = 0; i < THREADS; i++)
            line.append(' ').append(acknowledged.get(i));
        System.out.println(line);
    }

    static void write(KafkaProducer<byte[], byte[]> producer, String run, int thread, Random random) {
        long number = 0;
        while (!over) {
            boolean burst = random.nextInt(4) == 0;
            int count = burst ? 50 + random.nextInt(250) : 10 + random.nextInt(30);
            int wait = burst ? 0 : 2 + random.nextInt(10);
            for (int i = 0; i < count && !over; i++) {
                send(producer, run, thread, number++, random);
                if (wait > 0)
                    pause(wait);
            }
            pause(20 + random.nextInt(380));
        }
    }

    static void send(KafkaProducer<byte[], byte[]> producer, String run, int thread, long number, Random random) {
        String topic = thread >= REBORN_FROM ? "soak-reborn" : random.nextBoolean() ? "soak-growing" : "soak-steady";
        String key = random.nextBoolean() ? "key-" + thread + "-" + random.nextInt(23) : null;
        int padding = random.nextInt(50) == 0 ? 3000 : random.nextInt(300);
        String value = run + " " + thread + " " + number + " " + topic + " " + (key == null ? "-" : key) + " " + padding + " " + "x".repeat(padding);
        String id = " " + thread + " " + number + " " + topic + " ";
        tried.incrementAndGet();
        note("T" + id, "");
        try {
            var sent = producer.send(new ProducerRecord<>(topic, bytes(key), bytes(value)), (metadata, exception) -> {
                if (exception == null) {
                    note("K" + id, metadata.partition() + " " + (metadata.hasOffset() ? metadata.offset() : "-"));
                    acknowledged.incrementAndGet(thread);
                } else {
                    note("F" + id, "? " + exception);
                    failed.incrementAndGet();
                }
            });
            if (thread == ONE_BY_ONE)
                sent.get();
        } catch (java.util.concurrent.ExecutionException exception) {
            // The callback has told of it.
        } catch (Exception exception) {
            note("R" + id, exception.toString());
            failed.incrementAndGet();
            pause(50);
        }
    }

    static void note(String event, String rest) {
        journal.println(event + System.currentTimeMillis() + " " + rest.replace('\n', ' '));
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static void pause(int ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException exception) {
            throw new IllegalStateException(exception);
        }
    }
}
