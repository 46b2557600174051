// client-java: the work of the benchmark by Java's producer, as the other clients do it: the same command line, the same
// report. Compiled by compare, which also gives it its jars.

import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.utils.AppInfoParser;

public class ClientJava {
    static final String TOPIC = "bench";
    static final int KEYS = 10_000;
    static final int WARM_UP = 200;

    static String mode;
    static long records;
    static byte[] value;
    static byte[][] keys;
    static Properties properties = new Properties();

    public static void main(String[] arguments) throws Exception {
        mode = arguments[0];
        records = Long.parseLong(arguments[2]);
        value = new byte[Integer.parseInt(arguments[3])];
        for (int i = 0; i < value.length; i++) value[i] = (byte) ('a' + i % 26);
        if (arguments[5].equals("keyed")) {
            keys = new byte[KEYS][];
            for (int i = 0; i < KEYS; i++)
                keys[i] = String.format("%0" + (8 + i % 9) + "d", i).getBytes(StandardCharsets.US_ASCII);
        }
        String bytes = "org.apache.kafka.common.serialization.ByteArraySerializer";
        String[] fixed = {
            "bootstrap.servers", arguments[1], "key.serializer", bytes, "value.serializer", bytes, "acks", "all",
            "enable.idempotence", "false", "linger.ms", mode.equals("latency") ? "0" : "5", "batch.size", arguments[4],
            "buffer.memory", "67108864", "max.request.size", "2097152", "max.in.flight.requests.per.connection", "1000000",
            "compression.type", "none", "enable.metrics.push", "false",
        };
        for (int i = 0; i < fixed.length; i += 2) properties.setProperty(fixed[i], fixed[i + 1]);
        for (String pair : Arrays.asList(arguments).subList(6, arguments.length)) {
            String[] sides = pair.split("=", 2);
            properties.setProperty(sides[0], sides[1]);
        }
        String report = switch (mode) {
            case "throughput" -> throughput();
            case "latency" -> latency();
            default -> connect();
        };
        String peak = Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(line -> line.startsWith("VmHWM:")).findFirst().orElseThrow().replaceAll("[^0-9]", "");
        System.out.println(report + " version=" + AppInfoParser.getVersion() + " peak_kib=" + peak);
    }

    static String throughput() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            int next = send(producer, 0);
            producer.flush();
            long begin = System.nanoTime();
            long caller = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            for (long i = 0; i < records; i++) next = send(producer, next);
            producer.flush();
            double seconds = (System.nanoTime() - begin) / 1e9;
            caller = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - caller;
            return line("sent=%d seconds=%.6f caller_cpu=%.6f", records + 1, seconds, caller / 1e9);
        }
    }

    static int send(KafkaProducer<byte[], byte[]> producer, int next) {
        producer.send(new ProducerRecord<>(TOPIC, keys == null ? null : keys[next], value));
        return next + 1 == KEYS ? 0 : next + 1;
    }

    static String latency() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            double[] times = new double[(int) records];
            long begin = System.nanoTime();
            for (int i = 0; i < WARM_UP + times.length; i++) {
                long sent = System.nanoTime();
                producer.send(new ProducerRecord<>(TOPIC, value)).get();
                if (i >= WARM_UP) times[i - WARM_UP] = (System.nanoTime() - sent) / 1e3;
            }
            double seconds = (System.nanoTime() - begin) / 1e9;
            Arrays.sort(times);
            return line("sent=%d seconds=%.6f p50_us=%.1f p99_us=%.1f", records + WARM_UP, seconds,
                times[times.length / 2], times[times.length * 99 / 100]);
        }
    }

    static String connect() {
        long begin = System.nanoTime();
        for (long i = 0; i < records; i++) {
            try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
                producer.partitionsFor(TOPIC);
            }
        }
        return line("sent=0 seconds=%.6f", (System.nanoTime() - begin) / 1e9);
    }

    static String line(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
