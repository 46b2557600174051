// client-java: the work of the benchmark by Java's producer, as the other clients do it: the same command line (work.rs),
// the same files of values (payloads.rs), the same way of measuring (callers.rs). Compiled by compare, which also gives it
// its jars.

import com.sun.management.OperatingSystemMXBean;
import java.io.DataInputStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CyclicBarrier;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.utils.AppInfoParser;

public class ClientJava {
    static final int SAMPLED = 64;
    static final OperatingSystemMXBean SYSTEM = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    static final Map<String, String> work = new HashMap<>();
    static final Properties properties = new Properties();
    static String topic;
    static byte[][] values, keys;
    static int betweenLooks;

    // Written by the one thread that calls back.
    static long told;
    static float[] samples = new float[1 << 20];
    static int sampleCount;

    public static void main(String[] arguments) throws Exception {
        List<String> words = Arrays.asList(arguments);
        int end = words.indexOf("--");
        for (String word : words.subList(0, end)) put(work, word);
        configure();
        Map<String, String> more = new HashMap<>();
        for (String word : words.subList(end + 1, words.size())) put(more, word);
        properties.putAll(more);
        topic = work.get("topic");
        readTables();
        String report = switch (work.get("mode")) {
            case "throughput" -> throughput();
            case "latency" -> latency();
            case "transactions" -> transactions();
            case "connect" -> connect();
            case "cold" -> cold();
            case "idle" -> idle();
            default -> throw new IllegalArgumentException(work.get("mode"));
        };
        String peak = Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(line -> line.startsWith("VmHWM:")).findFirst().orElseThrow().replaceAll("[^0-9]", "");
        System.out.println(report + " version=" + AppInfoParser.getVersion() + " peak_kib=" + peak);
    }

    static void put(Map<String, String> map, String word) {
        String[] sides = word.split("=", 2);
        map.put(sides[0], sides[1]);
    }

    static long number(String name) {
        return Long.parseLong(work.get(name));
    }

    static void configure() {
        boolean waits = work.get("mode").equals("latency") || work.get("mode").equals("cold");
        String bytes = "org.apache.kafka.common.serialization.ByteArraySerializer";
        String[] fixed = {
            "bootstrap.servers", work.get("address"), "key.serializer", bytes, "value.serializer", bytes, "acks", "all",
            "enable.idempotence", work.get("idempotent"), "linger.ms", waits ? "0" : "5", "batch.size", work.get("batch_size"),
            "buffer.memory", "67108864", "max.request.size", "2097152", "max.in.flight.requests.per.connection", "5",
            "compression.type", work.get("codec"), "enable.metrics.push", "false",
        };
        for (int i = 0; i < fixed.length; i += 2) properties.setProperty(fixed[i], fixed[i + 1]);
        if (work.get("mode").equals("transactions")) properties.setProperty("transactional.id", work.get("topic"));
    }

    static void readTables() throws Exception {
        if (work.get("payloads").isEmpty()) return;
        List<byte[]> read = new ArrayList<>();
        long bytes = 0;
        try (DataInputStream file = new DataInputStream(Files.newInputStream(Path.of(work.get("payloads"))))) {
            for (byte[] all = file.readAllBytes(); bytes + 4L * read.size() < all.length; ) {
                int at = (int) (bytes + 4L * read.size());
                int length = java.nio.ByteBuffer.wrap(all, at, 4).getInt();
                read.add(Arrays.copyOfRange(all, at + 4, at + 4 + length));
                bytes += length;
            }
        }
        values = read.toArray(new byte[0][]);
        betweenLooks = (int) Math.max(1, Math.min(512, 65536 / Math.max(1, bytes / values.length)));
        int count = (int) number("keys");
        if (count == 0) return;
        keys = new byte[count][];
        for (int i = 0; i < count; i++)
            keys[i] = String.format("%0" + (8 + i % 9) + "d", i).getBytes(StandardCharsets.US_ASCII);
    }

    /** One thread that sends. */
    abstract static class Caller extends Thread {
        final KafkaProducer<byte[], byte[]> producer;
        final CyclicBarrier barrier;
        int value, key;
        boolean begun;
        long warmUp, window, cpu;

        Caller(KafkaProducer<byte[], byte[]> producer, CyclicBarrier barrier, int index, int threads) {
            this.producer = producer;
            this.barrier = barrier;
            value = values.length * index / threads;
            key = keys == null ? 0 : keys.length * index / threads;
        }

        abstract long sendUntil(long end) throws Exception;

        ProducerRecord<byte[], byte[]> record() {
            byte[] next = values[value];
            value = value + 1 == values.length ? 0 : value + 1;
            if (keys == null) return new ProducerRecord<>(topic, next);
            byte[] nextKey = keys[key];
            key = key + 1 == keys.length ? 0 : key + 1;
            return new ProducerRecord<>(topic, nextKey, next);
        }

        @Override
        public void run() {
            try {
                warmUp = sendUntil(System.nanoTime() + number("warm_up_ms") * 1_000_000);
                barrier.await();
                barrier.await();
                begun = true;
                long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
                window = sendUntil(System.nanoTime() + number("window_ms") * 1_000_000);
                cpu = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before;
            } catch (Exception e) {
                e.printStackTrace();
                System.exit(1);
            }
        }
    }

    static void called(Exception e, long sent) {
        if (e != null) {
            System.err.println("not delivered: " + e);
            return;
        }
        told++;
        if (sent != 0 && sampleCount < samples.length) samples[sampleCount++] = System.nanoTime() - sent;
    }

    static class Rate extends Caller {
        Rate(KafkaProducer<byte[], byte[]> producer, CyclicBarrier barrier, int index, int threads) {
            super(producer, barrier, index, threads);
        }

        @Override
        long sendUntil(long end) {
            long count = 0;
            while (System.nanoTime() < end) {
                for (int i = 0; i < betweenLooks; i++) {
                    long sent = begun && count % SAMPLED == 0 ? System.nanoTime() : 0;
                    producer.send(record(), (metadata, e) -> called(e, sent));
                    count++;
                }
            }
            return count;
        }
    }

    static class Asker extends Caller {
        float[] times = new float[1 << 16];
        int asked;

        Asker(KafkaProducer<byte[], byte[]> producer, CyclicBarrier barrier, int index, int threads) {
            super(producer, barrier, index, threads);
        }

        @Override
        long sendUntil(long end) throws Exception {
            asked = 0;
            for (long sent = System.nanoTime(); sent < end; sent = System.nanoTime()) {
                producer.send(record()).get();
                if (asked == times.length) times = Arrays.copyOf(times, 2 * asked);
                times[asked++] = System.nanoTime() - sent;
            }
            return asked;
        }
    }

    /** Transactions of so many records, one after the other. */
    static class Committer extends Caller {
        float[] times = new float[1 << 16];
        int timed;
        long committed;
        boolean initialized; // a short warm-up may be over before anything is committed

        Committer(KafkaProducer<byte[], byte[]> producer, CyclicBarrier barrier, int index, int threads) {
            super(producer, barrier, index, threads);
        }

        @Override
        long sendUntil(long end) throws Exception {
            if (!initialized) producer.initTransactions();
            initialized = true;
            long records = number("transaction");
            timed = 0;
            for (long begun = System.nanoTime(); begun < end; begun = System.nanoTime()) {
                producer.beginTransaction();
                for (long i = 0; i < records; i++) producer.send(record(), (metadata, e) -> called(e, 0));
                producer.commitTransaction();
                if (timed == times.length) times = Arrays.copyOf(times, 2 * timed);
                times[timed++] = System.nanoTime() - begun;
            }
            committed += timed;
            return timed * records;
        }
    }

    interface Make {
        Caller make(KafkaProducer<byte[], byte[]> producer, CyclicBarrier barrier, int index, int threads);
    }

    static List<Caller> callers = new ArrayList<>();

    static String run(Make make) throws Exception {
        int threads = (int) number("threads");
        CyclicBarrier barrier = new CyclicBarrier(threads + 1);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            for (int i = 0; i < threads; i++) callers.add(make.make(producer, barrier, i, threads));
            for (Caller caller : callers) caller.start();
            barrier.await();
            producer.flush();
            long begin = System.nanoTime(), cpu = SYSTEM.getProcessCpuTime();
            barrier.await();
            for (Caller caller : callers) caller.join();
            producer.flush();
            double seconds = (System.nanoTime() - begin) / 1e9, used = (SYSTEM.getProcessCpuTime() - cpu) / 1e9;
            long warmUp = 0, window = 0, callerCpu = 0;
            for (Caller caller : callers) {
                warmUp += caller.warmUp;
                window += caller.window;
                callerCpu += caller.cpu;
            }
            return line("sent=%d records=%d seconds=%.6f cpu=%.6f caller_cpu=%.6f", warmUp + window, window, seconds, used,
                callerCpu / 1e9);
        }
    }

    static String throughput() throws Exception {
        String report = run(Rate::new);
        return report + " told=" + told + times(samples, sampleCount);
    }

    static String transactions() throws Exception {
        String report = run(Committer::new);
        Committer committer = (Committer) callers.get(0);
        return report + " told=" + told + " transactions=" + committer.committed + times(committer.times, committer.timed);
    }

    static String latency() throws Exception {
        String report = run(Asker::new);
        int count = callers.stream().mapToInt(caller -> ((Asker) caller).asked).sum();
        float[] all = new float[count];
        int at = 0;
        for (Caller caller : callers) {
            System.arraycopy(((Asker) caller).times, 0, all, at, ((Asker) caller).asked);
            at += ((Asker) caller).asked;
        }
        return report + times(all, count);
    }

    static String times(float[] times, int count) {
        if (count == 0) return "";
        Arrays.sort(times, 0, count);
        return line(" p50_us=%.1f p99_us=%.1f p999_us=%.1f", times[count / 2] / 1e3, times[(int) (count * 0.99)] / 1e3,
            times[(int) (count * 0.999)] / 1e3);
    }

    static String connect() {
        long begin = System.nanoTime(), cpu = SYSTEM.getProcessCpuTime();
        for (long i = 0; i < number("rounds"); i++) {
            try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
                producer.partitionsFor(topic);
            }
        }
        return line("sent=0 records=%d seconds=%.6f cpu=%.6f", number("rounds"), (System.nanoTime() - begin) / 1e9,
            (SYSTEM.getProcessCpuTime() - cpu) / 1e9);
    }

    static String cold() throws Exception {
        long begin = System.nanoTime();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            producer.send(new ProducerRecord<>(topic, values[0])).get();
            return line("sent=1 first_us=%d", (System.nanoTime() - begin) / 1000);
        }
    }

    /** The runner counts what is called between the two words. */
    static String idle() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            for (int i = 0; i < 1000; i++) producer.send(new ProducerRecord<>(topic, values[i % values.length]));
            producer.flush();
            Thread.sleep(number("warm_up_ms"));
            System.err.println("idle begins");
            long begin = System.nanoTime(), cpu = SYSTEM.getProcessCpuTime();
            Thread.sleep(number("window_ms"));
            System.err.println("idle ends");
            return line("sent=1000 seconds=%.6f cpu=%.6f", (System.nanoTime() - begin) / 1e9,
                (SYSTEM.getProcessCpuTime() - cpu) / 1e9);
        }
    }

    static String line(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
