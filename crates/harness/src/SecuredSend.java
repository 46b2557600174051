// Sends a record by Java's producer with each set of properties: for each line of input, pairs in hex as NAME=VALUE
// separated by blanks, one line of output: "accepted", or "refused MESSAGE" in hex with all causes. Arguments: the topic,
// then system properties as NAME=VALUE.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

public class SecuredSend {
    public static void main(String[] arguments) throws Exception {
        for (int i = 1; i < arguments.length; i++) {
            String[] sides = arguments[i].split("=", 2);
            System.setProperty(sides[0], sides[1]);
        }
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Properties properties = new Properties();
            for (String pair : line.split(" ")) {
                String[] sides = pair.split("=", -1);
                properties.setProperty(text(sides[0]), text(sides[1]));
            }
            System.out.println(outcome(properties, arguments[0]));
        }
    }

    static String outcome(Properties properties, String topic) {
        properties.setProperty("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.setProperty("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.setProperty("enable.metrics.push", "false");
        properties.putIfAbsent("max.block.ms", "30000");
        properties.setProperty("request.timeout.ms", "5000");
        properties.setProperty("delivery.timeout.ms", "30000");
        properties.setProperty("linger.ms", "0");
        try {
            KafkaProducer<String, String> producer = new KafkaProducer<>(properties);
            try {
                producer.send(new ProducerRecord<>(topic, "by Java")).get(60, TimeUnit.SECONDS);
                return "accepted";
            } finally {
                close(producer);
            }
        } catch (Exception | LinkageError error) {
            StringBuilder message = new StringBuilder();
            for (Throwable cause = error; cause != null; cause = cause.getCause())
                message.append(message.isEmpty() ? "" : "; ").append(cause.getClass().getSimpleName()).append(": ").append(cause.getMessage());
            return "refused " + HexFormat.of().formatHex(message.toString().getBytes(StandardCharsets.UTF_8));
        }
    }

    // In Kafka's words of each time: by a Duration since 2.2, the other way until 3.0.
    static void close(KafkaProducer<?, ?> producer) throws Exception {
        try {
            KafkaProducer.class.getMethod("close", Duration.class).invoke(producer, Duration.ZERO);
        } catch (NoSuchMethodException old) {
            KafkaProducer.class.getMethod("close", long.class, TimeUnit.class).invoke(producer, 0L, TimeUnit.SECONDS);
        }
    }

    static String text(String hex) {
        return new String(HexFormat.of().parseHex(hex), StandardCharsets.UTF_8);
    }
}
