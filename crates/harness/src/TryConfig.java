// What Java's producer makes of sets of properties: for each line of input, pairs in hex as NAME=VALUE separated by
// blanks, one line of output. With the argument "start" a producer is created of each, otherwise only its configuration. Either "refused MESSAGE", or "accepted" and a pair for each setting with the value that it
// has in the end, everything in hex again. A list is joined by commas, a class is its name.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;

public class TryConfig {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        boolean start = List.of(arguments).contains("start");
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Properties properties = new Properties();
            for (String pair : line.split(" ")) {
                String[] sides = pair.split("=", -1);
                properties.setProperty(text(sides[0]), text(sides[1]));
            }
            System.out.println(outcome(properties, start));
        }
    }

    static String outcome(Properties properties, boolean start) throws Exception {
        Map<String, String> values = new TreeMap<>();
        try {
            ProducerConfig config = new ProducerConfig(properties);
            for (Map.Entry<String, ?> entry : config.values().entrySet())
                values.put(entry.getKey(), written(entry.getValue()));
            if (!start)
                return accepted(values);
            // The rules that the producer itself adds, and what comes of them. Its metrics are slow and beside the point.
            properties.putIfAbsent("metric.reporters", "");
            properties.putIfAbsent("enable.metrics.push", "false");
            try (KafkaProducer<Object, Object> producer = new KafkaProducer<>(properties)) {
                Object accumulator = field(producer, "accumulator");
                values.put("delivery.timeout.ms", field(accumulator, "deliveryTimeoutMs").toString());
                values.put("linger.ms", field(accumulator, "lingerMs").toString());
                producer.close(Duration.ZERO);
            }
        } catch (RuntimeException | LinkageError error) {
            String message = String.valueOf(error.getMessage());
            if (error.getCause() != null)
                message += ": " + error.getCause().getMessage();
            return "refused " + hex(message);
        }
        return accepted(values);
    }

    static String accepted(Map<String, String> values) {
        StringBuilder line = new StringBuilder("accepted");
        values.forEach((name, value) -> line.append(' ').append(hex(name)).append('=').append(hex(value)));
        return line.toString();
    }

    static Object field(Object owner, String name) throws Exception {
        Field field = owner.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(owner);
    }

    static String written(Object value) {
        if (value instanceof List<?> list)
            return String.join(",", list.stream().map(String::valueOf).toList());
        return value instanceof Class<?> type ? type.getName() : String.valueOf(value);
    }

    static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    static String text(String hex) {
        return new String(HexFormat.of().parseHex(hex), StandardCharsets.UTF_8);
    }
}
