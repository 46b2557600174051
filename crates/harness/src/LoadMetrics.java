// Runs loads by Java's producer and prints what it has measured. Input: lines of a load, and a blank line at the end of
// each. "set NAME=VALUE"; then "send TOPIC PARTITION TIMESTAMP BYTES COUNT", "flush", "init", "begin", "commit", "abort",
// "offsets TOPIC", "sleep MILLISECONDS". Output: one line for each metric, "GROUP NAME TAG=VALUE,… VALUE" with tabs between; a blank line at the
// end of each load. A tab, a line's end or a comma in a tag is none that Kafka would give it.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class LoadMetrics {
    public static void main(String[] arguments) {
        try {
            run();
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    static void run() throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Properties properties = new Properties();
        KafkaProducer<byte[], byte[]> producer = null;
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("set")) {
                String[] sides = words[1].split("=", 2);
                properties.setProperty(sides[0], sides[1]);
                continue;
            }
            if (producer == null)
                producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
            if (!line.isEmpty()) {
                step(producer, words);
                continue;
            }
            print(producer);
            producer.close(java.time.Duration.ZERO);
            producer = null;
            properties.clear();
        }
    }

    static void step(KafkaProducer<byte[], byte[]> producer, String[] words) throws InterruptedException {
        switch (words[0]) {
            case "send":
                byte[] value = new byte[Integer.parseInt(words[4])];
                for (int i = 0; i < Integer.parseInt(words[5]); i++)
                    producer.send(new ProducerRecord<>(words[1], Integer.parseInt(words[2]), Long.parseLong(words[3]), null, value));
                break;
            case "flush": producer.flush(); break;
            case "sleep": Thread.sleep(Long.parseLong(words[1])); break;
            case "init": producer.initTransactions(); break;
            case "begin": producer.beginTransaction(); break;
            case "commit": producer.commitTransaction(); break;
            case "abort": producer.abortTransaction(); break;
            case "offsets":
                producer.sendOffsetsToTransaction(
                    Map.of(new TopicPartition(words[1], 0), new OffsetAndMetadata(1)), new ConsumerGroupMetadata("group"));
                break;
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    static void print(KafkaProducer<byte[], byte[]> producer) {
        for (Map.Entry<MetricName, ? extends Metric> entry : producer.metrics().entrySet()) {
            MetricName name = entry.getKey();
            StringBuilder tags = new StringBuilder();
            new TreeMap<>(name.tags()).forEach((tag, value) -> tags.append(tags.isEmpty() ? "" : ",").append(tag).append('=').append(value));
            System.out.println(String.join("\t", name.group(), name.name(), tags, String.valueOf(entry.getValue().metricValue())));
        }
        System.out.println();
    }
}
